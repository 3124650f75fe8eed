package federation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol/httpsig"
)

// hostile is what the inbox tests have: we follow alpha's node, and a stranger
// is known to nobody.
type hostile struct {
	*site
	alpha    *site
	stranger *stranger
	create   []byte // a Create of alpha's that was not delivered yet
	signer   signing
}

func newHostile(t *testing.T) *hostile {
	c := newClock()
	h := &hostile{site: newSite(t, "ours", c), alpha: newSite(t, "alpha", c), stranger: newStranger(t, c)}
	if err := h.Follow(t.Context(), h.alpha.app); err != nil {
		t.Fatal(err)
	}
	h.signer = as(h.alpha.Identity(h.alpha.actor), c)
	// A first activity, so that the community is learned and keys are cached.
	h.alpha.publish(t, offer("Tablet help"))
	h.mustDeliver(t, h.alpha.last(t), h.signer)
	h.alpha.publish(t, offer("Phone help"))
	h.create = h.alpha.last(t)
	return h
}

// edit changes members of a JSON document; the path leads through objects.
func edit(t *testing.T, raw []byte, value any, path ...string) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	at := doc
	for _, name := range path[:len(path)-1] {
		at = at[name].(map[string]any)
	}
	if value == nil {
		delete(at, path[len(path)-1])
	} else {
		at[path[len(path)-1]] = value
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInbox_RefusesWhatIsBadAndStoresNothing(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	own := as(h.Identity(h.actor), h.clock)
	at := func(d time.Duration) signing {
		return func(req *http.Request, body []byte) error {
			id := h.alpha.Identity(h.alpha.actor)
			return id.SignCavage(req, body, h.clock.Now().Add(d))
		}
	}
	after := func(change func(*http.Request)) signing {
		return func(req *http.Request, body []byte) error {
			err := h.signer(req, body)
			change(req)
			return err
		}
	}
	for _, c := range []struct {
		name string
		body []byte
		sign signing
		want int
	}{
		{"oversized", with(h.create, `,"x":"`+strings.Repeat("a", 300<<10)+`"}`), h.signer, 413},
		{"too deep", []byte(`{"id":"` + x.base + `/1","type":"Like","actor":"` + x.actor + `","object":` + deep(200) + `}`), x.signCavage, 400},
		{"too many members", []byte(`{"type":"Like","object":[` + strings.Repeat("1,", 20_000) + `1]}`), x.signCavage, 400},
		{"a key twice", with(h.create, `,"actor":"`+x.actor+`"}`), h.signer, 400},
		{"a key twice, deep inside", bytes.Replace(h.create, []byte(`"kind":"offer"`), []byte(`"kind":"offer","kind":"need"`), 1), h.signer, 400},
		{"truncated", h.create[:len(h.create)/2], h.signer, 400},
		{"two documents", slices.Concat(h.create, h.create), h.signer, 400},
		{"empty", nil, h.signer, 400},
		{"not JSON", []byte("hello"), h.signer, 400},
		{"not UTF-8", bytes.Replace(h.create, []byte("Phone"), []byte("Ph\xffne"), 1), h.signer, 400},
		{"a list", slices.Concat([]byte("["), h.create, []byte("]")), h.signer, 400},
		{"types in a list", edit(t, h.create, []string{"Create"}, "type"), h.signer, 400},
		{"two actors", edit(t, h.create, []string{h.alpha.actor, x.actor}, "actor"), h.signer, 400},
		{"unknown type", edit(t, h.create, "Explode", "type"), h.signer, 400},
		{"no id", edit(t, h.create, nil, "id"), h.signer, 400},
		{"a listing that is not one", edit(t, h.create, "banana", "object", "listing", "kind"), h.signer, 400},
		{"a listing of the wrong shape", edit(t, h.create, []int{1}, "object", "listing"), h.signer, 400},

		{"unsigned", h.create, unsigned, 401},
		{"a signature that is none", h.create, after(func(r *http.Request) { r.Header.Set("Signature", `keyId="x",signature="AAAA"`) }), 401},
		{"another body under the signature", edit(t, h.create, "x", "summary"), func(req *http.Request, _ []byte) error { return h.signer(req, h.create) }, 401},
		{"digest of another body", h.create, after(func(r *http.Request) { r.Header.Set("Digest", "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") }), 401},
		{"signed for another path", h.create, after(func(r *http.Request) { r.URL.Path = "/ap/relay/inbox" }), 401},
		{"signed for another host", h.create, after(func(r *http.Request) { r.Host = "other.example" }), 401},
		{"a key that nobody serves", h.create, func(req *http.Request, body []byte) error {
			return httpsig.SignCavage(req, body, x.base+"/users/nobody#main-key", x.key, h.clock.Now())
		}, 401},
		{"another's key under our friend's name", h.create, func(req *http.Request, body []byte) error {
			return httpsig.SignCavage(req, body, h.alpha.Identity(h.alpha.actor).KeyID(), x.key, h.clock.Now())
		}, 401},
		{"stale", h.create, at(-2 * time.Hour), 401},
		{"from the future", h.create, at(time.Hour), 401},

		{"signed by a stranger", edit(t, h.create, nil, "proof"), x.signCavage, 401},
		{"another owner's listing", edit(t, h.create, x.actor, "actor"), x.signCavage, 403},
		{"an object on another host", edit(t, h.create, x.base+"/o/1", "object", "id"), h.signer, 403},
		{"an id on another host", edit(t, h.create, x.base+"/1", "id"), h.signer, 403},
		{"attributed to another", edit(t, h.create, x.actor, "object", "attributedTo"), h.signer, 403},
		{"it says that it is from us", edit(t, edit(t, h.create, h.actor, "actor"), h.base+"/1", "id"), own, 403},
		{"a listing that is not public", edit(t, h.create, "local", "object", "listing", "visibility"), h.signer, 403},
		{"a changed listing under the old proof", edit(t, h.create, "Free money", "object", "listing", "title"), h.signer, 401},
		{"no proof in the object", edit(t, h.create, nil, "object", "proof"), h.signer, 401},
		{"a Follow of nobody", x.activity("/f/1", "Follow", h.base+"/ap/a/nobody"), x.signCavage, 404},
		{"an Accept that we did not ask for", x.activity("/a/1", "Accept", h.app+"#follow-1"), x.signCavage, 403},
		{"undoing another's follow", x.activity("/u/1", "Undo", map[string]any{"type": "Follow", "id": h.alpha.base + "/f", "actor": h.alpha.app, "object": h.app}), x.signCavage, 403},
		{"a stranger's listing", strangersCreate(t, h), x.signCavage, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.everything(t)
			status, words := h.deliver(t, c.body, c.sign)
			if status != c.want {
				t.Errorf("got %d %s, want %d", status, words, c.want)
			}
			if now := h.everything(t); !maps.Equal(before, now) {
				t.Errorf("something was stored:%s", difference(before, now))
			}
		})
	}
	h.mustDeliver(t, h.create, h.signer) // it was not poisoned
}

