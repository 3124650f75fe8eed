package exchange

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/waypost-directory/waypost/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew; read them before committing")

// now lies between the last winter and the first summer dates of the files.
var now = time.Date(2027, 3, 10, 9, 0, 0, 0, time.UTC)

func testOptions() Options {
	return Options{
		Now: now, Source: "test calendar", DefaultTimezone: "Europe/London",
		Defaults: protocol.Listing{Visibility: protocol.VisibilityPublic, Language: "en", Areas: []string{"E09000004"}},
	}
}

// read reads a file in the format that its name says.
func read(name string, raw []byte, opts Options) (Report, error) {
	readers := map[string]func(io.Reader, Options) (Report, error){".ics": ReadICS, ".csv": ReadCSV, ".json": ReadJSON, ".jsonl": ReadJSON}
	return readers[filepath.Ext(name)](bytes.NewReader(raw), opts)
}

func testFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 10 {
		t.Fatalf("test files: %v, %v", files, err)
	}
	return files
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// readable is a report as a golden file shows it.
type readable struct {
	Drafts   []Draft
	Failures []string
	Excluded []Excluded
	Notes    []string
}

func show(t testing.TB, r Report) string {
	t.Helper()
	out := readable{Drafts: r.Drafts, Excluded: r.Excluded, Notes: r.Notes}
	for _, f := range r.Failures {
		out.Failures = append(out.Failures, f.String())
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRead_GivesTheGoldenDraftsAndSaysWhatFailed(t *testing.T) {
	for _, name := range testFiles(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			report, err := read(name, load(t, name), testOptions())
			if err != nil {
				t.Fatal(err)
			}
			got := show(t, report)
			golden := filepath.Join("testdata", "golden", filepath.Base(name)+".json")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(load(t, golden)), got); diff != "" {
				t.Errorf("drafts differ from %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func TestRead_TwiceGivesTheSameDrafts(t *testing.T) {
	for _, name := range testFiles(t) {
		raw := load(t, name)
		first, err := read(name, raw, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		again, _ := read(name, raw, testOptions())
		if diff := cmp.Diff(show(t, first), show(t, again)); diff != "" {
			t.Errorf("%s: a second reading differs:\n%s", name, diff)
		}
	}
}

func TestRead_AWeekLaterKnowsEveryListingAgain(t *testing.T) {
	for _, name := range testFiles(t) {
		raw := load(t, name)
		before, err := read(name, raw, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		opts := testOptions()
		opts.Now = now.AddDate(0, 0, 7)
		after, _ := read(name, raw, opts)
		known := map[string]protocol.Listing{}
		for _, d := range before.Drafts {
			known[d.Listing.UID] = d.Listing
		}
		same := 0
		for _, d := range after.Drafts {
			if old, ok := known[d.Listing.UID]; ok {
				same++
				if diff := cmp.Diff(old, d.Listing); diff != "" {
					t.Errorf("%s: %q changed though the file did not:\n%s", name, d.Listing.Title, diff)
				}
			}
		}
		if same == 0 {
			t.Errorf("%s: no listing of the first import came again", name)
		}
	}
}

func TestRead_AnotherSourceGivesOtherUIDs(t *testing.T) {
	for _, name := range testFiles(t) {
		opts := testOptions()
		opts.Source = "another calendar"
		ours, _ := read(name, load(t, name), testOptions())
		theirs, _ := read(name, load(t, name), opts)
		for i := range ours.Drafts {
			a, b := ours.Drafts[i].Listing, theirs.Drafts[i].Listing
			if a.UID == b.UID && !bytes.Contains(load(t, name), []byte(a.UID)) {
				t.Errorf("%s: %q has the same uid from two sources", name, a.Title)
			}
		}
	}
}

func TestRead_CarriesNoAddressOfAttendeesOrOrganisers(t *testing.T) {
	for _, name := range testFiles(t) {
		report, _ := read(name, load(t, name), testOptions())
		drafts, err := json.Marshal(report.Drafts)
		if err != nil {
			t.Fatal(err)
		}
		for _, person := range []string{"morag.penfold", "Penfold", "ike.okafor", "Okafor", "gwen@", "tee@", "info@meetings", "group.calendar"} {
			if strings.Contains(string(drafts), person) {
				t.Errorf("%s: a draft says %q", name, person)
			}
		}
	}
}
