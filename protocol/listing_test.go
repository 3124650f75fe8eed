package protocol

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestDecodeListing_NamesTheFieldThatIsWrong(t *testing.T) {
	cases := []struct{ name, in, says string }{
		{"unknown field", `{"kind":"need","title":"Room","colour":"red"}`, "colour is not a field of a listing; see docs/protocol/listing.md"},
		{"unknown field inside", `{"kind":"need","place":{"lat":1}}`, "place.lat is not a field of a listing"},
		{"unknown field in a list", `{"links":[{"url":"https://a.example"},{"href":"x"}]}`, "links[1].href is not a field"},
		{"capital letter", `{"Kind":"need"}`, "Kind is not a field of a listing"},
		{"the same field twice", `{"kind":"need","title":"A","title":"B"}`, "title is there twice; keep one"},
		{"v", `{"v":1}`, "v, cid, version and salt are set by the node; leave them out"},
		{"cid", `{"cid":"x"}`, "leave them out"},
		{"version", `{"version":3}`, "leave them out"},
		{"salt", `{"salt":"x"}`, "leave them out"},
		{"text for a number", `{"capacity":"40"}`, "capacity must be a number, not a string"},
		{"half a person", `{"capacity":1.5}`, "capacity must be a whole number"},
		{"number for a text", `{"title":7}`, "title must be a string, not a number"},
		{"text for a list", `{"topics":"tablets"}`, "topics must be a list, not a string"},
		{"list for an object", `{"place":[]}`, "place must be an object, not a list"},
		{"object for a list", `{"links":{}}`, "links must be a list, not an object"},
		{"text for yes", `{"cost":{"free":"yes"}}`, "cost.free must be true or false, not a string"},
		{"yes for a text", `{"summary":true}`, "summary must be a string, not true or false"},
		{"a day for a moment", `{"start":"2027-03-02"}`, "start must be a date and time like 2027-03-02T10:00:00Z"},
		{"not JSON", `kind: need`, "this is not valid JSON at byte 0"},
		{"broken off", `{"kind":"need"`, "it ends too early, at byte 14"},
		{"empty", ``, "too early"},
		{"two", `{"kind":"need"} {"kind":"need"}`, "send one listing at a time"},
		{"a list", `[]`, "one JSON object in braces"},
		{"not UTF-8", "{\"title\":\"caf\xe9\"}", "not valid JSON"},
	}
	for _, c := range cases {
		_, err := DecodeListing([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
		if KindOf(err) != Invalid {
			t.Errorf("%s: kind %q, want invalid", c.name, KindOf(err))
		}
	}
}

func TestListing_OnTheWireKeepsUnknownFieldsOutOfTheWay(t *testing.T) {
	var l Listing
	if err := json.Unmarshal([]byte(`{"v":1,"kind":"need","title":"Room","colour":"red"}`), &l); err != nil || l.Title != "Room" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestListing_Expires(t *testing.T) {
	at := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	cases := []struct {
		name              string
		validUntil, until Date
		consent           bool
		want              time.Time
	}{
		{"never", "", "", false, time.Time{}},
		{"after its last day", "2027-06-01", "", false, at("2027-06-02T00:00:00Z")},
		{"over the end of a year", "2027-12-31", "", false, at("2028-01-01T00:00:00Z")},
		{"with the consent", "", "2027-02-28", true, at("2027-03-01T00:00:00Z")},
		{"with the consent, which ends first", "2027-06-01", "2027-02-28", true, at("2027-03-01T00:00:00Z")},
		{"before the consent does", "2027-01-01", "2027-02-28", true, at("2027-01-02T00:00:00Z")},
		{"a consent without an end does not lengthen it", "2027-01-01", "", true, at("2027-01-02T00:00:00Z")},
		{"malformed", "soon", "", false, time.Time{}},
	}
	for _, c := range cases {
		l := Listing{ValidUntil: c.validUntil}
		if c.consent {
			l.Consent = &Consent{Until: c.until}
		}
		if got := l.Expires(); !got.Equal(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestListing_PersonalAndPublic(t *testing.T) {
	for kind, l := range examples() {
		if got, want := l.Personal(), kind == KindVolunteer; got != want {
			t.Errorf("%s: Personal() = %v, want %v", kind, got, want)
		}
		if got, want := l.Public(), kind == KindEvent; got != want {
			t.Errorf("%s: Public() = %v, want %v", kind, got, want)
		}
	}
	if l := (Listing{Kind: KindOffer, Consent: &Consent{}}); !l.Personal() {
		t.Error("an offer with a person's consent is personal")
	}
}

func TestPlace_InOneLine(t *testing.T) {
	cases := []struct {
		place *Place
		want  string
	}{
		{nil, ""},
		{&Place{}, ""},
		{&Place{Name: "Library"}, "Library"},
		{&Place{Area: "E09000004"}, ""},
		{&Place{Address: &Address{AddressLocality: "Bexleyheath", PostalCode: "DA6 7HJ"}}, "Bexleyheath, DA6 7HJ"},
		{&Place{Name: "1 Long Lane", Address: &Address{StreetAddress: "1 Long Lane", AddressLocality: "Bexleyheath"}}, "1 Long Lane, Bexleyheath"},
	}
	for _, c := range cases {
		if got := c.place.Line(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if _, _, ok := (&Place{Latitude: ptr(1.0)}).Point(); ok {
		t.Error("half a position is none")
	}
	if lat, lon, ok := examples()[KindVenue].Place.Point(); !ok || lat != 51 || lon != 0 {
		t.Errorf("got %v %v %v", lat, lon, ok)
	}
}

// FuzzDecodeListing looks for input that breaks the reader or the checks, and
// for listings that pass the checks but do not survive their own JSON.
func FuzzDecodeListing(f *testing.F) {
	for _, l := range examples() {
		raw, err := json.Marshal(l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		sent, _ := json.Marshal(onWire(l))
		f.Add(sent)
	}
	f.Add([]byte(`{"kind":"event","title":"Gr\u00fc\u00dfe","start":"2027-03-02T10:00:00+14:00","recurrence":"FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=0"}`))
	f.Add([]byte(`{"kind":"need","place":{"latitude":1e308,"longitude":-0.0}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := DecodeListing(raw)
		if err != nil {
			if KindOf(err) != Invalid {
				t.Fatalf("kind %q of %v", KindOf(err), err)
			}
			return
		}
		_ = l.Expires()
		_ = l.Place.Line()
		if l.Validate() != nil {
			return
		}
		once, err := json.Marshal(l)
		if err != nil {
			t.Fatalf("a valid listing cannot be written: %v", err)
		}
		again, err := DecodeListing(once)
		if err != nil {
			t.Fatalf("a valid listing cannot be read again: %v", err)
		}
		if err := again.Validate(); err != nil {
			t.Fatalf("a valid listing is not valid again: %v", err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(once) {
			t.Fatalf("got %s\nwant %s", twice, once)
		}
	})
}
