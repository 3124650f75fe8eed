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
