package vocab_test

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

const (
	base  = "https://thornmere.example"
	group = base + "/ap/a/thornmere"
	cid   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	salt  = "AAAAAAAAAAAAAAAAAAAAAA"
)

// published and edited are when the listings of these tests appeared and
// changed.
func published() time.Time { return time.Date(2027, 2, 1, 9, 0, 0, 0, time.UTC) }
func edited() time.Time    { return time.Date(2027, 2, 3, 17, 30, 0, 0, time.UTC) }

// author is a community whose key is made from a fixed seed, so that every run
// signs the same bytes.
func author() vocab.Author {
	return vocab.Author{Actor: group, Followers: group + "/followers", Base: base,
		KeyID: group + "#ed25519-key", Key: ed25519.NewKeyFromSeed([]byte("thornmere thornmere thornmere 27"))}
}

// keys are the community's keys as its document shows them.
func keys(t testing.TB) vocab.Keys {
	t.Helper()
	multikey := proof.EncodeEd25519(author().Key.Public().(ed25519.PublicKey))
	return vocab.Keys{PublicKeyPEM: string(testdata(t, "rsa-public.pem")), Multikey: multikey}
}

func community() protocol.Community {
	return protocol.Community{CID: cid, Handle: "thornmere", Name: "Thornmere Digital Champions",
		Summary: "Help with phones & tablets <near you>", Actor: group, URL: base + "/",
		Place: &protocol.Place{Name: "Bexleyheath", Latitude: ptr(51.0), Longitude: ptr(0.0), Area: "E09000004"}}
}

func ptr[T any](v T) *T { return &v }

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// decode reads JSON as any reader would.
func decode(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return m
}

// wire completes a listing with the fields that only the wire carries.
func wire(l protocol.Listing) protocol.Listing {
	l.V, l.CID, l.Salt = protocol.ListingVersion, cid, salt
	if l.UID == "" {
		l.UID = "3f1c0e52-6a7b-4c8d-9e0f-112233445566"
	}
	if l.Version == 0 {
		l.Version = 41
	}
	if l.Visibility == "" {
		l.Visibility = protocol.VisibilityPublic
	}
	return l
}

// fullEvent is an event with everything that an event can have.
func fullEvent() protocol.Listing {
	return wire(protocol.Listing{
		Kind: protocol.KindEvent, Title: "Tablet drop-in", Language: "en",
		Summary:     "Bring your tablet and your questions",
		Description: "Bring **something** that puzzles you.\n\n- photographs\n- video calls\n\nMore at [our page](https://thornmere.example/tablets).",
		Categories:  []string{"quick-tips", "hands-on"}, Modes: []string{"centre-drop-in"}, Format: "drop-in",
		Topics: []string{"tablets"}, Audience: []string{"older-people"}, Level: "everyone", Tags: []string{"RepairCafe", "Bexley"},
		Start: time.Date(2027, 9, 4, 9, 0, 0, 0, time.UTC), End: time.Date(2027, 9, 4, 12, 0, 0, 0, time.UTC),
		Timezone: "Europe/London", Status: "confirmed",
		Place: &protocol.Place{Name: "Central Library", Latitude: ptr(51.456), Longitude: ptr(0.146), Area: "E09000004",
			Address: &protocol.Address{StreetAddress: "1 Long Lane", AddressLocality: "Bexleyheath", AddressRegion: "Greater London", PostalCode: "DA6 7HJ", AddressCountry: "GB"}},
		Capacity: 40, Eligibility: "Anybody", Accessibility: []string{"step-free"},
		Booking: &protocol.Booking{How: "ring or drop in", Phone: "020 7946 0123", URL: "https://thornmere.example/book"},
		Cost:    &protocol.Cost{Free: true},
		Image:   &protocol.Image{URL: "https://thornmere.example/m/tablets.jpg", MediaType: "image/jpeg", Alt: "Two people at a long table with a tablet"},
		Links:   []protocol.Link{{URL: "https://thornmere.example/tablets", Title: "What to bring"}},
	})
}
