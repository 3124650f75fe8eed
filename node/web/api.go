package web

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/protocol"
)

//go:embed openapi.json
var openAPI []byte

// apiRoutes adds /api/v1. Bearer tokens guard its writes, which no browser
// sends by itself, so that requests from other sites need no further guard.
func (w *Web) apiRoutes(root *mux.Router) {
	r := root.PathPrefix("/api/v1").Subrouter()
	desk{w: w, allow: w.allowToken}.routes(r, w.serve)
	r.Handle("/communities", w.serve(w.apiCommunities)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/openapi.json", w.serve(w.serveOpenAPI)).Methods(http.MethodGet, http.MethodHead)
}

// allowToken lets everybody read what is public. Without a token nothing can
// be written; a wrong token is refused for reading, too, so that its owner
// learns of it.
func (w *Web) allowToken(r *http.Request, write bool) (reach, error) {
	secret, given := bearer(r)
	if !given {
		if write {
			return seesPublic, protocol.Errorf("check token", protocol.Unverified, "", "a token is needed; send the header Authorization: Bearer wp_… (stewards make one with: waypost token create)")
		}
		return seesPublic, nil
	}
	_, err := w.cfg.Steward.CheckToken(r.Context(), secret, steward.ScopeListingsWrite)
	if err == nil {
		return seesAll, nil
	}
	if write || protocol.KindOf(err) != protocol.Forbidden {
		return seesPublic, err
	}
	if _, err = w.cfg.Steward.CheckToken(r.Context(), secret, steward.ScopeCoordinatorsRead); err != nil {
		return seesPublic, err
	}
	return seesCoordinators, nil
}

// expired reports whether a listing has run out, so that nobody is shown it.
func (w *Web) expired(l *protocol.Listing) bool {
	end := l.Expires()
	return !end.IsZero() && !w.cfg.Now().Before(end)
}

// bearer reads the token of a request (RFC 6750 §2.1).
func bearer(r *http.Request) (secret string, given bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", false
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true // some other sort of password: refused, not overlooked
	}
	return strings.TrimSpace(secret), true
}

// communityList is the answer of /communities.
type communityList struct {
	Communities []communityEntry `json:"communities"`
}

// communityEntry is a community in a list.
type communityEntry struct {
	protocol.Community
	Address string `json:"address"` // @handle@host
	Node    string `json:"node"`    // host that it lives on
}

func (w *Web) communityList() communityList {
	entries := []communityEntry{}
	for _, c := range w.cfg.Directory.Communities() {
		entries = append(entries, communityEntry{Community: c, Address: address(c), Node: hostOf(c.Actor)})
	}
	return communityList{entries}
}

func (w *Web) apiCommunities(rw http.ResponseWriter, _ *http.Request) error {
	openToAll(rw)
	return sendJSON(rw, http.StatusOK, w.communityList())
}

func (w *Web) serveOpenAPI(rw http.ResponseWriter, _ *http.Request) error {
	openToAll(rw)
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = rw.Write(openAPI)
	return nil
}