// with puts another end to a document.
func with(raw []byte, end string) []byte {
	return slices.Concat(raw[:len(raw)-1], []byte(end))
}

func difference(a, b map[string]string) (s string) {
	for k, v := range b {
		if a[k] != v {
			s += fmt.Sprintf("\n%.20q = %.200q", k, v)
		}
	}
	return s
}

// strangersCreate is a listing whose community no one here follows.
func strangersCreate(t *testing.T, h *hostile) []byte {
	raw := bytes.ReplaceAll(h.create, []byte(h.alpha.base), []byte(h.stranger.base))
	return edit(t, edit(t, raw, h.stranger.actor, "actor"), h.stranger.actor, "object", "attributedTo")
}

func TestInbox_ReplayOfTheVerySameRequestIs409(t *testing.T) {
	h := newHostile(t)
	first := request(t, h.base+"/ap/inbox", h.create, h.signer)
	again := request(t, h.base+"/ap/inbox", h.create, unsigned)
	again.Header = first.Header.Clone()
	if status, words := send(t, first); status != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", status, words)
	}
	before := h.everything(t)
	if status, words := send(t, again); status != http.StatusConflict {
		t.Fatalf("got %d %s, want 409", status, words)
	}
	// Signed anew it is welcome, and changes nothing but the mark of its signature.
	h.clock.advance(time.Second)
	h.mustDeliver(t, h.create, h.signer)
	now := h.everything(t)
	maps.DeleteFunc(now, func(k, _ string) bool {
		return strings.HasPrefix(k, "signature/") || strings.HasPrefix(k, "sigexpiry/")
	})
	maps.DeleteFunc(before, func(k, _ string) bool {
		return strings.HasPrefix(k, "signature/") || strings.HasPrefix(k, "sigexpiry/")
	})
	if !maps.Equal(before, now) {
		t.Fatalf("the repetition stored something:%s", difference(before, now))
	}
}

