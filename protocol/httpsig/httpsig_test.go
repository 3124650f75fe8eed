package httpsig

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

const (
	rsaID = "https://riverside.example/ap/a/riverside#main-key"
	edID  = "https://riverside.example/ap/a/riverside#ed25519-key"
	self  = "https://hillside.example"
	inbox = self + "/ap/inbox?b=2&a=%31"
)

var now = time.Date(2026, 8, 20, 9, 0, 0, 0, time.UTC)

// newRSAKey makes the one RSA key of these tests.
var newRSAKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := newRSAKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("httpsig-httpsig-httpsig-httpsig-"))
}

func options(t testing.TB) VerifyOptions {
	keys := map[string]crypto.PublicKey{rsaID: &rsaKey(t).PublicKey, edID: edKey().Public()}
	return VerifyOptions{Now: now, BaseURL: self, KeyOf: keyOf(keys)}
}

func keyOf(keys map[string]crypto.PublicKey) func(context.Context, string) (crypto.PublicKey, error) {
	return func(_ context.Context, id string) (crypto.PublicKey, error) {
		if k, ok := keys[id]; ok {
			return k, nil
		}
		return nil, errors.New("no such key")
	}
}

// arrive turns a request as it leaves into the one that a server reads.
func arrive(t testing.TB, req *http.Request, body []byte) *http.Request {
	t.Helper()
	var wire strings.Builder
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	req.ContentLength = int64(len(body))
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(newReader(wire.String()))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func post(t testing.TB, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/activity+json")
	return req
}

type signFunc func(*http.Request, []byte) error

func signers(t testing.TB) map[string]signFunc {
	return map[string]signFunc{
		"draft-cavage, RSA": func(r *http.Request, b []byte) error { return SignCavage(r, b, rsaID, rsaKey(t), now) },
		"RFC 9421, RSA":     func(r *http.Request, b []byte) error { return SignRFC9421(r, b, rsaID, rsaKey(t), now) },
		"RFC 9421, Ed25519": func(r *http.Request, b []byte) error { return SignRFC9421(r, b, edID, edKey(), now) },
	}
}

func TestSign_WhatWeSignIsVerified(t *testing.T) {
	body := []byte(`{"type":"Follow"}`)
	for name, sign := range signers(t) {
		for _, url := range []string{inbox, self + "/ap/a/caf%C3%A9%2F1/inbox", self, "https://HILLSIDE.example:443/x"} {
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				t.Run(name+" "+method+" "+url, func(t *testing.T) {
					req, sent := post(t, url), body
					if req.Method = method; method == http.MethodGet {
						sent = nil
					}
					if err := sign(req, sent); err != nil {
						t.Fatal(err)
					}
					v, err := Verify(arrive(t, req, sent), sent, options(t))
					if err != nil {
						t.Fatal(err)
					}
					wantID, wantScheme := rsaID, RFC9421
					if strings.HasSuffix(name, "Ed25519") {
						wantID = edID
					}
					if strings.HasPrefix(name, "draft") {
						wantScheme = Cavage
					}
					if v.KeyID != wantID || v.Scheme != wantScheme || !v.At.Equal(now) || v.SignatureHash == [32]byte{} {
						t.Errorf("got %+v", v)
					}
				})
			}
		}
	}
}

