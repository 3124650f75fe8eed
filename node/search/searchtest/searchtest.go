// Package searchtest holds what every search index must do, whatever it is
// built on: call [Run] from a driver's tests. It also invents listings in any
// number ([Listings]) and the searches to measure over them ([Queries]).
package searchtest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// World is what an index under test must be opened with.
type World struct {
	Now         func() time.Time
	Communities search.Communities
}

// Run runs the suite. Open opens an empty index in world; the suite closes it.
func Run(t *testing.T, open func(t *testing.T, world World) search.Index) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *bench)
	}{
		{"finds", testFinds},
		{"sorts", testSorts},
		{"facets", testFacets},
		{"pages", testPages},
		{"answer as JSON", testJSON},
		{"why", testWhy},
		{"next time of a recurring event", testNextTime},
		{"unknown place is no dead end", testUnknownPlace},
		{"unknown words are left out", testUnknownWords},
		{"any text is a search", testAnyText},
		{"time passes", testTimePasses},
		{"changes replace and remove", testChanges},
		{"one uid in two communities", testSameUID},
		{"a failed apply changes nothing", testFailedApply},
		{"reset", testReset},
		{"searching while changing", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &bench{now: Base()}
			s.index = open(t, World{Now: s.clock, Communities: communities()})
			defer func() {
				if err := s.index.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			var changes []search.Change
			for _, l := range suite() {
				changes = append(changes, l.change())
			}
			s.apply(t, uint64(len(changes)), changes...)
			test.run(t, s)
		})
	}
}

// bench is an index with the suite's listings in it and a clock.
type bench struct {
	index search.Index
	mu    sync.Mutex
	now   time.Time // guarded by mu
}

func (s *bench) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *bench) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *bench) apply(t *testing.T, cursor uint64, changes ...search.Change) {
	t.Helper()
	if err := s.index.Apply(context.Background(), changes, cursor); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func (s *bench) search(t *testing.T, q protocol.Query) search.Answer {
	t.Helper()
	if q.PerPage == 0 {
		q.PerPage = protocol.MaxPerPage
	}
	a, err := s.index.Search(context.Background(), q)
	if err != nil {
		t.Fatalf("search %s: %v", q, err)
	}
	return a
}

// names are the suite's names of hits, in their order.
func names(hits []search.Hit) []string {
	known := map[string]string{}
	for _, l := range suite() {
		known[uidOf(l.name)] = l.name
	}
	out := []string{}
	for _, h := range hits {
		name := known[h.UID]
		if name == "" {
			name = h.Title
		}
		out = append(out, name)
	}
	return out
}

func (s *bench) finds(t *testing.T, q protocol.Query, want ...string) {
	t.Helper()
	a := s.search(t, q)
	got := names(a.Results)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("search %q found\n\t%v, want\n\t%v", q, got, want)
	}
	if a.Total != len(got) {
		t.Errorf("search %q: total = %d, want %d", q, a.Total, len(got))
	}
}

func (s *bench) sorts(t *testing.T, q protocol.Query, want ...string) {
	t.Helper()
	if got := names(s.search(t, q).Results); !slices.Equal(got, want) {
		t.Errorf("search %q is sorted\n\t%v, want\n\t%v", q, got, want)
	}
}

