package exchange

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestReadCSV_AnEventsUIDDependsOnItsDay(t *testing.T) {
	report, err := ReadCSV(strings.NewReader("title,kind,date,start time\nTea,event,2027-04-01,10:00\nTea,event,2027-04-08,10:00\n"), testOptions())
	if err != nil || len(report.Drafts) != 2 {
		t.Fatal(report, err)
	}
}

func TestReadCSV_AChangedDescriptionKeepsTheUID(t *testing.T) {
	before, _ := ReadCSV(strings.NewReader("title,kind,postcode,notes\nForm filling,offer,DA6 7HJ,On Mondays\n"), testOptions())
	after, _ := ReadCSV(strings.NewReader("notes;kind;post code;name\nOn Tuesdays;Offer;da67hj;Form filling\n"), testOptions())
	if only(t, before).UID != only(t, after).UID {
		t.Error("the same offer has another uid after its text changed")
	}
	keyed, _ := ReadCSV(strings.NewReader("id,title,kind\n17,Form filling,offer\n"), testOptions())
	renamed, _ := ReadCSV(strings.NewReader("id,title,kind\n17,Help with forms,offer\n"), testOptions())
	if only(t, keyed).UID != only(t, renamed).UID {
		t.Error("a row with an id of its own has another uid after its title changed")
	}
}

func TestReadCSV_SuggestsTheNearestColumn(t *testing.T) {
	report, err := ReadCSV(strings.NewReader("title,kind,Postcdoe,Colour of door\nForm filling,offer,DA6 7HJ,red\n"), testOptions())
	if err != nil || len(report.Notes) != 2 || !strings.Contains(report.Notes[0], `did you mean "postalCode"`) || !strings.Contains(report.Notes[1], "import.md") {
		t.Errorf("notes %q, %v", report.Notes, err)
	}
}

func TestReadCSV_KindComesFromTheDefaultsWhenThereIsNoColumn(t *testing.T) {
	opts := testOptions()
	report, _ := ReadCSV(strings.NewReader("title\nBack room\n"), opts)
	if len(report.Failures) != 1 || !strings.Contains(report.Failures[0].String(), "has no kind") {
		t.Errorf("failures %v", report.Failures)
	}
	opts.Defaults.Kind = "venue"
	report, _ = ReadCSV(strings.NewReader("title\nBack room\n"), opts)
	if l := only(t, report); l.Kind != "venue" || l.Place != nil {
		t.Errorf("%+v", l)
	}
}

func TestReadTime_TakesTheWaysThatPeopleWriteATime(t *testing.T) {
	want := time.Date(2027, 4, 1, 14, 30, 0, 0, time.UTC)
	for _, cell := range []string{"2027-04-01 14:30", "2027-04-01T14:30", "2027-04-01T14:30:00Z", "01/04/2027 14:30", "1/4/2027 2:30pm", "1.4.2027 14.30", "1 April 2027 2.30pm", "Thu 1 Apr 2027, 2:30 pm", "2027-04-01 14:30:00"} {
		if got, ok := readTime(tidyLine(cell), time.UTC); !ok || !got.Equal(want) {
			t.Errorf("%q: %v, %v", cell, got, ok)
		}
	}
	for _, cell := range []string{"", "tomorrow", "31/02/2027 10:00", "2027-04-01", "25:00", "04/31/2027 10:00"} {
		if got, ok := readTime(cell, time.UTC); ok {
			t.Errorf("%q was read as %v", cell, got)
		}
	}
}

func TestReadCSV_ReadsPricesAsPeopleWriteThem(t *testing.T) {
	for cell, want := range map[string]string{"£12.50": "12.50 GBP ", `"12,50 EUR"`: "12.50 EUR ", "8": "8 GBP ", "Free": "free ", "£0": "free ", "£2 to £5": "£2 to £5"} {
		report, _ := ReadCSV(strings.NewReader("title,kind,price\nBack room,venue,"+cell+"\n"), testOptions())
		c := only(t, report).Cost
		got := c.Note
		if c.Amount != "" {
			got = c.Amount + " " + c.Currency + " " + c.Note
		}
		if c.Free {
			got = "free " + c.Note
		}
		if got != want {
			t.Errorf("%s: %q, want %q", cell, got, want)
		}
	}
}

// The page for organisers lists the columns; a new one must come into it.
func TestColumns_AreAllInTheOrganisersPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/organisers/import.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns() {
		if !strings.Contains(string(page), "`"+c.name+"`") {
			t.Errorf("docs/organisers/import.md does not name the column %s", c.name)
		}
	}
}

func TestColumns_EveryAliasNamesAColumn(t *testing.T) {
	known := map[string]bool{}
	for _, c := range columns() {
		known[c.name] = true
	}
	for alias, name := range aliases() {
		if !known[name] || alias != squash(alias) {
			t.Errorf("alias %q names %q", alias, name)
		}
	}
}
