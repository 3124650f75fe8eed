package transport

import (
	"context"
	"errors"
	"sync"

	"github.com/waypost-directory/waypost/protocol"
)

// slots lets a few requests at a time go to each host. A host has an entry
// only while requests to it are under way or waiting, and there are never more
// than maxHosts entries, so made-up host names cannot fill the memory
// (CVE-2026-69132).
type slots struct {
	perHost  int
	maxHosts int

	mu    sync.Mutex
	hosts map[string]*slot // guarded by mu, as is each slot's users
}

type slot struct {
	taken chan struct{} // holds one token for each request under way
	users int           // requests under way or waiting
}

func newSlots(perHost, maxHosts int) *slots {
	if perHost <= 0 {
		perHost = 4
	}
	return &slots{perHost: perHost, maxHosts: maxHosts, hosts: map[string]*slot{}}
}

// acquire waits for a slot until ctx ends; on success the caller must call release.
func (s *slots) acquire(ctx context.Context, host string) (release func(), f *Failure) {
	h := s.join(host)
	if h == nil {
		return nil, fail(ReasonBusy, protocol.Unavailable,
			"this node has requests under way to %d hosts already and starts no others for now", s.maxHosts)
	}
	select {
	case h.taken <- struct{}{}:
		return func() { <-h.taken; s.leave(host, h) }, nil
	case <-ctx.Done():
		s.leave(host, h)
		if errors.Is(context.Cause(ctx), context.Canceled) {
			return nil, cancelled(host).because(ctx.Err())
		}
		return nil, fail(ReasonBusy, protocol.Unavailable,
			"gave up waiting for a turn: %d other requests to %s are under way", s.perHost, host).because(ctx.Err())
	}
}

func (s *slots) join(host string) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[host]
	if h == nil {
		if len(s.hosts) >= s.maxHosts {
			return nil
		}
		h = &slot{taken: make(chan struct{}, s.perHost)}
		s.hosts[host] = h
	}
	h.users++
	return h
}

func (s *slots) leave(host string, h *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(s.hosts, host)
	}
}

type budgetKey struct{}

// budget counts the requests that one cause may still make.
type budget struct {
	mu     sync.Mutex
	size   int
	left   int // guarded by mu
	parent *budget
}

// WithBudget lets at most n requests be made with the returned context and
// those derived from it, redirects and second knocks included; after that they
// fail with kind Unavailable and ReasonBudget. It bounds what one incoming
// activity can make us fetch. A budget within a budget draws on both.
func WithBudget(ctx context.Context, n int) context.Context {
	parent, _ := ctx.Value(budgetKey{}).(*budget)
	return context.WithValue(ctx, budgetKey{}, &budget{size: n, left: n, parent: parent})
}

func spend(ctx context.Context) *Failure {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	for ; b != nil; b = b.parent {
		if !b.take() {
			return fail(ReasonBudget, protocol.Unavailable,
				"it needs more than the %d look-ups at other hosts that one activity may cause", b.size)
		}
	}
	return nil
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	return b.left >= 0
}