func testFinds(t *testing.T, s *bench) {
	point := &protocol.Point{Lat: 51.4565, Lon: 0.1465}
	for _, c := range []struct {
		name string
		q    protocol.Query
		want []string
	}{
		{"stems", protocol.Query{Text: "spreadsheet"}, []string{"spreadsheets-bexley", "spreadsheets-bristol", "ben", "template"}},
		{"all words", protocol.Query{Text: "spreadsheets treasurers"}, []string{"spreadsheets-bexley"}},
		{"accents do not matter", protocol.Query{Text: "cafe"}, []string{"weekly-cafe"}},
		{"accents typed do not matter", protocol.Query{Text: "tablét dröp-in", Kinds: []protocol.Kind{"event"}}, []string{"tablet-dropin"}},
		{"beginning of the last word", protocol.Query{Text: "spreads"}, []string{"spreadsheets-bexley", "spreadsheets-bristol", "ben", "template"}},
		{"no beginning of other words", protocol.Query{Text: "spreads treasurers gentle"}, []string{"spreadsheets-bexley"}},
		{"half a stemmed word", protocol.Query{Text: "mentor engi"}, []string{"dev"}},
		{"phrase", protocol.Query{Text: `"help desk"`}, []string{"need-helpers"}},
		{"phrase in other order", protocol.Query{Text: `"desk help"`}, nil},
		{"words around what is meant do not count", protocol.Query{Text: "I need help with spreadsheets", Kinds: []protocol.Kind{"event"}}, []string{"spreadsheets-bexley", "spreadsheets-bristol"}},
		{"punctuation separates words", protocol.Query{Text: "treasurers,spreadsheets/gentle"}, []string{"spreadsheets-bexley"}},
		{"small words do not count", protocol.Query{Text: "where can I find a form for the blue badge"}, []string{"blue-badge"}},
		{"topic as text", protocol.Query{Text: "cyber security"}, []string{"case-study"}},
		{"tag as text", protocol.Query{Text: "charityfinance"}, []string{"template"}},
		{"town and postcode as text", protocol.Query{Text: "sidcup"}, []string{"spreadsheets-bexley", "weekly-cafe", "cancelled", "open-offer", "venue-sidcup"}},
		{"community's name as text", protocol.Query{Text: "media mentors", Kinds: []protocol.Kind{"resource"}}, []string{"guide", "recording"}},
		{"champion finds volunteers", protocol.Query{Text: "champions", Kinds: []protocol.Kind{"volunteer"}}, []string{"amina", "ben", "carys", "dev"}},
		{"digital champion", protocol.Query{Text: "digital champion", Community: "techforgood"}, []string{"carys"}},
		{"mentor", protocol.Query{Text: "mentor", Community: "techforgood"}, []string{"carys"}},
		{"skills support as text", protocol.Query{Text: "skills support", Kinds: []protocol.Kind{"resource"}}, []string{"guide", "course", "kit"}},

		{"kind", protocol.Query{Kinds: []protocol.Kind{"venue"}}, []string{"venue-library", "venue-sidcup", "venue-hub", "newport-wales", "newport-wales-2", "newport-wight"}},
		{"two kinds", protocol.Query{Kinds: []protocol.Kind{"need", "volunteer"}}, []string{"need-room", "need-mentors", "need-helpers", "amina", "ben", "carys", "dev"}},
		{"category", protocol.Query{Categories: []string{"risk-mitigation"}}, []string{"site-check", "case-study"}},
		{"skills support is its four children", protocol.Query{Categories: []string{"skills-support"}, Kinds: []protocol.Kind{"event"}}, []string{"spreadsheets-bexley", "spreadsheets-bristol", "weekly-cafe", "on-now", "cancelled", "matching"}},
		{"mode", protocol.Query{Modes: []string{"home-visit", "phone"}}, []string{"home-tablets", "amina", "carys", "phone-line"}},
		{"format", protocol.Query{Formats: []string{"workshop", "peer-circle"}}, []string{"spreadsheets-bexley", "spreadsheets-bristol"}},
		{"topic", protocol.Query{Topic: "spreadsheets"}, []string{"spreadsheets-bexley"}},
		{"topic as people write it", protocol.Query{Topic: "Online Safety"}, []string{"tip"}},
		{"tag as topic", protocol.Query{Topic: "charityfinance"}, []string{"template"}},
		{"audience", protocol.Query{Audience: "older-people"}, []string{"tablet-dropin", "home-tablets"}},
		{"access", protocol.Query{Access: []string{"step-free"}}, []string{"tablet-dropin", "spreadsheets-bexley", "blue-badge", "venue-library"}},
		{"access, all of them", protocol.Query{Access: []string{"step-free", "hearing-loop"}}, []string{"tablet-dropin", "venue-library"}},
		{"access that nobody has", protocol.Query{Access: []string{"step-free", "sauna"}}, nil},
		{"free", protocol.Query{Free: true, Kinds: []protocol.Kind{"event", "venue"}}, []string{"tablet-dropin", "spreadsheets-bexley", "venue-library"}},
		{"community by handle on one host", protocol.Query{Community: "champions@mentors.example", Kinds: []protocol.Kind{"resource"}}, []string{"guide", "recording"}},
		{"community by handle on all hosts", protocol.Query{Community: "Champions", Kinds: []protocol.Kind{"resource"}}, []string{"guide", "recording", "kit"}},
		{"community by cid", protocol.Query{Community: CID(mentors), Kinds: []protocol.Kind{"need"}}, []string{"need-mentors"}},
		{"unknown community", protocol.Query{Community: "nobody"}, nil},
		{"area, its own or its community's", protocol.Query{Area: "e09000004", Kinds: []protocol.Kind{"offer"}}, []string{"home-tablets", "blue-badge", "open-offer", "expiring"}},
		{"unknown area", protocol.Query{Area: "E09999999"}, nil},

		{"near", protocol.Query{Point: point, Within: 1, Kinds: []protocol.Kind{"event", "venue", "resource"}}, []string{"tablet-dropin", "on-now", "venue-library", "kit"}},
		{"near, wider", protocol.Query{Point: point, Within: 5, Kinds: []protocol.Kind{"venue"}}, []string{"venue-library", "venue-sidcup"}},
		{"near, ten km when not said", protocol.Query{Point: point, Kinds: []protocol.Kind{"venue"}}, []string{"venue-library", "venue-sidcup"}},
		{"near counts volunteers where their community is", protocol.Query{Point: point, Within: 5, Kinds: []protocol.Kind{"volunteer"}}, []string{"amina", "ben"}},
		{"near a venue", protocol.Query{Near: "the harbour hub", Within: 2, Kinds: []protocol.Kind{"event"}}, []string{"spreadsheets-bristol", "matching"}},
		{"near a town", protocol.Query{Near: "Bexleyheath", Within: 1, Kinds: []protocol.Kind{"venue"}}, []string{"venue-library"}},
		{"near a town and county", protocol.Query{Near: "Sidcup, Kent", Within: 1, Kinds: []protocol.Kind{"venue"}}, []string{"venue-sidcup"}},
		{"near a postcode", protocol.Query{Near: "da14 6ab", Within: 1, Kinds: []protocol.Kind{"venue"}}, []string{"venue-sidcup"}},
		{"near another postcode of the district", protocol.Query{Near: "BS1 9ZZ", Within: 1, Kinds: []protocol.Kind{"venue"}}, []string{"venue-hub"}},
		{"near a district", protocol.Query{Near: "BS1", Within: 1, Kinds: []protocol.Kind{"venue"}}, []string{"venue-hub"}},
		{"near a community's place", protocol.Query{Near: "bexley", Within: 3, Kinds: []protocol.Kind{"venue"}}, []string{"venue-library"}},
		{"near part of a name", protocol.Query{Near: "central", Within: 1, Kinds: []protocol.Kind{"venue"}}, []string{"venue-library"}},
		{"of two towns of a name, the one with more", protocol.Query{Near: "Newport", Within: 5}, []string{"newport-wales", "newport-wales-2"}},
		{"text near", protocol.Query{Text: "spreadsheets", Point: point, Within: 10, Kinds: []protocol.Kind{"event"}}, []string{"spreadsheets-bexley"}},

		{"past events are left out", protocol.Query{Text: "cloud"}, nil},
		{"past events when asked for", protocol.Query{Text: "cloud", From: day(-30, 0)}, []string{"past-talk"}},
		{"on now", protocol.Query{Text: "repair"}, []string{"on-now"}},
		{"ended course is left out", protocol.Query{Text: "email"}, nil},
		{"offer that has ended is left out", protocol.Query{Text: "tax"}, nil},
		{"open-ended offer goes on", protocol.Query{Text: "clinic"}, []string{"open-offer"}},
		{"cancelled stays visible", protocol.Query{Text: "photo"}, []string{"cancelled"}},
		{"dates", protocol.Query{From: day(1, 0), To: day(4, 0)}, []string{"tablet-dropin", "weekly-cafe", "coffee", "podcast", "open-offer"}},
		{"dates without a recurrence in them", protocol.Query{From: day(4, 0), To: day(10, 0), Kinds: []protocol.Kind{"event"}}, []string{"spreadsheets-bexley", "cancelled"}},
		{"until", protocol.Query{To: day(2, 0), Kinds: []protocol.Kind{"event"}}, []string{"on-now", "tablet-dropin"}},
		{"far ahead only what recurs", protocol.Query{From: day(300, 0), To: day(307, 0), Kinds: []protocol.Kind{"event"}}, []string{"weekly-cafe"}},

		{"consent that has ended", protocol.Query{Text: "erik"}, nil},
		{"not public", protocol.Query{Text: "everyone"}, nil},
		{"no public card", protocol.Query{Text: "coordinators"}, nil},
		{"unknown kind", protocol.Query{Kinds: []protocol.Kind{"martian"}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) { s.finds(t, c.q, c.want...) })
	}
	if a := s.search(t, protocol.Query{}); a.Total != 36 {
		t.Errorf("everything: total = %d, want 36: %v", a.Total, names(a.Results))
	}
}

