// Package jws keeps signed documents (charters, receipts, heads) as JWS in the
// general JSON serialisation (RFC 7515 §7.2.1): one payload, and one signature
// for each signer beside it.
//
// The segments are kept byte for byte. Written anew, a foreign signer's header
// might come out with its members in another order, and the signature would no
// longer fit; so a signature is added beside the others, and nothing else
// changes. Each signature is verified on its own, with a key that the caller
// names: this package never says that a document as a whole is valid, because
// only its reader knows who had to sign and how many of them.
//
// jwx signs and verifies; nothing else imports it for documents. It does not
// read or write the JSON: it flattens a single signature, and it holds a
// document valid when any one signature is.
package jws

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/waypost-directory/waypost/protocol"
)

// The bounds of a signed document.
const (
	MaxBytes      = 256 << 10
	MaxSignatures = 32
)

// EdDSA is the algorithm of the signatures that Sign makes and Verify checks
// (RFC 8037). Entries of another algorithm are kept and shown.
const EdDSA = "EdDSA"

// Signer makes one signature.
type Signer struct {
	Key   ed25519.PrivateKey
	KeyID string    // the public key as Multikey
	Type  string    // what the document is, e.g. "waypost-charter+jws"
	At    time.Time // when it is signed, to the second
}

// Signature is one entry of a document. Nothing in it is to be believed before
// Verify has said so.
type Signature struct {
	Alg       string
	KeyID     string
	Type      string
	At        time.Time
	Protected string // the protected header's segment as it arrived
	Header    []byte // the unprotected header's JSON as it arrived; nil without one
	Value     []byte
}

// Document is a signed document as it arrived.
type Document struct {
	segment    string
	payload    []byte
	entries    []entry
	signatures []Signature
}

// The JSON of a document. Members are matched by their exact names.
type general struct {
	Payload    string  `json:"payload"`
	Signatures []entry `json:"signatures"`
}

type entry struct {
	Protected string         `json:"protected"`
	Header    jsontext.Value `json:"header,omitzero"`
	Signature string         `json:"signature"`
}

// header is a protected header. Crit and B64 would change what is signed (RFC
// 7515 §4.1.11, RFC 7797); no signer of ours uses them.
type header struct {
	Alg  string         `json:"alg"`
	Kid  string         `json:"kid"`
	Typ  string         `json:"typ"`
	At   string         `json:"at"`
	Crit jsontext.Value `json:"crit,omitzero"`
	B64  jsontext.Value `json:"b64,omitzero"`
}

var encoding = base64.RawURLEncoding.Strict()

// decode reads a segment in the one way in which its bytes can be written. Go's
// decoder passes over line ends, which would give a document a second form.
func decode(segment string) ([]byte, error) {
	if strings.ContainsAny(segment, "\r\n") {
		return nil, errors.New("line end in base64url")
	}
	return encoding.DecodeString(segment)
}

// Sign makes a document of a payload, always in the general form. The payload
// is signed as it is; readers of ours want it in canonical form (RFC 8785).
func Sign(payload []byte, signers ...Signer) ([]byte, error) {
	if len(payload) == 0 || len(signers) == 0 {
		return nil, protocol.Errorf("jws.Sign", protocol.Invalid, "", "needs a payload and a signer")
	}
	d := Document{segment: encoding.EncodeToString(payload), payload: payload}
	d, err := d.Add(signers...)
	if err != nil {
		return nil, err
	}
	return d.Bytes(), nil
}

// Add returns the document with more signatures; the segments that were there
// stay as they are. The error's kind is Invalid, or TooLarge for too many.
func (d Document) Add(signers ...Signer) (Document, error) {
	const op = "jws.Add"
	d.entries, d.signatures = slices.Clone(d.entries), slices.Clone(d.signatures)
	for _, s := range signers {
		if len(s.Key) != ed25519.PrivateKeySize || s.KeyID == "" || s.Type == "" || s.At.IsZero() {
			return Document{}, protocol.Errorf(op, protocol.Invalid, s.KeyID, "a signer needs a key, its id, a type and a time")
		}
		e, err := s.sign(d.segment)
		if err != nil {
			return Document{}, protocol.Errorf(op, protocol.Internal, s.KeyID, "%w", err)
		}
		sig, err := e.read()
		if err != nil {
			return Document{}, err
		}
		d.entries, d.signatures = append(d.entries, e), append(d.signatures, sig)
	}
	if len(d.entries) > MaxSignatures || len(d.Bytes()) > MaxBytes {
		return Document{}, protocol.Errorf(op, protocol.TooLarge, "", "a document has at most %d signatures and %d bytes", MaxSignatures, MaxBytes)
	}
	return d, nil
}