func TestInbox_AForwardedActivityNeedsItsOwnProof(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	before := h.everything(t)
	if status, words := h.deliver(t, edit(t, h.create, "2027-01-01T00:00:00Z", "published"), x.signCavage); status != http.StatusUnauthorized {
		t.Errorf("changed on the way: got %d %s, want 401", status, words)
	}
	if now := h.everything(t); !maps.Equal(before, now) {
		t.Errorf("something was stored:%s", difference(before, now))
	}
	h.mustDeliver(t, h.create, x.signCavage)
	if n := len(h.everything(t)); n == len(before) {
		t.Errorf("what was forwarded whole was not stored")
	}
}

func TestInbox_TakesBothSignatureSchemes(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	h.mustDeliver(t, x.activity("/f/1", "Follow", h.actor), x.signCavage)
	h.mustDeliver(t, x.activity("/f/2", "Follow", h.app), x.signRFC9421)
	for _, target := range []string{h.actor, h.app} {
		if list, err := h.Followers(t.Context(), target); err != nil || len(list) != 1 || list[0].Actor != x.actor {
			t.Errorf("followers of %s are %v, %v", target, list, err)
		}
	}
}

func TestInbox_AFollowerCannotHaveUsWriteToAnotherHost(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	victim := "http://127.0.0.1:9/inbox"
	for name, value := range map[string]any{"inbox": victim, "endpoints": map[string]string{"sharedInbox": victim}} {
		h.clock.advance(48 * time.Hour) // so that the document is fetched anew
		x.set(func() { x.extra = map[string]any{name: value} })
		status, words := h.deliver(t, x.activity("/f/"+name, "Follow", h.actor), x.signCavage)
		list, err := h.Followers(t.Context(), h.actor)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if strings.HasPrefix(f.Inbox, victim) {
				t.Errorf("%s: %s is to be written to", name, f.Inbox)
			}
		}
		if name == "inbox" && status != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s, want 401", name, status, words)
		}
	}
}

func TestInbox_EveryInboxIsTheSameDoor(t *testing.T) {
	h := newHostile(t)
	for i, path := range []string{"/ap/inbox", "/ap/relay/inbox", "/ap/a/ours/inbox"} {
		body := h.stranger.activity(fmt.Sprintf("/f/%d", i), "Follow", h.actor)
		if status, words := send(t, request(t, h.base+path, body, h.stranger.signCavage)); status != http.StatusAccepted {
			t.Errorf("%s: got %d %s, want 202", path, status, words)
		}
	}
}

func TestInbox_RefusesOtherContentTypes(t *testing.T) {
	h := newHostile(t)
	for contentType, want := range map[string]int{
		"application/activity+json": 202,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams"`: 202,
		"application/activity+json; charset=utf-8":                             202,
		"text/plain":                        400,
		"application/x-www-form-urlencoded": 400,
		"":                                  400,
	} {
		req := request(t, h.base+"/ap/inbox", h.stranger.activity("/l/"+fmt.Sprint(len(contentType)), "Like", h.actor), h.stranger.signCavage)
		req.Header.Set("Content-Type", contentType)
		if status, words := send(t, req); status != want {
			t.Errorf("%q: got %d %s, want %d", contentType, status, words, want)
		}
	}
}

