package badger

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// tx is one Badger transaction as a [store.Tx].
type tx struct {
	ctx    context.Context
	txn    *badger.Txn
	update bool
	failed error // the first Put or Delete that was refused
}

func (t *tx) Get(key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, store.ErrNotFound
	}
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, readError(err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, readError(err)
	}
	return value, nil
}

func (t *tx) Put(key, value []byte) error {
	if err := store.CheckPut(key, value); err != nil {
		return t.fail(err)
	}
	// Badger keeps both until the transaction ends.
	return t.fail(t.txn.Set(bytes.Clone(key), append([]byte{}, value...)))
}

func (t *tx) Delete(key []byte) error {
	if len(key) == 0 || len(key) > store.MaxKey {
		return nil // it cannot be there
	}
	return t.fail(t.txn.Delete(bytes.Clone(key)))
}

// fail remembers that the transaction must not commit.
func (t *tx) fail(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrTxnTooBig):
		err = store.ErrTooBig
	case errors.Is(err, badger.ErrReadOnlyTxn):
		err = protocol.Errorf("badger.Put", protocol.Internal, "", "this transaction only reads; use Update")
	}
	if t.failed == nil {
		t.failed = err
	}
	return err
}

func (t *tx) Scan(r store.Range) iter.Seq2[store.Item, error] {
	if t.update {
		return t.scanInParts(r)
	}
	return func(yield func(store.Item, error) bool) { t.scan(r, yield) }
}

// A part of a scan within an Update is at most so large.
const (
	partItems = 128
	partBytes = 1 << 20
)

// scanInParts reads a part, closes Badger's iterator, and only then yields,
// because Badger allows one iterator at a time in a transaction that writes,
// and callers may begin another scan, or write, inside their loop.
func (t *tx) scanInParts(r store.Range) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		rest := r
		for {
			part, more, err := t.part(rest)
			for _, item := range part {
				if !yield(item, nil) {
					return
				}
			}
			if err != nil {
				yield(store.Item{}, err)
				return
			}
			if !more {
				return
			}
			last := part[len(part)-1].Key
			if r.Reverse {
				rest.To = last
			} else {
				rest.From = append(bytes.Clone(last), 0)
			}
			if r.Limit > 0 {
				rest.Limit -= len(part)
			}
		}
	}
}

// part collects the beginning of r; more says that there may be a rest.
func (t *tx) part(r store.Range) (items []store.Item, more bool, err error) {
	size := 0
	t.scan(r, func(item store.Item, e error) bool {
		if e != nil {
			err = e
			return false
		}
		items = append(items, item)
		size += len(item.Key) + len(item.Value)
		more = len(items) == partItems || size >= partBytes
		return !more
	})
	if r.Limit > 0 && len(items) >= r.Limit {
		more = false
	}
	return items, more && err == nil, err
}

// scan yields r through one Badger iterator.
func (t *tx) scan(r store.Range, yield func(store.Item, error) bool) {
	from, to := r.Bounds()
	if to != nil && bytes.Compare(from, to) >= 0 {
		return
	}
	opts := badger.DefaultIteratorOptions
	opts.PrefetchValues = false // it starts a goroutine a value
	opts.Reverse = r.Reverse
	it := t.txn.NewIterator(opts)
	defer it.Close()

	if r.Reverse {
		it.Seek(to) // the greatest key ≤ to; nil is the very end
		if it.Valid() && to != nil && bytes.Equal(it.Item().Key(), to) {
			it.Next()
		}
	} else {
		it.Seek(from)
	}
	for n := 0; it.Valid(); it.Next() {
		key := it.Item().Key()
		if r.Reverse && bytes.Compare(key, from) < 0 || !r.Reverse && to != nil && bytes.Compare(key, to) >= 0 {
			return
		}
		item, err := t.item(it.Item(), r, n)
		if err != nil {
			yield(store.Item{}, err)
			return
		}
		if n++; !yield(item, nil) || n == r.Limit {
			return
		}
	}
}

// item copies the nth item; now and then it looks whether anyone still waits.
func (t *tx) item(i *badger.Item, r store.Range, n int) (item store.Item, err error) {
	if n%64 == 63 {
		if err := t.ctx.Err(); err != nil {
			return item, err
		}
	}
	item.Key = i.KeyCopy(nil)
	if r.KeysOnly {
		return item, nil
	}
	if item.Value, err = i.ValueCopy(nil); err != nil {
		return item, readError(err)
	}
	return item, nil
}

func readError(err error) error {
	return protocol.Errorf("badger.Read", protocol.Internal, "", "the store cannot be read: %w; look for disk errors, and restore a backup if they stay", err)
}
