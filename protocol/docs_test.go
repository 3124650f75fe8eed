package protocol_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

func listingPage(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../docs/protocol/listing.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestListingPage_ItsExamplesAreTrue(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```json ?(\\w*)\n(.*?)```").FindAllStringSubmatch(listingPage(t), -1)
	seen := map[string]int{}
	kinds := map[protocol.Kind]bool{}
	for _, b := range blocks {
		what, raw := b[1], []byte(b[2])
		seen[what]++
		switch what {
		case "listing":
			l, err := protocol.DecodeListing(raw)
			if err == nil {
				err = l.Validate()
			}
			if err != nil {
				t.Errorf("%v in %s", err, raw)
			}
			kinds[l.Kind] = true
		case "tombstone":
			var d protocol.Tombstone
			if err := json.Unmarshal(raw, &d); err != nil || d.Validate() != nil {
				t.Errorf("%v, %v in %s", err, d.Validate(), raw)
			}
		case "object":
			a, err := vocab.ParseActivity(raw)
			if err != nil || a.Object.Listing == nil || !a.Object.Proof || !a.Object.IsPublic() {
				t.Fatalf("%+v, %v", a, err)
			}
			if err := a.Object.Listing.ValidateWire(); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("nobody checks the block %q", what)
		}
	}
	if len(kinds) != len(protocol.Kinds()) || seen["tombstone"] == 0 || seen["object"] == 0 {
		t.Errorf("examples of kinds %v, blocks %v", kinds, seen)
	}
}

// section is the part of the page from a heading to the next of the same or a
// higher level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n"+heading)
	if !ok {
		t.Fatalf("the page has no %q", heading)
	}
	if end := strings.Index(rest, "\n#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// rows returns the cells of a section's table rows whose first cell holds code.
func rows(text string) (list [][]string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		list = append(list, cells)
	}
	return list
}

func TestListingPage_ItsClosedListsAreTheCodes(t *testing.T) {
	page := listingPage(t)
	for heading, terms := range map[string][]protocol.Term{
		"### 8.1 `kind`": protocol.Kinds(), "### 8.2 `categories`": protocol.Categories(), "### 8.3 `modes`": protocol.Modes(),
		"### 8.4 `format`": protocol.Formats(), "### 8.5 `sub_kind`": protocol.SubKinds(), "### 8.6 `seeks`": protocol.Seeks(),
		"### 8.7 `responsibilities`": protocol.Responsibilities(), "### 8.8 `level`": protocol.Levels(), "### 8.9 `status`": protocol.Statuses(),
		"### 8.10 `visibility`": protocol.Visibilities(), "### 8.11 `availability`": protocol.Availabilities(),
	} {
		var want [][]string
		for _, term := range terms {
			want = append(want, []string{"`" + term.Key + "`", term.Label})
		}
		if got := rows(section(t, page, heading)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", heading, got, want)
		}
	}
}

// fieldNames returns the JSON paths of a struct's fields, lists and objects
// followed when deep.
func fieldNames(prefix string, t reflect.Type, deep bool) (list []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		inner := t.Field(i).Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if deep && inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
			list = append(list, fieldNames(prefix+name+".", inner, true)...)
			continue
		}
		list = append(list, prefix+name)
	}
	return list
}

func TestListingPage_NamesEveryField(t *testing.T) {
	page := listingPage(t)
	var documented []string
	for _, heading := range []string{"## §2 ", "## §7 "} {
		for _, cells := range rows(section(t, page, heading)) {
			documented = append(documented, strings.Trim(cells[0], "`"))
		}
	}
	want := fieldNames("", reflect.TypeFor[protocol.Listing](), false)
	slices.Sort(documented)
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		t.Errorf("fields\n got %v\nwant %v", documented, want)
	}
	var inner, wantInner []string
	for _, cells := range rows(section(t, page, "### §7a ")) {
		inner = append(inner, strings.Trim(cells[0], "`"))
	}
	for _, name := range fieldNames("", reflect.TypeFor[protocol.Listing](), true) {
		if strings.Contains(name, ".") {
			wantInner = append(wantInner, name)
		}
	}
	slices.Sort(inner)
	slices.Sort(wantInner)
	if !slices.Equal(inner, wantInner) {
		t.Errorf("fields of objects\n got %v\nwant %v", inner, wantInner)
	}
}

// What the column "kinds" says is what Validate does.
func TestListingPage_KindsOfFieldsAreTheCodes(t *testing.T) {
	values := map[string]string{
		"sub_kind": `"tip"`, "format": `"workshop"`, "recurrence": `"FREQ=DAILY"`, "status": `"confirmed"`, "features": `["x"]`, "seeks": `"space"`,
		"places": `1`, "requirements": `["x"]`, "max_days": `1`, "consent": `{"what":"x","given":"2027-01-01","until":"2027-02-01"}`,
	}
	for _, cells := range rows(section(t, listingPage(t), "## §7 ")) {
		name, kinds := strings.Trim(cells[0], "`"), cells[3]
		value, restricted := values[name]
		if !restricted {
			if kinds != "all" {
				t.Errorf("%s: the page says %q, but this test knows no value to try", name, kinds)
			}
			continue
		}
		for _, kind := range protocol.Kinds() {
			l, err := protocol.DecodeListing([]byte(`{"kind":"` + kind.Key + `","title":"Abc","start":"2027-03-02T10:00:00Z","` + name + `":` + value + `}`))
			if err != nil {
				t.Fatal(err)
			}
			err = l.Validate()
			if got, want := err == nil, slices.Contains(strings.Split(kinds, ", "), kind.Key); got != want {
				t.Errorf("%s of the kind %s: the page says %v, the code %v", name, kind.Key, want, err)
			}
		}
	}
}
