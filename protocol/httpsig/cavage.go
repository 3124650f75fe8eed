package httpsig

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-fed/httpsig"

	"github.com/waypost-directory/waypost/protocol"
)

// The pseudo-headers of draft-cavage §2.3.
const (
	requestTarget = "(request-target)"
	createdHeader = "(created)"
	expiresHeader = "(expires)"
)

// maxSigned bounds how many headers or components a signature covers.
const maxSigned = 20

// SignCavage signs a request as every server reads it: Date, Host and, when
// there is a body, Digest are set, and "(request-target) host date [digest]"
// are signed with RSA and SHA-256 (draft-cavage-http-signatures-12). A
// signature of either scheme that was there before is replaced. A nil body
// means a request without one.
func SignCavage(req *http.Request, body []byte, keyID string, key *rsa.PrivateKey, now time.Time) error {
	const op = "httpsig.SignCavage"
	if keyID == "" || strings.ContainsFunc(keyID, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\",\\", r) }) {
		return protocol.Errorf(op, protocol.Invalid, keyID, "the key id cannot be written in a header")
	}
	unsign(req)
	headers := []string{requestTarget, "host", "date"}
	switch {
	case !needsDigest(req, body):
		body = nil // go-fed adds a digest to any other
	case body == nil:
		body = []byte{}
		fallthrough
	default:
		headers = append(headers, "digest")
	}
	req.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	shadow := shadowOf(req)
	shadow.Header["Date"] = req.Header["Date"]
	signer, _, err := httpsig.NewSigner([]httpsig.Algorithm{httpsig.RSA_SHA256}, httpsig.DigestSha256, headers, httpsig.Signature, 0)
	if err == nil {
		err = signer.SignRequest(key, keyID, shadow, body)
	}
	if err != nil {
		return protocol.Errorf(op, protocol.Internal, keyID, "%w", err)
	}
	if digest := shadow.Header.Get("Digest"); digest != "" {
		req.Header.Set("Digest", digest)
	}
	// go-fed writes hs2019 whatever the key; older servers know only the name of
	// the algorithm itself. The parameter is not part of what is signed.
	req.Header.Set("Signature", strings.Replace(shadow.Header.Get("Signature"), `algorithm="hs2019"`, `algorithm="rsa-sha256"`, 1))
	return nil
}

// unsign removes what an earlier signature left, and fixes the Host that will
// be sent.
func unsign(req *http.Request) {
	for _, name := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest"} {
		req.Header.Del(name)
	}
	if req.Host == "" {
		req.Host = req.URL.Host
	}
}

// shadowOf returns a request for go-fed's eyes only: it takes the path decoded
// and adds a Host to the headers that it is given.
func shadowOf(req *http.Request) *http.Request {
	return &http.Request{
		Method: req.Method,
		Host:   req.Host,
		URL:    &url.URL{Path: pathOf(req.URL), RawQuery: req.URL.RawQuery},
		Header: http.Header{"Host": {req.Host}},
	}
}

func verifyCavage(req *http.Request, body []byte, opts VerifyOptions) (Verified, error) {
	p, err := parseCavage(req.Header.Get("Signature"))
	if err != nil {
		return Verified{}, err
	}
	if err := p.covers(req, body); err != nil {
		return Verified{}, err
	}
	at, err := p.signedAt(req, opts)
	if err != nil {
		return Verified{}, err
	}
	if p.has("digest") {
		if err := checkDigest(req.Header.Get("Digest"), body); err != nil {
			return Verified{}, err
		}
	}
	key, alg, err := opts.key(req.Context(), p.keyID)
	if err != nil {
		return Verified{}, err
	}
	algorithm := httpsig.RSA_SHA256
	if alg == algEd25519 {
		algorithm = httpsig.ED25519
		if p.algorithm == "rsa-sha256" {
			return Verified{}, unverified("the algorithm is rsa-sha256, but the key %s is not RSA", p.keyID)
		}
	}
	shadow := shadowOf(req)
	for _, name := range p.headers {
		if k := textproto.CanonicalMIMEHeaderKey(name); name[0] != '(' && k != "Host" {
			shadow.Header[k] = req.Header[k]
		}
	}
	shadow.Header["Signature"] = []string{p.String()}
	v, err := httpsig.NewVerifier(shadow)
	if err != nil {
		return Verified{}, unverified("%w", err)
	}
	err = v.Verify(key, algorithm)
	if err != nil && shadow.URL.RawQuery != "" {
		shadow.URL.RawQuery = "" // some servers sign the path alone
		err = v.Verify(key, algorithm)
	}
	if err != nil {
		return Verified{}, unverified("the signature does not fit the request and the key %s", p.keyID)
	}
	return Verified{KeyID: p.keyID, Scheme: Cavage, SignatureHash: sha256.Sum256(p.signature), At: at}, nil
}

// checkDigest computes the body's SHA-256 and compares it with a Digest header
// (RFC 3230), whose algorithm may be written in any case.
func checkDigest(header string, body []byte) error {
	found := false
	for entry := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
		if !strings.EqualFold(name, "SHA-256") {
			continue
		}
		want, err := base64.StdEncoding.DecodeString(value)
		if sum := sha256.Sum256(body); err != nil || !bytes.Equal(sum[:], want) {
			return unverified("the Digest is not that of the body")
		}
		found = true
	}
	if !found {
		return unverified("the Digest header names no SHA-256")
	}
	return nil
}

// cavage is a Signature header of draft-cavage, taken apart.
type cavage struct {
	keyID, algorithm string
	headers          []string
	signature        []byte
	created, expires int64 // Unix seconds; 0 when absent
}

