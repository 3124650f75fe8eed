package peer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// home is our own side: a directory and its list of peers.
type home struct {
	*peer.Peers
	directory *directory.Directory
}

// resolver reads actors and charters over the transport, as federation does.
type resolver struct{ client *transport.Client }

func (r resolver) Actor(ctx context.Context, iri string) (protocol.Actor, error) {
	resp, err := r.client.GetActivity(ctx, iri, nil)
	if err != nil {
		return protocol.Actor{}, err
	}
	return vocab.ParseActor(resp.Body)
}

func (r resolver) Refresh(ctx context.Context, iri string) (protocol.Actor, error) {
	return r.Actor(ctx, iri)
}

func (r resolver) Charter(ctx context.Context, cid, origin string) ([]byte, error) {
	resp, err := r.client.GetJSON(ctx, origin+"/waypost/v1/communities/"+cid+"/charters", nil)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Charters []json.RawMessage `json:"charters"`
	}
	if err := json.Unmarshal(resp.Body, &doc); err != nil || len(doc.Charters) == 0 {
		return nil, fmt.Errorf("no charter")
	}
	return doc.Charters[0], nil
}

func (r resolver) Object(ctx context.Context, iri string) ([]byte, error) {
	resp, err := r.client.GetActivity(ctx, iri, nil)
	return resp.Body, err
}

func openDirectory(t *testing.T, base string, r directory.Resolver) (*directory.Directory, store.Store) {
	t.Helper()
	s := storetest.Open(t)
	log := store.NewLog(s)
	c := store.NewCommitter(store.CommitterConfig{Store: s, OnCommit: log.Notify})
	t.Cleanup(func() { _ = c.Close() })
	d, err := directory.Open(t.Context(), directory.Config{Store: s, Log: log, Committer: c, Resolver: r, Base: base})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.EnsureApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d, s
}

func openHome(t *testing.T) *home {
	t.Helper()
	client := transport.New(transport.Config{Dev: true})
	t.Cleanup(client.Close)
	r := resolver{client}
	d, s := openDirectory(t, "http://home.test", r)
	return &home{directory: d, Peers: peer.New(peer.Config{Store: s, Directory: d, Client: client, Actors: r, Logger: slog.New(slog.DiscardHandler)})}
}

// other is another node over real HTTP, whose answers a test can spoil.
type other struct {
	*httptest.Server
	directory *directory.Directory
	cid       string
	spoil     atomic.Pointer[func(path string, w http.ResponseWriter) bool]
	asked     atomic.Pointer[string] // the last feed that was asked for
}

func openOther(t *testing.T) *other {
	t.Helper()
	o := &other{}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	o.directory, _ = openDirectory(t, o.URL, nil)
	m, err := o.directory.CreateCommunity(t.Context(), directory.NewCommunity{Handle: "other", Name: "The other community"})
	if err != nil {
		t.Fatal(err)
	}
	o.cid = m.Community.CID
	return o
}

