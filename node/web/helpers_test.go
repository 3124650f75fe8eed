package web_test

import (
	"context"
	"errors"
	"strconv"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

type webConfig = web.Config

func itoa(n int) string { return strconv.Itoa(n) }

func notReady(context.Context) error { return errors.New("the store is closed") }

// broken is a searcher that fails.
type broken struct{}

func (broken) Search(_ context.Context, q protocol.Query) (search.Answer, error) {
	if q.Text == "panic" {
		panic("secret detail")
	}
	return search.Answer{}, protocol.Errorf("search", protocol.Unavailable, "", "secret detail")
}

// hostileSearcher finds one listing of each kind whose every word is a
// stranger's.
type hostileSearcher struct{ text string }

func (s *hostileSearcher) Search(_ context.Context, q protocol.Query) (search.Answer, error) {
	a := search.Answer{Query: search.Paged(q), Facets: search.Facets{search.FacetKind: {}}, Notes: []string{s.text},
		Silent: []search.Silent{{Node: s.text, Reason: s.text}}, Total: 100, Next: s.text}
	for _, k := range protocol.Kinds() {
		a.Facets[search.FacetKind][k.Key] = 1
		a.Results = append(a.Results, search.Hit{UID: s.text, Kind: protocol.Kind(k.Key), Title: s.text, Summary: s.text, URL: s.text,
			Community: search.Community{Name: s.text, Handle: s.text, URL: s.text, CID: s.text}, Node: s.text,
			Place: &protocol.Place{Name: s.text}, Status: s.text, Format: s.text, Language: s.text, Timezone: s.text,
			Why: "matches " + s.text})
	}
	return a, nil
}
