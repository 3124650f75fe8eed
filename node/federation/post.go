package federation

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
)

// longestBackoff bounds the wait between two tries at an inbox.
const longestBackoff = 6 * time.Hour

// refusalsBeforeDrop is how often an inbox may answer 401 or 403 to one
// delivery: its idea of our key may be old, but not for ever.
const refusalsBeforeDrop = 6

// ActivityType is the content type of what is posted; GoToSocial insists.
const ActivityType = "application/activity+json"

// TransportPoster posts over the guarded transport.
type TransportPoster struct{ Client *transport.Client }

// Post implements [Poster].
func (p TransportPoster) Post(ctx context.Context, inbox string, body []byte, signer *directory.Identity) error {
	_, err := p.Client.Post(ctx, inbox, body, ActivityType, signer)
	return err
}

// Run works the rows off until ctx ends. It begins with what an earlier run
// left.
func (d *Deliverer) Run(ctx context.Context) error {
	if err := d.resume(ctx); err != nil {
		return err
	}
	var workers sync.WaitGroup
	workers.Go(func() { d.forgetActors(ctx) })
	for range d.cfg.Workers {
		workers.Go(func() {
			for {
				inbox, ok := d.queue.take(ctx)
				if !ok {
					return
				}
				next, removed := d.work(ctx, inbox)
				// The inbox stays taken until what was posted is off the disk; the
				// worker need not wait for that.
				workers.Go(func() {
					removed()
					d.queue.done(inbox, next)
				})
			}
		})
	}
	workers.Wait()
	return nil
}

// resume finds the inboxes that have rows.
func (d *Deliverer) resume(ctx context.Context) error {
	due := map[string]time.Time{}
	err := d.cfg.Store.View(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: store.AllDeliveries()}) {
			if err != nil {
				return err
			}
			var row Delivery
			if err := json.Unmarshal(item.Value, &row); err != nil {
				return err
			}
			if _, there := due[row.Inbox]; there {
				continue
			}
			state, err := getInbox(tx, row.Inbox)
			if err != nil {
				return err
			}
			due[row.Inbox] = state.Next
		}
		return nil
	})
	if err != nil {
		return err
	}
	for inbox, at := range due {
		d.queue.at(inbox, at)
	}
	states, err := d.Inboxes(ctx)
	for _, s := range states {
		if s.Fails > 0 {
			d.troubled.add(s.Inbox)
		}
	}
	return err
}

// rowsAtOnce bounds how many rows of an inbox are read at a time.
const rowsAtOnce = 64

// work posts what an inbox has waiting, in order, until something fails. It
// returns when to look again, zero for not before there is more, and what waits
// until the rows that were done with are removed.
func (d *Deliverer) work(ctx context.Context, inbox string) (next time.Time, removed func()) {
	rows, state, err := d.waitingFor(ctx, inbox)
	if err != nil {
		d.cfg.Logger.Error("cannot read deliveries", "inbox", inbox, "error", err)
		return d.cfg.Now().Add(d.cfg.Backoff), func() {}
	}
	next, removed = d.workRows(ctx, state, rows)
	if next.IsZero() && len(rows) == rowsAtOnce {
		next = d.cfg.Now() // there may be more; of rows that came since, the queue knows
	}
	return next, removed
}

