package search

import (
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Answer is what a search found: the JSON of /search.
type Answer struct {
	Query   protocol.Query `json:"query"`              // as it was understood: near resolved, page filled in
	Total   int            `json:"total"`              // matches on all pages
	AtLeast bool           `json:"at_least,omitempty"` // there may be more than Total; the words are very common
	Results []Hit          `json:"results"`            // this page of them
	Facets  Facets         `json:"facets"`
	Silent  []Silent       `json:"silent"`          // nodes that were asked and did not answer
	Next    string         `json:"next"`            // address of the next page; empty on the last
	Notes   []string       `json:"notes,omitempty"` // for the visitor: what was changed in the search, and what to do
}

// Hit is one listing found.
type Hit struct {
	UID         string          `json:"uid"`
	Kind        protocol.Kind   `json:"kind"`
	Title       string          `json:"title"`
	Summary     string          `json:"summary"`
	URL         string          `json:"url"`
	Community   Community       `json:"community"`
	Node        string          `json:"node"` // host that publishes it
	Place       *protocol.Place `json:"place,omitempty"`
	Distance    *float64        `json:"distance_km,omitempty"` // from near, to 100 m; see Nearby
	Start       time.Time       `json:"start,omitzero"`        // of a recurring listing: the next time within the search's dates
	End         time.Time       `json:"end,omitzero"`
	Categories  []string        `json:"categories"`
	Modes       []string        `json:"modes"`
	ConfirmedAt time.Time       `json:"confirmed_at,omitzero"`
	Provenance  string          `json:"provenance"`
	Why         string          `json:"why"` // in plain words, for people

	Timezone   string `json:"timezone,omitempty"`
	Recurrence string `json:"recurrence,omitempty"`
	Status     string `json:"status,omitempty"`
	Format     string `json:"format,omitempty"`
	Language   string `json:"language,omitempty"`
	Free       bool   `json:"free,omitempty"`
	Object     string `json:"object,omitempty"` // IRI of the ActivityPub object

	// Nearby says that the listing has no point of its own, so that Distance
	// is to its community's place.
	Nearby bool `json:"nearby,omitempty"`
	Own    bool `json:"-"` // published by this node
}

// Cancelled reports whether the hit is an event that will not take place. It
// is shown all the same, so that nobody travels in vain.
func (h *Hit) Cancelled() bool { return h.Status == "cancelled" }

// Community is the community behind a hit. When the node does not know it
// (any more), Name is the host that the hit came from.
type Community struct {
	Name   string `json:"name"`
	Handle string `json:"handle"`
	URL    string `json:"url"`
	CID    string `json:"cid"`
}

// Silent is a node that was asked and did not answer.
type Silent struct {
	Node   string    `json:"node"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason"`
}

// Facets counts by facet and word, such as ["kind"]["event"]. Each number is
// what the search would find with that word in place of the facet's own
// choice and all other filters as they are. Words that would find nothing are
// absent. Communities are counted by cid.
type Facets map[string]map[string]int

// The facets.
const (
	FacetKind      = "kind"
	FacetCategory  = "category" // protocol.SkillsSupport counts its four children
	FacetMode      = "mode"
	FacetCommunity = "community"
)

// NewHit returns the part of a hit that does not depend on the query.
func NewHit(d *Doc) Hit {
	l := &d.Listing
	return Hit{
		UID: l.UID, Kind: l.Kind, Title: l.Title, Summary: l.Summary, URL: d.URL,
		Community: Community{CID: l.CID}, Node: d.Node, Place: l.Place,
		Start: l.Start, End: l.End, Categories: list(l.Categories), Modes: list(l.Modes),
		ConfirmedAt: d.ConfirmedAt, Provenance: d.Provenance,
		Timezone: l.Timezone, Recurrence: l.Recurrence, Status: l.Status, Format: l.Format,
		Language: l.Language, Free: l.Cost != nil && l.Cost.Free, Object: d.Object, Own: d.Own,
	}
}

// list keeps an empty list from becoming null in JSON.
func list(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}

// FillCommunity sets the hit's community from what the node knows now.
func (h *Hit) FillCommunity(known Communities) {
	h.Community.Name = h.Node
	if known == nil {
		return
	}
	if c, ok := known.Community(h.Community.CID); ok {
		h.Community = Community{Name: c.Name, Handle: c.Handle, URL: c.URL, CID: c.CID}
	}
}

// Paged fills in the query's page and page size and keeps both within bounds.
func Paged(q protocol.Query) protocol.Query {
	q.Page = min(max(q.Page, 1), protocol.MaxPage)
	if q.PerPage <= 0 {
		q.PerPage = protocol.DefaultPerPage
	}
	q.PerPage = min(q.PerPage, protocol.MaxPerPage)
	return q
}

// NextPage is the address of the page after q's, empty when there is none.
func NextPage(q protocol.Query, total int) string {
	if q.Page*q.PerPage >= total || q.Page >= protocol.MaxPage {
		return ""
	}
	q.Page++
	return "/search?" + q.Values().Encode()
}
