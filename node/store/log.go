package store

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/waypost-directory/waypost/protocol"
)

// Log is the append-only record of everything accepted. Entries are never
// changed nor reordered; only bodies can be erased.
//
// Its methods may be called concurrently.
type Log struct {
	store Store

	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed and replaced by Notify
}

// NewLog returns the log kept in s.
func NewLog(s Store) *Log {
	return &Log{store: s, changed: make(chan struct{})}
}

// Append gives e the next number and stores it, and body under its digest,
// within tx: if tx does not commit there is no gap. It sets e.Seq and
// e.Digest. A nil body stores none; a body that was erased before stays
// erased.
func (l *Log) Append(tx Tx, e *Entry, body []byte) error {
	last, err := lastSeq(tx)
	if err != nil {
		return err
	}
	e.Seq = last + 1
	e.Digest = Digest{}
	if len(body) > 0 {
		if e.Digest, err = putBody(tx, body); err != nil {
			return err
		}
	}
	if err := tx.Put(LogKey(e.Seq), encodeEntry(e)); err != nil {
		return err
	}
	return tx.Put(metaLastSeq(), binary.BigEndian.AppendUint64(nil, e.Seq))
}

// Read returns up to limit entries with numbers above after, in order. Fewer
// than limit means that there are no more yet.
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]Entry, error) {
	var entries []Entry
	err := l.store.View(ctx, func(tx Tx) error {
		entries = nil
		for item, err := range tx.Scan(Range{Prefix: LogPrefix(), From: LogKey(after + 1), Limit: limit}) {
			if err != nil {
				return err
			}
			e, err := decodeEntry(item.Key, item.Value)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// Entry returns the entry with a number, or kind NotFound. For one entry it is
// much cheaper than Read, which begins a scan.
func (l *Log) Entry(ctx context.Context, seq uint64) (e Entry, err error) {
	key := LogKey(seq)
	err = l.store.View(ctx, func(tx Tx) error {
		row, err := tx.Get(key)
		if errors.Is(err, ErrNotFound) {
			return protocol.Errorf("store.Entry", protocol.NotFound, "", "the log has no entry %d", seq)
		}
		if err == nil {
			e, err = decodeEntry(key, row)
		}
		return err
	})
	return e, err
}

// Last returns the number of the newest entry, 0 for an empty log.
func (l *Log) Last(ctx context.Context) (last uint64, err error) {
	err = l.store.View(ctx, func(tx Tx) error {
		last, err = lastSeq(tx)
		return err
	})
	return last, err
}

// Body returns the signed bytes under digest: kind Gone when they were
// erased, NotFound when they were never here.
func (l *Log) Body(ctx context.Context, digest Digest) (body []byte, err error) {
	err = l.store.View(ctx, func(tx Tx) error {
		body, err = l.BodyIn(tx, digest)
		return err
	})
	return body, err
}

// BodyIn is Body within a transaction.
func (l *Log) BodyIn(tx Tx, digest Digest) ([]byte, error) {
	body, err := tx.Get(BodyKey(digest))
	if errors.Is(err, ErrNotFound) {
		return nil, protocol.Errorf("store.Body", protocol.NotFound, digest.String(), "there is no body with this digest")
	}
	if err == nil && len(body) == 0 {
		return nil, protocol.Errorf("store.Body", protocol.Gone, digest.String(), "this was erased")
	}
	return body, err
}

// EraseBody forgets the bytes under digest for good: only the digest stays,
// so that they are not taken in again. They leave the disk at the next
// [Purger.Purge].
func (l *Log) EraseBody(tx Tx, digest Digest) error {
	if digest.IsZero() {
		return nil
	}
	return tx.Put(BodyKey(digest), nil)
}

// Notify wakes everyone in Wait. Call it after each commit that appended;
// [Committer] does so through its OnCommit.
func (l *Log) Notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next Notify. To miss
// nothing take the channel first, then read, then wait on it.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Wait returns nil as soon as the log has an entry above after, within
// milliseconds of its commit, or the error of an ended ctx.
func (l *Log) Wait(ctx context.Context, after uint64) error {
	for {
		changed := l.Changed()
		last, err := l.Last(ctx)
		if err != nil || last > after {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func metaLastSeq() []byte { return MetaKey("last log number") }

func lastSeq(tx Tx) (uint64, error) {
	v, err := tx.Get(metaLastSeq())
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return KeyNumber(v), nil
}

// putBody stores body unless it is there, or was erased, already.
func putBody(tx Tx, body []byte) (Digest, error) {
	digest := DigestOf(body)
	_, err := tx.Get(BodyKey(digest))
	if !errors.Is(err, ErrNotFound) {
		return digest, err
	}
	return digest, tx.Put(BodyKey(digest), body)
}