func testSorts(t *testing.T, s *bench) {
	bristolPoint := &protocol.Point{Lat: 51.449, Lon: -2.598}
	// The best match first: the title weighs more than the description.
	if got := names(s.search(t, protocol.Query{Text: "spreadsheets"}).Results); len(got) < 2 || got[0] != "spreadsheets-bexley" {
		t.Errorf("best match: got %v, want spreadsheets-bexley first", got)
	}
	s.sorts(t, protocol.Query{Text: "spreadsheets", Sort: "date"}, "spreadsheets-bexley", "spreadsheets-bristol", "ben", "template")
	s.sorts(t, protocol.Query{Kinds: []protocol.Kind{"event"}, Sort: "date"},
		"on-now", "tablet-dropin", "podcast", "weekly-cafe", "coffee", "cancelled", "spreadsheets-bexley", "mentoring-evening", "spreadsheets-bristol", "matching")
	s.sorts(t, protocol.Query{Kinds: []protocol.Kind{"venue"}, Point: bristolPoint, Within: 200, Sort: "distance"},
		"venue-hub", "newport-wales-2", "newport-wales", "newport-wight", "venue-sidcup", "venue-library")
	// Without a wish: nearest when there is a place, else soonest and then freshest.
	s.sorts(t, protocol.Query{Kinds: []protocol.Kind{"venue"}, Point: bristolPoint, Within: 50}, "venue-hub", "newport-wales-2", "newport-wales")
	s.sorts(t, protocol.Query{Kinds: []protocol.Kind{"volunteer"}}, freshest("dev", "amina", "ben", "carys")...)
	// No place to measure from: distance falls back, it does not fail.
	s.sorts(t, protocol.Query{Kinds: []protocol.Kind{"volunteer"}, Sort: "distance"}, freshest("dev", "amina", "ben", "carys")...)
}

