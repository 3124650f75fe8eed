package protocol

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

const (
	testUID     = "3f1c0e52-6a7b-4c8d-9e0f-112233445566"
	testPartner = "7d2a9b10-5c3e-4f60-8a71-665544332211"
	testSalt    = "AAAAAAAAAAAAAAAAAAAAAA"
)

var testCID = strings.Repeat("a", 52)

// examples returns one valid listing of each kind, with the fields that the
// kind is about.
func examples() map[Kind]Listing {
	library := &Place{Name: "Central Library", Latitude: ptr(51.0), Longitude: ptr(0.0), Area: "E09000004",
		Address: &Address{StreetAddress: "1 Long Lane", AddressLocality: "Bexleyheath", AddressRegion: "Greater London", PostalCode: "DA6 7HJ", AddressCountry: "GB"}}
	return map[Kind]Listing{
		KindEvent: {Kind: KindEvent, Title: "Tablet drop-in", Summary: "Bring your tablet", Description: "Two **hours**.\n\n- tea\n", Language: "en-GB",
			Categories: []string{"quick-tips"}, Modes: []string{"centre-drop-in"}, Format: "drop-in", Topics: []string{"tablets"}, Audience: []string{"older-people"},
			Level: "everyone", Tags: []string{"RepairCafe"}, Start: time.Date(2027, 3, 2, 10, 0, 0, 0, time.UTC), End: time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC),
			Timezone: "Europe/London", Recurrence: "FREQ=WEEKLY;COUNT=6", Status: "confirmed", Place: library, Online: &Online{URL: "https://meet.example/a", Name: "Video"},
			Capacity: 40, Cost: &Cost{Free: true}, Accessibility: []string{"step-free"}, Booking: &Booking{How: "ring", Phone: "020 7946 0123", URL: "https://b.example/"},
			Image: &Image{URL: "https://b.example/a.jpg", MediaType: "image/jpeg", Alt: "A table"}, Links: []Link{{URL: "https://b.example/", Title: "More"}},
			Visibility: "public", ValidUntil: "2027-06-01", UID: testUID},
		KindOffer: {Kind: KindOffer, Title: "Help at home", Modes: []string{"home-visit"}, Areas: []string{"E09000004"}, Availability: []string{"MondayEvening"},
			Places: 3, Requirements: []string{"own-laptop"}, Partner: testPartner, Responsibilities: map[string]string{"checks": testPartner}},
		KindNeed: {Kind: KindNeed, Title: "A room on Tuesdays", Seeks: "space", Places: 1, Areas: []string{"E09000004"}},
		KindVolunteer: {Kind: KindVolunteer, Title: "Gardening help", Modes: []string{"home-visit"}, Areas: []string{"E09000004"}, Availability: []string{"SaturdayMorning"},
			Partner: testPartner, Consent: &Consent{What: "a card to approved peers", Given: "2027-01-01", RecordedBy: testPartner, Until: "2028-01-01"}, Visibility: "coordinators"},
		KindVenue:    {Kind: KindVenue, Title: "The Old Mill hall", Place: library, Capacity: 80, Features: []string{"projector"}, Cost: &Cost{Amount: "12.00", Currency: "GBP", Per: "hour"}},
		KindResource: {Kind: KindResource, SubKind: "kit-to-lend", Title: "Portable PA system", MaxDays: 7, Cost: &Cost{Deposit: "20.00", Currency: "GBP"}},
	}
}

func onWire(l Listing) Listing {
	l.V, l.CID, l.UID, l.Version, l.Salt = ListingVersion, testCID, testUID, 7, testSalt
	return l
}

func TestExamples_OfEveryKindGoThroughJSONUnchanged(t *testing.T) {
	for kind, want := range examples() {
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeListing(raw)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		again, _ := json.Marshal(got)
		if string(again) != string(raw) {
			t.Errorf("%s: got  %s\nwant %s", kind, again, raw)
		}
		sent := onWire(got)
		if err := sent.ValidateWire(); err != nil {
			t.Errorf("%s on the wire: %v", kind, err)
		}
	}
	if len(examples()) != len(Kinds()) {
		t.Errorf("examples of %d kinds, want %d", len(examples()), len(Kinds()))
	}
}

