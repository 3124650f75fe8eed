// Package web is what people and programs see of a node: pages that work
// without JavaScript, the JSON of the same addresses, the API for those who
// hold a token, and the admin interface that the command line talks to.
//
// A request is answered in three steps: the handler reads what it needs from
// the directory or the searcher, puts it into a view (a struct with nothing
// left to decide), and a template writes it down. Strangers' text passes
// through html/template; the one exception is a listing's description, which
// vocab.Renderer has cleaned. Nothing here changes a listing but through the
// directory's door.
package web

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

//go:embed templates static
var files embed.FS

// Peers is the list of nodes that this one exchanges listings with;
// *peer.Peers is one. It may be called concurrently.
type Peers interface {
	Add(ctx context.Context, url string) (peer.Peer, error)
	List(ctx context.Context) ([]peer.Peer, error)
	Remove(ctx context.Context, host string) error
	Sync(ctx context.Context, host string) error
}

// Deliveries says how sending to other servers is going;
// *federation.Deliverer does.
type Deliveries interface {
	Waiting(ctx context.Context) (int, error)
	Inboxes(ctx context.Context) ([]federation.InboxState, error)
}

// Config says what a [Web] shows. Directory, Search, Steward and Base are
// needed; what else is nil is left out of the pages, and answered with 503
// where somebody asks for it.
type Config struct {
	Directory *directory.Directory
	Search    search.Searcher
	Steward   *steward.Steward
	Base      string // origin of this node, e.g. "https://riverside.example"
	Version   string // of the program
	Source    string // where its source code is; a sensible address when empty

	Peers      Peers
	Deliveries Deliveries
	Positions  func(context.Context) ([]store.Position, error) // how far each follower of the log has come
	Ready      func(context.Context) error                     // nil when the node can serve
	Backup     func(context.Context, io.Writer) error          // writes a whole backup
	Reindex    func(context.Context) error                     // begins the search index anew

	Now    func() time.Time // time.Now when nil
	Logger *slog.Logger     // slog.Default when nil
}

// Web serves the pages, the API and the admin interface of one node. It may
// be used concurrently.
type Web struct {
	cfg      Config
	host     string // of Base, with the port that is not the usual one
	secure   bool   // Base is https
	pages    map[string]*template.Template
	assets   map[string]asset
	renderer *vocab.Renderer
	sameSite *http.CrossOriginProtection
}

// New reads the embedded pages and files.
func New(cfg Config) (*Web, error) {
	if cfg.Directory == nil || cfg.Search == nil || cfg.Steward == nil {
		return nil, errors.New("web.New: Directory, Search and Steward are needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Source == "" {
		cfg.Source = "https://github.com/waypost-directory/waypost"
	}
	base, err := url.Parse(cfg.Base)
	if err != nil || base.Host == "" {
		return nil, protocol.Errorf("web.New", protocol.Invalid, cfg.Base, "the base URL must be an origin such as https://riverside.example")
	}
	w := &Web{cfg: cfg, host: base.Host, secure: base.Scheme == "https", renderer: vocab.NewRenderer(),
		sameSite: http.NewCrossOriginProtection()}
	if err := w.sameSite.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return nil, err
	}
	w.sameSite.SetDenyHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.fail(rw, r, protocol.Errorf("check origin", protocol.Forbidden, "", "this form was sent from another web site; open the page here and send it again"))
	}))
	if w.assets, err = readAssets(files); err != nil {
		return nil, err
	}
	w.pages, err = w.readPages()
	return w, err
}

// Routes adds the pages and the API, and answers for what has no route.
func (w *Web) Routes(r *mux.Router) {
	get := func(path string, h handler) {
		r.Handle(path, w.serve(h)).Methods(http.MethodGet, http.MethodHead)
	}
	get("/", w.serveHome)
	get("/search", w.serveSearch)
	get("/listings/{uid}", w.serveListing)
	get("/c/{community}", w.serveCommunity)
	get("/about", w.serveAbout)
	get("/sign-in", w.serveSignIn)
	get("/node", w.serveNode)
	get("/static/{name}", w.serveAsset)
	get("/favicon.ico", w.serveFavicon)
	get("/robots.txt", w.serveRobots)
	get("/healthz", w.serveHealth)
	get("/readyz", w.serveReady)
	post := func(path string, h handler) {
		r.Handle(path, w.sameSite.Handler(w.serve(h))).Methods(http.MethodPost)
	}
	post("/sign-in", w.signIn)
	post("/sign-out", w.signOut)

	w.apiRoutes(r)
	r.NotFoundHandler = w.serve(func(http.ResponseWriter, *http.Request) error {
		return protocol.Errorf("find page", protocol.NotFound, "", "there is no page at this address")
	})
	r.MethodNotAllowedHandler = w.serve(func(http.ResponseWriter, *http.Request) error { return errMethod })
}

// handler answers a request, or returns why it cannot; serve tells the visitor.
type handler func(http.ResponseWriter, *http.Request) error

// serve wraps every answer: its headers, its errors and its panics.
func (w *Web) serve(h handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		harden(rw.Header())
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				w.fail(rw, r, protocol.Errorf("serve "+r.URL.Path, protocol.Internal, "", "panic: %v", p))
			} else if p != nil {
				panic(p)
			}
		}()
		if err := h(rw, r); err != nil {
			w.fail(rw, r, err)
		}
	})
}

// contentPolicy allows our own style sheet and pictures and nothing else: no
// script at all, no request to another host, no frame around us.
const contentPolicy = "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// harden sets the headers of every answer. The referrer goes to ourselves
// only; with none at all browsers would not say where a form came from.
func harden(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

func (w *Web) serveHealth(rw http.ResponseWriter, _ *http.Request) error {
	return plain(rw, "ok\n")
}

// serveReady says whether the node can serve; 503 when it cannot.
func (w *Web) serveReady(rw http.ResponseWriter, r *http.Request) error {
	if w.cfg.Ready != nil {
		if err := w.cfg.Ready(r.Context()); err != nil {
			return &protocol.Error{Op: "check readiness", Kind: protocol.Unavailable, Err: err}
		}
	}
	return plain(rw, "ready\n")
}

// serveRobots keeps crawlers off the endless combinations of a search and off
// what is not for reading.
func (w *Web) serveRobots(rw http.ResponseWriter, _ *http.Request) error {
	return plain(rw, "User-agent: *\nDisallow: /search?\nDisallow: /api/\nDisallow: /node\nDisallow: /sign-in\n")
}

func plain(rw http.ResponseWriter, text string) error {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-cache")
	_, _ = io.WriteString(rw, text)
	return nil
}
