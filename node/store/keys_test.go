package store

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestKeys_NoPrefixBeginsAnother reads the page itself, so that a prefix
// cannot be added without being looked at.
func TestKeys_NoPrefixBeginsAnother(t *testing.T) {
	page, err := os.ReadFile("keys.go")
	if err != nil {
		t.Fatal(err)
	}
	var prefixes []string
	for _, m := range regexp.MustCompile(`(?m)^\tprefix\w+\s+= (prefixPrivate \+ )?"([^"]+)"`).FindAllSubmatch(page, -1) {
		p := string(m[2])
		if len(m[1]) > 0 {
			p = prefixPrivate + p
		}
		prefixes = append(prefixes, p)
	}
	if len(prefixes) < 25 {
		t.Fatalf("found only %d prefixes on the page: %q", len(prefixes), prefixes)
	}
	for i, a := range prefixes {
		if !strings.HasSuffix(a, "/") {
			t.Errorf("prefix %q does not end in /", a)
		}
		for j, b := range prefixes {
			if i != j && strings.HasPrefix(b, a) && a != prefixPrivate {
				t.Errorf("prefix %q is the beginning of %q", a, b)
			}
		}
	}
}

func TestKeys_HostileNamesStayInTheirRow(t *testing.T) {
	long := strings.Repeat("x", 300)
	names := []string{"", "a", "ab", "a/", "a\x00", "\x01a", "\xff", "a\xff", "b", long, long + "y", strings.Repeat("x", 200), strings.Repeat("x", 201)}
	seen := map[string][2]string{}
	for _, cid := range names {
		for _, uid := range names {
			key := string(ListingKey(cid, uid))
			if other, dup := seen[key]; dup {
				t.Errorf("(%.9q, %.9q) and (%.9q, %.9q) have the same key", cid, uid, other[0], other[1])
			}
			seen[key] = [2]string{cid, uid}
			if len(key) > MaxKey {
				t.Errorf("the key of (%.9q, %.9q) has %d bytes", cid, uid, len(key))
			}
			for _, other := range names {
				if inside := bytes.HasPrefix([]byte(key), ListingPrefix(other)); inside != (other == cid) {
					t.Errorf("listing of %.9q within the prefix of %.9q: %v", cid, other, inside)
				}
			}
		}
	}
}

func TestKeys_NumbersSortAsNumbers(t *testing.T) {
	numbers := []uint64{0, 1, 255, 256, 65535, 1 << 40, 1<<64 - 1}
	for i, n := range numbers {
		if got := KeyNumber(LogKey(n)); got != n {
			t.Errorf("KeyNumber(LogKey(%d)) = %d", n, got)
		}
		if i > 0 && bytes.Compare(LogKey(numbers[i-1]), LogKey(n)) >= 0 {
			t.Errorf("the key of %d does not sort before that of %d", numbers[i-1], n)
		}
	}
	if got := KeyNumber([]byte("short")); got != 0 {
		t.Errorf("KeyNumber of a short key = %d, want 0", got)
	}
}

func TestKeys_SignaturesExpiredByIncludesThatSecondOnly(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	from, to := SignaturesExpiredBy(now).Bounds()
	for _, c := range []struct {
		expires time.Time
		want    bool
	}{{now.Add(-time.Hour), true}, {now, true}, {now.Add(time.Second), false}, {time.Time{}, true}} {
		key := SignatureExpiryKey(c.expires, [32]byte{0xff})
		if got := bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0; got != c.want {
			t.Errorf("a signature that expires %s after now: selected %v, want %v", c.expires.Sub(now), got, c.want)
		}
	}
}

func TestRange_BoundsAreTheIntersection(t *testing.T) {
	for _, c := range []struct {
		r        Range
		from, to string // "-" is no bound
	}{
		{Range{}, "", "-"},
		{Range{Prefix: []byte("b")}, "b", "c"},
		{Range{Prefix: []byte("b\xff")}, "b\xff", "c"},
		{Range{Prefix: []byte("\xff\xff")}, "\xff\xff", "-"},
		{Range{Prefix: []byte("b"), From: []byte("b5"), To: []byte("b7")}, "b5", "b7"},
		{Range{Prefix: []byte("b"), From: []byte("a"), To: []byte("z")}, "b", "c"},
		{Range{Prefix: []byte("\xff"), To: []byte("\xff\x01")}, "\xff", "\xff\x01"},
	} {
		from, to := c.r.Bounds()
		gotTo := string(to)
		if to == nil {
			gotTo = "-"
		}
		if string(from) != c.from || gotTo != c.to {
			t.Errorf("%+v: bounds %q, %q; want %q, %q", c.r, from, gotTo, c.from, c.to)
		}
	}
}
