package httpsig

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	sfv "github.com/dunglas/httpsfv"

	"github.com/waypost-directory/waypost/protocol"
)

// The algorithms that we use (RFC 9421 §3.3).
const (
	algRSA     = "rsa-v1_5-sha256"
	algEd25519 = "ed25519"
)

// maxLabels bounds the signatures of one request that are looked at.
const maxLabels = 4

// label is the name of the signature that we write.
const label = "sig1"

// SignRFC9421 signs a request's method and address and, when there is a body,
// its Content-Digest (RFC 9421; Mastodon asks for the same). key is an *rsa.PrivateKey,
// for rsa-v1_5-sha256, or an ed25519.PrivateKey. A signature of either scheme
// that was there before is replaced. A nil body means a request without one.
func SignRFC9421(req *http.Request, body []byte, keyID string, key crypto.Signer, now time.Time) error {
	const op = "httpsig.SignRFC9421"
	alg, err := schemeKey(key.Public())
	if err != nil {
		return protocol.Errorf(op, protocol.Invalid, keyID, "%w", err)
	}
	unsign(req)
	components := []string{"@method", "@target-uri"}
	if needsDigest(req, body) {
		components = append(components, "content-digest")
		digest, err := contentDigest(body)
		if err != nil {
			return protocol.Errorf(op, protocol.Internal, keyID, "%w", err)
		}
		req.Header.Set("Content-Digest", digest)
	}
	input := sfv.InnerList{Params: sfv.NewParams()}
	for _, c := range components {
		input.Items = append(input.Items, sfv.NewItem(c))
	}
	input.Params.Add("created", now.Unix())
	input.Params.Add("keyid", keyID)
	params, err := sfv.Marshal(input)
	if err != nil {
		return protocol.Errorf(op, protocol.Invalid, keyID, "the key id cannot be written in a header: %w", err)
	}
	base, err := signatureBase(req, req.URL.Scheme+"://"+hostOf(req.URL.Scheme, req.Host), components, params)
	if err != nil {
		return protocol.Errorf(op, protocol.Internal, keyID, "%w", err)
	}
	signature, err := sign(key, alg, base)
	if err != nil {
		return protocol.Errorf(op, protocol.Internal, keyID, "%w", err)
	}
	value, err := sfv.Marshal(sfv.NewItem(signature))
	if err != nil {
		return protocol.Errorf(op, protocol.Internal, keyID, "%w", err)
	}
	req.Header.Set("Signature-Input", label+"="+params)
	req.Header.Set("Signature", label+"="+value)
	return nil
}

func sign(key crypto.Signer, alg string, base []byte) ([]byte, error) {
	if alg == algEd25519 {
		return key.Sign(nil, base, crypto.Hash(0))
	}
	hash := sha256.Sum256(base)
	return key.Sign(nil, hash[:], crypto.SHA256)
}

func contentDigest(body []byte) (string, error) {
	hash := sha256.Sum256(body)
	d := sfv.NewDictionary()
	d.Add("sha-256", sfv.NewItem(hash[:]))
	return sfv.Marshal(d)
}

// signatureBase writes what gets signed (RFC 9421 §2.5). origin is the scheme
// and host of the server that the request is for.
func signatureBase(req *http.Request, origin string, components []string, params string) ([]byte, error) {
	var b bytes.Buffer
	for _, name := range components {
		value, err := component(req, origin, name)
		if err != nil {
			return nil, err
		}
		b.WriteString(`"` + name + `": ` + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + params)
	return b.Bytes(), nil
}

// component returns the value of one covered component (RFC 9421 §2.1, §2.2).
func component(req *http.Request, origin, name string) (string, error) {
	scheme, host, _ := strings.Cut(origin, "://")
	query := "?" + req.URL.RawQuery
	target := pathOf(req.URL)
	if req.URL.RawQuery != "" || req.URL.ForceQuery {
		target += query
	}
	switch name {
	case "@method":
		return req.Method, nil
	case "@target-uri":
		return origin + target, nil
	case "@authority", "host":
		return host, nil
	case "@scheme":
		return scheme, nil
	case "@request-target":
		return target, nil
	case "@path":
		return pathOf(req.URL), nil
	case "@query":
		return query, nil
	}
	lines := req.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if strings.HasPrefix(name, "@") || len(lines) == 0 {
		return "", unverified("the signature covers %q, which is not there", clip(name))
	}
	if len(lines) == 1 {
		return strings.TrimSpace(lines[0]), nil
	}
	trimmed := make([]string, len(lines))
	for i, l := range lines {
		trimmed[i] = strings.TrimSpace(l)
	}
	return strings.Join(trimmed, ", "), nil
}

// labelled is one signature of a request by RFC 9421, taken apart.
type labelled struct {
	keyID      string
	alg        string // "" when the signature does not say
	created    time.Time
	expires    time.Time // zero when it does not expire
	components []string
	params     string // as it is signed
	signature  []byte
}

func verifyRFC9421(req *http.Request, body []byte, origin string, opts VerifyOptions) (Verified, error) {
	s, err := acceptableSignature(req, body)
	if err != nil {
		return Verified{}, err
	}
	if err := opts.inWindow(s.created); err != nil {
		return Verified{}, err
	}
	if !s.expires.IsZero() && opts.Now.After(s.expires) {
		return Verified{}, unverified("the signature expired at %s", stamp(s.expires))
	}
	if slices.Contains(s.components, "content-digest") {
		if err := checkContentDigest(req.Header.Get("Content-Digest"), body); err != nil {
			return Verified{}, err
		}
	}
	base, err := signatureBase(req, origin, s.components, s.params)
	if err != nil {
		return Verified{}, err
	}
	key, alg, err := opts.key(req.Context(), s.keyID)
	if err != nil {
		return Verified{}, err
	}
	if s.alg != "" && s.alg != alg {
		return Verified{}, unverified("the algorithm is %s, but the key %s is for %s", s.alg, s.keyID, alg)
	}
	if !fits(key, base, s.signature) {
		return Verified{}, unverified("the signature does not fit the request and the key %s", s.keyID)
	}
	return Verified{KeyID: s.keyID, Scheme: RFC9421, SignatureHash: sha256.Sum256(s.signature), At: s.created}, nil
}

func fits(key crypto.PublicKey, base, signature []byte) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		hash := sha256.Sum256(base)
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, hash[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, base, signature)
	}
	return false
}

