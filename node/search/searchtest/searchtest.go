// Package searchtest holds what every search index must do, whatever it is
// built on: call [Run] from a driver's tests. It also invents listings in any
// number ([Listings]) and the searches to measure over them ([Queries]).
package searchtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// World is what an index under test must be opened with.
type World struct {
	Now         func() time.Time
	Communities search.Communities
}

// Run runs the suite. Open opens an empty index in world; the suite closes it.
func Run(t *testing.T, open func(t *testing.T, world World) search.Index) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *bench)
	}{
		{"finds", testFinds},
		{"sorts", testSorts},
		{"facets", testFacets},
		{"pages", testPages},
		{"answer as JSON", testJSON},
		{"why", testWhy},
		{"next time of a recurring event", testNextTime},
		{"unknown place is no dead end", testUnknownPlace},
		{"unknown words are left out", testUnknownWords},
		{"any text is a search", testAnyText},
		{"time passes", testTimePasses},
		{"changes replace and remove", testChanges},
		{"one uid in two communities", testSameUID},
		{"a failed apply changes nothing", testFailedApply},
		{"reset", testReset},
		{"searching while changing", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &bench{now: Base()}
			s.index = open(t, World{Now: s.clock, Communities: communities()})
			defer func() {
				if err := s.index.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			var changes []search.Change
			for _, l := range suite() {
				changes = append(changes, l.change())
			}
			s.apply(t, uint64(len(changes)), changes...)
			test.run(t, s)
		})
	}
}

// bench is an index with the suite's listings in it and a clock.
type bench struct {
	index search.Index
	mu    sync.Mutex
	now   time.Time // guarded by mu
}

func (s *bench) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *bench) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *bench) apply(t *testing.T, cursor uint64, changes ...search.Change) {
	t.Helper()
	if err := s.index.Apply(context.Background(), changes, cursor); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func (s *bench) search(t *testing.T, q protocol.Query) search.Answer {
	t.Helper()
	if q.PerPage == 0 {
		q.PerPage = protocol.MaxPerPage
	}
	a, err := s.index.Search(context.Background(), q)
	if err != nil {
		t.Fatalf("search %s: %v", q, err)
	}
	return a
}

// names are the suite's names of hits, in their order.
func names(hits []search.Hit) []string {
	known := map[string]string{}
	for _, l := range suite() {
		known[uidOf(l.name)] = l.name
	}
	out := []string{}
	for _, h := range hits {
		name := known[h.UID]
		if name == "" {
			name = h.Title
		}
		out = append(out, name)
	}
	return out
}

func (s *bench) finds(t *testing.T, q protocol.Query, want ...string) {
	t.Helper()
	a := s.search(t, q)
	got := names(a.Results)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("search %q found\n\t%v, want\n\t%v", q, got, want)
	}
	if a.Total != len(got) {
		t.Errorf("search %q: total = %d, want %d", q, a.Total, len(got))
	}
}

func (s *bench) sorts(t *testing.T, q protocol.Query, want ...string) {
	t.Helper()
	if got := names(s.search(t, q).Results); !slices.Equal(got, want) {
		t.Errorf("search %q is sorted\n\t%v, want\n\t%v", q, got, want)
	}
}
