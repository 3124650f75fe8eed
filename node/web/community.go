package web

import (
	"net/http"
	"net/url"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// communityView is a community's page: who it is, how to follow it, and what
// it has and needs.
type communityView struct {
	Community protocol.Community
	Address   string // @handle@host
	Node      string
	Origin    string // its own page, when another node hosts it
	Groups    []group
	Total     int
	SearchURL string
}

// group is some of a community's listings of one kind.
type group struct {
	Kind    protocol.Kind
	Heading string
	Total   int
	Rows    []row
	More    string // search for all of them; empty when all are shown
}

// communityJSON is the same page for programs.
type communityJSON struct {
	protocol.Community
	Address  string         `json:"address"`  // @handle@host
	Node     string         `json:"node"`     // host that it lives on
	Listings map[string]int `json:"listings"` // public listings by kind
	Search   string         `json:"search"`   // where to read them
}

const rowsAGroup = 5

// serveCommunity shows a community: those that live here by handle, those
// learned of by cid.
func (w *Web) serveCommunity(rw http.ResponseWriter, r *http.Request) error {
	vary(rw)
	c, err := w.communityOf(mux.Vars(r)["community"])
	if err != nil {
		return err
	}
	if path := communityPath(c); path != r.URL.Path {
		http.Redirect(rw, r, path, http.StatusSeeOther)
		return nil
	}
	as := negotiate(r, asPage, asActivity, asJSON)
	if as == asActivity && c.Hosted {
		http.Redirect(rw, r, c.Actor, http.StatusSeeOther)
		return nil
	}
	all, err := w.cfg.Search.Search(r.Context(), protocol.Query{Community: c.CID, PerPage: 1})
	if err != nil {
		return err
	}
	searchURL := "/search?" + url.Values{"community": {firstOf(ownHandle(c), c.CID)}}.Encode()
	if as == asJSON {
		openToAll(rw)
		return sendJSON(rw, http.StatusOK, communityJSON{Community: c, Address: address(c), Node: hostOf(c.Actor),
			Listings: all.Facets[search.FacetKind], Search: w.cfg.Base + searchURL})
	}
	v := communityView{Community: c, Address: address(c), Node: hostOf(c.Actor), Total: all.Total, SearchURL: searchURL}
	if !c.Hosted && protocol.Origin(c.URL) == protocol.Origin(c.Actor) {
		v.Origin = c.URL
	}
	if v.Groups, err = w.groups(r, c, all.Facets[search.FacetKind], searchURL); err != nil {
		return err
	}
	p := page{Title: c.Name, Body: v, NoIndex: !c.Hosted, JSON: communityPath(c),
		Description: firstOf(clip(c.Summary, 200), c.Name+" on Waypost")}
	if c.Hosted {
		p.Canonical, p.Activity = w.cfg.Base+communityPath(c), c.Actor
	}
	return w.render(rw, r, "community", p)
}

func ownHandle(c protocol.Community) string {
	if c.Hosted {
		return c.Handle
	}
	return ""
}

func (w *Web) communityOf(name string) (protocol.Community, error) {
	if c, ok := w.cfg.Directory.HostedByHandle(name); ok {
		return c, nil
	}
	if c, ok := w.cfg.Directory.Community(name); ok {
		return c, nil
	}
	return protocol.Community{}, protocol.Errorf("find community", protocol.NotFound, name, "this node knows no such community")
}

func (w *Web) groups(r *http.Request, c protocol.Community, counts map[string]int, searchURL string) ([]group, error) {
	var groups []group
	for _, t := range protocol.Kinds() {
		kind := protocol.Kind(t.Key)
		if counts[t.Key] == 0 {
			continue
		}
		answer, err := w.cfg.Search.Search(r.Context(), protocol.Query{Community: c.CID, Kinds: []protocol.Kind{kind}, PerPage: rowsAGroup})
		if err != nil {
			return nil, err
		}
		g := group{Kind: kind, Heading: plural(kind), Total: answer.Total, Rows: w.rowsOf(answer.Results)}
		for i := range g.Rows {
			g.Rows[i].Kind, g.Rows[i].Community = "", ""
		}
		if answer.Total > len(g.Rows) {
			g.More = searchURL + "&kind=" + t.Key
		}
		groups = append(groups, g)
	}
	return groups, nil
}
