package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/waypost-directory/waypost/protocol"
)

// Op is one operation that wants to be committed.
type Op struct {
	// Size is about how many bytes Apply writes.
	Size int
	// Apply reads and writes through tx, which also shows what operations
	// before it in the same transaction wrote. When it returns an error,
	// nothing that it wrote is kept and the others are not affected. Like
	// any function given to [Store.Update] it may run more than once, on
	// another goroutine, has no effect but through tx, and calls neither
	// Update nor Do.
	Apply func(tx Tx) error
}

// CommitterConfig configures a [Committer]. Only Store is needed.
type CommitterConfig struct {
	Store    Store
	OnCommit func()       // runs after each transaction that was synced, e.g. [Log.Notify]; must be quick
	MaxOps   int          // operations a transaction; 256 when 0
	MaxBytes int          // bytes a transaction, by Op.Size, the last one on top; 1 MB when 0
	Queue    int          // operations that may wait; 4096 when 0
	Logger   *slog.Logger // panics in Apply; slog.Default when nil
}

// Committer groups waiting operations into one synced transaction, so that
// the cost of a sync is shared by everyone who waits for it: the busier, the
// larger the groups, and nobody waits for company.
//
// Its methods may be called concurrently. Operations are applied one after
// another, in the order of Submit.
type Committer struct {
	cfg  CommitterConfig
	idle chan struct{} // closed when the last batch is answered after Close

	mu     sync.Mutex
	closed bool          // guarded by mu
	queue  chan *pending // sent to and closed under mu, so that order is kept
}

// pending is an operation that someone may be waiting for.
type pending struct {
	op   Op
	err  error         // set before done is closed
	done chan struct{} // closed when the outcome is known
}

// NewCommitter starts a committer. Close it before its store.
func NewCommitter(cfg CommitterConfig) *Committer {
	if cfg.MaxOps <= 0 {
		cfg.MaxOps = 256
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 1 << 20
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 4096
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	c := &Committer{cfg: cfg, idle: make(chan struct{}), queue: make(chan *pending, cfg.Queue)}
	go c.run()
	return c
}

// Do submits op and waits for the outcome. nil means that its writes are
// durable. An ended ctx ends the waiting, not the operation, which may still
// be committed. When too many wait already the kind is Unavailable, when op
// alone is more than a transaction can hold it is TooLarge; otherwise the
// error is Apply's own or the store's.
func (c *Committer) Do(ctx context.Context, op Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.Submit(op)(ctx)
}

// Submit puts op in the queue and returns at once, so that a caller can hold
// a lock just long enough to fix the order of its operations. wait returns
// what Do would have returned; it may be called at any time, repeatedly, or
// not at all.
func (c *Committer) Submit(op Op) (wait func(ctx context.Context) error) {
	p := &pending{op: op, done: make(chan struct{})}
	if err := c.enqueue(p); err != nil {
		return func(context.Context) error { return err }
	}
	return func(ctx context.Context) error {
		select {
		case <-p.done:
			return p.err
		default:
		}
		select {
		case <-p.done:
			return p.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close refuses new operations, commits those that wait and returns when all
// are answered.
func (c *Committer) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.queue)
	}
	c.mu.Unlock()
	<-c.idle
	return nil
}

func (c *Committer) enqueue(p *pending) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return protocol.Errorf("store.Commit", protocol.Unavailable, "", "this node is shutting down; try again when it is back")
	}
	select {
	case c.queue <- p:
		return nil
	default:
		return protocol.Errorf("store.Commit", protocol.Unavailable, "", "too much is waiting to be written; try again in a moment")
	}
}

func (c *Committer) run() {
	defer close(c.idle)
	for first := range c.queue {
		c.commit(c.fill(first))
	}
}

// fill takes whatever waits behind first, up to the size of a transaction.
func (c *Committer) fill(first *pending) []*pending {
	batch, size := []*pending{first}, first.op.Size
	for len(batch) < c.cfg.MaxOps && size < c.cfg.MaxBytes {
		select {
		case p, open := <-c.queue:
			if !open {
				return batch
			}
			batch = append(batch, p)
			size += p.op.Size
		default:
			return batch
		}
	}
	return batch
}

// commit answers every operation of batch. A batch that turns out to be too
// big is split, which keeps the order.
func (c *Committer) commit(batch []*pending) {
	err := c.cfg.Store.Update(context.Background(), func(tx Tx) error { return c.apply(tx, batch) })
	if errors.Is(err, ErrTooBig) && len(batch) > 1 {
		c.commit(batch[:len(batch)/2])
		c.commit(batch[len(batch)/2:])
		return
	}
	for _, p := range batch {
		if p.err == nil {
			p.err = err
		}
		close(p.done)
	}
	if err == nil && c.cfg.OnCommit != nil {
		c.cfg.OnCommit()
	}
}

// apply runs the operations of batch in tx. It fails only for what concerns
// all of them.
func (c *Committer) apply(tx Tx, batch []*pending) error {
	all := &overlay{under: tx}
	for _, p := range batch {
		own := &overlay{under: all}
		p.err = c.applyOne(own, p.op)
		if p.err == nil {
			p.err = own.failed
		}
		if p.err != nil {
			continue
		}
		for _, w := range own.writes {
			all.stage(w)
		}
	}
	return all.merge(tx)
}

// applyOne turns a panic in one operation into its failure: its batch-mates
// belong to other people.
func (c *Committer) applyOne(tx Tx, op Op) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.cfg.Logger.Error("a store operation panicked; nothing of it was kept", "panic", r, "stack", string(debug.Stack()))
			err = &protocol.Error{Op: "store.Commit", Kind: protocol.Internal, Err: fmt.Errorf("panic: %v", r)}
		}
	}()
	return op.Apply(tx)
}
