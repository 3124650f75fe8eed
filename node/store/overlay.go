package store

import (
	"bytes"
	"iter"
	"slices"
)

// overlay is a Tx whose writes stay in memory until they are merged into the
// Tx under it, or forgotten. The Committer stacks two of them: one an
// operation, so that a failed one leaves nothing behind, on one a batch.
type overlay struct {
	under  Tx
	writes []write // by key, one a key
	size   int     // bytes staged, those overwritten since included
	failed error   // the first Put that was refused
}

// Bounds of one operation, so that a runaway one is refused before it takes
// all memory; no driver commits as much at once.
const (
	maxStagedWrites = 1 << 14
	maxStagedBytes  = 4 * MaxValue
)

// write is one staged Put or Delete.
type write struct {
	key, value []byte
	deleted    bool
}

func (o *overlay) Get(key []byte) ([]byte, error) {
	if i, found := o.find(key); found {
		if o.writes[i].deleted {
			return nil, ErrNotFound
		}
		return bytes.Clone(o.writes[i].value), nil
	}
	return o.under.Get(key)
}

func (o *overlay) Put(key, value []byte) error {
	err := CheckPut(key, value)
	if o.size += len(key) + len(value); err == nil && (o.size > maxStagedBytes || len(o.writes) >= maxStagedWrites) {
		err = ErrTooBig
	}
	if err != nil {
		o.failed = err
		return err
	}
	o.stage(write{key: bytes.Clone(key), value: append([]byte{}, value...)})
	return nil
}

func (o *overlay) Delete(key []byte) error {
	if len(key) > 0 {
		o.stage(write{key: bytes.Clone(key), deleted: true})
	}
	return nil
}

// Scan merges the staged writes into the scan of the Tx under this one.
func (o *overlay) Scan(r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		staged, yielded := o.within(r), 0
		emit := func(item Item) bool {
			yielded++
			return yield(item, nil) && yielded != r.Limit
		}
		under := r
		if r.Limit > 0 {
			under.Limit += len(staged) // each may hide one from below
		}
		for item, err := range o.under.Scan(under) {
			if err != nil {
				yield(Item{}, err)
				return
			}
			for len(staged) > 0 && precedes(staged[0].key, item.Key, r.Reverse) {
				if !staged[0].deleted && !emit(staged[0].item(r)) {
					return
				}
				staged = staged[1:]
			}
			if len(staged) > 0 && bytes.Equal(staged[0].key, item.Key) {
				hides := staged[0]
				staged = staged[1:]
				if hides.deleted {
					continue
				}
				item = hides.item(r)
			}
			if !emit(item) {
				return
			}
		}
		for _, w := range staged {
			if !w.deleted && !emit(w.item(r)) {
				return
			}
		}
	}
}

// merge writes everything staged into to, in key order.
func (o *overlay) merge(to Tx) error {
	for _, w := range o.writes {
		var err error
		if w.deleted {
			err = to.Delete(w.key)
		} else {
			err = to.Put(w.key, w.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stage takes w over, in place of an earlier write of that key.
func (o *overlay) stage(w write) {
	i, found := o.find(w.key)
	if found {
		o.writes[i] = w
		return
	}
	o.writes = slices.Insert(o.writes, i, w)
}

func (o *overlay) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(o.writes, key, func(w write, k []byte) int { return bytes.Compare(w.key, k) })
}

// within returns the staged writes of r, in the order of r.
func (o *overlay) within(r Range) []write {
	from, to := r.Bounds()
	i, _ := o.find(from)
	j := len(o.writes)
	if to != nil {
		j, _ = o.find(to)
	}
	if i >= j {
		return nil
	}
	staged := slices.Clone(o.writes[i:j])
	if r.Reverse {
		slices.Reverse(staged)
	}
	return staged
}

func (w write) item(r Range) Item {
	if r.KeysOnly {
		return Item{Key: bytes.Clone(w.key)}
	}
	return Item{Key: bytes.Clone(w.key), Value: bytes.Clone(w.value)}
}

func precedes(a, b []byte, reverse bool) bool {
	if reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b) < 0
}
