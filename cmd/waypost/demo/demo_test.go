package demo

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/waypost-directory/waypost/protocol"
)

// firstRuns are moments at which somebody may start the demo: around both
// changes of the clocks, on leap days, at the turn of the year, and when it is
// already tomorrow in London but not in UTC.
func firstRuns() []time.Time {
	var runs []time.Time
	for _, s := range []string{
		"2026-11-22T09:00:00Z",
		"2027-03-21T23:30:00Z", "2027-03-27T12:00:00Z", "2027-03-28T00:59:59Z", "2027-03-28T01:00:00Z",
		"2027-06-30T23:30:00Z",
		"2027-10-24T12:00:00Z", "2027-10-30T23:30:00Z", "2027-10-31T00:30:00Z", "2027-10-31T01:00:00Z",
		"2027-12-31T23:59:59Z",
		"2028-02-28T12:00:00Z", "2028-02-29T08:00:00Z", "2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z",
		"2027-05-01T12:00:00+14:00",
	} {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			panic(err)
		}
		runs = append(runs, t)
	}
	for day := range 30 { // every weekday and day of a month
		runs = append(runs, time.Date(2027, 9, 1+day, 11, 0, 0, 0, time.UTC))
	}
	return runs
}

// load returns the sample data with the visibility that publishing gives it.
func load(t *testing.T, now time.Time) []Community {
	t.Helper()
	list, err := Communities(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		for i := range c.Listings {
			l := &c.Listings[i]
			switch {
			case l.Visibility != "":
			case l.Kind == protocol.KindVolunteer:
				l.Visibility = protocol.VisibilityLocal
			default:
				l.Visibility = protocol.VisibilityPublic
			}
		}
	}
	return list
}

func everyListing(list []Community) []protocol.Listing {
	var all []protocol.Listing
	for _, c := range list {
		all = append(all, c.Listings...)
	}
	return all
}

func TestCommunities_AreValidOnEveryFirstRun(t *testing.T) {
	for _, now := range firstRuns() {
		for _, l := range everyListing(load(t, now)) {
			if err := l.Validate(); err != nil {
				t.Errorf("first run %s: %q: %v", now, l.Title, err)
			}
			if end := l.Expires(); !end.IsZero() && !end.After(now.AddDate(0, 0, 30)) {
				t.Errorf("first run %s: %q expires on %s; let it hold for a month at least", now, l.Title, end)
			}
			if k := l.Consent; k != nil {
				if given, err := k.Given.Time(); err != nil || given.After(now) {
					t.Errorf("first run %s: %q: consent given on %q lies ahead", now, l.Title, k.Given)
				}
			}
		}
	}
}

func TestCommunities_EventsLieAheadAndKeepTheirWallClock(t *testing.T) {
	clocks := map[string]string{} // uid -> its start on the first of the runs
	for _, now := range firstRuns() {
		for _, l := range everyListing(load(t, now)) {
			if l.Start.IsZero() {
				continue
			}
			zone, err := time.LoadLocation(l.Timezone)
			if err != nil || l.Timezone == "" {
				t.Fatalf("%q has the time zone %q: %v", l.Title, l.Timezone, err)
			}
			start, end := l.Start.In(zone), l.End.In(zone)
			if !start.After(now) || start.After(now.AddDate(0, 0, 60)) {
				t.Errorf("first run %s: %q starts on %s; want within the next 60 days", now, l.Title, start)
			}
			if start.YearDay() != end.YearDay() || !end.After(start) {
				t.Errorf("first run %s: %q runs from %s to %s; want one day", now, l.Title, start, end)
			}
			got := start.Format("15:04") + " to " + end.Format("15:04")
			if want, ok := clocks[l.UID]; ok && got != want {
				t.Errorf("first run %s: %q is at %s; on another day it was at %s", now, l.Title, got, want)
			}
			clocks[l.UID] = got
		}
	}
}

// RFC 5545 §3.8.5.3: what a series means is undefined when its start is not
// one of its own occurrences.
func TestCommunities_SeriesBeginOnADayOfTheirRule(t *testing.T) {
	series := 0
	for _, now := range firstRuns() {
		for _, l := range everyListing(load(t, now)) {
			if l.Recurrence == "" {
				continue
			}
			series++
			zone, err := time.LoadLocation(l.Timezone)
			if err != nil {
				t.Fatal(err)
			}
			rule, err := rrule.StrToROptionInLocation(l.Recurrence, zone)
			if err != nil {
				t.Fatalf("%q: %v", l.Title, err)
			}
			rule.Dtstart = l.Start.In(zone)
			r, err := rrule.NewRRule(*rule)
			if err != nil {
				t.Fatalf("%q: %v", l.Title, err)
			}
			if days := r.All(); len(days) != rule.Count || !days[0].Equal(l.Start) {
				t.Errorf("first run %s: %q starts on %s, but %s gives %v", now, l.Title, l.Start.In(zone), l.Recurrence, days)
			}
		}
	}
	if series == 0 {
		t.Error("there is no series at all")
	}
}