// freshest sorts names as hits without dates are: latest confirmed, then uid.
func freshest(names ...string) []string {
	confirmed := map[string]int{}
	for _, l := range suite() {
		confirmed[l.name] = l.confirmed
	}
	slices.SortFunc(names, func(a, b string) int {
		if confirmed[a] != confirmed[b] {
			return confirmed[a] - confirmed[b]
		}
		return strings.Compare(uidOf(a), uidOf(b))
	})
	return names
}

func testFacets(t *testing.T, s *bench) {
	check := func(facets search.Facets, facet, word string, want int) {
		t.Helper()
		if got := facets[facet][word]; got != want {
			t.Errorf("facets[%s][%s] = %d, want %d", facet, word, got, want)
		}
	}
	all := s.search(t, protocol.Query{})
	check(all.Facets, search.FacetKind, "venue", 6)
	check(all.Facets, search.FacetKind, "volunteer", 4)
	check(all.Facets, search.FacetCategory, "risk-mitigation", 2)
	check(all.Facets, search.FacetMode, "home-visit", 2)
	check(all.Facets, search.FacetCommunity, CID(mentors), 7)
	total := 0
	for _, n := range all.Facets[search.FacetKind] {
		total += n
	}
	if total != all.Total {
		t.Errorf("kinds add up to %d, want the total %d", total, all.Total)
	}
	// A facet counts what other choices in it would find; every number must
	// come true when it is chosen.
	q := protocol.Query{Text: "tablets", Kinds: []protocol.Kind{"event"}, Categories: []string{"hands-on"}}
	a := s.search(t, q)
	for word, n := range a.Facets[search.FacetKind] {
		other := q
		other.Kinds = []protocol.Kind{protocol.Kind(word)}
		if got := s.search(t, other).Total; got != n {
			t.Errorf("kind %s: the facet says %d, choosing it finds %d", word, n, got)
		}
	}
	for word, n := range a.Facets[search.FacetCategory] {
		other := q
		other.Categories = []string{word}
		if got := s.search(t, other).Total; got != n {
			t.Errorf("category %s: the facet says %d, choosing it finds %d", word, n, got)
		}
	}
	check(a.Facets, search.FacetKind, "volunteer", 1)
	check(a.Facets, search.FacetKind, "offer", 1)
	check(a.Facets, search.FacetCategory, "quick-tips", 1)
	if _, ok := a.Facets[search.FacetKind]["venue"]; ok {
		t.Error("a kind that would find nothing is among the facets")
	}
	skills := s.search(t, protocol.Query{Categories: []string{protocol.SkillsSupport}})
	check(all.Facets, search.FacetCategory, protocol.SkillsSupport, skills.Total)
}

