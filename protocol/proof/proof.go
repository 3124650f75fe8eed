package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/mr-tron/base58"

	"github.com/waypost-directory/waypost/protocol"
)

// The values that this package writes and accepts (FEP-8b32).
const (
	proofType    = "DataIntegrityProof"
	cryptosuite  = "eddsa-jcs-2022"
	proofPurpose = "assertionMethod"
)

// Options says how Sign signs.
type Options struct {
	VerificationMethod string    // IRI of the public key in the signer's assertionMethod
	Created            time.Time // when it is signed; left out when zero
	Expires            time.Time // from when on it does not hold; left out when zero
}

// Proof is what Verify found in a document and holds true.
type Proof struct {
	VerificationMethod string
	Created            time.Time // zero when the proof does not say
	Expires            time.Time // zero when it does not expire
}

// Sign returns the document with an eddsa-jcs-2022 proof as its last member;
// the bytes before it stay as they are. The proof carries the document's
// @context, so that a reader sees under which words it was signed. The error's
// kind is Invalid when raw is not a JSON object, or already has a proof or an
// LD signature.
func Sign(raw []byte, key ed25519.PrivateKey, opts Options) ([]byte, error) {
	const op = "proof.Sign"
	canonical, err := Canonical(raw)
	if err != nil {
		return nil, err
	}
	if canonical[0] != '{' || opts.VerificationMethod == "" || len(key) != ed25519.PrivateKeySize {
		return nil, protocol.Errorf(op, protocol.Invalid, "", "needs a JSON object, a key and the key's id")
	}
	d := split(canonical)
	if d.proof != nil || d.signature {
		return nil, protocol.Errorf(op, protocol.Invalid, "", "the document is signed already")
	}
	config := opts.config(d.context)
	hash := signedHash(config, d, d.context)
	value := "z" + base58.Encode(ed25519.Sign(key, hash[:]))

	body := bytes.TrimRight(raw, " \t\r\n")
	body = bytes.TrimRight(body[:len(body)-1], " \t\r\n")
	out := make([]byte, 0, len(body)+len(config)+200)
	out = append(out, body...)
	if len(canonical) > len("{}") {
		out = append(out, ',')
	}
	out = append(out, `"proof":`...)
	out = append(out, config[:len(config)-1]...)
	out = append(out, `,"proofValue":"`...)
	out = append(out, value...)
	return append(out, `"}}`...), nil
}

// config returns the proof without its value, in canonical form.
func (o Options) config(context []byte) []byte {
	var b []byte
	add := func(name, value string) {
		if value != "" {
			b = append(append(append(b, `,"`...), name...), `":`...)
			b, _ = jsontext.AppendQuote(b, value) // bad UTF-8 becomes U+FFFD, and then no key has that id
		}
	}
	if context != nil {
		b = append(append(b, `,"@context":`...), context...)
	}
	add("created", stamp(o.Created))
	add("cryptosuite", cryptosuite)
	add("expires", stamp(o.Expires))
	add("proofPurpose", proofPurpose)
	add("type", proofType)
	add("verificationMethod", o.VerificationMethod)
	b[0] = '{'
	return append(b, '}')
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Verify checks the document's proof and returns it. resolve gives the public
// key of a verification method, and only when that key is an assertionMethod
// of the document's author: Verify does not know who that is.
//
// The caller has bounded raw with [protocol.CheckJSON]: sorting a document that
// is nested thousands deep costs a hundred times as much as a flat one.
//
// The document's @context may be longer than the proof's but has to begin with
// it; what was added was not signed. An LD signature beside the proof is left
// out, because some servers add one after the proof.
//
// The error's kind is Invalid for a malformed document or proof, else
// Unverified; an error of resolve that has a kind keeps it.
func Verify(raw []byte, resolve func(verificationMethod string) (ed25519.PublicKey, error), at time.Time) (Proof, error) {
	canonical, err := Canonical(raw)
	if err != nil {
		return Proof{}, err
	}
	if canonical[0] != '{' {
		return Proof{}, invalid("the document is not a JSON object")
	}
	d := split(canonical)
	c, err := readConfig(d.proof)
	if err != nil {
		return Proof{}, err
	}
	if err := c.acceptable(d.context, at); err != nil {
		return Proof{}, err
	}
	key, err := resolve(c.VerificationMethod)
	if err != nil {
		return Proof{}, resolveError(c.VerificationMethod, err)
	}
	context := d.context
	if c.context != nil {
		context = c.context
	}
	hash := signedHash(c.unsigned, d, context)
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, hash[:], c.value) {
		return Proof{}, unverified("the proof does not fit the document and the key %s", c.VerificationMethod)
	}
	return c.Proof, nil
}

func invalid(format string, args ...any) error {
	return protocol.Errorf("proof.Verify", protocol.Invalid, "", format, args...)
}

func unverified(format string, args ...any) error {
	return protocol.Errorf("proof.Verify", protocol.Unverified, "", format, args...)
}

func resolveError(method string, err error) error {
	kind := protocol.Unverified
	var e *protocol.Error
	if errors.As(err, &e) {
		kind = e.Kind
	}
	return &protocol.Error{Op: "proof.Verify", Kind: kind, ID: method, Err: fmt.Errorf("find the key: %w", err)}
}

