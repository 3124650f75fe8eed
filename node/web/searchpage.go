package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// searchView is the search page: the form, what it found, and ways to find
// less or more.
type searchView struct {
	Form     form
	Errors   []protocol.FieldError
	Asked    bool // whether anything was asked for at all
	Heading  string
	Total    int
	AtLeast  bool
	Rows     []row
	Notes    []string
	Chosen   []choice // filters that are on, but for the kinds; the link takes each off
	Kinds    []choice
	Facets   []facet
	Sorts    []choice
	Silent   []search.Silent
	Page     int
	Pages    int
	Previous string
	Next     string
	Ideas    []choice // when nothing was found: searches that find something
}

// facet is a list of choices under a heading.
type facet struct {
	ID, Heading string
	Choices     []choice
}

// choice is a link to another search.
type choice struct {
	Label  string
	Count  int
	URL    string
	On     bool
	Indent bool
	Class  string
}

// serveSearch answers a search as a page or as JSON.
func (w *Web) serveSearch(rw http.ResponseWriter, r *http.Request) error {
	vary(rw)
	values := r.URL.Query()
	inJSON := negotiate(r, asPage, asJSON) == asJSON
	q, err := protocol.ParseQuery(values)
	if err != nil {
		if inJSON {
			return err
		}
		return w.searchPage(rw, r, http.StatusBadRequest, searchView{Form: formOf(values, fieldsOf(err)), Errors: fieldsOf(err),
			Heading: "Please check what you typed"})
	}
	q.Community = w.cidOf(q.Community)
	answer, err := w.cfg.Search.Search(r.Context(), q)
	if err != nil {
		return err
	}
	if inJSON {
		openToAll(rw)
		return sendJSON(rw, http.StatusOK, answer)
	}
	v := w.searchViewOf(values, answer)
	if answer.Total == 0 {
		if v.Ideas, err = w.ideas(r.Context(), values, answer.Query); err != nil {
			return err
		}
	}
	return w.searchPage(rw, r, http.StatusOK, v)
}

// cidOf turns the handle of a hosted community into its cid; all else is the
// searcher's to understand.
func (w *Web) cidOf(community string) string {
	if c, ok := w.cfg.Directory.HostedByHandle(community); ok {
		return c.CID
	}
	return community
}

func (w *Web) searchPage(rw http.ResponseWriter, r *http.Request, status int, v searchView) error {
	title := "Search"
	if v.Asked || len(v.Errors) > 0 {
		title = v.Heading + " – search"
	}
	return w.render(rw, r, "search", page{Title: title, NoIndex: true, Nav: "search", Status: status, Body: v,
		JSON:        r.URL.RequestURI(),
		Description: "Search events, offers of help, needs, volunteers, venues and resources."})
}

func (w *Web) searchViewOf(values url.Values, a search.Answer) searchView {
	v := searchView{
		Form: formOf(values, nil), Asked: asked(values), Total: a.Total, AtLeast: a.AtLeast, Rows: w.rowsOf(a.Results),
		Notes: a.Notes, Silent: a.Silent, Page: a.Query.Page,
		Chosen: notKinds(w.chosen(values)), Kinds: kindChips(values, a.Facets[search.FacetKind]), Facets: w.facets(values, a.Facets),
		Heading: headingOf(values, a),
	}
	v.Form.resolve(a.Query)
	v.Pages = min((a.Total+a.Query.PerPage-1)/a.Query.PerPage, protocol.MaxPage)
	if a.Query.Page > 1 {
		v.Previous = pageURL(values, a.Query.Page-1)
	}
	if a.Next != "" {
		v.Next = pageURL(values, a.Query.Page+1)
	}
	if a.Total > 1 {
		v.Sorts = sorts(values, a.Query)
	}
	return v
}

// notKinds leaves out the kinds, which have their chips already.
func notKinds(list []choice) []choice {
	return slices.DeleteFunc(list, func(c choice) bool { return c.Class == "kind" })
}

// headingOf says what was found, and for what: "12 results for “tablet” near
// Bexleyheath".
func headingOf(values url.Values, a search.Answer) string {
	s := count(a.Total, "result", "results")
	switch {
	case a.Total == 0:
		s = "Nothing found"
	case a.AtLeast:
		s = "At least " + s
	}
	if a.Query.Text != "" {
		s += " for “" + clip(a.Query.Text, 60) + "”"
	}
	if a.Query.Near != "" && a.Query.Point != nil {
		s += " within " + tenths(a.Query.Within) + " km of " + clip(a.Query.Near, 40)
	}
	return s
}

// ideas are searches close to one that found nothing, of which each finds
// something: an empty page must not be a dead end.
func (w *Web) ideas(ctx context.Context, values url.Values, q protocol.Query) ([]choice, error) {
	var ideas []choice
	for _, idea := range w.variations(values, q) {
		v, err := url.ParseQuery(idea.URL)
		if err != nil {
			continue
		}
		variant, err := protocol.ParseQuery(v)
		if err != nil {
			continue
		}
		variant.PerPage, variant.Community = 1, w.cidOf(variant.Community)
		answer, err := w.cfg.Search.Search(ctx, variant)
		if err != nil {
			return nil, err
		}
		if answer.Total > 0 {
			idea.Count, idea.URL = answer.Total, "/search?"+idea.URL
			ideas = append(ideas, idea)
		}
		if len(ideas) == maxIdeas {
			break
		}
	}
	return ideas, nil
}

const maxIdeas = 5

// variations loosen a search one step at a time, those closest to what was
// meant first. The URL is the query string alone.
func (w *Web) variations(values url.Values, q protocol.Query) []choice {
	var list []choice
	add := func(label string, change func(url.Values)) {
		v := without(values, "page")
		change(v)
		list = append(list, choice{Label: label, URL: v.Encode()})
	}
	if q.Point != nil {
		for _, km := range []string{"25", "50", "100"} {
			if wider(km, q.Within) {
				add("Look within "+km+" km", func(v url.Values) { v.Set("within", km) })
				break
			}
		}
		add("Look for help online or by phone", func(v url.Values) {
			v.Del("near")
			v.Del("within")
			v["mode"] = []string{"online", "self-paced", "phone"}
		})
	}
	for _, on := range w.chosen(values) {
		if u, err := url.Parse(on.URL); err == nil {
			list = append(list, choice{Label: "Leave out “" + on.Label + "”", URL: u.RawQuery})
		}
	}
	if q.Text != "" && len(values) > 1 {
		list = append(list, choice{Label: "Look for “" + clip(q.Text, 40) + "” everywhere, of every kind", URL: url.Values{"q": {q.Text}}.Encode()})
	}
	if q.Text != "" {
		add("Leave out the words “"+clip(q.Text, 40)+"”", func(v url.Values) { v.Del("q") })
	}
	return list
}

func (w *Web) emptyForm() form { return formOf(url.Values{}, nil) }
