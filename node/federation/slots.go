package federation

import (
	"context"
	"sync"
	"time"
)

// How many activities are worked on at a time. More are asked to come back, so
// that a flood cannot take the memory. Senders whose key must be fetched first
// have a small room of their own: their servers may take as long as they like,
// and must keep neither the known ones out nor each other.
const (
	knownAtOnce     = 64
	strangersAtOnce = 16
	strangersAHost  = 4
)

// lookupTime bounds all that is fetched to check one signature.
const lookupTime = 10 * time.Second

// bodyTime bounds how long a body may take to arrive.
const bodyTime = 10 * time.Second

// slots counts the activities that are worked on.
type slots struct {
	mu        sync.Mutex
	known     int            // guarded by mu
	strangers int            // guarded by mu
	hosts     map[string]int // strangers by the host of their key; guarded by mu
}

// take gives a slot and how to give it back, or ok = false when there is none.
func (s *slots) take(known bool, host string) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known {
		if s.known >= knownAtOnce {
			return nil, false
		}
		s.known++
		return func() { s.give(func() { s.known-- }) }, true
	}
	if s.strangers >= strangersAtOnce || s.hosts[host] >= strangersAHost {
		return nil, false
	}
	s.strangers++
	s.hosts[host]++
	return func() {
		s.give(func() {
			s.strangers--
			if s.hosts[host]--; s.hosts[host] == 0 {
				delete(s.hosts, host)
			}
		})
	}, true
}

func (s *slots) give(back func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	back()
}

// knows reports whether a key can be had without the network.
func (a *Actors) knows(ctx context.Context, keyID string) bool {
	iri := a.holderOf(keyID)
	if c := a.inMemory(iri); c != nil {
		return c.err == nil
	}
	return a.onDisk(ctx, iri)
}

// busy is the error of an activity for which there is no slot.
type busy struct{}

func (busy) Error() string { return "this node is busy; try again in half a minute" }
