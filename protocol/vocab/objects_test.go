package vocab_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// shapes returns public listings of all six kinds in every shape that writes
// another object.
func shapes() map[string]protocol.Listing {
	consent := &protocol.Consent{What: "being listed with a first name", Given: "2027-01-10", Until: "2027-12-31"}
	start := time.Date(2027, 11, 6, 18, 30, 0, 0, time.UTC)
	event := func(change func(*protocol.Listing)) protocol.Listing {
		l := fullEvent()
		change(&l)
		return l
	}
	return map[string]protocol.Listing{
		"event, full":            fullEvent(),
		"event, bare":            wire(protocol.Listing{Kind: "event", Title: "Film night", Start: start}),
		"event, online":          event(func(l *protocol.Listing) { l.Place, l.Online = nil, &protocol.Online{URL: "https://meet.example/a"} }),
		"event, online, no room": wire(protocol.Listing{Kind: "event", Title: "Call-in", Start: start, Modes: []string{"online"}}),
		"event, hybrid":          event(func(l *protocol.Listing) { l.Online = &protocol.Online{URL: "https://meet.example/a", Name: "Video"} }),
		"event, cancelled":       event(func(l *protocol.Listing) { l.Status = "cancelled" }),
		"event, postponed":       event(func(l *protocol.Listing) { l.Status = "postponed" }),
		"event, tentative":       event(func(l *protocol.Listing) { l.Status = "tentative" }),
		"event, open end":        event(func(l *protocol.Listing) { l.End = time.Time{} }),
		"event, over midnight":   event(func(l *protocol.Listing) { l.End = l.Start.AddDate(0, 0, 2) }),
		"event, repeating":       event(func(l *protocol.Listing) { l.Recurrence = "FREQ=WEEKLY;COUNT=6" }),
		"event, no picture":      event(func(l *protocol.Listing) { l.Image, l.Tags = nil, nil }),
		"event, no booking":      event(func(l *protocol.Listing) { l.Booking, l.Capacity = nil, 0 }),
		"event, whole degrees":   event(func(l *protocol.Listing) { l.Place.Latitude, l.Place.Longitude = ptr(51.0), ptr(0.0) }),
		"event, address only":    event(func(l *protocol.Listing) { l.Place = &protocol.Place{Address: l.Place.Address} }),
		"event, name only":       event(func(l *protocol.Listing) { l.Place = &protocol.Place{Name: "Behind the church"} }),
		"event, area only":       event(func(l *protocol.Listing) { l.Place = &protocol.Place{Area: "E09000004"} }),
		"event, position only":   event(func(l *protocol.Listing) { l.Place = &protocol.Place{Latitude: ptr(-33.0), Longitude: ptr(-71.5)} }),
		"event, empty place":     event(func(l *protocol.Listing) { l.Place = &protocol.Place{} }),
		"event, long title":      event(func(l *protocol.Listing) { l.Title = strings.Repeat("Gr", 100) }),
		"event, long place": event(func(l *protocol.Listing) {
			l.Place.Name, l.Place.Address.StreetAddress = strings.Repeat("N", 200), strings.Repeat("S", 300)
		}),
		"event, Welsh": event(func(l *protocol.Listing) { l.Language, l.Title = "cy", "Sesiwn galw heibio – croeso i bawb" }),
		"event, Urdu": event(func(l *protocol.Listing) {
			l.Language, l.Title, l.Tags = "ur", "مفت کمپیوٹر مدد", []string{"مدد"}
		}),
		"event, hostile words":    event(hostile),
		"event, unknown zone":     event(func(l *protocol.Listing) { l.Timezone = "Europe/Thornmere" }),
		"event, no zone":          event(func(l *protocol.Listing) { l.Timezone = "" }),
		"offer":                   wire(protocol.Listing{Kind: "offer", Title: "Bike maintenance lessons", Modes: []string{"centre-booked"}, Areas: []string{"E09000004"}, Tags: []string{"SkillShare"}, Places: 3}),
		"offer at a place":        wire(protocol.Listing{Kind: "offer", Title: "Form filling", Place: fullEvent().Place, Cost: &protocol.Cost{Free: true}, Image: fullEvent().Image}),
		"need":                    wire(protocol.Listing{Kind: "need", Title: "Two wheelbarrows", Tags: []string{"MutualAid"}, Start: start, End: start.Add(3 * time.Hour), Timezone: "Europe/London", Places: 2}),
		"need of volunteers":      wire(protocol.Listing{Kind: "need", Title: "Food bank drivers", Seeks: "volunteers", Place: fullEvent().Place}),
		"need of funding":         wire(protocol.Listing{Kind: "need", Title: "Tablets for a class", Seeks: "funding"}),
		"volunteer, public":       wire(protocol.Listing{Kind: "volunteer", Title: "Ash", Modes: []string{"home-visit"}, Areas: []string{"E09000004"}, Consent: consent, Tags: []string{"Mentor"}}),
		"volunteer, with an area": wire(protocol.Listing{Kind: "volunteer", Title: "Ash", Place: &protocol.Place{Name: "Bexleyheath", Area: "E09000004"}, Consent: consent}),
		"venue": wire(protocol.Listing{Kind: "venue", Title: "The Old Forge hall", Place: fullEvent().Place, Capacity: 80, Features: []string{"projector"},
			Cost: &protocol.Cost{Amount: "12.00", Currency: "GBP", Per: "hour"}, Image: fullEvent().Image, Tags: []string{"Venue"}}),
		"resource":        wire(protocol.Listing{Kind: "resource", Title: "Budget template", SubKind: "template", Links: []protocol.Link{{URL: "https://thornmere.example/t"}}}),
		"resource, kit":   wire(protocol.Listing{Kind: "resource", Title: "Portable PA", SubKind: "kit-to-lend", MaxDays: 7, Place: fullEvent().Place, Tags: []string{"Things"}, Cost: &protocol.Cost{Deposit: "20.00", Currency: "GBP"}}),
		"resource, plain": wire(protocol.Listing{Kind: "resource", Title: "A good idea"}),
	}
}

