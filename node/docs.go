package node

import (
	"context"
	"errors"
	"net/url"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// docs shows the directory's listings to the search index.
type docs struct {
	directory *directory.Directory
	host      string // of this node
}

// Doc implements search.Source: public listings as they stand, nil for all
// others.
func (d docs) Doc(ctx context.Context, cid, uid string) (*search.Doc, error) {
	s, l, err := d.directory.Current(ctx, cid, uid)
	switch {
	case errors.Is(err, store.ErrNotFound), protocol.KindOf(err) == protocol.NotFound, protocol.KindOf(err) == protocol.Gone:
		return nil, nil
	case err != nil:
		return nil, err
	case s.Deleted || !s.Public:
		return nil, nil
	}
	doc := &search.Doc{Listing: l, Node: hostOf(s.Object), URL: s.URL, Object: s.Object, ConfirmedAt: s.Updated}
	if doc.ConfirmedAt.After(s.Received) {
		doc.ConfirmedAt = s.Received // a clock ahead of ours must not look fresher than now
	}
	doc.Own = doc.Node == d.host
	doc.Provenance = provenance(s)
	return doc, nil
}

func provenance(s directory.State) string {
	switch s.Via {
	case store.ViaLocal:
		return "published here"
	case store.ViaPull:
		return "read from " + s.From
	case store.ViaFetch:
		return "fetched from " + s.From
	}
	return "received from " + s.From
}

func hostOf(iri string) string {
	u, err := url.Parse(iri)
	if err != nil {
		return ""
	}
	return u.Host
}
