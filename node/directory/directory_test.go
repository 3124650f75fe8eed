package directory_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// world resolves actors and charters among the test's own directories, the way
// the network does, and lets a test forge an answer.
type world struct {
	byOrigin map[string]*directory.Directory
	charters map[string][]byte // cid -> what a liar serves
}

func newWorld() *world {
	return &world{byOrigin: map[string]*directory.Directory{}, charters: map[string][]byte{}}
}

func (w *world) Actor(_ context.Context, iri string) (protocol.Actor, error) {
	d := w.byOrigin[protocol.Origin(iri)]
	if d == nil {
		return protocol.Actor{}, protocol.Errorf("test", protocol.Unavailable, iri, "no such host")
	}
	raw, err := d.ActorDocument(iri)
	if err != nil {
		return protocol.Actor{}, err
	}
	return vocab.ParseActor(raw)
}

func (w *world) Charter(ctx context.Context, cid, origin string) ([]byte, error) {
	if raw, ok := w.charters[cid]; ok {
		return raw, nil
	}
	d := w.byOrigin[origin]
	if d == nil {
		return nil, protocol.Errorf("test", protocol.Unavailable, origin, "no such host")
	}
	return d.Charter(ctx, cid)
}

func (w *world) Object(ctx context.Context, iri string) ([]byte, error) {
	d := w.byOrigin[protocol.Origin(iri)]
	r, err := d.Find(ctx, iri[strings.LastIndex(iri, "/")+1:], "")
	return r.Object, err
}

type place struct {
	*directory.Directory
	log   *store.Log
	store store.Store
	cid   string
	actor string
	base  string
}

func (w *world) open(t *testing.T, base, handle string) *place {
	t.Helper()
	s := storetest.Open(t)
	log := store.NewLog(s)
	c := store.NewCommitter(store.CommitterConfig{Store: s, OnCommit: log.Notify})
	t.Cleanup(func() { _ = c.Close() })
	d, err := directory.Open(t.Context(), directory.Config{Store: s, Log: log, Committer: c, Resolver: w, Base: base})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.EnsureApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := d.CreateCommunity(t.Context(), directory.NewCommunity{Handle: handle, Name: "Community of " + handle})
	if err != nil {
		t.Fatal(err)
	}
	w.byOrigin[base] = d
	return &place{Directory: d, log: log, store: s, cid: m.Community.CID, actor: m.Community.Actor, base: base}
}

func offer(title string) protocol.Listing {
	return protocol.Listing{Kind: protocol.KindOffer, Title: title, Description: "Bring your own tablet.", Categories: []string{"quick-tips"}}
}

func (p *place) publish(t *testing.T, l protocol.Listing) protocol.Listing {
	t.Helper()
	res, err := p.Publish(t.Context(), p.cid, l)
	if err != nil {
		t.Fatalf("publish %q: %v", l.Title, err)
	}
	return res.Listing
}

