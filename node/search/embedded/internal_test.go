package embedded

import (
	"context"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// FuzzSearchText proves that nothing a visitor types reaches FTS5's syntax:
// every text is a search, and the words around it are still required.
func FuzzSearchText(f *testing.F) {
	for _, s := range []string{"tablet", `"`, `tab"let* OR title:`, "NEAR(a b, 3)", "a\x00b", "-x ^y {z}:q", "é e\u0301 日本語 🙂", "\xff", "AND OR NOT", "x* *", "''--", "٣ ⅷ ǅ"} {
		f.Add(s)
	}
	x, err := Open(context.Background(), Config{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { x.Close() })
	change := search.Change{CID: "c", UID: "u", Doc: &search.Doc{Listing: protocol.Listing{Kind: "offer", Title: "Marmalade", Visibility: protocol.VisibilityPublic}}}
	if err := x.Apply(context.Background(), []search.Change{change}, 1); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := x.Search(context.Background(), protocol.Query{Text: text, Near: text}); err != nil {
			t.Fatal(err)
		}
		terms := search.Terms(text)
		m, err := x.matchAll(context.Background(), expression(append(terms, search.Term{Words: []string{"otherwise"}})))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.ids) > 0 {
			t.Fatalf("%q found a listing that lacks a required word", text)
		}
	})
}

func someRecord() record {
	r := record{CID: "abc", Words: []string{"t:tablets", "x:step-free"}, Series: series{Expanded: 5, Starts: []int64{10, 20, 1 << 40}}}
	r.facts = facts{UID: keyOf("x"), Lat: 51.5, Lon: -0.1, Start: -7, End: forever, Kind: 2, Categories: 0x81, Flags: flagFree | flagRecurring}
	return r
}

func TestRecord_SurvivesStorage(t *testing.T) {
	want := someRecord()
	got, err := decodeRecord(want.encode())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	r := someRecord()
	raw := r.encode()
	f.Add(raw)
	f.Add(raw[:len(raw)-1])
	f.Add(raw[:70])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decodeRecord(raw)
		if err != nil || math.IsNaN(float64(r.Lat)) || math.IsNaN(float64(r.Lon)) {
			return // NaN is not equal to itself
		}
		if again, err := decodeRecord(r.encode()); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("a decoded record does not survive: %+v, %v", again, err)
		}
	})
}

func TestMiddle_OneSlipDoesNotMoveATown(t *testing.T) {
	p, ok := middle([]protocol.Point{{Lat: 51.45, Lon: 0.14}, {Lat: 51.46, Lon: 0.15}, {Lat: 0, Lon: 0}})
	if !ok || math.Abs(p.Lat-51.455) > 0.001 || math.Abs(p.Lon-0.145) > 0.001 {
		t.Errorf("middle = %v, %v", p, ok)
	}
}

func TestKilometres(t *testing.T) {
	for _, c := range []struct {
		a, b protocol.Point
		want float64
	}{
		{protocol.Point{Lat: 51.5074, Lon: -0.1278}, protocol.Point{Lat: 53.4808, Lon: -2.2426}, 262},
		{protocol.Point{Lat: 0, Lon: 179.9}, protocol.Point{Lat: 0, Lon: -179.9}, 22},
		{protocol.Point{Lat: 90, Lon: 0}, protocol.Point{Lat: 90, Lon: 90}, 0},
		{protocol.Point{Lat: 0, Lon: 0}, protocol.Point{Lat: 0, Lon: 180}, 20015},
	} {
		if got := kilometres(c.a, c.b); math.Abs(got-c.want) > 1 {
			t.Errorf("%v to %v = %.1f km, want %.0f", c.a, c.b, got, c.want)
		}
	}
}

func TestOutward(t *testing.T) {
	for code, want := range map[string]string{"da67hj": "da6", "bs15tx": "bs1", "ec1a1bb": "ec1a", "m11ae": "m1", "da6": "da6", "10115": "10115", "": ""} {
		if got := outward(code); got != want {
			t.Errorf("outward(%q) = %q, want %q", code, got, want)
		}
	}
}

func TestRecord_ClockAheadDoesNotWin(t *testing.T) {
	now := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	c := search.Change{Doc: &search.Doc{ConfirmedAt: now.AddDate(50, 0, 0)}}
	if r := recordOf(c, protocol.Community{}, now); r.Confirmed != now.Unix() {
		t.Errorf("confirmed = %d, want no later than now, %d", r.Confirmed, now.Unix())
	}
}