// String writes the parameters for go-fed, which takes a header apart at each
// comma and passes over names that have a space before them. What is not
// signed is left out.
func (p cavage) String() string {
	s := `keyId="` + p.keyID + `",headers="` + strings.Join(p.headers, " ") + `"`
	if p.has(createdHeader) {
		s += ",created=" + strconv.FormatInt(p.created, 10)
	}
	if p.has(expiresHeader) {
		s += ",expires=" + strconv.FormatInt(p.expires, 10)
	}
	return s + `,signature="` + base64.StdEncoding.EncodeToString(p.signature) + `"`
}

func (p cavage) has(header string) bool { return slices.Contains(p.headers, header) }

// covers holds the signature against what must be signed.
func (p cavage) covers(req *http.Request, body []byte) error {
	for _, name := range p.headers {
		if name[0] == '(' || name == "host" {
			continue
		}
		if len(req.Header[textproto.CanonicalMIMEHeaderKey(name)]) == 0 {
			return unverified("the signature covers the header %q, which is not there", clip(name))
		}
	}
	switch {
	case !p.has(requestTarget):
		return unverified("the signature does not cover (request-target)")
	case !p.has("host"):
		return unverified("the signature does not cover host")
	case !p.has("date") && !p.has(createdHeader):
		return unverified("the signature covers neither date nor (created)")
	case needsDigest(req, body) && !p.has("digest"):
		return unverified("the signature does not cover digest")
	case p.has(createdHeader) && (p.created == 0 || p.algorithm != "hs2019"):
		return unverified("(created) needs a created parameter and the algorithm hs2019")
	case p.has(expiresHeader) && p.expires == 0:
		return unverified("(expires) needs an expires parameter")
	}
	return nil
}

// signedAt returns the signed time, held against our clock. For (created)
// go-fed adds a check of its own against the machine's clock and allows it to
// be 10 s ahead, no more.
func (p cavage) signedAt(req *http.Request, opts VerifyOptions) (at time.Time, err error) {
	if p.expires != 0 && opts.Now.After(time.Unix(p.expires, 0)) {
		return at, unverified("the signature expired at %s", stamp(time.Unix(p.expires, 0)))
	}
	if p.has(createdHeader) {
		at = time.Unix(p.created, 0)
		if err := opts.inWindow(at); err != nil {
			return at, err
		}
	}
	if p.has("date") {
		if at, err = http.ParseTime(req.Header.Get("Date")); err != nil {
			return at, unverified("the Date header is malformed")
		}
	}
	return at, opts.inWindow(at)
}

// parseCavage reads a Signature header (draft-cavage §4.1). Parameters that we
// do not know are passed over; one that appears twice is refused, because
// readers differ on which of them counts.
func parseCavage(header string) (cavage, error) {
	var p cavage
	seen := make([]string, 0, 8)
	for rest := header; ; {
		name, value, after, ok := nextParameter(rest)
		if !ok {
			return p, unverified("the Signature header is malformed")
		}
		if slices.Contains(seen, name) || len(seen) == maxSigned {
			return p, unverified("the Signature header has the parameter %q twice", clip(name))
		}
		seen = append(seen, name)
		if err := p.take(name, value); err != nil {
			return p, err
		}
		if after == "" {
			break
		}
		rest = after[1:]
	}
	switch {
	case p.keyID == "":
		return p, unverified("the Signature header has no keyId")
	case len(p.signature) == 0:
		return p, unverified("the Signature header has no signature")
	case len(p.headers) == 0:
		return p, unverified("the Signature header does not say which headers are signed")
	}
	return p, nil
}

// nextParameter reads name="value" or name=123 and returns what follows: "" or
// a text that begins with a comma.
func nextParameter(s string) (name, value, after string, ok bool) {
	name, s, ok = strings.Cut(strings.TrimLeft(s, " \t"), "=")
	if !ok || name == "" || strings.ContainsAny(name, " \t\",") {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, s, ok = strings.Cut(s[1:], `"`)
		ok = ok && !strings.Contains(value, `\`)
	} else {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		value, s = s[:end], s[end:]
	}
	after = strings.TrimLeft(s, " \t")
	return name, value, after, ok && (after == "" || after[0] == ',')
}

func (p *cavage) take(name, value string) (err error) {
	switch name {
	case "keyId":
		p.keyID = value
		if strings.Contains(value, ",") {
			return unverified("the keyId holds a comma")
		}
	case "algorithm":
		p.algorithm = value
		if value != "rsa-sha256" && value != "hs2019" {
			return unverified("the algorithm %q is not accepted; use rsa-sha256 or hs2019", clip(value))
		}
	case "headers":
		p.headers, err = signedHeaders(value)
	case "signature":
		if p.signature, err = base64.StdEncoding.DecodeString(value); err != nil {
			return unverified("the signature is not base64")
		}
	case "created":
		p.created, err = unixSeconds(value)
	case "expires":
		p.expires, err = unixSeconds(value)
	}
	return err
}

func signedHeaders(value string) ([]string, error) {
	list := strings.Fields(strings.ToLower(value))
	if len(list) > maxSigned {
		return nil, unverified("the signature covers more than %d headers", maxSigned)
	}
	for i, name := range list {
		switch {
		case slices.Contains(list[:i], name):
			return nil, unverified("the signature covers the header %q twice", clip(name))
		case name == requestTarget, name == createdHeader, name == expiresHeader:
		case strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(nameChars, r) }):
			return nil, unverified("the signature covers %q, which is not a header", clip(name))
		}
	}
	return list, nil
}

// nameChars are the characters of the header names that are signed.
const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789-_"

func unixSeconds(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return 0, unverified("%q is not a time in Unix seconds", clip(s))
	}
	return n, nil
}
