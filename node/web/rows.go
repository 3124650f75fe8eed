package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// row is one listing in a list.
type row struct {
	Kind         protocol.Kind // empty where a heading says it
	Title        string
	URL          string
	Language     string
	Summary      string
	Status       string // "Cancelled" or "Postponed"; else empty
	When         string // absolute
	Where        string
	Away         string // how far; empty when not asked for
	Free         bool
	Repeats      bool
	Community    string // empty where the page says it
	CommunityURL string
	Node         string
	Own          bool   // published by this node
	Confirmed    string // "confirmed 3 days ago"
	Why          string // which of the words were found where
}

// rowOf puts a hit into words. The link stays on this node, which has a copy
// even while the origin is away.
func (w *Web) rowOf(h *search.Hit) row {
	r := row{
		Kind: h.Kind, Title: h.Title, URL: listingURL(h.UID, h.Community.CID, h.Own), Language: h.Language,
		Summary: clip(h.Summary, 180), Free: h.Free, Repeats: h.Recurrence != "",
		When: moment(h.Start, h.End, h.Timezone, true), Where: where(h.Place, h.Modes),
		Community: h.Community.Name, CommunityURL: w.communityURL(h.Community.CID), Node: h.Node,
		Own: h.Own, Confirmed: w.confirmed(h.ConfirmedAt),
	}
	if h.Status == "cancelled" || h.Status == "postponed" {
		r.Status = protocol.Label(protocol.Statuses(), h.Status)
	}
	if r.When != "" && h.Timezone != "" && h.Timezone != "Europe/London" {
		r.When += ", " + zoneWords(h.Timezone)
	}
	if h.Distance != nil {
		r.Away = away(*h.Distance)
		if h.Nearby {
			r.Away = "from a community " + r.Away
		}
	}
	if why, _, _ := strings.Cut(h.Why, " · "); strings.HasPrefix(why, "matches ") {
		r.Why = why
	}
	return r
}

func (w *Web) rowsOf(hits []search.Hit) []row {
	rows := make([]row, len(hits))
	for i := range hits {
		rows[i] = w.rowOf(&hits[i])
	}
	return rows
}

// where is a listing's place in one line, or how else to get it: "Welling, or
// online", "at a centre or at your home".
func where(p *protocol.Place, modes []string) string {
	place := p.Line()
	var ways []string
	for _, m := range modes {
		way := map[string]string{"online": "online", "self-paced": "online, in your own time", "home-visit": "at your home", "phone": "by phone"}[m]
		if way == "" && place == "" && strings.HasPrefix(m, "centre-") {
			way = "at a centre"
		}
		if way != "" && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	line := strings.Join(ways, " or ")
	switch {
	case place == "" && line == "":
		return ""
	case place == "":
		return capital(line)
	case line == "":
		return place
	}
	return place + ", or " + line
}

// listingURL is a listing's page here. Two communities could claim one uid, so
// a learned one says which is meant.
func listingURL(uid, cid string, own bool) string {
	u := "/listings/" + url.PathEscape(uid)
	if own {
		return u
	}
	return u + "?cid=" + url.QueryEscape(cid)
}

// communityURL is a community's page here; empty when it is not known.
func (w *Web) communityURL(cid string) string {
	c, ok := w.cfg.Directory.Community(cid)
	if !ok {
		return ""
	}
	return communityPath(c)
}

func communityPath(c protocol.Community) string {
	if c.Hosted {
		return "/c/" + url.PathEscape(c.Handle)
	}
	return "/c/" + url.PathEscape(c.CID)
}
