package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
)

// maxListing bounds the JSON of one listing.
const maxListing = 256 << 10

// Bounds of a page of listings.
const (
	defaultLimit = 100
	maxLimit     = 1_000
)

// desk serves listings as JSON to those who may write: to programs at /api/v1
// by token, and to the command line at /admin/v1. The routes and documents are
// the same.
type desk struct {
	w *Web
	// allow says whether the request may read or write, and which listings it
	// sees.
	allow func(r *http.Request, write bool) (reach, error)
	// expired shows listings that have run out, too.
	expired bool
}

// reach is which of a community's own listings somebody sees.
type reach int

const (
	seesPublic reach = iota
	seesCoordinators
	seesAll
)

func (s reach) sees(l *protocol.Listing) bool {
	return s == seesAll || l.Public() || s == seesCoordinators && l.Visibility == protocol.VisibilityCoordinators
}

func (d desk) routes(r *mux.Router, answer func(handler) http.Handler) {
	r.Handle("/listings", answer(d.list)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/listings", answer(d.create)).Methods(http.MethodPost)
	r.Handle("/listings/{uid}", answer(d.get)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/listings/{uid}", answer(d.put)).Methods(http.MethodPut)
	r.Handle("/listings/{uid}", answer(d.remove)).Methods(http.MethodDelete)
}

// Written is the answer to an edit.
type Written struct {
	Outcome string           `json:"outcome"` // "created", "changed" or "unchanged"
	UID     string           `json:"uid"`
	Version uint64           `json:"version"`
	URL     string           `json:"url"` // its page; shows public listings only
	Listing protocol.Listing `json:"listing"`
}

// The outcomes of an edit.
const (
	outcomeCreated   = "created"
	outcomeChanged   = "changed"
	outcomeUnchanged = "unchanged"
	outcomeFailed    = "failed"
)

func (w *Web) writtenOf(p directory.Published) Written {
	res := Written{Outcome: outcomeChanged, UID: p.Listing.UID, Version: p.Listing.Version,
		URL: w.cfg.Base + "/listings/" + p.Listing.UID, Listing: editable(p.Listing)}
	switch {
	case p.Unchanged:
		res.Outcome = outcomeUnchanged
	case p.Created:
		res.Outcome = outcomeCreated
	}
	return res
}

// editable leaves out what the node adds, so that what was read can be sent
// back as it stands.
func editable(l protocol.Listing) protocol.Listing {
	l.V, l.CID, l.Version, l.Salt = 0, "", 0, ""
	return l
}

// listed is a page of listings.
type listed struct {
	Listings []protocol.Listing `json:"listings"`
	Next     string             `json:"next,omitempty"` // address of what follows
}

func (d desk) list(rw http.ResponseWriter, r *http.Request) error {
	who, err := d.allow(r, false)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	c, err := d.w.hostedCommunity(q.Get("community"))
	if err != nil {
		return err
	}
	limit, err := limitOf(q.Get("limit"))
	if err != nil {
		return err
	}
	kind, after := protocol.Kind(q.Get("kind")), q.Get("after")
	if kind != "" && !protocol.Has(protocol.Kinds(), string(kind)) {
		return fieldError("kind", "is not one of event, offer, need, volunteer, venue, resource")
	}
	list, err := d.visible(r.Context(), c.CID, who, kind, after, limit+1)
	if err != nil {
		return err
	}
	next := ""
	if len(list) > limit { // after what the caller sees: no other uid is told
		list = list[:limit]
		q.Set("after", list[limit-1].UID)
		next = r.URL.Path + "?" + q.Encode()
	}
	return sendJSON(rw, http.StatusOK, listed{Listings: list, Next: next})
}

// visible returns the first limit listings after a uid that somebody may see.
// It looks at twice as many each time that those it looked at were too few.
func (d desk) visible(ctx context.Context, cid string, who reach, kind protocol.Kind, after string, limit int) ([]protocol.Listing, error) {
	list := []protocol.Listing{}
	for batch := limit; ; batch *= 2 {
		var uids []string
		err := d.w.cfg.Directory.States(ctx, cid, func(s directory.State) bool {
			if !s.Deleted && s.UID > after && (s.Public || who != seesPublic) && (kind == "" || s.Kind == kind) {
				uids = append(uids, s.UID)
			}
			return len(uids) < batch
		})
		if err != nil {
			return nil, err
		}
		for _, uid := range uids {
			rec, err := d.w.cfg.Directory.Get(ctx, cid, uid)
			switch {
			case protocol.KindOf(err) == protocol.Gone: // erased meanwhile
			case err != nil:
				return nil, err
			case !rec.State.Deleted && who.sees(&rec.Listing) && (d.expired || !d.w.expired(&rec.Listing)):
				list = append(list, editable(rec.Listing))
			}
			if len(list) == limit {
				return list, nil
			}
		}
		if len(uids) < batch {
			return list, nil
		}
		after = uids[len(uids)-1]
	}
}

func limitOf(s string) (int, error) {
	if s == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxLimit {
		return 0, fieldError("limit", "must be a whole number from 1 to "+strconv.Itoa(maxLimit))
	}
	return n, nil
}

func (d desk) get(rw http.ResponseWriter, r *http.Request) error {
	who, err := d.allow(r, false)
	if err != nil {
		return err
	}
	rec, err := d.record(r)
	told := rec.State.Public || who == seesAll // that it was here
	switch {
	case protocol.KindOf(err) == protocol.Gone && !told:
		return notHere(mux.Vars(r)["uid"])
	case err != nil:
		return err
	case rec.State.Deleted && told:
		return protocol.Errorf("read listing", protocol.Gone, rec.State.UID, "this listing was removed")
	case rec.State.Deleted || !who.sees(&rec.Listing):
		return notHere(rec.State.UID)
	case !d.expired && d.w.expired(&rec.Listing):
		return protocol.Errorf("read listing", protocol.Gone, rec.State.UID, "this listing has run out")
	}
	rw.Header().Set("ETag", `"`+strconv.FormatUint(rec.State.Version, 10)+`"`)
	return sendJSON(rw, http.StatusOK, editable(rec.Listing))
}

// notHere is the one answer for a listing that is not there and for one that
// the caller may not see, so that the two cannot be told apart.
func notHere(uid string) error {
	return protocol.Errorf("read listing", protocol.NotFound, uid, "no community of this node has a listing with that uid that you may see; those of other nodes are read at /listings/%s", uid)
}

// record finds the listing of a path among the hosted communities.
func (d desk) record(r *http.Request) (directory.Record, error) {
	uid, cid := mux.Vars(r)["uid"], ""
	if name := r.URL.Query().Get("community"); name != "" {
		c, err := d.w.hostedCommunity(name)
		if err != nil {
			return directory.Record{}, err
		}
		cid = c.CID
	}
	rec, err := d.w.cfg.Directory.Find(r.Context(), uid, cid)
	if protocol.KindOf(err) == protocol.NotFound {
		return rec, notHere(uid)
	}
	if c, _ := d.w.cfg.Directory.Community(rec.State.CID); err == nil && !c.Hosted {
		return directory.Record{}, notHere(uid)
	}
	return rec, err
}

func (d desk) create(rw http.ResponseWriter, r *http.Request) error {
	if _, err := d.allow(r, true); err != nil {
		return err
	}
	l, err := readListing(rw, r)
	if err != nil {
		return err
	}
	c, err := d.w.hostedCommunity(r.URL.Query().Get("community"))
	if err != nil {
		return err
	}
	if l.UID != "" {
		rec, err := d.w.cfg.Directory.Get(r.Context(), c.CID, l.UID)
		if err == nil && !rec.State.Deleted {
			return protocol.Errorf("add listing", protocol.Conflict, l.UID, "there is a listing with this uid already; use PUT to change it")
		}
		if err != nil && protocol.KindOf(err) != protocol.NotFound {
			return err
		}
	}
	return d.publish(rw, r, c.CID, l)
}

func (d desk) put(rw http.ResponseWriter, r *http.Request) error {
	if _, err := d.allow(r, true); err != nil {
		return err
	}
	l, err := readListing(rw, r)
	if err != nil {
		return err
	}
	uid := mux.Vars(r)["uid"]
	if l.UID != "" && l.UID != uid {
		return fieldError("uid", "must be the one in the address, or left out")
	}
	l.UID = uid
	c, err := d.communityFor(r)
	if err != nil {
		return err
	}
	return d.publish(rw, r, c.CID, l)
}

// communityFor is the community named, the one that has the listing, or the
// only one.
func (d desk) communityFor(r *http.Request) (protocol.Community, error) {
	name := r.URL.Query().Get("community")
	if name == "" {
		if rec, err := d.record(r); err == nil {
			c, _ := d.w.cfg.Directory.Community(rec.State.CID)
			return c, nil
		}
	}
	return d.w.hostedCommunity(name)
}

func (d desk) publish(rw http.ResponseWriter, r *http.Request, cid string, l protocol.Listing) error {
	p, err := d.w.cfg.Directory.Publish(r.Context(), cid, l)
	if err != nil {
		return err
	}
	status := http.StatusOK
	rw.Header().Set("ETag", `"`+strconv.FormatUint(p.Listing.Version, 10)+`"`)
	if p.Created {
		status = http.StatusCreated
		rw.Header().Set("Location", strings.TrimSuffix(r.URL.Path, "/"+p.Listing.UID)+"/"+p.Listing.UID)
	}
	return sendJSON(rw, status, d.w.writtenOf(p))
}

func (d desk) remove(rw http.ResponseWriter, r *http.Request) error {
	if _, err := d.allow(r, true); err != nil {
		return err
	}
	erase, err := flag(r.URL.Query(), "erase")
	if err != nil {
		return err
	}
	c, err := d.communityFor(r)
	if err != nil {
		return err
	}
	if err := d.w.cfg.Directory.Remove(r.Context(), c.CID, mux.Vars(r)["uid"], erase); err != nil {
		return err
	}
	rw.WriteHeader(http.StatusNoContent)
	return nil
}

func flag(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, fieldError(name, "must be true or false")
}

// hostedCommunity finds a community that lives here by handle or cid; without
// a name it is the only one.
func (w *Web) hostedCommunity(name string) (protocol.Community, error) {
	hosted := w.cfg.Directory.Hosted()
	var handles []string
	for _, c := range hosted {
		if name != "" && (c.Handle == name || c.CID == name) {
			return c, nil
		}
		handles = append(handles, c.Handle)
	}
	switch {
	case name == "" && len(hosted) == 1:
		return hosted[0], nil
	case len(hosted) == 0:
		return protocol.Community{}, protocol.Errorf("find community", protocol.Conflict, "", "this node hosts no community yet; make one with: waypost init")
	case name == "":
		return protocol.Community{}, fieldError("community", "is missing; this node hosts several: "+strings.Join(handles, ", "))
	}
	return protocol.Community{}, fieldError("community", strconv.Quote(name)+" does not live on this node; these do: "+strings.Join(handles, ", "))
}

func fieldError(field, problem string) error {
	return &protocol.Error{Op: "read request", Kind: protocol.Invalid, Err: protocol.FieldErrors{{Field: field, Problem: problem}}}
}

func readListing(rw http.ResponseWriter, r *http.Request) (protocol.Listing, error) {
	raw, err := readBody(rw, r, maxListing)
	if err != nil {
		return protocol.Listing{}, err
	}
	return protocol.DecodeListing(raw)
}

// readBody reads a JSON body of at most limit bytes.
func readBody(rw http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, protocol.Errorf("read request", protocol.TooLarge, "", "the body is larger than %d kB; send less at a time", limit>>10)
	}
	if err != nil {
		return nil, protocol.Errorf("read request", protocol.Invalid, "", "the body broke off; send it again")
	}
	return raw, nil
}

// readJSON reads a JSON body into a struct; a field that it does not have is
// refused by name.
func readJSON(rw http.ResponseWriter, r *http.Request, limit int64, into any) error {
	raw, err := readBody(rw, r, limit)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return protocol.Errorf("read request", protocol.Invalid, "", "this is not the JSON that was expected: %v", err)
	}
	return nil
}
