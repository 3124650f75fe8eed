package store_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

// rename moves every key under from to the prefix to, three at a time.
func rename(from, to string, fail *bool) store.Migration {
	return store.Migration{Name: "rename " + from, Step: func(tx store.Tx, cursor []byte) (next []byte, err error) {
		for item, err := range tx.Scan(store.Range{Prefix: []byte(from), Limit: 3}) {
			if err != nil {
				return nil, err
			}
			key := to + strings.TrimPrefix(string(item.Key), from)
			if err := errors.Join(tx.Delete(item.Key), tx.Put([]byte(key), item.Value)); err != nil {
				return nil, err
			}
			next = item.Key
		}
		if *fail && len(cursor) > 0 {
			return nil, errors.New("interrupted")
		}
		return next, nil
	}}
}

func TestMigrate_TakesEveryStoreForward(t *testing.T) {
	s := storetest.Open(t)
	never := false
	migrations := []store.Migration{rename("a/", "b/", &never), rename("b/", "c/", &never)}
	if err := store.Migrate(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range strings.Fields("1 2 3 4 5 6 7 8") {
		storetest.Put(t, s, "a/"+k, "v"+k)
	}
	interrupted := true
	err := store.Migrate(t.Context(), s, []store.Migration{migrations[0], rename("b/", "c/", &interrupted)})
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("an interrupted migration: %v", err)
	}
	for range 2 { // and once more, which changes nothing
		if err := store.Migrate(t.Context(), s, migrations); err != nil {
			t.Fatal(err)
		}
		got := storetest.Dump(t, s)
		for key := range got {
			if strings.HasPrefix(key, "meta/") {
				delete(got, key)
			}
		}
		want := map[string]string{"c/1": "v1", "c/2": "v2", "c/3": "v3", "c/4": "v4", "c/5": "v5", "c/6": "v6", "c/7": "v7", "c/8": "v8"}
		if !maps.Equal(got, want) {
			t.Errorf("after migrating: %v", got)
		}
	}
}

func TestMigrate_NewStoreNeedsNoMigration(t *testing.T) {
	s := storetest.Open(t)
	migrations := []store.Migration{{Name: "never run", Step: func(store.Tx, []byte) ([]byte, error) {
		t.Error("a new store was migrated")
		return nil, nil
	}}}
	for range 2 {
		if err := store.Migrate(t.Context(), s, migrations); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMigrate_RefusesWhatItDoesNotKnow(t *testing.T) {
	newer := storetest.Open(t)
	step := store.Migration{Step: func(store.Tx, []byte) ([]byte, error) { return nil, nil }}
	if err := store.Migrate(t.Context(), newer, []store.Migration{step, step}); err != nil {
		t.Fatal(err)
	}
	err := store.Migrate(t.Context(), newer, []store.Migration{step})
	if protocol.KindOf(err) != protocol.Conflict || !strings.Contains(err.Error(), "upgrade the program") {
		t.Errorf("a store of a newer program: %v", err)
	}
	foreign := storetest.Open(t)
	storetest.Put(t, foreign, "something", "else")
	if err := store.Migrate(t.Context(), foreign, nil); protocol.KindOf(err) != protocol.Conflict {
		t.Errorf("a store without a version: %v", err)
	}
	if got := storetest.Dump(t, foreign); len(got) != 1 {
		t.Errorf("a refused store was changed: %v", got)
	}
}
