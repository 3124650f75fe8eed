package badger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/badger"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

func TestBadger_IsAStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB, dir string) store.Store { return storetest.OpenDir(t, dir) })
}

func TestOpen_FolderInUseSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	first := storetest.OpenDir(t, dir)
	_, err := badger.Open(badger.Options{Dir: dir})
	if protocol.KindOf(err) != protocol.Conflict || !strings.Contains(err.Error(), "another waypost is using this folder") {
		t.Errorf("opening a folder in use: %v", err)
	}
	storetest.Put(t, first, "still", "works")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, storetest.OpenDir(t, dir)); got["still"] != "works" {
		t.Errorf("after the first closed: %v", got)
	}
}

func TestOpen_FolderIsForThisUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	storetest.OpenDir(t, dir)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data folder has mode %v (%v), want 0700", info.Mode().Perm(), err)
	}
}

// A process that is killed between making and sizing a log, or between
// emptying and removing it, leaves it empty. Badger alone refuses to open that.
func TestOpen_EmptyLogsOfAKilledProcessAreNoObstacle(t *testing.T) {
	dir := t.TempDir()
	s := storetest.OpenDir(t, dir)
	storetest.Put(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := storetest.Dump(t, storetest.OpenDir(t, dir)); got["a"] != "1" {
		t.Errorf("after opening: %v", got)
	}
}

// See settle: a reader who still held a recovered log could bring deleted keys back.
func TestOpen_RecoveredLogsAreGoneBeforeAnyoneReads(t *testing.T) {
	dir, crashed := t.TempDir(), t.TempDir()
	s := storetest.OpenDir(t, dir)
	rng := rand.New(rand.NewPCG(17, 0))
	for i := range 7 { // nearly a memory table full, so that writing it out takes a while
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for j := range 1000 {
				value := make([]byte, 1000)
				for k := range value {
					value[k] = byte(rng.Uint32())
				}
				if err := tx.Put(fmt.Append(nil, i, "/", j), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(crashed, "data"), os.DirFS(dir)); err != nil { // as if killed now
		t.Fatal(err)
	}
	again := storetest.OpenDir(t, filepath.Join(crashed, "data"))
	logs, err := filepath.Glob(filepath.Join(crashed, "data", "*.mem"))
	if err != nil || len(logs) != 1 {
		t.Errorf("there are still the logs %q (%v), want only the new one", logs, err)
	}
	if got := len(storetest.Dump(t, again)); got != 7000 {
		t.Errorf("%d rows were recovered, want 7000", got)
	}
}

func TestUpdate_FullDiskIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	dir := t.TempDir()
	s := storetest.OpenDir(t, dir)
	storetest.Put(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	full, err := badger.Open(badger.Options{Dir: dir, Reserve: math.MaxInt64, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	err = full.Update(t.Context(), func(store.Tx) error { t.Error("the function ran"); return nil })
	if protocol.KindOf(err) != protocol.Unavailable || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Update on a full disk: %v", err)
	}
	if err := full.Purge(t.Context()); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("Purge on a full disk: %v", err)
	}
	if got := storetest.Dump(t, full); got["a"] != "1" {
		t.Errorf("reading on a full disk: %v", got)
	}
}

func TestUpdate_WaitingForATurnEndsWithTheContext(t *testing.T) {
	s := storetest.Open(t)
	err := s.Update(t.Context(), func(store.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		err := s.Update(ctx, func(store.Tx) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an Update that cannot have its turn: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPurge_ErasedValuesAreGoneFromTheFolder(t *testing.T) {
	const seed = 13
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s := storetest.OpenDir(t, dir)
	// Values in the tables and in the value log, some overwritten, some
	// deleted, some old enough to have been compacted, some only in memory.
	filler := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return string(b)
	}
	canaries := map[string]string{}
	for i, size := range []int{40, 900, 3000, 200_000} {
		name := fmt.Sprintf("Marigold Quince %d ", i)
		canaries[fmt.Sprintf("deleted/%d", i)] = name + filler(size)
		canaries[fmt.Sprintf("overwritten/%d", i)] = name + filler(size)
	}
	for key, value := range canaries {
		storetest.Put(t, s, key, value)
	}
	live := map[string]string{}
	for i := range 150 {
		key := fmt.Sprintf("live/%d", i)
		live[key] = filler(rng.IntN(120_000))
		storetest.Put(t, s, key, live[key])
	}
	if err := s.Purge(t.Context()); err != nil { // nothing is erased yet; everything moves down
		t.Fatal(err)
	}
	for key, value := range canaries {
		storetest.Put(t, s, key+"/late", value) // these are in memory when erased
	}
	if !inFolder(t, dir, "Marigold Quince") {
		t.Fatal("the canary cannot be found before it is erased: the test proves nothing")
	}
	erase := func(key string) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			if strings.HasPrefix(key, "overwritten") {
				return tx.Put([]byte(key), []byte("gone"))
			}
			return tx.Delete([]byte(key))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for key := range canaries {
		erase(key)
		erase(key + "/late")
	}
	start := time.Now()
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("Purge took %s", time.Since(start))
	if inFolder(t, dir, "Marigold Quince") {
		t.Error("an erased value is still in the folder")
	}
	got := storetest.Dump(t, s)
	for key, value := range live {
		if got[key] != value {
			t.Errorf("%s was lost or changed", key)
		}
	}
}

// A value erased while somebody still reads must go with a later Purge.
func TestPurge_ErasedWhileReadIsGoneAfterwards(t *testing.T) {
	dir := t.TempDir()
	s := storetest.OpenDir(t, dir)
	const canary = "Marigold Quince"
	storetest.Put(t, s, "small", canary)
	storetest.Put(t, s, "large", strings.Repeat("x", 5000)+canary)
	err := s.View(t.Context(), func(store.Tx) error {
		storetest.Put(t, s, "small", "gone")
		storetest.Put(t, s, "large", "gone")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.Purge(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Purge during a View: %v, want it to wait", err)
		}
		storetest.Dump(t, s) // a reader within a reader is not kept out
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if inFolder(t, dir, canary) {
		t.Error("an erased value is still in the folder")
	}
}

func TestPurge_GoesOnWhileOthersReadAndWrite(t *testing.T) {
	s := storetest.Open(t)
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			storetest.Put(t, s, fmt.Sprintf("%06d", n), strings.Repeat("v", n%3000))
			n++
		}
	}()
	for range 3 {
		if err := s.Purge(t.Context()); err != nil {
			t.Error(err)
		}
		storetest.Dump(t, s)
	}
	close(stop)
	n := <-done
	if got := len(storetest.Dump(t, s)); got != n {
		t.Errorf("%d are stored, want %d", got, n)
	}
}

func inFolder(t *testing.T, dir, needle string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(needle)) {
			t.Logf("found in %s", filepath.Base(path))
			found = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func BenchmarkOpen_10000Listings(b *testing.B) {
	dir := b.TempDir()
	s := storetest.OpenDir(b, dir)
	log := store.NewLog(s)
	c := store.NewCommitter(store.CommitterConfig{Store: s, Queue: 10_000})
	body := make([]byte, 2400)
	for i := range 10_000 {
		c.Submit(store.Op{Size: 5000, Apply: func(tx store.Tx) error {
			own := fmt.Append(body, i)
			e := store.Entry{Type: "Create", ID: fmt.Sprint("https://a.example/activities/", i), CID: "c", UID: fmt.Sprint(i)}
			if err := log.Append(tx, &e, own); err != nil {
				return err
			}
			return tx.Put(store.ListingKey("c", fmt.Sprint(i)), own)
		}})
	}
	c.Close()
	s.Close()
	for b.Loop() {
		s, err := badger.Open(badger.Options{Dir: dir, Reserve: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		if last, err := store.NewLog(s).Last(b.Context()); err != nil || last != 10_000 {
			b.Fatal(last, err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
