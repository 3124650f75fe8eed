package vocab_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// activity is a small Create with some members changed; nil takes one away.
func activity(t testing.TB, changes, object m) []byte {
	t.Helper()
	o := m{"id": base + "/ap/o/1", "type": "Note", "attributedTo": group, "content": "x"}
	a := m{"@context": "https://www.w3.org/ns/activitystreams", "id": base + "/ap/o/1#create-1", "type": "Create", "actor": group, "object": o}
	for target, list := range map[*m]m{&a: changes, &o: object} {
		for name, value := range list {
			if (*target)[name] = value; value == nil {
				delete(*target, name)
			}
		}
	}
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseActivity_RefusesWhatReadersCouldTakeTwoWays(t *testing.T) {
	many := func(n int) (list []any) {
		for i := range n {
			list = append(list, fmt.Sprintf("https://a.example/%d", i))
		}
		return list
	}
	whole := testdata(t, "create-event.json")
	long := "https://a.example/" + strings.Repeat("x", 2048)
	cases := []struct {
		name string
		raw  []byte
		kind protocol.ErrorKind
		says string
	}{
		{"types", activity(t, m{"type": []any{"Create", "Update"}}, nil), protocol.Invalid, "type must be one string"},
		{"types of the object", activity(t, nil, m{"type": []any{"Note", "Event"}}), protocol.Invalid, "type must be one string"},
		{"no type", activity(t, m{"type": nil}, nil), protocol.Invalid, "type must be one string"},
		{"no type of the object", activity(t, nil, m{"type": nil}), protocol.Invalid, "type must be one string"},
		{"actors", activity(t, m{"actor": []any{group, "https://evil.example/u"}}, nil), protocol.Invalid, "actor must be one IRI"},
		{"one actor in a list", activity(t, m{"actor": []any{group}}, nil), protocol.Invalid, "actor must be one IRI"},
		{"no actor", activity(t, m{"actor": nil}, nil), protocol.Invalid, "actor must be one IRI"},
		{"actor without id", activity(t, m{"actor": m{"type": "Person"}}, nil), protocol.Invalid, "actor must be one IRI"},
		{"actor with ids", activity(t, m{"actor": m{"id": []any{group}}}, nil), protocol.Invalid, "actor must be one IRI"},
		{"actor by number", activity(t, m{"actor": 7}, nil), protocol.Invalid, "actor must be one IRI"},
		{"endless actor", activity(t, m{"actor": long}, nil), protocol.Invalid, "actor must be one IRI"},
		{"no id", activity(t, m{"id": nil}, nil), protocol.Invalid, "id must be one IRI"},
		{"empty id", activity(t, m{"id": ""}, nil), protocol.Invalid, "id must be one IRI"},
		{"id by number", activity(t, m{"id": 7}, nil), protocol.Invalid, "id must be one IRI"},
		{"endless id", activity(t, m{"id": long}, nil), protocol.Invalid, "at most 2048"},
		{"null id", bytes.Replace(activity(t, m{"id": "?"}, nil), []byte(`"?"`), []byte("null"), 1), protocol.Invalid, "id must be one IRI"},
		{"object without id", activity(t, nil, m{"id": nil}), protocol.Invalid, "id must be one IRI"},
		{"no object", activity(t, m{"object": nil}, nil), protocol.Invalid, "object is missing"},
		{"objects", activity(t, m{"object": many(2)}, nil), protocol.Invalid, "object must be one IRI or one object"},
		{"empty object", activity(t, m{"object": ""}, nil), protocol.Invalid, "object must be one IRI or one object"},
		{"object by number", activity(t, m{"object": 7}, nil), protocol.Invalid, "object must be one IRI or one object"},
		{"authors", activity(t, nil, m{"attributedTo": []any{group, "https://evil.example/u"}}), protocol.Invalid, "attributedTo must be one IRI"},
		{"author by number", activity(t, nil, m{"attributedTo": 1}), protocol.Invalid, "attributedTo must be one IRI"},
		{"inner actors", activity(t, nil, m{"actor": many(2)}), protocol.Invalid, "a reference must be one IRI"},
		{"inner objects", activity(t, nil, m{"object": many(2)}), protocol.Invalid, "a reference must be one IRI"},
		{"201 recipients", activity(t, m{"to": many(101), "cc": many(100)}, nil), protocol.Invalid, "more than 200 recipients"},
		{"201 recipients of the object", activity(t, nil, m{"cc": many(201)}), protocol.Invalid, "more than 200 recipients"},
		{"recipients by number", activity(t, m{"to": []any{1}}, nil), protocol.Invalid, "a reference must be one IRI"},
		{"recipients in lists", activity(t, m{"to": []any{[]any{group}}}, nil), protocol.Invalid, "a reference must be one IRI"},
		{"bare object of nobody", []byte(`{"id":"https://a.example/1","type":"Note"}`), protocol.Invalid, "attributedTo"},
		{"the same key twice", []byte(`{"id":"https://a.example/1","type":"Note","id":"https://b.example/2"}`), protocol.Invalid, "twice"},
		{"the same key twice, once escaped", []byte(`{"actor":"https://a.example/1","\u0061ctor":"https://b.example/2"}`), protocol.Invalid, "twice"},
		{"deep", []byte(strings.Repeat(`{"object":`, 40) + "1" + strings.Repeat("}", 40)), protocol.Invalid, "deep"},
		{"a graph", []byte(`{"@graph":[{"id":"https://a.example/1"}]}`), protocol.Invalid, "@graph"},
		{"a list", []byte(`[{"id":"https://a.example/1"}]`), protocol.Invalid, "one JSON object"},
		{"nothing", nil, protocol.Invalid, "one JSON object"},
		{"broken off", whole[:len(whole)-1], protocol.Invalid, "too early"},
		{"too large", append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), vocab.MaxActivityBytes)...), protocol.TooLarge, "limit"},
	}
	for _, c := range cases {
		a, err := vocab.ParseActivity(c.raw)
		if protocol.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || a.Raw != nil {
			t.Errorf("%s: got %+v, %v; want %s that says %q", c.name, a, err, c.kind, c.says)
		}
	}
}

