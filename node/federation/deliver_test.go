package federation_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol/httpsig"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// newFollowed is a site that a stranger follows.
func newFollowed(t *testing.T) (*site, *stranger) {
	c := newClock()
	s, x := newSite(t, "ours", c), newStranger(t, c)
	s.mustDeliver(t, x.activity("/f/1", "Follow", s.actor), x.signCavage)
	return s, x
}

func (x *stranger) kinds(t *testing.T) (list []string) {
	t.Helper()
	for _, p := range x.received() {
		a, err := vocab.ParseActivity(p.body)
		if err != nil {
			t.Fatal(err)
		}
		name := a.Type
		if l := a.Object.Listing; l != nil {
			name += " " + l.Title
		}
		list = append(list, name)
	}
	return list
}

func (x *stranger) wants(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprint("received ", want), func() bool { return len(x.received()) >= len(want) })
	if got := x.kinds(t); !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

func TestDeliver_AcceptEmbedsTheFollowToTheLetter(t *testing.T) {
	c := newClock()
	s, x := newSite(t, "ours", c), newStranger(t, c)
	// Members that we do not know, and an order that no encoder of ours has.
	follow := []byte(fmt.Sprintf(`{"type":"Follow","zebra":[1,2.50,"<&>"],"object":"%s","id":"%s/f#1","actor":"%s","@context":"https://www.w3.org/ns/activitystreams"}`, s.actor, x.base, x.actor))
	s.mustDeliver(t, follow, x.signCavage)
	s.delivering(t, nil)
	x.wants(t, "Accept")
	got := x.received()[0]
	var accept struct{ Actor, ID string }
	if err := json.Unmarshal(got.body, &accept); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(got.body, follow) {
		t.Errorf("the Accept does not hold the Follow as it was sent:\n%s", got.body)
	}
	if accept.Actor != s.actor || !strings.HasPrefix(accept.ID, s.actor) {
		t.Errorf("accepted by %q with the id %q, want %s", accept.Actor, accept.ID, s.actor)
	}
	if got.path != "/users/robin/inbox" || got.header.Get("Content-Type") != federation.ActivityType {
		t.Errorf("posted to %s as %q", got.path, got.header.Get("Content-Type"))
	}
	if v := x.verify(t, s, got); v.KeyID != s.Identity(s.actor).KeyID() || v.Scheme != httpsig.Cavage {
		t.Errorf("signed by %q in %s, want the community in draft-cavage", v.KeyID, v.Scheme)
	}
}

// verify checks the signature of what was received as another server would.
func (x *stranger) verify(t *testing.T, s *site, p post) httpsig.Verified {
	t.Helper()
	req := request(t, x.base+p.path, p.body, unsigned)
	req.Header = p.header
	v, err := httpsig.Verify(req, p.body, httpsig.VerifyOptions{Now: s.clock.Now(), BaseURL: x.base, KeyOf: s.keyOf(t)})
	if err != nil {
		t.Fatalf("our signature does not verify: %v", err)
	}
	return v
}

func TestDeliver_OneForEachSharedInbox(t *testing.T) {
	c := newClock()
	s := newSite(t, "ours", c)
	x, y := newStranger(t, c), newStranger(t, c)
	// Three people on one server with a shared inbox; one on another without.
	x.extra["endpoints"] = map[string]string{"sharedInbox": x.base + "/inbox"}
	for i, name := range []string{"ash", "beech", "cedar"} {
		person := &stranger{base: x.base, actor: x.base + "/users/" + name, keyID: x.base + "/users/" + name + "#main-key", key: x.key, clock: c,
			extra: map[string]any{"endpoints": x.extra["endpoints"]}}
		x.set(func() { x.docs["/users/"+name] = person.document() })
		s.mustDeliver(t, person.activity(fmt.Sprintf("/f/%d", i), "Follow", s.actor), person.signCavage)
	}
	s.mustDeliver(t, y.activity("/f", "Follow", s.actor), y.signCavage)
	s.delivering(t, nil)
	s.publish(t, offer("Tablet help"))
	eventually(t, "delivered", func() bool { return len(x.received()) == 4 && len(y.received()) == 2 })
	time.Sleep(50 * time.Millisecond)
	count := map[string]int{}
	for _, p := range x.received() {
		count[p.path]++
	}
	want := map[string]int{"/users/ash/inbox": 1, "/users/beech/inbox": 1, "/users/cedar/inbox": 1, "/inbox": 1}
	if !maps.Equal(count, want) {
		t.Errorf("received %v, want three Accepts and one Create: %v", count, want)
	}
}