func TestSign_ASecondSignatureReplacesTheFirst(t *testing.T) {
	body := []byte(`{}`)
	req := post(t, inbox)
	all := signers(t)
	for _, name := range []string{"draft-cavage, RSA", "RFC 9421, Ed25519", "draft-cavage, RSA", "RFC 9421, RSA"} {
		if err := all[name](req, body); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(arrive(t, req, body), body, options(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignCavage_WritesWhatEveryServerReads(t *testing.T) {
	body := []byte(`{"type":"Create"}`)
	req := post(t, inbox)
	if err := SignCavage(req, body, rsaID, rsaKey(t), now); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	for name, want := range map[string]string{
		"Digest": "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:]),
		"Date":   "Thu, 20 Aug 2026 09:00:00 GMT",
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	want := `keyId="` + rsaID + `",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="`
	if got := req.Header.Get("Signature"); !strings.HasPrefix(got, want) {
		t.Errorf("got %s\nwant it to begin with %s", got, want)
	}
	get, _ := http.NewRequest(http.MethodGet, inbox, nil)
	if err := SignCavage(get, nil, rsaID, rsaKey(t), now); err != nil {
		t.Fatal(err)
	}
	if got := get.Header.Get("Signature"); !strings.Contains(got, `headers="(request-target) host date"`) || get.Header.Get("Digest") != "" {
		t.Errorf("GET: got %s", got)
	}
}

func TestSign_RefusesAKeyIDThatBreaksTheHeader(t *testing.T) {
	for _, id := range []string{"", `a",headers="date`, "a\nb", "a,b", `a\`} {
		if err := SignCavage(post(t, inbox), nil, id, rsaKey(t), now); err == nil {
			t.Errorf("cavage: %q was accepted", id)
		}
	}
	for _, id := range []string{"a\nb", "é"} {
		if err := SignRFC9421(post(t, inbox), nil, id, edKey(), now); err == nil {
			t.Errorf("RFC 9421: %q was accepted", id)
		}
	}
}

// The attacks of CVE-2026-28432 and its like, in both schemes: each change is
// refused, and the error names what is wrong.
func TestVerify_RefusesEveryWayAroundTheSignature(t *testing.T) {
	body := []byte(`{"type":"Create","actor":"https://riverside.example/ap/a/riverside"}`)
	replace := func(header, old, new string) func(*http.Request) {
		return func(r *http.Request) {
			got := r.Header.Get(header)
			if !strings.Contains(got, old) {
				t.Fatalf("%s has no %q: %s", header, old, got)
			}
			r.Header.Set(header, strings.Replace(got, old, new, 1))
		}
	}
	twice := func(header string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add(header, r.Header.Get(header)) }
	}
	drop := func(header string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(header) } }
	set := func(header, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(header, value) }
	}
	const cav, rfc = "draft-cavage, RSA", "RFC 9421, RSA"
	const otherDigest = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	cases := []struct {
		name, scheme string
		change       func(*http.Request)
		opts         func(*VerifyOptions)
		body         []byte
		kind         protocol.ErrorKind // Unverified when ""
		says         string
	}{
		{name: "no signature", scheme: cav, change: drop("Signature"), says: "no Signature header"},
		{name: "two signatures", scheme: cav, change: twice("Signature"), says: "2 Signature headers"},
		{name: "in Authorization instead", scheme: cav, change: func(r *http.Request) {
			r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature"))
			r.Header.Del("Signature")
		}, says: "no Signature header"},
		{name: "empty list of headers", scheme: cav, change: replace("Signature", "(request-target) host date digest", ""), says: "which headers are signed"},
		{name: "no list of headers", scheme: cav, change: replace("Signature", `headers="(request-target) host date digest",`, ""), says: "which headers are signed"},
		{name: "second list of headers", scheme: cav, change: replace("Signature", `,signature=`, `,headers="date",signature=`), says: `"headers" twice`},
		{name: "second keyId", scheme: cav, change: replace("Signature", `,signature=`, `,keyId="https://evil.example/k",signature=`), says: `"keyId" twice`},
		{name: "header covered twice", scheme: cav, change: replace("Signature", " digest\"", " digest digest\""), says: `"digest" twice`},
		{name: "digest not covered", scheme: cav, change: replace("Signature", " digest\"", "\""), says: "does not cover digest"},
		{name: "date not covered", scheme: cav, change: replace("Signature", " date", ""), says: "neither date nor (created)"},
		{name: "host not covered", scheme: cav, change: replace("Signature", " host", ""), says: "does not cover host"},
		{name: "target not covered", scheme: cav, change: replace("Signature", "(request-target) ", ""), says: "(request-target)"},
		{name: "made-up pseudo-header", scheme: cav, change: replace("Signature", "(request-target) ", "(request-target) (x) "), says: "not a header"},
		{name: "covers a header that is not there", scheme: cav, change: replace("Signature", "host ", "host x-none "), says: "x-none"},
		{name: "too many headers", scheme: cav, change: replace("Signature", "host ", "host "+strings.Repeat("a ", 30)), says: "more than 20"},
		{name: "no keyId", scheme: cav, change: replace("Signature", `keyId="`+rsaID+`",`, ""), says: "no keyId"},
		{name: "no signature parameter", scheme: cav, change: replace("Signature", `signature="`, `sig="`), says: "no signature"},
		{name: "signature not base64", scheme: cav, change: replace("Signature", `signature="`, `signature="!`), says: "not base64"},
		{name: "cut off", scheme: cav, change: func(r *http.Request) { v := r.Header.Get("Signature"); r.Header.Set("Signature", v[:len(v)-9]) }, says: "malformed"},
		{name: "no parameters", scheme: cav, change: set("Signature", "x"), says: "malformed"},
		{name: "too long", scheme: cav, change: set("Signature", strings.Repeat("x", 9000)), says: "too long"},
		{name: "other algorithm", scheme: cav, change: replace("Signature", "rsa-sha256", "rsa-sha512"), says: "rsa-sha512"},
		{name: "algorithm hmac", scheme: cav, change: replace("Signature", "rsa-sha256", "hmac-sha256"), says: "hmac-sha256"},
		{name: "algorithm none", scheme: cav, change: replace("Signature", "rsa-sha256", "none"), says: "none"},
		{name: "rsa-sha256 with an Ed25519 key", scheme: cav, change: replace("Signature", rsaID, edID), says: "not RSA"},
		{name: "(created) with rsa-sha256", scheme: cav, change: replace("Signature", " date", " (created)"), says: "hs2019"},
		{name: "key of another", scheme: cav, change: replace("Signature", rsaID, "https://evil.example/k"), says: "no such key"},
		{name: "no Date", scheme: cav, change: drop("Date"), says: `"date"`},
		{name: "two Dates", scheme: cav, change: twice("Date"), says: "2 Date headers"},
		{name: "malformed Date", scheme: cav, change: set("Date", "yesterday"), says: "Date header is malformed"},
		{name: "later Date", scheme: cav, change: set("Date", "Thu, 20 Aug 2026 09:00:01 GMT"), says: "does not fit"},
		{name: "no Digest", scheme: cav, change: drop("Digest"), says: `"digest"`},
		{name: "two Digests", scheme: cav, change: twice("Digest"), says: "2 Digest headers"},
		{name: "Digest of another body", scheme: cav, change: set("Digest", otherDigest), says: "not that of the body"},
		{name: "body and Digest changed", scheme: cav, body: []byte{}, change: set("Digest", otherDigest), says: "does not fit"},
		{name: "right and wrong Digest", scheme: cav, change: func(r *http.Request) { r.Header.Set("Digest", r.Header.Get("Digest")+","+otherDigest) }, says: "not that of the body"},
		{name: "Digest of another kind", scheme: cav, change: set("Digest", "MD5=Q2hlY2sgSW50ZWdyaXR5IQ=="), says: "names no SHA-256"},
		{name: "expired", scheme: cav, change: replace("Signature", ",headers=", ",expires=1000,headers="), says: "expired"},
		{name: "malformed created", scheme: cav, change: replace("Signature", ",headers=", ",created=-5,headers="), says: "Unix seconds"},

		{name: "no Signature", scheme: rfc, change: drop("Signature"), says: "no Signature header"},
		{name: "two Signatures", scheme: rfc, change: twice("Signature"), says: "2 Signature headers"},
		{name: "two Signature-Inputs", scheme: rfc, change: twice("Signature-Input"), says: "2 Signature-Input headers"},
		{name: "no Signature-Input", scheme: rfc, change: drop("Signature-Input"), says: "keyId"},
		{name: "empty Signature-Input", scheme: rfc, change: set("Signature-Input", ""), says: "0 signatures"},
		{name: "malformed Signature-Input", scheme: rfc, change: set("Signature-Input", "sig1=("), says: "malformed"},
		{name: "nothing covered", scheme: rfc, change: replace("Signature-Input", `"@method" "@target-uri" "content-digest"`, ""), says: "@method"},
		{name: "method not covered", scheme: rfc, change: replace("Signature-Input", `"@method" `, ""), says: "@method"},
		{name: "target not covered", scheme: rfc, change: replace("Signature-Input", `"@target-uri" `, ""), says: "@target-uri"},
		{name: "only the path covered", scheme: rfc, change: replace("Signature-Input", `"@target-uri" `, `"@path" `), says: "@target-uri"},
		{name: "query not covered", scheme: rfc, change: replace("Signature-Input", `"@target-uri" `, `"@path" "@authority" `), says: "@query"},
		{name: "digest not covered", scheme: rfc, change: replace("Signature-Input", ` "content-digest"`, ""), says: "content-digest"},
		{name: "component twice", scheme: rfc, change: replace("Signature-Input", `"@method" `, `"@method" "@method" `), says: "twice"},
		{name: "component with a parameter", scheme: rfc, change: replace("Signature-Input", `"@method"`, `"@method";req`), says: "not accepted"},
		{name: "unknown component", scheme: rfc, change: replace("Signature-Input", `"@method" `, `"@method" "@status" `), says: "@status"},
		{name: "header that is not there", scheme: rfc, change: replace("Signature-Input", `"@method" `, `"@method" "x-none" `), says: "x-none"},
		{name: "no keyid", scheme: rfc, change: replace("Signature-Input", `;keyid="`+rsaID+`"`, ""), says: "keyid"},
		{name: "no created", scheme: rfc, change: replace("Signature-Input", ";created=", ";made="), says: "created"},
		{name: "created later", scheme: rfc, change: replace("Signature-Input", ";created=17", ";created=18"), says: "ahead of"},
		{name: "created is words", scheme: rfc, change: replace("Signature-Input", ";created=", `;created="now";was=`), says: "created"},
		{name: "expired", scheme: rfc, change: replace("Signature-Input", ";keyid", ";expires=1000;keyid"), says: "expired"},
		{name: "other algorithm", scheme: rfc, change: replace("Signature-Input", ";keyid", `;alg="hmac-sha256";keyid`), says: "hmac-sha256"},
		{name: "algorithm of another key", scheme: rfc, change: replace("Signature-Input", ";keyid", `;alg="ed25519";keyid`), says: "ed25519"},
		{name: "key of another sort", scheme: rfc, change: replace("Signature-Input", rsaID, edID), says: "does not fit"},
		{name: "key of another", scheme: rfc, change: replace("Signature-Input", rsaID, "https://evil.example/k"), says: "no such key"},
		{name: "signature under another label", scheme: rfc, change: replace("Signature", "sig1=", "sig2="), says: "missing from the Signature header"},
		{name: "signature is words", scheme: rfc, change: set("Signature", `sig1="x"`), says: "missing from the Signature header"},
		{name: "five signatures", scheme: rfc, change: set("Signature-Input", "a=();created=1, b=(), c=(), d=(), e=()"), says: "5 signatures"},
		{name: "no Content-Digest", scheme: rfc, change: drop("Content-Digest"), says: "Content-Digest"},
		{name: "other Content-Digest", scheme: rfc, change: set("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"), says: "not that of the body"},
		{name: "Content-Digest of another kind", scheme: rfc, change: set("Content-Digest", "md5=:AAAA:"), says: "names no sha-256"},
		{name: "malformed Content-Digest", scheme: rfc, change: set("Content-Digest", "=="), says: "malformed"},
	}
	for _, s := range []string{cav, rfc} {
		add := func(name, says string, change func(*http.Request), opts func(*VerifyOptions), b []byte, kind protocol.ErrorKind) {
			cases = append(cases, struct {
				name, scheme string
				change       func(*http.Request)
				opts         func(*VerifyOptions)
				body         []byte
				kind         protocol.ErrorKind
				says         string
			}{name, s, change, opts, b, kind, says})
		}
		clock := func(d time.Duration) func(*VerifyOptions) { return func(o *VerifyOptions) { o.Now = now.Add(d) } }
		add("body changed", "not that of the body", nil, nil, []byte(`{"type":"Delete"}`), "")
		add("body removed", "not that of the body", nil, nil, []byte{}, "")
		add("other method", "does not fit", func(r *http.Request) { r.Method = http.MethodPut }, nil, nil, "")
		add("other path", "does not fit", func(r *http.Request) { r.URL.Path = "/ap/a/x/inbox" }, nil, nil, "")
		add("path written in another way", "does not fit", func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/ap/inbox", "/ap/%69nbox" }, nil, nil, "")
		add("other query", "does not fit", func(r *http.Request) { r.URL.RawQuery = "a=2" }, nil, nil, "")
		add("other host", "is for the host", func(r *http.Request) { r.Host = "evil.example" }, nil, nil, "")
		add("we are another host", "is for the host", nil, func(o *VerifyOptions) { o.BaseURL = "https://other.example" }, nil, "")
		add("other port", "is for the host", func(r *http.Request) { r.Host += ":8443" }, nil, nil, "")
		add("an hour and a second old", "an hour before", nil, clock(time.Hour+time.Second), nil, "")
		add("five minutes and a second ahead", "ahead of", nil, clock(-5*time.Minute-time.Second), nil, "")
		add("key not reachable", "later", nil, func(o *VerifyOptions) {
			o.KeyOf = func(context.Context, string) (crypto.PublicKey, error) {
				return nil, protocol.Errorf("fetch", protocol.Unavailable, "", "try again later")
			}
		}, nil, protocol.Unavailable)
		add("key of a kind that is not used", "neither RSA nor Ed25519", nil, func(o *VerifyOptions) {
			o.KeyOf = func(context.Context, string) (crypto.PublicKey, error) { return []byte("secret"), nil }
		}, nil, "")
		add("no own address", "own address", nil, func(o *VerifyOptions) { o.BaseURL = "" }, nil, protocol.Internal)
	}
	all := signers(t)
	for _, c := range cases {
		t.Run(c.scheme+": "+c.name, func(t *testing.T) {
			req := post(t, inbox)
			if err := all[c.scheme](req, body); err != nil {
				t.Fatal(err)
			}
			in, sent, opts := arrive(t, req, body), body, options(t)
			if c.change != nil {
				c.change(in)
			}
			if c.body != nil {
				sent = c.body
			}
			if c.opts != nil {
				c.opts(&opts)
			}
			if c.kind == "" {
				c.kind = protocol.Unverified
			}
			_, err := Verify(in, sent, opts)
			if got := protocol.KindOf(err); got != c.kind {
				t.Fatalf("got kind %q (%v), want %q", got, err, c.kind)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to say %q", err, c.says)
			}
		})
	}
}

func TestVerify_HoldsToTheEdgeOfTheWindow(t *testing.T) {
	body := []byte(`{}`)
	for name, sign := range signers(t) {
		req := post(t, inbox)
		if err := sign(req, body); err != nil {
			t.Fatal(err)
		}
		in := arrive(t, req, body)
		for _, d := range []time.Duration{-MaxAhead, 0, MaxAge} {
			opts := options(t)
			opts.Now = now.Add(d)
			if _, err := Verify(in, body, opts); err != nil {
				t.Errorf("%s, %v later: %v", name, d, err)
			}
		}
	}
}

func TestVerify_LeavesTheRequestAsItWas(t *testing.T) {
	body := []byte(`{}`)
	req := post(t, inbox)
	if err := SignCavage(req, body, rsaID, rsaKey(t), now); err != nil {
		t.Fatal(err)
	}
	in := arrive(t, req, body)
	before := in.Header.Clone()
	if _, err := Verify(in, body, options(t)); err != nil {
		t.Fatal(err)
	}
	if len(before) != len(in.Header) || in.Header.Get("Host") != "" || in.URL.RawQuery == "" {
		t.Errorf("got %v, want %v", in.Header, before)
	}
}
