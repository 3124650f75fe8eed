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
	"strings"
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

func keys(t *testing.T, tx store.Tx, r store.Range) []string {
	t.Helper()
	got := []string{}
	for item, err := range tx.Scan(r) {
		if err != nil {
			t.Fatalf("Scan(%+v): %v", r, err)
		}
		if r.KeysOnly && item.Value != nil {
			t.Errorf("Scan(%+v) has a value for %q", r, item.Key)
		}
		got = append(got, string(item.Key))
	}
	return got
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

func testScan(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for _, k := range []string{"a", "b", "b\x00", "b1", "b2", "b\xff", "b\xff\xff", "c"} {
			if err := tx.Put([]byte(k), []byte("v"+k)); err != nil {
				return err
			}
		}
		return nil
	})
	b := []byte("b")
	for _, c := range []struct {
		r    store.Range
		want string
	}{
		{store.Range{}, "a b b\x00 b1 b2 b\xff b\xff\xff c"},
		{store.Range{Reverse: true}, "c b\xff\xff b\xff b2 b1 b\x00 b a"},
		{store.Range{Prefix: b}, "b b\x00 b1 b2 b\xff b\xff\xff"},
		{store.Range{Prefix: b, Reverse: true}, "b\xff\xff b\xff b2 b1 b\x00 b"},
		{store.Range{Prefix: []byte("b\xff")}, "b\xff b\xff\xff"},
		{store.Range{Prefix: []byte("b\xff"), Reverse: true}, "b\xff\xff b\xff"},
		{store.Range{Prefix: b, Limit: 2}, "b b\x00"},
		{store.Range{Prefix: b, Limit: 2, Reverse: true}, "b\xff\xff b\xff"},
		{store.Range{From: []byte("b1"), To: []byte("b\xff")}, "b1 b2"},
		{store.Range{From: []byte("b1"), To: []byte("b\xff"), Reverse: true}, "b2 b1"},
		{store.Range{From: []byte("b11"), KeysOnly: true}, "b2 b\xff b\xff\xff c"},
		{store.Range{To: []byte("b1"), Reverse: true, KeysOnly: true}, "b\x00 b a"},
		{store.Range{Prefix: b, From: []byte("b2")}, "b2 b\xff b\xff\xff"},
		{store.Range{Prefix: b, To: []byte("b1")}, "b b\x00"},
		{store.Range{Prefix: b, From: []byte("a"), To: []byte("z"), Limit: 1}, "b"},
		{store.Range{Prefix: []byte("d")}, ""},
		{store.Range{Prefix: []byte("d"), Reverse: true}, ""},
		{store.Range{From: []byte("c"), To: []byte("b")}, ""},
		{store.Range{From: []byte("c"), To: []byte("b"), Reverse: true}, ""},
		{store.Range{From: b, To: b}, ""},
	} {
		check := func(tx store.Tx) error {
			if got := strings.Join(keys(t, tx, c.r), " "); got != c.want {
				t.Errorf("Scan(%+v) = %q, want %q", c.r, got, c.want)
			}
			return nil
		}
		view(t, s, check)
		update(t, s, check)
	}
}

// testScanModel compares random scans over many keys, some in this
// transaction, with a sorted slice.
func testScanModel(t *testing.T, s store.Store) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	model := map[string]string{}
	for range 4 {
		update(t, s, func(tx store.Tx) error {
			for range 150 {
				key := fmt.Sprintf("%03d", rng.IntN(600))
				if rng.IntN(4) == 0 {
					delete(model, key)
					if err := tx.Delete([]byte(key)); err != nil {
						return err
					}
					continue
				}
				model[key] = fmt.Sprint(rng.Uint32())
				if err := tx.Put([]byte(key), []byte(model[key])); err != nil {
					return err
				}
			}
			for range 30 {
				checkAgainst(t, tx, model, randomRange(rng), seed)
			}
			return nil
		})
		view(t, s, func(tx store.Tx) error {
			for range 30 {
				checkAgainst(t, tx, model, randomRange(rng), seed)
			}
			return nil
		})
	}
}

