package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/search/embedded"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/badger"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

const (
	base      = "https://bexley.example"
	otherBase = "https://salford.example"
)

// world is a node with its pages, and a neighbour whose listings it learned.
type world struct {
	t       testing.TB
	dir     *directory.Directory
	other   *directory.Directory
	index   *embedded.Index
	indexer *search.Indexer
	log     *store.Log
	steward *steward.Steward
	search  search.Searcher
	web     *web.Web
	handler http.Handler
	now     time.Time
	bexley  protocol.Community
	salford protocol.Community
	peers   *peerList
	nodes   map[string]*directory.Directory // by origin
}

// open builds the world at an origin. The clock stands.
func open(t testing.TB, origin string, change func(*web.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC), peers: &peerList{}, nodes: map[string]*directory.Directory{}}
	folder := seedOf(t, bexleySeed)
	if origin != base {
		folder = plant(t, t.TempDir(), seed{origin, bexleySeed.community})
	}
	var s store.Store
	w.dir, s, w.log = w.openDirectory(folder, origin)
	w.bexley = w.dir.Hosted()[0]

	var err error
	w.index, err = embedded.Open(t.Context(), embedded.Config{Dir: t.TempDir(), Communities: w.dir, Now: w.clock, Log: quiet()})
	must(t, err)
	t.Cleanup(func() { must(t, w.index.Close()) })
	w.indexer = search.NewIndexer(w.index, docs{w.dir}, quiet())
	w.steward = steward.New(steward.Config{Store: s, Now: w.clock})
	cfg := web.Config{Directory: w.dir, Search: w.index, Steward: w.steward, Base: origin, Version: "0.1.0", Now: w.clock,
		Logger: quiet(), Peers: w.peers}
	if change != nil {
		change(&cfg)
	}
	w.search = cfg.Search
	w.web, err = web.New(cfg)
	must(t, err)
	r := mux.NewRouter()
	w.web.Routes(r)
	w.handler = r
	return w
}

// withNeighbour opens the other node, which this one follows.
func (w *world) withNeighbour() {
	if w.other != nil {
		return
	}
	w.t.Helper()
	w.other, _, _ = w.openDirectory(seedOf(w.t, salfordSeed), otherBase)
	w.salford = w.other.Hosted()[0]
	must(w.t, w.dir.Follow(w.t.Context(), w.other.ApplicationIRI()))
}

func (w *world) clock() time.Time { return w.now }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (w *world) openDirectory(folder, origin string) (*directory.Directory, store.Store, *store.Log) {
	w.t.Helper()
	s := storetest.OpenDir(w.t, folder)
	log := store.NewLog(s)
	committer := store.NewCommitter(store.CommitterConfig{Store: s, OnCommit: log.Notify, Logger: quiet()})
	w.t.Cleanup(func() { must(w.t, committer.Close()) })
	d, err := directory.Open(w.t.Context(), directory.Config{Store: s, Log: log, Committer: committer,
		Resolver: resolver{w.nodes}, Base: origin, Now: w.clock, Logger: quiet()})
	must(w.t, err)
	w.nodes[origin] = d
	return d, s, log
}

// seed is a node with one community and nothing else.
type seed struct {
	origin    string
	community directory.NewCommunity
}

var (
	bexleySeed = seed{base, directory.NewCommunity{Handle: "bexley_digital", Name: "Bexley Digital Champions",
		Summary: "Neighbours who help neighbours get online, in libraries, at home and by phone.",
		Place:   point("Bexleyheath", 51.4568, 0.1465), Areas: []string{"E09000004"}}}
	salfordSeed = seed{otherBase, directory.NewCommunity{Handle: "salford_skills", Name: "Salford Media Skills",
		Summary: "Mentors from radio and film for people who are starting out.", Place: point("Salford Quays", 53.4722, -2.2986)}}
	planted sync.Map // origin -> folder: keys take long to make, so tests copy them
)

func TestMain(m *testing.M) {
	code := m.Run()
	planted.Range(func(_, folder any) bool { return os.RemoveAll(folder.(string)) == nil })
	os.Exit(code)
}

// seedOf returns a fresh copy of a seed's data folder.
func seedOf(t testing.TB, s seed) string {
	t.Helper()
	folder, ok := planted.Load(s.origin)
	if !ok {
		fresh, err := os.MkdirTemp("", "waypost-web-")
		must(t, err)
		folder, _ = planted.LoadOrStore(s.origin, plant(t, fresh, s))
	}
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(folder.(string))))
	return dir
}

func plant(t testing.TB, folder string, s seed) string {
	t.Helper()
	db, err := badger.Open(badger.Options{Dir: folder, Reserve: 1 << 20, Logger: quiet()})
	must(t, err)
	d, err := directory.Open(t.Context(), directory.Config{Store: db, Base: s.origin, Logger: quiet()})
	must(t, err)
	must(t, d.EnsureApplication(t.Context()))
	_, err = d.CreateCommunity(t.Context(), s.community)
	must(t, err)
	must(t, db.Close())
	return folder
}

func (w *world) found(d *directory.Directory, n directory.NewCommunity) protocol.Community {
	w.t.Helper()
	m, err := d.CreateCommunity(w.t.Context(), n)
	must(w.t, err)
	return m.Community
}

// publish adds listings to Bexley and indexes them.
func (w *world) publish(list ...protocol.Listing) []protocol.Listing {
	w.t.Helper()
	var out []protocol.Listing
	for _, p := range w.dir.PublishAll(w.t.Context(), w.bexley.CID, list) {
		must(w.t, p.Err)
		out = append(out, p.Listing)
	}
	w.follow()
	return out
}

