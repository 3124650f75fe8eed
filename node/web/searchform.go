package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// form is the search form as it is to be shown: what was typed, right or
// wrong.
type form struct {
	Q, Near, From, To string
	Within            []option
	Kinds             []option
	Categories        []option
	Modes             []option
	Free, StepFree    bool
	Hidden            []hidden // choices that the form has no field for
	Open              bool     // whether the further choices are unfolded
	Errors            map[string]string
}

type option struct {
	Value, Label string
	On           bool
}

type hidden struct{ Name, Value string }

// radii are the distances to choose from, in km, with the miles that people
// think in.
var radii = [...]struct{ value, label string }{
	{"1", "1 km"}, {"2", "2 km"}, {"5", "5 km (3 mi)"}, {"10", "10 km (6 mi)"},
	{"25", "25 km (15 mi)"}, {"50", "50 km (30 mi)"}, {"100", "100 km (60 mi)"},
}

func formOf(v url.Values, wrong []protocol.FieldError) form {
	f := form{Q: v.Get("q"), Near: v.Get("near"), From: dayOf(v.Get("from"), false), To: dayOf(v.Get("to"), true),
		Free:   v.Get("free") == "1" || v.Get("free") == "true" || v.Get("free") == "on",
		Errors: map[string]string{}}
	for _, e := range wrong {
		f.Errors[e.Field] = e.Problem
	}
	within := v.Get("within")
	if within == "" {
		within = strconv.FormatFloat(protocol.DefaultWithin, 'f', -1, 64)
	}
	f.Within = radiusOptions(within)
	f.Kinds = options("Anything", protocol.Kinds(), chosenOf(v, "kind"))
	skills := protocol.Term{Key: protocol.SkillsSupport, Label: "Skills support, all four sorts"}
	f.Categories = options("Any sort of help", append([]protocol.Term{skills}, protocol.Categories()...), chosenOf(v, "category"))
	f.Modes = options("Any way", protocol.Modes(), chosenOf(v, "mode"))
	f.hide(v)
	for _, field := range []string{"kind", "category", "mode", "from", "to", "free", "access"} {
		f.Open = f.Open || f.Errors[field] != "" // those that are on stand above the results
	}
	return f
}

// hide carries on what was chosen by links and has no field of its own.
func (f *form) hide(v url.Values) {
	for _, word := range chosenOf(v, "access") {
		if word == "step-free" {
			f.StepFree = true
			continue
		}
		f.Hidden = append(f.Hidden, hidden{"access", word})
	}
	for _, name := range []string{"format", "topic", "audience", "community", "area", "sort"} {
		for _, value := range v[name] {
			if value != "" {
				f.Hidden = append(f.Hidden, hidden{name, value})
			}
		}
	}
}

// resolve shows the radius that was searched.
func (f *form) resolve(q protocol.Query) {
	if q.Within > 0 {
		f.Within = radiusOptions(strconv.FormatFloat(q.Within, 'f', -1, 64))
	}
}

func radiusOptions(current string) []option {
	current = strings.TrimSpace(strings.TrimSuffix(current, "km"))
	var list []option
	found := false
	for _, r := range radii {
		list = append(list, option{r.value, r.label, r.value == current})
		found = found || r.value == current
	}
	if _, err := strconv.ParseFloat(current, 64); err == nil && !found {
		list = append(list, option{current, current + " km", true})
	} else if !found {
		return radiusOptions(strconv.FormatFloat(protocol.DefaultWithin, 'f', -1, 64))
	}
	return list
}

// options are the entries of a selection. Several chosen at once, which links
// can do, are one entry of their own, so that the form loses nothing.
func options(any string, terms []protocol.Term, chosen []string) []option {
	list := []option{{"", any, len(chosen) == 0}}
	if len(chosen) > 1 {
		list = append(list, option{strings.Join(chosen, ","), strings.Join(labels(terms, chosen), ", "), true})
	}
	for _, t := range terms {
		list = append(list, option{t.Key, t.Label, len(chosen) == 1 && chosen[0] == t.Key})
	}
	return list
}

// chosenOf are the values of a parameter that may be given several times or
// once with commas.
func chosenOf(v url.Values, name string) []string {
	var list []string
	for _, s := range v[name] {
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" && !slices.Contains(list, part) {
				list = append(list, part)
			}
		}
	}
	return list
}

// dayOf is a date for a date field; links carry moments, too. The end of a
// range is midnight after its last day.
func dayOf(s string, end bool) string {
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(s))
	if err != nil {
		return s
	}
	if end {
		t = t.Add(-time.Nanosecond)
	}
	return t.UTC().Format(time.DateOnly)
}

// without copies the parameters that have a value, but for some.
func without(v url.Values, names ...string) url.Values {
	kept := url.Values{}
	for name, values := range v {
		if slices.Contains(names, name) {
			continue
		}
		for _, value := range values {
			if value != "" {
				kept.Add(name, value)
			}
		}
	}
	return kept
}

// with copies the parameters with one set anew, on the first page.
func with(v url.Values, name, value string) string {
	kept := without(v, name, "page")
	if value != "" {
		kept.Set(name, value)
	}
	if len(kept) == 0 {
		return "/search"
	}
	return "/search?" + kept.Encode()
}

func pageURL(v url.Values, n int) string {
	kept := without(v, "page")
	kept.Set("page", strconv.Itoa(n))
	return "/search?" + kept.Encode()
}

// asked reports whether a search has anything in it.
func asked(v url.Values) bool { return len(without(v, "page", "per_page", "sort", "within")) > 0 }
