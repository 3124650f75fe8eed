package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// Run runs the suite. open opens the store that lives in dir, making it if
// there is none; the suite closes it.
func Run(t *testing.T, open func(t testing.TB, dir string) store.Store) {
	fresh := func(t *testing.T) store.Store {
		t.Helper()
		s := open(t, t.TempDir())
		t.Cleanup(func() { s.Close() })
		return s
	}
	for name, test := range map[string]func(*testing.T, store.Store){
		"GetReturnsWhatWasPut":                      testGetPutDelete,
		"EmptyValuesAreValues":                      testEmptyValues,
		"SlicesBelongToTheCaller":                   testSlices,
		"OutOfBoundsIsRefused":                      testBounds,
		"ScanIsOrderedAndBounded":                   testScan,
		"ScanOfLongRangesMatchesAModel":             testScanModel,
		"UpdateSeesItsOwnWrites":                    testOwnWrites,
		"ScansNestAndAllowDeletingTheCurrentItem":   testScanWhileWriting,
		"FailedUpdateLeavesNothing":                 testRollback,
		"TooBigUpdateLeavesNothing":                 testTooBig,
		"ViewIsASnapshotAndCannotWrite":             testSnapshot,
		"NoUpdateIsLost":                            testCounter,
		"NoKeyAppearsBetweenWhatAnUpdateScanned":    testPhantom,
		"EndedContextStopsEverything":               testContext,
		"LargeValuesComeBackWhole":                  testLargeValues,
		"BackupRestoresEverything":                  func(t *testing.T, s store.Store) { testBackup(t, s, fresh(t)) },
		"ClosedStoreRefuses":                        testClosed,
		"CommitterLeavesOutFailedOperations":        testCommitter,
		"LogEntriesAndBodiesComeBack":               testLog,
		"PurgeKeepsWhatIsAlive":                     testPurge,
		"ReadersGoOnWhileOthersWrite":               testReadersAndWriters,
		"DeletedKeysStayDeleted":                    testDeleteIsFinal,
		"PrefixOfAllOnesReachesTheEndOfTheKeySpace": testPrefixOfOnes,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
	t.Run("ReopenedStoreHasEverything", func(t *testing.T) { testReopen(t, open) })
}

func update(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func testGetPutDelete(t *testing.T, s store.Store) {
	Put(t, s, "a", "1")
	Put(t, s, "a", "2")
	Put(t, s, "b", "3")
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.Delete([]byte("b")), tx.Delete([]byte("never there"))) })
	view(t, s, func(tx store.Tx) error {
		if v, err := tx.Get([]byte("a")); err != nil || string(v) != "2" {
			t.Errorf("Get(a) = %q, %v; want 2", v, err)
		}
		for _, key := range []string{"b", "c", ""} {
			if _, err := tx.Get([]byte(key)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get(%q): %v; want ErrNotFound", key, err)
			}
		}
		return nil
	})
}

func testEmptyValues(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Put([]byte("nil"), nil), tx.Put([]byte("empty"), []byte{}))
	})
	view(t, s, func(tx store.Tx) error {
		for _, key := range []string{"nil", "empty"} {
			if v, err := tx.Get([]byte(key)); err != nil || len(v) != 0 {
				t.Errorf("Get(%s) = %q, %v; want an empty value", key, v, err)
			}
		}
		return nil
	})
}

func testSlices(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		key, value := []byte("key1"), []byte("value1")
		if err := tx.Put(key, value); err != nil {
			return err
		}
		key[3], value[5] = '2', '2'
		if err := tx.Put(key, value); err != nil {
			return err
		}
		key[3], value[5] = 'x', 'x'
		return nil
	})
	want := map[string]string{"key1": "value1", "key2": "value2"}
	if got := Dump(t, s); !maps.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
	view(t, s, func(tx store.Tx) error {
		for item := range tx.Scan(store.Range{}) {
			item.Key[0], item.Value[0] = 'X', 'X'
		}
		v, _ := tx.Get([]byte("key1"))
		v[0] = 'X'
		return nil
	})
	if got := Dump(t, s); !maps.Equal(got, want) {
		t.Errorf("changed through a returned slice: %v, want %v", got, want)
	}
}

