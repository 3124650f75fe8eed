package exchange

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReadICS, FuzzReadCSV and FuzzReadJSON hold what every reader promises
// for any bytes: no panic, only valid drafts, each uid once, and the same
// drafts when read again.

func FuzzReadICS(f *testing.F) {
	seed(f, ".ics",
		oneEvent("DTSTART:20270311T100000Z", "RRULE:FREQ=SECONDLY"),
		oneEvent("DTSTART;TZID=", "DTEND;X=\"a:b\";Y=c,d:"),
		oneEvent("DTSTART;VALUE=DATE:20270311", "DURATION:P1W", "RDATE;VALUE=PERIOD:20270401T100000Z/PT1H", "EXDATE:20270311,,x"),
		oneEvent("DTSTART:20270311T100000Z", "GEO:NaN;Inf", "LOCATION:https://", "URL:javascript:alert(1)", "STATUS:CANCELLED"),
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\n \n\t:\nEND:VALARM\nEND:VCALENDAR\nBEGIN:VEVENT",
		"\xff\xfeB\x00E\x00", "BEGIN:VCALENDAR\rBEGIN:VEVENT\r;;;:\r",
	)
	fuzz(f, ReadICS)
}

func FuzzReadCSV(f *testing.F) {
	seed(f, ".csv", "title\n", "title;kind\n\"a\"\"b;c\nx;y", "sep=|\ntitle|kind\nA b c|offer\n", "\"title\n", "title,title\n=1+1,2\n", "title,start,kind\nTea and cake,2027-03-11 10:00,event\n")
	fuzz(f, ReadCSV)
}

func FuzzReadJSON(f *testing.F) {
	seed(f, ".json*", "[", "[]", "{}", "[{},", "{\"kind\":\"offer\",\"title\":\"abc\"}{", "[[[[[[", "{\"place\":{\"latitude\":1e999}}", "{\"kind\":null,\"title\":null}\n{\n{")
	fuzz(f, ReadJSON)
}

func seed(f *testing.F, ending string, more ...string) {
	files, err := filepath.Glob("testdata/*" + ending)
	if err != nil || len(files) == 0 {
		f.Fatalf("seeds: %v, %v", files, err)
	}
	for _, name := range files {
		f.Add(load(f, name))
	}
	for _, s := range more {
		f.Add([]byte(s))
	}
}

func fuzz(f *testing.F, reader func(io.Reader, Options) (Report, error)) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		opts := testOptions()
		opts.MaxItems, opts.MaxOccurrences = 50, 20
		first, err := reader(bytes.NewReader(raw), opts)
		if err != nil && len(first.Drafts) > 0 {
			t.Errorf("an unreadable file gave drafts: %v", err)
		}
		if len(first.Drafts) > opts.MaxItems || len(first.Failures) > opts.MaxItems+1 {
			t.Errorf("%d drafts and %d failures", len(first.Drafts), len(first.Failures))
		}
		seen := map[string]bool{}
		for _, d := range first.Drafts {
			if err := d.Listing.Validate(); err != nil {
				t.Errorf("draft at line %d: %v", d.Line, err)
			}
			if d.Listing.UID == "" || seen[d.Listing.UID] || d.Line < 1 {
				t.Errorf("draft at line %d has the uid %q", d.Line, d.Listing.UID)
			}
			seen[d.Listing.UID] = true
		}
		for _, failure := range first.Failures {
			if failure.Line < 1 || failure.Err == nil || failure.String() == "" {
				t.Errorf("failure %+v", failure)
			}
		}
		again, _ := reader(bytes.NewReader(raw), opts)
		if diff := cmp.Diff(show(t, first), show(t, again)); diff != "" {
			t.Errorf("a second reading differs:\n%s", diff)
		}
	})
}