// fields returns the names of the fields that an error complains about.
func fieldsOf(err error) []string {
	var list FieldErrors
	if !errors.As(err, &list) {
		return nil
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Field)
	}
	return names
}

func TestValidate_EveryFieldIsBoundedAndSaysWhatToDo(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	many := func(n int, s string) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = s
		}
		return list
	}
	cases := []struct {
		name   string
		kind   Kind
		change func(*Listing)
		field  string // the one that is complained about; "" when all is well
		says   string
	}{
		{"unknown kind", KindEvent, func(l *Listing) { l.Kind = "party" }, "kind", "one of event, offer"},
		{"no kind", KindNeed, func(l *Listing) { l.Kind, l.Seeks, l.Places = "", "", 0 }, "kind", "one of"},
		{"capital uid", KindNeed, func(l *Listing) { l.UID = strings.ToUpper(testUID) }, "uid", "lower case"},
		{"braced uid", KindNeed, func(l *Listing) { l.UID = "{" + testUID + "}" }, "uid", "lower case"},

		{"title of 3", KindNeed, func(l *Listing) { l.Title = "PC?" }, "", ""},
		{"title of 2", KindNeed, func(l *Listing) { l.Title = " PC " }, "title", "at least 3"},
		{"title without letters", KindNeed, func(l *Listing) { l.Title = "—\u200b\u200b—" }, "title", "letters or digits"},
		{"title in Devanagari", KindNeed, func(l *Listing) { l.Title = "हिन्दी" }, "", ""},
		{"title in Hebrew with a mark", KindNeed, func(l *Listing) { l.Title = "שלום\u200f!" }, "", ""},
		{"title of 200", KindNeed, func(l *Listing) { l.Title = strings.Repeat("é", 200) }, "", ""},
		{"title of 201", KindNeed, func(l *Listing) { l.Title = long(201) }, "title", "longer than 200 characters; shorten"},
		{"title with markup", KindNeed, func(l *Listing) { l.Title = "<b>Room" }, "title", "leave out < and >"},
		{"title of two lines", KindNeed, func(l *Listing) { l.Title = "A\nroom" }, "title", "one line"},
		{"title with a separator", KindNeed, func(l *Listing) { l.Title = "A room\u2028B" }, "title", "U+2028"},
		{"title with an override", KindNeed, func(l *Listing) { l.Title = "A \u202emoor" }, "title", "U+202E; delete"},
		{"title with an isolate", KindNeed, func(l *Listing) { l.Title = "A \u2066room" }, "title", "U+2066"},
		{"title with a bell", KindNeed, func(l *Listing) { l.Title = "A room\a" }, "title", "U+0007"},
		{"title in Latin-1", KindNeed, func(l *Listing) { l.Title = "caf\xe9 room" }, "title", "UTF-8"},
		{"summary of 300", KindNeed, func(l *Listing) { l.Summary = long(300) }, "", ""},
		{"summary of 301", KindNeed, func(l *Listing) { l.Summary = long(301) }, "summary", "shorten"},
		{"description of 20000", KindNeed, func(l *Listing) { l.Description = long(20_000) }, "", ""},
		{"description of 20001", KindNeed, func(l *Listing) { l.Description = long(20_001) }, "description", "shorten"},
		{"description of many bytes", KindNeed, func(l *Listing) { l.Description = strings.Repeat("😀", 14_001) }, "description", "56000 bytes"},
		{"description with NUL", KindNeed, func(l *Listing) { l.Description = "a\x00" }, "description", "U+0000"},
		{"eligibility of 1001", KindNeed, func(l *Listing) { l.Eligibility = long(1001) }, "eligibility", "shorten"},
		{"language", KindNeed, func(l *Listing) { l.Language = "zh-Hant-TW" }, "", ""},
		{"language in words", KindNeed, func(l *Listing) { l.Language = "English" }, "language", "such as en"},
		{"endless language", KindNeed, func(l *Listing) { l.Language = "en" + strings.Repeat("-aaaaaaaa", 7) }, "language", "such as en"},

		{"category", KindNeed, func(l *Listing) { l.Categories = []string{"quick-tips", "skills-support"} }, "categories[1]", "is not one of quick-tips"},
		{"categories over and over", KindNeed, func(l *Listing) { l.Categories = many(9, "quick-tips") }, "categories", "name each once"},
		{"mode", KindNeed, func(l *Listing) { l.Modes = []string{"Online"} }, "modes[0]", "centre-drop-in"},
		{"availability", KindNeed, func(l *Listing) { l.Availability = []string{"MondayNight"} }, "availability[0]", "MondayMorning"},
		{"format", KindEvent, func(l *Listing) { l.Format = "party" }, "format", "workshop"},
		{"level", KindNeed, func(l *Listing) { l.Level = "expert" }, "level", "beginner"},
		{"status", KindEvent, func(l *Listing) { l.Status = "CONFIRMED" }, "status", "cancelled"},
		{"sub-kind", KindResource, func(l *Listing) { l.SubKind = "kit" }, "sub_kind", "kit-to-lend"},
		{"seeks", KindNeed, func(l *Listing) { l.Seeks = "money" }, "seeks", "funding"},
		{"visibility", KindNeed, func(l *Listing) { l.Visibility = "everyone" }, "visibility", "public"},

		{"topic in capitals", KindNeed, func(l *Listing) { l.Topics = []string{"tablets", "Tablets"} }, "topics[1]", "lower-case words joined by hyphens"},
		{"topic in Hindi", KindNeed, func(l *Listing) { l.Topics = []string{"हिन्दी-भाषा"} }, "", ""},
		{"topic of 41", KindNeed, func(l *Listing) { l.Topics = []string{long(41)} }, "topics[0]", "at most 40"},
		{"31 topics", KindNeed, func(l *Listing) { l.Topics = many(31, "x") }, "topics", "more than 30"},
		{"audience", KindNeed, func(l *Listing) { l.Audience = []string{"older people"} }, "audience[0]", "older-people"},
		{"accessibility", KindNeed, func(l *Listing) { l.Accessibility = []string{"-step-free"} }, "accessibility[0]", "hyphens"},
		{"features", KindVenue, func(l *Listing) { l.Features = []string{""} }, "features[0]", "hyphens"},
		{"requirements", KindNeed, func(l *Listing) { l.Requirements = []string{"driving_licence"} }, "requirements[0]", "hyphens"},
		{"tag with a hash", KindNeed, func(l *Listing) { l.Tags = []string{"#Tag"} }, "tags[0]", "without spaces or #"},
		{"tag of 39", KindNeed, func(l *Listing) { l.Tags = []string{long(39)} }, "", ""},
		{"tag of 40", KindNeed, func(l *Listing) { l.Tags = []string{long(40)} }, "tags[0]", "under 40"},
		{"31 tags", KindNeed, func(l *Listing) { l.Tags = many(31, "x") }, "tags", "more than 30"},

		{"start in 1969", KindEvent, func(l *Listing) { l.Start = l.Start.AddDate(-58, 0, 0) }, "start", "1970"},
		{"end in 9001", KindEvent, func(l *Listing) { l.End = l.End.AddDate(6974, 0, 0) }, "end", "9000"},
		{"end without start", KindNeed, func(l *Listing) { l.End = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }, "start", "there is an end"},
		{"end at start", KindEvent, func(l *Listing) { l.End = l.Start }, "end", "later than start"},
		{"time zone", KindEvent, func(l *Listing) { l.Timezone = "Europe/Bexley" }, "timezone", "Europe/London"},
		{"the machine's time zone", KindEvent, func(l *Listing) { l.Timezone = "Local" }, "timezone", "Europe/London"},
		{"a file of the machine", KindEvent, func(l *Listing) { l.Timezone = "posix/Europe/London" }, "timezone", "Europe/London"},
		{"a path", KindEvent, func(l *Listing) { l.Timezone = "../../etc/passwd" }, "timezone", "Europe/London"},
		{"valid_until", KindNeed, func(l *Listing) { l.ValidUntil = "01/06/2027" }, "valid_until", "2027-06-01"},
		{"valid_until on 30 February", KindNeed, func(l *Listing) { l.ValidUntil = "2027-02-30" }, "valid_until", "2027-06-01"},
		{"recurrence without start", KindOffer, func(l *Listing) { l.Recurrence = "FREQ=DAILY" }, "recurrence", "needs a start"},
		{"recurrence every second", KindEvent, func(l *Listing) { l.Recurrence = "FREQ=SECONDLY" }, "recurrence", "not more often"},
		{"recurrence every hour by the back door", KindEvent, func(l *Listing) { l.Recurrence = "FREQ=DAILY;BYHOUR=1,2,3" }, "recurrence", "not more often"},
		{"recurrence of a huge interval", KindEvent, func(l *Listing) { l.Recurrence = "FREQ=DAILY;INTERVAL=99999999" }, "recurrence", "INTERVAL"},
		{"recurrence of a huge count", KindEvent, func(l *Listing) { l.Recurrence = "FREQ=DAILY;COUNT=1000000000" }, "recurrence", "COUNT"},
		{"recurrence with its name", KindEvent, func(l *Listing) { l.Recurrence = "RRULE:FREQ=DAILY" }, "recurrence", "FREQ=WEEKLY;COUNT=6"},
		{"recurrence in words", KindEvent, func(l *Listing) { l.Recurrence = "every Tuesday" }, "recurrence", "RFC 5545"},

		{"place name", KindVenue, func(l *Listing) { l.Place.Name = long(201) }, "place.name", "shorten"},
		{"latitude without longitude", KindVenue, func(l *Listing) { l.Place.Longitude = nil }, "place", "both"},
		{"latitude", KindVenue, func(l *Listing) { l.Place.Latitude = ptr(90.1) }, "place.latitude", "-90 and 90"},
		{"longitude", KindVenue, func(l *Listing) { l.Place.Longitude = ptr(-180.1) }, "place.longitude", "-180 and 180"},
		{"place area", KindVenue, func(l *Listing) { l.Place.Area = "Bexley" }, "place.area", "E09000004"},
		{"street", KindVenue, func(l *Listing) { l.Place.Address.StreetAddress = long(301) }, "place.address.streetAddress", "shorten"},
		{"town", KindVenue, func(l *Listing) { l.Place.Address.AddressLocality = "a\nb" }, "place.address.addressLocality", "one line"},
		{"region", KindVenue, func(l *Listing) { l.Place.Address.AddressRegion = long(201) }, "place.address.addressRegion", "shorten"},
		{"postcode", KindVenue, func(l *Listing) { l.Place.Address.PostalCode = long(21) }, "place.address.postalCode", "shorten"},
		{"country", KindVenue, func(l *Listing) { l.Place.Address.AddressCountry = "UK!" }, "place.address.addressCountry", "GB"},
		{"areas", KindNeed, func(l *Listing) { l.Areas = []string{"E09000004", "e09000004"} }, "areas[1]", "E09000004"},
		{"51 areas", KindNeed, func(l *Listing) { l.Areas = many(51, "E09000004") }, "areas", "more than 50"},

		{"online address", KindEvent, func(l *Listing) { l.Online.URL = "javascript:alert(1)" }, "online.url", "https://"},
		{"online name", KindEvent, func(l *Listing) { l.Online.Name = long(201) }, "online.name", "shorten"},
		{"booking words", KindEvent, func(l *Listing) { l.Booking.How = long(301) }, "booking.how", "shorten"},
		{"booking address", KindEvent, func(l *Listing) { l.Booking.URL = "https://user@b.example/" }, "booking.url", "https://"},
		{"booking telephone", KindEvent, func(l *Listing) { l.Booking.Phone = "ring me" }, "booking.phone", "020 7946 0123"},
		{"link without address", KindEvent, func(l *Listing) { l.Links[0].URL = "" }, "links[0].url", "is missing"},
		{"link of 2049", KindEvent, func(l *Listing) { l.Links[0].URL = "https://b.example/" + long(2031) }, "links[0].url", "shorten"},
		{"link title", KindEvent, func(l *Listing) { l.Links[0].Title = "\t" }, "links[0].title", "one line"},
		{"13 links", KindEvent, func(l *Listing) {
			for len(l.Links) < 13 {
				l.Links = append(l.Links, l.Links[0])
			}
		}, "links", "more than 12"},
		{"image address", KindEvent, func(l *Listing) { l.Image.URL = "" }, "image.url", "is missing"},
		{"image file", KindEvent, func(l *Listing) { l.Image.URL, l.Image.File = "", "a.jpg" }, "", ""},
		{"image without words", KindEvent, func(l *Listing) { l.Image.Alt = " " }, "image.alt", "describe the picture"},
		{"image with many words", KindEvent, func(l *Listing) { l.Image.Alt = long(1001) }, "image.alt", "shorten"},
		{"image that runs", KindEvent, func(l *Listing) { l.Image.MediaType = "image/svg+xml" }, "image.media_type", "image/png"},

		{"capacity", KindVenue, func(l *Listing) { l.Capacity = -1 }, "capacity", "from 0 to 1000000"},
		{"places", KindNeed, func(l *Listing) { l.Places = 1_000_001 }, "places", "from 0"},
		{"max_days", KindResource, func(l *Listing) { l.MaxDays = -3 }, "max_days", "from 0"},
		{"amount", KindVenue, func(l *Listing) { l.Cost.Amount = "£12" }, "cost.amount", "12.00"},
		{"deposit", KindResource, func(l *Listing) { l.Cost.Deposit = "20.001" }, "cost.deposit", "12.00"},
		{"no currency", KindVenue, func(l *Listing) { l.Cost.Currency = "" }, "cost.currency", "GBP"},
		{"currency", KindVenue, func(l *Listing) { l.Cost.Currency = "gbp" }, "cost.currency", "GBP"},
		{"free for money", KindVenue, func(l *Listing) { l.Cost.Free = true }, "cost.free", "keep one"},
		{"free for nothing", KindVenue, func(l *Listing) { l.Cost.Free, l.Cost.Amount = true, "0.00" }, "", ""},
		{"per", KindVenue, func(l *Listing) { l.Cost.Per = long(41) }, "cost.per", "shorten"},
		{"cost note", KindVenue, func(l *Listing) { l.Cost.Note = long(301) }, "cost.note", "shorten"},

		{"partner", KindOffer, func(l *Listing) { l.Partner = "the library" }, "partner", "uid"},
		{"responsibility", KindOffer, func(l *Listing) { l.Responsibilities["tea"] = testPartner }, "responsibilities", "recruitment"},
		{"responsible", KindOffer, func(l *Listing) { l.Responsibilities["checks"] = "them" }, "responsibilities.checks", "uid"},

		{"event without start", KindEvent, func(l *Listing) { l.Start, l.End, l.Recurrence = time.Time{}, time.Time{}, "" }, "start", "say when the event begins"},
		{"format of a venue", KindVenue, func(l *Listing) { l.Format = "workshop" }, "format", `does not belong to the kind "venue"; leave`},
		{"status of a need", KindNeed, func(l *Listing) { l.Status = "confirmed" }, "status", "leave it out"},
		{"recurring venue", KindVenue, func(l *Listing) { l.Start, l.Recurrence = time.Unix(1, 0), "FREQ=DAILY" }, "recurrence", "leave it out"},
		{"sub-kind of an event", KindEvent, func(l *Listing) { l.SubKind = "tip" }, "sub_kind", "leave it out"},
		{"seeking offer", KindOffer, func(l *Listing) { l.Seeks = "space" }, "seeks", "leave it out"},
		{"places of a venue", KindVenue, func(l *Listing) { l.Places = 2 }, "places", "leave it out"},
		{"requirements of a venue", KindVenue, func(l *Listing) { l.Requirements = []string{"x"} }, "requirements", "leave it out"},
		{"features of a need", KindNeed, func(l *Listing) { l.Features = []string{"x"} }, "features", "leave it out"},
		{"max_days of a venue", KindVenue, func(l *Listing) { l.MaxDays = 2 }, "max_days", "leave it out"},
		{"consent of a venue", KindVenue, func(l *Listing) { l.Consent = examples()[KindVolunteer].Consent }, "consent", "leave it out"},
	}
	for _, c := range cases {
		l := examples()[c.kind]
		c.change(&l)
		checkFields(t, c.name, l.Validate(), c.field, c.says)
	}
}