func testBounds(t *testing.T, s store.Store) {
	long := bytes.Repeat([]byte("k"), store.MaxKey)
	for _, c := range []struct {
		name       string
		key, value []byte
		want       protocol.ErrorKind
	}{
		{"empty key", nil, []byte("v"), protocol.Invalid},
		{"key too long", append(long, 'k'), nil, protocol.TooLarge},
		{"value too long", []byte("k"), make([]byte, store.MaxValue+1), protocol.TooLarge},
		{"longest key", long, []byte("v"), ""},
	} {
		err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Put(c.key, c.value) })
		if got := protocol.KindOf(err); got != c.want {
			t.Errorf("%s: kind %q (%v), want %q", c.name, got, err, c.want)
		}
	}
	view(t, s, func(tx store.Tx) error {
		if v, err := tx.Get(long); err != nil || string(v) != "v" {
			t.Errorf("the longest key: %q, %v", v, err)
		}
		return nil
	})
}

func testOwnWrites(t *testing.T, s store.Store) {
	Put(t, s, "a", "old")
	Put(t, s, "b", "old")
	update(t, s, func(tx store.Tx) error {
		if err := errors.Join(tx.Put([]byte("a"), []byte("new")), tx.Delete([]byte("b")), tx.Put([]byte("c"), []byte("new"))); err != nil {
			return err
		}
		if v, err := tx.Get([]byte("a")); err != nil || string(v) != "new" {
			t.Errorf("Get(a) = %q, %v", v, err)
		}
		if _, err := tx.Get([]byte("b")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(b) after Delete: %v", err)
		}
		if got := keys(t, tx, store.Range{}); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("Scan = %q", got)
		}
		return nil
	})
}

func testRollback(t *testing.T, s store.Store) {
	Put(t, s, "a", "1")
	boom := errors.New("boom")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("b"), []byte("2"))); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("Update returned %v, want the function's own error", err)
	}
	if got := Dump(t, s); !maps.Equal(got, map[string]string{"a": "1"}) {
		t.Errorf("after a failed Update: %v", got)
	}
}

func testTooBig(t *testing.T, s store.Store) {
	for _, ignore := range []bool{false, true} {
		n := 0
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for n = range 1 << 20 {
				if err := tx.Put(fmt.Appendf(nil, "big/%07d", n), make([]byte, 512)); err != nil {
					if ignore {
						return nil
					}
					return err
				}
			}
			return nil
		})
		if err == nil && n == 1<<20-1 {
			continue // this driver has no limit that matters
		}
		if !errors.Is(err, store.ErrTooBig) {
			t.Errorf("an Update of %d items (error ignored within: %v): %v, want ErrTooBig", n, ignore, err)
		}
		if got := Dump(t, s); len(got) != 0 {
			t.Errorf("a transaction that was too big left %d items", len(got))
		}
	}
}

func testSnapshot(t *testing.T, s store.Store) {
	Put(t, s, "a", "1")
	view(t, s, func(tx store.Tx) error {
		Put(t, s, "a", "2")
		Put(t, s, "b", "2")
		if v, err := tx.Get([]byte("a")); err != nil || string(v) != "1" {
			t.Errorf("Get(a) in an older View = %q, %v; want 1", v, err)
		}
		if got := keys(t, tx, store.Range{}); !slices.Equal(got, []string{"a"}) {
			t.Errorf("Scan in an older View = %q", got)
		}
		view(t, s, func(tx store.Tx) error {
			if v, err := tx.Get([]byte("a")); err != nil || string(v) != "2" {
				t.Errorf("Get(a) in a newer View = %q, %v; want 2", v, err)
			}
			return nil
		})
		if err := tx.Put([]byte("c"), nil); err == nil {
			t.Error("Put in a View was accepted")
		}
		if err := tx.Delete([]byte("a")); err == nil {
			t.Error("Delete in a View was accepted")
		}
		return nil
	})
}

