package federation_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/httpsig"
)

// kept counts the actors that lie in the store.
func (s *site) kept(t *testing.T) (n int) {
	t.Helper()
	for k := range storetest.Dump(t, s.store) {
		if strings.HasPrefix(k, string(store.RemotePrefix())) {
			n++
		}
	}
	return n
}

func TestActors_OnlyWhoeverWeHaveToDoWithGoesToDisk(t *testing.T) {
	h := newHostile(t)
	x, before := h.stranger, h.kept(t)
	wrong := newKey(t)
	if got := h.like(t, func(req *http.Request, body []byte) error {
		return httpsig.SignCavage(req, body, x.keyID, wrong, h.clock.Now())
	}); got != http.StatusUnauthorized {
		t.Errorf("forged: got %d, want 401", got)
	}
	if got := h.like(t, x.signCavage); got != http.StatusAccepted {
		t.Errorf("got %d, want 202", got)
	}
	h.deliver(t, x.activity("/f/0", "Follow", h.base+"/ap/a/nobody"), x.signCavage)
	if n := h.kept(t); n != before {
		t.Errorf("%d actors came to lie in the store for nothing", n-before)
	}
	h.mustDeliver(t, x.activity("/f/1", "Follow", h.actor), x.signCavage)
	if n := h.kept(t); n != before+1 {
		t.Errorf("%d actors were kept, want the follower", n-before)
	}
	if _, err := h.newActors().Cached(t.Context(), x.actor); err != nil {
		t.Errorf("after a restart the follower is not known: %v", err)
	}
}

func TestActors_AreForgottenAfterAMonthButNotThoseNeeded(t *testing.T) {
	h := newHostile(t)
	x, other := h.stranger, newStranger(t, h.clock)
	h.mustDeliver(t, x.activity("/f/1", "Follow", h.actor), x.signCavage)
	if _, err := h.actors.Refresh(t.Context(), other.actor); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(29 * 24 * time.Hour)
	h.delivering(t, nil)
	x.wants(t, "Accept")
	if _, err := h.newActors().Cached(t.Context(), other.actor); err != nil {
		t.Fatalf("forgotten before its time: %v", err)
	}
	h.clock.advance(2 * 24 * time.Hour)
	h.delivering(t, nil)
	eventually(t, "the other is forgotten", func() bool {
		_, err := h.newActors().Cached(t.Context(), other.actor)
		return errors.Is(err, store.ErrNotFound)
	})
	if _, err := h.newActors().Cached(t.Context(), x.actor); err != nil {
		t.Errorf("the follower is forgotten: %v", err)
	}
}

func TestActors_TheAcceptFindsItsWayWithoutTheDocument(t *testing.T) {
	c := newClock()
	s, x := newSite(t, "ours", c), newStranger(t, c)
	s.mustDeliver(t, x.activity("/f/1", "Follow", s.actor), x.signCavage)
	if err := s.store.Update(t.Context(), func(tx store.Tx) error { return tx.Delete(store.RemoteKey(x.actor)) }); err != nil {
		t.Fatal(err)
	}
	s.delivering(t, nil)
	x.wants(t, "Accept")
}

func TestActors_ARedirectToAnotherHostIsNoAnswer(t *testing.T) {
	c := newClock()
	s, x := newSite(t, "ours", c), newStranger(t, c)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, x.base+r.URL.Path, http.StatusFound)
	}))
	t.Cleanup(away.Close)
	x.set(func() {
		x.extra = map[string]any{"id": away.URL + "/users/robin", "inbox": away.URL + "/inbox", "outbox": away.URL + "/outbox", "publicKey": nil}
		x.docs["/waypost/v1/communities/abc/charters"] = []byte(`{"charters":[{}]}`)
	})
	if _, err := s.actors.Actor(t.Context(), away.URL+"/users/robin"); protocol.KindOf(err) != protocol.Unverified {
		t.Errorf("actor: got %v, want unverified", err)
	}
	if _, err := s.actors.Charter(t.Context(), "abc", away.URL); protocol.KindOf(err) != protocol.Unverified {
		t.Errorf("charter: got %v, want unverified", err)
	}
	// Nor does a key's document on another host lead anywhere.
	x.set(func() {
		x.docs["/keys/1"] = []byte(`{"id":"` + away.URL + `/keys/1","owner":"` + away.URL + `/users/pat"}`)
	})
	_, _, _ = s.actors.KeyOf(t.Context(), away.URL+"/keys/1", false)
	if n := x.fetches("/users/pat"); n != 0 {
		t.Errorf("the owner that another host named was fetched")
	}
}
