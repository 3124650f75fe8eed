package exchange

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

func TestRead_RefusesAFileThatIsTooLarge(t *testing.T) {
	for _, name := range []string{"x.ics", "x.csv", "x.json"} {
		report, err := read(name, make([]byte, MaxFileSize+1), testOptions())
		if protocol.KindOf(err) != protocol.TooLarge || len(report.Drafts) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRead_SaysWhatAFileIsWhenItIsNotWhatItShouldBe(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"x.ics", "<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"},
		{"x.ics", "", "it is empty"},
		{"x.ics", "title,kind\nA,offer\n", "not an iCalendar file"},
		{"x.ics", "PK\x03\x04rest", "unpack it"},
		{"x.csv", "PK\x03\x04rest", "save it as “CSV UTF-8”"},
		{"x.csv", "\n\n", "is empty"},
		{"x.csv", "colour,size\nred,9\n", "no column is named title"},
		{"x.json", "title,kind\n", "not JSON"},
		{"x.json", " \n", "is empty"},
	} {
		_, err := read(c.name, []byte(c.content), testOptions())
		if protocol.KindOf(err) != protocol.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: error %v, want one that says %q", c.name, c.content, err, c.want)
		}
	}
}

func TestRead_StopsAtTheItemBoundAndKeepsWhatItHas(t *testing.T) {
	opts := testOptions()
	opts.MaxItems = 3
	var events, rows, items strings.Builder
	for i := range 6 {
		fmt.Fprintf(&events, "BEGIN:VEVENT\nUID:%d\nSUMMARY:Event %d\nDTSTART:20270401T100000Z\nEND:VEVENT\n", i, i)
		fmt.Fprintf(&rows, "Offer %d,offer\n", i)
		fmt.Fprintf(&items, "{\"kind\":\"offer\",\"title\":\"Offer %d\"}\n", i)
	}
	for name, content := range map[string]string{
		"x.ics": "BEGIN:VCALENDAR\n" + events.String() + "END:VCALENDAR\n", "x.csv": "title,kind\n" + rows.String(), "x.jsonl": items.String(),
	} {
		report, err := read(name, []byte(content), opts)
		if err != nil || len(report.Drafts) != 3 || len(report.Failures) != 1 || protocol.KindOf(report.Failures[0].Err) != protocol.TooLarge {
			t.Errorf("%s: %d drafts, failures %v, error %v", name, len(report.Drafts), report.Failures, err)
		}
	}
}

func TestReadICS_ADailyEventStopsAtTheOccurrenceBound(t *testing.T) {
	opts := testOptions()
	opts.MaxOccurrences = 10
	report, _ := ReadICS(strings.NewReader(oneEvent("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY")), opts)
	if len(report.Drafts) != 10 || len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "more than 10 dates") {
		t.Errorf("%d drafts, notes %v", len(report.Drafts), report.Notes)
	}
	if first := report.Drafts[0].Listing.Start; !first.Equal(time.Date(2027, 3, 9, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("the first date is %v, want the one a day before now", first)
	}
}

func TestRead_AHostileFileEndsSoon(t *testing.T) {
	const size = 512 << 10 // the whole 10 MB take twenty times as long
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	numbered := func(s string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, s, i)
		}
		return b.String()
	}
	for name, content := range map[string]string{
		"components.ics":  "BEGIN:VCALENDAR\n" + fill("BEGIN:VEVENT\nEND:VEVENT\n"),
		"nesting.ics":     "BEGIN:VCALENDAR\n" + fill("BEGIN:A\n"),
		"ends.ics":        "BEGIN:VCALENDAR\n" + strings.Repeat("BEGIN:A\n", 60_000) + strings.Repeat("END:B\n", 200_000),
		"properties.ics":  "BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + fill("UID:x\n"),
		"params.ics":      "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY" + fill(";A=b"),
		"param lines.ics": "BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + fill("SUMMARY"+strings.Repeat(";A="+strings.Repeat("b", 250), 30)+":x\n"),
		"one line.ics":    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDESCRIPTION:" + fill("x"),
		"folds.ics":       "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDESCRIPTION:" + fill("\n x"),
		"html.ics":        "BEGIN:VCALENDAR\n" + numbered("BEGIN:VEVENT\nUID:%d\nSUMMARY:x y z\nDTSTART:20270401T100000Z\nDESCRIPTION:"+strings.Repeat("<a href=\"https://", 5_000)+"\nEND:VEVENT\n"),
		"exdates.ics":     oneEvent("DTSTART:20270401T100000Z", "RRULE:FREQ=DAILY", fill("EXDATE:20270401T100000Z,20270401T100000Z\n")),
		"overrides.ics": "BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\nUID:1\nSUMMARY:x y z\nDTSTART:20270401T100000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n" +
			numbered("BEGIN:VEVENT\nUID:1\nSUMMARY:x y z\nDTSTART:20270401T100000Z\nRECURRENCE-ID;RANGE=THISANDFUTURE:19700101T%06dZ\nEND:VEVENT\n"),
		"people.ics":   oneEvent("DTSTART:20270401T100000Z", fill("ATTENDEE:mailto:aaaaaaaa@b.example\n")),
		"quotes.csv":   "title,kind\n" + fill("\"x\n"),
		"cells.csv":    "title,kind\n" + fill(","),
		"columns.csv":  fill("title,"),
		"broken.json":  "[" + fill("{\n"),
		"deep.json":    fill("["),
		"strings.json": "[" + fill("{\"title\":\"x\n"),
	} {
		begin := time.Now()
		report, err := read(name, []byte(content), testOptions())
		if protocol.KindOf(err) == protocol.TooLarge {
			t.Fatalf("%s is too large to be read at all", name)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		} else {
			t.Logf("%-16s %8.0f ms, %d drafts, %d failures", name, float64(took.Microseconds())/1000, len(report.Drafts), len(report.Failures))
		}
	}
}