// learn publishes listings on the neighbour and takes them in as a pull does.
func (w *world) learn(list ...protocol.Listing) []protocol.Listing {
	w.t.Helper()
	w.withNeighbour()
	var out []protocol.Listing
	for _, p := range w.other.PublishAll(w.t.Context(), w.salford.CID, list) {
		must(w.t, p.Err)
		rec, err := w.other.Get(w.t.Context(), w.salford.CID, p.Listing.UID)
		must(w.t, err)
		a, err := vocab.ParseActivity(rec.Object)
		must(w.t, err)
		_, err = w.dir.Accept(w.t.Context(), directory.Incoming{Activity: a, Via: store.ViaPull, From: "salford.example"})
		must(w.t, err)
		out = append(out, p.Listing)
	}
	w.follow()
	return out
}

// follow indexes what is new in the log.
func (w *world) follow() {
	w.t.Helper()
	for {
		at, err := w.indexer.Cursor(w.t.Context())
		must(w.t, err)
		entries, err := w.log.Read(w.t.Context(), at, 256)
		must(w.t, err)
		if len(entries) == 0 {
			return
		}
		must(w.t, w.indexer.Follow(w.t.Context(), entries, entries[len(entries)-1].Seq))
	}
}

// get asks for an address as a browser does; header is name, value, name, …
func (w *world) get(path string, header ...string) *httptest.ResponseRecorder {
	return w.do(http.MethodGet, path, "", header...)
}

func (w *world) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	return ask(w.handler, method, path, body, header...)
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// want fails unless an answer has a status and holds every text.
func want(t testing.TB, rec *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	body := rec.Body.String()
	if rec.Code != status {
		t.Fatalf("got status %d, want %d; body:\n%s", rec.Code, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("the answer lacks %q; body:\n%s", text, body)
		}
	}
}

func wantNone(t testing.TB, rec *httptest.ResponseRecorder, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(rec.Body.String(), text) {
			t.Errorf("the answer holds %q; body:\n%s", text, rec.Body)
		}
	}
}

func decode[T any](t testing.TB, rec *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	return v
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// resolver finds actors and charters in the other directories, in place of the
// network.
type resolver struct {
	nodes map[string]*directory.Directory
}

func (r resolver) Actor(_ context.Context, iri string) (protocol.Actor, error) {
	raw, err := r.nodes[protocol.Origin(iri)].ActorDocument(iri)
	if err != nil {
		return protocol.Actor{}, err
	}
	return vocab.ParseActor(raw)
}

func (r resolver) Charter(ctx context.Context, cid, origin string) ([]byte, error) {
	return r.nodes[origin].Charter(ctx, cid)
}

func (r resolver) Object(context.Context, string) ([]byte, error) {
	return nil, protocol.Errorf("fetch object", protocol.Unavailable, "", "there is no network here")
}

// docs tells the index what a listing is now, as the node does.
type docs struct{ dir *directory.Directory }

func (d docs) Doc(ctx context.Context, cid, uid string) (*search.Doc, error) {
	s, l, err := d.dir.Current(ctx, cid, uid)
	if err != nil || s.Deleted || !s.Public {
		return nil, err
	}
	c, _ := d.dir.Community(cid)
	host := hostOf(s.Object)
	return &search.Doc{Listing: l, Node: host, Own: c.Hosted, URL: s.URL, Object: s.Object, ConfirmedAt: s.Updated}, nil
}

// peerList is a list of peers in memory.
type peerList struct{ list []peer.Peer }

func (p *peerList) Add(_ context.Context, url string) (peer.Peer, error) {
	x := peer.Peer{Host: strings.TrimPrefix(url, "https://"), Follow: "pending"}
	p.list = append(p.list, x)
	return x, nil
}

func (p *peerList) List(context.Context) ([]peer.Peer, error) { return p.list, nil }

func (p *peerList) Remove(_ context.Context, host string) error {
	for i, x := range p.list {
		if x.Host == host {
			p.list = append(p.list[:i], p.list[i+1:]...)
			return nil
		}
	}
	return protocol.Errorf("remove peer", protocol.NotFound, host, "this node has no such peer")
}

func (p *peerList) Sync(_ context.Context, host string) error {
	return protocol.Errorf("sync", protocol.Unavailable, host, "it does not answer")
}

func point(name string, lat, lon float64) *protocol.Place {
	return &protocol.Place{Name: name, Latitude: &lat, Longitude: &lon}
}

// uidFor is a uid that is the same in every run.
func uidFor(title string) string {
	h := sha256.Sum256([]byte(title))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i, c := range h[:16] {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b.WriteByte('-')
		}
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// samples reads testdata/listings.json: listings of every kind.
func samples(t testing.TB, name string) []protocol.Listing {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	must(t, err)
	defer f.Close()
	raw, err := io.ReadAll(f)
	must(t, err)
	var all []json.RawMessage
	must(t, json.Unmarshal(raw, &all))
	list := make([]protocol.Listing, len(all))
	for i := range all {
		list[i], err = protocol.DecodeListing(all[i])
		must(t, err)
		list[i].UID = uidFor(list[i].Title)
	}
	return list
}

func hostOf(iri string) string {
	_, host, _ := strings.Cut(protocol.Origin(iri), "://")
	return host
}
