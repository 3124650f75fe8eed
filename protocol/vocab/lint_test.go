package vocab_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// exactly decodes JSON and keeps numbers as they were written.
func exactly(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return m
}

// linter gathers what Mobilizon 5.1, Gancio 1.21, GoToSocial 0.20, snac and
// Mastodon 4.6 would stumble over in an object, as read in their source.
type linter struct {
	o     map[string]any
	found []string
}

func (l *linter) want(ok bool, format string, args ...any) {
	if !ok {
		l.found = append(l.found, fmt.Sprintf(format, args...))
	}
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

func str(v any) string { s, _ := v.(string); return s }

func lint(o map[string]any) []string {
	l := &linter{o: o}
	l.want(is[string](o["type"]), "type must be one string (Mobilizon, Lemmy; GoToSocial panics on a list)")
	l.want(is[string](o["attributedTo"]), "attributedTo must be one string (Mobilizon)")
	for _, name := range []string{"to", "cc", "attachment", "tag"} {
		l.want(is[[]any](o[name]), "%s must be a list (Mobilizon, Gancio)", name)
	}
	l.want(str(o["content"]) != "", "content must not be empty (Gancio; GoToSocial takes it for a vote)")
	_, named := o["name"]
	l.want(o["type"] != "Note" || !named, "a Note must not have a name (snac, GoToSocial, Mobilizon)")
	l.want(str(o["updated"]) >= str(o["published"]), "updated before published (GoToSocial)")
	l.nulls("", o)
	l.attachments()
	l.location()
	if o["type"] == "Event" {
		l.event()
	}
	return l.found
}

// nulls: what is absent is left out (Mobilizon crashes on contacts and status).
func (l *linter) nulls(path string, v any) {
	switch v := v.(type) {
	case nil:
		l.want(false, "%s is null", path)
	case map[string]any:
		for k, e := range v {
			l.nulls(path+"."+k, e)
		}
	case []any:
		for _, e := range v {
			l.nulls(path+"[]", e)
		}
	}
}

func (l *linter) attachments() {
	list, _ := l.o["attachment"].([]any)
	for i, e := range list {
		a, _ := e.(map[string]any)
		l.want(a["mediaType"] != nil, "attachment[%d] without mediaType (Gancio)", i)
		if a["type"] == "Image" || a["type"] == "Document" {
			l.want(is[string](a["name"]), "attachment[%d] without a name (Mobilizon)", i)
			l.want(is[string](a["url"]), "attachment[%d].url must be a string", i)
		}
	}
	if image, ok := l.o["image"]; ok {
		m, _ := image.(map[string]any)
		l.want(is[string](m["name"]), "image must be one object with a name")
	}
}

func (l *linter) location() {
	location, ok := l.o["location"]
	if !ok {
		return
	}
	m, ok := location.(map[string]any)
	l.want(ok, "location must be one object (Mobilizon)")
	l.want(m["address"] != nil, "location without an address (Gancio's Update)")
	l.want(str(m["name"]) != "", "location without a name")
	for _, name := range []string{"latitude", "longitude"} {
		if n, ok := m[name]; ok {
			number, _ := n.(json.Number)
			l.want(strings.Contains(string(number), "."), "location.%s must be a number with a decimal point (Mobilizon)", name)
		}
	}
}

func (l *linter) event() {
	o := l.o
	n := utf8.RuneCountInString(str(o["name"]))
	l.want(3 <= n && n <= 200, "name must have 3 to 200 characters (Mobilizon)")
	for _, name := range []string{"name", "summary"} {
		l.want(!strings.Contains(str(o[name]), "<"), "%s must be plain text", name)
		l.want(str(o[name]) != "", "%s is missing: Mastodon shows name, summary and url only", name)
	}
	start, err1 := time.Parse(time.RFC3339, str(o["startTime"]))
	end, err2 := time.Parse(time.RFC3339, str(o["endTime"]))
	l.want(err1 == nil && err2 == nil && end.After(start), "startTime and a later endTime are required (FEP-8a8e)")
	l.want(slices.Contains([]string{"CONFIRMED", "TENTATIVE", "CANCELLED"}, str(o["status"])), "status %v (Mobilizon)", o["status"])
	l.want(slices.Contains([]string{"EventScheduled", "EventTentative", "EventCancelled", "EventPostponed"}, str(o["eventStatus"])), "eventStatus %v (FEP-8a8e)", o["eventStatus"])
	l.want(slices.Contains([]string{"free", "restricted", "invite", "external"}, str(o["joinMode"])), "joinMode %v (Mobilizon)", o["joinMode"])
	l.want(o["joinMode"] != "external" || strings.HasPrefix(str(o["externalParticipationUrl"]), "http"), "external without an address (FEP-8a8e)")
	l.want(slices.Contains([]string{"allow_all", "moderated", "closed"}, str(o["repliesModerationOption"])), "repliesModerationOption %v", o["repliesModerationOption"])
	l.want(slices.Contains([]string{"MEETING", "LEARNING", "NETWORKING", "COMMUNITY"}, str(o["category"])), "category %v", o["category"])
	l.want(str(o["inLanguage"]) != "", "inLanguage is missing (Mobilizon)")
	l.want(o["location"] != nil, "location is missing (Gancio's Update reads location.address)")
	if list, _ := o["attachment"].([]any); len(list) > 0 {
		first, _ := list[0].(map[string]any)
		l.want(first["type"] == "Image" || first["type"] == "Document", "attachment[0] must be the picture (Gancio)")
	}
	tags, _ := o["tag"].([]any)
	for _, e := range tags {
		tag, _ := e.(map[string]any)
		name := str(tag["name"])
		l.want(tag["type"] == "Hashtag" && strings.HasPrefix(name, "#") && utf8.RuneCountInString(name) <= 40, "tag %q (Mobilizon, Gancio)", name)
	}
}

// mastodon is the text that Mastodon 4.6 makes of an object.
func mastodon(o map[string]any) string {
	if o["type"] == "Note" {
		return str(o["content"])
	}
	return "<h2>" + str(o["name"]) + "</h2>\n\n" + str(o["summary"]) + "\n\n" + str(o["url"])
}

func TestLint_FindsWhatItIsFor(t *testing.T) {
	bad := `{"type":["Note","Offer"],"attributedTo":["https://a.example"],"to":"x","cc":[],"attachment":[{"type":"Image"}],"tag":[],
		"content":"","published":"2027-02-02T00:00:00Z","updated":"2027-02-01T00:00:00Z","image":"x","location":{"latitude":51,"longitude":0.1},"inReplyTo":null}`
	if got := lint(exactly(t, []byte(bad))); len(got) != 13 {
		t.Errorf("found %d of 13: %s", len(got), strings.Join(got, "; "))
	}
	event := `{"type":"Event","attributedTo":"a","to":[],"cc":[],"attachment":[{"type":"Link","mediaType":"text/html"}],"tag":[{"type":"Mention","name":"x"}],"content":"x",
		"name":"<b","startTime":"2027-01-01","joinMode":"none"}`
	if got := lint(exactly(t, []byte(event))); len(got) != 13 {
		t.Errorf("found %d of 13: %s", len(got), strings.Join(got, "; "))
	}
}
