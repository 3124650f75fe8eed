package protocol

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestOrigin_HasOneForm(t *testing.T) {
	cases := []struct{ iri, want string }{
		{"https://thornmere.example/ap/o/1#x", "https://thornmere.example"},
		{"https://thornmere.example", "https://thornmere.example"},
		{"HTTPS://Thornmere.EXAMPLE/", "https://thornmere.example"},
		{"https://thornmere.example:443/", "https://thornmere.example"},
		{"http://thornmere.example:80/", "http://thornmere.example"},
		{"http://thornmere.example:443/", "http://thornmere.example:443"},
		{"https://thornmere.example:8443/", "https://thornmere.example:8443"},
		{"https://thornmere.example:08443/", "https://thornmere.example:8443"},
		{"https://thornmere.example:/", "https://thornmere.example"},
		{"https://thornmere.example:0/", ""},
		{"https://thornmere.example:65536/", ""},
		{"https://thornmere.example./", "https://thornmere.example"},
		{"https://thornmere.example../", ""},
		{"https://./", ""},
		{"https://user@thornmere.example/", ""},
		{"https://user:pw@thornmere.example/", ""},
		{"https://thornmere.example@evil.example/", ""},
		{"https://[2001:DB8::1]/", "https://[2001:db8::1]"},
		{"https://[2001:db8:0:0:0:0:0:1]:443/", "https://[2001:db8::1]"},
		{"https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"},
		{"https://[fe80::1%25eth0]/", ""},
		{"http://127.0.0.11/", "http://127.0.0.11"},
		{"https://XN--CAF-DMA.example/", "https://xn--caf-dma.example"},
		{"https://café.example/", ""},
		{"https://caf%C3%A9.example/", ""},
		{"https://exam\u00adple.example/", ""},
		{"https://ｅxample.example/", ""},
		{"https://good.example\\@evil.example/", ""},
		{"https://good.example<x>/", ""},
		{"https:///ap", ""},
		{"https:thornmere.example", ""},
		{"//thornmere.example/", ""},
		{"/ap/o/1", ""},
		{"ftp://thornmere.example/", ""},
		{"javascript:alert(1)", ""},
		{"did:key:z6Mk", ""},
		{"urn:uuid:3f1c0e52", ""},
		{"", ""},
		{"https://thornmere.example/\x00", ""},
		{" https://thornmere.example/", ""},
	}
	for _, c := range cases {
		if got := Origin(c.iri); got != c.want {
			t.Errorf("Origin(%q) = %q, want %q", c.iri, got, c.want)
		}
	}
	c := Community{Actor: "https://Thornmere.example:443/ap/a/thornmere"}
	if got, want := c.Node(), "https://thornmere.example"; got != want {
		t.Errorf("Node() = %q, want %q", got, want)
	}
}

func TestError_ShowsTheChainAndKeepsTheKind(t *testing.T) {
	err := fmt.Errorf("import: %w", &Error{Op: "read listing", Kind: TooLarge, ID: "x", Err: io.EOF})
	if got, want := err.Error(), "import: read listing x: EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if KindOf(err) != TooLarge || !errors.Is(err, io.EOF) {
		t.Errorf("kind %q", KindOf(err))
	}
	if KindOf(nil) != "" || KindOf(io.EOF) != Internal {
		t.Error("nil has no kind, and a stranger's error is internal")
	}
	if got, want := (&Error{Op: "do", Kind: Gone}).Error(), "do: gone"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestObject_IsPublicInToOrCc(t *testing.T) {
	for _, name := range []string{Public, "as:Public", "Public"} {
		if !(Object{To: []string{"https://a.example", name}}).IsPublic() || !(Object{Cc: []string{name}}).IsPublic() {
			t.Errorf("%s names everybody", name)
		}
	}
	if (Object{To: []string{"https://a.example/followers"}}).IsPublic() {
		t.Error("followers are not everybody")
	}
}

func TestActor_IsReachedThroughItsSharedInbox(t *testing.T) {
	a := Actor{Inbox: "https://a.example/inbox"}
	if a.DeliverTo() != a.Inbox {
		t.Error("without a shared inbox its own is used")
	}
	a.SharedInbox = "https://a.example/shared"
	if a.DeliverTo() != a.SharedInbox {
		t.Error("the shared inbox is preferred")
	}
}

func TestTerms_EveryListIsClosedAndReadable(t *testing.T) {
	lists := map[string]struct {
		terms []Term
		n     int
	}{
		"kinds": {Kinds(), 6}, "categories": {Categories(), 8}, "modes": {Modes(), 8}, "formats": {Formats(), 11}, "sub-kinds": {SubKinds(), 7},
		"seeks": {Seeks(), 8}, "responsibilities": {Responsibilities(), 5}, "levels": {Levels(), 6}, "statuses": {Statuses(), 4},
		"visibilities": {Visibilities(), 3}, "availabilities": {Availabilities(), 21}, "partner states": {PartnerStates(), 6},
	}
	for name, list := range lists {
		seen := map[string]bool{}
		for _, term := range list.terms {
			if term.Key == "" || term.Label == "" || seen[term.Key] {
				t.Errorf("%s: %+v is empty or twice there", name, term)
			}
			seen[term.Key] = true
			if Label(list.terms, term.Key) != term.Label || !Has(list.terms, term.Key) {
				t.Errorf("%s: %q is not found", name, term.Key)
			}
		}
		if len(list.terms) != list.n {
			t.Errorf("%s: %d terms, want %d", name, len(list.terms), list.n)
		}
	}
	if Label(Kinds(), "party") != "party" || Has(Kinds(), "party") {
		t.Error("an unknown key is its own label")
	}
	if got, want := Label(Availabilities(), "MondayEvening"), "Monday evening"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
