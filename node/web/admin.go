package web

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/protocol"
)

// Bounds of what the command line sends.
const (
	maxImport  = 64 << 20 // bytes of one batch
	maxCommand = 64 << 10 // bytes of any other command
)

// Admin serves the commands, at /admin/v1. Whoever reaches it may do
// everything: it belongs on a Unix socket of mode 0600, or in the same
// process, and never on a port.
//
//	GET    status
//	GET    communities            POST communities {handle, name, summary, place, areas}
//	GET    listings?community&kind&after&limit      POST listings?community (a listing)
//	GET    listings/{uid}         PUT listings/{uid}      DELETE listings/{uid}?erase
//	POST   import?community {listings: […]}
//	GET    peers                  POST peers {url}        DELETE peers/{host}     POST peers/{host}/sync
//	GET    tokens                 POST tokens {name, scopes, expires}             DELETE tokens/{id}
//	GET    sessions               DELETE sessions/{id}    POST sign-in-links {for}
//	GET    backup (a stream)      POST reindex
//
// Errors are problems (RFC 9457) that hide nothing.
func (w *Web) Admin() http.Handler {
	root := mux.NewRouter()
	r := root.PathPrefix("/admin/v1").Subrouter()
	desk{w: w, expired: true, allow: func(*http.Request, bool) (reach, error) { return seesAll, nil }}.routes(r, w.command)
	on := func(method, path string, h handler) { r.Handle(path, w.command(h)).Methods(method) }

	on(http.MethodGet, "/status", w.adminStatus)
	on(http.MethodGet, "/communities", w.apiCommunities)
	on(http.MethodPost, "/communities", w.adminCreateCommunity)
	on(http.MethodPost, "/import", w.adminImport)
	on(http.MethodGet, "/peers", w.withPeers(w.adminPeers))
	on(http.MethodPost, "/peers", w.withPeers(w.adminAddPeer))
	on(http.MethodDelete, "/peers/{host}", w.withPeers(w.adminRemovePeer))
	on(http.MethodPost, "/peers/{host}/sync", w.withPeers(w.adminSyncPeer))
	on(http.MethodGet, "/tokens", w.adminTokens)
	on(http.MethodPost, "/tokens", w.adminCreateToken)
	on(http.MethodDelete, "/tokens/{id}", w.adminRevokeToken)
	on(http.MethodGet, "/sessions", w.adminSessions)
	on(http.MethodDelete, "/sessions/{id}", w.adminEndSession)
	on(http.MethodPost, "/sign-in-links", w.adminSignInLink)
	on(http.MethodGet, "/backup", w.adminBackup)
	on(http.MethodPost, "/reindex", w.adminReindex)

	root.NotFoundHandler = w.command(func(http.ResponseWriter, *http.Request) error {
		return protocol.Errorf("find command", protocol.NotFound, "", "this node has no such command; is it an older version than the waypost that asks?")
	})
	root.MethodNotAllowedHandler = w.command(func(http.ResponseWriter, *http.Request) error { return errMethod })
	return root
}

// command wraps an admin answer. The caller is the node's own steward, who
// needs the whole error.
func (w *Web) command(h handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Cache-Control", "no-store")
		if err := h(rw, r); err != nil {
			p := problemOf(err)
			switch protocol.KindOf(err) {
			case protocol.Unavailable:
				p.Detail = wordsOf(err)
			case protocol.Internal:
				p.Detail = err.Error()
			}
			writeProblem(rw, p)
		}
	})
}

func (w *Web) adminStatus(rw http.ResponseWriter, r *http.Request) error {
	s, err := w.Status(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusOK, s)
}

// NewCommunity is the body of POST communities.
type NewCommunity struct {
	Handle  string          `json:"handle"`
	Name    string          `json:"name"`
	Summary string          `json:"summary,omitempty"`
	Place   *protocol.Place `json:"place,omitempty"`
	Areas   []string        `json:"areas,omitempty"`
}

