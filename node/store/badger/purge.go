package badger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Purge implements [store.Purger]. It closes the files for a moment, which
// writes out what is in memory only, merges every table of the tree so that
// no older version of a key is left, and rewrites each value-log file that
// holds anything dead. Readers wait while the files are closed, some tens of
// milliseconds; a long View, such as a backup, holds Purge up until it ends or
// ctx does.
//
// Known limits. Badger counts what is dead in each value-log file, and a power
// cut may lose the counts of the last half minute: such a file is rewritten by
// the first Purge after something else in it has died. Values of a transaction
// that was being written when the process was killed, and was never
// acknowledged, are not counted. In a tree above some 100 MB, tables in its
// lowest level between whose keys nothing was written are not merged; that
// matters only if a View held on to an erased version while they were.
func (d *DB) Purge(ctx context.Context) error {
	if err := d.purge(ctx); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	return nil
}

func (d *DB) purge(ctx context.Context) error {
	young, err := d.touchBothEnds(ctx)
	if err != nil {
		return err
	}
	// Flatten leaves a tree alone that has one level. A young one has only
	// level 0, at most some 40 MB, which closing can merge.
	if err := d.reopen(ctx, d.badgerOptions().WithCompactL0OnClose(young)); err != nil {
		return err
	}
	if young {
		if err := d.reopen(ctx, d.badgerOptions()); err != nil {
			return err
		}
	}
	if err := d.flatten(); err != nil {
		return err
	}
	return d.collect(1e-9)
}

// touchBothEnds deletes a key below and one above all others, neither of
// which exists, so that the table now in memory spans all keys: merging it
// down then takes every table along. Otherwise versions that a reader still
// needed at the last merge would stay for as long as nobody writes near them.
// It reports whether the tree has no level but 0.
func (d *DB) touchBothEnds(ctx context.Context) (young bool, err error) {
	err = d.write(ctx, func(db *badger.DB) error {
		young = true
		for _, level := range db.Levels() {
			young = young && (level.Level == 0 || level.NumTables == 0)
		}
		return db.Update(func(txn *badger.Txn) error {
			return errors.Join(txn.Delete([]byte{0x00}), txn.Delete([]byte{0xff, 0xff, 0xff, 0xff}))
		})
	})
	return young, err
}

// reopen closes and opens the files, so that everything in memory is in a
// table, and the value log begins a new file: only older ones are collected.
func (d *DB) reopen(ctx context.Context, opts badger.Options) error {
	d.gc.Lock() // before the turn: the collector writes
	defer d.gc.Unlock()
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.endTurn()
	if err := d.mayWrite(); err != nil {
		return err
	}
	if err := d.closeFiles(ctx); err != nil {
		if ctx.Err() == nil {
			d.giveUp(diskError("badger.Purge", d.opts.Dir, err))
		}
		return err
	}
	if err := d.openFiles(opts); err != nil {
		d.giveUp(err)
		return err
	}
	return d.forgetReaders()
}

// forgetReaders returns when Badger knows that no reader of before needs an
// older version. It notes the beginning and end of each transaction in a queue
// of 100 that it reads in its own time; what was queued before more than that
// has been read.
func (d *DB) forgetReaders() error {
	db, err := d.acquire()
	if err != nil {
		return err
	}
	defer d.release()
	for range 100 {
		db.NewTransaction(false).Discard()
	}
	return nil
}

func (d *DB) flatten() error {
	db, err := d.acquire()
	if err != nil {
		return err
	}
	defer d.release()
	if err := d.mayWrite(); err != nil {
		return err
	}
	return db.Flatten(1)
}

// collectValues removes files of the value log that are mostly dead, until Close.
func (d *DB) collectValues() {
	tick := time.NewTicker(d.opts.GCEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
			if err := d.collect(0.5); err != nil {
				d.log.Warn("could not collect dead values; will try again", "error", err)
			}
		}
	}
}

// collect rewrites value-log files of which at least that share is dead.
func (d *DB) collect(share float64) error {
	d.gc.Lock()
	defer d.gc.Unlock()
	db, err := d.acquire()
	if err != nil {
		return err
	}
	defer d.release()
	for err == nil {
		if err = d.mayWrite(); err != nil {
			return err
		}
		select {
		case <-d.stop:
			return errClosed(d.opts.Dir)
		default:
		}
		err = db.RunValueLogGC(share)
	}
	if errors.Is(err, badger.ErrNoRewrite) {
		// Badger never syncs its count of what is dead where.
		return syncFile(filepath.Join(d.opts.Dir, "DISCARD"))
	}
	return err
}