func (d *Deliverer) waitingFor(ctx context.Context, inbox string) (rows []Delivery, state InboxState, err error) {
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		rows = nil
		if state, err = getInbox(tx, inbox); err != nil {
			return err
		}
		for item, err := range tx.Scan(store.Range{Prefix: store.DeliveryPrefix(inbox), Limit: rowsAtOnce}) {
			if err != nil {
				return err
			}
			var row Delivery
			if err := json.Unmarshal(item.Value, &row); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, state, err
}

// workRows posts rows one after another. Removing a row need not be on disk
// before the next post: one that is posted twice is the same activity twice.
func (d *Deliverer) workRows(ctx context.Context, state InboxState, rows []Delivery) (next time.Time, removed func()) {
	var done []Delivery
	for _, row := range rows {
		err := d.post(ctx, row)
		if ctx.Err() != nil {
			return d.cfg.Now(), d.finish(ctx, state, done)
		}
		if err != nil && !d.hopeless(state, err) {
			removed = d.finish(ctx, state, done)
			return d.failed(ctx, state, err), removed
		}
		if err != nil {
			d.cfg.Logger.Warn("delivery refused for good", "inbox", row.Inbox, "seq", row.Seq, "error", err)
		}
		if err == nil && state.Fails > 0 {
			state = InboxState{Inbox: state.Inbox, Last: d.cfg.Now().UTC()}
			d.troubled.remove(state.Inbox)
		}
		done = append(done, row)
	}
	return time.Time{}, d.finish(ctx, state, done)
}

func (d *Deliverer) post(ctx context.Context, row Delivery) error {
	signer := d.cfg.Directory.Identity(row.Actor)
	if signer == nil {
		return protocol.Errorf("deliver", protocol.Invalid, row.Actor, "this node has no such actor any more")
	}
	body, ok, err := d.body(ctx, row)
	if err != nil || !ok {
		return err
	}
	return d.cfg.Post.Post(ctx, row.Inbox, body, signer)
}

// hopeless reports whether trying this delivery again cannot help.
func (d *Deliverer) hopeless(state InboxState, err error) bool {
	switch protocol.KindOf(err) {
	case protocol.Invalid, protocol.TooLarge, protocol.NotFound, protocol.Conflict:
		return true
	case protocol.Unverified, protocol.Forbidden:
		return state.Fails >= refusalsBeforeDrop
	}
	return false
}

// finish removes rows, and the inbox's failures when it just worked again, in
// one operation: a row each would cost a sync for nearly every one of them.
func (d *Deliverer) finish(ctx context.Context, state InboxState, rows []Delivery) (removed func()) {
	if len(rows) == 0 {
		return func() {}
	}
	wait := d.cfg.Committer.Submit(store.Op{Size: 128 * len(rows), Apply: func(tx store.Tx) error {
		if !state.Last.IsZero() && state.Fails == 0 {
			if err := putInbox(tx, state); err != nil {
				return err
			}
		}
		for _, row := range rows {
			if err := tx.Delete(store.DeliveryKey(row.Inbox, row.number())); err != nil {
				return err
			}
		}
		return nil
	}})
	return func() {
		if err := wait(context.WithoutCancel(ctx)); err != nil {
			d.cfg.Logger.Error("cannot remove finished deliveries", "inbox", state.Inbox, "error", err)
		}
	}
}

// failed notes a failure and says when to try again. An inbox that answered
// Gone, or that failed for too long, is given up: its rows are dropped, and it
// starts afresh when its host is heard from.
func (d *Deliverer) failed(ctx context.Context, state InboxState, cause error) (next time.Time) {
	now := d.cfg.Now().UTC()
	if state.Fails == 0 {
		state.First = now
	}
	state.Fails++
	state.Reason = transport.Explain(cause)
	state.Next = now.Add(backoff(d.cfg.Backoff, state.Fails, state.Inbox))
	if protocol.KindOf(cause) == protocol.Gone || now.Sub(state.First) > d.cfg.GiveUp {
		state.Dead, state.Next = now, time.Time{}
	}
	err := d.cfg.Committer.Do(ctx, store.Op{Size: 512, Apply: func(tx store.Tx) error {
		if !state.Dead.IsZero() {
			if err := dropRows(tx, state.Inbox); err != nil {
				return err
			}
		}
		return putInbox(tx, state)
	}})
	if err != nil {
		d.cfg.Logger.Error("cannot note a failed delivery", "inbox", state.Inbox, "error", err)
		return now.Add(d.cfg.Backoff)
	}
	d.troubled.add(state.Inbox)
	d.cfg.Logger.Info("delivery failed", "inbox", state.Inbox, "fails", state.Fails, "next", state.Next, "reason", state.Reason)
	return state.Next
}

func dropRows(tx store.Tx, inbox string) error {
	for item, err := range tx.Scan(store.Range{Prefix: store.DeliveryPrefix(inbox), KeysOnly: true}) {
		if err != nil {
			return err
		}
		if err := tx.Delete(item.Key); err != nil {
			return err
		}
	}
	return nil
}

// backoff doubles the wait with every failure and spreads it by up to a fifth,
// an own share for each inbox, so that a host that comes back is not met by
// everything at once.
func backoff(first time.Duration, fails int, inbox string) time.Duration {
	wait := first << min(fails-1, 20)
	if wait <= 0 || wait > longestBackoff {
		wait = longestBackoff
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(inbox))
	return wait - wait/5*time.Duration(h.Sum32()%1000)/1000
}

// Heard is called when a host signed something just now: whatever waits for it
// is tried at once, and an inbox that was given up is alive again. It costs
// nothing for a host that had no trouble.
func (d *Deliverer) Heard(ctx context.Context, host string) error {
	inboxes := d.troubled.of(host)
	if len(inboxes) == 0 {
		return nil
	}
	err := d.cfg.Committer.Do(ctx, store.Op{Size: 512, Apply: func(tx store.Tx) error {
		for _, inbox := range inboxes {
			if err := putInbox(tx, InboxState{Inbox: inbox}); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	for _, inbox := range inboxes {
		d.troubled.remove(inbox)
		d.queue.at(inbox, time.Time{})
	}
	return nil
}

// troubled remembers which inboxes of a host fail, so that a host that is
// heard from can be helped without a look at the store.
type troubled struct {
	mu     sync.Mutex
	byHost map[string]map[string]bool // host -> inboxes; guarded by mu
}

func (t *troubled) add(inbox string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	host := hostOf(inbox)
	if t.byHost == nil {
		t.byHost = map[string]map[string]bool{}
	}
	if t.byHost[host] == nil {
		t.byHost[host] = map[string]bool{}
	}
	t.byHost[host][inbox] = true
}

func (t *troubled) remove(inbox string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	host := hostOf(inbox)
	delete(t.byHost[host], inbox)
	if len(t.byHost[host]) == 0 {
		delete(t.byHost, host)
	}
}

func (t *troubled) of(host string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]string, 0, len(t.byHost[host]))
	for inbox := range t.byHost[host] {
		list = append(list, inbox)
	}
	return list
}

// Inboxes lists the inboxes that failed at some time, and how they are doing.
func (d *Deliverer) Inboxes(ctx context.Context) ([]InboxState, error) {
	var list []InboxState
	err := d.cfg.Store.View(ctx, func(tx store.Tx) error {
		list = nil
		for item, err := range tx.Scan(store.Range{Prefix: store.InboxPrefix()}) {
			if err != nil {
				return err
			}
			var s InboxState
			if err := json.Unmarshal(item.Value, &s); err != nil {
				return err
			}
			list = append(list, s)
		}
		return nil
	})
	return list, err
}

// Waiting returns how many deliveries are still to be made.
func (d *Deliverer) Waiting(ctx context.Context) (n int, err error) {
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{Prefix: store.AllDeliveries(), KeysOnly: true}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}