// CreatedCommunity is the answer to POST communities. The card is kept
// nowhere else.
type CreatedCommunity struct {
	Community protocol.Community `json:"community"`
	Address   string             `json:"address"` // @handle@host
	Card      string             `json:"card"`    // the first steward's, as it is written on paper
}

func (w *Web) adminCreateCommunity(rw http.ResponseWriter, r *http.Request) error {
	var n NewCommunity
	if err := readJSON(rw, r, maxCommand, &n); err != nil {
		return err
	}
	m, err := w.cfg.Directory.CreateCommunity(r.Context(), directory.NewCommunity(n))
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusCreated, CreatedCommunity{Community: m.Community, Address: address(m.Community), Card: m.Card.String()})
}

// Batch is the body of POST import.
type Batch struct {
	Listings []protocol.Listing `json:"listings"`
}

// BatchResult says what became of each listing of a [Batch], in its order.
type BatchResult struct {
	Created   int           `json:"created"`
	Changed   int           `json:"changed"`
	Unchanged int           `json:"unchanged"`
	Failed    int           `json:"failed"`
	Results   []BatchOnItem `json:"results"`
}

// BatchOnItem is what became of one listing.
type BatchOnItem struct {
	Outcome string                `json:"outcome"` // created, changed, unchanged or failed
	UID     string                `json:"uid,omitempty"`
	Title   string                `json:"title"`
	Detail  string                `json:"detail,omitempty"` // why it failed
	Errors  []protocol.FieldError `json:"errors,omitempty"`
}

// adminImport publishes many listings; one that fails does not hold up the
// others, and sending the same batch again changes nothing.
func (w *Web) adminImport(rw http.ResponseWriter, r *http.Request) error {
	var b Batch
	if err := readJSON(rw, r, maxImport, &b); err != nil {
		return err
	}
	c, err := w.hostedCommunity(r.URL.Query().Get("community"))
	if err != nil {
		return err
	}
	res := BatchResult{Results: []BatchOnItem{}}
	for _, p := range w.cfg.Directory.PublishAll(r.Context(), c.CID, b.Listings) {
		res.add(p)
	}
	return sendJSON(rw, http.StatusOK, res)
}

func (b *BatchResult) add(p directory.Published) {
	item := BatchOnItem{Outcome: outcomeChanged, UID: p.Listing.UID, Title: p.Listing.Title}
	switch {
	case p.Err != nil:
		item.Outcome, item.Detail, item.Errors = outcomeFailed, wordsOf(p.Err), fieldsOf(p.Err)
		b.Failed++
	case p.Unchanged:
		item.Outcome = outcomeUnchanged
		b.Unchanged++
	case p.Created:
		item.Outcome = outcomeCreated
		b.Created++
	default:
		b.Changed++
	}
	b.Results = append(b.Results, item)
}

// PeerList is the answer of GET peers.
type PeerList struct {
	Peers []peer.Peer `json:"peers"`
}

func (w *Web) withPeers(h handler) handler {
	return func(rw http.ResponseWriter, r *http.Request) error {
		if w.cfg.Peers == nil {
			return unavailable("peers")
		}
		return h(rw, r)
	}
}

func (w *Web) adminPeers(rw http.ResponseWriter, r *http.Request) error {
	list, err := w.cfg.Peers.List(r.Context())
	if err != nil {
		return err
	}
	if list == nil {
		list = []peer.Peer{}
	}
	return sendJSON(rw, http.StatusOK, PeerList{list})
}

func (w *Web) adminAddPeer(rw http.ResponseWriter, r *http.Request) error {
	var body struct {
		URL string `json:"url"`
	}
	if err := readJSON(rw, r, maxCommand, &body); err != nil {
		return err
	}
	p, err := w.cfg.Peers.Add(r.Context(), body.URL)
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusCreated, p)
}

func (w *Web) adminRemovePeer(rw http.ResponseWriter, r *http.Request) error {
	return done(rw, w.cfg.Peers.Remove(r.Context(), mux.Vars(r)["host"]))
}