func TestDeliver_ApplicationFollowersGetAnnouncesUnlessTheySpeakWaypost(t *testing.T) {
	c := newClock()
	s := newSite(t, "ours", c)
	x, peer := newStranger(t, c), newSite(t, "peer", c)
	s.mustDeliver(t, x.activity("/f", "Follow", s.app), x.signCavage)
	if _, err := s.actors.Refresh(t.Context(), peer.app); err != nil {
		t.Fatal(err)
	}
	if err := peer.Follow(t.Context(), s.app); err != nil {
		t.Fatal(err)
	}
	s.mustDeliver(t, peer.last(t), as(peer.Application(), c))
	s.delivering(t, nil)
	l := s.publish(t, offer("Tablet help"))
	x.wants(t, "Accept", "Announce")
	a, err := vocab.ParseActivity(x.received()[1].body)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.base + "/ap/o/" + l.UID; a.Actor != s.app || a.Object.ID != want || a.Object.Raw != nil {
		t.Errorf("announced %q by %s, want the IRI %s by %s", a.Object.ID, a.Actor, want, s.app)
	}
	eventually(t, "the peer has the listing itself", func() bool {
		r, err := peer.Find(t.Context(), l.UID, "")
		return err == nil && r.Listing.Title == "Tablet help"
	})
}

func TestDeliver_KeepsTheOrderWithinAnInboxThroughFailures(t *testing.T) {
	s, x := newFollowed(t)
	fails := 0
	x.set(func() {
		x.answer = func(post) int {
			if fails++; fails%3 != 0 {
				return 503
			}
			return 202
		}
	})
	s.delivering(t, func(c *federation.DeliverConfig) {
		c.Backoff, c.Now, c.GiveUp = time.Millisecond, time.Now, time.Hour
	})
	l := s.publish(t, offer("Tablet help"))
	l.Title = "Newsletter clinic"
	s.publish(t, l)
	s.publish(t, offer("Phone help"))
	if err := s.Remove(t.Context(), s.cid, l.UID, false); err != nil {
		t.Fatal(err)
	}
	x.wants(t, "Accept", "Create Tablet help", "Update Newsletter clinic", "Create Phone help", "Delete")
}

func TestDeliver_RetriesOverRestartsAndNotBeforeTheTime(t *testing.T) {
	s, x := newFollowed(t)
	x.set(func() { x.down = true })
	d, stop := s.delivering(t, nil)
	var state federation.InboxState
	failed := func(n int) func() bool {
		return func() bool {
			list, err := d.Inboxes(t.Context())
			if err != nil || len(list) == 0 {
				return false
			}
			state = list[0]
			return state.Fails == n
		}
	}
	eventually(t, "failed once", failed(1))
	if wait := state.Next.Sub(s.clock.Now()); wait < 48*time.Second || wait > time.Minute {
		t.Errorf("after one failure it waits %s, want about a minute", wait)
	}
	if state.Reason == "" {
		t.Error("there is no reason for people to read")
	}
	stop()
	// A restart is no excuse to hammer.
	d, stop = s.delivering(t, nil)
	time.Sleep(100 * time.Millisecond)
	if failed(2)() {
		t.Error("it was tried again at once after a restart")
	}
	s.clock.advance(time.Minute)
	stop()
	d, stop = s.delivering(t, nil)
	eventually(t, "failed twice", failed(2))
	if wait := state.Next.Sub(s.clock.Now()); wait < 96*time.Second || wait > 2*time.Minute {
		t.Errorf("after two failures it waits %s, want about two minutes", wait)
	}
	stop()
	s.clock.advance(2 * time.Minute)
	x.set(func() { x.down = false })
	d, _ = s.delivering(t, nil)
	x.wants(t, "Accept")
	eventually(t, "nothing waits", func() bool { n, err := d.Waiting(t.Context()); return n == 0 && err == nil })
	eventually(t, "it is well again", failed(0))
}

