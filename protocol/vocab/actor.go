package vocab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"
	"github.com/microcosm-cc/bluemonday"

	"github.com/waypost-directory/waypost/protocol"
)

// actorType is what go-fed's five actor types have in common for us.
type actorType interface {
	vocab.Type
	GetActivityStreamsInbox() vocab.ActivityStreamsInboxProperty
	GetActivityStreamsOutbox() vocab.ActivityStreamsOutboxProperty
	GetActivityStreamsFollowers() vocab.ActivityStreamsFollowersProperty
	GetActivityStreamsPreferredUsername() vocab.ActivityStreamsPreferredUsernameProperty
	GetActivityStreamsName() vocab.ActivityStreamsNameProperty
	GetW3IDSecurityV1PublicKey() vocab.W3IDSecurityV1PublicKeyProperty
}

// ParseActor reads an actor document of any ActivityPub server. It bounds the
// document first ([protocol.CheckJSON]), because go-fed's reader spends more
// than linear time on deep JSON. Errors are Invalid or TooLarge. That the
// document came from its own id the caller checks; a key that says it belongs
// to another actor is refused here, and so is an inbox on another origin:
// anybody could have deliveries sent to anybody.
func ParseActor(raw []byte) (protocol.Actor, error) {
	const op = "read actor"
	limits := protocol.DefaultJSONLimits()
	limits.MaxBytes = MaxActorBytes
	if err := protocol.CheckJSON(raw, limits); err != nil {
		return protocol.Actor{}, err
	}
	a := protocol.Actor{Raw: bytes.Clone(raw), Assertion: map[string]string{}}
	if err := readTyped(&a); err != nil {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, a.ID, "%v", err)
	}
	readMembers(&a, bytes.TrimSpace(a.Raw))
	if home := protocol.Origin(a.ID); home == "" || protocol.Origin(a.Inbox) != home {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, a.ID, "its inbox is on another host")
	}
	return a, nil
}

// MaxActorBytes is the most that an actor's document may have. Those of other
// software have under 10 kB; they are fetched before any signature is checked,
// so there is no room for more than a generous biography.
const MaxActorBytes = 128 << 10

// readTyped reads an actor's document with go-fed. It is generated code that
// nobody maintains; a stranger's document must not stop the node when it
// panics, as it does on an empty duration.
func readTyped(a *protocol.Actor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the document cannot be read: %v", r)
		}
	}()
	var m map[string]any
	if err := json.Unmarshal(a.Raw, &m); err != nil {
		return fmt.Errorf("it is not a JSON object: %w", err)
	}
	if _, ok := m["type"].(string); !ok {
		return errors.New("type must be one string")
	}
	thing, err := streams.ToType(context.Background(), m)
	if err != nil {
		return fmt.Errorf("it is not ActivityStreams: %w", err)
	}
	t, ok := thing.(actorType)
	if !ok {
		return fmt.Errorf("a %s is not an actor", thing.GetTypeName())
	}
	a.Type = t.GetTypeName()
	return fromTyped(a, t)
}

// fromTyped takes what go-fed has words for.
func fromTyped(a *protocol.Actor, t actorType) error {
	if id := t.GetJSONLDId(); id != nil {
		a.ID = iriString(id.Get())
	}
	if a.ID == "" {
		return errors.New("id is missing")
	}
	if p := t.GetActivityStreamsInbox(); p != nil {
		a.Inbox = iriString(p.GetIRI())
	}
	if a.Inbox == "" {
		return errors.New("inbox is missing")
	}
	if p := t.GetActivityStreamsOutbox(); p != nil {
		a.Outbox = iriString(p.GetIRI())
	}
	if p := t.GetActivityStreamsFollowers(); p != nil {
		a.Followers = iriString(p.GetIRI())
	}
	if p := t.GetActivityStreamsPreferredUsername(); p != nil && p.IsXMLSchemaString() {
		a.Username = oneLine(p.GetXMLSchemaString(), maxName)
	}
	if p := t.GetActivityStreamsName(); p != nil && p.Len() > 0 && p.At(0).IsXMLSchemaString() {
		a.Name = oneLine(p.At(0).GetXMLSchemaString(), maxName)
	}
	return keyFromTyped(a, t.GetW3IDSecurityV1PublicKey())
}

