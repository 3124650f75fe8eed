package charter

import (
	"crypto/sha256"
	"encoding/base32"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/jws"
	"github.com/waypost-directory/waypost/protocol/proof"
)

// The names that a charter carries: its own type, and its signatures'.
const (
	documentType  = "Charter"
	signatureType = "waypost-charter+jws"
)

// KindCode is the kind of a key that is derived from a recovery card.
const KindCode = "code"

// Charter is what the stewards of a community signed. It holds no names and no
// addresses of people, because it is public for ever.
type Charter struct {
	Type      string    `json:"type"`      // "Charter"
	Community *string   `json:"community"` // the cid; null in the first charter
	Version   uint64    `json:"version"`   // 1 for the first
	Prev      *string   `json:"prev"`      // hash of the charter before; null in the first
	Issued    time.Time `json:"issued"`
	Threshold int       `json:"threshold"` // how many stewards must agree
	Stewards  []Steward `json:"stewards"`
	Host      Host      `json:"host"`
	Buddies   []Buddy   `json:"buddies"` // peers that keep a sealed backup
	Policy    Policy    `json:"policy"`
	Solo      bool      `json:"solo"` // one steward only: nobody could replace them

	payload []byte
}

// Steward is a person who can act for the community, by a label only.
type Steward struct {
	ID    string `json:"id"` // "s1", "s2", …
	Keys  []Key  `json:"keys"`
	Share string `json:"share"` // age recipient to which the steward's share of the vault is sealed
}

// Key is one of a steward's keys. Several keys of a steward count once.
type Key struct {
	Kind string `json:"kind"`         // KindCode, or one that a later version knows
	RP   string `json:"rp,omitempty"` // of a passkey: the domain that it is bound to
	Key  string `json:"key"`          // Multikey
}

// Host is where the community lives: the only writer of its directory.
type Host struct {
	Origin  string `json:"origin"`  // scheme://host[:port]
	Actor   string `json:"actor"`   // IRI of the community's Group, on that origin
	HeadKey string `json:"headKey"` // Multikey that signs heads and proves listings
}

// Buddy is a node that keeps the community's sealed backup and may vote.
type Buddy struct {
	Node string `json:"node"` // IRI of its Application actor
	Key  string `json:"key"`  // Multikey
}

// Policy is how the directory is kept.
type Policy struct {
	HeadMaxAge string     `json:"headMaxAge"` // how long a head may stand, as Go writes durations
	BulkDelete BulkDelete `json:"bulkDelete"`
	FeedDays   int        `json:"feedDays"` // how long deletions stay in the feed
}

// BulkDelete is how much may disappear in one head without a steward's word:
// the larger of the two.
type BulkDelete struct {
	Fraction float64 `json:"fraction"`
	Min      int     `json:"min"`
}

func defaultPolicy() Policy {
	return Policy{HeadMaxAge: "48h", BulkDelete: BulkDelete{Fraction: 0.2, Min: 25}, FeedDays: 90}
}

