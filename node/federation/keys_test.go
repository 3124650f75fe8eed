package federation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/httpsig"
)

// like delivers something harmless and returns the status.
func (h *hostile) like(t *testing.T, sign signing) int {
	t.Helper()
	h.clock.advance(time.Second)
	status, _ := h.deliver(t, h.stranger.activity(fmt.Sprintf("/l/%d", h.clock.Now().UnixNano()), "Like", h.actor), sign)
	return status
}

func TestKeys_ARotatedKeyIsFetchedOnce(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	if got := h.like(t, x.signCavage); got != http.StatusAccepted {
		t.Fatalf("got %d, want 202", got)
	}
	x.set(func() { x.key = newKey(t) })
	for range 3 {
		if got := h.like(t, x.signCavage); got != http.StatusAccepted {
			t.Errorf("under the new key: got %d, want 202", got)
		}
	}
	if n := x.fetches("/users/robin"); n != 2 {
		t.Errorf("the actor was fetched %d times, want 2", n)
	}
}

func TestKeys_AKeyUnderANewIDIsFetched(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	h.like(t, x.signCavage)
	x.set(func() { x.key, x.keyID = newKey(t), x.actor+"#key-2" })
	if got := h.like(t, x.signCavage); got != http.StatusAccepted {
		t.Errorf("got %d, want 202", got)
	}
}

func TestKeys_BadSignaturesDoNotMakeUsFetchAgainAndAgain(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	h.like(t, x.signCavage)
	wrong := newKey(t)
	for i := range 10 {
		keyID := x.keyID
		if i%2 == 0 {
			keyID += fmt.Sprint(i) // or name a key that is not there
		}
		forged := func(req *http.Request, body []byte) error {
			return httpsig.SignCavage(req, body, keyID, wrong, h.clock.Now())
		}
		if got := h.like(t, forged); got != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", got)
		}
	}
	if n := x.fetches("/users/robin"); n > 2 {
		t.Errorf("the actor was fetched %d times, want at most 2", n)
	}
}

func TestKeys_AKeyDocumentOfItsOwnLeadsToTheActor(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	// As GoToSocial has it: the key's IRI has no fragment and serves a stub.
	x.keyID = x.actor + "/main-key"
	stub, err := json.Marshal(map[string]any{
		"@context": []string{"https://w3id.org/security/v1", "https://www.w3.org/ns/activitystreams"},
		"id":       x.actor, "type": "Person", "preferredUsername": "robin",
		"publicKey": map[string]any{"id": x.keyID, "owner": x.actor, "publicKeyPem": publicPEM(t, x.key)},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.docs["/users/robin/main-key"] = stub
	for range 4 {
		if got := h.like(t, x.signCavage); got != http.StatusAccepted {
			t.Fatalf("got %d, want 202", got)
		}
	}
	if n := x.fetches("/users/robin/main-key"); n > 2 {
		t.Errorf("the key's document was fetched %d times for four activities", n)
	}
	// Also a plain key document, with an owner.
	x.set(func() { x.keyID = x.base + "/keys/1" })
	plain, err := json.Marshal(map[string]any{"@context": "https://w3id.org/security/v1", "id": x.keyID, "type": "Key",
		"owner": x.actor, "publicKeyPem": publicPEM(t, x.key)})
	if err != nil {
		t.Fatal(err)
	}
	x.set(func() { x.docs["/keys/1"] = plain })
	h.clock.advance(10 * time.Minute)
	if got := h.like(t, x.signCavage); got != http.StatusAccepted {
		t.Errorf("plain key document: got %d, want 202", got)
	}
}

func TestKeys_AKeyDocumentCannotSpeakForAnotherHostsActor(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	victim := newStranger(t, h.clock)
	x.key = newKey(t)
	doc, err := json.Marshal(map[string]any{"id": x.base + "/keys/1", "type": "Key", "owner": victim.actor, "publicKeyPem": publicPEM(t, x.key)})
	if err != nil {
		t.Fatal(err)
	}
	x.docs["/keys/1"] = doc
	body := victim.activity("/f/1", "Follow", h.actor)
	status, _ := h.deliver(t, body, func(req *http.Request, body []byte) error {
		return httpsig.SignCavage(req, body, x.base+"/keys/1", x.key, h.clock.Now())
	})
	if status != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", status)
	}
	// Nor an actor document that says it is somebody else.
	x.set(func() { x.extra["id"] = victim.actor })
	status, _ = h.deliver(t, body, x.signCavage)
	if status != http.StatusUnauthorized {
		t.Errorf("borrowed id: got %d, want 401", status)
	}
}

func TestKeys_AnActorWhoseServerIsAwayIsStillKnown(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	h.like(t, x.signCavage)
	h.clock.advance(48 * time.Hour)
	x.set(func() { x.down = true })
	for range 3 {
		if got := h.like(t, x.signCavage); got != http.StatusAccepted {
			t.Errorf("got %d, want 202 by the key that we have", got)
		}
	}
}

func TestKeys_WhoHangsUpShutsNobodyElseOut(t *testing.T) {
	h := newHostile(t)
	victim := newStranger(t, h.clock)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.actors.Actor(ctx, victim.actor); protocol.KindOf(err) != protocol.Unavailable {
		t.Fatalf("got %v, want unavailable", err)
	}
	if _, err := h.actors.Actor(t.Context(), victim.actor); err != nil {
		t.Errorf("a request that somebody broke off is held against its actor: %v", err)
	}
}

func TestKeys_AFailedFetchIsNotRepeatedAtOnce(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	sign := func(req *http.Request, body []byte) error {
		return httpsig.SignCavage(req, body, x.base+"/users/nobody#main-key", x.key, h.clock.Now())
	}
	for range 5 {
		if got := h.like(t, sign); got != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", got)
		}
	}
	if n := x.fetches("/users/nobody"); n != 1 {
		t.Errorf("an actor that is not there was asked for %d times", n)
	}
	x.set(func() { x.down = true })
	other := newStranger(t, h.clock)
	other.set(func() { other.down = true })
	if got := h.like(t, func(req *http.Request, body []byte) error {
		return httpsig.SignCavage(req, body, other.keyID, other.key, h.clock.Now())
	}); got != http.StatusServiceUnavailable {
		t.Errorf("the key's server is away: got %d, want 503 so that the sender comes back", got)
	}
}

func TestKeys_EveryGETOfOursIsSignedByTheApplication(t *testing.T) {
	h := newHostile(t)
	signed := make(chan string, 10)
	srv := newSecure(t, h.stranger, signed)
	if _, err := h.actors.Actor(t.Context(), srv+"/users/robin"); err == nil {
		t.Fatal("the stranger's document has another id; it must not be taken")
	}
	if got, want := <-signed, h.app+"#main-key"; got != want {
		t.Errorf("signed by %q, want %q", got, want)
	}
}
