// Package storetest is what every driver of store.Store must do, as one suite
// of tests, and a store for other packages' tests. The subpackage powercut is
// a file system that loses what was not synced.
package storetest

import (
	"log/slog"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/badger"
)

// Open returns an empty store of the default driver, in a folder that goes
// away with the test.
func Open(t testing.TB) *badger.DB {
	t.Helper()
	return OpenDir(t, t.TempDir())
}

// OpenDir opens the store in dir. It is closed when the test ends, if it has
// not been before.
func OpenDir(t testing.TB, dir string) *badger.DB {
	t.Helper()
	db, err := badger.Open(badger.Options{Dir: dir, Reserve: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Put stores one value, failing the test if it cannot.
func Put(t testing.TB, s store.Store, key, value string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Put([]byte(key), []byte(value)) })
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
}

// Dump returns everything in s.
func Dump(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := s.View(t.Context(), func(tx store.Tx) error {
		clear(all)
		for item, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			all[string(item.Key)] = string(item.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	return all
}