func TestDeliver_ADeadHostIsLeftAloneAndRevivedWhenHeardFrom(t *testing.T) {
	s, x := newFollowed(t)
	x.set(func() { x.down = true })
	d, stop := s.delivering(t, nil)
	inbox := func() federation.InboxState {
		list, err := d.Inboxes(t.Context())
		if err != nil || len(list) != 1 {
			return federation.InboxState{}
		}
		return list[0]
	}
	eventually(t, "failed once", func() bool { return inbox().Fails == 1 })
	stop()
	s.clock.advance(8 * 24 * time.Hour)
	d, stop = s.delivering(t, nil)
	eventually(t, "given up", func() bool { return !inbox().Dead.IsZero() })
	s.publish(t, offer("Tablet help"))
	time.Sleep(50 * time.Millisecond)
	if n, err := d.Waiting(t.Context()); n != 0 || err != nil {
		t.Errorf("%d deliveries wait for a dead host, %v", n, err)
	}
	// Also after a restart it is left alone until it signs something.
	stop()
	d, _ = s.delivering(t, nil)
	x.set(func() { x.down = false })
	s.publish(t, offer("Phone help"))
	time.Sleep(50 * time.Millisecond)
	if got := x.kinds(t); len(got) != 0 {
		t.Errorf("a dead host was sent %q", got)
	}
	if err := d.Heard(t.Context(), strings.TrimPrefix(x.base, "http://")); err != nil {
		t.Fatal(err)
	}
	s.publish(t, offer("Printer help"))
	x.wants(t, "Create Printer help")
}

func TestDeliver_HeardFromTriesAtOnce(t *testing.T) {
	s, x := newFollowed(t)
	x.set(func() { x.down = true })
	d, _ := s.delivering(t, nil)
	eventually(t, "failed once", func() bool {
		list, err := d.Inboxes(t.Context())
		return err == nil && len(list) == 1 && list[0].Fails == 1
	})
	x.set(func() { x.down = false })
	if err := d.Heard(t.Context(), strings.TrimPrefix(x.base, "http://")); err != nil {
		t.Fatal(err)
	}
	x.wants(t, "Accept") // although the clock stands still
}

func TestDeliver_WhatIsRefusedForGoodDoesNotHoldUpTheRest(t *testing.T) {
	s, x := newFollowed(t)
	statuses := []int{400, 404, 409, 413, 422}
	x.set(func() {
		x.answer = func(p post) int {
			for _, status := range statuses {
				if bytes.Contains(p.body, fmt.Appendf(nil, "Status %d", status)) {
					return status
				}
			}
			return 202
		}
	})
	s.delivering(t, nil)
	for _, status := range statuses {
		s.publish(t, offer(fmt.Sprintf("Status %d", status)))
	}
	s.publish(t, offer("Phone help"))
	x.wants(t, "Accept", "Create Phone help")
}

func TestDeliver_AnInboxThatIsGoneIsGivenUpAtOnce(t *testing.T) {
	s, x := newFollowed(t)
	x.set(func() { x.answer = func(post) int { return 410 } })
	d, _ := s.delivering(t, nil)
	eventually(t, "given up", func() bool {
		list, err := d.Inboxes(t.Context())
		return err == nil && len(list) == 1 && !list[0].Dead.IsZero()
	})
	if n, err := d.Waiting(t.Context()); n != 0 || err != nil {
		t.Errorf("%d deliveries wait for an inbox that is gone, %v", n, err)
	}
}

func TestDeliver_NothingPrivateLeaves(t *testing.T) {
	s, x := newFollowed(t)
	s.delivering(t, nil)
	private := offer("For us alone")
	private.Visibility = "local"
	l := s.publish(t, private)
	l.Title = "Still for us alone"
	s.publish(t, l)
	if err := s.Remove(t.Context(), s.cid, l.UID, false); err != nil {
		t.Fatal(err)
	}
	s.publish(t, offer("Tablet help"))
	x.wants(t, "Accept", "Create Tablet help")
}

func TestDeliver_WhatWasErasedBeforeItWasSentIsNotSent(t *testing.T) {
	s, x := newFollowed(t)
	x.set(func() { x.down = true })
	d, stop := s.delivering(t, nil)
	eventually(t, "failed once", func() bool {
		list, err := d.Inboxes(t.Context())
		return err == nil && len(list) == 1 && list[0].Fails > 0
	})
	l := s.publish(t, offer("Tablet help"))
	eventually(t, "two wait", func() bool { n, err := d.Waiting(t.Context()); return n == 2 && err == nil })
	if err := s.Remove(t.Context(), s.cid, l.UID, true); err != nil {
		t.Fatal(err)
	}
	stop()
	s.clock.advance(time.Hour)
	x.set(func() { x.down = false })
	s.delivering(t, nil)
	x.wants(t, "Accept", "Delete")
}