func randomRange(rng *rand.Rand) store.Range {
	r := store.Range{Reverse: rng.IntN(2) == 0, Limit: rng.IntN(3) * rng.IntN(200)}
	if rng.IntN(2) == 0 {
		r.From = fmt.Appendf(nil, "%03d", rng.IntN(600))
	}
	if rng.IntN(2) == 0 {
		r.To = fmt.Appendf(nil, "%03d", rng.IntN(600))
	}
	if rng.IntN(3) == 0 {
		r.Prefix = fmt.Appendf(nil, "%d", rng.IntN(7))
	}
	return r
}

func checkAgainst(t *testing.T, tx store.Tx, model map[string]string, r store.Range, seed int) {
	t.Helper()
	var want []string
	for _, key := range slices.Sorted(maps.Keys(model)) {
		if strings.HasPrefix(key, string(r.Prefix)) && key >= string(r.From) && (r.To == nil || key < string(r.To)) {
			want = append(want, key+"="+model[key])
		}
	}
	if r.Reverse {
		slices.Reverse(want)
	}
	if r.Limit > 0 && len(want) > r.Limit {
		want = want[:r.Limit]
	}
	var got []string
	for item, err := range tx.Scan(r) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(item.Key)+"="+string(item.Value))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("seed %d: Scan(%+v)\n got %v\nwant %v", seed, r, got, want)
	}
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