func (s Signer) sign(payload string) (entry, error) {
	head, err := json.Marshal(header{Alg: EdDSA, Kid: s.KeyID, Typ: s.Type, At: s.At.UTC().Format(time.RFC3339)})
	if err != nil {
		return entry{}, err
	}
	signer, err := jws.NewSigner(jwa.EdDSA)
	if err != nil {
		return entry{}, err
	}
	protected := encoding.EncodeToString(head)
	value, err := signer.Sign([]byte(protected+"."+payload), s.Key)
	if err != nil {
		return entry{}, err
	}
	return entry{Protected: protected, Signature: encoding.EncodeToString(value)}, nil
}

// Parse takes a document apart. It verifies no signature. The error's kind is
// TooLarge, or Invalid: for what is not the general form, for members that we
// do not know, and for headers that do not say by whom, as what and when.
func Parse(raw []byte) (Document, error) {
	const op = "jws.Parse"
	if err := protocol.CheckJSON(raw, protocol.JSONLimits{MaxBytes: MaxBytes, MaxString: MaxBytes}); err != nil {
		return Document{}, err
	}
	var shape map[string]jsontext.Value
	if err := json.Unmarshal(raw, &shape); err != nil {
		return Document{}, protocol.Errorf(op, protocol.Invalid, "", "not a signed document: %w", err)
	}
	if shape["signature"] != nil || shape["protected"] != nil {
		return Document{}, protocol.Errorf(op, protocol.Invalid, "", "the signed document is in the flattened form; send the general form")
	}
	var g general
	if err := json.Unmarshal(raw, &g, json.RejectUnknownMembers(true)); err != nil {
		return Document{}, protocol.Errorf(op, protocol.Invalid, "", "not a signed document in the general form: %w", err)
	}
	payload, err := decode(g.Payload)
	if err != nil || len(payload) == 0 {
		return Document{}, protocol.Errorf(op, protocol.Invalid, "", "the payload is missing or not base64url")
	}
	if n := len(g.Signatures); n == 0 || n > MaxSignatures {
		return Document{}, protocol.Errorf(op, protocol.Invalid, "", "the document has %d signatures; it must have 1 to %d", n, MaxSignatures)
	}
	d := Document{segment: g.Payload, payload: payload, entries: g.Signatures}
	for _, e := range g.Signatures {
		s, err := e.read()
		if err != nil {
			return Document{}, err
		}
		d.signatures = append(d.signatures, s)
	}
	return d, nil
}

// read takes one entry apart.
func (e entry) read() (Signature, error) {
	invalid := func(what string) (Signature, error) {
		return Signature{}, protocol.Errorf("jws.Parse", protocol.Invalid, "", "a signature's %s", what)
	}
	raw, err := decode(e.Protected)
	if err != nil {
		return invalid("protected header is not base64url")
	}
	if err := protocol.CheckJSON(raw, protocol.JSONLimits{MaxBytes: 8 << 10}); err != nil {
		return Signature{}, err
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return invalid("protected header is malformed")
	}
	if h.Crit != nil || h.B64 != nil {
		return invalid("protected header uses crit or b64, which is not accepted")
	}
	at, err := time.Parse(time.RFC3339, h.At)
	if err != nil || h.Alg == "" || h.Kid == "" || h.Typ == "" {
		return invalid("protected header does not say alg, kid, typ and at")
	}
	value, err := decode(e.Signature)
	if err != nil || len(value) == 0 {
		return invalid("value is missing or not base64url")
	}
	return Signature{Alg: h.Alg, KeyID: h.Kid, Type: h.Typ, At: at, Protected: e.Protected, Header: e.Header, Value: value}, nil
}

// Payload returns the bytes that were signed. Do not change them.
func (d Document) Payload() []byte { return d.payload }

// Signatures lists the document's entries in the order in which they stand.
func (d Document) Signatures() []Signature { return slices.Clone(d.signatures) }

// Verify reports whether entry i was signed by the holder of key. Whether the
// entry's KeyID means that key is for the caller to see to. The error's kind
// is Unverified.
func (d Document) Verify(i int, key ed25519.PublicKey) error {
	const op = "jws.Verify"
	if i < 0 || i >= len(d.signatures) {
		return protocol.Errorf(op, protocol.Unverified, "", "there is no such signature")
	}
	s := d.signatures[i]
	if s.Alg != EdDSA || len(key) != ed25519.PublicKeySize {
		return protocol.Errorf(op, protocol.Unverified, s.KeyID, "only EdDSA signatures can be verified, with an Ed25519 key")
	}
	verifier, err := jws.NewVerifier(jwa.EdDSA)
	if err != nil {
		return protocol.Errorf(op, protocol.Internal, s.KeyID, "%w", err)
	}
	if err := verifier.Verify([]byte(s.Protected+"."+d.segment), s.Value, key); err != nil {
		return protocol.Errorf(op, protocol.Unverified, s.KeyID, "the signature does not fit the document and the key")
	}
	return nil
}

// Bytes writes the document: in the general form, with every segment as it
// arrived.
func (d Document) Bytes() []byte {
	raw, err := json.Marshal(general{Payload: d.segment, Signatures: d.entries})
	if err != nil {
		return nil // cannot be: the segments are text that was read or encoded here
	}
	return raw
}