// checkFields wants one problem, of the field and with the words.
func checkFields(t *testing.T, name string, err error, field, says string) {
	t.Helper()
	got := fieldsOf(err)
	if field == "" {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	if len(got) != 1 || got[0] != field || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want one problem with %s that says %q", name, err, field, says)
	}
	if KindOf(err) != Invalid {
		t.Errorf("%s: kind %q, want invalid", name, KindOf(err))
	}
}

func TestValidate_ReportsEveryProblemAtOnce(t *testing.T) {
	l := Listing{Kind: KindEvent, Title: "x", Language: "?", Cost: &Cost{Amount: "1"}}
	if got, want := strings.Join(fieldsOf(l.Validate()), " "), "title language cost.currency start"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestValidate_PeopleAreNotData(t *testing.T) {
	cases := []struct {
		name   string
		kind   Kind
		change func(*Listing)
		field  string
		says   string
	}{
		{"local without consent", KindVolunteer, func(l *Listing) { l.Visibility, l.Consent = VisibilityLocal, nil }, "", ""},
		{"visibility not said, so local", KindVolunteer, func(l *Listing) { l.Visibility, l.Consent = "", nil }, "", ""},
		{"card without consent", KindVolunteer, func(l *Listing) { l.Consent = nil }, "consent", "use visibility local"},
		{"public without consent", KindVolunteer, func(l *Listing) { l.Visibility, l.Consent = VisibilityPublic, nil }, "consent", "only with their consent"},
		{"public with a name of their choice and an area", KindVolunteer, func(l *Listing) {
			l.Visibility, l.Title, l.Place, l.Modes = VisibilityPublic, "Ash", &Place{Name: "Bexleyheath", Area: "E09000004"}, nil
		}, "", ""},
		{"consent to nothing", KindVolunteer, func(l *Listing) { l.Consent.What = " " }, "consent.what", "say what the person agreed to"},
		{"consent in many words", KindVolunteer, func(l *Listing) { l.Consent.What = strings.Repeat("x", 301) }, "consent.what", "shorten"},
		{"consent not dated", KindVolunteer, func(l *Listing) { l.Consent.Given = "" }, "consent.given", "2027-06-01"},
		{"consent without an end", KindVolunteer, func(l *Listing) { l.Consent.Until = "" }, "consent.until", "2027-06-01"},
		{"consent that ends before it begins", KindVolunteer, func(l *Listing) { l.Consent.Until = "2026-12-31" }, "consent.until", "before"},
		{"consent for a year and a day", KindVolunteer, func(l *Listing) { l.Consent.Until = "2028-01-02" }, "consent.until", "twelve months"},
		{"consent over a leap day", KindVolunteer, func(l *Listing) { l.Consent.Given, l.Consent.Until = "2028-02-29", "2029-03-01" }, "", ""},
		{"recorded by a name", KindVolunteer, func(l *Listing) { l.Consent.RecordedBy = "Ash" }, "consent.recordedBy", "uid"},
		{"volunteer's position", KindVolunteer, func(l *Listing) {
			l.Visibility, l.Modes, l.Place = VisibilityLocal, nil, &Place{Latitude: ptr(51.0), Longitude: ptr(0.0)}
		}, "place", "must not be exact"},
		{"volunteer's address", KindVolunteer, func(l *Listing) {
			l.Visibility, l.Modes, l.Place = VisibilityPublic, nil, &Place{Address: &Address{PostalCode: "DA6 7HJ"}}
		}, "place", "must not be exact"},
		{"volunteer's telephone", KindVolunteer, func(l *Listing) {
			l.Visibility, l.Booking = VisibilityLocal, &Booking{Phone: "020 7946 0123"}
		}, "booking.phone", "through their organisation"},
		{"card with a picture", KindVolunteer, func(l *Listing) { l.Image = &Image{URL: "https://b.example/a.png", Alt: "Ash"} }, "image", "card"},
		{"card with a link", KindVolunteer, func(l *Listing) { l.Links = []Link{{URL: "https://b.example/ash"}} }, "links", "card"},
		{"card with a room to meet in", KindVolunteer, func(l *Listing) { l.Online = &Online{URL: "https://meet.example/ash"} }, "online", "card"},
		{"card with a way to book", KindVolunteer, func(l *Listing) { l.Booking = &Booking{How: "ask Ash"} }, "booking", "card"},
		{"card with the name of a place", KindVolunteer, func(l *Listing) { l.Modes, l.Place = nil, &Place{Name: "12 Mill Lane"} }, "place", "card"},
		{"card with an area", KindVolunteer, func(l *Listing) { l.Modes, l.Place = nil, &Place{Area: "E09000004"} }, "", ""},
		{"card with an e-mail", KindVolunteer, func(l *Listing) { l.Description = "ash@b.example" }, "description", "no e-mail"},
		{"card with a handle", KindVolunteer, func(l *Listing) { l.Title = "@ash gardening" }, "title", "handle"},
		{"card with an address on the web", KindVolunteer, func(l *Listing) { l.Summary = "https://b.example/ash" }, "summary", "web address"},
		{"a person's offer as a card", KindOffer, func(l *Listing) {
			l.Visibility, l.Consent, l.Links = VisibilityCoordinators, examples()[KindVolunteer].Consent, []Link{{URL: "https://b.example/"}}
		}, "links", "card"},
		{"an organisation's offer to co-ordinators", KindOffer, func(l *Listing) {
			l.Visibility, l.Links = VisibilityCoordinators, []Link{{URL: "https://b.example/"}}
		}, "", ""},
		{"home visit with an address", KindOffer, func(l *Listing) { l.Place = &Place{Address: &Address{PostalCode: "DA6 7HJ"}} }, "place", "name the areas served"},
		{"home visit and centre", KindOffer, func(l *Listing) {
			l.Modes, l.Place = []string{"centre-booked", "home-visit"}, &Place{Name: "Library"}
		}, "place", "list help at a centre by itself"},
	}
	for _, c := range cases {
		l := examples()[c.kind]
		c.change(&l)
		checkFields(t, c.name, l.Validate(), c.field, c.says)
		sent := onWire(l)
		checkFields(t, c.name+", from another node", sent.ValidateWire(), c.field, c.says)
	}
}

func TestValidateWire_WantsWhatOnlyTheWireCarries(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Listing)
		field  string
		says   string
	}{
		{"as it should be", func(*Listing) {}, "", ""},
		{"another version", func(l *Listing) { l.V = 2 }, "v", "is 2; this node understands version 1"},
		{"no cid", func(l *Listing) { l.CID = "" }, "cid", "52 characters"},
		{"capital cid", func(l *Listing) { l.CID = strings.ToUpper(l.CID) }, "cid", "lower-case base32"},
		{"no uid", func(l *Listing) { l.UID = "" }, "uid", "UUID in lower case"},
		{"edit 0", func(l *Listing) { l.Version = 0 }, "version", "from 1 to 2^53-1"},
		{"largest edit", func(l *Listing) { l.Version = 1<<53 - 1 }, "", ""},
		{"an edit that not every reader can tell from the next", func(l *Listing) { l.Version = 1 << 53 }, "version", "2^53-1"},
		{"short salt", func(l *Listing) { l.Salt = "AAAA" }, "salt", "22 characters"},
		{"padded salt", func(l *Listing) { l.Salt = l.Salt[:20] + "==" }, "salt", "base64url"},
		{"a file", func(l *Listing) { l.Image = &Image{URL: "https://b.example/a.png", File: "a.png", Alt: "x"} }, "image.file", "never travels"},
		{"a time zone of a later year", func(l *Listing) { l.Timezone = "Europe/Bexley" }, "", ""},
		{"a time zone that is none", func(l *Listing) { l.Timezone = "Europe London" }, "timezone", "Europe/London"},
		{"what is wrong here is wrong there", func(l *Listing) { l.Title = "" }, "title", "at least 3"},
	}
	for _, c := range cases {
		l := onWire(examples()[KindNeed])
		c.change(&l)
		checkFields(t, c.name, l.ValidateWire(), c.field, c.says)
	}
}

func TestTombstone_NamesOneEditOfOneListing(t *testing.T) {
	good := Tombstone{V: 1, CID: testCID, UID: testUID, Version: 8, Erased: true}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	cases := []struct {
		change func(*Tombstone)
		field  string
	}{
		{func(d *Tombstone) { d.V = 0 }, "v"},
		{func(d *Tombstone) { d.CID = "x" }, "cid"},
		{func(d *Tombstone) { d.UID = "" }, "uid"},
		{func(d *Tombstone) { d.Version = 0 }, "version"},
		{func(d *Tombstone) { d.Version = 1 << 60 }, "version"},
	}
	for _, c := range cases {
		d := good
		c.change(&d)
		checkFields(t, c.field, d.Validate(), c.field, "")
	}
}
