package federation

import (
	"context"
	"math"
	"sync"
	"time"
)

// tallyFor is how long a tally holds when its community changes nothing: what
// is upcoming depends on the hour too.
const tallyFor = time.Minute

// maxTallies bounds the communities in a tally.
const maxTallies = 1_000

// tally remembers what takes a walk through all listings of a community, until
// it publishes something. Anybody may ask for that, as often as they like.
type tally[T any] struct {
	mu   sync.Mutex
	rows map[string]tallyRow[T] // by cid; guarded by mu
}

type tallyRow[T any] struct {
	value   T
	version uint64 // the community's last
	at      time.Time
}

// get returns what was worked out before, or works it out. One at a time: many
// who ask at once would all do the same work.
func (t *tally[T]) get(ctx context.Context, f *Federation, cid string, work func(context.Context, string) (T, error)) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := f.now()
	_, last, err := f.dir.Changes(ctx, cid, math.MaxUint64-1, 1)
	if err != nil {
		var none T
		return none, err
	}
	if row, ok := t.rows[cid]; ok && row.version == last && now.Sub(row.at) < tallyFor {
		return row.value, nil
	}
	value, err := work(ctx, cid)
	if err != nil {
		return value, err
	}
	if t.rows == nil || len(t.rows) >= maxTallies {
		t.rows = map[string]tallyRow[T]{}
	}
	t.rows[cid] = tallyRow[T]{value: value, version: last, at: now}
	return value, nil
}
