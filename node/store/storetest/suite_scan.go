package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
)

func keys(t *testing.T, tx store.Tx, r store.Range) []string {
	t.Helper()
	got := []string{}
	for item, err := range tx.Scan(r) {
		if err != nil {
			t.Fatalf("Scan(%+v): %v", r, err)
		}
		if r.KeysOnly && item.Value != nil {
			t.Errorf("Scan(%+v) has a value for %q", r, item.Key)
		}
		got = append(got, string(item.Key))
	}
	return got
}

func testScan(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for _, k := range []string{"a", "b", "b\x00", "b1", "b2", "b\xff", "b\xff\xff", "c"} {
			if err := tx.Put([]byte(k), []byte("v"+k)); err != nil {
				return err
			}
		}
		return nil
	})
	b := []byte("b")
	for _, c := range []struct {
		r    store.Range
		want string
	}{
		{store.Range{}, "a b b\x00 b1 b2 b\xff b\xff\xff c"},
		{store.Range{Reverse: true}, "c b\xff\xff b\xff b2 b1 b\x00 b a"},
		{store.Range{Prefix: b}, "b b\x00 b1 b2 b\xff b\xff\xff"},
		{store.Range{Prefix: b, Reverse: true}, "b\xff\xff b\xff b2 b1 b\x00 b"},
		{store.Range{Prefix: []byte("b\xff")}, "b\xff b\xff\xff"},
		{store.Range{Prefix: []byte("b\xff"), Reverse: true}, "b\xff\xff b\xff"},
		{store.Range{Prefix: b, Limit: 2}, "b b\x00"},
		{store.Range{Prefix: b, Limit: 2, Reverse: true}, "b\xff\xff b\xff"},
		{store.Range{From: []byte("b1"), To: []byte("b\xff")}, "b1 b2"},
		{store.Range{From: []byte("b1"), To: []byte("b\xff"), Reverse: true}, "b2 b1"},
		{store.Range{From: []byte("b11"), KeysOnly: true}, "b2 b\xff b\xff\xff c"},
		{store.Range{To: []byte("b1"), Reverse: true, KeysOnly: true}, "b\x00 b a"},
		{store.Range{Prefix: b, From: []byte("b2")}, "b2 b\xff b\xff\xff"},
		{store.Range{Prefix: b, To: []byte("b1")}, "b b\x00"},
		{store.Range{Prefix: b, From: []byte("a"), To: []byte("z"), Limit: 1}, "b"},
		{store.Range{Prefix: []byte("d")}, ""},
		{store.Range{Prefix: []byte("d"), Reverse: true}, ""},
		{store.Range{From: []byte("c"), To: []byte("b")}, ""},
		{store.Range{From: []byte("c"), To: []byte("b"), Reverse: true}, ""},
		{store.Range{From: b, To: b}, ""},
	} {
		check := func(tx store.Tx) error {
			if got := strings.Join(keys(t, tx, c.r), " "); got != c.want {
				t.Errorf("Scan(%+v) = %q, want %q", c.r, got, c.want)
			}
			return nil
		}
		view(t, s, check)
		update(t, s, check)
	}
}

// testScanModel compares random scans over many keys, some in this
// transaction, with a sorted slice.
func testScanModel(t *testing.T, s store.Store) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	model := map[string]string{}
	for range 4 {
		update(t, s, func(tx store.Tx) error {
			for range 150 {
				key := fmt.Sprintf("%03d", rng.IntN(600))
				if rng.IntN(4) == 0 {
					delete(model, key)
					if err := tx.Delete([]byte(key)); err != nil {
						return err
					}
					continue
				}
				model[key] = fmt.Sprint(rng.Uint32())
				if err := tx.Put([]byte(key), []byte(model[key])); err != nil {
					return err
				}
			}
			for range 30 {
				checkAgainst(t, tx, model, randomRange(rng), seed)
			}
			return nil
		})
		view(t, s, func(tx store.Tx) error {
			for range 30 {
				checkAgainst(t, tx, model, randomRange(rng), seed)
			}
			return nil
		})
	}
}

func randomRange(rng *rand.Rand) store.Range {
	r := store.Range{Reverse: rng.IntN(2) == 0, Limit: rng.IntN(3) * rng.IntN(200)}
	if rng.IntN(2) == 0 {
		r.From = fmt.Appendf(nil, "%03d", rng.IntN(600))
	}
	if rng.IntN(2) == 0 {
		r.To = fmt.Appendf(nil, "%03d", rng.IntN(600))
	}
	if rng.IntN(3) == 0 {
		r.Prefix = fmt.Appendf(nil, "%d", rng.IntN(7))
	}
	return r
}

func checkAgainst(t *testing.T, tx store.Tx, model map[string]string, r store.Range, seed int) {
	t.Helper()
	var want []string
	for _, key := range slices.Sorted(maps.Keys(model)) {
		if strings.HasPrefix(key, string(r.Prefix)) && key >= string(r.From) && (r.To == nil || key < string(r.To)) {
			want = append(want, key+"="+model[key])
		}
	}
	if r.Reverse {
		slices.Reverse(want)
	}
	if r.Limit > 0 && len(want) > r.Limit {
		want = want[:r.Limit]
	}
	var got []string
	for item, err := range tx.Scan(r) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(item.Key)+"="+string(item.Value))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("seed %d: Scan(%+v)\n got %v\nwant %v", seed, r, got, want)
	}
}

func testScanWhileWriting(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for i := range 300 {
			if err := tx.Put(fmt.Appendf(nil, "%c%03d", 'a'+i%2, i), []byte("v")); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: []byte("a")}) {
			if err != nil {
				return err
			}
			if n := len(keys(t, tx, store.Range{Prefix: []byte("b")})); n != 150 {
				t.Fatalf("the scan within a scan has %d items, want 150", n)
			}
			if err := tx.Delete(item.Key); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		for range tx.Scan(store.Range{Prefix: []byte("b"), Limit: 3}) {
			if n := len(keys(t, tx, store.Range{})); n != 150 {
				t.Fatalf("%d items are left, want 150", n)
			}
		}
		return nil
	})
}

func testPrefixOfOnes(t *testing.T, s store.Store) {
	for _, k := range []string{"\xfe", "\xff", "\xff\xff", "\xff\xff\x01", "\xff\xff\xff\xff\xff"} {
		Put(t, s, k, "v")
	}
	view(t, s, func(tx store.Tx) error {
		for _, reverse := range []bool{false, true} {
			want := []string{"\xff\xff", "\xff\xff\x01", "\xff\xff\xff\xff\xff"}
			if reverse {
				slices.Reverse(want)
			}
			if got := keys(t, tx, store.Range{Prefix: []byte("\xff\xff"), Reverse: reverse}); !slices.Equal(got, want) {
				t.Errorf("Scan(ff ff, reverse %v) = %q, want %q", reverse, got, want)
			}
		}
		return nil
	})
}
