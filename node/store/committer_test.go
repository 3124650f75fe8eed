package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

// committed is a store whose Updates all go through a Committer, so that the
// suite also says what a transaction in a Committer must be.
type committed struct {
	store.Store
	committer *store.Committer
}

func (c committed) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.committer.Do(ctx, store.Op{Size: 100, Apply: fn})
}

func (c committed) Close() error {
	return errors.Join(c.committer.Close(), c.Store.Close())
}

func TestCommitter_GivesOperationsTheTransactionsOfAStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB, dir string) store.Store {
		s := storetest.OpenDir(t, dir)
		return committed{s, store.NewCommitter(store.CommitterConfig{Store: s})}
	})
}

// counting counts transactions, and can hold them up or make them fail.
type counting struct {
	store.Store
	updates atomic.Int64
	gate    sync.RWMutex // held for writing by a test: Updates wait
	fail    atomic.Pointer[error]
}

func (c *counting) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.gate.RLock()
	defer c.gate.RUnlock()
	c.updates.Add(1)
	if err := c.fail.Load(); err != nil {
		return *err
	}
	return c.Store.Update(ctx, fn)
}

func put(key string) store.Op {
	return store.Op{Size: len(key), Apply: func(tx store.Tx) error { return tx.Put([]byte(key), nil) }}
}