func testPages(t *testing.T, s *bench) {
	for _, q := range []protocol.Query{{}, {Text: "digital"}, {Sort: "date"}, {Point: &protocol.Point{Lat: 51.45, Lon: 0.14}, Within: 500}} {
		whole := names(s.search(t, q).Results)
		var parts []string
		pages := 0
		for q.Page, q.PerPage = 1, 7; ; q.Page++ {
			a := s.search(t, q)
			parts = append(parts, names(a.Results)...)
			pages++
			if a.Total != len(whole) {
				t.Fatalf("page %d: total = %d, want %d", q.Page, a.Total, len(whole))
			}
			if a.Next == "" {
				break
			}
		}
		if !slices.Equal(parts, whole) {
			t.Errorf("search %q: pages put together are\n\t%v, want\n\t%v", q, parts, whole)
		}
		if want := (len(whole) + 6) / 7; pages != want {
			t.Errorf("search %q: %d pages, want %d", q, pages, want)
		}
	}
	beyond := s.search(t, protocol.Query{Page: 400, PerPage: 100})
	if len(beyond.Results) != 0 || beyond.Next != "" || beyond.Total != 36 {
		t.Errorf("page beyond the last: %d results, next %q, total %d", len(beyond.Results), beyond.Next, beyond.Total)
	}
	next := s.search(t, protocol.Query{Text: "digital", PerPage: 2}).Next
	if next != "/search?page=2&per_page=2&q=digital" {
		t.Errorf("next = %q", next)
	}
}

func testJSON(t *testing.T, s *bench) {
	a := s.search(t, protocol.Query{Text: "spreadsheets tears", Near: "Bexleyheath", Within: 10})
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"query", "total", "results", "facets", "silent", "next"} {
		if _, ok := got[key]; !ok {
			t.Errorf("the answer lacks %q", key)
		}
	}
	if s, ok := got["silent"].([]any); !ok || len(s) != 0 {
		t.Errorf("silent = %v, want an empty list", got["silent"])
	}
	results, _ := got["results"].([]any)
	if len(results) != 1 {
		t.Fatalf("results = %v, want one", results)
	}
	hit := results[0].(map[string]any)
	for _, key := range []string{"uid", "kind", "title", "summary", "url", "community", "node", "place", "distance_km", "start", "end", "categories", "modes", "confirmed_at", "provenance", "why"} {
		if _, ok := hit[key]; !ok {
			t.Errorf("the hit lacks %q", key)
		}
	}
	want := map[string]any{"name": bexley, "handle": "champions", "url": "https://bexley.example/c/champions", "cid": CID(bexley)}
	if c, _ := hit["community"].(map[string]any); c["name"] != want["name"] || c["handle"] != want["handle"] || c["url"] != want["url"] || c["cid"] != want["cid"] {
		t.Errorf("community = %v, want %v", c, want)
	}
	if hit["start"] != "2027-03-09T18:00:00Z" || hit["node"] != "bexley.example" || hit["provenance"] != "published here" {
		t.Errorf("hit = %v", hit)
	}
	if q, _ := got["query"].(map[string]any); q["near"] != "Bexleyheath" || q["point"] == nil {
		t.Errorf("query = %v, want near as typed and the point that it stands for", q)
	}
	if raw, _ := json.Marshal(s.search(t, protocol.Query{Text: "nothingatallhere"})); !strings.Contains(string(raw), `"results":[]`) {
		t.Errorf("no results must be an empty list: %s", raw)
	}
	far := s.search(t, protocol.Query{Text: "tears"}).Results[0]
	if far.Distance != nil {
		t.Error("there is a distance though nobody asked near where")
	}
	if !far.Own || s.search(t, protocol.Query{Text: "podcast"}).Results[0].Own {
		t.Error("Own must tell this node's listings from others'")
	}
}

