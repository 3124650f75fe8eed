// Package badger keeps a node's store in Badger, a log-structured merge tree
// in a folder of its own. It is the default driver: nothing to install, tens
// of megabytes of memory. No other package imports Badger.
//
// One process opens a folder, and within it one Update runs at a time. Badger
// syncs each transaction by itself, one after another, so overlapping them
// would gain nothing; taking turns makes them serialisable outright (its own
// conflict detection does not see keys that appear between those that a scan
// yielded), and no transaction is ever run twice. Whoever has much to write
// shares a sync through [store.Committer].
//
// What happens when the disk fails is written at the head of disk.go.
package badger

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// Options configures Open. Only Dir is needed.
type Options struct {
	Dir     string        // made when absent, readable by this user only
	Reserve int64         // bytes of the disk left free: Updates are refused below it; 64 MB when 0
	GCEvery time.Duration // how often dead values are collected; 10 minutes when 0
	Logger  *slog.Logger  // slog.Default when nil
}

// DB is an open store. It implements [store.Store] and [store.Purger].
type DB struct {
	opts Options
	log  *slog.Logger

	// writer holds one token. Whoever has it may write, or close the files.
	writer chan struct{}
	// broken is why writing stopped for good, set by the first failed sync.
	broken atomic.Pointer[error]

	closing sync.Once      // closes stop
	stop    chan struct{}  // closed by Close
	gc      sync.Mutex     // held while collecting values; Badger allows one at a time
	workers sync.WaitGroup // the collector

	mu      sync.Mutex
	changed sync.Cond  // of mu
	db      *badger.DB // guarded by mu; nil while the files are closed
	views   int        // guarded by mu; how many use db
	closed  error      // guarded by mu; why db will stay nil
}

var (
	_ store.Store  = (*DB)(nil)
	_ store.Purger = (*DB)(nil)
)

// Open opens the store in opts.Dir, or makes one. It fails with kind Conflict
// when another process has it open, and Unavailable when the disk is full.
func Open(opts Options) (*DB, error) {
	if opts.Reserve == 0 {
		opts.Reserve = 64 << 20
	}
	if opts.GCEvery == 0 {
		opts.GCEvery = 10 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, protocol.Errorf("badger.Open", protocol.Unavailable, opts.Dir, "cannot make the data folder: %w", err)
	}
	d := &DB{
		opts:   opts,
		log:    opts.Logger.With("store", opts.Dir),
		writer: make(chan struct{}, 1),
		stop:   make(chan struct{}),
	}
	d.changed.L = &d.mu
	if err := d.openFiles(d.badgerOptions()); err != nil {
		return nil, err
	}
	d.writer <- struct{}{}
	d.workers.Go(d.collectValues)
	return d, nil
}

// badgerOptions are chosen for a small machine: about 40 MB of memory of its
// own after 20,000 writes of 2 kB, where Badger's defaults take 95 MB.
func (d *DB) badgerOptions() badger.Options {
	return badger.DefaultOptions(d.opts.Dir).
		WithSyncWrites(true). // off by default
		WithDetectConflicts(false).
		WithMemTableSize(8 << 20). // a transaction is at most 15 % of it
		WithNumMemtables(2).
		WithBaseTableSize(1 << 20).
		WithBlockCacheSize(16 << 20).
		WithIndexCacheSize(8 << 20).
		WithValueThreshold(1 << 10).
		// The newest file is read through when opening: at most some 20 ms.
		WithValueLogFileSize(16 << 20).
		WithNumCompactors(2).
		WithMetricsEnabled(false).
		WithLogger(&logger{db: d})
}

