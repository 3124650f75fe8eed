package federation

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sort"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

const itemsAPage = 20

// actorOf is the IRI of the actor that a path is about, and its community's
// cid; the cid is empty for the Application.
func (f *Federation) actorOf(r *http.Request) (iri, cid string, err error) {
	handle, ok := mux.Vars(r)["handle"]
	if !ok {
		return f.dir.ApplicationIRI(), "", nil
	}
	c, ok := f.dir.HostedByHandle(handle)
	if !ok {
		return "", "", protocol.Errorf("read actor", protocol.NotFound, handle, "this node hosts no community of that name")
	}
	return c.Actor, c.CID, nil
}

// serveActor serves an actor's document. It needs no signature: whoever must
// check ours could not get the key otherwise. People are shown the page.
func (f *Federation) serveActor(w http.ResponseWriter, r *http.Request) {
	iri, cid, err := f.actorOf(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if !WantsActivity(r) && WantsPage(r) {
		page := f.base + "/about"
		if c, ok := f.dir.Community(cid); ok {
			page = c.URL
		}
		w.Header().Set("Vary", "Accept")
		http.Redirect(w, r, page, http.StatusSeeOther)
		return
	}
	raw, err := f.dir.ActorDocument(iri)
	f.sendActivity(w, r, raw, err)
}

// serveObject serves a public listing as it was signed, its Tombstone when it
// was deleted, and 404 for everything else.
func (f *Federation) serveObject(w http.ResponseWriter, r *http.Request) {
	rec, err := f.own(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if rec.State.Deleted {
		t := protocol.Tombstone{CID: rec.State.CID, UID: rec.State.UID, Version: rec.State.Version, Erased: rec.State.Erased}
		former := "Note"
		if rec.State.Kind == protocol.KindEvent {
			former = "Event"
		}
		raw, err := vocab.TombstoneObject(rec.State.Object, former, t, rec.State.Updated)
		if err != nil {
			f.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", ActivityType)
		w.WriteHeader(http.StatusGone)
		_, _ = w.Write(raw)
		return
	}
	if !WantsActivity(r) && WantsPage(r) {
		w.Header().Set("Vary", "Accept")
		http.Redirect(w, r, rec.State.URL, http.StatusSeeOther)
		return
	}
	f.sendActivity(w, r, rec.Object, nil)
}

// own reads a public listing that was published here. What is not public looks
// as if it did not exist.
func (f *Federation) own(r *http.Request) (directory.Record, error) {
	uid := mux.Vars(r)["uid"]
	rec, err := f.dir.Find(r.Context(), uid, "")
	if err != nil {
		return rec, err
	}
	c, ok := f.dir.Community(rec.State.CID)
	if !ok || !c.Hosted || !rec.State.Public {
		return rec, protocol.Errorf("read listing", protocol.NotFound, uid, "there is no such listing")
	}
	if rec.Over(f.now()) {
		return rec, protocol.Errorf("read listing", protocol.Gone, uid, "this listing is over")
	}
	return rec, nil
}

func (f *Federation) servePlace(w http.ResponseWriter, r *http.Request) {
	rec, err := f.own(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	raw, ok := vocab.Place(f.base, mux.Vars(r)["place"], &rec.Listing)
	if !ok {
		err = protocol.Errorf("read place", protocol.NotFound, mux.Vars(r)["place"], "there is no such place")
	}
	f.sendActivity(w, r, raw, err)
}

func (f *Federation) serveGroupPlace(w http.ResponseWriter, r *http.Request) {
	_, cid, err := f.actorOf(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	c, _ := f.dir.Community(cid)
	raw, ok := vocab.GroupPlace(c)
	if !ok {
		err = protocol.Errorf("read place", protocol.NotFound, cid, "this community names no place")
	}
	f.sendActivity(w, r, raw, err)
}

func (f *Federation) serveOrganizers(w http.ResponseWriter, r *http.Request) {
	rec, err := f.own(r)
	if err != nil || rec.State.Deleted {
		f.fail(w, r, protocol.Errorf("read organizers", protocol.NotFound, mux.Vars(r)["uid"], "there is no such event"))
		return
	}
	raw, err := vocab.FlatCollection(rec.State.Object+"/organizers", []any{rec.State.Actor})
	f.sendActivity(w, r, raw, err)
}

func (f *Federation) serveEmpty(w http.ResponseWriter, r *http.Request) {
	if _, _, err := f.actorOf(r); err != nil {
		f.fail(w, r, err)
		return
	}
	raw, err := vocab.FlatCollection(f.base+r.URL.Path, []any{})
	f.sendActivity(w, r, raw, err)
}

// serveFollowers tells how many follow. Of the Application, whose followers
// are servers, it also says which; a community's followers are people and are
// not listed.
func (f *Federation) serveFollowers(w http.ResponseWriter, r *http.Request) {
	iri, cid, err := f.actorOf(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if cid != "" {
		n, err := f.dir.CountFollowers(r.Context(), iri)
		if err != nil {
			f.fail(w, r, err)
			return
		}
		raw, err := vocab.Collection(iri+"/followers", n, "")
		f.sendActivity(w, r, raw, err)
		return
	}
	list, err := f.dir.Followers(r.Context(), iri)
	items := make([]any, len(list))
	for i, x := range list {
		items[i] = x.Actor
	}
	f.servePaged(w, r, iri+"/followers", items, err)
}

func (f *Federation) serveFollowing(w http.ResponseWriter, r *http.Request) {
	iri, _, err := f.actorOf(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	list, err := f.dir.Followings(r.Context(), iri)
	items := []any{}
	for _, x := range list {
		if x.State == directory.FollowAccepted {
			items = append(items, x.Target)
		}
	}
	f.servePaged(w, r, iri+"/following", items, err)
}

// servePaged serves a short list as a collection, or one page of it.
func (f *Federation) servePaged(w http.ResponseWriter, r *http.Request, id string, items []any, err error) {
	if err != nil {
		f.fail(w, r, err)
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	if page < 1 {
		first := ""
		if len(items) > 0 {
			first = id + "?page=1"
		}
		raw, err := vocab.Collection(id, len(items), first)
		f.sendActivity(w, r, raw, err)
		return
	}
	page = min(page, len(items)/itemsAPage+2) // beyond the end every page is the same empty one
	from := min((page-1)*itemsAPage, len(items))
	to := min(from+itemsAPage, len(items))
	next := ""
	if to < len(items) {
		next = id + "?page=" + strconv.Itoa(page+1)
	}
	raw, err := vocab.CollectionPage(id+"?page="+strconv.Itoa(page), id, next, len(items), items[from:to])
	f.sendActivity(w, r, raw, err)
}

// serveOutbox shows what stands, newest first: a Create around each object, as
// Gancio and Mobilizon read it.
func (f *Federation) serveOutbox(w http.ResponseWriter, r *http.Request) {
	f.serveChangesAs(w, r, "/outbox", func(c directory.Change) (any, bool) {
		if c.Record.State.Deleted {
			return nil, false
		}
		s := c.Record.State
		raw, err := vocab.OutboxCreate(s.Actor, s.Object, s.Version, s.Updated, c.Record.Object)
		return json.RawMessage(raw), err == nil
	})
}

// serveListings shows every listing with the deleted ones among them, for peers
// that repair what they missed.
func (f *Federation) serveListings(w http.ResponseWriter, r *http.Request) {
	f.serveChangesAs(w, r, "/listings", func(c directory.Change) (any, bool) {
		if !c.Record.State.Deleted {
			return json.RawMessage(c.Record.Object), true
		}
		a, err := vocab.ParseActivity(c.Record.Delete)
		if err != nil {
			return nil, false
		}
		return json.RawMessage(a.Object.Raw), true
	})
}

func (f *Federation) serveChangesAs(w http.ResponseWriter, r *http.Request, suffix string, item func(directory.Change) (any, bool)) {
	iri, cid, err := f.actorOf(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	id := iri + suffix
	if cid == "" {
		raw, err := vocab.Collection(id, 0, "") // the Application announces; it writes nothing
		f.sendActivity(w, r, raw, err)
		return
	}
	total, err := f.countPublic(r.Context(), cid)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if r.URL.Query().Get("page") == "" {
		first := ""
		if total > 0 || suffix == "/listings" {
			first = id + "?page=true"
		}
		raw, err := vocab.Collection(id, total, first)
		f.sendActivity(w, r, raw, err)
		return
	}
	f.servePageOfChanges(w, r, id, cid, total, item)
}

func (f *Federation) servePageOfChanges(w http.ResponseWriter, r *http.Request, id, cid string, total int, item func(directory.Change) (any, bool)) {
	before, _ := strconv.ParseUint(r.URL.Query().Get("before"), 10, 64)
	changes, err := f.dir.Newest(r.Context(), cid, before, itemsAPage)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	fits := fitting(changes)
	items := []any{}
	for _, c := range fits {
		if x, ok := item(c); ok {
			items = append(items, x)
		}
	}
	page, next := id+"?page=true", ""
	if before != 0 {
		page += "&before=" + strconv.FormatUint(before, 10)
	}
	if len(fits) == itemsAPage || len(fits) < len(changes) {
		next = id + "?page=true&before=" + strconv.FormatUint(fits[len(fits)-1].Version, 10)
	}
	raw, err := vocab.CollectionPage(page, id, next, total, items)
	f.sendActivity(w, r, raw, err)
}

// maxPageBytes keeps a page under the 1 MB that others read, whatever its
// listings hold; one alone has at most a quarter of that.
const maxPageBytes = 700 << 10

// fitting is as many changes, at least one, as one page may hold.
func fitting(changes []directory.Change) []directory.Change {
	size := 0
	for i, c := range changes {
		size += len(c.Record.Object) + len(c.Record.Delete) + 1024
		if size > maxPageBytes && i > 0 {
			return changes[:i]
		}
	}
	return changes
}

// serveUpcoming lists the events that are not over, soonest first (FEP-8a8e).
func (f *Federation) serveUpcoming(w http.ResponseWriter, r *http.Request) {
	iri, cid, err := f.actorOf(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	items, err := f.upcoming.get(r.Context(), f, cid, f.listUpcoming)
	f.servePaged(w, r, iri+"/upcoming", items, err)
}

func (f *Federation) listUpcoming(ctx context.Context, cid string) ([]any, error) {
	list, err := f.dir.Listings(ctx, cid)
	if err != nil {
		return nil, err
	}
	now := f.now()
	var events []directory.Record
	for _, rec := range list {
		if rec.State.Public && rec.Listing.Kind == protocol.KindEvent && endsAfter(rec.Listing, now) {
			events = append(events, rec)
		}
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].Listing.Start.Before(events[j].Listing.Start) })
	items := make([]any, len(events))
	for i, e := range events {
		items[i] = e.State.Object
	}
	return items, nil
}

func endsAfter(l protocol.Listing, now time.Time) bool {
	if l.Recurrence != "" {
		return true
	}
	if l.End.IsZero() {
		return l.Start.Add(2 * time.Hour).After(now)
	}
	return l.End.After(now)
}

func (f *Federation) countPublic(ctx context.Context, cid string) (int, error) {
	return f.counts.get(ctx, f, cid, f.countListings)
}

func (f *Federation) countListings(ctx context.Context, cid string) (n int, err error) {
	err = f.dir.States(ctx, cid, func(s directory.State) bool {
		if s.Public && !s.Deleted {
			n++
		}
		return true
	})
	return n, err
}

func (f *Federation) serveCharters(w http.ResponseWriter, r *http.Request) {
	cid := mux.Vars(r)["cid"]
	raw, err := f.dir.Charter(r.Context(), cid)
	if err != nil {
		f.fail(w, r, protocol.Errorf("read charter", protocol.NotFound, cid, "this node does not know that community"))
		return
	}
	doc, err := encode(map[string]any{"cid": cid, "charters": []json.RawMessage{raw}, "receipts": []any{}})
	f.send(w, r, "application/json; charset=utf-8", doc, err)
}

// serveChanges serves a hosted community's feed to any peer that asks.
func (f *Federation) serveChanges(w http.ResponseWriter, r *http.Request) {
	cid := mux.Vars(r)["cid"]
	if c, ok := f.dir.Community(cid); !ok || !c.Hosted {
		f.fail(w, r, protocol.Errorf("read changes", protocol.NotFound, cid, "this node does not host that community"))
		return
	}
	f.greet(r)
	since, err := strconv.ParseUint(orZero(r.URL.Query().Get("since")), 10, 64)
	if err != nil {
		f.fail(w, r, protocol.Errorf("read changes", protocol.Invalid, cid, "since must be a whole number"))
		return
	}
	limit, err := strconv.Atoi(orZero(r.URL.Query().Get("limit")))
	if err != nil || limit <= 0 || limit > maxFeedRows {
		limit = maxFeedRows
	}
	changes, last, err := f.dir.Changes(r.Context(), cid, since, limit)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	doc := Feed{CID: cid, Since: since, Next: max(last, since), Rows: []Row{}}
	fits := fitting(changes)
	for _, c := range fits {
		doc.Rows = append(doc.Rows, feedRow(c))
	}
	if len(fits) == limit || len(fits) < len(changes) {
		doc.Next = fits[len(fits)-1].Version
		doc.More = doc.Next < last
	}
	raw, err := encode(doc)
	f.send(w, r, "application/json; charset=utf-8", raw, err)
}

// encode leaves the bytes of what was signed as they are. json.Marshal would
// escape the < of a description's paragraphs, and whoever got the same edit by
// push would take it for another one.
func encode(doc any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(doc)
	return b.Bytes(), err
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}
