package vocab_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

var update = flag.Bool("update", false, "write the golden files anew")

// must is for writers whose error no test can bring about.
func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

func TestCreate_IsTheSameBytesEveryTime(t *testing.T) {
	l := fullEvent()
	got := must(vocab.Create(author(), &l, write(t, l), edited()))
	golden := filepath.Join("testdata", "create-event.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := testdata(t, "create-event.json"); !bytes.Equal(got, want) {
		t.Errorf("run with -update and read the difference:\n got %s\nwant %s", got, want)
	}
}

// paths returns the paths of all members, lists read as their first element.
func paths(prefix string, v any, into map[string]bool) map[string]bool {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if name == "@context" {
				continue
			}
			into[prefix+name] = true
			if name != "listing" && name != "contentMap" {
				paths(prefix+name+".", value, into)
			}
		}
	case []any:
		for _, e := range v {
			paths(prefix, e, into)
		}
	}
	return into
}

// The examples are what the peers' source was read for. Where we write less or
// more, the reason stands here.
func TestWriters_HaveTheMembersOfTheExamples(t *testing.T) {
	get := func(shape string) protocol.Listing { l := shapes()[shape]; return l }
	event := get("event, full")
	obj := func(shape string) []byte { return write(t, get(shape)) }
	tombstone := protocol.Tombstone{CID: cid, UID: event.UID, Version: 47}
	skill := wire(protocol.Listing{Kind: "offer", Title: "Lessons", Tags: []string{"SkillShare"}, Place: &protocol.Place{Name: "Thornmere", Latitude: ptr(50.72), Longitude: ptr(-3.53)}})
	need, call, kit, card, venue := skill, skill, skill, skill, get("venue")
	need.Kind, call.Kind, call.Seeks, kit.Kind, card.Kind, card.Tags, card.Visibility = "need", "need", "volunteers", "resource", "volunteer", nil, "coordinators"
	venue.Image = nil
	const (
		picture   = "width height focalPoint" // not known to us
		area      = "radius units"            // an area is its code, in the listing
		placeText = "address"                 // of an area: Gancio's Update needs one
		proofless = "proof proof.type proof.cryptosuite proof.verificationMethod proof.proofPurpose proof.created proof.proofValue"
	)
	cases := []struct {
		example    string
		got        []byte
		less, more string
	}{
		{"event.json", obj("event, full"), prefixed("image.", picture) + prefixed("attachment.", picture), ""},
		{"create-event.json", must(vocab.Create(author(), &event, obj("event, full"), edited())), prefixed("object.image.", picture) + prefixed("object.attachment.", picture), proofless},
		{"skill.json", write(t, skill), prefixed("location.", area) + "unitBased publishes.resourceConformsTo", prefixed("location.", placeText)},
		{"need.json", write(t, need), prefixed("location.", area), prefixed("location.", placeText)},
		{"volunteer-call.json", write(t, call), prefixed("location.", area), prefixed("location.", placeText)},
		{"volunteer.json", write(t, card), prefixed("location.", area), prefixed("location.", placeText)},
		{"resource.json", write(t, kit), prefixed("location.", area), prefixed("location.", placeText)},
		{"venue.json", write(t, venue), "", ""},
		{"delete-event.json", must(vocab.Delete(author(), "event", tombstone, true, edited())), "", "published"},
		{"announce-event.json", must(vocab.Announce(vocab.ApplicationIRI(base), vocab.ObjectIRI(base, event.UID), group, edited())), "", ""},
		{"actor-community.json", must(vocab.Group(community(), keys(t), published())), "image image.type image.mediaType image.url image.name " + prefixed("location.", area), ""},
		{"actor-application.json", must(vocab.Application(base, keys(t))), "", "webfinger discoverable icon icon.type icon.mediaType icon.url icon.name"},
	}
	for _, c := range cases {
		want := paths("", decode(t, testdata(t, "examples/"+c.example)), map[string]bool{})
		got := paths("", decode(t, c.got), map[string]bool{})
		for _, name := range strings.Fields(c.less) {
			delete(want, name)
		}
		for _, name := range strings.Fields(c.more) {
			want[name] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", c.example, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		checkTerms(t, c.example, decode(t, c.got))
	}
}

// prefixed puts a prefix before each of several names.
func prefixed(prefix, names string) string {
	var b strings.Builder
	for _, name := range strings.Fields(names) {
		b.WriteString(prefix + name + " ")
	}
	return b.String()
}

// The records in the examples obey the rules that listing.md makes of them.
func TestExamples_AreValidListings(t *testing.T) {
	files, err := filepath.Glob("testdata/examples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		doc := decode(t, testdata(t, strings.TrimPrefix(name, "testdata/")))
		if object, ok := doc["object"].(map[string]any); ok {
			doc = object
		}
		record, ok := doc["listing"].(map[string]any)
		if !ok || doc["type"] == "Tombstone" {
			continue
		}
		record["cid"], record["salt"] = cid, salt
		raw, _ := json.Marshal(record)
		var l protocol.Listing
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatal(err)
		}
		if err := l.ValidateWire(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateAndUpdate_CarryTheObjectAsItWasSigned(t *testing.T) {
	l := fullEvent()
	obj := write(t, l)
	for kind, raw := range map[string][]byte{
		"Create": must(vocab.Create(author(), &l, obj, edited())), "Update": must(vocab.Update(author(), &l, obj, edited())),
	} {
		a, err := vocab.ParseActivity(raw)
		if err != nil {
			t.Fatal(err)
		}
		wantID := vocab.ObjectIRI(base, l.UID) + "#" + strings.ToLower(kind) + "-41"
		if a.Type != kind || a.ID != wantID || a.Actor != group || !a.Proof || !a.Published.Equal(edited()) ||
			!slices.Equal(a.To, []string{protocol.Public}) || !slices.Equal(a.Cc, []string{group + "/followers"}) {
			t.Errorf("%s: got %+v", kind, a)
		}
		if !bytes.Equal(a.Object.Raw, obj) || a.Object.Type != "Event" || a.Object.Listing.Version != 41 {
			t.Errorf("%s: the object changed on its way", kind)
		}
		verify(t, kind, raw)
		verify(t, kind+"'s object", a.Object.Raw)
		checkTerms(t, kind, decode(t, raw))
	}
}

func TestDelete_NamesTheEditAndIsProven(t *testing.T) {
	tomb := protocol.Tombstone{CID: cid, UID: fullEvent().UID, Version: 47, Erased: true}
	raw := must(vocab.Delete(author(), protocol.KindNeed, tomb, true, edited()))
	a, err := vocab.ParseActivity(raw)
	if err != nil {
		t.Fatal(err)
	}
	tomb.V = 1
	iri := vocab.ObjectIRI(base, tomb.UID)
	if a.ID != iri+"#delete-47" || a.Object.ID != iri || a.Object.Type != "Tombstone" || a.Object.FormerType != "Note" || a.Object.Listing != nil ||
		a.Object.Tombstone == nil || *a.Object.Tombstone != tomb {
		t.Errorf("got %+v", a)
	}
	verify(t, "Delete", raw)
	if raw := must(vocab.Delete(author(), protocol.KindEvent, tomb, false, edited())); !bytes.Contains(raw, []byte(`"to":[],"cc":[]`)) {
		t.Errorf("a deletion of what was not public is addressed to nobody: %s", raw)
	}
	standing := decode(t, must(vocab.TombstoneObject(iri, "Event", tomb, edited())))
	if standing["formerType"] != "Event" || standing["id"] != iri || standing["deleted"] != "2027-02-03T17:30:00Z" {
		t.Errorf("got %v", standing)
	}
	checkTerms(t, "Tombstone", standing)
}

func TestFollowsAndTheirAnswers_EmbedTheFollow(t *testing.T) {
	app, them := vocab.ApplicationIRI(base), "https://elmford.example/ap/relay"
	follow := must(vocab.Follow(app+"#follow-1", app, them))
	theirs := []byte(`{"@context":"https://www.w3.org/ns/activitystreams","id":"https://m.example/1","type":"Follow","actor":"https://m.example/users/ash","object":"` + group + `","oddity":1.0}`)
	cases := []struct {
		raw                           []byte
		kind, inner, actor, objectOf  string
		embedsVerbatim, namesFollowID bool
	}{
		{follow, "Follow", "", "", "", false, false},
		{must(vocab.UndoFollow(app+"#follow-1/undo", app+"#follow-1", app, them)), "Undo", app + "#follow-1", app, them, false, true},
		{must(vocab.Accept(group+"#accept-1", group, "https://m.example/users/ash", theirs)), "Accept", "https://m.example/1", "https://m.example/users/ash", group, true, true},
		{must(vocab.Reject(group+"#reject-1", group, "https://m.example/users/ash", theirs)), "Reject", "https://m.example/1", "https://m.example/users/ash", group, true, true},
	}
	for _, c := range cases {
		a, err := vocab.ParseActivity(c.raw)
		if err != nil {
			t.Fatalf("%s: %v", c.raw, err)
		}
		if a.Type != c.kind || len(a.To) != 1 || a.Proof {
			t.Errorf("%s: got %+v", c.kind, a)
		}
		if c.namesFollowID && (a.Object.ID != c.inner || a.Object.Type != "Follow" || a.Object.Actor != c.actor || a.Object.Target != c.objectOf) {
			t.Errorf("%s: the inner Follow is %+v", c.kind, a.Object)
		}
		if c.embedsVerbatim && !bytes.Equal(a.Object.Raw, theirs) {
			t.Errorf("%s: the Follow came back changed: %s", c.kind, a.Object.Raw)
		}
		if c.kind == "Follow" && (a.Object.ID != them || a.Object.Raw != nil) {
			t.Errorf("Gancio wants the object of a Follow as a string: %s", c.raw)
		}
		if !c.embedsVerbatim {
			checkTerms(t, c.kind, decode(t, c.raw))
		}
	}
}

func TestAnnounce_NamesTheObjectByItsIRI(t *testing.T) {
	object := vocab.ObjectIRI(base, fullEvent().UID)
	a, err := vocab.ParseActivity(must(vocab.Announce(vocab.ApplicationIRI(base), object, group, edited())))
	if err != nil || a.ID != object+"#announce-relay" || a.Object.ID != object || a.Object.Raw != nil ||
		!slices.Equal(a.Cc, []string{base + "/ap/relay/followers", group}) {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestCollections_HaveAFirstPageAndLists(t *testing.T) {
	l := fullEvent()
	obj := write(t, l)
	create := must(vocab.OutboxCreate(group, vocab.ObjectIRI(base, l.UID), 41, edited(), obj))
	id := group + "/outbox"
	docs := map[string][]byte{
		"collection": must(vocab.Collection(id, 1, id+"?page=1")),
		"hidden":     must(vocab.Collection(id, 12, "")),
		"empty":      must(vocab.FlatCollection(id, []any{})),
		"one":        must(vocab.FlatCollection(id, []any{group})),
		"page":       must(vocab.CollectionPage(id+"?page=1", id, id+"?page=2", 41, []any{json.RawMessage(create), group})),
		"last page":  must(vocab.CollectionPage(id+"?page=2", id, "", 41, []any{})),
	}
	for name, raw := range docs {
		doc := decode(t, raw)
		checkTerms(t, name, doc)
		if items, ok := doc["orderedItems"]; ok && !is[[]any](items) {
			t.Errorf("%s: orderedItems is no list: %s", name, raw)
		}
	}
	if doc := decode(t, docs["hidden"]); doc["first"] != nil || doc["totalItems"] != 12.0 {
		t.Errorf("hidden: got %v", doc)
	}
	if doc := decode(t, docs["page"]); doc["partOf"] != id || doc["next"] != id+"?page=2" || doc["type"] != "OrderedCollectionPage" {
		t.Errorf("page: got %v", doc)
	}
	if !bytes.Contains(docs["page"], obj) {
		t.Error("the object in an outbox is not the one that was signed")
	}
	if doc := decode(t, docs["last page"]); doc["next"] != nil {
		t.Errorf("last page: got %v", doc)
	}
}

func TestActors_AreReadBackAsTheyAre(t *testing.T) {
	c := community()
	raw := must(vocab.Group(c, keys(t), published()))
	a, err := vocab.ParseActor(raw)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != group || a.Type != "Group" || a.Username != c.Handle || a.Name != c.Name || a.Summary != c.Summary || a.URL != c.URL ||
		a.SharedInbox != base+"/ap/inbox" || a.KeyID != group+"#main-key" || a.PublicKeyPEM != keys(t).PublicKeyPEM ||
		a.Assertion[author().KeyID] != keys(t).Multikey || a.Waypost || !bytes.Equal(a.Raw, raw) {
		t.Errorf("got %+v", a)
	}
	if p := vocab.ActorPlace(raw); p == nil || p.Name != "Bexleyheath" || *p.Latitude != 51 || *p.Longitude != 0 {
		t.Errorf("place %+v", p)
	}
	place, ok := vocab.GroupPlace(c)
	if !ok || decode(t, place)["id"] != decode(t, raw)["location"].(map[string]any)["id"] {
		t.Errorf("the community's place is not at its IRI: %s", place)
	}
	checkTerms(t, "place", decode(t, place))

	app, err := vocab.ParseActor(must(vocab.Application(base, keys(t))))
	if err != nil || app.Type != "Application" || !app.Waypost || !app.Ed25519HTTP || app.ID != vocab.ApplicationIRI(base) {
		t.Errorf("got %+v, %v", app, err)
	}
}

func TestGroup_WithoutAPlaceNamesNone(t *testing.T) {
	c := community()
	c.Place, c.Summary = nil, ""
	raw := must(vocab.Group(c, keys(t), published()))
	doc := decode(t, raw)
	if doc["location"] != nil || vocab.ActorPlace(raw) != nil || len(doc["attachment"].([]any)) != 1 || doc["summary"] != "<p>Thornmere Digital Champions</p>" {
		t.Errorf("got %s", raw)
	}
	if _, ok := vocab.GroupPlace(c); ok {
		t.Error("serves a place that it does not have")
	}
	for _, name := range []string{"publicKey", "endpoints"} {
		if !is[map[string]any](doc[name]) {
			t.Errorf("%s must be one object (Mobilizon, Gancio)", name)
		}
	}
}
