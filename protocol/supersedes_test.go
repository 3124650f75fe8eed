package protocol

import (
	"testing"

	"pgregory.net/rapid"
)

// revisions draws from few values, so that ties are common.
func revisions() *rapid.Generator[Revision] {
	return rapid.Custom(func(t *rapid.T) Revision {
		r := Revision{Version: rapid.Uint64Range(0, 4).Draw(t, "version"), Deleted: rapid.Bool().Draw(t, "deleted")}
		r.Erased = r.Deleted && rapid.Bool().Draw(t, "erased")
		r.Digest[31] = rapid.ByteRange(0, 3).Draw(t, "digest")
		return r
	})
}

// newest folds revisions as a node does that receives them in this order.
func newest(list []Revision) Revision {
	current := list[0]
	for _, next := range list[1:] {
		if Supersedes(next, current) {
			current = next
		}
	}
	return current
}

func TestSupersedes_IsAStrictTotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := revisions().Draw(t, "a"), revisions().Draw(t, "b"), revisions().Draw(t, "c")
		if Supersedes(a, a) {
			t.Fatal("a revision supersedes itself")
		}
		if a != b && Supersedes(a, b) == Supersedes(b, a) {
			t.Fatal("two revisions do not know which of them stands")
		}
		if Supersedes(a, b) && Supersedes(b, c) && !Supersedes(a, c) {
			t.Fatal("not transitive")
		}
	})
}

func TestSupersedes_EveryOrderOfArrivalEndsOnTheSameRevision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(revisions(), 1, 12).Draw(t, "revisions")
		shuffled := rapid.Permutation(list).Draw(t, "order")
		repeated := append(append([]Revision{}, shuffled...), list...)
		want := newest(list)
		if got := newest(shuffled); got != want {
			t.Fatalf("in another order %+v stands, want %+v", got, want)
		}
		if got := newest(repeated); got != want {
			t.Fatalf("after a replay %+v stands, want %+v", got, want)
		}
		for _, r := range list {
			if r.Erased && !want.Erased {
				t.Fatal("something came back after an erasure")
			}
			if r.Erased == want.Erased && r.Version > want.Version {
				t.Fatalf("edit %d stands beside edit %d", want.Version, r.Version)
			}
		}
	})
}

func TestSupersedes_InWords(t *testing.T) {
	digest := func(b byte) (d [32]byte) { d[0] = b; return d }
	cases := []struct {
		name          string
		next, current Revision
	}{
		{"a later edit", Revision{Version: 3}, Revision{Version: 2}},
		{"a later edit of what was deleted", Revision{Version: 3}, Revision{Version: 2, Deleted: true}},
		{"a deletion by the same edit", Revision{Version: 2, Deleted: true}, Revision{Version: 2}},
		{"an erasure, whatever came after", Revision{Version: 1, Deleted: true, Erased: true}, Revision{Version: 9}},
		{"the later of two erasures", Revision{Version: 5, Deleted: true, Erased: true}, Revision{Version: 4, Deleted: true, Erased: true}},
		{"the lower digest of one edit", Revision{Version: 2, Digest: digest(1)}, Revision{Version: 2, Digest: digest(2)}},
		{"anything, when there was nothing", Revision{Version: 1}, Revision{}},
	}
	for _, c := range cases {
		if !Supersedes(c.next, c.current) || Supersedes(c.current, c.next) {
			t.Errorf("%s should stand", c.name)
		}
	}
}
