package exchange

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/waypost-directory/waypost/protocol"
)

func degrees(d float64) *float64 { return &d }

// everything is a listing of each kind that together fill every field which an
// export carries.
func everything() []protocol.Listing {
	partner := "6a1f9f0e-3c55-4f0e-9c38-0c7b6b8f2d11"
	return []protocol.Listing{
		{
			UID: "0b0c1d2e-3f40-4a5b-8c6d-7e8f90a1b2c3", Kind: protocol.KindEvent, Title: "Tablet drop-in – “no question is too small”", Summary: "Bring your own device",
			Description: "First line; with signs, and \\ slashes\n\n- a list\n- ŵ ŷ 🎉 " + strings.TrimSpace(strings.Repeat("a long text that must be folded ", 8)), Language: "en-GB",
			Categories: []string{"quick-tips", "hands-on"}, Modes: []string{"centre-drop-in", "online"}, Format: "drop-in", Topics: []string{"tablets"}, Audience: []string{"older-people"},
			Level: "everyone", Tags: []string{"GetOnline"}, Start: time.Date(2027, 3, 16, 10, 0, 0, 0, time.UTC), End: time.Date(2027, 3, 16, 12, 0, 0, 0, time.UTC),
			Timezone: "Europe/London", Recurrence: "FREQ=WEEKLY;COUNT=6", Status: "confirmed",
			Place: &protocol.Place{
				Name: "Central Library", Area: "E09000004", Latitude: degrees(51.456), Longitude: degrees(-0.146),
				Address: &protocol.Address{StreetAddress: "Townley Road", AddressLocality: "Bexleyheath", AddressRegion: "Greater London", PostalCode: "DA6 7HJ", AddressCountry: "GB"},
			},
			Areas: []string{"E09000004"}, Online: &protocol.Online{URL: "https://meet.example/tablets;a=1,2", Name: "Our call"},
			Capacity: 40, Eligibility: "Anybody", Booking: &protocol.Booking{How: "Ring us", Phone: "+44 20 8303 7777", URL: "https://friends.example/book"},
			Cost: &protocol.Cost{Free: true, Note: "Tea for 50p"}, Accessibility: []string{"step-free"},
			Partner: partner, Responsibilities: map[string]string{"checks": partner, "support": partner},
			Image:      &protocol.Image{URL: "https://friends.example/p.jpg", MediaType: "image/jpeg", Alt: "Two people and a tablet"},
			Links:      []protocol.Link{{URL: "https://friends.example/a;b|c", Title: "Our page"}, {URL: "https://friends.example/2"}},
			Visibility: "public", ValidUntil: "2027-12-31",
		},
		{UID: "11111111-3f40-4a5b-8c6d-7e8f90a1b2c3", Kind: protocol.KindVolunteer, Title: "Digital champion", Availability: []string{"MondayEvening"}, Visibility: "coordinators",
			Areas: []string{"E08000003"}, Requirements: []string{"patience"}, Consent: &protocol.Consent{What: "to be found by other organisations", Given: "2027-03-01", Until: "2028-02-28", RecordedBy: partner}},
		{UID: "22222222-3f40-4a5b-8c6d-7e8f90a1b2c3", Kind: protocol.KindVenue, Title: "=HYPERLINK(\"https://x.example\")", Features: []string{"projector"}, Visibility: "public",
			Cost: &protocol.Cost{Amount: "8.00", Deposit: "20.00", Currency: "GBP", Per: "hour"}},
		{UID: "33333333-3f40-4a5b-8c6d-7e8f90a1b2c3", Kind: protocol.KindNeed, Title: "@laptops for loan", Seeks: "templates", Places: 5, Visibility: "local"},
		{UID: "44444444-3f40-4a5b-8c6d-7e8f90a1b2c3", Kind: protocol.KindResource, Title: "Kit", SubKind: "kit-to-lend", MaxDays: 14, Visibility: "public"},
		{UID: "55555555-3f40-4a5b-8c6d-7e8f90a1b2c3", Kind: protocol.KindEvent, Title: "One evening", Start: time.Date(2027, 7, 1, 18, 0, 0, 0, time.UTC), Timezone: "Europe/London",
			Status: "cancelled", Online: &protocol.Online{URL: "https://meet.example/evening"}, Visibility: "public", Modes: []string{"online"}},
	}
}

func listingsOf(r Report) []protocol.Listing {
	all := make([]protocol.Listing, len(r.Drafts))
	for i, d := range r.Drafts {
		all[i] = d.Listing
	}
	return all
}