// keyFromTyped takes the one public key, and only when it says that this actor
// owns it (CVE-2025-54888 and its kin).
func keyFromTyped(a *protocol.Actor, p vocab.W3IDSecurityV1PublicKeyProperty) error {
	if p == nil || p.Len() == 0 {
		return nil
	}
	key := p.At(0).Get()
	if key == nil {
		return nil
	}
	owner := key.GetW3IDSecurityV1Owner()
	if owner == nil || iriString(owner.Get()) != a.ID {
		return errors.New("publicKey.owner is not the actor itself")
	}
	if id := key.GetJSONLDId(); id != nil {
		a.KeyID = iriString(id.Get())
	}
	if pem := key.GetW3IDSecurityV1PublicKeyPem(); pem != nil {
		a.PublicKeyPEM = pem.Get()
	}
	return nil
}

// readMembers takes the rest from the document as it was written: its id to
// the letter, and what go-fed has no words for.
func readMembers(a *protocol.Actor, raw []byte) {
	v := viewOf(raw)
	a.ID = textOf(v.id)
	a.URL = pageOf(v.url, a.ID)
	for name, value := range members(raw) {
		switch name {
		case "summary":
			a.Summary = plainText(textOf(value))
		case "endpoints":
			a.SharedInbox = sharedInbox(value, a.ID)
		case "assertionMethod":
			takeKeys(a, value)
		case "implements":
			takeCapabilities(a, value)
		}
	}
}

// sharedInbox is taken from the actor's own host only, or anybody could have
// deliveries sent to anybody.
func sharedInbox(endpoints []byte, id string) string {
	for name, value := range members(endpoints) {
		if inbox := textOf(value); name == "sharedInbox" && protocol.Origin(inbox) == protocol.Origin(id) {
			return inbox
		}
	}
	return ""
}

// takeKeys takes the keys for proofs that the actor itself controls (FEP-521a).
func takeKeys(a *protocol.Actor, raw []byte) {
	for e := range elements(raw) {
		key := map[string]string{}
		for name, value := range members(e) {
			key[name] = textOf(value)
		}
		if key["type"] == "Multikey" && key["controller"] == a.ID && key["id"] != "" && len(a.Assertion) < maxKeys {
			a.Assertion[key["id"]] = key["publicKeyMultibase"]
		}
	}
}

// takeCapabilities reads what the actor says that it speaks (FEP-844e).
func takeCapabilities(a *protocol.Actor, raw []byte) {
	for e := range elements(raw) {
		href := textOf(e)
		for name, value := range members(e) {
			if name == "href" {
				href = textOf(value)
			}
		}
		a.Waypost = a.Waypost || href == protocol.ImplementsWaypostV1
		a.Ed25519HTTP = a.Ed25519HTTP || href == protocol.ImplementsEd25519
	}
}

// Bounds of what is kept of an actor.
const (
	maxName    = 200
	maxSummary = 1_000
	maxKeys    = 10
)

// plainText reads what HTML says.
func plainText(s string) string {
	return oneLine(html.UnescapeString(bluemonday.StrictPolicy().AddSpaceWhenStrippingTag(true).Sanitize(s)), maxSummary)
}

// oneLine makes a stranger's text fit for a page: one line, and no character
// that hides or turns what is beside it.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r):
			return ' '
		case 0x202A <= r && r <= 0x202E, 0x2066 <= r && r <= 0x2069:
			return -1
		}
		return r
	}, s)
	return shorten(strings.Join(strings.Fields(s), " "), limit)
}

func iriString(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// ActorPlace returns where an actor that ParseActor accepted says that it is,
// or nil.
func ActorPlace(raw []byte) *protocol.Place {
	for name, value := range members(bytes.TrimSpace(raw)) {
		if name == "location" {
			return placeOf(value)
		}
	}
	return nil
}

func placeOf(location []byte) *protocol.Place {
	var p protocol.Place
	for name, value := range members(location) {
		switch name {
		case "name":
			p.Name = oneLine(textOf(value), maxName)
		case "latitude":
			p.Latitude = degrees(value, 90)
		case "longitude":
			p.Longitude = degrees(value, 180)
		}
	}
	if p.Name == "" {
		return nil
	}
	if p.Latitude == nil || p.Longitude == nil {
		p.Latitude, p.Longitude = nil, nil
	}
	return &p
}

func degrees(raw []byte, limit float64) *float64 {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(-limit <= f && f <= limit) {
		return nil
	}
	return &f
}