func TestCommunities_ShowEveryWordOfTheClosedLists(t *testing.T) {
	used := map[string]map[string]bool{}
	use := func(list string, keys ...string) {
		if used[list] == nil {
			used[list] = map[string]bool{}
		}
		for _, k := range keys {
			used[list][k] = true
		}
	}
	list := load(t, firstRuns()[0])
	for _, c := range list {
		for _, l := range c.Listings {
			use("kinds", string(l.Kind))
			use("kinds of "+c.Handle, string(l.Kind))
			use("categories", l.Categories...)
			use("modes", l.Modes...)
			use("formats", l.Format)
			use("sub-kinds", l.SubKind)
			use("seeks", l.Seeks)
			use("levels", l.Level)
			use("statuses", l.Status)
			use("visibilities", l.Visibility)
			use("availabilities", l.Availability...)
			for k := range l.Responsibilities {
				use("responsibilities", k)
			}
		}
	}
	want := map[string][]protocol.Term{
		"kinds": protocol.Kinds(), "categories": protocol.Categories(), "modes": protocol.Modes(), "formats": protocol.Formats(),
		"sub-kinds": protocol.SubKinds(), "seeks": protocol.Seeks(), "levels": protocol.Levels(), "statuses": protocol.Statuses(),
		"visibilities": protocol.Visibilities(), "availabilities": protocol.Availabilities(), "responsibilities": protocol.Responsibilities(),
	}
	for _, c := range list {
		want["kinds of "+c.Handle] = protocol.Kinds()
	}
	for name, terms := range want {
		for _, term := range terms {
			if !used[name][term.Key] {
				t.Errorf("%s: no listing shows %q", name, term.Key)
			}
		}
	}
}

func TestCommunities_HaveUIDsOfTheirOwnAndKnownPartners(t *testing.T) {
	list := load(t, firstRuns()[0])
	if len(list) != 3 {
		t.Fatalf("there are %d communities, want 3", len(list))
	}
	seen := map[string]string{}
	once := func(uid, whose string) {
		if !protocol.ValidUID(uid) || uid[14] != '4' {
			t.Errorf("%s: uid %q is not a version 4 UUID in lower case", whose, uid)
		}
		if other, ok := seen[uid]; ok {
			t.Errorf("%s and %s share the uid %s", whose, other, uid)
		}
		seen[uid] = whose
	}
	handle := regexp.MustCompile(`^[a-z0-9_]{2,30}$`)
	for _, c := range list {
		if !handle.MatchString(c.Handle) || c.Name == "" || c.Summary == "" || c.Place == nil || len(c.Areas) == 0 {
			t.Errorf("%q lacks a handle, name, summary, place or areas", c.Handle)
		}
		if len(c.Listings) < 20 {
			t.Errorf("%s has %d listings, want at least 20", c.Handle, len(c.Listings))
		}
		known := map[string]bool{"": true}
		for _, p := range c.Partners {
			once(p.UID, p.Name)
			known[p.UID] = true
			if p.Name == "" || !protocol.Has(protocol.PartnerStates(), p.State) {
				t.Errorf("partner %s lacks a name, or its state %q is unknown", p.UID, p.State)
			}
		}
		for _, l := range c.Listings {
			once(l.UID, l.Title)
			named := []string{l.Partner}
			for _, uid := range l.Responsibilities {
				named = append(named, uid)
			}
			if l.Consent != nil {
				named = append(named, l.Consent.RecordedBy)
			}
			for _, uid := range named {
				if !known[uid] {
					t.Errorf("%q names the partner %s, which %s does not have", l.Title, uid, c.Handle)
				}
			}
		}
	}
}

func TestCommunities_HoldWhatVisitorsShouldMeet(t *testing.T) {
	list := load(t, firstRuns()[0])
	all := everyListing(list)
	if len(all) < 60 {
		t.Errorf("there are %d listings, want at least 60", len(all))
	}
	for what, fits := range map[string]func(protocol.Listing) bool{
		"a public volunteer":         func(l protocol.Listing) bool { return l.Kind == protocol.KindVolunteer && l.Public() },
		"a recurring event":          func(l protocol.Listing) bool { return l.Kind == protocol.KindEvent && l.Recurrence != "" },
		"a listing in Welsh":         func(l protocol.Listing) bool { return l.Language == "cy" },
		"something that costs money": func(l protocol.Listing) bool { return l.Cost != nil && l.Cost.Amount != "" },
		"an offer that ends":         func(l protocol.Listing) bool { return l.Kind == protocol.KindOffer && l.ValidUntil != "" },
		"a number to ring":           func(l protocol.Listing) bool { return l.Booking != nil && l.Booking.Phone != "" },
	} {
		if !slices.ContainsFunc(all, fits) {
			t.Errorf("there is no sample of %s", what)
		}
	}
	for _, l := range all {
		if l.Description == "" || l.Summary == "" || l.Language == "" {
			t.Errorf("%q lacks a summary, a description or a language", l.Title)
		}
		if _, _, exact := l.Place.Point(); exact && (l.Place.Address == nil || l.Place.Area == "" || !inBritain(l.Place)) {
			t.Errorf("%q: its place %q needs an address, an area code and a point in Britain", l.Title, l.Place.Name)
		}
	}
}