// document is a document in canonical form, taken apart.
type document struct {
	context   []byte // nil when there is none
	proof     []byte // nil when there is none
	signature bool   // it carries an LD signature
	rest      []member
}

func split(canonical []byte) document {
	d := document{rest: members(canonical)}
	kept := d.rest[:0]
	for _, m := range d.rest {
		switch string(m.name) {
		case "proof":
			d.proof = m.value
			continue
		case "signature":
			d.signature = true
			continue
		case "@context":
			d.context = m.value
		}
		kept = append(kept, m)
	}
	d.rest = kept
	return d
}

// signedHash is what gets signed: the hash of the proof without its value and
// the hash of the document without its proof, under the signed @context
// (Data Integrity EdDSA Cryptosuites v1.0 §3.3.4).
func signedHash(config []byte, d document, context []byte) [2 * sha256.Size]byte {
	h := sha256.New()
	sep := []byte{'{'}
	for _, m := range d.rest {
		h.Write(sep)
		sep[0] = ','
		if string(m.name) == "@context" {
			h.Write([]byte(`"@context":`))
			h.Write(context)
			continue
		}
		h.Write(m.whole)
	}
	if sep[0] == '{' {
		h.Write(sep)
	}
	h.Write([]byte{'}'})
	var out [2 * sha256.Size]byte
	first := sha256.Sum256(config)
	copy(out[:], first[:])
	h.Sum(out[:sha256.Size])
	return out
}

// config is a proof as it arrived.
type config struct {
	Proof
	context              []byte
	kind, suite, purpose string
	value                []byte
	unsigned             []byte // canonical form without proofValue
}

func readConfig(raw []byte) (config, error) {
	var c config
	switch {
	case raw == nil:
		return c, unverified("the document has no proof")
	case raw[0] == '[':
		return c, invalid("the document has a list of proofs; send one proof")
	case raw[0] != '{':
		return c, invalid("the proof is not an object")
	}
	c.unsigned = make([]byte, 0, len(raw))
	for _, m := range members(raw) {
		if string(m.name) != "proofValue" {
			c.unsigned = append(append(c.unsigned, ','), m.whole...)
		}
		if err := c.take(m); err != nil {
			return c, err
		}
	}
	if len(c.unsigned) > 0 {
		c.unsigned[0] = '{'
		c.unsigned = append(c.unsigned, '}')
	}
	if c.value == nil {
		return c, invalid("the proof has no proofValue")
	}
	return c, nil
}

// take reads one member of a proof; those that we do not know are signed but
// say nothing to us.
func (c *config) take(m member) (err error) {
	var s string
	ok := true
	switch string(m.name) {
	case "@context":
		c.context = m.value
	case "type":
		c.kind, ok = text(m.value)
	case "cryptosuite":
		c.suite, ok = text(m.value)
	case "proofPurpose":
		c.purpose, ok = text(m.value)
	case "verificationMethod":
		c.VerificationMethod, ok = text(m.value)
	case "created":
		if s, ok = text(m.value); ok {
			c.Created, err = time.Parse(time.RFC3339, s)
		}
	case "expires":
		if s, ok = text(m.value); ok {
			c.Expires, err = time.Parse(time.RFC3339, s)
		}
	case "proofValue":
		if s, ok = text(m.value); ok {
			c.value, err = signatureValue(s)
		}
	}
	if !ok || err != nil {
		return invalid("the proof's %s is malformed", m.name)
	}
	return nil
}

func signatureValue(s string) ([]byte, error) {
	if len(s) < 2 || len(s) > 1+ed25519.SignatureSize*2 || s[0] != 'z' {
		return nil, errors.New("not a base58btc multibase")
	}
	b, err := base58.Decode(s[1:])
	if err == nil && len(b) != ed25519.SignatureSize {
		err = errors.New("not 64 bytes")
	}
	return b, err
}

// acceptable holds what must be true before the signature is looked at.
func (c config) acceptable(context []byte, at time.Time) error {
	switch {
	case c.kind != proofType || c.suite != cryptosuite:
		return unverified("the proof is not of the cryptosuite %s", cryptosuite)
	case c.purpose != proofPurpose:
		return unverified("the proof's purpose is not %s", proofPurpose)
	case c.VerificationMethod == "":
		return unverified("the proof names no verificationMethod")
	case !c.Expires.IsZero() && !at.Before(c.Expires):
		return unverified("the proof expired at %s", c.Expires.Format(time.RFC3339))
	case c.context != nil && !beginsWith(context, c.context):
		return unverified("the document's @context does not begin with the proof's")
	}
	return nil
}

// beginsWith reports whether one @context begins with another, both in
// canonical form; a single one counts as a list of itself.
func beginsWith(context, prefix []byte) bool {
	if context == nil {
		return false
	}
	context, prefix = entries(context), entries(prefix)
	rest, ok := bytes.CutPrefix(context, prefix)
	return ok && (len(rest) == 0 || len(prefix) == 0 || rest[0] == ',')
}

func entries(context []byte) []byte {
	if context[0] == '[' {
		return context[1 : len(context)-1]
	}
	return context
}
