package crash

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/waypost-directory/waypost/node/store"
)

// memory is a store to restore a backup into and look at: nothing is ever
// undone in it, and one goroutine uses it.
type memory struct {
	values map[string][]byte
	keys   []string // sorted; nil after a change
}

func newMemory() *memory { return &memory{values: map[string][]byte{}} }

func (m *memory) View(_ context.Context, fn func(store.Tx) error) error   { return fn(m) }
func (m *memory) Update(_ context.Context, fn func(store.Tx) error) error { return fn(m) }
func (m *memory) Close() error                                            { return nil }

func (m *memory) Get(key []byte) ([]byte, error) {
	v, ok := m.values[string(key)]
	if !ok {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(v), nil
}

func (m *memory) has(key []byte) bool {
	_, err := m.Get(key)
	return !errors.Is(err, store.ErrNotFound)
}

func (m *memory) Put(key, value []byte) error {
	m.values[string(key)], m.keys = bytes.Clone(value), nil
	return nil
}

func (m *memory) Delete(key []byte) error {
	delete(m.values, string(key))
	m.keys = nil
	return nil
}

func (m *memory) Scan(r store.Range) iter.Seq2[store.Item, error] {
	if m.keys == nil {
		for k := range m.values {
			m.keys = append(m.keys, k)
		}
		slices.Sort(m.keys)
	}
	from, to := r.Bounds()
	first, _ := slices.BinarySearch(m.keys, string(from))
	end := len(m.keys)
	if to != nil {
		end, _ = slices.BinarySearch(m.keys, string(to))
	}
	list := slices.Clone(m.keys[first:max(first, end)])
	if r.Reverse {
		slices.Reverse(list)
	}
	if r.Limit > 0 {
		list = list[:min(r.Limit, len(list))]
	}
	return func(yield func(store.Item, error) bool) {
		for _, k := range list {
			if !yield(store.Item{Key: []byte(k), Value: bytes.Clone(m.values[k])}, nil) {
				return
			}
		}
	}
}