func testWhy(t *testing.T, s *bench) {
	for _, c := range []struct {
		q    protocol.Query
		want string
	}{
		{protocol.Query{Text: "spreadsheets treasurer", Near: "Bexleyheath"}, "matches “spreadsheets” in the title and “treasurer” in the description · 5 km away · confirmed 3 days ago"},
		{protocol.Query{Text: "digital amina", Near: "Bexleyheath"}, "matches “digital” as another word for volunteer and “amina” in the title · its community is less than 1 km away · confirmed 6 days ago"},
		{protocol.Query{Text: "photo"}, "matches “photo” in the title · cancelled · confirmed 2 days ago"},
		{protocol.Query{Kinds: []protocol.Kind{"venue"}, Near: "DA14", Within: 1}, "less than 1 km away · confirmed 6 months ago"},
	} {
		a := s.search(t, c.q)
		if len(a.Results) == 0 {
			t.Errorf("search %q found nothing", c.q)
			continue
		}
		if got := a.Results[0].Why; got != c.want {
			t.Errorf("search %q: why = %q, want %q", c.q, got, c.want)
		}
	}
}

func testNextTime(t *testing.T, s *bench) {
	next := func(q protocol.Query) (start, end time.Time) {
		t.Helper()
		a := s.search(t, q)
		if len(a.Results) != 1 {
			t.Fatalf("search %q found %v, want one", q, names(a.Results))
		}
		return a.Results[0].Start, a.Results[0].End
	}
	start, end := next(protocol.Query{Text: "computer cafe"})
	if want := time.Date(2027, 3, 4, 10, 30, 0, 0, time.UTC); !start.Equal(want) || end.Sub(start) != 90*time.Minute {
		t.Errorf("next time is %v to %v, want %v for 90 minutes", start, end, want)
	}
	// Summer time has begun by then: half past ten in London is half past nine UTC.
	start, _ = next(protocol.Query{Text: "computer cafe", From: time.Date(2027, 4, 2, 0, 0, 0, 0, time.UTC)})
	if want := time.Date(2027, 4, 8, 9, 30, 0, 0, time.UTC); !start.Equal(want) {
		t.Errorf("first time from 2 April is %v, want %v", start, want)
	}
}

func testUnknownPlace(t *testing.T, s *bench) {
	a := s.search(t, protocol.Query{Text: "tablets", Near: "Atlantis", Within: 5, Sort: "distance"})
	if len(a.Results) == 0 {
		t.Error("a place that nobody knows leaves the visitor with nothing")
	}
	if len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "We do not know a place called “Atlantis” yet") {
		t.Errorf("notes = %q", a.Notes)
	}
	if a.Query.Point != nil || a.Results[0].Distance != nil {
		t.Error("there are distances from a place that nobody knows")
	}
}

func testUnknownWords(t *testing.T, s *bench) {
	a := s.search(t, protocol.Query{Text: "xyzzy blue badge"})
	if got := names(a.Results); !slices.Equal(got, []string{"blue-badge"}) {
		t.Errorf("found %v, want blue-badge", got)
	}
	if len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "“xyzzy”") {
		t.Errorf("notes = %q, want one about xyzzy", a.Notes)
	}
	if a := s.search(t, protocol.Query{Text: "xyzzy"}); a.Total != 0 || len(a.Notes) != 0 {
		t.Errorf("a word that nobody uses: total %d, notes %q", a.Total, a.Notes)
	}
	// Words that occur, but never together, are not dropped.
	if a := s.search(t, protocol.Query{Text: "podcast badge"}); a.Total != 0 {
		t.Errorf("found %v, want nothing", names(a.Results))
	}
}

