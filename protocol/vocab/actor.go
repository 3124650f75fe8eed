package vocab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/go-fed/activity/streams"
	"github.com/go-fed/activity/streams/vocab"

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
	GetUnknownProperties() map[string]interface{}
}

// ParseActor reads an actor document of any ActivityPub server. The document
// must be bounded before ([protocol.CheckJSON] is run here as well), because
// go-fed's reader spends more than linear time on deep JSON. Errors are
// Invalid. That the document came from its own id, and that its keys are its
// own, the caller checks.
func ParseActor(raw []byte) (a protocol.Actor, err error) {
	const op = "read actor"
	limits := protocol.DefaultJSONLimits()
	limits.MaxBytes = 1 << 20
	if err := protocol.CheckJSON(raw, limits); err != nil {
		return protocol.Actor{}, err
	}
	defer func() {
		// go-fed is generated code that nobody maintains; a stranger's document
		// must not stop the node.
		if r := recover(); r != nil {
			a, err = protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, "", "the document cannot be read: %v", r)
		}
	}()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, "", "it is not a JSON object: %v", err)
	}
	if _, ok := m["type"].(string); !ok {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, "", "type must be one string")
	}
	t, err := streams.ToType(context.Background(), m)
	if err != nil {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, "", "it is not ActivityStreams: %v", err)
	}
	typed, ok := t.(actorType)
	if !ok {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, "", "a %s is not an actor", t.GetTypeName())
	}
	a = protocol.Actor{Type: t.GetTypeName(), Raw: bytes.Clone(raw), Assertion: map[string]string{}}
	if err := fromTyped(&a, typed); err != nil {
		return protocol.Actor{}, protocol.Errorf(op, protocol.Invalid, a.ID, "%v", err)
	}
	fromUnknown(&a, raw)
	return a, nil
}

func fromTyped(a *protocol.Actor, t actorType) error {
	if id := t.GetJSONLDId(); id != nil && id.IsIRI() || id != nil && id.Get() != nil {
		a.ID = id.Get().String()
	}
	if a.ID == "" {
		return fmt.Errorf("id is missing")
	}
	if p := t.GetActivityStreamsInbox(); p != nil {
		a.Inbox = iriString(p.GetIRI())
	}
	if a.Inbox == "" {
		return fmt.Errorf("inbox is missing")
	}
	if p := t.GetActivityStreamsOutbox(); p != nil {
		a.Outbox = iriString(p.GetIRI())
	}
	if p := t.GetActivityStreamsFollowers(); p != nil {
		a.Followers = iriString(p.GetIRI())
	}
	if p := t.GetActivityStreamsPreferredUsername(); p != nil && p.IsXMLSchemaString() {
		a.Username = p.GetXMLSchemaString()
	}
	if p := t.GetActivityStreamsName(); p != nil && p.Len() > 0 && p.At(0).IsXMLSchemaString() {
		a.Name = p.At(0).GetXMLSchemaString()
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
		return fmt.Errorf("publicKey.owner is not the actor itself")
	}
	if id := key.GetJSONLDId(); id != nil && id.Get() != nil {
		a.KeyID = id.Get().String()
	}
	if pem := key.GetW3IDSecurityV1PublicKeyPem(); pem != nil {
		a.PublicKeyPEM = pem.Get()
	}
	return nil
}

// fromUnknown reads what go-fed has no words for: endpoints, assertionMethod
// and implements.
func fromUnknown(a *protocol.Actor, raw []byte) {
	var w struct {
		URL       json.RawMessage `json:"url"`
		Endpoints struct {
			SharedInbox string `json:"sharedInbox"`
		} `json:"endpoints"`
		Assertion  json.RawMessage `json:"assertionMethod"`
		Implements json.RawMessage `json:"implements"`
	}
	if json.Unmarshal(raw, &w) != nil {
		return
	}
	if protocol.Origin(w.Endpoints.SharedInbox) == protocol.Origin(a.ID) {
		a.SharedInbox = w.Endpoints.SharedInbox
	}
	a.URL, _ = reference(w.URL)
	for _, k := range eachOf(w.Assertion) {
		var key struct {
			ID         string `json:"id"`
			Type       string `json:"type"`
			Controller string `json:"controller"`
			Multibase  string `json:"publicKeyMultibase"`
		}
		if json.Unmarshal(k, &key) == nil && key.Type == "Multikey" && key.Controller == a.ID && key.ID != "" {
			a.Assertion[key.ID] = key.Multibase
		}
	}
	for _, i := range eachOf(w.Implements) {
		var link struct {
			Href string `json:"href"`
		}
		if json.Unmarshal(i, &link) != nil {
			_ = json.Unmarshal(i, &link.Href)
		}
		a.Waypost = a.Waypost || link.Href == protocol.ImplementsWaypostV1
		a.Ed25519HTTP = a.Ed25519HTTP || link.Href == protocol.ImplementsEd25519
	}
}

// eachOf reads one value or a list of them as a list.
func eachOf(raw json.RawMessage) []json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil
	}
	if raw[0] != '[' {
		return []json.RawMessage{raw}
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list[:min(len(list), 20)]
}

func iriString(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

// ActorPlace returns where an actor says that it is, or nil.
func ActorPlace(raw []byte) *protocol.Place {
	var w struct {
		Location struct {
			Name      string   `json:"name"`
			Latitude  *float64 `json:"latitude"`
			Longitude *float64 `json:"longitude"`
		} `json:"location"`
	}
	if json.Unmarshal(raw, &w) != nil || w.Location.Name == "" {
		return nil
	}
	p := protocol.Place{Name: shorten(w.Location.Name, 200), Latitude: w.Location.Latitude, Longitude: w.Location.Longitude}
	if p.Latitude == nil || p.Longitude == nil {
		p.Latitude, p.Longitude = nil, nil
	}
	return &p
}