func TestCommitter_GroupsWhatWaits(t *testing.T) {
	s := &counting{Store: storetest.Open(t)}
	var hooks atomic.Int64
	c := store.NewCommitter(store.CommitterConfig{Store: s, OnCommit: func() { hooks.Add(1) }})
	var wg sync.WaitGroup
	const workers, each = 50, 20
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := c.Do(t.Context(), put(fmt.Sprint(w, "/", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(storetest.Dump(t, s)); got != workers*each {
		t.Errorf("%d operations are stored, want %d", got, workers*each)
	}
	n := s.updates.Load()
	t.Logf("%d operations of %d workers took %d transactions", workers*each, workers, n)
	if n > workers*each/4 {
		t.Errorf("%d operations took %d transactions: they are not grouped", workers*each, n)
	}
	if hooks.Load() != n {
		t.Errorf("OnCommit ran %d times in %d transactions", hooks.Load(), n)
	}
}

func TestCommitter_KeepsTheOrderOfSubmit(t *testing.T) {
	s := storetest.Open(t)
	c := store.NewCommitter(store.CommitterConfig{Store: s, MaxOps: 7})
	var mu sync.Mutex
	var submitted []uint64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := uint64(w*1000 + i)
				mu.Lock()
				submitted = append(submitted, id)
				wait := c.Submit(store.Op{Apply: func(tx store.Tx) error {
					n := 0
					for range tx.Scan(store.Range{Prefix: []byte("order/"), KeysOnly: true}) {
						n++
					}
					return tx.Put(binary.BigEndian.AppendUint64([]byte("order/"), uint64(n)), binary.BigEndian.AppendUint64(nil, id))
				}})
				mu.Unlock()
				if err := wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	c.Close()
	var applied []uint64
	err := s.View(t.Context(), func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			applied = append(applied, store.KeyNumber(item.Value))
		}
		return nil
	})
	if err != nil || !slices.Equal(applied, submitted) {
		t.Errorf("applied in another order than submitted (%v):\n got %v\nwant %v", err, applied, submitted)
	}
}

func TestCommitter_RefusesWhenTheQueueIsFull(t *testing.T) {
	s := &counting{Store: storetest.Open(t)}
	c := store.NewCommitter(store.CommitterConfig{Store: s, Queue: 3, MaxOps: 1})
	s.gate.Lock()
	var waits []func(context.Context) error
	refused := 0
	for i := range 20 {
		wait := c.Submit(put(fmt.Sprint(i)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := wait(ctx)
		if protocol.KindOf(err) == protocol.Unavailable {
			refused++
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("waiting with an ended context: %v", err)
		}
		waits = append(waits, wait)
	}
	s.gate.Unlock()
	if refused < 16 {
		t.Errorf("a queue of 3 took %d of 20", 20-refused)
	}
	for _, wait := range waits { // an ended context did not undo them
		if err := wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	c.Close()
	if got := len(storetest.Dump(t, s)); got != len(waits) {
		t.Errorf("%d are stored, want the %d that were taken", got, len(waits))
	}
	if err := c.Do(t.Context(), put("late")); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("Do after Close: %v, want kind unavailable", err)
	}
}

func TestCommitter_SplitsABatchThatIsTooBig(t *testing.T) {
	s := storetest.Open(t)
	c := store.NewCommitter(store.CommitterConfig{Store: s, MaxBytes: 1 << 30})
	// Each of these is allowed, all together are more than Badger commits at once.
	many := func(i, rows int) store.Op {
		return store.Op{Apply: func(tx store.Tx) error {
			for j := range rows {
				if err := tx.Put(fmt.Appendf(nil, "%03d/%06d", i, j), nil); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	var waits []func(context.Context) error
	for i := range 20 {
		waits = append(waits, c.Submit(many(i, 2000)))
	}
	tooBig := c.Submit(many(99, 200_000))
	for i, wait := range waits {
		if err := wait(t.Context()); err != nil {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if err := tooBig(t.Context()); protocol.KindOf(err) != protocol.TooLarge {
		t.Errorf("an operation larger than any transaction: %v, want kind too large", err)
	}
	c.Close()
	if got := len(storetest.Dump(t, s)); got != 20*2000 {
		t.Errorf("%d rows are stored, want %d", got, 20*2000)
	}
}

func TestCommitter_PanickingOperationHarmsNobodyElse(t *testing.T) {
	s := storetest.Open(t)
	c := store.NewCommitter(store.CommitterConfig{Store: s, Logger: slog.New(slog.DiscardHandler)})
	before := c.Submit(put("before"))
	bad := c.Submit(store.Op{Apply: func(tx store.Tx) error {
		if err := tx.Put([]byte("bad"), nil); err != nil {
			return err
		}
		panic("a bug")
	}})
	after := c.Submit(put("after"))
	if err := errors.Join(before(t.Context()), after(t.Context())); err != nil {
		t.Error(err)
	}
	if err := bad(t.Context()); protocol.KindOf(err) != protocol.Internal {
		t.Errorf("the panicking operation: %v, want kind internal", err)
	}
	c.Close()
	if got := storetest.Dump(t, s); len(got) != 2 {
		t.Errorf("stored %v, want before and after", got)
	}
}

func TestCommitter_TellsEveryoneWhenTheStoreFails(t *testing.T) {
	s := &counting{Store: storetest.Open(t)}
	full := error(protocol.Errorf("test", protocol.Unavailable, "", "the disk is full"))
	s.fail.Store(&full)
	hooks := 0
	c := store.NewCommitter(store.CommitterConfig{Store: s, OnCommit: func() { hooks++ }})
	waits := []func(context.Context) error{c.Submit(put("a")), c.Submit(put("b"))}
	for _, wait := range waits {
		if err := wait(t.Context()); !errors.Is(err, full) {
			t.Errorf("got %v, want the store's error", err)
		}
	}
	s.fail.Store(nil)
	if err := c.Do(t.Context(), put("c")); err != nil {
		t.Errorf("after the store recovered: %v", err)
	}
	c.Close()
	if hooks != 1 {
		t.Errorf("OnCommit ran %d times, want once, for the one that was stored", hooks)
	}
}

func BenchmarkCommitter_ParallelDo(b *testing.B) {
	s := storetest.Open(b)
	c := store.NewCommitter(store.CommitterConfig{Store: s})
	defer c.Close()
	log := store.NewLog(s)
	body := make([]byte, 2400)
	var n atomic.Uint64
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			own := binary.BigEndian.AppendUint64(slices.Clone(body), n.Add(1))
			err := c.Do(context.Background(), store.Op{Size: len(own), Apply: func(tx store.Tx) error {
				e := sample()
				if err := log.Append(tx, &e, own); err != nil {
					return err
				}
				return tx.Put(store.ListingKey(e.CID, fmt.Sprint(e.Seq)), own)
			}})
			if err != nil {
				b.Error(err)
			}
		}
	})
}
