package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

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