func testAnyText(t *testing.T, s *bench) {
	for _, text := range []string{
		`"`, `""`, `"""`, `tablet"`, `"tablet`, `tab"let`, `*`, `tablet*`, `title:tablet`, `AND`, `tablet AND`, `NOT tablet`, `tablet OR (`,
		`NEAR(tablet, 2)`, `{title}:x`, `^tablet`, `-tablet`, `+`, `'; DROP TABLE listings; --`, "a\x00b", "\xff\xfe", "tablet\x00", `\`, `%`, `_`,
		"日本語", "🙂", "é", "e\u0301", "ß", "ﬁ", "İ", strings.Repeat("a", 5000), strings.Repeat("word ", 2000), strings.Repeat(`"x `, 500), "\u202eabc",
	} {
		if _, err := s.index.Search(context.Background(), protocol.Query{Text: text, Near: text, Topic: text, Community: text, Area: text}); err != nil {
			t.Errorf("search for %.40q: %v", text, err)
		}
		if _, err := s.index.Search(context.Background(), protocol.Query{Text: text}); err != nil {
			t.Errorf("search for %.40q: %v", text, err)
		}
	}
	for _, text := range []string{`tablet*`, `^tablet`, `-tablet`, `"tablet`, `(tablet)`, `tablet:`} {
		if a := s.search(t, protocol.Query{Text: text, Kinds: []protocol.Kind{"event"}}); a.Total == 0 {
			t.Errorf("search for %q found nothing", text)
		}
	}
}

func testTimePasses(t *testing.T, s *bench) {
	s.finds(t, protocol.Query{Text: "webcams"}, "expiring")
	s.finds(t, protocol.Query{Text: "calmly"}, "ben")
	s.pass(3*24*time.Hour - 10*time.Hour) // 3 March, 23:00
	s.finds(t, protocol.Query{Text: "calmly"}, "ben")
	s.pass(time.Hour)
	s.finds(t, protocol.Query{Text: "calmly"})
	s.finds(t, protocol.Query{Text: "webcams"}, "expiring")
	s.pass(24 * time.Hour)
	s.finds(t, protocol.Query{Text: "webcams"})
	s.finds(t, protocol.Query{Text: "repair"}) // it did not say how long it lasts; by now it is over
	s.finds(t, protocol.Query{Text: "tablet drop-in", Kinds: []protocol.Kind{"event"}})
}

func testChanges(t *testing.T, s *bench) {
	byName := map[string]listing{}
	for _, l := range suite() {
		byName[l.name] = l
	}
	count := func(want int) {
		t.Helper()
		if n, err := s.index.Count(context.Background()); err != nil || n != want {
			t.Errorf("count = %d, %v; want %d", n, err, want)
		}
	}
	count(40)
	kit := byName["kit"]
	kit.Title, kit.Categories, kit.Place, kit.MaxDays = "Four projectors to lend", []string{"expansion"}, nil, 7
	amina := byName["amina"]
	amina.Visibility = protocol.VisibilityCoordinators
	tip := byName["tip"].change()
	tip.Doc = nil
	unknown := search.Change{CID: CID("nobody"), UID: uidOf("nobody")}
	s.apply(t, 101, kit.change(), amina.change(), tip, unknown)
	s.finds(t, protocol.Query{Text: "four projectors"}, "kit")
	s.finds(t, protocol.Query{Text: "six laptops"})
	s.finds(t, protocol.Query{Kinds: []protocol.Kind{"resource"}, Categories: []string{"hands-on"}})
	s.finds(t, protocol.Query{Text: "amina"}) // no longer public
	s.finds(t, protocol.Query{Text: "password"})
	count(38)

	// A removed listing's room may be given to another: nothing of the old
	// one may shine through.
	cafe := byName["weekly-cafe"].change()
	cafe.Doc = nil
	fresh := listing{"fresh", mentors, 1, protocol.Listing{Kind: "offer", Title: "Radio plays"}}
	s.apply(t, 102, cafe)
	s.apply(t, 103, fresh.change(), byName["tip"].change())
	s.finds(t, protocol.Query{Text: "computer cafe"})
	s.finds(t, protocol.Query{Text: "radio"}, "Radio plays")
	s.finds(t, protocol.Query{Text: "password"}, "tip")
	count(39)

	// The last of several changes to one listing stands; repeating is harmless.
	gone := fresh.change()
	gone.Doc = nil
	s.apply(t, 104, fresh.change(), gone)
	s.finds(t, protocol.Query{Text: "radio"})
	s.apply(t, 105, gone, fresh.change())
	s.apply(t, 105, gone, fresh.change())
	s.finds(t, protocol.Query{Text: "radio"}, "Radio plays")
	count(39)
	if c, err := s.index.Cursor(context.Background()); err != nil || c != 105 {
		t.Errorf("cursor = %d, %v; want 105", c, err)
	}
}