// sent lists the activities that a place logged, as they would be delivered.
func (p *place) sent(t *testing.T) [][]byte {
	t.Helper()
	entries, err := p.log.Read(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	for _, e := range entries {
		body, err := p.log.Body(t.Context(), e.Digest)
		if err == nil && e.Via == store.ViaLocal && e.UID != "" {
			list = append(list, body)
		}
	}
	return list
}

func (p *place) last(t *testing.T) []byte {
	t.Helper()
	list := p.sent(t)
	return list[len(list)-1]
}

// receive brings an activity to the door as an inbox does.
func (p *place) receive(t *testing.T, raw []byte, signer string) (directory.Result, error) {
	t.Helper()
	a, err := vocab.ParseActivity(raw)
	if err != nil {
		return directory.Result{}, err
	}
	return p.Accept(t.Context(), directory.Incoming{Activity: a, Via: store.ViaInbox, Signer: signer, From: "test"})
}

func (p *place) follow(t *testing.T, other *place) {
	t.Helper()
	if err := p.Follow(t.Context(), other.ApplicationIRI()); err != nil {
		t.Fatal(err)
	}
}

func pair(t *testing.T) (*world, *place, *place) {
	w := newWorld()
	a := w.open(t, "https://a.example", "alpha")
	b := w.open(t, "https://b.example", "beta")
	b.follow(t, a)
	return w, a, b
}

func wantKind(t *testing.T, err error, kind protocol.ErrorKind) {
	t.Helper()
	if protocol.KindOf(err) != kind {
		t.Fatalf("got error %v (%s), want kind %s", err, protocol.KindOf(err), kind)
	}
}

func logSize(t *testing.T, p *place) uint64 {
	t.Helper()
	n, err := p.log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPublish_GivesIdentityVersionAndProof(t *testing.T) {
	a := newWorld().open(t, "https://a.example", "alpha")
	l := a.publish(t, offer("Help with tablets"))
	if l.CID != a.cid || !protocol.ValidUID(l.UID) || l.Version != 1 || len(l.Salt) != 22 || l.V != 1 || l.Visibility != "public" {
		t.Fatalf("wire fields are not all there: %+v", l)
	}
	r, err := a.Get(t.Context(), a.cid, l.UID)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := a.Community(a.cid)
	if _, err := proof.Verify(r.Object, func(string) (ed25519.PublicKey, error) { return proof.DecodeEd25519(c.HeadKey) }, time.Now()); err != nil {
		t.Fatalf("the object's proof does not hold: %v", err)
	}
}

func TestPublish_TheSameAgainChangesNothing(t *testing.T) {
	a := newWorld().open(t, "https://a.example", "alpha")
	l := a.publish(t, offer("Help with tablets"))
	before := logSize(t, a)
	again := offer("Help with tablets")
	again.UID = l.UID
	res, err := a.Publish(t.Context(), a.cid, again)
	if err != nil || !res.Unchanged {
		t.Fatalf("got %+v, %v; want unchanged", res, err)
	}
	if got := logSize(t, a); got != before {
		t.Fatalf("the log grew from %d to %d", before, got)
	}
}

func TestPublish_InvalidListingNamesTheField(t *testing.T) {
	a := newWorld().open(t, "https://a.example", "alpha")
	_, err := a.Publish(t.Context(), a.cid, protocol.Listing{Kind: protocol.KindEvent, Title: "Tablet drop-in"})
	wantKind(t, err, protocol.Invalid)
	if !strings.Contains(err.Error(), "start") {
		t.Fatalf("%q does not name the field start", err)
	}
}

func TestPublish_VolunteerStaysLocalUnlessItSaysMore(t *testing.T) {
	a := newWorld().open(t, "https://a.example", "alpha")
	l := a.publish(t, protocol.Listing{Kind: protocol.KindVolunteer, Title: "Sam helps with phones"})
	if l.Visibility != protocol.VisibilityLocal {
		t.Fatalf("visibility is %q, want local", l.Visibility)
	}
	changes, _, err := a.Changes(t.Context(), a.cid, 0, 10)
	if err != nil || len(changes) != 0 {
		t.Fatalf("a local record is in the feed: %v, %v", changes, err)
	}
}

func TestPublish_BecomingPrivateTellsThoseWhoHoldIt(t *testing.T) {
	_, a, b := pair(t)
	l := a.publish(t, offer("Help with tablets"))
	if _, err := b.receive(t, a.last(t), a.actor); err != nil {
		t.Fatal(err)
	}
	l.Visibility = protocol.VisibilityLocal
	a.publish(t, l)
	changes, _, err := a.Changes(t.Context(), a.cid, 1, 10)
	if err != nil || len(changes) != 1 || !changes[0].Record.State.Deleted {
		t.Fatalf("the feed does not tell of the withdrawal: %+v, %v", changes, err)
	}
	if _, err := b.receive(t, changes[0].Record.Delete, a.actor); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), a.cid, l.UID)
	if err != nil || !r.State.Deleted {
		t.Fatalf("the neighbour still shows it: %+v, %v", r.State, err)
	}
}

