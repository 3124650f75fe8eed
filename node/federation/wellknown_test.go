package federation_test

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/node/federation"
)

func TestWebFinger_FindsOurActorsAndNobodyElse(t *testing.T) {
	s := newSite(t, "ours", newClock())
	host := strings.TrimPrefix(s.base, "http://")
	for resource, want := range map[string]string{
		"acct:ours@" + host:         s.actor,
		"acct:OURS@" + host:         s.actor,
		"acct:@ours@" + host:        s.actor,
		"acct:relay@" + host:        s.app,
		s.actor:                     s.actor,
		s.app:                       s.app,
		s.base + "/c/ours":          s.actor, // the page that people paste
		s.base:                      s.app,   // FEP-d556: who is this server?
		s.base + "/":                s.app,
		"acct:ours@other.example":   "",
		"acct:relay@other.example":  "",
		"acct:nobody@" + host:       "",
		"acct:ours":                 "",
		"ours@" + host:              "",
		"https://other.example/":    "",
		s.base + "/ap/a/nobody":     "",
		s.base + "/c/ours/listings": "",
		"":                          "",
	} {
		resp, doc := s.get(t, "/.well-known/webfinger?resource="+url.QueryEscape(resource), "application/jrd+json")
		if want == "" {
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("%q: got %d, want 404", resource, resp.StatusCode)
			}
			continue
		}
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/jrd+json") {
			t.Errorf("%q: got %d %s", resource, resp.StatusCode, resp.Header.Get("Content-Type"))
			continue
		}
		var self []any
		for _, l := range doc["links"].([]any) {
			if l := l.(map[string]any); l["rel"] == "self" {
				self = append(self, l["type"], l["href"])
			}
		}
		// Exactly one, of the type that Mobilizon and Gancio take.
		if !slices.Equal(self, []any{"application/activity+json", want}) {
			t.Errorf("%q: self is %v, want %s", resource, self, want)
		}
		wantSubject := "acct:relay@" + host
		if want == s.actor {
			wantSubject = "acct:ours@" + host
		}
		if doc["subject"] != wantSubject {
			t.Errorf("%q: subject is %v, want %s", resource, doc["subject"], wantSubject)
		}
	}
}

// TestWebFinger_GoesRoundFromTheActor is what Mastodon does: the actor's name
// at the host of its id must lead back to that id.
func TestWebFinger_GoesRoundFromTheActor(t *testing.T) {
	s := newSite(t, "ours", newClock())
	for _, iri := range []string{s.actor, s.app} {
		resp, actor := s.get(t, iri, activityJSON)
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), activityJSON) {
			t.Fatalf("%s: got %d %s", iri, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
		if actor["id"] != iri {
			t.Errorf("the document at %s has the id %v", iri, actor["id"])
		}
		u, err := url.Parse(iri)
		if err != nil {
			t.Fatal(err)
		}
		_, jrd := s.get(t, "/.well-known/webfinger?resource=acct:"+actor["preferredUsername"].(string)+"@"+u.Host, "*/*")
		if !slices.Contains(jrd["aliases"].([]any), any(iri)) {
			t.Errorf("aliases of %s are %v", iri, jrd["aliases"])
		}
		if actor["webfinger"] != strings.TrimPrefix(jrd["subject"].(string), "acct:") {
			t.Errorf("the actor says %v, WebFinger %v", actor["webfinger"], jrd["subject"])
		}
	}
}

func TestHostMeta_PointsAtWebFinger(t *testing.T) {
	s := newSite(t, "ours", newClock())
	resp, _ := s.get(t, "/.well-known/host-meta", "application/xrd+xml")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/xrd+xml") {
		t.Errorf("got %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
}

func TestNodeInfo_ItsLinkComesFirstAndThenTheApplication(t *testing.T) {
	s := newSite(t, "ours", newClock())
	resp, doc := s.get(t, "/.well-known/nodeinfo", "application/json")
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") { // Mobilizon insists
		t.Errorf("content type is %s", resp.Header.Get("Content-Type"))
	}
	want := []any{
		map[string]any{"rel": "http://nodeinfo.diaspora.software/ns/schema/2.1", "href": s.base + "/nodeinfo/2.1"},
		map[string]any{"rel": "https://www.w3.org/ns/activitystreams#Application", "href": s.app},
	}
	if !reflect.DeepEqual(doc["links"], want) {
		t.Errorf("links are %v, want %v", doc["links"], want)
	}
}