func testCounter(t *testing.T, s store.Store) {
	const workers, each = 8, 25
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				err := s.Update(t.Context(), func(tx store.Tx) error {
					v, err := tx.Get([]byte("n"))
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						return err
					}
					n := store.KeyNumber(v)
					return tx.Put([]byte("n"), binary.BigEndian.AppendUint64(nil, n+1))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := store.KeyNumber([]byte(Dump(t, s)["n"])); got != workers*each {
		t.Errorf("counted %d, want %d", got, workers*each)
	}
}

// testPhantom adds a number one above the greatest that a scan finds: if two
// transactions could both see the same gap, two would add the same number.
func testPhantom(t *testing.T, s store.Store) {
	const workers, each = 4, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(t.Context(), func(tx store.Tx) error {
					var next uint64
					for item, err := range tx.Scan(store.Range{Prefix: []byte("n/"), Reverse: true, Limit: 1}) {
						if err != nil {
							return err
						}
						next = binary.BigEndian.Uint64(item.Key[2:]) + 1
					}
					key := binary.BigEndian.AppendUint64([]byte("n/"), next)
					return tx.Put(fmt.Appendf(key, "/%d/%d", w, i), nil)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var want uint64
	view(t, s, func(tx store.Tx) error {
		for _, key := range keys(t, tx, store.Range{}) {
			if got := binary.BigEndian.Uint64([]byte(key)[2:]); got != want {
				t.Fatalf("number %d where %d should be", got, want)
			}
			want++
		}
		return nil
	})
	if want != workers*each {
		t.Errorf("%d numbers, want %d", want, workers*each)
	}
}

func testContext(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for i := range 1000 {
			if err := tx.Put(fmt.Appendf(nil, "%04d", i), nil); err != nil {
				return err
			}
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var last error
	view(t, s, func(store.Tx) error { return nil })
	err := s.View(ctx, func(tx store.Tx) error {
		n := 0
		for _, err := range tx.Scan(store.Range{}) {
			if n++; n == 10 {
				cancel()
			}
			last = err
		}
		return last
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a Scan whose context ended: %v", err)
	}
	fail := func(store.Tx) error { t.Error("the function ran although the context had ended"); return nil }
	if err := s.View(ctx, fail); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v", err)
	}
	if err := s.Update(ctx, fail); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
}

func testLargeValues(t *testing.T, s store.Store) {
	rng := rand.New(rand.NewPCG(3, 0))
	sizes := []int{1, 1023, 1024, 1025, 4096, 100_000, 1 << 20, store.MaxValue}
	value := func(size int) []byte {
		return bytes.Repeat([]byte{byte(size), byte(size >> 8), byte(size >> 16)}, size/3+1)[:size]
	}
	for _, size := range sizes {
		Put(t, s, fmt.Sprintf("%08d-%d", size, rng.Uint32()), string(value(size)))
	}
	view(t, s, func(tx store.Tx) error {
		i := 0
		for item, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			got, err := tx.Get(item.Key)
			if err != nil || !bytes.Equal(got, value(sizes[i])) || !bytes.Equal(item.Value, got) {
				t.Errorf("a value of %d bytes comes back as %d and %d bytes (%v)", sizes[i], len(got), len(item.Value), err)
			}
			i++
		}
		return nil
	})
}

func testDeleteIsFinal(t *testing.T, s store.Store) {
	for range 3 {
		Put(t, s, "k", "v")
		update(t, s, func(tx store.Tx) error { return tx.Delete([]byte("k")) })
		if got := Dump(t, s); len(got) != 0 {
			t.Errorf("after deleting: %v", got)
		}
	}
}
