package searchtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

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