func inBritain(p *protocol.Place) bool {
	lat, lon, ok := p.Point()
	return ok && lat > 49.8 && lat < 61 && lon > -8.2 && lon < 1.8
}

// drama matches the numbers that Ofcom keeps free for drama use, in the cities
// of the samples and where there is no city.
var drama = regexp.MustCompile(`^(020 7946 0\d{3}|0161 496 0\d{3}|0117 496 0\d{3}|0113 496 0\d{3}|029 2018 0\d{3}|01632 960\d{3})$`)

func TestCommunities_ReachNobodyReal(t *testing.T) {
	for _, c := range load(t, firstRuns()[0]) {
		for _, p := range c.Partners {
			checkContact(t, p.Name, p.Phone, p.URL)
			checkText(t, p.Name, p)
		}
		for _, l := range c.Listings {
			if l.Booking != nil {
				checkContact(t, l.Title, l.Booking.Phone, l.Booking.URL)
			}
			if l.Online != nil {
				checkContact(t, l.Title, "", l.Online.URL)
			}
			for _, k := range l.Links {
				checkContact(t, l.Title, "", k.URL)
			}
			if l.Image != nil {
				t.Errorf("%q has a picture; the samples have none to show", l.Title)
			}
			checkText(t, l.Title, l)
		}
	}
}

func checkContact(t *testing.T, whose, phone, address string) {
	t.Helper()
	if phone != "" && !drama.MatchString(phone) {
		t.Errorf("%s: %q is not a number kept for drama", whose, phone)
	}
	u, err := url.Parse(address)
	if err != nil || address != "" && (u.Scheme != "https" || !strings.HasSuffix(u.Host, ".example")) {
		t.Errorf("%s: %q is not an https address on an .example domain", whose, address)
	}
}

var (
	phoneInText = regexp.MustCompile(`\+?\d[\d ]{8,}\d`)
	hostInText  = regexp.MustCompile(`(?i)\b[a-z0-9-]+\.(com|org|net|io|info|cymru|wales|london|uk)\b`)
)

// checkText finds contacts that hide in running text.
func checkText(t *testing.T, whose string, record any) {
	t.Helper()
	raw, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if strings.Contains(text, "@") {
		t.Errorf("%s: holds an e-mail address or a handle", whose)
	}
	if host := hostInText.FindString(text); host != "" {
		t.Errorf("%s: names the real domain %s", whose, host)
	}
	for _, n := range phoneInText.FindAllString(text, -1) {
		if !drama.MatchString(n) {
			t.Errorf("%s: %q is not a number kept for drama", whose, n)
		}
	}
}

func TestCommunities_ComeInTheSameOrderEachTime(t *testing.T) {
	now := firstRuns()[0]
	first, again := load(t, now), load(t, now)
	if got, want := fmt.Sprint(titles(again)), fmt.Sprint(titles(first)); got != want {
		t.Errorf("the order changed:\n%s\n%s", got, want)
	}
	if got := []string{first[0].Handle, first[1].Handle, first[2].Handle}; !slices.Equal(got, []string{"bexley", "manchester", "media_mentors"}) {
		t.Errorf("the communities come as %v", got)
	}
}

func titles(list []Community) []string {
	var out []string
	for _, l := range everyListing(list) {
		out = append(out, l.Title)
	}
	return out
}

func TestCalendar_SaysWhatIsWrong(t *testing.T) {
	c := calendar{time.Date(2027, 3, 27, 23, 30, 0, 0, time.UTC)}
	if got, err := c.at(1, "10:00", "Europe/London"); err != nil || got != "2027-03-28T10:00:00+01:00" {
		t.Errorf("the morning after the clocks change = %q, %v", got, err)
	}
	for what, fails := range map[string]func() (string, error){
		"today":                  func() (string, error) { return c.at(0, "10:00", "Europe/London") },
		"an unknown zone":        func() (string, error) { return c.at(1, "10:00", "Europe/Bexley") },
		"an unknown time of day": func() (string, error) { return c.at(1, "ten", "Europe/London") },
		"an unknown weekday":     func() (string, error) { return c.next("Caturday", "10:00", "Europe/London") },
		"a sixth Thursday":       func() (string, error) { return c.nth(6, "Thursday", "10:00", "Europe/London") },
	} {
		if got, err := fails(); err == nil {
			t.Errorf("%s gives %q, want an error", what, got)
		}
	}
}
