package directory

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
)

// State is what the directory knows about a listing's newest edit.
type State struct {
	CID       string        `json:"cid"`
	UID       string        `json:"uid"`
	Object    string        `json:"object"` // IRI
	URL       string        `json:"url"`    // page at its origin
	Kind      protocol.Kind `json:"kind"`
	Version   uint64        `json:"version"`
	Public    bool          `json:"public"`
	Deleted   bool          `json:"deleted,omitempty"`
	Erased    bool          `json:"erased,omitempty"`
	Digest    store.Digest  `json:"digest"`    // of the object's own bytes
	Body      store.Digest  `json:"body"`      // of the body in the log that holds the object
	Withdrawn store.Digest  `json:"withdrawn"` // of the Delete that everybody was sent before it became private
	Via       store.Via     `json:"via"`
	From      string        `json:"from,omitempty"`
	Actor     string        `json:"actor"`
	Published time.Time     `json:"published"`
	Updated   time.Time     `json:"updated"`  // when the origin made this edit
	Received  time.Time     `json:"received"` // when it was accepted here
}

func (s State) revision() protocol.Revision {
	return protocol.Revision{Version: s.Version, Deleted: s.Deleted, Erased: s.Erased, Digest: s.Digest}
}

// prepareListing checks a Create, an Update or a bare object that carries a
// listing: it must be whole, of a community that we know or whose node we
// follow, and proven by that community's head key.
func (d *Directory) prepareListing(ctx context.Context, in Incoming) (change, error) {
	const op = "accept listing"
	a, o := in.Activity, in.Activity.Object
	switch {
	case o.Raw == nil:
		return change{}, protocol.Errorf(op, protocol.Invalid, a.ID, "the object must be embedded in a %s", a.Type)
	case o.ListingError != nil:
		return change{}, protocol.Errorf(op, protocol.Invalid, o.ID, "its listing cannot be read: %v", o.ListingError)
	case o.Listing == nil:
		return change{}, nil // a post by other software, not a listing
	}
	l := o.Listing
	if err := l.ValidateWire(); err != nil {
		return change{}, err
	}
	if o.AttributedTo != a.Actor {
		return change{}, protocol.Errorf(op, protocol.Forbidden, o.ID, "it is attributed to %s, but %s sent it", clip(o.AttributedTo), a.Actor)
	}
	if protocol.Origin(o.ID) != protocol.Origin(a.Actor) {
		return change{}, protocol.Errorf(op, protocol.Forbidden, o.ID, "the object is on another host than its author %s", a.Actor)
	}
	if in.Via != store.ViaLocal {
		if left, err := d.left(ctx, in); left || err != nil {
			return change{}, err
		}
		if err := d.verifyListing(ctx, in); err != nil {
			return change{}, err
		}
	}
	e := store.Entry{Type: a.Type, ID: a.ID, Actor: a.Actor, Object: o.ID,
		CID: l.CID, UID: l.UID, Kind: string(l.Kind), Version: l.Version}
	apply := func(tx store.Tx, e *store.Entry) (Outcome, error) {
		return d.putListing(tx, in, e)
	}
	after := func(e store.Entry) { d.recent.put(e.Digest, *l) }
	return change{entry: e, apply: apply, after: after}, nil
}

// left reports whether a listing is pushed by a community that we know but no
// longer follow. Its node may not have heard yet that we left, so it is ignored
// and not refused: the deletions in the queue behind it must get through. A
// pull was our own idea.
func (d *Directory) left(ctx context.Context, in Incoming) (bool, error) {
	if c, ok := d.CommunityByActor(in.Activity.Actor); !ok || c.Hosted || in.Via == store.ViaPull {
		return false, nil
	}
	follows, err := d.followsNode(ctx, protocol.Origin(in.Activity.Actor))
	return !follows, err
}

// verifyListing checks visibility, the community and the object's proof.
func (d *Directory) verifyListing(ctx context.Context, in Incoming) error {
	const op = "verify listing"
	o := in.Activity.Object
	if !o.Listing.Public() || !o.IsPublic() {
		return protocol.Errorf(op, protocol.Forbidden, o.ID, "this node takes only public listings from other nodes")
	}
	c, err := d.known(ctx, o.Listing.CID, o.AttributedTo)
	if err != nil {
		return err
	}
	if !o.Proof {
		return protocol.Errorf(op, protocol.Unverified, o.ID, "the object carries no proof (FEP-8b32)")
	}
	return d.verifyProof(o.Raw, c)
}

