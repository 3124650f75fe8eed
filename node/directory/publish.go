package directory

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Published is what became of one listing that was to be published.
type Published struct {
	Listing   protocol.Listing
	Unchanged bool // it stood there already, word for word: no edit was made
	Created   bool // it is new here
	Err       error
}

// Publish adds a listing to a hosted community, or replaces the one with its
// uid. A listing without a uid gets one; a volunteer's is local and every other
// public unless it says otherwise. When it returns nil the edit is on disk.
func (d *Directory) Publish(ctx context.Context, cid string, l protocol.Listing) (Published, error) {
	res := d.PublishAll(ctx, cid, []protocol.Listing{l})[0]
	return res, res.Err
}

// PublishAll publishes many listings in few transactions. Each result stands
// for itself: one that fails does not hold up the others.
func (d *Directory) PublishAll(ctx context.Context, cid string, list []protocol.Listing) []Published {
	results := make([]Published, len(list))
	waits := make([]func(context.Context) error, len(list))
	for i, l := range list {
		results[i], waits[i] = d.publish(ctx, cid, l)
	}
	for i, wait := range waits {
		if wait != nil && results[i].Err == nil {
			results[i].Err = wait(ctx)
		}
		for try := 0; try < maxTries && errors.Is(results[i].Err, errStillPublic); try++ {
			// Somebody made it public in the meantime: withdraw that, too.
			if results[i], wait = d.publish(ctx, cid, list[i]); wait != nil && results[i].Err == nil {
				results[i].Err = wait(ctx)
			}
		}
	}
	return results
}

// maxTries bounds how often an edit is tried again that another one overtook.
const maxTries = 10

// errStillPublic refuses a private edit of a listing that stands as public:
// those who hold the public one must be sent its Delete first.
var errStillPublic = protocol.Errorf("publish listing", protocol.Conflict, "", "somebody published it again at the same moment; try once more")

// publish checks, numbers, signs and queues one edit.
func (d *Directory) publish(ctx context.Context, cid string, l protocol.Listing) (Published, func(context.Context) error) {
	h, err := d.host(cid)
	if err != nil {
		return Published{Listing: l, Err: err}, nil
	}
	l.V, l.CID, l.Version, l.Salt = 0, "", 0, ""
	if l.Visibility == "" {
		l.Visibility = protocol.VisibilityPublic
		if l.Kind == protocol.KindVolunteer {
			l.Visibility = protocol.VisibilityLocal
		}
	}
	if l.UID == "" {
		l.UID = uuid.NewString()
	}
	if err := checkForPublishing(&l, d.cfg.Now()); err != nil {
		return Published{Listing: l, Err: err}, nil
	}
	current, err := d.Get(ctx, cid, l.UID)
	switch {
	case err == nil && !current.State.Deleted && sameContent(current.Listing, l):
		return Published{Listing: current.Listing, Unchanged: true}, nil
	case err == nil && current.State.Erased:
		err = protocol.Errorf("publish listing", protocol.Gone, l.UID, "this listing was erased for good; publish it under a new uid")
		return Published{Listing: l, Err: err}, nil
	case err != nil && protocol.KindOf(err) != protocol.NotFound && protocol.KindOf(err) != protocol.Gone:
		return Published{Listing: l, Err: err}, nil
	}
	isNew := err != nil || current.State.Deleted
	if !isNew {
		if err := checkKind(current.Listing, l); err != nil {
			return Published{Listing: l, Err: err}, nil
		}
	}
	if !isNew && current.State.Public && !l.Public() {
		// Those who hold the public edit must be told to drop it.
		if err := d.Remove(ctx, cid, l.UID, false); err != nil {
			return Published{Listing: l, Err: err}, nil
		}
		isNew = true
	}
	return d.signAndQueue(ctx, h, l, current.State.Published, isNew)
}

func checkForPublishing(l *protocol.Listing, now time.Time) error {
	if l.Image != nil && l.Image.File != "" {
		return &protocol.Error{Op: "check listing", Kind: protocol.Invalid, ID: l.UID, Err: protocol.FieldErrors{
			{Field: "image.file", Problem: "cannot be published yet; put the picture on a web site and give its address in image.url"}}}
	}
	if err := l.Validate(); err != nil {
		return err
	}
	if end := l.Expires(); !end.IsZero() && !end.After(now) {
		return &protocol.Error{Op: "check listing", Kind: protocol.Invalid, ID: l.UID, Err: protocol.FieldErrors{
			{Field: "valid_until", Problem: "is over, or the consent is, so nobody would see it; give a later date"}}}
	}
	return nil
}

// checkKind keeps a listing what it was: those who hold it filed it so.
func checkKind(was, is protocol.Listing) error {
	if was.Kind == is.Kind {
		return nil
	}
	return &protocol.Error{Op: "check listing", Kind: protocol.Invalid, ID: is.UID, Err: protocol.FieldErrors{
		{Field: "kind", Problem: "was " + string(was.Kind) + " and cannot change; remove the listing and add a new one"}}}
}

