// Package store is the narrow waist under everything a node remembers:
// ordered keys, serialisable transactions, Get, Put, Delete and Scan. Rules
// live above it, once; drivers (store/badger) live below it and are all run
// against one conformance suite (store/storetest).
//
// Upon the waist stand the few things that every part of a node shares: the
// keys on one page (keys.go), the append-only [Log] of what was accepted, the
// [Committer] that groups waiting operations into one synced transaction, the
// loop that every [Follower] of the log runs in ([Run]), format versions
// ([Migrate]) and backups ([Backup], [Restore]).
package store

import (
	"bytes"
	"context"
	"iter"

	"github.com/waypost-directory/waypost/protocol"
)

// Bounds that every driver keeps.
const (
	MaxKey   = 1 << 10 // bytes a key; PostgreSQL cannot index much more
	MaxValue = 8 << 20 // bytes a value
)

// ErrNotFound is what Get returns for a key that is not there.
var ErrNotFound error = protocol.Errorf("store.Get", protocol.NotFound, "", "there is no such key")

// ErrTooBig is what Put returns when a key, a value or the transaction as a
// whole is more than the driver can commit at once. Nothing of that
// transaction is stored: write less at a time.
var ErrTooBig error = protocol.Errorf("store.Put", protocol.TooLarge, "", "this is more than one transaction can hold; store it in smaller parts")

// Store keeps keys in byte order and changes them in transactions.
//
// Its methods may be called concurrently. It is trusted: whoever can change
// the files or the database under it can change what this node believes, so
// nothing that comes out of it is verified again.
type Store interface {
	// View calls fn with a consistent snapshot: fn sees every Update that
	// returned before View began, and none that commits later. Writing in it
	// fails. The error is fn's own, or says why no snapshot could be had.
	View(ctx context.Context, fn func(Tx) error) error

	// Update calls fn and commits what it wrote, all or nothing.
	//
	// Updates are serialisable: the outcome is as if they had run one after
	// another. To that end fn may run more than once, so it must have no
	// effect but through its Tx and must reset what it collects. When Update
	// returns nil the writes are durable: synced, and still there after a
	// power cut. When it returns fn's own error, [ErrTooBig] or the error of
	// an ended ctx, nothing was written. After any other error (a full or
	// broken disk, kind Unavailable) the writes are whole or absent, and may
	// yet turn out to be whole.
	//
	// ctx is looked at before each run and not while committing. fn must not
	// begin another Update, which may wait for this one to end.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close waits for running transactions and releases the files. What was
	// acknowledged is durable without it.
	Close() error
}

// Purger is a Store that can make erased values leave the disk. Drivers for
// which deleting is enough do not have it.
type Purger interface {
	// Purge returns when no value deleted or overwritten before the call is
	// left in the store's own files. It may take minutes and hold up other
	// transactions for parts of that time.
	Purge(ctx context.Context) error
}

// Tx is one transaction. It belongs to the function that it was handed to,
// on that goroutine, until that function returns.
type Tx interface {
	// Get returns the value of key, or [ErrNotFound]. The slice is the
	// caller's to keep and change.
	Get(key []byte) ([]byte, error)

	// Put sets key to value. Both are copied. An empty key is Invalid. After
	// [ErrTooBig] the transaction cannot commit.
	Put(key, value []byte) error

	// Delete removes key; that it was not there is not an error.
	Delete(key []byte) error

	// Scan yields the items of r in order, as this transaction sees them,
	// its own earlier writes included. Whether writes made while the loop
	// runs are seen is not promised, except that deleting or overwriting the
	// item just yielded is safe. Keys and values are the caller's to keep. A
	// failure is yielded once, as the last pair.
	Scan(r Range) iter.Seq2[Item, error]
}

// Range selects keys. Conditions hold together; the zero Range is every key.
type Range struct {
	Prefix   []byte // only keys that begin so
	From     []byte // the least key wanted; nil for no bound
	To       []byte // the first key too great to be wanted; nil for no bound
	Reverse  bool   // greatest first
	Limit    int    // at most so many; 0 for no limit
	KeysOnly bool   // leave Value nil, which is much cheaper
}

// Item is one key with its value.
type Item struct {
	Key, Value []byte
}

// Bounds returns the range as from ≤ key < to, where a nil to has no upper
// bound; drivers need look at nothing else to place a cursor.
func (r Range) Bounds() (from, to []byte) {
	from, to = r.From, r.To
	if len(r.Prefix) == 0 {
		return from, to
	}
	if bytes.Compare(r.Prefix, from) > 0 {
		from = r.Prefix
	}
	if end := prefixEnd(r.Prefix); to == nil || (end != nil && bytes.Compare(end, to) < 0) {
		to = end
	}
	return from, to
}

// prefixEnd returns the least key greater than all that begin with p, or nil
// when p is all 0xff and there is none.
func prefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := bytes.Clone(p[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

// CheckPut says whether key and value are within the bounds of the waist.
// Drivers call it first in Put.
func CheckPut(key, value []byte) error {
	if len(key) == 0 {
		return protocol.Errorf("store.Put", protocol.Invalid, "", "a key must not be empty")
	}
	if len(key) > MaxKey || len(value) > MaxValue {
		return ErrTooBig
	}
	return nil
}
