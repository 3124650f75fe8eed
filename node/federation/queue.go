package federation

import (
	"context"
	"sync"
	"time"
)

// inboxQueue says which inbox is to be worked on next. It holds names and
// times only; the rows lie in the store.
type inboxQueue struct {
	now func() time.Time

	mu   sync.Mutex
	due  map[string]time.Time // inboxes with rows and when to try them; guarded by mu
	busy map[string]bool      // inboxes that a worker has; guarded by mu
	more map[string]bool      // busy inboxes that got more rows meanwhile; guarded by mu
	wake chan struct{}        // closed and replaced when something changes; guarded by mu
}

func newInboxQueue(now func() time.Time) *inboxQueue {
	return &inboxQueue{now: now, due: map[string]time.Time{}, busy: map[string]bool{}, more: map[string]bool{}, wake: make(chan struct{})}
}

// add notes that inboxes have rows. One that waits after a failure goes on
// waiting.
func (q *inboxQueue) add(inboxes ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, inbox := range inboxes {
		if q.busy[inbox] {
			q.more[inbox] = true
			continue
		}
		if _, there := q.due[inbox]; !there {
			q.due[inbox] = time.Time{}
		}
	}
	q.signal()
}

// at sets when an inbox is tried.
func (q *inboxQueue) at(inbox string, t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.busy[inbox] {
		q.due[inbox] = t
	}
	q.signal()
}

// signal is called with mu held.
func (q *inboxQueue) signal() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// take waits for an inbox that is due and gives it to the caller alone. ok is
// false when ctx ended.
func (q *inboxQueue) take(ctx context.Context) (inbox string, ok bool) {
	for ctx.Err() == nil {
		inbox, wait, wake := q.next()
		if inbox != "" {
			return inbox, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return "", false
		case <-wake:
			timer.Stop()
		case <-timer.C:
		}
	}
	return "", false
}

// longestWait bounds how long a worker sleeps, in case the clock is set.
const longestWait = 10 * time.Second

func (q *inboxQueue) next() (inbox string, wait time.Duration, wake <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, wait := q.now(), longestWait
	for name, at := range q.due {
		left := at.Sub(now)
		if left <= 0 {
			delete(q.due, name)
			q.busy[name] = true
			return name, 0, q.wake
		}
		wait = min(wait, left)
	}
	return "", wait, q.wake
}

// done gives an inbox back. It is tried again at next, or at once when it got
// rows meanwhile and next is zero.
func (q *inboxQueue) done(inbox string, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, inbox)
	if !next.IsZero() || q.more[inbox] {
		q.due[inbox] = next
	}
	delete(q.more, inbox)
	q.signal()
}