// signAndQueue holds the community's edit lock only while the version is given
// and the edit takes its place in the queue.
func (d *Directory) signAndQueue(ctx context.Context, h *host, l protocol.Listing, published time.Time, isNew bool) (Published, func(context.Context) error) {
	salt := make([]byte, 16)
	if _, err := io.ReadFull(d.cfg.Rand, salt); err != nil {
		return Published{Listing: l, Err: err}, nil
	}
	now := d.cfg.Now().UTC()
	if published.IsZero() {
		published = now
	}
	l.V, l.CID, l.Salt = protocol.ListingVersion, h.community.CID, base64.RawURLEncoding.EncodeToString(salt)

	h.edit.Lock()
	defer h.edit.Unlock()
	l.Version = h.last + 1
	raw, err := d.createOrUpdate(h, &l, published, now, isNew)
	if err != nil {
		return Published{Listing: l, Err: err}, nil
	}
	wait, err := d.queueLocal(ctx, raw)
	if err != nil {
		return Published{Listing: l, Err: err}, nil
	}
	h.last = l.Version
	return Published{Listing: l, Created: isNew}, wait
}

func (d *Directory) createOrUpdate(h *host, l *protocol.Listing, published, now time.Time, isNew bool) ([]byte, error) {
	a := h.author(d.cfg.Base)
	obj, err := d.renderer.ListingObject(a, l, published, now)
	if err != nil {
		return nil, err
	}
	if isNew {
		return vocab.Create(a, l, obj, now)
	}
	return vocab.Update(a, l, obj, now)
}

func (h *host) author(base string) vocab.Author {
	return vocab.Author{Actor: h.identity.Actor, Followers: h.identity.Actor + "/followers", Base: base,
		KeyID: h.identity.ProofKeyID(), Key: h.identity.Ed25519}
}

// queueLocal puts an activity of our own through the door without waiting for
// the disk.
func (d *Directory) queueLocal(ctx context.Context, raw []byte) (wait func(context.Context) error, err error) {
	a, err := vocab.ParseActivity(raw)
	if err != nil {
		return nil, fmt.Errorf("read our own activity: %w", err)
	}
	in := Incoming{Activity: a, Via: store.ViaLocal}
	if err := d.authorise(in); err != nil {
		return nil, err
	}
	c, err := d.handlers[a.Type].prepare(ctx, in)
	if err != nil {
		return nil, err
	}
	done := d.submit(in, c)
	return func(ctx context.Context) error {
		res, err := done(ctx)
		if err == nil && res.Outcome == Ignored {
			err = protocol.Errorf("publish listing", protocol.Gone, a.Object.ID, "it was erased for good in the meantime")
		}
		return err
	}, nil
}

// Remove deletes a listing of a hosted community. With erase its uid is
// retired for ever and every body of it is erased, here and at peers.
func (d *Directory) Remove(ctx context.Context, cid, uid string, erase bool) error {
	const op = "remove listing"
	h, err := d.host(cid)
	if err != nil {
		return err
	}
	current, err := d.state(ctx, cid, uid)
	if errors.Is(err, store.ErrNotFound) {
		return protocol.Errorf(op, protocol.NotFound, uid, "this community has no listing with that uid")
	}
	if err != nil {
		return err
	}
	if current.Erased || current.Deleted && !erase {
		return protocol.Errorf(op, protocol.Gone, uid, "it was removed already")
	}
	h.edit.Lock()
	t := protocol.Tombstone{CID: cid, UID: uid, Version: h.last + 1, Erased: erase}
	raw, err := vocab.Delete(h.author(d.cfg.Base), current.Kind, t, current.Public, d.cfg.Now().UTC())
	if err != nil {
		h.edit.Unlock()
		return err
	}
	wait, err := d.queueLocal(ctx, raw)
	if err == nil {
		h.last = t.Version
	}
	h.edit.Unlock()
	if err != nil {
		return err
	}
	return wait(ctx)
}

// Follow asks, as the node's Application, to receive what target publishes.
func (d *Directory) Follow(ctx context.Context, target string) error {
	app := d.ApplicationIRI()
	id := app + "#follow-" + uuid.NewString()
	raw, err := vocab.Follow(id, app, target)
	if err != nil {
		return err
	}
	wait, err := d.queueLocal(ctx, raw)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// Unfollow ends what Follow began. It is not an error when there was nothing
// to end.
func (d *Directory) Unfollow(ctx context.Context, target string) error {
	list, err := d.Followings(ctx, d.ApplicationIRI())
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Target != target {
			continue
		}
		raw, err := vocab.UndoFollow(f.Follow+"/undo", f.Follow, f.Actor, f.Target)
		if err != nil {
			return err
		}
		wait, err := d.queueLocal(ctx, raw)
		if err != nil {
			return err
		}
		return wait(ctx)
	}
	return nil
}

func (d *Directory) host(cid string) (*host, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	h := d.hosted[cid]
	if h == nil {
		return nil, protocol.Errorf("find community", protocol.NotFound, cid, "this node does not host that community")
	}
	return h, nil
}

// sameContent compares what people wrote, not what the node added. Times are
// the same when they are the same moment.
func sameContent(a, b protocol.Listing) bool {
	for _, l := range []*protocol.Listing{&a, &b} {
		l.V, l.CID, l.Version, l.Salt = 0, "", 0, ""
		l.Start, l.End = l.Start.UTC(), l.End.UTC()
	}
	// As JSON an empty list and an absent one are the same.
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