func (o *other) serve(w http.ResponseWriter, r *http.Request) {
	if spoil := o.spoil.Load(); spoil != nil && (*spoil)(r.URL.Path, w) {
		return
	}
	ctx := r.Context()
	group := o.URL + "/ap/a/other"
	switch {
	case r.URL.Path == "/.well-known/waypost":
		o.json(w, map[string]any{"v": 1, "application": o.URL + "/ap/relay", "communities": []any{
			map[string]any{"cid": o.cid, "actor": group, "name": "The other community", "hosted": true},
			map[string]any{"cid": o.cid, "actor": "https://elsewhere.example/ap/a/x", "name": "not theirs", "hosted": true},
		}})
	case strings.HasSuffix(r.URL.Path, "/charters"):
		raw, err := o.directory.Charter(ctx, o.cid)
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		o.json(w, map[string]any{"charters": []json.RawMessage{raw}})
	case strings.HasSuffix(r.URL.Path, "/changes"):
		o.feed(w, r)
	default:
		raw, err := o.directory.ActorDocument(o.URL + r.URL.Path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/activity+json")
		_, _ = w.Write(raw)
	}
}

// feed serves two rows a page, so that paging is used.
func (o *other) feed(w http.ResponseWriter, r *http.Request) {
	query := r.URL.RawQuery
	o.asked.Store(&query)
	var since uint64
	_, _ = fmt.Sscan(r.URL.Query().Get("since"), &since)
	changes, last, err := o.directory.Changes(r.Context(), o.cid, since, 2)
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	next, rows := max(last, since), []any{}
	for _, c := range changes {
		body := c.Record.Object
		if c.Record.State.Deleted {
			body = c.Record.Delete
		}
		rows = append(rows, map[string]any{"key": c.UID, "seq": c.Version, "body": json.RawMessage(body)})
	}
	if len(changes) == 2 {
		next = changes[1].Version
	}
	o.json(w, map[string]any{"cid": o.cid, "next": next, "more": next < last, "rows": rows})
}

func (o *other) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// spoilt makes every answer to a path that contains part be made by f.
func (o *other) spoilt(part string, f func(w http.ResponseWriter)) {
	spoil := func(path string, w http.ResponseWriter) bool {
		if !strings.Contains(path, part) {
			return false
		}
		f(w)
		return true
	}
	o.spoil.Store(&spoil)
}

func (o *other) publish(t *testing.T, title string) protocol.Listing {
	t.Helper()
	p, err := o.directory.Publish(t.Context(), o.cid, protocol.Listing{Kind: protocol.KindOffer, Title: title})
	if err != nil {
		t.Fatal(err)
	}
	return p.Listing
}

func (h *home) shows(t *testing.T, o *other, uid string) bool {
	t.Helper()
	r, err := h.directory.Get(t.Context(), o.cid, uid)
	return err == nil && !r.State.Deleted
}

func TestAdd_FollowsAndReadsBackEveryPage(t *testing.T) {
	h, o := openHome(t), openOther(t)
	var all []protocol.Listing
	for i := range 7 {
		all = append(all, o.publish(t, fmt.Sprintf("Offer number %d", i)))
	}
	if err := o.directory.Remove(t.Context(), o.cid, all[3].UID, false); err != nil {
		t.Fatal(err)
	}
	p, err := h.Add(t.Context(), o.URL+"/about")
	if err != nil {
		t.Fatal(err)
	}
	if p.Problem != "" || p.Follow != directory.FollowPending || len(p.Communities) != 1 || p.Communities[0].Since != 8 {
		t.Fatalf("got %+v", p)
	}
	for i, l := range all {
		if got := h.shows(t, o, l.UID); got != (i != 3) {
			t.Errorf("listing %d is shown: %v", i, got)
		}
	}
}

func TestSync_AsksOnlyForWhatIsNew(t *testing.T) {
	h, o := openHome(t), openOther(t)
	o.publish(t, "First of all")
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	l := o.publish(t, "Second to come")
	if err := h.Sync(t.Context(), p.Host); err != nil {
		t.Fatal(err)
	}
	if got := *o.asked.Load(); got != "since=1" {
		t.Errorf("it asked for %q, want since=1", got)
	}
	if !h.shows(t, o, l.UID) {
		t.Error("the new listing did not come")
	}
}

func TestSync_ABrokenPageIsTriedAgainFromWhereItStopped(t *testing.T) {
	h, o := openHome(t), openOther(t)
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	l := o.publish(t, "Made while they were down")
	o.spoilt("/changes", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) })
	if err := h.Sync(t.Context(), p.Host); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("got %v, want unavailable", err)
	}
	list, err := h.List(t.Context())
	if err != nil || list[0].Problem == "" || list[0].Fails != 1 {
		t.Fatalf("the problem is not told: %+v, %v", list, err)
	}
	o.spoil.Store(nil)
	if err := h.Sync(t.Context(), p.Host); err != nil || !h.shows(t, o, l.UID) {
		t.Fatalf("it did not catch up: %v", err)
	}
	if list, _ = h.List(t.Context()); list[0].Problem != "" {
		t.Errorf("the old problem is still told: %q", list[0].Problem)
	}
}