// hostile fills a listing with everything that would like to be markup.
func hostile(l *protocol.Listing) {
	l.Title = `"Tea" & 'cake' &lt;script&gt;`
	l.Summary = `<script>alert(1)</script> & more`
	l.Description = `<img src=x onerror=alert(1)> [x](javascript:alert(1))`
	l.Place.Name = `The <b>hall</b>`
	l.Cost = &protocol.Cost{Free: true, Note: "<3"}
}

func write(t testing.TB, l protocol.Listing) []byte {
	t.Helper()
	raw, err := vocab.NewRenderer().ListingObject(author(), &l, published(), edited())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// verify checks a document's proof as a peer would.
func verify(t testing.TB, name string, raw []byte) {
	t.Helper()
	resolve := func(method string) (ed25519.PublicKey, error) {
		if method != author().KeyID {
			return nil, errors.New("not our key")
		}
		return author().Key.Public().(ed25519.PublicKey), nil
	}
	p, err := proof.Verify(raw, resolve, edited())
	if err != nil || !p.Created.Equal(edited()) {
		t.Errorf("%s: proof made at %v: %v", name, p.Created, err)
	}
}

func TestListingObject_EveryShapeIsTakenByEveryServer(t *testing.T) {
	for name, l := range shapes() {
		if err := l.ValidateWire(); err != nil {
			t.Errorf("%s: the test's own listing is wrong: %v", name, err)
		}
		raw := write(t, l)
		o := exactly(t, raw)
		for _, found := range lint(o) {
			t.Errorf("%s: %s", name, found)
		}
		checkTerms(t, name, o)
		verify(t, name, raw)
		if strings.Contains(mastodon(o), "<script") || strings.Contains(mastodon(o), "<img") {
			t.Errorf("%s: markup gets through: %s", name, mastodon(o))
		}
	}
}

func TestListingObject_ReadsBackAsItWasWritten(t *testing.T) {
	for name, l := range shapes() {
		raw := write(t, l)
		a, err := vocab.ParseActivity(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		o := a.Object
		if a.Type != protocol.TypeObject || a.Actor != group || o.AttributedTo != group || !o.Proof || !o.IsPublic() || o.ListingError != nil || !bytes.Equal(o.Raw, raw) {
			t.Errorf("%s: got %+v", name, a)
		}
		if o.ID != vocab.ObjectIRI(base, l.UID) || o.URL != vocab.PageURL(base, l.UID) || !o.Published.Equal(published()) || !o.Updated.Equal(edited()) {
			t.Errorf("%s: got id %s, url %s, %v, %v", name, o.ID, o.URL, o.Published, o.Updated)
		}
		got, _ := json.Marshal(o.Listing)
		want, _ := json.Marshal(l)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: listing\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestListingObject_DeclaresNoTermThatItsKindNeverUses(t *testing.T) {
	used, declared := map[any]map[string]bool{}, map[any]map[string]any{}
	for name, l := range shapes() {
		o := exactly(t, write(t, l))
		scope, err := termsOf(o["@context"])
		if err != nil {
			t.Fatal(err)
		}
		if used[l.Kind] == nil {
			used[l.Kind] = scope.used
		}
		for term := range checkTerms(t, name, o) {
			used[l.Kind][term] = true
		}
		declared[l.Kind] = scope.inline
	}
	for kind := range declared {
		for term := range declared[kind] {
			place := []string{"PostalAddress", "address", "streetAddress", "postalCode", "addressLocality", "addressRegion", "addressCountry", "sc"}
			if !used[kind][term] && !slices.Contains(place, term) { // a volunteer's place has no postal address
				t.Errorf("%s declares %s and never uses it", kind, term)
			}
		}
	}
}

func TestListingObject_AnEventSaysAllInItsSummary(t *testing.T) {
	const where = "Central Library, 1 Long Lane, Bexleyheath, DA6 7HJ"
	cases := map[string]string{
		"event, full":            "Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · " + where + " · free · Bring your tablet and your questions",
		"event, bare":            "Sat 6 Nov 2027, 18:30 (UTC)",
		"event, online":          "Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · online · free · Bring your tablet and your questions",
		"event, online, no room": "Sat 6 Nov 2027, 18:30 (UTC) · online",
		"event, hybrid":          "Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · " + where + " · online · free · Bring your tablet and your questions",
		"event, cancelled":       "CANCELLED — Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · " + where + " · free · Bring your tablet and your questions",
		"event, postponed":       "POSTPONED — Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · " + where + " · free · Bring your tablet and your questions",
		"event, tentative":       "Not confirmed yet — Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · " + where + " · free · Bring your tablet and your questions",
		"event, open end":        "Sat 4 Sep 2027, 10:00 (Europe/London) · " + where + " · free · Bring your tablet and your questions",
		"event, over midnight":   "Sat 4 Sep 2027, 10:00 – Mon 6 Sep 2027, 10:00 (Europe/London) · " + where + " · free · Bring your tablet and your questions",
		"event, repeating":       "Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · repeats weekly · " + where + " · free · Bring your tablet and your questions",
		"event, no zone":         "Sat 4 Sep 2027, 09:00–12:00 (UTC) · " + where + " · free · Bring your tablet and your questions",
		"event, unknown zone":    "Sat 4 Sep 2027, 09:00–12:00 (UTC) · " + where + " · free · Bring your tablet and your questions",
		"event, hostile words":   "Sat 4 Sep 2027, 10:00–13:00 (Europe/London) · The ‹b›hall‹/b›, 1 Long Lane, Bexleyheath, DA6 7HJ · free, ‹3 · ‹script›alert(1)‹/script› & more",
	}
	for name, want := range cases {
		if got := decode(t, write(t, shapes()[name]))["summary"]; got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	if got := str(decode(t, write(t, shapes()["event, long place"]))["summary"]); !strings.Contains(got, " · free") || len([]rune(got)) > 500 {
		t.Errorf("a long place must not push out the cost: %s", got)
	}
}

func TestListingObject_EventsInDetail(t *testing.T) {
	get := func(shape, member string) any { return decode(t, write(t, shapes()[shape]))[member] }
	cases := []struct {
		shape, member string
		want          any
	}{
		{"event, full", "startTime", "2027-09-04T10:00:00+01:00"},
		{"event, full", "displayEndTime", true},
		{"event, full", "status", "CONFIRMED"},
		{"event, full", "externalParticipationUrl", "https://thornmere.example/book"},
		{"event, full", "isOnline", false},
		{"event, full", "maximumAttendeeCapacity", 40.0},
		{"event, no booking", "externalParticipationUrl", "https://thornmere.example/listings/3f1c0e52-6a7b-4c8d-9e0f-112233445566#booking"},
		{"event, no booking", "maximumAttendeeCapacity", nil},
		{"event, open end", "endTime", "2027-09-04T12:00:00+01:00"},
		{"event, open end", "displayEndTime", false},
		{"event, cancelled", "status", "CANCELLED"},
		{"event, cancelled", "eventStatus", "EventCancelled"},
		{"event, postponed", "status", "TENTATIVE"},
		{"event, postponed", "eventStatus", "EventPostponed"},
		{"event, tentative", "eventStatus", "EventTentative"},
		{"event, hybrid", "isOnline", true},
		{"event, no zone", "timezone", nil},
		{"event, bare", "inLanguage", "en"},
		{"event, bare", "content", "<p>Film night</p>"},
		{"event, Urdu", "inLanguage", "ur"},
	}
	for _, c := range cases {
		if got := get(c.shape, c.member); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.shape, c.member, got, c.want)
		}
	}
	if got := get("event, online", "location").(map[string]any); got["type"] != "VirtualLocation" || got["url"] != "https://meet.example/a" || got["address"].(map[string]any)["url"] != "https://meet.example/a" {
		t.Errorf("online: location %v", got)
	}
	if got := get("event, hybrid", "location").(map[string]any); got["type"] != "Place" {
		t.Errorf("hybrid: location %v", got)
	}
	if raw := write(t, shapes()["event, whole degrees"]); !bytes.Contains(raw, []byte(`"latitude":51.0,"longitude":0.0`)) {
		t.Errorf("whole degrees need a decimal point: %s", raw)
	}
	for _, m := range get("event, Welsh", "contentMap").(map[string]any) {
		if m != get("event, Welsh", "content") {
			t.Error("contentMap says something else than content")
		}
	}
}

func TestListingObject_APlaceHasANewIRIWhenItChanges(t *testing.T) {
	l := fullEvent()
	id := func() string { return str(decode(t, write(t, l))["location"].(map[string]any)["id"]) }
	first := id()
	if again := id(); again != first {
		t.Errorf("the same place has two IRIs: %s, %s", first, again)
	}
	name := first[strings.LastIndex(first, "/")+1:]
	raw, ok := vocab.Place(base, name, &l)
	if !ok || decode(t, raw)["id"] != first {
		t.Errorf("the place is not found at its IRI: %s", raw)
	}
	checkTerms(t, "place", decode(t, raw))
	l.Place.Address.StreetAddress = "2 Long Lane"
	if id() == first {
		t.Error("Mobilizon keeps a Place by its id for ever, so a new address needs a new one")
	}
	if _, ok := vocab.Place(base, name, &l); ok {
		t.Error("the old place is still served")
	}
	l.Place = nil
	if _, ok := vocab.Place(base, name, &l); ok {
		t.Error("a listing without a place serves one")
	}
}

func TestListingObject_WhatIsNotPublicIsAddressedToNobody(t *testing.T) {
	l := wire(protocol.Listing{Kind: "volunteer", Title: "Gardening help", Visibility: protocol.VisibilityLocal})
	raw := write(t, l)
	if !bytes.Contains(raw, []byte(`"to":[],"cc":[]`)) {
		t.Errorf("got %s", raw)
	}
	a, err := vocab.ParseActivity(raw)
	if err != nil || a.Object.IsPublic() {
		t.Errorf("got %+v, %v", a.To, err)
	}
}

func TestListingObject_IsNeverUpdatedBeforeItWasPublished(t *testing.T) {
	l := fullEvent()
	raw, err := vocab.NewRenderer().ListingObject(author(), &l, edited(), published())
	if err != nil {
		t.Fatal(err)
	}
	if o := decode(t, raw); o["updated"] != o["published"] {
		t.Errorf("published %v, updated %v", o["published"], o["updated"])
	}
}

// The largest listing that the rules allow must pass our own reader, or a
// steward could write what no peer can read.
func TestCreate_OfTheLargestListingIsRead(t *testing.T) {
	for name, filler := range map[string]string{"ASCII": "x", "escapes": `"`, "ampersands": "&", "emoji": "😀", "Han": "字", "quotes": "> "} {
		l := largest(filler)
		if err := l.ValidateWire(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		raw, err := vocab.Create(author(), &l, write(t, l), edited())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := vocab.ParseActivity(raw); err != nil {
			t.Errorf("%s: %d bytes: %v", name, len(raw), err)
		}
	}
}

func largest(filler string) protocol.Listing {
	fill := func(n int) string { return strings.Repeat(filler, n/len([]rune(filler))) }
	l := fullEvent()
	l.Title, l.Summary, l.Eligibility = "Abc"+fill(197), fill(300), fill(1000)
	if filler == "> " {
		l.Title = "Abc"
	}
	l.Description = fill(20_000)
	for len(l.Description) > 56_000 {
		l.Description = string([]rune(l.Description)[:14_000])
	}
	words, tags := make([]string, 30), make([]string, 30)
	for i := range words {
		words[i], tags[i] = strings.Repeat("字", 40), strings.Repeat("字", 39)
	}
	l.Topics, l.Audience, l.Accessibility, l.Tags = words, words, words, tags
	l.Links = nil
	for range 12 {
		l.Links = append(l.Links, protocol.Link{URL: "https://b.example/" + strings.Repeat("x", 2030), Title: fill(200)})
	}
	l.Place.Name, l.Place.Address.StreetAddress, l.Place.Address.AddressLocality = fill(200), fill(300), fill(200)
	l.Booking.How, l.Cost.Note, l.Image.Alt = fill(300), fill(300), "A"+fill(999)
	return l
}
