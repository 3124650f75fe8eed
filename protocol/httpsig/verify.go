package httpsig

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Scheme is the way in which a request was signed.
type Scheme string

// The two schemes.
const (
	Cavage  Scheme = "draft-cavage" // draft-cavage-http-signatures-12
	RFC9421 Scheme = "rfc9421"
)

// The window around our clock in which the signed time must lie. Outside it a
// request is refused, so a replay table need not remember more than their sum.
const (
	MaxAge   = time.Hour
	MaxAhead = 5 * time.Minute
)

// maxSignatureHeader bounds the headers that are parsed here.
const maxSignatureHeader = 8 << 10

// VerifyOptions is what Verify needs to know; every field is required.
type VerifyOptions struct {
	Now     time.Time
	BaseURL string // the server's own public address, e.g. "https://riverside.example"

	// KeyOf returns the public key of a key id, an *rsa.PublicKey or an
	// ed25519.PublicKey. It is called only when all else is in order. The caller
	// compares the key's owner with the activity's actor.
	KeyOf func(ctx context.Context, keyID string) (crypto.PublicKey, error)
}

// Verified is what a verified request's signature says.
type Verified struct {
	KeyID         string
	Scheme        Scheme
	SignatureHash [32]byte  // SHA-256 of the signature, for a replay table
	At            time.Time // the signed time
}

// Verify reports who signed a request, by RFC 9421 when it has a
// Signature-Input header and by draft-cavage otherwise (as Mastodon chooses).
// body is the raw body; req.Body is not read. req.URL must be as it arrived.
//
// The error says what is missing or wrong. Its kind is Unverified; an error of
// KeyOf that has a kind keeps it.
func Verify(req *http.Request, body []byte, opts VerifyOptions) (Verified, error) {
	self, err := url.Parse(opts.BaseURL)
	if err != nil || self.Scheme == "" || self.Host == "" {
		return Verified{}, protocol.Errorf("httpsig.Verify", protocol.Internal, opts.BaseURL, "the server's own address is not set")
	}
	host := hostOf(self.Scheme, self.Host)
	if got := hostOf(self.Scheme, req.Host); got != host {
		return Verified{}, unverified("the request is for the host %q; this is %q", clip(req.Host), host)
	}
	for _, name := range []string{"Signature", "Signature-Input", "Digest", "Content-Digest", "Date"} {
		switch lines := req.Header[name]; {
		case len(lines) > 1:
			return Verified{}, unverified("the request has %d %s headers; send one", len(lines), name)
		case len(lines) == 1 && len(lines[0]) > maxSignatureHeader:
			return Verified{}, unverified("the %s header is too long", name)
		}
	}
	if req.Header.Get("Signature") == "" {
		return Verified{}, unverified("the request has no Signature header; sign it")
	}
	if _, ok := req.Header["Signature-Input"]; ok {
		return verifyRFC9421(req, body, self.Scheme+"://"+host, opts)
	}
	return verifyCavage(req, body, opts)
}

func unverified(format string, args ...any) error {
	return protocol.Errorf("httpsig.Verify", protocol.Unverified, "", format, args...)
}

// key asks for a key and names its algorithm.
func (o VerifyOptions) key(ctx context.Context, keyID string) (crypto.PublicKey, string, error) {
	key, err := o.KeyOf(ctx, keyID)
	if err != nil {
		kind := protocol.Unverified
		var e *protocol.Error
		if errors.As(err, &e) {
			kind = e.Kind
		}
		return nil, "", &protocol.Error{Op: "httpsig.Verify", Kind: kind, ID: keyID, Err: fmt.Errorf("find the key: %w", err)}
	}
	alg, err := schemeKey(key)
	if err != nil {
		return nil, "", unverified("%w", err)
	}
	return key, alg, nil
}

// inWindow holds a signed time against our clock.
func (o VerifyOptions) inWindow(at time.Time) error {
	switch {
	case at.Before(o.Now.Add(-MaxAge)):
		return unverified("the request was signed at %s, more than an hour before %s; check the clock", stamp(at), stamp(o.Now))
	case at.After(o.Now.Add(MaxAhead)):
		return unverified("the request was signed at %s, ahead of %s; check the clock", stamp(at), stamp(o.Now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// needsDigest reports whether the body has to be signed.
func needsDigest(req *http.Request, body []byte) bool {
	return req.Method == http.MethodPost || len(body) > 0
}

// hostOf brings a host to one form: lower case, without the scheme's own port.
func hostOf(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// pathOf returns the path as it stands in the request line. Decoded, it would
// name another resource than the one that was signed.
func pathOf(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

// clip keeps a stranger's text short enough to repeat in an error.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
