package search

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// Source is where an [Indexer] learns what a listing is now.
type Source interface {
	// Doc returns the listing as it stands, and nil when it is deleted,
	// unknown or not for everyone to see.
	Doc(ctx context.Context, cid, uid string) (*Doc, error)
}

// Indexer keeps an [Index] up to date with the log; it is a [store.Follower].
// An entry only tells it where to look: what is indexed is the listing's
// current state, so entries may repeat or be missed as long as a later one
// names the same listing.
type Indexer struct {
	index  Index
	source Source
	log    *slog.Logger

	mu sync.Mutex // held over Follow and Reset, so that a Reset is not undone by a Follow that began before it
}

// NewIndexer returns an indexer that fills index with what source says. A nil
// logger is slog.Default.
func NewIndexer(index Index, source Source, logger *slog.Logger) *Indexer {
	if logger == nil {
		logger = slog.Default()
	}
	return &Indexer{index: index, source: source, log: logger}
}

// Name is the follower's name.
func (x *Indexer) Name() string { return "search" }

// Cursor returns how far the index has read the log.
func (x *Indexer) Cursor(ctx context.Context) (uint64, error) { return x.index.Cursor(ctx) }

// Follow indexes every listing that the entries name, once. Entries that do
// not continue where the index stands are refused with kind Conflict: it was
// emptied meanwhile, and the follower has to begin again at its cursor.
func (x *Indexer) Follow(ctx context.Context, entries []store.Entry, cursor uint64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, err := x.index.Cursor(ctx)
	if err != nil {
		return err
	}
	if len(entries) > 0 && entries[0].Seq > at+1 {
		return protocol.Errorf("search.Follow", protocol.Conflict, "", "the search index stands at entry %d; going on from there", at)
	}
	changes, err := x.changes(ctx, entries)
	if err != nil {
		return err
	}
	return x.index.Apply(ctx, changes, cursor)
}

func (x *Indexer) changes(ctx context.Context, entries []store.Entry) ([]Change, error) {
	type key struct{ cid, uid string }
	seen := make(map[key]bool, len(entries))
	var changes []Change
	for i := range entries {
		e := &entries[i]
		k := key{e.CID, e.UID}
		if e.CID == "" || e.UID == "" || seen[k] || e.Outcome == store.Superseded || e.Outcome == store.Ignored {
			continue
		}
		seen[k] = true
		doc, err := x.source.Doc(ctx, e.CID, e.UID)
		switch {
		case protocol.KindOf(err) == protocol.Invalid:
			// A listing that cannot be read now never can be: leave it out
			// rather than hold up all that follow it.
			x.log.Warn("a listing was left out of search", "cid", e.CID, "uid", e.UID, "seq", e.Seq, "error", err)
			doc = nil
		case err != nil:
			return nil, fmt.Errorf("read listing %s: %w", e.UID, err)
		}
		changes = append(changes, Change{CID: e.CID, UID: e.UID, Doc: doc})
	}
	return changes, nil
}

// Reset empties the index. The follower loop must be started anew to fill it
// again: a running one waits for the next entry before it looks at the cursor.
func (x *Indexer) Reset(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.index.Reset(ctx)
}