func TestExport_JSONAndCSVComeBackAsTheyWere(t *testing.T) {
	want := everything()
	for i := range want {
		if err := want[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	wire := everything()
	for i := range wire {
		wire[i].V, wire[i].CID, wire[i].Version, wire[i].Salt = 1, strings.Repeat("a", 52), 7, "AAAAAAAAAAAAAAAAAAAAAA"
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"x.json": func(b *bytes.Buffer) error { return WriteJSON(b, wire) },
		"x.csv":  func(b *bytes.Buffer) error { return WriteCSV(b, wire) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		report, err := read(name, b.Bytes(), Options{Now: now})
		if err != nil || len(report.Failures) > 0 || len(report.Notes) > 0 {
			t.Fatalf("%s: error %v, failures %v, notes %v\n%s", name, err, report.Failures, report.Notes, b.String())
		}
		if diff := cmp.Diff(want, listingsOf(report)); diff != "" {
			t.Errorf("%s: came back changed (-sent +read):\n%s", name, diff)
		}
	}
}

func TestWriteCSV_ACellNeverBeginsAsAFormula(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCSV(&b, everything()); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b.Bytes(), []byte("\ufeff")) {
		t.Error("no byte order mark: Excel would take it for Windows-1252")
	}
	rows, err := csv.NewReader(bytes.NewReader(b.Bytes()[3:])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !plainNumber.MatchString(cell) {
				t.Errorf("cell %q", cell)
			}
		}
	}
}

func writeICS(t *testing.T, listings []protocol.Listing) string {
	t.Helper()
	var b bytes.Buffer
	n, err := WriteICS(&b, listings, ICSOptions{Name: "Bexley Digital Friends", Now: now, URL: func(l *protocol.Listing) string { return "https://friends.example/listings/" + l.UID }})
	if err != nil {
		t.Fatal(err)
	}
	if n != 2 {
		t.Errorf("wrote %d listings, want the two with a start", n)
	}
	return b.String()
}

func TestWriteICS_ObeysTheLineRulesOfRFC5545(t *testing.T) {
	text := writeICS(t, everything())
	if !strings.HasSuffix(text, "END:VCALENDAR\r\n") {
		t.Error("the file does not end with END:VCALENDAR and CRLF")
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") || !utf8.ValidString(line) || line == "" {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
	unfolded := strings.ReplaceAll(text, "\r\n ", "")
	for _, want := range []string{
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "\r\nPRODID:-//Waypost//Directory//EN\r\n", "\r\nX-WR-CALNAME:Bexley Digital Friends\r\n",
		"\r\nUID:0b0c1d2e-3f40-4a5b-8c6d-7e8f90a1b2c3\r\n", "\r\nDTSTAMP:20270310T090000Z\r\n", "\r\nSEQUENCE:0\r\n",
		"\r\nDTSTART;TZID=Europe/London:20270316T100000\r\n", "\r\nRRULE:FREQ=WEEKLY;COUNT=6\r\n", "\r\nDTSTART:20270701T180000Z\r\n",
		"\r\nSTATUS:CANCELLED\r\n", "\r\nGEO:51.456000;-0.146000\r\n", "\r\nCATEGORIES:quick-tips\r\n",
		"\r\nURL:https://friends.example/listings/55555555-3f40-4a5b-8c6d-7e8f90a1b2c3\r\n",
		"\r\nLOCATION:Central Library\\, Townley Road\\, Bexleyheath\\, DA6 7HJ\r\n", "\r\nCONFERENCE;VALUE=URI:https://meet.example/tablets;a=1,2\r\n",
		"\r\nBEGIN:DAYLIGHT\r\nDTSTART:20270328T010000\r\nTZOFFSETFROM:+0000\r\nTZOFFSETTO:+0100\r\nTZNAME:BST\r\nEND:DAYLIGHT\r\n",
		"\r\nBEGIN:STANDARD\r\nDTSTART:20271031T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0000\r\nTZNAME:GMT\r\nEND:STANDARD\r\n",
	} {
		if !strings.Contains(unfolded, want) {
			t.Errorf("there is no %q in\n%s", want, unfolded)
		}
	}
}

func TestWriteICS_AnEditRaisesTheSequence(t *testing.T) {
	listings := everything()
	listings[0].Version, listings[5].Version = 12, 1<<53
	text := writeICS(t, listings)
	if !strings.Contains(text, "\r\nSEQUENCE:12\r\n") || !strings.Contains(text, "\r\nSEQUENCE:2147483647\r\n") {
		t.Errorf("SEQUENCE is not the version, within 32 bits:\n%s", text)
	}
}

func TestReadICS_OurOwnExportKeepsUIDsTimesAndRepeats(t *testing.T) {
	report, err := ReadICS(strings.NewReader(writeICS(t, everything())), testOptions())
	if err != nil || len(report.Failures) > 0 || len(report.Drafts) != 2 {
		t.Fatalf("%d drafts, failures %v, error %v", len(report.Drafts), report.Failures, err)
	}
	want := everything()
	for i, l := range []protocol.Listing{want[0], want[5]} {
		got := report.Drafts[i].Listing
		if got.UID != l.UID || !got.Start.Equal(l.Start) || !got.End.Equal(l.End) || got.Recurrence != l.Recurrence ||
			got.Timezone != l.Timezone || got.Status != l.Status || got.Title != l.Title || got.Online.URL != l.Online.URL {
			t.Errorf("came back as %+v, was %+v", got, l)
		}
		if strings.TrimSpace(got.Description) != strings.TrimSpace(l.Description) {
			t.Errorf("description %q, was %q", got.Description, l.Description)
		}
	}
	if len(report.Notes) == 0 {
		t.Error("no note says that listings under the same uid are replaced")
	}
}

func TestReadICS_AForeignFileCannotTakeAUIDOfOurs(t *testing.T) {
	text := strings.Replace(writeICS(t, everything()), productID, "-//Somebody//Else//EN", 1)
	report, err := ReadICS(strings.NewReader(text), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Drafts {
		if d.Listing.UID == everything()[0].UID {
			t.Error("the uid of another program's file was taken over as it stands")
		}
	}
}

func TestWriteICS_OfNothingIsStillACalendar(t *testing.T) {
	var b bytes.Buffer
	if n, err := WriteICS(&b, nil, ICSOptions{}); n != 0 || err != nil || !strings.HasPrefix(b.String(), "BEGIN:VCALENDAR\r\n") {
		t.Errorf("wrote %d, %v: %q", n, err, b.String())
	}
}