// testSameUID: a uid is unique within its community only; another community
// must not be able to take a listing's place by claiming its uid.
func testSameUID(t *testing.T, s *bench) {
	theirs := listing{"kit", mentors, 0, protocol.Listing{Kind: "resource", Title: "Impostor laptops to lend"}}
	s.apply(t, 101, theirs.change())
	if a := s.search(t, protocol.Query{Text: "laptops lend"}); a.Total != 2 {
		t.Errorf("found %d, want both communities' listings", a.Total)
	}
	gone := theirs.change()
	gone.Doc = nil
	s.apply(t, 102, gone)
	s.finds(t, protocol.Query{Text: "laptops lend"}, "kit")
}

func testFailedApply(t *testing.T, s *bench) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fresh := listing{"fresh", mentors, 1, protocol.Listing{Kind: "offer", Title: "Radio plays"}}
	err := s.index.Apply(ctx, []search.Change{fresh.change()}, 500)
	if protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("apply with an ended context: %v, want kind %q", err, protocol.Unavailable)
	}
	s.finds(t, protocol.Query{Text: "radio"})
	if c, _ := s.index.Cursor(context.Background()); c == 500 {
		t.Error("the cursor moved though nothing was applied")
	}
	s.apply(t, 501, fresh.change())
	s.finds(t, protocol.Query{Text: "radio"}, "Radio plays")
	if _, err := s.index.Search(ctx, protocol.Query{Text: "radio"}); protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("search with an ended context: %v, want kind %q", err, protocol.Unavailable)
	}
}

func testReset(t *testing.T, s *bench) {
	if err := s.index.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	n, _ := s.index.Count(context.Background())
	c, _ := s.index.Cursor(context.Background())
	if n != 0 || c != 0 {
		t.Errorf("after a reset: %d listings, cursor %d", n, c)
	}
	s.finds(t, protocol.Query{})
	s.finds(t, protocol.Query{Text: "tablet"})
	s.apply(t, 1, suite()[0].change())
	s.finds(t, protocol.Query{Text: "tablet"}, "tablet-dropin")
}

// testConcurrent moves pairs of listings between two states in one Apply each
// and searches meanwhile: no search may see half of a change.
func testConcurrent(t *testing.T, s *bench) {
	const rounds = 60
	pair := func(title string) []search.Change {
		return []search.Change{
			listing{"left", bexley, 0, protocol.Listing{Kind: "offer", Title: title + " left twinned"}}.change(),
			listing{"right", bristol, 0, protocol.Listing{Kind: "offer", Title: title + " right twinned"}}.change(),
		}
	}
	s.apply(t, 1000, pair("amber")...)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				a, err := s.index.Search(context.Background(), protocol.Query{Text: "twinned", Sort: "date"})
				if err != nil {
					t.Errorf("search: %v", err)
					return
				}
				if len(a.Results) != 2 || a.Results[0].Title[:5] != a.Results[1].Title[:5] {
					t.Errorf("a search saw half of a change: %v", a.Results)
					return
				}
			}
		})
	}
	for i := range rounds {
		s.apply(t, 1001+uint64(i), pair([]string{"amber", "beryl"}[i%2])...)
	}
	close(done)
	wg.Wait()
}
