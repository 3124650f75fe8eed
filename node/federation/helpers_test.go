package federation_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/httpsig"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// site is the federation part of a node, served over real HTTP on loopback.
type site struct {
	*directory.Directory
	base      string
	cid       string
	actor     string // of its community
	app       string // its Application
	clock     *clock
	router    http.Handler
	store     store.Store
	log       *store.Log
	committer *store.Committer
	client    *transport.Client
	actors    *federation.Actors
	heard     chan string
}

func newSite(t testing.TB, handle string, c *clock) *site {
	t.Helper()
	return newSiteOver(t, handle, c, nil)
}

// newSiteOver is a site that reaches others by way of net, when it is not nil.
func newSiteOver(t testing.TB, handle string, c *clock, net http.RoundTripper) *site {
	t.Helper()
	router := mux.NewRouter()
	srv := httptest.NewServer(router)
	t.Cleanup(srv.Close)
	s := &site{base: srv.URL, router: router, clock: c, heard: make(chan string, 1000)}
	s.store = storetest.Open(t)
	s.log = store.NewLog(s.store)
	s.committer = store.NewCommitter(store.CommitterConfig{Store: s.store, OnCommit: s.log.Notify})
	t.Cleanup(func() { _ = s.committer.Close() })
	s.client = transport.New(transport.Config{Dev: true, Now: c.Now, RoundTripper: net})
	t.Cleanup(s.client.Close)
	s.actors = s.newActors()
	var err error
	s.Directory, err = directory.Open(t.Context(), directory.Config{Store: s.store, Log: s.log, Committer: s.committer,
		Resolver: s.actors, Base: s.base, Now: c.Now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	place := protocol.Place{Name: "Riverside", Latitude: new(51.5), Longitude: new(-0.1)}
	m, err := s.CreateCommunity(t.Context(), directory.NewCommunity{Handle: handle, Name: "Community of " + handle, Place: &place})
	if err != nil {
		t.Fatal(err)
	}
	s.cid, s.actor, s.app = m.Community.CID, m.Community.Actor, s.ApplicationIRI()
	federation.New(federation.Config{Directory: s.Directory, Actors: s.actors, Base: s.base, Version: "1.2.3", Now: c.Now, Logger: quiet,
		Heard: func(_ context.Context, host string) { s.heard <- host }}).Routes(router)
	return s
}

var quiet = slog.New(slog.DiscardHandler)

// newActors is what a restarted node has: nothing in memory.
func (s *site) newActors() *federation.Actors {
	return &federation.Actors{Client: s.client, Store: s.store, Now: s.clock.Now, Signer: func() transport.Signer {
		if s.Directory == nil || s.Application() == nil {
			return nil
		}
		return s.Application()
	}}
}

func (s *site) publish(t testing.TB, l protocol.Listing) protocol.Listing {
	t.Helper()
	res, err := s.Publish(t.Context(), s.cid, l)
	if err != nil {
		t.Fatalf("publish %q: %v", l.Title, err)
	}
	return res.Listing
}

func offer(title string) protocol.Listing {
	return protocol.Listing{Kind: protocol.KindOffer, Title: title, Categories: []string{"quick-tips"}}
}

// last is the last activity that a site logged, as it would be delivered.
func (s *site) last(t testing.TB) []byte {
	t.Helper()
	seq, err := s.log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.log.Read(t.Context(), seq-1, 1)
	if err != nil || len(entries) != 1 {
		t.Fatalf("read the log's end: %d entries, %v", len(entries), err)
	}
	body, err := s.log.Body(t.Context(), entries[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// everything is all rows of the store but the cache of other servers' actors.
func (s *site) everything(t *testing.T) map[string]string {
	t.Helper()
	rows := storetest.Dump(t, s.store)
	maps.DeleteFunc(rows, func(k, _ string) bool { return strings.HasPrefix(k, string(store.RemotePrefix())) })
	return rows
}

// get fetches a path of the site and decodes it, when it is JSON.
func (s *site) get(t *testing.T, path, accept string) (*http.Response, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+strings.TrimPrefix(path, s.base), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("%s: %v in %.200s", path, err, raw)
		}
	}
	return resp, doc
}

const activityJSON = "application/activity+json"

// stranger is another server with one actor, made by hand: it says whatever a
// test wants, signs with whatever key, and notes what it is sent.
type stranger struct {
	base  string
	actor string
	keyID string
	key   *rsa.PrivateKey
	clock *clock

	mu      sync.Mutex
	extra   map[string]any    // members that replace those of the document; guarded by mu
	docs    map[string][]byte // other documents by path; guarded by mu
	fetched map[string]int    // GETs by path; guarded by mu
	posts   []post            // what its inboxes were sent; guarded by mu
	answer  func(post) int    // status for a POST; guarded by mu; nil: 202
	down    bool              // answers 503 to everything; guarded by mu
}

type post struct {
	path   string
	body   []byte
	header http.Header
}

func newStranger(t testing.TB, c *clock) *stranger {
	t.Helper()
	x := &stranger{clock: c, key: sharedKey(), docs: map[string][]byte{}, fetched: map[string]int{}, extra: map[string]any{}}
	srv := httptest.NewServer(http.HandlerFunc(x.serve))
	t.Cleanup(srv.Close)
	x.base = srv.URL
	x.actor = srv.URL + "/users/robin"
	x.keyID = x.actor + "#main-key"
	return x
}

// sharedKey is what strangers sign with where it does not matter that they are
// several: making keys takes longer than the tests.
var sharedKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicPEM(t testing.TB, key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (x *stranger) serve(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.down {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // whoever sent it stopped half way
		}
		p := post{path: r.URL.Path, body: body, header: r.Header.Clone()}
		status := http.StatusAccepted
		if x.answer != nil {
			status = x.answer(p)
		}
		if status < 300 {
			x.posts = append(x.posts, p)
		}
		w.WriteHeader(status)
		return
	}
	x.fetched[r.URL.Path]++
	w.Header().Set("Content-Type", activityJSON)
	if doc, ok := x.docs[r.URL.Path]; ok {
		_, _ = w.Write(doc)
		return
	}
	if r.URL.Path != "/users/robin" {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(x.document())
}

// document is called with mu held.
func (x *stranger) document() []byte {
	der, _ := x509.MarshalPKIXPublicKey(&x.key.PublicKey)
	doc := map[string]any{
		"@context": []string{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"},
		"id":       x.actor, "type": "Person", "preferredUsername": "robin",
		"inbox": x.actor + "/inbox", "outbox": x.actor + "/outbox",
		"publicKey": map[string]any{"id": x.keyID, "owner": x.actor,
			"publicKeyPem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
	}
	maps.Copy(doc, x.extra)
	raw, _ := json.Marshal(doc)
	return raw
}

func (x *stranger) set(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

func (x *stranger) received() []post {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]post(nil), x.posts...)
}

func (x *stranger) fetches(path string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fetched[path]
}

// activity writes an activity of the stranger.
func (x *stranger) activity(id, kind string, object any, more ...any) []byte {
	m := map[string]any{"@context": "https://www.w3.org/ns/activitystreams", "id": x.base + id, "type": kind, "actor": x.actor, "object": object}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	raw, _ := json.Marshal(m)
	return raw
}

// signCavage signs as the stranger's one actor.
func (x *stranger) signCavage(req *http.Request, body []byte) error {
	return httpsig.SignCavage(req, body, x.keyID, x.key, x.clock.Now())
}

func (x *stranger) signRFC9421(req *http.Request, body []byte) error {
	return httpsig.SignRFC9421(req, body, x.keyID, x.key, x.clock.Now())
}

type signing func(req *http.Request, body []byte) error

// as signs as an actor of one of our own sites.
func as(id *directory.Identity, c *clock) signing {
	return func(req *http.Request, body []byte) error { return id.SignCavage(req, body, c.Now()) }
}

func unsigned(*http.Request, []byte) error { return nil }

// request prepares a signed POST.
func request(t testing.TB, url string, body []byte, sign signing) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", activityJSON)
	if err := sign(req, body); err != nil {
		t.Fatal(err)
	}
	return req
}

// send puts a request on the wire and returns the status and words.
func send(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	words, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(words)
}

// deliver posts an activity to the site's shared inbox.
func (s *site) deliver(t *testing.T, body []byte, sign signing) (int, string) {
	t.Helper()
	return send(t, request(t, s.base+"/ap/inbox", body, sign))
}

func (s *site) mustDeliver(t *testing.T, body []byte, sign signing) {
	t.Helper()
	if status, words := s.deliver(t, body, sign); status != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", status, words)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// delivering runs a deliverer over the site's store until stop is called.
func (s *site) delivering(t *testing.T, change func(*federation.DeliverConfig)) (d *federation.Deliverer, stop func()) {
	t.Helper()
	cfg := federation.DeliverConfig{Store: s.store, Log: s.log, Committer: s.committer, Directory: s.Directory, Actors: s.newActors(),
		Post: federation.TransportPoster{Client: s.client}, Now: s.clock.Now, Logger: quiet}
	if change != nil {
		change(&cfg)
	}
	d = federation.NewDeliverer(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	errs := make(chan error, 2)
	parts.Go(func() { errs <- store.Run(ctx, s.log, d, store.FollowOptions{Logger: quiet}) })
	parts.Go(func() { errs <- d.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
		for range 2 {
			if err := <-errs; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("deliverer: %v", err)
			}
		}
	})
	t.Cleanup(stop)
	return d, stop
}

// newSecure is a server that notes who signed each GET.
func newSecure(t *testing.T, x *stranger, signed chan<- string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, rest, _ := strings.Cut(r.Header.Get("Signature"), `keyId="`)
		id, _, _ := strings.Cut(rest, `"`)
		signed <- id
		x.serve(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func readAll(t *testing.T, r io.Reader) []byte {
	t.Helper()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