func TestDeliver_ARequestThatIsRepeatedIsTheSameActivity(t *testing.T) {
	s, x := newFollowed(t)
	// It arrives and the answer is lost: 500 after it was taken.
	var seen []string
	x.set(func() {
		x.answer = func(p post) int {
			a, err := vocab.ParseActivity(p.body)
			if err != nil {
				return 400
			}
			seen = append(seen, a.ID)
			if len(seen)%2 == 1 {
				return 500
			}
			return 202
		}
	})
	s.delivering(t, func(c *federation.DeliverConfig) { c.Backoff, c.Now = time.Millisecond, time.Now })
	s.publish(t, offer("Tablet help"))
	x.wants(t, "Accept", "Create Tablet help")
	x.set(func() {
		if len(seen) != 4 || seen[0] != seen[1] || seen[2] != seen[3] {
			t.Errorf("posted %q, want each twice under one id", seen)
		}
	})
}

func TestDeliver_AFollowOfOursIsPostedAndUndone(t *testing.T) {
	c := newClock()
	s, x := newSite(t, "ours", c), newStranger(t, c)
	if _, err := s.actors.Refresh(t.Context(), x.actor); err != nil {
		t.Fatal(err)
	}
	s.delivering(t, nil)
	if err := s.Follow(t.Context(), x.actor); err != nil {
		t.Fatal(err)
	}
	x.wants(t, "Follow")
	follow, err := vocab.ParseActivity(x.received()[0].body)
	if err != nil {
		t.Fatal(err)
	}
	// Only who was asked may answer.
	other := newStranger(t, c)
	forged := other.activity("/a/1", "Accept", json.RawMessage(x.received()[0].body))
	if status, _ := s.deliver(t, forged, other.signCavage); status != http.StatusForbidden {
		t.Errorf("somebody else accepts: got %d, want 403", status)
	}
	s.mustDeliver(t, x.activity("/a/1", "Accept", json.RawMessage(x.received()[0].body)), x.signCavage)
	list, err := s.Followings(t.Context(), s.app)
	if err != nil || len(list) != 1 || list[0].State != "accepted" {
		t.Fatalf("followings are %+v, %v", list, err)
	}
	if err := s.Unfollow(t.Context(), x.actor); err != nil {
		t.Fatal(err)
	}
	x.wants(t, "Follow", "Undo")
	undo, err := vocab.ParseActivity(x.received()[1].body)
	if err != nil || undo.Object.ID != follow.ID || undo.Object.Type != "Follow" || undo.Object.Target != x.actor {
		t.Errorf("the Undo holds %+v, %v; want the Follow embedded", undo.Object, err)
	}
}

func TestDeliver_CrashBetweenLogAndRowsLosesNothing(t *testing.T) {
	s, x := newFollowed(t)
	for i := range 20 {
		s.publish(t, offer(fmt.Sprintf("Help %02d", i)))
	}
	// Runs that end at once, wherever they are.
	for range 5 {
		_, stop := s.delivering(t, nil)
		time.Sleep(3 * time.Millisecond)
		stop()
	}
	d, _ := s.delivering(t, nil)
	eventually(t, "all delivered", func() bool {
		n, err := d.Waiting(t.Context())
		at, cursorErr := d.Cursor(t.Context())
		last, lastErr := s.log.Last(t.Context())
		return n == 0 && at == last && err == nil && cursorErr == nil && lastErr == nil
	})
	seen := map[string]bool{}
	for _, kind := range x.kinds(t) {
		seen[kind] = true
	}
	if len(seen) != 21 {
		t.Errorf("%d different activities arrived, want 21", len(seen))
	}
}

var _ store.Follower = (*federation.Deliverer)(nil)

// keyOf looks keys up in our own actors' documents.
func (s *site) keyOf(t *testing.T) func(context.Context, string) (crypto.PublicKey, error) {
	return func(_ context.Context, keyID string) (crypto.PublicKey, error) {
		iri, _, _ := strings.Cut(keyID, "#")
		_, doc := s.get(t, iri, activityJSON)
		key, _ := doc["publicKey"].(map[string]any)
		if key["id"] != keyID || key["owner"] != iri {
			return nil, fmt.Errorf("%s does not list %s", iri, keyID)
		}
		return httpsig.ParsePublicKey(key["publicKeyPem"].(string))
	}
}
