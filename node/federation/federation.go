package federation

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
)

// Config says what a [Federation] serves. All fields but Heard are needed.
type Config struct {
	Directory *directory.Directory
	Actors    *Actors
	Base      string // origin of this node
	Version   string // of the program, for NodeInfo
	Now       func() time.Time
	Logger    *slog.Logger
	Heard     func(ctx context.Context, host string) // called when a host's signature was verified
}

// Federation serves this node to other servers.
type Federation struct {
	dir     *directory.Directory
	actors  *Actors
	base    string
	version string
	now     func() time.Time
	log     *slog.Logger
	onHeard func(ctx context.Context, host string)
	slots   slots

	counts   tally[int]   // public listings
	upcoming tally[[]any] // IRIs of events, soonest first
}

// New prepares the handlers.
func New(cfg Config) *Federation {
	return &Federation{dir: cfg.Directory, actors: cfg.Actors, base: cfg.Base, version: cfg.Version, now: cfg.Now,
		log: cfg.Logger, onHeard: cfg.Heard, slots: slots{hosts: map[string]int{}}}
}

func (f *Federation) heard(ctx context.Context, host string) {
	if f.onHeard != nil && host != "" {
		f.onHeard(ctx, host)
	}
}

// Routes adds everything that other servers ask for.
func (f *Federation) Routes(r *mux.Router) {
	get := func(path string, h http.HandlerFunc) {
		r.HandleFunc(path, f.safely(h)).Methods(http.MethodGet, http.MethodHead)
	}
	get("/.well-known/webfinger", f.serveWebFinger)
	get("/.well-known/host-meta", f.serveHostMeta)
	get("/.well-known/nodeinfo", f.serveNodeInfoLinks)
	get("/.well-known/waypost", f.serveDiscovery)
	get("/nodeinfo/2.1", f.serveNodeInfo)

	get("/ap/relay", f.serveActor)
	get("/ap/a/{handle}", f.serveActor)
	for _, actor := range []string{"/ap/relay", "/ap/a/{handle}"} {
		get(actor+"/outbox", f.serveOutbox)
		get(actor+"/followers", f.serveFollowers)
		get(actor+"/following", f.serveFollowing)
		r.HandleFunc(actor+"/inbox", f.safely(f.serveInbox)).Methods(http.MethodPost)
	}
	get("/ap/a/{handle}/featured", f.serveEmpty)
	get("/ap/a/{handle}/tags", f.serveEmpty)
	get("/ap/a/{handle}/upcoming", f.serveUpcoming)
	get("/ap/a/{handle}/listings", f.serveListings)
	get("/ap/a/{handle}/place", f.serveGroupPlace)
	r.HandleFunc("/ap/inbox", f.safely(f.serveInbox)).Methods(http.MethodPost)
	get("/ap/o/{uid}", f.serveObject)
	get("/ap/o/{uid}/organizers", f.serveOrganizers)
	get("/ap/o/{uid}/{place:place-[0-9a-f]+}", f.servePlace)

	get("/waypost/v1/communities/{cid}/charters", f.serveCharters)
	get("/waypost/v1/communities/{cid}/public/changes", f.serveChanges)
}

// safely answers 500 when a handler panics, and logs where. No request may take
// the connection, or more, down with it.
func (f *Federation) safely(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p) // how net/http itself breaks off an answer
			}
			f.log.Error("a request made this node panic; please report it", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			http.Error(w, internalWords, http.StatusInternalServerError)
		}()
		h(w, r)
	}
}

// send writes a document with its content type.
func (f *Federation) send(w http.ResponseWriter, r *http.Request, contentType string, raw []byte, err error) {
	if err != nil {
		f.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(raw)
}

func (f *Federation) sendActivity(w http.ResponseWriter, r *http.Request, raw []byte, err error) {
	w.Header().Set("Vary", "Accept")
	f.send(w, r, ActivityType+"; charset=utf-8", raw, err)
}