func testScanWhileWriting(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for i := range 300 {
			if err := tx.Put(fmt.Appendf(nil, "%c%03d", 'a'+i%2, i), []byte("v")); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: []byte("a")}) {
			if err != nil {
				return err
			}
			if n := len(keys(t, tx, store.Range{Prefix: []byte("b")})); n != 150 {
				t.Fatalf("the scan within a scan has %d items, want 150", n)
			}
			if err := tx.Delete(item.Key); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		for range tx.Scan(store.Range{Prefix: []byte("b"), Limit: 3}) {
			if n := len(keys(t, tx, store.Range{})); n != 150 {
				t.Fatalf("%d items are left, want 150", n)
			}
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

func testBackup(t *testing.T, from, to store.Store) {
	rng := rand.New(rand.NewPCG(5, 0))
	for range 20 {
		update(t, from, func(tx store.Tx) error {
			for range 100 {
				value := make([]byte, rng.IntN(2000))
				if err := tx.Put(fmt.Appendf(nil, "%x", rng.Uint64()), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	Put(t, from, "large", strings.Repeat("x", 3<<20))
	want := Dump(t, from)
	var stream bytes.Buffer
	if err := store.Backup(t.Context(), from, &stream); err != nil {
		t.Fatal(err)
	}
	if err := store.Restore(t.Context(), to, bytes.NewReader(stream.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got := Dump(t, to); !maps.Equal(got, want) {
		t.Errorf("restored %d items that differ from the %d backed up", len(got), len(want))
	}
	var again bytes.Buffer
	if err := store.Backup(t.Context(), to, &again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stream.Bytes(), again.Bytes()) {
		t.Error("a backup of the restored store differs from the backup")
	}
}

func testReopen(t *testing.T, open func(t testing.TB, dir string) store.Store) {
	dir := t.TempDir()
	want := map[string]string{}
	for i := range 5 {
		s := open(t, dir)
		if got := Dump(t, s); !maps.Equal(got, want) {
			t.Fatalf("opened for the %d. time: %d items, want %d", i+1, len(got), len(want))
		}
		update(t, s, func(tx store.Tx) error {
			for j := range 50 {
				key, value := fmt.Sprintf("%d/%d", (i+j)%3, j), strings.Repeat("v", j*50)
				if j%10 == i {
					delete(want, key)
					if err := tx.Delete([]byte(key)); err != nil {
						return err
					}
					continue
				}
				want[key] = value
				if err := tx.Put([]byte(key), []byte(value)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testClosed(t *testing.T, s store.Store) {
	Put(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	nothing := func(store.Tx) error { return nil }
	if got := protocol.KindOf(s.View(t.Context(), nothing)); got != protocol.Unavailable {
		t.Errorf("View of a closed store: kind %q", got)
	}
	if got := protocol.KindOf(s.Update(t.Context(), nothing)); got != protocol.Unavailable {
		t.Errorf("Update of a closed store: kind %q", got)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func testCommitter(t *testing.T, s store.Store) {
	c := store.NewCommitter(store.CommitterConfig{Store: s})
	defer c.Close()
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := c.Do(t.Context(), store.Op{Size: 10, Apply: func(tx store.Tx) error {
				if err := tx.Put(fmt.Appendf(nil, "%03d", i), []byte("v")); err != nil {
					return err
				}
				if i%3 == 0 {
					return boom
				}
				return nil
			}})
			if want := i%3 == 0; errors.Is(err, boom) != want || (err != nil) != want {
				t.Errorf("operation %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	got := Dump(t, s)
	for i := range 200 {
		if _, stored := got[fmt.Sprintf("%03d", i)]; stored == (i%3 == 0) {
			t.Errorf("operation %d: stored %v", i, stored)
		}
	}
}

func testLog(t *testing.T, s store.Store) {
	log := store.NewLog(s)
	var first store.Entry
	for i := range 10 {
		update(t, s, func(tx store.Tx) error {
			e := store.Entry{Type: "Create", ID: fmt.Sprint("https://a.example/", i)}
			err := log.Append(tx, &e, fmt.Appendf(nil, "body %d", i))
			if i == 0 {
				first = e
			}
			return err
		})
	}
	entries, err := log.Read(t.Context(), 3, 5)
	if err != nil || len(entries) != 5 || entries[0].Seq != 4 || entries[4].ID != "https://a.example/7" {
		t.Errorf("Read(3, 5) = %+v, %v", entries, err)
	}
	if body, err := log.Body(t.Context(), first.Digest); err != nil || string(body) != "body 0" {
		t.Errorf("Body = %q, %v", body, err)
	}
	update(t, s, func(tx store.Tx) error { return log.EraseBody(tx, first.Digest) })
	if _, err := log.Body(t.Context(), first.Digest); protocol.KindOf(err) != protocol.Gone {
		t.Errorf("Body after erasing: %v", err)
	}
}

func testPurge(t *testing.T, s store.Store) {
	p, ok := s.(store.Purger)
	if !ok {
		return // deleting is enough for this driver
	}
	for i := range 50 {
		Put(t, s, fmt.Sprintf("%02d", i), strings.Repeat("v", i*100))
	}
	update(t, s, func(tx store.Tx) error { return tx.Delete([]byte("07")) })
	want := Dump(t, s)
	for range 2 {
		if err := p.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := Dump(t, s); !maps.Equal(got, want) {
			t.Errorf("after Purge: %d items, want %d", len(got), len(want))
		}
	}
	Put(t, s, "after", "v")
}

func testReadersAndWriters(t *testing.T, s store.Store) {
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				view(t, s, func(tx store.Tx) error {
					x, errX := tx.Get([]byte("x"))
					y, errY := tx.Get([]byte("y"))
					if !bytes.Equal(x, y) || errors.Is(errX, store.ErrNotFound) != errors.Is(errY, store.ErrNotFound) {
						t.Errorf("half a transaction is visible: x=%q y=%q", x, y)
					}
					return nil
				})
			}
		})
	}
	for i := range 100 {
		update(t, s, func(tx store.Tx) error {
			v := fmt.Append(nil, i)
			return errors.Join(tx.Put([]byte("x"), v), tx.Put([]byte("y"), v))
		})
	}
	close(done)
	readers.Wait()
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

func testPrefixOfOnes(t *testing.T, s store.Store) {
	for _, k := range []string{"\xfe", "\xff", "\xff\xff", "\xff\xff\x01", "\xff\xff\xff\xff\xff"} {
		Put(t, s, k, "v")
	}
	view(t, s, func(tx store.Tx) error {
		for _, reverse := range []bool{false, true} {
			want := []string{"\xff\xff", "\xff\xff\x01", "\xff\xff\xff\xff\xff"}
			if reverse {
				slices.Reverse(want)
			}
			if got := keys(t, tx, store.Range{Prefix: []byte("\xff\xff"), Reverse: reverse}); !slices.Equal(got, want) {
				t.Errorf("Scan(ff ff, reverse %v) = %q, want %q", reverse, got, want)
			}
		}
		return nil
	})
}