func TestAccept_ANeighbourLearnsAndShowsAListing(t *testing.T) {
	_, a, b := pair(t)
	l := a.publish(t, offer("Help with tablets"))
	res, err := b.receive(t, a.last(t), a.actor)
	if err != nil || res.Outcome != directory.Stored {
		t.Fatalf("got %+v, %v; want stored", res, err)
	}
	r, err := b.Find(t.Context(), l.UID, "")
	if err != nil || r.Listing.Title != "Help with tablets" || r.State.From != "test" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if c, ok := b.Community(a.cid); !ok || c.Hosted || c.Name != "Community of alpha" {
		t.Fatalf("the community was not learned: %+v", c)
	}
}

func TestAccept_RefusesACidWhoseCharterDoesNotNameAuthorAndKey(t *testing.T) {
	w, a, b := pair(t)
	mallory := w.open(t, "https://m.example", "mallory")
	b.follow(t, mallory)
	mallory.publish(t, offer("Not what it seems"))
	forge := func(change func(doc map[string]any)) []byte {
		return mallory.forge(t, mallory.last(t), change)
	}
	asAlpha := forge(func(doc map[string]any) { doc["listing"].(map[string]any)["cid"] = a.cid })
	before := logSize(t, b)

	// It cannot show a charter of that cid at all.
	_, err := b.receive(t, asAlpha, mallory.actor)
	wantKind(t, err, protocol.Unverified)

	// It shows the true charter, which names another host actor.
	trueCharter, err := a.Charter(t.Context(), a.cid)
	if err != nil {
		t.Fatal(err)
	}
	w.charters[a.cid] = trueCharter
	_, err = b.receive(t, asAlpha, mallory.actor)
	wantKind(t, err, protocol.Forbidden)

	// The same once the community is known here.
	a.publish(t, offer("Real"))
	if _, err := b.receive(t, a.last(t), a.actor); err != nil {
		t.Fatal(err)
	}
	before++
	_, err = b.receive(t, asAlpha, mallory.actor)
	wantKind(t, err, protocol.Forbidden)

	// A charter that is not the cid's preimage.
	raw, err := mallory.Charter(t.Context(), mallory.cid)
	if err != nil {
		t.Fatal(err)
	}
	strange := strings.Repeat("a", 52)
	w.charters[strange] = raw
	_, err = b.receive(t, forge(func(doc map[string]any) { doc["listing"].(map[string]any)["cid"] = strange }), mallory.actor)
	wantKind(t, err, protocol.Unverified)

	// The right actor, but a key that the charter does not name.
	if _, err := b.receive(t, mallory.resign(t, mallory.last(t)), mallory.actor); protocol.KindOf(err) != protocol.Unverified {
		t.Fatalf("a proof by another key was taken: %v", err)
	}
	if got := logSize(t, b); got != before {
		t.Fatalf("refused activities were kept: log went from %d to %d", before, got)
	}
}

// forge changes the object of an activity and proves it anew with the place's
// own keys: what a dishonest host can do.
func (p *place) forge(t *testing.T, raw []byte, change func(object map[string]any)) []byte {
	t.Helper()
	return p.rebuild(t, raw, change, p.Identity(p.actor).Ed25519)
}

// resign proves an activity's object with a key of nobody's.
func (p *place) resign(t *testing.T, raw []byte) []byte {
	t.Helper()
	seed := sha256.Sum256([]byte("nobody"))
	return p.rebuild(t, raw, func(map[string]any) {}, ed25519.NewKeyFromSeed(seed[:]))
}