func TestInbox_WellMeantButUselessIs202AndStoresNothing(t *testing.T) {
	h := newHostile(t)
	before := h.everything(t)
	x := h.stranger
	for i, kind := range []string{"Like", "Announce", "Flag", "Move", "Join", "Add"} {
		h.mustDeliver(t, x.activity(fmt.Sprintf("/x/%d", i), kind, h.actor), x.signCavage)
	}
	note := map[string]any{"type": "Note", "id": x.base + "/n/1", "attributedTo": x.actor, "content": "Hello"}
	h.mustDeliver(t, x.activity("/x/note", "Create", note), x.signCavage)
	h.mustDeliver(t, x.activity("/x/gone", "Delete", map[string]any{"type": "Tombstone", "id": x.base + "/n/1"}), x.signCavage)
	if now := h.everything(t); !maps.Equal(before, now) {
		t.Fatalf("something was stored:%s", difference(before, now))
	}
}

func TestInbox_DeleteOfAnActorThatWeNeverKnewIsSwallowed(t *testing.T) {
	h := newHostile(t)
	before := h.everything(t)
	gone := h.stranger.base + "/users/gone"
	body := []byte(fmt.Sprintf(`{"id":"%s#delete","type":"Delete","actor":"%s","object":"%s"}`, gone, gone, gone))
	h.mustDeliver(t, body, func(req *http.Request, body []byte) error {
		return httpsig.SignCavage(req, body, gone+"#main-key", h.stranger.key, h.clock.Now())
	})
	if n := h.stranger.fetches("/users/gone"); n != 0 {
		t.Errorf("the actor that is gone was fetched %d times", n)
	}
	if now := h.everything(t); !maps.Equal(before, now) {
		t.Errorf("something was stored:%s", difference(before, now))
	}
}

func TestInbox_DeleteOfAFollowerNeedsItsSignatureAndForgetsIt(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	h.mustDeliver(t, x.activity("/f/1", "Follow", h.actor), x.signCavage)
	farewell := x.activity("#delete", "Delete", x.actor)
	if status, words := h.deliver(t, farewell, unsigned); status != http.StatusUnauthorized {
		t.Errorf("unsigned: got %d %s, want 401", status, words)
	}
	if n, _ := h.CountFollowers(t.Context(), h.actor); n != 1 {
		t.Fatalf("an unsigned Delete took the follower away")
	}
	x.set(func() { x.down = true }) // its document is gone by now
	h.mustDeliver(t, farewell, x.signCavage)
	if n, _ := h.CountFollowers(t.Context(), h.actor); n != 0 {
		t.Errorf("the actor deleted itself and is still a follower")
	}
}

func TestInbox_UndoEndsAFollowHoweverItIsWritten(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	for i, object := range []any{
		map[string]any{"type": "Follow", "id": x.base + "/f", "actor": x.actor, "object": h.actor},
		map[string]any{"type": "Follow", "id": x.base + "/f", "object": h.actor}, // some leave out the actor
		map[string]any{"type": "Follow", "id": x.base + "/other", "actor": x.actor, "object": h.actor},
	} {
		h.clock.advance(time.Second)
		follow := x.activity(fmt.Sprintf("/f%d", i), "Follow", h.actor)
		h.mustDeliver(t, follow, x.signCavage)
		h.mustDeliver(t, x.activity(fmt.Sprintf("/u%d", i), "Undo", object), x.signCavage)
		if n, _ := h.CountFollowers(t.Context(), h.actor); n != 0 {
			t.Errorf("%v: still a follower", object)
		}
	}
	h.mustDeliver(t, x.activity("/f9", "Follow", h.actor), x.signCavage)
	h.mustDeliver(t, x.activity("/u9", "Undo", x.base+"/f9"), x.signCavage) // by its id alone
	if n, _ := h.CountFollowers(t.Context(), h.actor); n != 0 {
		t.Errorf("undone by id: still a follower")
	}
}