func (w *Web) adminSyncPeer(rw http.ResponseWriter, r *http.Request) error {
	return done(rw, w.cfg.Peers.Sync(r.Context(), mux.Vars(r)["host"]))
}

// TokenList is the answer of GET tokens.
type TokenList struct {
	Tokens []steward.Token `json:"tokens"`
}

// CreatedToken is the answer of POST tokens. The secret is kept nowhere else.
type CreatedToken struct {
	Secret string        `json:"secret"`
	Token  steward.Token `json:"token"`
}

func (w *Web) adminTokens(rw http.ResponseWriter, r *http.Request) error {
	list, err := w.cfg.Steward.Tokens(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusOK, TokenList{list})
}

func (w *Web) adminCreateToken(rw http.ResponseWriter, r *http.Request) error {
	var n steward.NewToken
	if err := readJSON(rw, r, maxCommand, &n); err != nil {
		return err
	}
	secret, t, err := w.cfg.Steward.CreateToken(r.Context(), n)
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusCreated, CreatedToken{secret, t})
}

func (w *Web) adminRevokeToken(rw http.ResponseWriter, r *http.Request) error {
	return done(rw, w.cfg.Steward.RevokeToken(r.Context(), mux.Vars(r)["id"]))
}

// SessionList is the answer of GET sessions.
type SessionList struct {
	Sessions []steward.Session `json:"sessions"`
}

func (w *Web) adminSessions(rw http.ResponseWriter, r *http.Request) error {
	list, err := w.cfg.Steward.Sessions(r.Context())
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusOK, SessionList{list})
}

func (w *Web) adminEndSession(rw http.ResponseWriter, r *http.Request) error {
	return done(rw, w.cfg.Steward.EndSession(r.Context(), mux.Vars(r)["id"]))
}

// SignInLink is the answer of POST sign-in-links.
type SignInLink struct {
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

// SignInLink makes a link that signs one browser in as a steward, once.
func (w *Web) SignInLink(ctx context.Context, who string) (SignInLink, error) {
	code, expires, err := w.cfg.Steward.CreateLink(ctx, who)
	if err != nil {
		return SignInLink{}, err
	}
	return SignInLink{URL: w.cfg.Base + "/sign-in?" + url.Values{"code": {code}}.Encode(), Expires: expires}, nil
}

func (w *Web) adminSignInLink(rw http.ResponseWriter, r *http.Request) error {
	var body struct {
		For string `json:"for"`
	}
	if err := readJSON(rw, r, maxCommand, &body); err != nil {
		return err
	}
	link, err := w.SignInLink(r.Context(), body.For)
	if err != nil {
		return err
	}
	return sendJSON(rw, http.StatusCreated, link)
}

// adminBackup streams a backup. It is checked for wholeness by its own
// trailer: an error half way can no longer change the status.
func (w *Web) adminBackup(rw http.ResponseWriter, r *http.Request) error {
	if w.cfg.Backup == nil {
		return unavailable("backups")
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	out := &counted{Writer: rw}
	err := w.cfg.Backup(r.Context(), out)
	if err != nil && out.n > 0 {
		w.cfg.Logger.Error("a backup broke off", "error", err)
		panic(http.ErrAbortHandler) // so that the reader sees that it broke off
	}
	return err
}

// counted knows whether anything was written.
type counted struct {
	io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

func (w *Web) adminReindex(rw http.ResponseWriter, r *http.Request) error {
	if w.cfg.Reindex == nil {
		return unavailable("rebuilding the index")
	}
	return done(rw, w.cfg.Reindex(r.Context()))
}

// done answers a command that has nothing to say.
func done(rw http.ResponseWriter, err error) error {
	if err == nil {
		rw.WriteHeader(http.StatusNoContent)
	}
	return err
}

func unavailable(what string) error {
	return protocol.Errorf("run command", protocol.Unavailable, "", "%s cannot be used just now; start the node with: waypost serve", what)
}