func TestParseActivity_TakesWhatServersReallySend(t *testing.T) {
	public := m{"to": protocol.Public, "cc": []any{group + "/followers", m{"id": "https://a.example/1", "type": "Person"}}}
	cases := []struct {
		name  string
		raw   []byte
		check func(protocol.Activity) bool
	}{
		{"one recipient without a list", activity(t, public, nil), func(a protocol.Activity) bool {
			return slices.Equal(a.To, []string{protocol.Public}) && slices.Equal(a.Cc, []string{group + "/followers", "https://a.example/1"})
		}},
		{"embedded actor", activity(t, m{"actor": m{"type": "Person", "id": group}}, nil), func(a protocol.Activity) bool { return a.Actor == group }},
		{"object by IRI", activity(t, m{"object": "https://a.example/1"}, nil), func(a protocol.Activity) bool {
			return a.Object.ID == "https://a.example/1" && a.Object.Raw == nil && a.Object.Type == ""
		}},
		{"nulls", []byte(`{"id":"https://a.example/1","type":"Like","actor":"https://a.example/u","object":"https://b.example/1","to":null,"cc":null,"published":null,"proof":null,"listing":null,"attributedTo":null}`),
			func(a protocol.Activity) bool { return a.Type == "Like" && a.To == nil && !a.Proof }},
		{"nulls in the object", []byte(`{"id":"https://a.example/1","type":"Create","actor":"https://a.example/u","object":{"id":"https://a.example/2","type":"Note","attributedTo":null,"listing":null,"proof":null,"object":null}}`),
			func(a protocol.Activity) bool {
				return a.Object.Listing == nil && a.Object.ListingError == nil && !a.Object.Proof && a.Object.AttributedTo == ""
			}},
		{"other members in capitals", []byte(`{"id":"https://a.example/1","type":"Like","actor":"https://a.example/u","Actor":"https://evil.example/u","ID":"https://evil.example/1","Type":"Delete","object":"https://b.example/1"}`),
			func(a protocol.Activity) bool {
				return a.Type == "Like" && a.ID == "https://a.example/1" && a.Actor == "https://a.example/u"
			}},
		{"escaped names and values", []byte(`{"id":"https:\/\/a.example\/1","\u0074ype":"Li\u006be","actor":"https://a.example/u","object":"https://b.example/\"\\"}`),
			func(a protocol.Activity) bool {
				return a.Type == "Like" && a.ID == "https://a.example/1" && a.Object.ID == `https://b.example/"\`
			}},
		{"space everywhere", []byte(" \n{ \"id\" : \"https://a.example/1\" ,\t\"type\" : \"Like\" , \"actor\" : { \"id\" : \"https://a.example/u\" } , \"to\" : [ \"https://a.example/2\" , \"https://a.example/3\" ] , \"object\" : \"https://b.example/1\" } \r\n"),
			func(a protocol.Activity) bool { return a.Actor == "https://a.example/u" && len(a.To) == 2 }},
		{"a listing of other software", activity(t, nil, m{"listing": "for sale"}), func(a protocol.Activity) bool { return a.Object.Listing == nil && a.Object.ListingError != nil }},
		{"a listing from the future", activity(t, nil, m{"listing": m{"v": 1, "kind": "need", "title": "Room", "colour": "red"}}), func(a protocol.Activity) bool { return a.Object.Listing.Title == "Room" }},
		{"a listing in capitals", activity(t, nil, m{"listing": m{"kind": "need", "Title": "Room", "Version": 9}}), func(a protocol.Activity) bool { return a.Object.Listing.Title == "" && a.Object.Listing.Version == 0 }},
		{"a page on its own host", activity(t, nil, m{"url": base + "/x"}), func(a protocol.Activity) bool { return a.Object.URL == base+"/x" }},
		{"a page on another host", activity(t, nil, m{"url": "https://evil.example/x"}), func(a protocol.Activity) bool { return a.Object.URL == "" }},
		{"a page that runs", activity(t, nil, m{"url": "javascript:alert(1)"}), func(a protocol.Activity) bool { return a.Object.URL == "" }},
		{"pages", activity(t, nil, m{"url": []any{m{"type": "Link", "href": base}}}), func(a protocol.Activity) bool { return a.Object.URL == "" }},
		{"a date that is none", activity(t, m{"published": "yesterday"}, m{"updated": 7}), func(a protocol.Activity) bool { return a.Published.IsZero() && a.Object.Updated.IsZero() }},
		{"a bare Delete of other software", activity(t, m{"type": "Delete"}, m{"type": "Tombstone", "formerType": "Note"}), func(a protocol.Activity) bool {
			return a.Object.Tombstone == nil && a.Object.ListingError == nil && a.Object.FormerType == "Note"
		}},
		{"a Delete with half a listing", activity(t, m{"type": "Delete"}, m{"type": "Tombstone", "listing": m{"v": 1, "uid": "x"}}), func(a protocol.Activity) bool {
			return a.Object.Tombstone == nil && protocol.KindOf(a.Object.ListingError) == protocol.Invalid
		}},
		{"a Gancio Undo, whose Follow has no actor", activity(t, m{"type": "Undo", "object": m{"type": "Follow", "id": "https://g.example/x#follow", "object": group}}, nil), func(a protocol.Activity) bool {
			return a.Object.Actor == "" && a.Object.Target == group
		}},
		{"200 recipients", activity(t, m{"to": slices.Repeat([]any{group}, 200)}, nil), func(a protocol.Activity) bool { return len(a.To) == 200 }},
	}
	for _, c := range cases {
		a, err := vocab.ParseActivity(c.raw)
		if err != nil || !c.check(a) || !bytes.Equal(a.Raw, c.raw) {
			t.Errorf("%s: got %+v, %v", c.name, a, err)
		}
	}
}

// FuzzParseActivity looks for bytes that break the reader, that it takes
// another way than encoding/json does, or whose parts are not parts of them.
func FuzzParseActivity(f *testing.F) {
	f.Add(testdata(f, "create-event.json"))
	for _, shape := range []string{"event, bare", "need", "resource, kit", "volunteer, public"} {
		f.Add(write(f, shapes()[shape]))
	}
	f.Add(must(vocab.Delete(author(), "event", protocol.Tombstone{CID: cid, UID: fullEvent().UID, Version: 47}, true, edited())))
	f.Add(must(vocab.UndoFollow(base+"#u", base+"#f", base, group)))
	f.Add(must(vocab.Announce(base+"/ap/relay", base+"/ap/o/1", group, edited())))
	f.Add(activity(f, m{"to": []any{group, m{"id": group}}, "proof": nil}, m{"listing": m{"start": "2027-03-02T10:00:00+14:00", "place": nil}}))
	f.Add([]byte(` {"\u0069d" : "x\\\"" , "type":"Like","actor":{"id":"y","z":[1,-2.5e3,true,null,{}]},"object":"z"} `))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := vocab.ParseActivity(raw)
		if err != nil {
			if k := protocol.KindOf(err); k != protocol.Invalid && k != protocol.TooLarge {
				t.Fatalf("kind %q of %v", k, err)
			}
			return
		}
		if a.Actor == "" || a.Type == "" || a.Object.ID == "" || !bytes.Equal(a.Raw, raw) || !bytes.Contains(raw, a.Object.Raw) {
			t.Fatalf("got %+v", a)
		}
		var plain m
		if err := json.Unmarshal(raw, &plain); err != nil {
			t.Fatal(err)
		}
		if a.Type != protocol.TypeObject && (plain["id"] != a.ID || plain["type"] != a.Type) {
			t.Fatalf("got %q %q, another reader gets %v %v", a.ID, a.Type, plain["id"], plain["type"])
		}
		object := plain
		if a.Type != protocol.TypeObject {
			object, _ = plain["object"].(m)
		}
		if object != nil && (object["id"] != a.Object.ID || object["type"] != a.Object.Type) {
			t.Fatalf("object: got %q %q, another reader gets %v %v", a.Object.ID, a.Object.Type, object["id"], object["type"])
		}
		if a.Object.Listing != nil {
			_ = a.Object.Listing.ValidateWire()
		}
	})
}
