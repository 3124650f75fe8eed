package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

// tally counts, for each entry, how often it took effect. It fails, panics,
// or is cut off before or after its commit, as its random source says.
type tally struct {
	s   store.Store
	rng *rand.Rand // nil: never fails
}

const tallyName store.StoreCursor = "tally"

func (f tally) Name() string { return string(tallyName) }

func (f tally) Cursor(ctx context.Context) (uint64, error) {
	if f.rng != nil && f.rng.IntN(20) == 0 {
		return 0, errors.New("cursor cannot be read")
	}
	return tallyName.Load(ctx, f.s)
}

func (f tally) Follow(ctx context.Context, entries []store.Entry, cursor uint64) error {
	fate := 99
	if f.rng != nil {
		fate = f.rng.IntN(10)
	}
	err := f.s.Update(ctx, func(tx store.Tx) error {
		for i, e := range entries {
			if fate == 0 && i == len(entries)/2 {
				return errors.New("failed half-way")
			}
			if fate == 1 && i == len(entries)/2 {
				panic("panicked half-way")
			}
			if err := bump(tx, e.Seq); err != nil {
				return err
			}
		}
		return tallyName.Advance(tx, entries, cursor)
	})
	if err == nil && fate == 2 {
		return errors.New("reported lost although it was committed")
	}
	if err == nil && fate == 3 {
		panic("panicked after the commit")
	}
	return err
}

func bump(tx store.Tx, seq uint64) error {
	key := binary.BigEndian.AppendUint64([]byte("tally/"), seq)
	v, err := tx.Get(key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return tx.Put(key, binary.BigEndian.AppendUint64(nil, store.KeyNumber(v)+1))
}

func tallied(t *testing.T, s store.Store) (counts []uint64) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: []byte("tally/")}) {
			if err != nil {
				return err
			}
			counts = append(counts, store.KeyNumber(item.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

var quick = store.FollowOptions{Backoff: time.Millisecond, Poll: time.Second, Batch: 10, Logger: slog.New(slog.DiscardHandler)}

func TestFollower_SeesEachEntryOnceInSpiteOfCrashesAtAnyPoint(t *testing.T) {
	const seed, total = 11, 600
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(seed, 0))
	for restart := 0; ; restart++ {
		s := storetest.OpenDir(t, dir)
		log := store.NewLog(s)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := store.Run(ctx, log, tally{s, rand.New(rand.NewPCG(seed, uint64(restart)))}, quick); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		last, err := log.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range min(rng.IntN(150), total-int(last)) {
			appendEntry(t, s, log, sample(), "")
			log.Notify()
		}
		if restart > 200 {
			t.Fatalf("seed %d: the follower never caught up: %+v", seed, tallied(t, s))
		}
		done := len(tallied(t, s)) == total
		time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
		cancel() // in the middle of anything
		running.Wait()
		if done {
			counts := tallied(t, s)
			for i, n := range counts {
				if n != 1 {
					t.Errorf("seed %d: entry %d took effect %d times", seed, i+1, n)
				}
			}
			t.Logf("%d entries, %d restarts", len(counts), restart)
			return
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollower_WakesSoonAfterACommit(t *testing.T) {
	s := storetest.Open(t)
	log := store.NewLog(s)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { store.Run(ctx, log, tally{s: s}, store.FollowOptions{Poll: time.Hour}) })
	for i := range 5 {
		appendEntry(t, s, log, sample(), "")
		log.Notify()
		for start := time.Now(); len(tallied(t, s)) <= i; time.Sleep(time.Millisecond) {
			if time.Since(start) > 5*time.Second {
				t.Fatalf("entry %d was not followed", i+1)
			}
		}
	}
	cancel()
	running.Wait()
}

func TestFollower_FindsWhatAnotherProcessAppended(t *testing.T) {
	s := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { store.Run(ctx, store.NewLog(s), tally{s: s}, store.FollowOptions{Poll: time.Millisecond}) })
	time.Sleep(5 * time.Millisecond)
	appendEntry(t, s, store.NewLog(s), sample(), "") // and nobody notifies
	for start := time.Now(); len(tallied(t, s)) == 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatal("the entry was not followed")
		}
	}
	cancel()
	running.Wait()
}

func TestStoreCursor_RefusesEntriesThatDoNotFollowUponIt(t *testing.T) {
	s := storetest.Open(t)
	entries := func(from, to uint64) (all []store.Entry) {
		for seq := from; seq <= to; seq++ {
			all = append(all, store.Entry{Seq: seq})
		}
		return all
	}
	for _, c := range []struct {
		from, to uint64
		want     protocol.ErrorKind
	}{{2, 3, protocol.Conflict}, {1, 5, ""}, {1, 5, protocol.Conflict}, {4, 8, protocol.Conflict}, {7, 8, protocol.Conflict}, {6, 6, ""}} {
		err := s.Update(t.Context(), func(tx store.Tx) error { return tallyName.Advance(tx, entries(c.from, c.to), c.to) })
		if got := protocol.KindOf(err); got != c.want {
			t.Errorf("Advance over %d to %d: kind %q (%v), want %q", c.from, c.to, got, err, c.want)
		}
	}
	if at, err := tallyName.Load(t.Context(), s); err != nil || at != 6 {
		t.Errorf("the cursor is at %d, %v; want 6", at, err)
	}
}

type broken struct{ tally }

func (broken) Name() string                           { return "broken" }
func (broken) Cursor(context.Context) (uint64, error) { return 0, fmt.Errorf("cannot read") }

func TestPositions_ShowWhoLags(t *testing.T) {
	s := storetest.Open(t)
	log := store.NewLog(s)
	for range 5 {
		appendEntry(t, s, log, sample(), "")
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tallyName.Set(tx, 3) }); err != nil {
		t.Fatal(err)
	}
	got, err := store.Positions(t.Context(), log, tally{s: s}, broken{})
	if err != nil || len(got) != 2 {
		t.Fatalf("Positions: %+v, %v", got, err)
	}
	if p := got[0]; p.Name != "tally" || p.Cursor != 3 || p.Last != 5 || p.Lag() != 2 || p.Err != nil {
		t.Errorf("got %+v with lag %d", p, p.Lag())
	}
	if got[1].Err == nil || got[1].Lag() != 5 {
		t.Errorf("a follower whose cursor cannot be read: %+v", got[1])
	}
}