// verifyProof checks a document's proof against the head key that the
// community's charter names: no network, and no other key will do
// (docs/protocol/listing.md §3).
func (d *Directory) verifyProof(raw []byte, c protocol.Community) error {
	resolve := func(method string) (ed25519.PublicKey, error) {
		controller, _, _ := strings.Cut(method, "#")
		if controller != c.Actor {
			return nil, protocol.Errorf("verify proof", protocol.Unverified, method, "the key is not %s's own", c.Actor)
		}
		return proof.DecodeEd25519(c.HeadKey)
	}
	_, err := proof.Verify(raw, resolve, d.cfg.Now())
	return err
}

// putListing stores a listing's new revision, if it supersedes what stands.
func (d *Directory) putListing(tx store.Tx, in Incoming, e *store.Entry) (Outcome, error) {
	o := in.Activity.Object
	next := State{
		CID: e.CID, UID: e.UID, Object: o.ID, URL: o.URL, Kind: o.Listing.Kind, Version: e.Version,
		Public: o.Listing.Public(), Digest: store.DigestOf(o.Raw), Body: store.DigestOf(in.Activity.Raw),
		Via: in.Via, From: in.From, Actor: in.Activity.Actor,
		Published: o.Published, Updated: o.Updated, Received: d.cfg.Now().UTC(),
	}
	if protocol.Origin(next.URL) != protocol.Origin(o.ID) {
		next.URL = o.ID // a page elsewhere, or no page at all: readers are sent to the origin
	}
	return d.putState(tx, next)
}

// putState makes next the current state of its listing unless something that
// supersedes it stands already. It is the only writer of listing states.
func (d *Directory) putState(tx store.Tx, next State) (Outcome, error) {
	if err := claimObject(tx, next); err != nil {
		return "", err
	}
	current, err := getState(tx, next.CID, next.UID)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return "", err
	case current.revision() == next.revision():
		return Known, nil
	case !protocol.Supersedes(next.revision(), current.revision()):
		if current.Erased {
			return Ignored, nil // nothing of a retired uid is kept
		}
		return Superseded, nil
	}
	if d.hosts(next.CID) && current.Public && !current.Deleted && !next.Public {
		return "", errStillPublic
	}
	if next.Deleted && next.Published.IsZero() {
		next.Published = current.Published
	}
	if !next.Public {
		next.Withdrawn = current.Withdrawn
		if current.Deleted && current.Public {
			next.Withdrawn = current.Body
		}
	}
	if err := d.putChange(tx, current, next); err != nil {
		return "", err
	}
	if next.Erased {
		if err := d.eraseHistory(tx, next.CID, next.UID); err != nil {
			return "", err
		}
	}
	if err := putJSON(tx, store.ListingKey(next.CID, next.UID), next); err != nil {
		return "", err
	}
	return Stored, tx.Put(store.ClaimKey(next.UID, next.CID), nil)
}

// claimObject ties an IRI to one listing for good: an update must not turn one
// community's object into another's.
func claimObject(tx store.Tx, s State) error {
	key := store.ObjectKey(s.Object)
	owner := s.CID + "/" + s.UID
	got, err := tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return tx.Put(key, []byte(owner))
	}
	if err == nil && string(got) != owner {
		return protocol.Errorf("accept listing", protocol.Forbidden, s.Object, "this address already belongs to another listing")
	}
	return err
}

// putChange keeps, for the communities hosted here, one row a listing at its
// newest version: what a peer that was away asks for.
func (d *Directory) putChange(tx store.Tx, current, next State) error {
	if !d.hosts(next.CID) {
		return nil
	}
	if current.Version != 0 {
		if err := tx.Delete(store.ChangeKey(current.CID, current.Version)); err != nil {
			return err
		}
	}
	return tx.Put(store.ChangeKey(next.CID, next.Version), []byte(next.UID))
}

// eraseHistory erases every body that a listing ever had (design: Privacy).
func (d *Directory) eraseHistory(tx store.Tx, cid, uid string) error {
	if err := tx.Put(purgeDue(), encodeSeq(uint64(d.cfg.Now().Unix()))); err != nil {
		return err
	}
	for item, err := range tx.Scan(store.Range{Prefix: store.HistoryPrefix(cid, uid)}) {
		if err != nil {
			return err
		}
		if len(item.Value) != len(store.Digest{}) {
			continue
		}
		if err := d.cfg.Log.EraseBody(tx, store.Digest(item.Value)); err != nil {
			return err
		}
	}
	return nil
}

// purgeDue marks that something was erased and its last traces still lie in
// the store's files.
func purgeDue() []byte { return store.MetaKey("purge due") }