// acceptableSignature returns the first signature that covers what must be
// signed, or else what the first one lacks. Only one is ever verified: a
// request cannot make us look up several keys.
func acceptableSignature(req *http.Request, body []byte) (labelled, error) {
	inputs, err1 := sfv.UnmarshalDictionary(req.Header["Signature-Input"])
	signatures, err2 := sfv.UnmarshalDictionary(req.Header["Signature"])
	if err1 != nil || err2 != nil {
		return labelled{}, unverified("the Signature-Input or Signature header is malformed")
	}
	names := inputs.Names()
	if len(names) == 0 || len(names) > maxLabels {
		return labelled{}, unverified("the request has %d signatures; send one to %d", len(names), maxLabels)
	}
	var first error
	for _, name := range names {
		s, err := readLabelled(inputs, signatures, name)
		if err == nil {
			err = s.covers(req, body)
		}
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	return labelled{}, first
}

func readLabelled(inputs, signatures *sfv.Dictionary, name string) (labelled, error) {
	var s labelled
	member, _ := inputs.Get(name)
	input, ok := member.(sfv.InnerList)
	if !ok || len(input.Items) > maxSigned {
		return s, unverified("the signature %q covers no list of components, or too many", clip(name))
	}
	member, _ = signatures.Get(name)
	item, _ := member.(sfv.Item)
	if s.signature, ok = item.Value.([]byte); !ok {
		return s, unverified("the signature %q is missing from the Signature header", clip(name))
	}
	for _, i := range input.Items {
		c, ok := i.Value.(string)
		switch {
		case !ok || c == "" || len(i.Params.Names()) > 0 || c != strings.ToLower(c):
			return s, unverified("the signature covers a component in a way that is not accepted")
		case slices.Contains(s.components, c):
			return s, unverified("the signature covers %q twice", clip(c))
		}
		s.components = append(s.components, c)
	}
	if err := s.take(input.Params); err != nil {
		return s, err
	}
	params, err := sfv.Marshal(input)
	if err != nil {
		return s, unverified("the Signature-Input header is malformed")
	}
	s.params = params
	return s, nil
}

// take reads a signature's parameters (RFC 9421 §2.3).
func (s *labelled) take(params *sfv.Params) error {
	seconds := func(name string) (time.Time, bool) {
		v, _ := params.Get(name)
		n, ok := v.(int64)
		return time.Unix(n, 0), ok
	}
	words := func(name string) string {
		v, _ := params.Get(name)
		s, _ := v.(string)
		return s
	}
	var ok bool
	if s.created, ok = seconds("created"); !ok {
		return unverified("the signature has no created time")
	}
	if _, there := params.Get("expires"); there {
		if s.expires, ok = seconds("expires"); !ok {
			return unverified("the signature's expires is malformed")
		}
	}
	if s.keyID = words("keyid"); s.keyID == "" {
		return unverified("the signature has no keyid")
	}
	if _, there := params.Get("alg"); there {
		if s.alg = words("alg"); s.alg != algRSA && s.alg != algEd25519 {
			return unverified("the algorithm %q is not accepted; use %s or %s", clip(s.alg), algRSA, algEd25519)
		}
	}
	return nil
}

// covers holds the signature against what must be signed. Some servers sign
// the parts of the address one by one.
func (s labelled) covers(req *http.Request, body []byte) error {
	has := func(name string) bool { return slices.Contains(s.components, name) }
	switch {
	case !has("@method"):
		return unverified("the signature does not cover @method")
	case !has("@target-uri") && !(has("@authority") && has("@path")):
		return unverified("the signature does not cover @target-uri")
	case !has("@target-uri") && req.URL.RawQuery != "" && !has("@query"):
		return unverified("the signature does not cover @query")
	case needsDigest(req, body) && !has("content-digest"):
		return unverified("the signature does not cover content-digest")
	}
	return nil
}

// checkContentDigest computes the body's SHA-256 and compares it with a
// Content-Digest header (RFC 9530).
func checkContentDigest(header string, body []byte) error {
	d, err := sfv.UnmarshalDictionary([]string{header})
	if err != nil {
		return unverified("the Content-Digest header is malformed")
	}
	member, _ := d.Get("sha-256")
	item, _ := member.(sfv.Item)
	want, ok := item.Value.([]byte)
	if !ok {
		return unverified("the Content-Digest header names no sha-256")
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], want) {
		return unverified("the Content-Digest is not that of the body")
	}
	return nil
}