// CIDOf returns the identity that a first charter's payload gives: the SHA-256
// in base32, in lower case and without padding, 52 characters.
func CIDOf(payload []byte) string {
	sum := sha256.Sum256(payload)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

// CID returns the community's identity. The charter must come from Parse.
func (c Charter) CID() string { return CIDOf(c.payload) }

// Names reports whether the charter names actor as its host's actor and
// headKey, a Multikey, as its head key.
func (c Charter) Names(actor, headKey string) bool {
	return actor != "" && c.Host.Actor == actor && c.Host.HeadKey == headKey
}

// Params is what Mint needs to know.
type Params struct {
	Origin  string    // the node's own address
	Actor   string    // IRI of the community's actor, on that origin
	HeadKey string    // the community's Ed25519 key, as Multikey
	Issued  time.Time // to the second
	Rand    io.Reader // crypto/rand when nil
}

// Mint makes a community's first charter, with one steward and a threshold of
// one, and that steward's recovery card. The card is in no other place: print
// it once and forget it. The error's kind is Invalid for params that Parse
// would refuse.
func Mint(p Params) (raw []byte, card RecoveryCard, cid string, err error) {
	if card, err = newCard(p.Rand); err != nil {
		return nil, RecoveryCard{}, "", err
	}
	key := card.SigningKey()
	id := multikey(key)
	issued := p.Issued.UTC().Truncate(time.Second)
	c := Charter{
		Type: documentType, Version: 1, Issued: issued, Threshold: 1, Solo: true,
		Stewards: []Steward{{ID: "s1", Keys: []Key{{Kind: KindCode, Key: id}}, Share: card.Share()}},
		Host:     Host{Origin: protocol.Origin(p.Origin), Actor: p.Actor, HeadKey: p.HeadKey},
		Buddies:  []Buddy{}, Policy: defaultPolicy(),
	}
	payload, err := c.encode()
	if err != nil {
		return nil, RecoveryCard{}, "", err
	}
	raw, err = jws.Sign(payload, jws.Signer{Key: key, KeyID: id, Type: signatureType, At: issued})
	if err != nil {
		return nil, RecoveryCard{}, "", err
	}
	if c, err = Parse(raw); err != nil {
		return nil, RecoveryCard{}, "", err
	}
	return raw, card, c.CID(), nil
}

// encode writes a charter's payload in canonical form.
func (c Charter) encode() ([]byte, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, protocol.Errorf("charter.Mint", protocol.Internal, "", "%w", err)
	}
	return proof.Canonical(raw)
}

// Parse reads a community's first charter and verifies it: the form, the rules
// of a first charter, and that enough distinct stewards signed it. The error's
// kind is Invalid, TooLarge, or Unverified for want of signatures.
func Parse(raw []byte) (Charter, error) {
	doc, err := jws.Parse(raw)
	if err != nil {
		return Charter{}, err
	}
	c, err := decode(doc.Payload())
	if err != nil {
		return Charter{}, err
	}
	if problem := c.problem(); problem != "" {
		return Charter{}, invalid("%s", problem)
	}
	if n := c.signers(doc); n < c.Threshold {
		return Charter{}, protocol.Errorf("charter.Parse", protocol.Unverified, c.CID(),
			"%d of the charter's stewards signed it; it needs %d", n, c.Threshold)
	}
	return c, nil
}

func invalid(format string, args ...any) error {
	return protocol.Errorf("charter.Parse", protocol.Invalid, "", format, args...)
}

func decode(payload []byte) (Charter, error) {
	if err := protocol.CheckJSON(payload, protocol.JSONLimits{}); err != nil {
		return Charter{}, err
	}
	canonical, err := proof.Canonical(payload)
	if err != nil {
		return Charter{}, err
	}
	if string(canonical) != string(payload) {
		return Charter{}, invalid("the charter is not in canonical form (RFC 8785)")
	}
	var c Charter
	if err := json.Unmarshal(payload, &c); err != nil {
		return Charter{}, invalid("the charter is malformed: %w", err)
	}
	c.payload = slices.Clone(payload)
	return c, nil
}

// signers counts the distinct stewards whose signature fits. A steward who
// signed twice, or with two keys, counts once; a key that the charter does not
// list, another type of document and a wrong signature count for nothing.
func (c Charter) signers(doc jws.Document) int {
	steward := map[string]string{} // code key -> steward
	for _, s := range c.Stewards {
		for _, k := range s.Keys {
			if k.Kind == KindCode {
				steward[k.Key] = s.ID
			}
		}
	}
	signed := map[string]bool{}
	for i, s := range doc.Signatures() {
		id, listed := steward[s.KeyID]
		if !listed || s.Type != signatureType || signed[id] {
			continue
		}
		key, err := proof.DecodeEd25519(s.KeyID)
		if err == nil && doc.Verify(i, key) == nil {
			signed[id] = true
		}
	}
	return len(signed)
}