func TestSync_ARefusedRowDoesNotHoldUpTheOthers(t *testing.T) {
	h, o := openHome(t), openOther(t)
	if _, err := h.Add(t.Context(), o.URL); err != nil {
		t.Fatal(err)
	}
	l := o.publish(t, "A true one")
	r, err := o.directory.Get(t.Context(), o.cid, l.UID)
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(r.Object), "A true one", "A false one", 1)
	o.spoilt("/changes", func(w http.ResponseWriter) {
		o.json(w, map[string]any{"next": 9, "rows": []any{
			map[string]any{"key": "x", "seq": 1, "body": json.RawMessage(forged)},
			map[string]any{"key": "y", "seq": 2, "body": json.RawMessage(`{"id":"https://x.example/1","type":"Create","actor":"https://x.example/a","object":{}}`)},
			map[string]any{"key": "z", "seq": 3, "body": json.RawMessage(r.Object)},
		}})
	})
	list, err := h.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Sync(t.Context(), list[0].Host); err != nil {
		t.Fatal(err)
	}
	got, err := h.directory.Get(t.Context(), o.cid, l.UID)
	if err != nil || got.Listing.Title != "A true one" {
		t.Fatalf("got %q, %v", got.Listing.Title, err)
	}
}

func TestSync_AFeedWithoutAnEndIsGivenUp(t *testing.T) {
	h, o := openHome(t), openOther(t)
	if _, err := h.Add(t.Context(), o.URL); err != nil {
		t.Fatal(err)
	}
	post := fmt.Sprintf(`{"id":"%s/ap/o/1","type":"Note","attributedTo":"%s/ap/a/other","content":"no listing"}`, o.URL, o.URL)
	var n atomic.Int64
	o.spoilt("/changes", func(w http.ResponseWriter) {
		o.json(w, map[string]any{"next": n.Add(1), "more": true, "rows": []any{map[string]any{"key": "x", "body": json.RawMessage(post)}}})
	})
	list, err := h.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.Sync(ctx, list[0].Host); protocol.KindOf(err) != protocol.Invalid || n.Load() != 2_000 {
		t.Fatalf("after %d pages: got %v, want invalid after 2,000", n.Load(), err)
	}
}

func TestAdd_SaysWhatIsWrongWithAnAddress(t *testing.T) {
	h, o := openHome(t), openOther(t)
	notWaypost := httptest.NewServer(http.NotFoundHandler())
	defer notWaypost.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, test := range []struct {
		name, address, words string
		kind                 protocol.ErrorKind
		spoil                func(w http.ResponseWriter)
	}{
		{"ourselves", "http://home.test", "itself", protocol.Invalid, nil},
		{"not an address", "http://", "", protocol.Invalid, nil},
		{"another scheme", "ftp://bexley.example", "", protocol.Invalid, nil},
		{"no Waypost", notWaypost.URL, "no Waypost node", protocol.Invalid, nil},
		{"nobody there", closed.URL, "", protocol.Unavailable, nil},
		{"an actor elsewhere", o.URL, "another host", protocol.Unverified, func(w http.ResponseWriter) {
			o.json(w, map[string]any{"v": 1, "application": "https://elsewhere.example/ap/relay"})
		}},
		{"a newer document", o.URL, "cannot be read", protocol.Invalid, func(w http.ResponseWriter) { o.json(w, map[string]any{"v": 2}) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			o.spoil.Store(nil)
			if test.spoil != nil {
				o.spoilt("/.well-known/waypost", test.spoil)
			}
			_, err := h.Add(t.Context(), test.address)
			if protocol.KindOf(err) != test.kind {
				t.Fatalf("got %v (%s), want %s", err, protocol.KindOf(err), test.kind)
			}
			if !strings.Contains(err.Error(), test.words) {
				t.Fatalf("%q does not say %q", err, test.words)
			}
		})
	}
	if list, err := h.List(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("a peer that could not be added is in the list: %+v, %v", list, err)
	}
}

func TestRemove_StopsFollowingAndForgets(t *testing.T) {
	h, o := openHome(t), openOther(t)
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), p.Host); err != nil {
		t.Fatal(err)
	}
	follows, err := h.directory.Followings(t.Context(), h.directory.ApplicationIRI())
	if err != nil || len(follows) != 0 {
		t.Fatalf("still following %+v, %v", follows, err)
	}
	if err := h.Remove(t.Context(), p.Host); protocol.KindOf(err) != protocol.NotFound {
		t.Fatalf("got %v, want not found", err)
	}
}

func TestHeard_ShowsAtOnce(t *testing.T) {
	h, o := openHome(t), openOther(t)
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := p.Heard
	time.Sleep(2 * time.Millisecond)
	h.Heard(p.Host)
	list, err := h.List(t.Context())
	if err != nil || !list[0].Heard.After(before) {
		t.Fatalf("heard %v, before %v, %v", list[0].Heard, before, err)
	}
}
