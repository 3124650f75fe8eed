package protocol

import "time"

// Public is the ActivityStreams name for everybody (ActivityPub §5.6).
const Public = "https://www.w3.org/ns/activitystreams#Public"

// Activity is one ActivityStreams activity as another program sent it, or the
// bare object that a pull brought. Raw is what was signed and what is kept;
// the other fields are a view of it and are never written out again, because
// a JSON round trip would break the proof.
type Activity struct {
	Raw       []byte
	ID        string // IRI; empty for a bare object
	Type      string // e.g. "Create"; for a bare object "Object"
	Actor     string // IRI; for a bare object its attributedTo
	Published time.Time
	To, Cc    []string
	Proof     bool // whether the activity itself carries a proof
	Object    Object
}

// TypeObject is the Type of an [Activity] that is a bare object.
const TypeObject = "Object"

// Object is the view of an activity's object.
type Object struct {
	Raw          []byte // the embedded bytes; nil when the activity names it by IRI only
	ID           string
	Type         string
	AttributedTo string
	Actor        string // inner actor, of an embedded Follow
	Target       string // inner object, of an embedded Follow
	FormerType   string // of a Tombstone
	URL          string
	To, Cc       []string
	Published    time.Time
	Updated      time.Time
	Listing      *Listing   // nil when there is no `listing` property, or it is a Tombstone's
	Tombstone    *Tombstone // a Tombstone's `listing` property
	ListingError error      // why a `listing` property could not be read
	Proof        bool       // whether it carries a proof
}

// Tombstone is the `listing` property of a deleted listing: which one, by which
// edit, and whether its uid is retired for ever (docs/protocol/listing.md §5).
type Tombstone struct {
	V       int    `json:"v"`
	CID     string `json:"cid"`
	UID     string `json:"uid"`
	Version uint64 `json:"version"`
	Erased  bool   `json:"erased"`
}

// Validate checks every field. The error is an Invalid [Error] around
// [FieldErrors].
func (t Tombstone) Validate() error {
	c := checker{}
	c.wireIdentity(t.V, t.CID, t.UID, t.Version)
	return c.result("check deletion", t.UID)
}

// IsPublic reports whether to or cc names everybody.
func (o Object) IsPublic() bool {
	for _, list := range [][]string{o.To, o.Cc} {
		for _, iri := range list {
			if iri == Public || iri == "as:Public" || iri == "Public" {
				return true
			}
		}
	}
	return false
}

// Actor is the view of an ActivityStreams actor: who signs, where its inbox
// is, and which keys are its own.
type Actor struct {
	ID           string
	Type         string // Application, Group, Organization, Person or Service
	Username     string // preferredUsername
	Name         string
	Summary      string // plain text
	URL          string
	Inbox        string
	SharedInbox  string // endpoints.sharedInbox, or empty
	Outbox       string
	Followers    string
	KeyID        string            // publicKey.id
	PublicKeyPEM string            // publicKey.publicKeyPem
	Assertion    map[string]string // assertionMethod: key id -> publicKeyMultibase
	Waypost      bool              // FEP-844e: implements Waypost v1
	Ed25519HTTP  bool              // FEP-844e: verifies RFC 9421 with Ed25519
	Raw          []byte
}

// DeliverTo returns the inbox that reaches the actor: the shared one when it
// has one (ActivityPub §7.1.3).
func (a Actor) DeliverTo() string {
	if a.SharedInbox != "" {
		return a.SharedInbox
	}
	return a.Inbox
}

// What an Application says that it implements (FEP-844e).
const (
	ImplementsRFC9421   = "https://datatracker.ietf.org/doc/html/rfc9421"
	ImplementsEd25519   = "https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25"
	ImplementsWaypostV1 = "https://w3id.org/waypost/v1#v1"
	Namespace           = "https://w3id.org/waypost/v1#"
)