// TestNodeInfo_IsWhatTheSchemaAllows checks the rules of the NodeInfo 2.1
// schema: the members that it requires, and no others where it allows none.
func TestNodeInfo_IsWhatTheSchemaAllows(t *testing.T) {
	s := newSite(t, "ours", newClock())
	s.publish(t, offer("Tablet help"))
	private := offer("For us alone")
	private.Visibility = "local"
	s.publish(t, private)
	resp, doc := s.get(t, "/nodeinfo/2.1", "application/json")
	if got := resp.Header.Get("Content-Type"); !strings.Contains(got, "nodeinfo.diaspora.software/ns/schema/2.1#") {
		t.Errorf("content type is %s", got)
	}
	want := map[string]any{
		"version":           "2.1",
		"software":          map[string]any{"name": "waypost", "version": "1.2.3"},
		"protocols":         []any{"activitypub"},
		"services":          map[string]any{"inbound": []any{}, "outbound": []any{}},
		"openRegistrations": false,
		"usage":             map[string]any{"users": map[string]any{"total": 1.0}, "localPosts": 1.0},
		"metadata":          doc["metadata"],
	}
	if _, ok := doc["metadata"].(map[string]any); !ok {
		t.Errorf("metadata is %v, want an object", doc["metadata"])
	}
	if !reflect.DeepEqual(doc, want) {
		t.Errorf("got %v, want %v", doc, want)
	}
}

func TestDiscovery_NamesTheApplicationAndWhatLivesHere(t *testing.T) {
	s := newSite(t, "ours", newClock())
	_, doc := s.get(t, "/.well-known/waypost", "application/json")
	if doc["application"] != s.app || doc["v"] != 1.0 {
		t.Errorf("got %v", doc)
	}
	list := doc["communities"].([]any)
	if len(list) != 1 {
		t.Fatalf("communities are %v", list)
	}
	c := list[0].(map[string]any)
	if c["cid"] != s.cid || c["actor"] != s.actor || c["hosted"] != true {
		t.Errorf("community is %v", c)
	}
	resp, charters := s.get(t, c["charters"].(string), "application/json")
	if resp.StatusCode != http.StatusOK || len(charters["charters"].([]any)) != 1 || charters["cid"] != s.cid {
		t.Errorf("its charters: %d %v", resp.StatusCode, charters)
	}
	if resp, _ := s.get(t, "/waypost/v1/communities/nobody/charters", "application/json"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("charters of an unknown community: got %d, want 404", resp.StatusCode)
	}
}

func TestActors_AreServedUnsignedToServersAndAsPagesToPeople(t *testing.T) {
	s := newSite(t, "ours", newClock())
	for _, accept := range []string{activityJSON, `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`,
		"application/activity+json, application/ld+json", "*/*", ""} {
		resp, doc := s.get(t, s.actor, accept)
		if resp.StatusCode != http.StatusOK || doc["type"] != "Group" {
			t.Errorf("%q: got %d %v", accept, resp.StatusCode, doc["type"])
		}
	}
	resp, _ := s.get(t, s.actor, "text/html,application/xhtml+xml")
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != s.base+"/c/ours" {
		t.Errorf("a browser got %d to %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if !strings.Contains(resp.Header.Get("Vary"), "Accept") {
		t.Error("a cache may show people the JSON: Vary is missing")
	}
	if resp, _ := s.get(t, "/ap/a/nobody", activityJSON); resp.StatusCode != http.StatusNotFound {
		t.Errorf("nobody: got %d, want 404", resp.StatusCode)
	}
	if federation.ActivityType != activityJSON {
		t.Errorf("our own content type is %s", federation.ActivityType)
	}
}
