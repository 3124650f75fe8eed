package vocab_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

func TestParseActor_OfOtherSoftware(t *testing.T) {
	const pem = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"
	cases := map[string]protocol.Actor{
		"mastodon.json": {ID: "https://m.elmford.example/users/ash", Type: "Person", Username: "ash", Name: "Ash gnirednaw", Summary: "Mends # bikes & kettles. Tea first.",
			URL: "https://m.elmford.example/@ash", Inbox: "https://m.elmford.example/users/ash/inbox", SharedInbox: "https://m.elmford.example/inbox",
			Outbox: "https://m.elmford.example/users/ash/outbox", Followers: "https://m.elmford.example/users/ash/followers",
			KeyID: "https://m.elmford.example/users/ash#main-key", PublicKeyPEM: pem},
		"mobilizon.json": {ID: "https://events.elmford.example/@gardeners", Type: "Group", Username: "gardeners", Name: "Elmford gardeners",
			URL: "https://events.elmford.example/@gardeners", Inbox: "https://events.elmford.example/@gardeners/inbox", SharedInbox: "https://events.elmford.example/inbox",
			Outbox: "https://events.elmford.example/@gardeners/outbox", Followers: "https://events.elmford.example/@gardeners/followers",
			KeyID: "https://events.elmford.example/@gardeners#main-key", PublicKeyPEM: "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC KEY-----\n\n"},
		"gotosocial.json": {ID: "https://gts.elmford.example/users/robin", Type: "Person", Username: "robin", Name: "Robin", Summary: "Hello",
			URL: "https://gts.elmford.example/@robin", Inbox: "https://gts.elmford.example/users/robin/inbox",
			Outbox: "https://gts.elmford.example/users/robin/outbox", Followers: "https://gts.elmford.example/users/robin/followers",
			KeyID: "https://gts.elmford.example/users/robin/main-key", PublicKeyPEM: pem},
		"gancio.json": {ID: "https://gancio.elmford.example/federation/u/events", Type: "Application", Username: "events", Name: "Elmford events", Summary: "What is on in Elmford",
			URL: "https://gancio.elmford.example", Inbox: "https://gancio.elmford.example/federation/u/events/inbox",
			SharedInbox: "https://gancio.elmford.example/federation/u/events/inbox", Outbox: "https://gancio.elmford.example/federation/u/events/outbox",
			KeyID: "https://gancio.elmford.example/federation/u/events#main-key", PublicKeyPEM: pem},
		"lemmy.json": {ID: "https://lemmy.elmford.example/c/repair", Type: "Group", Username: "repair", Name: "Repair", Summary: "Mending things",
			Inbox: "https://lemmy.elmford.example/c/repair/inbox", SharedInbox: "https://lemmy.elmford.example/inbox",
			Outbox: "https://lemmy.elmford.example/c/repair/outbox", Followers: "https://lemmy.elmford.example/c/repair/followers",
			KeyID: "https://lemmy.elmford.example/c/repair#main-key", PublicKeyPEM: pem},
	}
	for name, want := range cases {
		raw := testdata(t, "actors/"+name)
		want.Raw, want.Assertion = raw, map[string]string{}
		got, err := vocab.ParseActor(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
	if p := vocab.ActorPlace(testdata(t, "actors/mobilizon.json")); p == nil || p.Name != "Elmford" || *p.Latitude != 52.5 {
		t.Errorf("place %+v", p)
	}
}

// group with some members changed; nil takes one away.
func actorWith(t testing.TB, changes map[string]any) []byte {
	t.Helper()
	doc := decode(t, must(vocab.Group(community(), keys(t), published())))
	maps.Copy(doc, changes)
	for name, value := range changes {
		if value == nil {
			delete(doc, name)
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

type m = map[string]any

func TestParseActor_RefusesWhatCannotBeTrusted(t *testing.T) {
	const evil = "https://evil.example/u"
	cases := []struct {
		name string
		raw  []byte
		kind protocol.ErrorKind
		says string
	}{
		{"another's key", actorWith(t, m{"publicKey": m{"id": group + "#main-key", "owner": evil, "publicKeyPem": "x"}}), protocol.Invalid, "publicKey.owner is not the actor itself"},
		{"nobody's key", actorWith(t, m{"publicKey": m{"id": group + "#main-key", "publicKeyPem": "x"}}), protocol.Invalid, "publicKey.owner"},
		{"a list of keys, another's first", actorWith(t, m{"publicKey": []any{m{"id": evil, "owner": evil, "publicKeyPem": "x"}, m{"id": group, "owner": group, "publicKeyPem": "x"}}}), protocol.Invalid, "publicKey.owner"},
		{"no id", actorWith(t, m{"id": nil}), protocol.Invalid, "id is missing"},
		{"no inbox", actorWith(t, m{"inbox": nil}), protocol.Invalid, "inbox is missing"},
		{"an inbox with things in it", actorWith(t, m{"inbox": m{"type": "OrderedCollection", "id": group + "/inbox"}}), protocol.Invalid, "inbox is missing"},
		{"a list of types", actorWith(t, m{"type": []any{"Group", "Person"}}), protocol.Invalid, "type must be one string"},
		{"no type", actorWith(t, m{"type": nil}), protocol.Invalid, "type must be one string"},
		{"a note", actorWith(t, m{"type": "Note"}), protocol.Invalid, "a Note is not an actor"},
		{"of no known type", actorWith(t, m{"type": "Robot"}), protocol.Invalid, "not ActivityStreams"},
		{"no context", actorWith(t, m{"@context": nil}), protocol.Invalid, "ActivityStreams"},
		{"a list", []byte(`[]`), protocol.Invalid, "one JSON object"},
		{"two ids", []byte(`{"id":"https://a.example","id":"https://b.example"}`), protocol.Invalid, "twice"},
		{"a duration on which go-fed panics", actorWith(t, m{"duration": ""}), protocol.Invalid, "the document cannot be read"},
		{"an inbox on another host", actorWith(t, m{"inbox": "https://victim.example/inbox"}), protocol.Invalid, "its inbox is on another host"},
		{"an inbox on another port", actorWith(t, m{"inbox": base + ":8443/inbox"}), protocol.Invalid, "its inbox is on another host"},
		{"an id without a host", actorWith(t, m{"id": "urn:x", "inbox": "urn:y", "publicKey": nil}), protocol.Invalid, "its inbox is on another host"},
		{"too large", actorWith(t, m{"summary": strings.Repeat("x", 128<<10)}), protocol.TooLarge, "limit"},
	}
	for _, c := range cases {
		a, err := vocab.ParseActor(c.raw)
		if protocol.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %+v, %v; want %s that says %q", c.name, a, err, c.kind, c.says)
		}
	}
}

func TestParseActor_IgnoresWhatIsNotItsOwn(t *testing.T) {
	const evil = "https://evil.example/u"
	multikey := keys(t).Multikey
	key := func(id, controller, kind string) m {
		return m{"id": id, "type": kind, "controller": controller, "publicKeyMultibase": multikey}
	}
	cases := []struct {
		name  string
		raw   []byte
		check func(protocol.Actor) bool
	}{
		{"a shared inbox on another host", actorWith(t, m{"endpoints": m{"sharedInbox": "https://victim.example/inbox"}}), func(a protocol.Actor) bool { return a.SharedInbox == "" }},
		{"a shared inbox on another port", actorWith(t, m{"endpoints": m{"sharedInbox": base + ":8443/inbox"}}), func(a protocol.Actor) bool { return a.SharedInbox == "" }},
		{"endpoints by name", actorWith(t, m{"endpoints": base + "/endpoints"}), func(a protocol.Actor) bool { return a.SharedInbox == "" && len(a.Assertion) == 1 }},
		{"a key that another controls", actorWith(t, m{"assertionMethod": []any{key(group+"#x", evil, "Multikey")}}), func(a protocol.Actor) bool { return len(a.Assertion) == 0 }},
		{"a key of another sort", actorWith(t, m{"assertionMethod": []any{key(group+"#x", group, "JsonWebKey")}}), func(a protocol.Actor) bool { return len(a.Assertion) == 0 }},
		{"a key by name", actorWith(t, m{"assertionMethod": group + "#x"}), func(a protocol.Actor) bool { return len(a.Assertion) == 0 }},
		{"one key without a list", actorWith(t, m{"assertionMethod": key(group+"#x", group, "Multikey")}), func(a protocol.Actor) bool { return a.Assertion[group+"#x"] == multikey }},
		{"eleven keys", actorWith(t, m{"assertionMethod": func() (list []any) {
			for _, c := range "abcdefghijk" {
				list = append(list, key(group+"#"+string(c), group, "Multikey"))
			}
			return list
		}()}), func(a protocol.Actor) bool { return len(a.Assertion) == 10 }},
		{"a page that runs", actorWith(t, m{"url": "javascript:alert(1)"}), func(a protocol.Actor) bool { return a.URL == "" }},
		{"a page on another host", actorWith(t, m{"url": "https://evil.example/"}), func(a protocol.Actor) bool { return a.URL == "" }},
		{"a key that is only named", actorWith(t, m{"publicKey": group + "/main-key"}), func(a protocol.Actor) bool { return a.KeyID == "" && a.PublicKeyPEM == "" }},
		{"no key", actorWith(t, m{"publicKey": nil}), func(a protocol.Actor) bool { return a.KeyID == "" }},
		{"capabilities as plain names", actorWith(t, m{"implements": []any{protocol.ImplementsWaypostV1}}), func(a protocol.Actor) bool { return a.Waypost && !a.Ed25519HTTP }},
		{"capabilities of its generator", actorWith(t, m{"generator": m{"type": "Application", "implements": []any{protocol.ImplementsWaypostV1}}}), func(a protocol.Actor) bool { return !a.Waypost }},
		{"a second ID in capitals", actorWith(t, m{"ID": evil, "Url": evil}), func(a protocol.Actor) bool { return a.ID == group && a.URL == base+"/" }},
		{"an endless name", actorWith(t, m{"name": strings.Repeat("x\n", 5000)}), func(a protocol.Actor) bool { return len([]rune(a.Name)) == 200 && !strings.Contains(a.Name, "\n") }},
		{"an endless summary", actorWith(t, m{"summary": strings.Repeat("<b>x</b>", 2000)}), func(a protocol.Actor) bool { return len([]rune(a.Summary)) == 1000 }},
		{"an id that a URL library would rewrite", actorWith(t, m{"id": base + "/ap/ü", "publicKey": nil}), func(a protocol.Actor) bool { return a.ID == base+"/ap/ü" }},
	}
	for _, c := range cases {
		a, err := vocab.ParseActor(c.raw)
		if err != nil || !c.check(a) {
			t.Errorf("%s: got %+v, %v", c.name, a, err)
		}
	}
}

func TestParseActor_RefusesDeepJSONAtOnce(t *testing.T) {
	deep := []byte(`{"@context":"https://www.w3.org/ns/activitystreams","type":"Group","attachment":` + strings.Repeat(`{"type":"Create","object":`, 4_000) + `1` + strings.Repeat(`}`, 4_001))
	started := time.Now()
	_, err := vocab.ParseActor(deep)
	if took := time.Since(started); protocol.KindOf(err) != protocol.Invalid || took > 100*time.Millisecond {
		t.Errorf("took %v: %v", took, err)
	}
}

func TestActorPlace_IsOnTheEarth(t *testing.T) {
	cases := []struct {
		location  string
		name      string
		positions bool
	}{
		{`{"name":"Elmford","latitude":52.5,"longitude":-1}`, "Elmford", true},
		{`{"name":"Elmford","latitude":52.5}`, "Elmford", false},
		{`{"name":"Elmford","latitude":1e300,"longitude":0}`, "Elmford", false},
		{`{"name":"Elmford","latitude":"52.5","longitude":"0"}`, "Elmford", false},
		{`{"name":"Elm\nford\u202e"}`, "Elm ford", false},
		{`{"latitude":52.5,"longitude":-1}`, "", false},
		{`"https://elmford.example/place"`, "", false},
		{`[{"name":"Elmford"}]`, "", false},
		{`null`, "", false},
	}
	for _, c := range cases {
		p := vocab.ActorPlace([]byte(` {"location":` + c.location + `}`))
		if p == nil {
			p = &protocol.Place{}
		}
		if _, _, ok := p.Point(); p.Name != c.name || ok != c.positions {
			t.Errorf("%s: got %+v", c.location, p)
		}
	}
}

// FuzzParseActor looks for documents that get through go-fed as a panic, and
// for keys that are not the actor's own.
func FuzzParseActor(f *testing.F) {
	files, err := filepath.Glob("testdata/actors/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		f.Add(testdata(f, strings.TrimPrefix(name, "testdata/")))
	}
	f.Add(must(vocab.Group(community(), keys(f), published())))
	f.Add(must(vocab.Application(base, keys(f))))
	f.Add(actorWith(f, m{"duration": ""}))
	f.Add([]byte(`{"@context":["https://www.w3.org/ns/activitystreams",{}],"type":"Person","id":"x:","inbox":"%","publicKey":[{}],"name":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := vocab.ParseActor(raw)
		if err != nil {
			if k := protocol.KindOf(err); k != protocol.Invalid && k != protocol.TooLarge {
				t.Fatalf("kind %q of %v", k, err)
			}
			return
		}
		if a.ID == "" || protocol.Origin(a.Inbox) == "" || protocol.Origin(a.Inbox) != protocol.Origin(a.ID) || len([]rune(a.Name)) > 200 {
			t.Fatalf("got %+v", a)
		}
		if a.SharedInbox != "" && protocol.Origin(a.SharedInbox) != protocol.Origin(a.ID) {
			t.Fatalf("shared inbox %s of %s", a.SharedInbox, a.ID)
		}
		vocab.ActorPlace(raw)
	})
}
