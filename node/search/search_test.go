package search_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/search/embedded"
	"github.com/waypost-directory/waypost/node/search/searchtest"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

func TestTerms(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"  ":                           "",
		"Tablet":                       "tablet*",
		"tablet classes":               "tablet|classes*",
		"tablet classes in the":        "tablet|classes*",
		"the":                          "the*",
		"a":                            "a",
		"drop-in tea":                  "drop in|tea*",
		"don't":                        "don t",
		`"central library" tea`:        "central library|tea*",
		`tea "central library"`:        "tea|central library",
		`tea "central lib`:             "tea|central lib",
		`I need help with "need"`:      "need",
		"email,phones/tablets":         "email|phones|tablets*",
		`title:x* OR (y) AND NOT "z`:   "title|x|y|not|z",
		"x\x00y":                       "x|y",
		"\xff\xfe":                     "",
		"Café":                         "café*",
		strings.Repeat("word ", 50):    strings.Repeat("word|", 15) + "word*",
		strings.Repeat("y", 100):       strings.Repeat("y", 40) + "*",
		`"` + strings.Repeat("n ", 20): strings.TrimSpace(strings.Repeat("n ", 8)),
	} {
		var got []string
		for _, term := range search.Terms(text) {
			s := term.String()
			if term.Prefix {
				s += "*"
			}
			got = append(got, s)
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("Terms(%.40q) = %q, want %q", text, s, want)
		}
	}
}