// Purge takes the traces of what was erased out of the files of the store and
// of the others that keep copies, when anything was. It may take minutes; the
// node runs it every few hours, so that erased text is gone from the disk
// within a day (design: Privacy).
func (d *Directory) Purge(ctx context.Context, others ...store.Purger) error {
	purgers := others
	if p, ok := d.cfg.Store.(store.Purger); ok {
		purgers = append(purgers, p)
	}
	var due []byte
	err := d.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		due, err = tx.Get(purgeDue())
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range purgers {
		if err := p.Purge(ctx); err != nil {
			return err
		}
	}
	return d.cfg.Store.Update(ctx, func(tx store.Tx) error {
		now, err := tx.Get(purgeDue())
		if err != nil || string(now) != string(due) {
			return err // something more was erased meanwhile
		}
		return tx.Delete(purgeDue())
	})
}

// prepareDelete checks a Delete: of one of our kind of listing by its
// community, or of the sender itself, who then stops following us.
func (d *Directory) prepareDelete(ctx context.Context, in Incoming) (change, error) {
	const op = "accept deletion"
	a, o := in.Activity, in.Activity.Object
	if o.ID == a.Actor {
		return d.actorGone(a), nil
	}
	if o.ListingError != nil {
		return change{}, protocol.Errorf(op, protocol.Invalid, o.ID, "its listing cannot be read: %v", o.ListingError)
	}
	t := o.Tombstone
	if t == nil {
		return change{}, nil // a bare Delete by other software of something that is not a listing
	}
	if !protocol.ValidUID(t.UID) || !protocol.ValidCID(t.CID) || t.Version == 0 || t.V != protocol.ListingVersion {
		return change{}, protocol.Errorf(op, protocol.Invalid, o.ID, "its listing needs v %d, cid, uid and version", protocol.ListingVersion)
	}
	if protocol.Origin(o.ID) != protocol.Origin(a.Actor) {
		return change{}, protocol.Errorf(op, protocol.Forbidden, o.ID, "it is on another host than %s", a.Actor)
	}
	if in.Via != store.ViaLocal {
		c, err := d.known(ctx, t.CID, a.Actor)
		if err != nil {
			return change{}, err
		}
		if err := d.verifyProof(a.Raw, c); err != nil {
			return change{}, err
		}
	}
	e := store.Entry{Type: a.Type, ID: a.ID, Actor: a.Actor, Object: o.ID, CID: t.CID, UID: t.UID, Version: t.Version}
	return change{entry: e, apply: func(tx store.Tx, e *store.Entry) (Outcome, error) {
		return d.putTombstone(tx, in, *t, e)
	}}, nil
}

func (d *Directory) putTombstone(tx store.Tx, in Incoming, t protocol.Tombstone, e *store.Entry) (Outcome, error) {
	next := State{
		CID: t.CID, UID: t.UID, Object: e.Object, Version: t.Version, Deleted: true, Erased: t.Erased,
		Public: isPublic(in.Activity), Digest: store.DigestOf(in.Activity.Object.Raw), Body: store.DigestOf(in.Activity.Raw),
		Via: in.Via, From: in.From, Actor: in.Activity.Actor,
		Updated: in.Activity.Published, Received: d.cfg.Now().UTC(),
	}
	current, err := getState(tx, t.CID, t.UID)
	if err == nil {
		next.Kind, next.URL = current.Kind, current.URL
		e.Kind = string(current.Kind)
	}
	return d.putState(tx, next)
}

func isPublic(a protocol.Activity) bool {
	return protocol.Object{To: a.To, Cc: a.Cc}.IsPublic()
}

func getState(tx store.Tx, cid, uid string) (State, error) {
	var s State
	return s, getJSON(tx, store.ListingKey(cid, uid), &s)
}

func getJSON(tx store.Tx, key []byte, into any) error {
	raw, err := tx.Get(key)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func putJSON(tx store.Tx, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

func encodeSeq(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// recentListings keeps the last listings that were accepted, so that the
// indexer, which follows within milliseconds, need not read them again.
type recentListings struct {
	mu    sync.Mutex
	ring  [512]store.Digest                 // guarded by mu
	next  int                               // guarded by mu
	items map[store.Digest]protocol.Listing // guarded by mu
}

func (r *recentListings) put(digest store.Digest, l protocol.Listing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.items == nil {
		r.items = make(map[store.Digest]protocol.Listing, len(r.ring))
	}
	delete(r.items, r.ring[r.next])
	r.ring[r.next], r.items[digest] = digest, l
	r.next = (r.next + 1) % len(r.ring)
}

func (r *recentListings) get(digest store.Digest) (protocol.Listing, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.items[digest]
	return l, ok
}
