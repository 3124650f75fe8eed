package exchange

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/microcosm-cc/bluemonday"

	"github.com/waypost-directory/waypost/protocol"
)

func readOne(t *testing.T, lines ...string) Report {
	t.Helper()
	report, err := ReadICS(strings.NewReader(oneEvent(lines...)), testOptions())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func only(t *testing.T, r Report) protocol.Listing {
	t.Helper()
	if len(r.Drafts) != 1 || len(r.Failures) > 0 {
		t.Fatalf("%d drafts, failures %v; want one draft", len(r.Drafts), r.Failures)
	}
	return r.Drafts[0].Listing
}

// The uid is what makes a second import change nothing: it may never come out
// otherwise, in any later version.
func TestReadICS_UIDsAreFixedForEver(t *testing.T) {
	if got, want := only(t, readOne(t, "DTSTART:20270401T100000Z")).UID, "daf47491-e1cf-529a-b22b-76c31f15e7bc"; got != want {
		t.Errorf("an event has the uid %s, want %s", got, want)
	}
	report := readOne(t, "DTSTART;TZID=Europe/London:20270401T110000", "RRULE:FREQ=DAILY;COUNT=1")
	if got, want := only(t, report).UID, "ccf27b13-803c-51e7-a81e-c191cc9b5056"; got != want {
		t.Errorf("a date of a series has the uid %s, want %s", got, want)
	}
	csv, _ := ReadCSV(strings.NewReader("title,kind,postcode\nForm filling,offer,DA6 7HJ\n"), testOptions())
	if got, want := only(t, csv).UID, "1c612696-5072-536c-aa5a-d73da34b1746"; got != want {
		t.Errorf("a row has the uid %s, want %s", got, want)
	}
}

func TestReadICS_AMovedEventKeepsItsUID(t *testing.T) {
	before := only(t, readOne(t, "DTSTART:20270401T100000Z"))
	after := only(t, readOne(t, "DTSTART:20270408T180000Z", "SEQUENCE:1"))
	if before.UID != after.UID || before.Start.Equal(after.Start) {
		t.Errorf("uid %s at %v became %s at %v", before.UID, before.Start, after.UID, after.Start)
	}
}

func series4(extra ...string) string {
	return oneEvent("DTSTART;TZID=Europe/London:20270316T100000\r\nDTEND;TZID=Europe/London:20270316T113000\r\nRRULE:FREQ=WEEKLY;COUNT=4" +
		strings.Join(append([]string{""}, extra...), "\r\n"))
}

// changed adds a component for one date of the series to a calendar.
func changed(calendar string, lines ...string) string {
	return strings.Replace(calendar, "END:VCALENDAR", "BEGIN:VEVENT\r\nUID:one\r\n"+strings.Join(lines, "\r\n")+"\r\nEND:VEVENT\r\nEND:VCALENDAR", 1)
}

func uidsByStart(t *testing.T, text string) map[string]string {
	t.Helper()
	report, err := ReadICS(strings.NewReader(text), testOptions())
	if err != nil || len(report.Failures) > 0 {
		t.Fatal(err, report.Failures)
	}
	found := map[string]string{}
	for _, d := range report.Drafts {
		found[d.Listing.Start.Format(time.RFC3339)] = d.Listing.UID
	}
	return found
}

func TestReadICS_AMovedDateKeepsItsUID(t *testing.T) {
	before := uidsByStart(t, series4())
	after := uidsByStart(t, changed(series4(), "RECURRENCE-ID;TZID=Europe/London:20270330T100000", "DTSTART;TZID=Europe/London:20270331T150000", "SUMMARY:Moved"))
	if len(before) != 4 || len(after) != 4 || after["2027-03-31T14:00:00Z"] != before["2027-03-30T09:00:00Z"] || before["2027-03-30T09:00:00Z"] == "" {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestReadICS_AChangeFromOneDateOnMovesAllLaterOnes(t *testing.T) {
	text := changed(series4(), "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/London:20270323T100000", "DTSTART;TZID=Europe/London:20270324T180000", "SUMMARY:Now on Wednesdays")
	report, err := ReadICS(strings.NewReader(text), testOptions())
	if err != nil || len(report.Failures) > 0 {
		t.Fatal(err, report.Failures)
	}
	var got []string
	for _, d := range report.Drafts {
		got = append(got, d.Listing.Start.Format("02 Jan 15:04")+d.Listing.End.Format("-15:04 ")+d.Listing.Title)
	}
	want := []string{"16 Mar 10:00-11:30 An event", "24 Mar 18:00-19:30 Now on Wednesdays", "31 Mar 17:00-18:30 Now on Wednesdays", "07 Apr 17:00-18:30 Now on Wednesdays"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	before := uidsByStart(t, series4())
	if report.Drafts[3].Listing.UID != before["2027-04-06T09:00:00Z"] {
		t.Error("a date that moved with the series has another uid")
	}
}

func TestReadICS_ADateTakenOutIsReportedAndNotDeleted(t *testing.T) {
	before := uidsByStart(t, series4())
	report, err := ReadICS(strings.NewReader(series4("EXDATE;TZID=Europe/London:20270330T100000")), testOptions())
	if err != nil || len(report.Drafts) != 3 {
		t.Fatalf("%d drafts, %v", len(report.Drafts), err)
	}
	if len(report.Excluded) != 1 || report.Excluded[0].UID != before["2027-03-30T09:00:00Z"] || report.Excluded[0].Title != "An event" {
		t.Errorf("excluded %+v, want the uid that the date had before", report.Excluded)
	}
}

func TestReadICS_CancellingReachesEveryDateThatItNames(t *testing.T) {
	one := changed(series4(), "RECURRENCE-ID:20270330T090000Z", "STATUS:CANCELLED")
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"one date":   {one, []string{"confirmed", "confirmed", "cancelled", "confirmed"}},
		"series":     {series4("STATUS:CANCELLED"), []string{"cancelled", "cancelled", "cancelled", "cancelled"}},
		"file":       {strings.Replace(series4(), "VERSION:2.0", "METHOD:CANCEL", 1), []string{"cancelled", "cancelled", "cancelled", "cancelled"}},
		"the title":  {strings.Replace(series4(), "SUMMARY:", "SUMMARY:*CANCELLED* ", 1), []string{"cancelled", "cancelled", "cancelled", "cancelled"}},
		"only named": {strings.Replace(series4(), "SUMMARY:", "SUMMARY:What to do about cancelled trains: ", 1), []string{"confirmed", "confirmed", "confirmed", "confirmed"}},
	} {
		report, _ := ReadICS(strings.NewReader(c.text), testOptions())
		var got []string
		for _, d := range report.Drafts {
			got = append(got, d.Listing.Status)
			if d.Listing.Title == "" || d.Listing.End.Sub(d.Listing.Start) != 90*time.Minute {
				t.Errorf("%s: %+v", name, d.Listing)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestReadICS_TimeZonesOfEveryProgram(t *testing.T) {
	offsets := func(id string, blocks ...string) string {
		return "BEGIN:VTIMEZONE\r\nTZID:" + id + "\r\n" + strings.Join(blocks, "\r\n") + "\r\nEND:VTIMEZONE\r\n"
	}
	fixed := offsets("Our Time", "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD")
	odd := offsets("Odd Time", "BEGIN:STANDARD\r\nDTSTART:19700601T000000\r\nRRULE:FREQ=YEARLY;BYMONTH=6;BYDAY=1SU\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0200\r\nEND:STANDARD",
		"BEGIN:DAYLIGHT\r\nDTSTART:19700101T000000\r\nRRULE:FREQ=YEARLY;BYMONTH=1;BYDAY=1SU\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0300\r\nEND:DAYLIGHT")
	for _, c := range []struct{ define, line, start, zone string }{
		{"", "DTSTART;TZID=Europe/London:20270701T100000", "2027-07-01T09:00:00Z", "Europe/London"},
		{"", "DTSTART;TZID=GMT Standard Time:20270701T100000", "2027-07-01T09:00:00Z", "Europe/London"},
		{"", "DTSTART;TZID=\"(UTC+00:00) Dublin, Edinburgh, Lisbon, London\":20270701T100000", "2027-07-01T09:00:00Z", "Europe/London"},
		{"", "DTSTART;TZID=/citadel.org/20210210_1/Europe/Paris:20270701T100000", "2027-07-01T08:00:00Z", "Europe/Paris"},
		{"", "DTSTART:20270701T100000", "2027-07-01T09:00:00Z", "Europe/London"},
		{"", "DTSTART:20270701T100000Z", "2027-07-01T10:00:00Z", "Europe/London"},
		{"", "DTSTART;VALUE=DATE:20270701", "2027-06-30T23:00:00Z", "Europe/London"},
		{"X-WR-TIMEZONE:America/New_York\r\n", "DTSTART:20270701T100000", "2027-07-01T14:00:00Z", "America/New_York"},
		{fixed, "DTSTART;TZID=Our Time:20270701T100000", "2027-07-01T07:00:00Z", "Europe/London"},
		{odd, "DTSTART;TZID=Odd Time:20270701T100000", "", ""},
		{"", "DTSTART;TZID=../../etc/passwd:20270701T100000", "", ""},
		{"", "DTSTART;TZID=Local:20270701T100000", "", ""},
	} {
		text := strings.Replace(oneEvent(c.line), "BEGIN:VEVENT", c.define+"BEGIN:VEVENT", 1)
		report, err := ReadICS(strings.NewReader(text), testOptions())
		if err != nil {
			t.Fatal(err)
		}
		if c.start == "" {
			if len(report.Failures) != 1 || !strings.Contains(report.Failures[0].String(), "time zone") {
				t.Errorf("%s: %v, %v; want a failure about the time zone", c.line, report.Drafts, report.Failures)
			}
			continue
		}
		l := only(t, report)
		if got := l.Start.Format(time.RFC3339); got != c.start || l.Timezone != c.zone {
			t.Errorf("%s: %s in %s, want %s in %s", c.line, got, l.Timezone, c.start, c.zone)
		}
	}
}

func TestReadICS_WhereAnEventIs(t *testing.T) {
	for text, want := range map[string]string{
		`Central Library\, Townley Road\, Bexleyheath\, DA6 7HJ\, UK`:       "Central Library, Townley Road, Bexleyheath|DA6 7HJ|",
		`Welling Library DA163PA`:                                           "Welling Library|DA16 3PA|",
		`The Bridge (12 Example St\, Manchester\, United Kingdom\, M1 1AE)`: "The Bridge, 12 Example St, Manchester|M1 1AE|",
		`https://zoom.us/j/123?pwd=x`:                                       "||https://zoom.us/j/123?pwd=x",
		`Room 2 and https://meet.example/room-2`:                            "Room 2 and||https://meet.example/room-2",
		`Online`:                                                            "||",
		`Main Hall`:                                                         "Main Hall||",
		`Rooms B2 and B3`:                                                   "Rooms B2 and B3||",
	} {
		l := only(t, readOne(t, "DTSTART:20270401T100000Z", "LOCATION:"+text))
		got := "|"
		if l.Place != nil {
			got = l.Place.Name + "|"
			if l.Place.Address != nil {
				got += l.Place.Address.PostalCode
			}
		}
		got += "|"
		if l.Online != nil {
			got += l.Online.URL
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestReadICS_TakesWhatProgramsWriteAgainstTheRules(t *testing.T) {
	for name, text := range map[string]string{
		"lower-case names":        "begin:vcalendar\nbegin:vevent\nuid:1\nsummary:Tea and cake\ndtstart:20270401T100000Z\nend:vevent\nend:vcalendar\n",
		"an attendee out of form": oneEvent("DTSTART:20270401T100000Z", `ATTENDEE;CN="A "B" C":mailto:x@y.example`),
		"blank lines":             oneEvent("", "DTSTART:20270401T100000Z", "", ""),
		"no end of the file":      "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Tea and cake\r\nDTSTART:20270401T100000Z\r\nEND:VEVENT",
		"two calendars":           "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n" + oneEvent("DTSTART:20270401T100000Z"),
		"a rule with a semicolon": oneEvent("DTSTART:20270401T100000Z", "RRULE:FREQ=WEEKLY;COUNT=1;"),
		"UNTIL as a date":         oneEvent("DTSTART;TZID=Europe/London:20270401T190000", "RRULE:FREQ=WEEKLY;UNTIL=20270401"),
		"an end at the start":     oneEvent("DTSTART:20270401T100000Z", "DTEND:20270401T100000Z"),
		"no UID":                  strings.Replace(oneEvent("DTSTART:20270401T100000Z"), "UID:one\r\n", "", 1),
		"an older version beside": changed(oneEvent("DTSTART:20270401T100000Z", "SEQUENCE:3"), "DTSTART:20270325T100000Z", "SEQUENCE:2", "SUMMARY:Older"),
		"invisible characters":    oneEvent("DTSTART:20270401T100000Z", "DESCRIPTION:\u200eCome\u200b and \u202esee\x07"),
		"Mac line ends":           strings.ReplaceAll(oneEvent("DTSTART:20270401T100000Z"), "\r\n", "\r"),
	} {
		t.Run(name, func(t *testing.T) {
			report, err := ReadICS(strings.NewReader(text), testOptions())
			if err != nil {
				t.Fatal(err)
			}
			only(t, report)
		})
	}
}

func TestReadICS_DefaultsFillOnlyWhatTheFileLeavesOpen(t *testing.T) {
	opts := testOptions()
	opts.Defaults.Categories = []string{"quick-tips"}
	opts.Defaults.Place = &protocol.Place{Name: "Our hall"}
	opts.Defaults.Title, opts.Defaults.UID = "never", "0b0c1d2e-3f40-4a5b-8c6d-7e8f90a1b2c3"
	report, _ := ReadICS(strings.NewReader(oneEvent("DTSTART:20270401T100000Z")), opts)
	l := only(t, report)
	if l.Place == nil || l.Place.Name != "Our hall" || l.Categories[0] != "quick-tips" || l.Title != "An event" || l.UID == opts.Defaults.UID {
		t.Errorf("%+v", l)
	}
	report.Drafts[0].Listing.Place.Name = "changed by a caller"
	report, _ = ReadICS(strings.NewReader(oneEvent("DTSTART:20270401T100000Z", "LOCATION:https://meet.example/x", "CATEGORIES:Hands-on support")), opts)
	if l := only(t, report); l.Place != nil || l.Categories[0] != "hands-on" || len(l.Categories) != 1 || opts.Defaults.Place.Name != "Our hall" {
		t.Errorf("%+v", l)
	}
}

func TestPlainText_TurnsHTMLIntoText(t *testing.T) {
	for in, want := range map[string]string{
		`<p>Hello <b>all</b></p><p>Bring:<ul><li>a phone</li><li>tea &amp; cake</li></ul></p>`: "Hello all\n\nBring:\n- a phone\n- tea & cake",
		`See <a href="https://friends.example/x">our page</a>`:                                 "See our page (https://friends.example/x)",
		`<a href="https://friends.example/x">https://friends.example/x</a>`:                    "https://friends.example/x",
		`<script>alert(1)</script><b>Safe</b>`:                                                 "Safe",
		`5 < 6 and R&D`:                                                                        "5 < 6 and R&D",
	} {
		if got := plainText(bluemonday.StrictPolicy(), in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