// openFiles opens what is in the folder. The caller has the writer's token,
// or is Open.
func (d *DB) openFiles(opts badger.Options) error {
	if err := prepareDir(d.opts.Dir); err != nil {
		return err
	}
	if err := d.checkRoom("badger.Open", min(d.opts.Reserve, roomToOpen)); err != nil {
		return err
	}
	db, err := badger.Open(opts)
	if err != nil {
		return diskError("badger.Open", d.opts.Dir, err)
	}
	if err := d.settle(); err != nil {
		return errors.Join(diskError("badger.Open", d.opts.Dir, err), db.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db = db
	d.changed.Broadcast()
	return nil
}

// closeFiles waits for a moment in which nobody reads, and closes the files.
// It does not keep new readers out while it waits: one that is nested in
// another would wait for ever.
func (d *DB) closeFiles(ctx context.Context) error {
	stop := context.AfterFunc(ctx, d.wake)
	defer stop()
	d.mu.Lock()
	for d.views > 0 && ctx.Err() == nil {
		d.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		d.mu.Unlock()
		return err
	}
	db := d.db
	d.db = nil
	d.mu.Unlock()
	if db == nil {
		return nil
	}
	return db.Close()
}

func (d *DB) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed.Broadcast()
}

// acquire returns the open files and keeps them open until release.
func (d *DB) acquire() (*badger.DB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.db == nil && d.closed == nil {
		d.changed.Wait()
	}
	if d.closed != nil {
		return nil, d.closed
	}
	d.views++
	return d.db, nil
}

func (d *DB) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.views--; d.views == 0 {
		d.changed.Broadcast()
	}
}

// View implements [store.Store].
func (d *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db, err := d.acquire()
	if err != nil {
		return err
	}
	defer d.release()
	txn := db.NewTransaction(false)
	defer txn.Discard()
	return fn(&tx{ctx: ctx, txn: txn})
}

// Update implements [store.Store]. fn runs once.
func (d *DB) Update(ctx context.Context, fn func(store.Tx) error) error {
	return d.write(ctx, func(db *badger.DB) error {
		txn := db.NewTransaction(true)
		defer txn.Discard()
		t := &tx{ctx: ctx, txn: txn, update: true}
		if err := fn(t); err != nil {
			return err
		}
		if t.failed != nil {
			return t.failed
		}
		err := txn.Commit()
		if errors.Is(err, badger.ErrTxnTooBig) {
			return store.ErrTooBig
		}
		if err != nil {
			d.breakDown(err)
		}
		// Also when Commit is content: see logger.
		return d.brokenError()
	})
}

// write calls fn when it is our turn and the disk may be written to.
func (d *DB) write(ctx context.Context, fn func(*badger.DB) error) error {
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.endTurn()
	db, err := d.acquire()
	if err != nil {
		return err
	}
	defer d.release()
	if err := d.mayWrite(); err != nil {
		return err
	}
	return fn(db)
}

func (d *DB) takeTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-d.writer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *DB) endTurn() { d.writer <- struct{}{} }

// closeWithin is how long Close waits for Badger, which on a full disk would
// try to write its memory out for ever. Nothing acknowledged depends on that.
const closeWithin = 20 * time.Second

// Close implements [store.Store].
func (d *DB) Close() error {
	d.closing.Do(func() { close(d.stop) })
	d.giveUp(errClosed(d.opts.Dir))
	d.workers.Wait()
	<-d.writer
	defer d.endTurn() // whoever waits for a turn finds the store closed
	closing := make(chan error, 1)
	go func() { closing <- d.closeFiles(context.Background()) }()
	select {
	case err := <-closing:
		if err != nil {
			return diskError("badger.Close", d.opts.Dir, err)
		}
		return nil
	case <-time.After(closeWithin):
		return protocol.Errorf("badger.Close", protocol.Unavailable, d.opts.Dir,
			"the store did not close in %s; nothing acknowledged is lost, but look whether the disk is full", closeWithin)
	}
}

// giveUp answers everyone from now on with err, once db is nil or about to be.
func (d *DB) giveUp(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed == nil {
		d.closed = err
	}
	d.changed.Broadcast()
}
