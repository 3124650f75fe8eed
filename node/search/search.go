// Package search answers "who near here can help with this?" over every
// public listing that the node knows, its own and those learned from others.
//
// An [Indexer] follows the log and tells an [Index] which listings changed; it
// looks at the listing as it is now, never at what the entry said, so that
// following an entry twice does no harm and the whole index can be thrown
// away and built again. A [Searcher] turns a protocol.Query into an [Answer]:
// hits with the reason why each was found, counts for narrowing the search
// down, and notes for the visitor where the search was bent to find anything.
//
// What every driver shares lives here: the words of a listing ([TextOf]), the
// words of a visitor ([Terms]), when something takes place ([Occurrences])
// and why a hit is one ([Why]). Storing, matching and sorting is the drivers'
// business: see embedded, and searchtest for what each must do.
package search

import (
	"context"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Doc is a listing as search sees it.
type Doc struct {
	Listing     protocol.Listing
	Node        string    // host of the node that publishes it
	Own         bool      // whether that is this node
	URL         string    // its page
	Object      string    // IRI of its ActivityPub object
	ConfirmedAt time.Time // when its origin last vouched for it: its proof's date
	Provenance  string    // how we know of it, e.g. "received from bexley.example"
}

// Change says that the listing UID of community CID now is Doc; a nil Doc
// removes it. A Doc that is not public removes it, too: it was public before,
// or never should have come here.
type Change struct {
	CID, UID string
	Doc      *Doc
}

// Visible reports whether the change leaves something for everyone to find.
func (c Change) Visible() bool {
	return c.Doc != nil && c.Doc.Listing.Public() && protocol.Has(protocol.Kinds(), string(c.Doc.Listing.Kind))
}

// Searcher answers searches. It may be called concurrently, also while the
// index changes: each answer is of one moment. Errors are protocol.Error of
// kind Unavailable (ctx ended) or Internal; no text that a visitor can type
// is an error.
type Searcher interface {
	Search(ctx context.Context, q protocol.Query) (Answer, error)
}

// Index is a search index that can be kept up to date. It is a copy of what
// the store holds: losing it costs time, never data. It is trusted with
// public listings only.
type Index interface {
	Searcher
	// Apply makes all changes, or on error none, and moves the cursor to the
	// number of the last log entry that they come from. When it returns the
	// changes can be found. After a power cut the index may be back at an
	// earlier cursor, together with the listings of that moment.
	Apply(ctx context.Context, changes []Change, cursor uint64) error
	// Cursor returns the cursor of the last Apply, 0 for an empty index.
	Cursor(ctx context.Context) (uint64, error)
	// Reset empties the index and moves the cursor to 0.
	Reset(ctx context.Context) error
	// Count returns how many listings the index holds, over and expired ones
	// included.
	Count(ctx context.Context) (int, error)
	Close() error
}

// Communities knows communities by their cid. An index asks when a listing
// comes in (for its community's place and name) and when an answer is made
// (for the name as it is then). It is called concurrently.
type Communities interface {
	Community(cid string) (protocol.Community, bool)
}

// Places finds a place by the name that a visitor typed: a town, a postcode,
// a venue. It is called concurrently.
type Places interface {
	Place(ctx context.Context, name string) (protocol.Point, bool)
}

// Horizon bounds how far ahead a recurring listing is expanded: so many
// occurrences, so many days, whichever comes first. A search for dates beyond
// it does not find the listing.
const (
	HorizonDays        = 366
	HorizonOccurrences = 400
)

// AssumedLength is how long an event is taken to last that does not say.
const AssumedLength = 4 * time.Hour
