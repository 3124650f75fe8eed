package directory

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Record is a listing as it stands.
type Record struct {
	State   State
	Listing protocol.Listing // zero when deleted
	Object  []byte           // the object as its community signed it; nil when deleted
	Delete  []byte           // the Delete activity; nil unless deleted
}

// Get returns the current record of a listing: NotFound when it never was,
// Gone when its bytes were erased. A deleted listing is returned with its
// Delete and no error.
func (d *Directory) Get(ctx context.Context, cid, uid string) (Record, error) {
	var r Record
	err := d.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		if r.State, err = getState(tx, cid, uid); err != nil {
			return err
		}
		r, err = d.record(tx, r.State)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Record{}, protocol.Errorf("read listing", protocol.NotFound, uid, "there is no such listing")
	}
	return r, err
}

func (d *Directory) record(tx store.Tx, s State) (Record, error) {
	r := Record{State: s}
	body, err := d.cfg.Log.BodyIn(tx, s.Body)
	if err != nil {
		return r, err
	}
	if s.Deleted {
		r.Delete = body
		return r, nil
	}
	a, err := vocab.ParseActivity(body)
	if err != nil {
		return r, err
	}
	if a.Object.Listing == nil {
		return r, protocol.Errorf("read listing", protocol.Internal, s.UID, "the stored activity holds no listing")
	}
	r.Object, r.Listing = a.Object.Raw, *a.Object.Listing
	return r, nil
}

func (d *Directory) state(ctx context.Context, cid, uid string) (State, error) {
	var s State
	err := d.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		s, err = getState(tx, cid, uid)
		return err
	})
	return s, err
}

// Current returns the state of a listing and, unless it is deleted, the
// listing itself; it is the cheap way for followers of the log.
func (d *Directory) Current(ctx context.Context, cid, uid string) (State, protocol.Listing, error) {
	s, err := d.state(ctx, cid, uid)
	if err != nil || s.Deleted {
		return s, protocol.Listing{}, err
	}
	if l, ok := d.recent.get(s.Body); ok {
		return s, l, nil
	}
	r, err := d.Get(ctx, cid, uid)
	return r.State, r.Listing, err
}

// Find returns the listing of a uid. If several communities claim the same
// uid, one hosted here wins, then a listing that stands, then the one that came
// first; cid narrows it.
func (d *Directory) Find(ctx context.Context, uid, cid string) (Record, error) {
	if !protocol.ValidUID(uid) {
		return Record{}, protocol.Errorf("read listing", protocol.NotFound, uid, "there is no such listing")
	}
	if cid == "" {
		var err error
		if cid, err = d.claimant(ctx, uid); err != nil {
			return Record{}, err
		}
	}
	return d.Get(ctx, cid, uid)
}

func (d *Directory) claimant(ctx context.Context, uid string) (cid string, err error) {
	prefix := store.ClaimPrefix(uid)
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		cid = ""
		for _, c := range d.Hosted() { // whatever strangers claim
			if _, err := tx.Get(store.ClaimKey(uid, c.CID)); err == nil {
				cid = c.CID
				return nil
			}
		}
		var best State
		for item, err := range tx.Scan(store.Range{Prefix: prefix, KeysOnly: true, Limit: maxClaims}) {
			if err != nil {
				return err
			}
			s, err := getState(tx, string(item.Key[len(prefix)+1:]), uid) // after the length byte
			if err != nil {
				return err
			}
			if cid == "" || best.Deleted && !s.Deleted || best.Deleted == s.Deleted && s.Received.Before(best.Received) {
				cid, best = s.CID, s
			}
		}
		return nil
	})
	if err == nil && cid == "" {
		err = protocol.Errorf("read listing", protocol.NotFound, uid, "there is no such listing")
	}
	return cid, err
}

// maxClaims bounds how many communities' claims to one uid are looked at.
const maxClaims = 100

// Over reports whether the listing's time is up, so that nobody may be shown it
// any more (design: Privacy).
func (r Record) Over(now time.Time) bool {
	at := r.Listing.Expires()
	return !r.State.Deleted && !at.IsZero() && !now.Before(at)
}

// Change is one row of a community's feed: a listing's newest edit.
type Change struct {
	UID     string
	Version uint64
	Record  Record
}

// Changes returns the newest edit of each public listing of a hosted community
// whose version is above since, lowest first, and the community's last version.
func (d *Directory) Changes(ctx context.Context, cid string, since uint64, limit int) (changes []Change, last uint64, err error) {
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		if last, err = lastVersion(tx, cid); err != nil {
			return err
		}
		r := store.Range{Prefix: store.ChangePrefix(cid), From: store.ChangeKey(cid, since+1)}
		changes, err = d.publicChanges(tx, cid, r, limit)
		return err
	})
	return changes, last, err
}

// publicChanges reads the public edits of a range of a community's feed.
func (d *Directory) publicChanges(tx store.Tx, cid string, r store.Range, limit int) ([]Change, error) {
	var changes []Change
	for item, err := range tx.Scan(r) {
		if err != nil {
			return nil, err
		}
		if len(changes) == limit {
			break
		}
		c, ok, err := d.publicChange(tx, cid, string(item.Value))
		if err != nil {
			return nil, err
		}
		if ok {
			c.Version = store.KeyNumber(item.Key)
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func (d *Directory) publicChange(tx store.Tx, cid, uid string) (Change, bool, error) {
	s, err := getState(tx, cid, uid)
	if err != nil {
		return Change{}, false, err
	}
	if !s.Public && s.Withdrawn.IsZero() {
		return Change{}, false, nil
	}
	if !s.Public {
		s.Body, s.Deleted = s.Withdrawn, true
	}
	r, err := d.record(tx, s)
	if protocol.KindOf(err) == protocol.Gone {
		return Change{}, false, nil
	}
	return Change{UID: uid, Record: r}, err == nil && !r.Over(d.cfg.Now()), err
}

// Newest returns the public listings of a hosted community, newest edit first,
// below version before (0: from the newest). Deleted ones are among them.
func (d *Directory) Newest(ctx context.Context, cid string, before uint64, limit int) (changes []Change, err error) {
	r := store.Range{Prefix: store.ChangePrefix(cid), Reverse: true}
	if before != 0 {
		r.To = store.ChangeKey(cid, before)
	}
	err = d.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		changes, err = d.publicChanges(tx, cid, r, limit)
		return err
	})
	return changes, err
}

// States calls fn for every listing of a community as it stands, in order of
// uid, deleted ones too, until fn returns false.
func (d *Directory) States(ctx context.Context, cid string, fn func(State) bool) error {
	return d.cfg.Store.View(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: store.ListingPrefix(cid)}) {
			if err != nil {
				return err
			}
			var s State
			if err := json.Unmarshal(item.Value, &s); err != nil {
				return err
			}
			if !fn(s) {
				return nil
			}
		}
		return nil
	})
}

// Listings returns the listings of a community that stand, in order of uid.
func (d *Directory) Listings(ctx context.Context, cid string) ([]Record, error) {
	var uids []string
	if err := d.States(ctx, cid, func(s State) bool {
		if !s.Deleted {
			uids = append(uids, s.UID)
		}
		return true
	}); err != nil {
		return nil, err
	}
	list := make([]Record, 0, len(uids))
	for _, uid := range uids {
		r, err := d.Get(ctx, cid, uid)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}
