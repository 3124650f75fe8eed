package web

import (
	"net/url"
	"slices"
	"sort"
	"strconv"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// chosen are the filters that are on, each with the search without it.
func (w *Web) chosen(v url.Values) []choice {
	var list []choice
	off := func(name, value, label string) {
		list = append(list, choice{Label: label, URL: withoutOne(v, name, value), Class: name})
	}
	terms := map[string][]protocol.Term{
		"kind": protocol.Kinds(), "mode": protocol.Modes(), "format": protocol.Formats(),
		"category": append(protocol.Categories(), protocol.Term{Key: protocol.SkillsSupport, Label: "Skills support"}),
	}
	for _, name := range []string{"kind", "category", "mode", "format"} {
		for _, value := range chosenOf(v, name) {
			off(name, value, protocol.Label(terms[name], value))
		}
	}
	for _, value := range chosenOf(v, "access") {
		off("access", value, openWord(value))
	}
	single := func(name, label string) {
		if v.Get(name) != "" {
			list = append(list, choice{Label: label, URL: with(v, name, "")})
		}
	}
	single("free", "free")
	single("from", "from "+dayWords(dayOf(v.Get("from"), false)))
	single("to", "until "+dayWords(dayOf(v.Get("to"), true)))
	single("topic", "topic: "+clip(v.Get("topic"), 40))
	single("audience", "for: "+clip(v.Get("audience"), 40))
	single("community", w.communityName(v.Get("community")))
	single("area", "area "+clip(v.Get("area"), 20))
	if v.Get("near") != "" {
		list = append(list, choice{Label: "near " + clip(v.Get("near"), 40), URL: "/search?" + without(v, "near", "within", "page").Encode()})
	}
	return list
}

// withoutOne is the search without one of a parameter's values.
func withoutOne(v url.Values, name, value string) string {
	kept := without(v, name, "page")
	for _, other := range chosenOf(v, name) {
		if other != value {
			kept.Add(name, other)
		}
	}
	return "/search?" + kept.Encode()
}

// dayWords is a date as people write it; a wrong one stays as it is.
func dayWords(day string) string {
	t, err := protocol.Date(day).Time()
	if err != nil {
		return day
	}
	return t.Format("2 January 2006")
}

func (w *Web) communityName(s string) string {
	if c, ok := w.cfg.Directory.Community(w.cidOf(s)); ok {
		return c.Name
	}
	return clip(s, 30)
}

// kindChoices are the kinds that there is something of, for the first page.
func kindChoices(counts map[string]int) []choice { return kindChips(url.Values{}, counts) }

// kindChips are the kinds with their numbers, above the results. The link of
// one that is on takes it off.
func kindChips(v url.Values, counts map[string]int) []choice {
	on := chosenOf(v, "kind")
	var list []choice
	for _, t := range protocol.Kinds() {
		if n := counts[t.Key]; n > 0 || slices.Contains(on, t.Key) {
			c := choice{Label: plural(protocol.Kind(t.Key)), Count: n, URL: with(v, "kind", t.Key), Class: t.Key}
			if c.On = slices.Contains(on, t.Key); c.On {
				c.URL = withoutOne(v, "kind", t.Key)
			}
			list = append(list, c)
		}
	}
	return list
}

// facets are the further ways to narrow a search down.
func (w *Web) facets(v url.Values, f search.Facets) []facet {
	categories := []protocol.Term{{Key: protocol.SkillsSupport, Label: "Skills support"}}
	for _, t := range protocol.Categories() {
		if t.Parent == "" {
			categories = append(categories, t)
		}
	}
	var skills []protocol.Term
	for _, t := range protocol.Categories() {
		if t.Parent != "" {
			skills = append(skills, t)
		}
	}
	categories = append(categories[:1], append(skills, categories[1:]...)...)
	list := []facet{
		{"category", "Sort of help", choices(v, "category", categories, f[search.FacetCategory])},
		{"mode", "How it is given", choices(v, "mode", protocol.Modes(), f[search.FacetMode])},
		{"community", "Community", w.communityChoices(v, f[search.FacetCommunity])},
	}
	return slices.DeleteFunc(list, func(f facet) bool { return len(f.Choices) == 0 })
}

func choices(v url.Values, name string, terms []protocol.Term, counts map[string]int) []choice {
	on := chosenOf(v, name)
	var list []choice
	for _, t := range terms {
		if n := counts[t.Key]; n > 0 {
			list = append(list, choice{Label: t.Label, Count: n, URL: with(v, name, t.Key), On: slices.Contains(on, t.Key), Indent: t.Parent != ""})
		}
	}
	return list
}

const maxCommunityChoices = 10

func (w *Web) communityChoices(v url.Values, counts map[string]int) []choice {
	var list []choice
	on := w.cidOf(v.Get("community"))
	for cid, n := range counts {
		if c, ok := w.cfg.Directory.Community(cid); ok {
			list = append(list, choice{Label: c.Name, Count: n, URL: with(v, "community", cid), On: on == cid})
		}
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Count != list[j].Count {
			return list[i].Count > list[j].Count
		}
		return list[i].Label < list[j].Label
	})
	return list[:min(len(list), maxCommunityChoices)]
}

// sorts are the orders to choose from; the one that came about is on.
func sorts(v url.Values, q protocol.Query) []choice {
	current := q.Sort
	if current == "" || current == "distance" && q.Point == nil {
		current = "relevance"
	}
	list := []choice{{Label: "Soonest first", URL: with(v, "sort", "date"), On: current == "date"}}
	if q.Point != nil {
		list = append([]choice{{Label: "Nearest first", URL: with(v, "sort", "distance"), On: current == "distance" || current == "relevance" && q.Text == ""}}, list...)
	}
	if q.Text != "" {
		list = append([]choice{{Label: "Best match", URL: with(v, "sort", ""), On: current == "relevance"}}, list...)
	}
	if len(list) == 1 {
		return nil
	}
	return list
}

func wider(km string, than float64) bool {
	n, err := strconv.ParseFloat(km, 64)
	return err == nil && n > than
}