func (p *place) rebuild(t *testing.T, raw []byte, change func(object map[string]any), key ed25519.PrivateKey) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	object := doc["object"].(map[string]any)
	delete(object, "proof")
	delete(doc, "proof")
	change(object)
	bare, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := proof.Sign(bare, key, proof.Options{VerificationMethod: p.actor + "#ed25519-key", Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	doc["object"] = json.RawMessage(signed)
	doc["id"] = fmt.Sprintf("%s-%x", doc["id"], sha256.Sum256(signed))
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAccept_RefusesWhatIsNotTheSendersToSay(t *testing.T) {
	w, a, b := pair(t)
	a.publish(t, offer("Help with tablets"))
	raw := a.last(t)
	c := w.open(t, "https://c.example", "gamma")
	c.publish(t, offer("From a stranger"))
	edit := func(change func(doc map[string]any)) []byte {
		var doc map[string]any
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		out, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	object := func(doc map[string]any) map[string]any { return doc["object"].(map[string]any) }
	for _, test := range []struct {
		name   string
		raw    []byte
		signer string
		kind   protocol.ErrorKind
	}{
		{"signed by another", raw[:len(raw)-1], c.actor, protocol.Invalid},
		{"unknown type", edit(func(d map[string]any) { d["type"] = "Teleport" }), a.actor, protocol.Invalid},
		{"actor is not the signer and nothing proves it", edit(func(d map[string]any) { delete(d, "proof") }), c.actor, protocol.Unverified},
		{"id on another host", edit(func(d map[string]any) { d["id"] = "https://c.example/x" }), a.actor, protocol.Forbidden},
		{"attributed to another", edit(func(d map[string]any) { object(d)["attributedTo"] = c.actor }), a.actor, protocol.Forbidden},
		{"attributed to several", edit(func(d map[string]any) { object(d)["attributedTo"] = []string{a.actor} }), a.actor, protocol.Invalid},
		{"object on another host", edit(func(d map[string]any) { object(d)["id"] = "https://c.example/ap/o/1" }), a.actor, protocol.Forbidden},
		{"object without proof", edit(func(d map[string]any) { delete(object(d), "proof") }), a.actor, protocol.Unverified},
		{"object changed after it was proven", edit(func(d map[string]any) { object(d)["content"] = "other" }), a.actor, protocol.Unverified},
		{"listing changed after it was proven", edit(func(d map[string]any) { object(d)["listing"].(map[string]any)["title"] = "other" }), a.actor, protocol.Unverified},
		{"listing of the wrong shape", edit(func(d map[string]any) { object(d)["listing"] = "text" }), a.actor, protocol.Invalid},
		{"not public", edit(func(d map[string]any) { object(d)["to"] = []string{}; object(d)["cc"] = []string{} }), a.actor, protocol.Forbidden},
		{"claims to be ours", edit(func(d map[string]any) { d["actor"] = b.actor; d["id"] = b.base + "/x" }), b.actor, protocol.Forbidden},
		{"of a node that is not followed", c.last(t), c.actor, protocol.Forbidden},
		{"an answer to a question that was not asked", []byte(`{"id":"https://c.example/1","type":"Accept","actor":"https://c.example/ap/relay","object":"https://b.example/none"}`), "https://c.example/ap/relay", protocol.Forbidden},
		{"follows nobody here", []byte(`{"id":"https://c.example/2","type":"Follow","actor":"https://c.example/ap/relay","object":"https://b.example/ap/a/none"}`), "https://c.example/ap/relay", protocol.NotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := logSize(t, b)
			_, err := b.receive(t, test.raw, test.signer)
			wantKind(t, err, test.kind)
			if got := logSize(t, b); got != before {
				t.Fatalf("the log grew from %d to %d", before, got)
			}
		})
	}
}

func TestAccept_APageOnAnotherHostIsNotWhereReadersAreSent(t *testing.T) {
	_, a, b := pair(t)
	l := a.publish(t, offer("Help with tablets"))
	for _, page := range []string{"javascript:alert(1)", "https://evil.example/x"} {
		raw := a.forge(t, a.last(t), func(object map[string]any) {
			object["url"] = page
			object["listing"].(map[string]any)["version"] = float64(len(page) + 2)
		})
		if _, err := b.receive(t, raw, a.actor); err != nil {
			t.Fatal(err)
		}
		r, err := b.Get(t.Context(), a.cid, l.UID)
		if err != nil || r.State.Version != uint64(len(page)+2) || r.State.URL != "https://a.example/ap/o/"+l.UID {
			t.Errorf("url %q: readers are sent to %q at version %d (%v)", page, r.State.URL, r.State.Version, err)
		}
	}
}

func TestAccept_AReplayedRequestIsRefusedAndARepeatedActivityIsKnown(t *testing.T) {
	_, a, b := pair(t)
	a.publish(t, offer("Help with tablets"))
	act, err := vocab.ParseActivity(a.last(t))
	if err != nil {
		t.Fatal(err)
	}
	in := directory.Incoming{Activity: act, Via: store.ViaInbox, Signer: a.actor, Signature: [32]byte{1}, SignatureExpires: time.Now().Add(time.Hour)}
	if _, err := b.Accept(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	before := logSize(t, b)
	_, err = b.Accept(t.Context(), in)
	wantKind(t, err, protocol.Conflict)
	in.Signature = [32]byte{2}
	res, err := b.Accept(t.Context(), in)
	if err != nil || res.Outcome != directory.Known {
		t.Fatalf("got %+v, %v; want known", res, err)
	}
	if got := logSize(t, b); got != before {
		t.Fatalf("the log grew from %d to %d", before, got)
	}
}

func TestAccept_EveryOrderOfArrivalEndsInTheSameState(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	w := newWorld()
	a := w.open(t, "https://a.example", "alpha")
	l := a.publish(t, offer("One"))
	l.Title = "Two"
	a.publish(t, l)
	if err := a.Remove(t.Context(), a.cid, l.UID, false); err != nil {
		t.Fatal(err)
	}
	l.Title = "Three"
	a.publish(t, l)
	other := a.publish(t, offer("Another"))
	if err := a.Remove(t.Context(), a.cid, other.UID, true); err != nil {
		t.Fatal(err)
	}
	all := a.sent(t)
	for i := range 12 {
		b := w.open(t, fmt.Sprintf("https://b%d.example", i), "beta")
		b.follow(t, a)
		order := append(random.Perm(len(all)), random.Perm(len(all))...)
		for _, k := range order {
			if _, err := b.receive(t, all[k], a.actor); err != nil {
				t.Fatalf("order %v: %v", order, err)
			}
		}
		r, err := b.Get(t.Context(), a.cid, l.UID)
		if err != nil || r.Listing.Title != "Three" {
			t.Fatalf("order %v: got %q, %v; want Three", order, r.Listing.Title, err)
		}
		gone, err := b.Get(t.Context(), a.cid, other.UID)
		if err != nil || !gone.State.Erased {
			t.Fatalf("order %v: the erased listing is back: %+v, %v", order, gone.State, err)
		}
	}
}

func TestAccept_PushAndPullOfOneEditAreOneEdit(t *testing.T) {
	_, a, b := pair(t)
	l := a.publish(t, offer("Help with tablets"))
	if _, err := b.receive(t, a.last(t), a.actor); err != nil {
		t.Fatal(err)
	}
	before := logSize(t, b)
	r, err := a.Get(t.Context(), a.cid, l.UID)
	if err != nil {
		t.Fatal(err)
	}
	act, err := vocab.ParseActivity(r.Object)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.Accept(t.Context(), directory.Incoming{Activity: act, Via: store.ViaPull, From: "a.example"})
	if err != nil || res.Outcome != directory.Known || logSize(t, b) != before {
		t.Fatalf("got %+v, %v; want known and nothing kept", res, err)
	}
}

func TestRemove_ErasureLeavesNoBody(t *testing.T) {
	_, a, b := pair(t)
	l := offer("Help with tablets")
	l.Description = "canary-7f3a"
	l = a.publish(t, l)
	if _, err := b.receive(t, a.last(t), a.actor); err != nil {
		t.Fatal(err)
	}
	l.Title = "Help with phones"
	l = a.publish(t, l)
	if err := a.Remove(t.Context(), a.cid, l.UID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.receive(t, a.last(t), a.actor); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*place{a, b} {
		err := p.store.View(t.Context(), func(tx store.Tx) error {
			for item, err := range tx.Scan(store.Range{}) {
				if err != nil {
					return err
				}
				if bytes.Contains(item.Value, []byte("canary-7f3a")) {
					t.Errorf("%s: %q still holds the text", p.base, item.Key)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.Publish(t.Context(), a.cid, l)
	wantKind(t, err, protocol.Gone)
}

func TestFollow_IsAcceptedOnlyByWhomWeAsked(t *testing.T) {
	w, a, b := pair(t)
	list, err := b.Followings(t.Context(), b.ApplicationIRI())
	if err != nil || len(list) != 1 || list[0].State != directory.FollowPending {
		t.Fatalf("got %+v, %v; want one pending", list, err)
	}
	c := w.open(t, "https://c.example", "gamma")
	answer := func(actor string) []byte {
		return []byte(fmt.Sprintf(`{"id":"%s#accept","type":"Accept","actor":"%s","object":"%s"}`, actor, actor, list[0].Follow))
	}
	_, err = b.receive(t, answer(c.ApplicationIRI()), c.ApplicationIRI())
	wantKind(t, err, protocol.Forbidden)
	if _, err := b.receive(t, answer(a.ApplicationIRI()), a.ApplicationIRI()); err != nil {
		t.Fatal(err)
	}
	if list, _ = b.Followings(t.Context(), b.ApplicationIRI()); list[0].State != directory.FollowAccepted {
		t.Fatalf("got %q, want accepted", list[0].State)
	}
}

func TestFollow_AndUndoChangeTheFollowersAndForgetTheFollow(t *testing.T) {
	_, a, b := pair(t)
	entries, err := b.log.Read(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	follow, err := b.log.Body(t.Context(), entries[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.receive(t, follow, b.ApplicationIRI()); err != nil {
		t.Fatal(err)
	}
	followers, err := a.Followers(t.Context(), a.ApplicationIRI())
	if err != nil || len(followers) != 1 || !followers[0].Waypost || followers[0].Inbox != "https://b.example/ap/inbox" {
		t.Fatalf("got %+v, %v", followers, err)
	}
	undo := []byte(fmt.Sprintf(`{"id":"https://b.example/u/1","type":"Undo","actor":"%s","object":{"id":"%s","type":"Follow","object":"%s"}}`,
		b.ApplicationIRI(), entries[0].ID, a.ApplicationIRI()))
	if _, err := a.receive(t, undo, b.ApplicationIRI()); err != nil {
		t.Fatal(err)
	}
	if followers, _ = a.Followers(t.Context(), a.ApplicationIRI()); len(followers) != 0 {
		t.Fatalf("still followed by %+v", followers)
	}
	if _, err := a.log.Body(t.Context(), store.DigestOf(follow)); protocol.KindOf(err) != protocol.Gone {
		t.Fatalf("the Follow of a person is still kept: %v", err)
	}
}

func TestOpen_RefusesAnotherBaseURL(t *testing.T) {
	w := newWorld()
	a := w.open(t, "https://a.example", "alpha")
	_, err := directory.Open(t.Context(), directory.Config{Store: a.store, Log: a.log, Base: "https://other.example"})
	wantKind(t, err, protocol.Conflict)
	if !strings.Contains(err.Error(), "https://a.example") {
		t.Fatalf("%q does not name the right base URL", err)
	}
}

func TestOpen_VersionsGoOnWhereTheyStopped(t *testing.T) {
	w := newWorld()
	a := w.open(t, "https://a.example", "alpha")
	a.publish(t, offer("One"))
	two := a.publish(t, offer("Two"))
	c := store.NewCommitter(store.CommitterConfig{Store: a.store, OnCommit: a.log.Notify})
	defer c.Close()
	d, err := directory.Open(t.Context(), directory.Config{Store: a.store, Log: a.log, Committer: c, Base: a.base})
	if err != nil {
		t.Fatal(err)
	}
	res, err := d.Publish(t.Context(), a.cid, offer("Three"))
	if err != nil || res.Listing.Version != two.Version+1 {
		t.Fatalf("got version %d, %v; want %d", res.Listing.Version, err, two.Version+1)
	}
}

func TestPublish_RacingToPrivateNeverLeavesAPublicCopyWithoutADelete(t *testing.T) {
	a := newWorld().open(t, "https://a.example", "alpha")
	for round := range 12 {
		l := a.publish(t, offer(fmt.Sprintf("Round %d", round)))
		done := make(chan error, 2)
		for i, visibility := range []string{protocol.VisibilityPublic, protocol.VisibilityCoordinators} {
			edit := l
			edit.Title, edit.Visibility = fmt.Sprintf("Round %d, edit %d", round, i), visibility
			go func() {
				_, err := a.Publish(t.Context(), a.cid, edit)
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		r, err := a.Get(t.Context(), a.cid, l.UID)
		if err != nil {
			t.Fatal(err)
		}
		if r.State.Public {
			continue // the public edit came last
		}
		changes, _, err := a.Changes(t.Context(), a.cid, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		withdrawn := false
		for _, c := range changes {
			withdrawn = withdrawn || c.UID == l.UID && c.Record.State.Deleted
		}
		if !withdrawn {
			t.Fatalf("round %d: it is private, and the feed does not tell those who hold the public edit", round)
		}
	}
}

func TestFind_AHostedListingWinsOverAnyNumberOfClaims(t *testing.T) {
	_, a, b := pair(t)
	own := b.publish(t, offer("Our own"))
	a.publish(t, offer("Squatter"))
	raw := a.forge(t, a.last(t), func(object map[string]any) { object["listing"].(map[string]any)["uid"] = own.UID })
	if _, err := b.receive(t, raw, a.actor); err != nil {
		t.Fatal(err)
	}
	r, err := b.Find(t.Context(), own.UID, "")
	if err != nil || r.Listing.Title != "Our own" {
		t.Fatalf("got %q, %v", r.Listing.Title, err)
	}
}

func TestChanges_AListingWhoseTimeIsUpIsNotServed(t *testing.T) {
	w := newWorld()
	a := w.open(t, "https://a.example", "alpha")
	l := offer("For today only")
	l.ValidUntil = protocol.Date(time.Now().UTC().Format(time.DateOnly))
	a.publish(t, l)
	if changes, _, err := a.Changes(t.Context(), a.cid, 0, 10); err != nil || len(changes) != 1 {
		t.Fatalf("today it is served: got %d, %v", len(changes), err)
	}
	c := store.NewCommitter(store.CommitterConfig{Store: a.store, OnCommit: a.log.Notify})
	defer c.Close()
	later, err := directory.Open(t.Context(), directory.Config{Store: a.store, Log: a.log, Committer: c, Base: a.base,
		Now: func() time.Time { return time.Now().AddDate(0, 0, 2) }})
	if err != nil {
		t.Fatal(err)
	}
	if changes, _, err := later.Changes(t.Context(), a.cid, 0, 10); err != nil || len(changes) != 0 {
		t.Fatalf("two days later it is still served: got %d, %v", len(changes), err)
	}
	if _, err := later.Publish(t.Context(), a.cid, l); protocol.KindOf(err) != protocol.Invalid {
		t.Fatalf("what is over was published: %v", err)
	}
}