func FuzzTerms(f *testing.F) {
	for _, s := range []string{"tablet", `"a b" c`, "a\x00b", "\xff", "é", `"""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms := search.Terms(text)
		if len(terms) > 16 {
			t.Fatalf("%d terms", len(terms))
		}
		for _, term := range terms {
			if len(term.Words) == 0 || len(term.Words) > 8 {
				t.Fatalf("a term of %d words", len(term.Words))
			}
			for _, w := range term.Words {
				if w == "" || strings.ContainsAny(w, "\"'*()^:{}+- \x00\\") {
					t.Fatalf("word %q", w)
				}
			}
		}
	})
}

func TestOccurrences(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	from, to := at("2027-03-01 00:00"), at("2027-04-15 00:00")
	for _, c := range []struct {
		name, start, zone, rule string
		want                    []string
	}{
		{"once", "2027-03-02 10:00", "", "", []string{"2027-03-02 10:00"}},
		{"once, before", "2027-02-02 10:00", "", "", nil},
		{"weekly over the change to summer time", "2027-03-20 10:00", "Europe/London", "FREQ=WEEKLY", []string{"2027-03-20 10:00", "2027-03-27 10:00", "2027-04-03 09:00", "2027-04-10 09:00"}},
		{"weekly, since long ago", "1999-03-06 10:00", "", "FREQ=WEEKLY;INTERVAL=2", []string{"2027-03-13 10:00", "2027-03-27 10:00", "2027-04-10 10:00"}},
		{"daily, every tenth, since long ago", "2020-01-01 08:00", "", "FREQ=DAILY;INTERVAL=10", []string{"2027-03-05 08:00", "2027-03-15 08:00", "2027-03-25 08:00", "2027-04-04 08:00", "2027-04-14 08:00"}},
		{"count from the first", "2027-02-08 10:00", "", "FREQ=WEEKLY;COUNT=5", []string{"2027-03-01 10:00", "2027-03-08 10:00"}},
		{"until", "2027-02-08 10:00", "", "FREQ=WEEKLY;UNTIL=20270308T100000Z", []string{"2027-03-01 10:00", "2027-03-08 10:00"}},
		{"until a day", "2027-03-01 10:00", "Europe/London", "FREQ=WEEKLY;UNTIL=20270309", []string{"2027-03-01 10:00", "2027-03-08 10:00"}},
		{"second Tuesday", "2026-01-13 19:00", "", "FREQ=MONTHLY;BYDAY=2TU", []string{"2027-03-09 19:00", "2027-04-13 19:00"}},
		{"last Friday", "2026-01-30 19:00", "", "FREQ=MONTHLY;BYDAY=-1FR", []string{"2027-03-26 19:00"}},
		{"31st of the month", "2026-01-31 19:00", "", "FREQ=MONTHLY", []string{"2027-03-31 19:00"}},
		{"29 February", "2024-02-29 19:00", "", "FREQ=YEARLY", nil},
		{"yearly", "2020-03-04 12:00", "", "FREQ=YEARLY", []string{"2027-03-04 12:00"}},
		{"own start counts though the rule does not say so", "2027-03-03 10:00", "", "FREQ=WEEKLY;BYDAY=MO;COUNT=2", []string{"2027-03-03 10:00", "2027-03-08 10:00", "2027-03-15 10:00"}},
		{"a date that never comes", "2027-03-03 10:00", "", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", []string{"2027-03-03 10:00"}},
		{"senseless rule", "2027-03-03 10:00", "", "FREQ=SOMETIMES", []string{"2027-03-03 10:00"}},
		{"huge interval", "2027-03-03 10:00", "", "FREQ=MONTHLY;INTERVAL=9223372036854775807", []string{"2027-03-03 10:00"}},
		{"by the second", "2027-03-03 10:00", "", "FREQ=SECONDLY", []string{"2027-03-03 10:00"}},
		{"unknown zone", "2027-03-03 10:00", "Mars/Olympus", "FREQ=MONTHLY", []string{"2027-03-03 10:00", "2027-04-03 10:00"}},
		{"far future", "8999-03-03 10:00", "", "FREQ=DAILY", nil},
	} {
		l := &protocol.Listing{Start: at(c.start), Timezone: c.zone, Recurrence: c.rule}
		var got []string
		for _, o := range search.Occurrences(l, from, to, 400) {
			got = append(got, o.Format("2006-01-02 15:04"))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	daily := &protocol.Listing{Start: from, Recurrence: "FREQ=DAILY"}
	if n := len(search.Occurrences(daily, from, to, 7)); n != 7 {
		t.Errorf("limit: %d occurrences, want 7", n)
	}
}

// TestOccurrences_NoRuleTakesLong is about rules on which the library would
// search until the year 9999 or build half a million times a day.
func TestOccurrences_NoRuleTakesLong(t *testing.T) {
	from := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, rule := range []string{
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=3", "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=31",
		"FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1", "FREQ=MONTHLY;BYSETPOS=300;BYDAY=MO", "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
		"FREQ=YEARLY;BYMONTHDAY=1,2,3,4,5;BYHOUR=0,1,2,3,4,5,6,7,8,9,10;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10;BYSECOND=0,1,2,3,4,5",
		"FREQ=DAILY;COUNT=1000000",
	} {
		best := time.Hour // of three, as other processes run beside
		for range 3 {
			start := time.Now()
			search.Occurrences(&protocol.Listing{Start: time.Date(1970, 1, 1, 10, 0, 0, 0, time.UTC), Recurrence: rule}, from, from.AddDate(1, 0, 1), 400)
			best = min(best, time.Since(start))
		}
		if best > 50*time.Millisecond {
			t.Errorf("%s took %v", rule, best)
		}
	}
}

func FuzzOccurrences(f *testing.F) {
	for _, rule := range []string{"FREQ=WEEKLY", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYDAY=-53SU;WKST=MO", "FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU", "FREQ=WEEKLY;UNTIL=99991231T235959Z", "DTSTART=20200101T000000Z;FREQ=DAILY", "FREQ=DAILY;BYHOUR=99;BYMINUTE=-1"} {
		f.Add(rule, int64(1_800_000_000), "Europe/London")
	}
	f.Add("FREQ=YEARLY", int64(-5_000_000_000), "Pacific/Apia")
	from := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, rule string, start int64, zone string) {
		l := &protocol.Listing{Start: time.Unix(start%(1<<38), 0), Timezone: zone, Recurrence: rule}
		got := search.Occurrences(l, from, from.AddDate(1, 0, 0), 400)
		if len(got) > 400 || !slices.IsSortedFunc(got, time.Time.Compare) {
			t.Fatalf("%d occurrences: %v", len(got), got)
		}
	})
}

func TestWhy_NeverClaimsMoreThanIsThere(t *testing.T) {
	now := searchtest.Base()
	h := search.Hit{Kind: "offer", Title: "Care at home", ConfirmedAt: now.Add(time.Hour)}
	if got := search.Why(&h, search.Terms("car"), "", now); got != "matches “car” in the title · confirmed today" {
		t.Errorf("while typing: %q", got)
	}
	if got := search.Why(&h, search.Terms("car park"), "", now); got != "matches “car” and “park” in the description · confirmed today" {
		t.Errorf("car is not care: %q", got)
	}
	for days, want := range map[int]string{1: "yesterday", 13: "13 days ago", 14: "2 weeks ago", 61: "2 months ago", 400: "more than a year ago"} {
		h.ConfirmedAt = now.AddDate(0, 0, -days)
		if got := search.Why(&h, nil, "", now); got != "confirmed "+want {
			t.Errorf("%d days: %q, want %q", days, got, want)
		}
	}
	h.ConfirmedAt = time.Time{}
	if got := search.Why(&h, nil, "", now); got != "" {
		t.Errorf("nothing to say: %q", got)
	}
}

func TestListings_AreValidAndRepeatable(t *testing.T) {
	a, b := searchtest.Listings(500, 4), searchtest.Listings(500, 4)
	kinds := map[protocol.Kind]int{}
	for i := range a {
		if err := a[i].ValidateWire(); err != nil {
			t.Fatalf("listing %d: %v", i, err)
		}
		if fmt.Sprint(a[i].UID, a[i].Title, a[i].Start) != fmt.Sprint(b[i].UID, b[i].Title, b[i].Start) {
			t.Fatalf("listing %d differs from one time to the next", i)
		}
		kinds[a[i].Kind]++
	}
	if len(kinds) != len(protocol.Kinds()) {
		t.Errorf("kinds: %v", kinds)
	}
}

// source is a directory that the tests change.
type source struct {
	docs  map[string]*search.Doc // by uid
	err   error
	asked int
}

func (s *source) Doc(_ context.Context, _, uid string) (*search.Doc, error) {
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	return s.docs[uid], nil
}

func newIndexer(t *testing.T) (*search.Indexer, *embedded.Index, *source, []search.Change) {
	t.Helper()
	x, err := embedded.Open(context.Background(), embedded.Config{Dir: t.TempDir(), Now: searchtest.Base, Communities: searchtest.CommunitiesOf()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	changes := searchtest.Changes(searchtest.Listings(6, 1))
	s := &source{docs: map[string]*search.Doc{}}
	for _, c := range changes {
		s.docs[c.UID] = c.Doc
	}
	return search.NewIndexer(x, s, nil), x, s, changes
}

func entries(first uint64, changes ...search.Change) []store.Entry {
	out := make([]store.Entry, len(changes))
	for i, c := range changes {
		out[i] = store.Entry{Seq: first + uint64(i), Type: "Create", CID: c.CID, UID: c.UID, Outcome: store.Stored}
	}
	return out
}

func TestIndexer_FollowsTheStateNotTheEntries(t *testing.T) {
	ctx := context.Background()
	indexer, x, s, changes := newIndexer(t)
	var _ store.Follower = indexer
	batch := entries(1, changes[0], changes[1], changes[0], changes[0])
	batch = append(batch, store.Entry{Seq: 5, Type: "Follow"}, store.Entry{Seq: 6, CID: changes[2].CID, UID: changes[2].UID, Outcome: store.Superseded})
	if err := indexer.Follow(ctx, batch, 6); err != nil {
		t.Fatal(err)
	}
	if n, _ := x.Count(ctx); n != 2 || s.asked != 2 {
		t.Errorf("%d listings after asking %d times, want 2 and 2", n, s.asked)
	}
	if c, _ := indexer.Cursor(ctx); c != 6 {
		t.Errorf("cursor = %d, want 6", c)
	}
	delete(s.docs, changes[0].UID)
	if err := indexer.Follow(ctx, entries(7, changes[0]), 7); err != nil {
		t.Fatal(err)
	}
	// The same entries again, as after a power cut, change nothing.
	if err := indexer.Follow(ctx, batch, 6); err != nil {
		t.Fatal(err)
	}
	if n, _ := x.Count(ctx); n != 1 {
		t.Errorf("%d listings, want 1: the other is deleted whatever an old entry says", n)
	}
}

func TestIndexer_StopsAtWhatMayWorkLaterAndPassesWhatNeverWill(t *testing.T) {
	ctx := context.Background()
	indexer, x, s, changes := newIndexer(t)
	s.err = protocol.Errorf("read", protocol.Unavailable, "", "the disk is away")
	if err := indexer.Follow(ctx, entries(1, changes[0]), 1); !errors.Is(err, s.err) {
		t.Errorf("err = %v, want the source's", err)
	}
	if c, _ := x.Cursor(ctx); c != 0 {
		t.Errorf("cursor = %d: an entry was lost", c)
	}
	s.err = protocol.Errorf("read", protocol.Invalid, "", "this is no listing")
	if err := indexer.Follow(ctx, entries(1, changes[0]), 1); err != nil {
		t.Errorf("a listing that can never be read holds up the rest: %v", err)
	}
	if c, _ := x.Cursor(ctx); c != 1 {
		t.Errorf("cursor = %d, want 1", c)
	}
}

func TestIndexer_BeginsAgainAfterAReset(t *testing.T) {
	ctx := context.Background()
	indexer, x, _, changes := newIndexer(t)
	if err := indexer.Follow(ctx, entries(1, changes[:3]...), 3); err != nil {
		t.Fatal(err)
	}
	if err := indexer.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	// The loop does not know yet and goes on where it was.
	if err := indexer.Follow(ctx, entries(4, changes[3:]...), 6); protocol.KindOf(err) != protocol.Conflict {
		t.Errorf("err = %v, want kind %q", err, protocol.Conflict)
	}
	if err := indexer.Follow(ctx, entries(1, changes...), 6); err != nil {
		t.Fatal(err)
	}
	if n, _ := x.Count(ctx); n != 6 {
		t.Errorf("%d listings, want 6", n)
	}
}