func TestInbox_BoundsWhatASlowOrLyingSenderCanDo(t *testing.T) {
	h := newHostile(t)
	before := h.everything(t)
	// A body that is shorter than it said, and then nothing.
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /ap/inbox HTTP/1.1\r\nHost: x\r\nContent-Type: application/activity+json\r\nContent-Length: 1000\r\n\r\n{\"a\":")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) {
		t.Errorf("a body that broke off: got %.40q, want 400", answer)
	}
	_ = conn.Close()
	// Without a length, as much as it likes.
	req := request(t, h.base+"/ap/inbox", h.create, h.signer)
	req.Body, req.ContentLength = io.NopCloser(io.LimitReader(endless{}, 4<<20)), -1
	if status, words := send(t, req); status != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless body: got %d %s, want 413", status, words)
	}
	if now := h.everything(t); !maps.Equal(before, now) {
		t.Errorf("something was stored:%s", difference(before, now))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestInbox_SlowBodiesKeepNobodyOut(t *testing.T) {
	h := newHostile(t)
	stop := make(chan struct{})
	arrived := make(chan struct{}, 100)
	x := h.stranger
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 70 {
		req := request(t, h.base+"/ap/inbox", x.activity(fmt.Sprintf("/x/%d", i), "Like", h.actor), x.signCavage)
		req = req.WithContext(ctx)
		req.Body, req.ContentLength = io.NopCloser(&held{arrived: arrived, stop: stop}), -1
		go func() {
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
	}
	for range 70 {
		<-arrived
	}
	h.mustDeliver(t, h.create, h.signer)
	close(stop)
}

func TestInbox_StrangersWhoseKeysNeverComeKeepNobodyElseOut(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	stop, asked := make(chan struct{}), make(chan struct{}, 100)
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(slow.Close)
	var waiting sync.WaitGroup
	t.Cleanup(func() { close(stop); waiting.Wait() })
	refused := make(chan string, 5)
	for i := range 5 { // four wait for their keys, whichever they are
		req := request(t, h.base+"/ap/inbox", x.activity(fmt.Sprintf("/x/%d", i), "Like", h.actor), func(req *http.Request, body []byte) error {
			return httpsig.SignCavage(req, body, fmt.Sprintf("%s/users/%d#main-key", slow.URL, i), x.key, h.clock.Now())
		})
		waiting.Go(func() {
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			words, _ := io.ReadAll(resp.Body)
			refused <- fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Retry-After"), " ", string(words))
		})
	}
	<-asked
	select {
	case got := <-refused:
		if !strings.HasPrefix(got, "503 30 this node is busy") {
			t.Errorf("the fifth of one host got %q, want to be asked to come back", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("the fifth of one host waits too")
	}
	h.mustDeliver(t, h.create, h.signer)                                // whom we know
	h.mustDeliver(t, x.activity("/l/1", "Like", h.actor), x.signCavage) // a stranger from elsewhere
}

func TestInbox_AnswersTellNothingOfOurNetwork(t *testing.T) {
	h := newHostile(t)
	x := h.stranger
	x.docs["/page"] = []byte("<html>inside</html>")
	for name, keyID := range map[string]string{
		"nothing listens": "http://127.0.0.1:9/users/robin#main-key",
		"nothing there":   x.base + "/users/nobody#main-key",
		"not an actor":    x.base + "/page",
	} {
		status, words := h.deliver(t, x.activity("/l/1", "Like", h.actor), func(req *http.Request, body []byte) error {
			return httpsig.SignCavage(req, body, keyID, x.key, h.clock.Now())
		})
		if strings.TrimSpace(words) != "the key could not be fetched" || status != 401 && status != 503 {
			t.Errorf("%s: got %d %q", name, status, words)
		}
	}
	_, words := h.deliver(t, h.create, unsigned)
	if !strings.Contains(words, "no Signature header") {
		t.Errorf("the sender's own mistake is not named: %q", words)
	}
}

// held is a body that begins and then waits.
type held struct {
	arrived chan<- struct{}
	stop    <-chan struct{}
	begun   bool
}

func (b *held) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		p[0] = '{'
		b.arrived <- struct{}{}
		return 1, nil
	}
	<-b.stop
	return 0, io.EOF
}
