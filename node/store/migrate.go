package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waypost-directory/waypost/protocol"
)

// Migration takes a store from one format version to the next.
type Migration struct {
	// Name says what changes, e.g. "index listings by area".
	Name string
	// Step does a part of the work that fits into one transaction, from
	// where cursor says, and returns the cursor of the next part, or nil
	// when all is done. The first cursor is nil. Each cursor is saved with
	// the writes of its step, so a migration that is interrupted resumes.
	Step func(tx Tx, cursor []byte) (next []byte, err error)
}

// firstVersion is the format of a store that no migration has touched.
const firstVersion = 1

// Migrate brings s to the format that this program writes: version 1 and one
// more for each migration, in order. Entries are only ever added at the end of
// migrations. A new store is marked with the current version at once. A store
// that a newer program wrote, that is no store of ours, or whose restore was
// interrupted is refused, kind Conflict, and left untouched.
func Migrate(ctx context.Context, s Store, migrations []Migration) error {
	current := uint64(firstVersion + len(migrations))
	version, err := formatVersion(ctx, s, current)
	if err != nil {
		return err
	}
	if version > current {
		return protocol.Errorf("store.Migrate", protocol.Conflict, "",
			"this data was written by a newer waypost (format %d; this program knows %d): upgrade the program", version, current)
	}
	for ; version < current; version++ {
		m := migrations[version-firstVersion]
		if err := m.run(ctx, s, version+1); err != nil {
			return fmt.Errorf("migrate to format %d (%s): %w", version+1, m.Name, err)
		}
	}
	return nil
}

// formatVersion returns the version that s is marked with, and marks a new
// store with current.
func formatVersion(ctx context.Context, s Store, current uint64) (version uint64, err error) {
	err = s.Update(ctx, func(tx Tx) error {
		if err := checkRestored(tx); err != nil {
			return err
		}
		v, err := tx.Get(metaVersion())
		if err == nil {
			version = KeyNumber(v)
			return nil
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		empty, err := isEmpty(tx)
		if err != nil {
			return err
		}
		if !empty {
			return protocol.Errorf("store.Migrate", protocol.Conflict, "",
				"this folder holds data, but not of waypost: choose another folder")
		}
		version = current
		return putVersion(tx, current)
	})
	return version, err
}

// run does every step of m and marks the store with version in the last one.
func (m Migration) run(ctx context.Context, s Store, version uint64) error {
	for done := false; !done; {
		err := s.Update(ctx, func(tx Tx) error {
			done = false
			cursor, err := tx.Get(metaMigration())
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			next, err := m.Step(tx, cursor)
			if err != nil {
				return err
			}
			if next != nil {
				return tx.Put(metaMigration(), next)
			}
			done = true
			if err := tx.Delete(metaMigration()); err != nil {
				return err
			}
			return putVersion(tx, version)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func isEmpty(tx Tx) (bool, error) {
	for _, err := range tx.Scan(Range{Limit: 1, KeysOnly: true}) {
		return false, err
	}
	return true, nil
}

func putVersion(tx Tx, version uint64) error {
	return tx.Put(metaVersion(), binary.BigEndian.AppendUint64(nil, version))
}

func metaVersion() []byte   { return MetaKey("format version") }
func metaMigration() []byte { return MetaKey("migration cursor") }
