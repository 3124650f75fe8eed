package transport

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// testSigner marks requests with the scheme, the target and the time, which is
// all that this package has to get right; the schemes themselves are tested
// where they live.
type testSigner struct{ err error }

func (s testSigner) SignCavage(req *http.Request, body []byte, now time.Time) error {
	req.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	return s.sign("cavage", req, body)
}

func (s testSigner) SignRFC9421(req *http.Request, body []byte, now time.Time) error {
	req.Header.Set("Signature-Input", fmt.Sprintf("created=%d", now.Unix()))
	return s.sign("rfc9421", req, body)
}

func (s testSigner) sign(scheme string, req *http.Request, body []byte) error {
	req.Header.Set("Signature", fmt.Sprintf("%s %s %s %s", scheme, req.Method, req.URL, body))
	return s.err
}

// picky is a server that answers by scheme, and writes down what it got.
type picky struct {
	mu   sync.Mutex
	got  []string
	want map[string]int // scheme -> status
}

func (p *picky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	scheme := "none"
	switch {
	case r.Header.Get("Signature-Input") != "":
		scheme = "rfc9421"
	case r.Header.Get("Signature") != "":
		scheme = "cavage"
	}
	p.mu.Lock()
	p.got = append(p.got, scheme)
	status := p.want[scheme]
	p.mu.Unlock()
	w.Header().Set("Content-Type", ActivityType)
	w.WriteHeader(status)
}

// take returns what arrived since the last call.
func (p *picky) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

func TestKnock_DraftCavageFirstThenRFC9421Once(t *testing.T) {
	for _, tc := range []struct {
		cavage, rfc9421 int
		want            []string
		status          int
		kind            protocol.ErrorKind
		next            []string // what the following request starts with
	}{
		{202, 202, []string{"cavage"}, 202, "", []string{"cavage"}},
		{401, 202, []string{"cavage", "rfc9421"}, 202, "", []string{"rfc9421"}},
		{400, 202, []string{"cavage", "rfc9421"}, 202, "", []string{"rfc9421"}},
		{401, 401, []string{"cavage", "rfc9421"}, 401, protocol.Unverified, []string{"cavage"}},
		{400, 401, []string{"cavage", "rfc9421"}, 400, protocol.Invalid, []string{"cavage"}},
		{401, 500, []string{"cavage", "rfc9421"}, 401, protocol.Unverified, []string{"cavage"}},
		{401, 429, []string{"cavage", "rfc9421"}, 429, protocol.Unavailable, []string{"cavage"}},
		{401, 410, []string{"cavage", "rfc9421"}, 410, protocol.Gone, []string{"rfc9421"}},
		{403, 202, []string{"cavage"}, 403, protocol.Unverified, []string{"cavage"}},
		{500, 202, []string{"cavage"}, 500, protocol.Unavailable, []string{"cavage"}},
	} {
		t.Run(fmt.Sprintf("%d then %d", tc.cavage, tc.rfc9421), func(t *testing.T) {
			p := &picky{want: map[string]int{"cavage": tc.cavage, "rfc9421": tc.rfc9421}}
			site := serve(t, p.ServeHTTP)
			c := newClient(t, Config{Dev: true})
			resp, err := c.Post(context.Background(), site, []byte("{}"), ActivityType, testSigner{})
			if resp.Status != tc.status || protocol.KindOf(err) != tc.kind {
				t.Errorf("got %d, %v, want %d, kind %q", resp.Status, err, tc.status, tc.kind)
			}
			if got := p.take(); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			c.Post(context.Background(), site, []byte("{}"), ActivityType, testSigner{})
			if got := p.take(); len(got) == 0 || got[0] != tc.next[0] {
				t.Errorf("the next request was signed with %v, want %v", got, tc.next)
			}
		})
	}
}

func TestKnock_UnsignedRequestsAreSentOnce(t *testing.T) {
	p := &picky{want: map[string]int{"none": 401}}
	_, err := newClient(t, Config{Dev: true}).GetActivity(context.Background(), serve(t, p.ServeHTTP), nil)
	failure(t, err, protocol.Unverified, ReasonStatus)
	if got := p.take(); !slices.Equal(got, []string{"none"}) {
		t.Errorf("got %v", got)
	}
}

func TestKnock_ARememberedSchemeIsTriedAgainAfterADay(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &picky{want: map[string]int{"cavage": 401, "rfc9421": 202}}
	site := serve(t, p.ServeHTTP)
	c := newClient(t, Config{Dev: true, Now: func() time.Time { return now }})
	post := func() []string {
		t.Helper()
		if _, err := c.Post(context.Background(), site, []byte("{}"), ActivityType, testSigner{}); err != nil {
			t.Fatal(err)
		}
		return p.take()
	}
	post()
	now = now.Add(24*time.Hour - time.Second)
	if got := post(); !slices.Equal(got, []string{"rfc9421"}) {
		t.Errorf("within the day: %v", got)
	}
	now = now.Add(time.Second)
	if got := post(); !slices.Equal(got, []string{"cavage", "rfc9421"}) {
		t.Errorf("after the day: %v", got)
	}
	p.mu.Lock()
	p.want = map[string]int{"cavage": 202, "rfc9421": 401} // they changed their software
	p.mu.Unlock()
	if got := post(); !slices.Equal(got, []string{"rfc9421", "cavage"}) {
		t.Errorf("after their change: %v", got)
	}
	if got := post(); !slices.Equal(got, []string{"cavage"}) {
		t.Errorf("later: %v", got)
	}
}

func TestKnock_WhatIsRememberedIsBounded(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	s := newSchemes(100)
	for i := range 100_000 {
		s.remember(fmt.Sprintf("h%d.example", i), rfc9421, now.Add(time.Duration(i)*time.Second))
		if len(s.until) > 100 {
			t.Fatalf("%d hosts are remembered", len(s.until))
		}
	}
	if !s.wantsRFC9421("h99999.example", now.Add(99999*time.Second)) {
		t.Error("the newest was forgotten")
	}
}

func TestRedirect_EveryHopIsSignedAnew(t *testing.T) {
	signatures := map[string]string{}
	end := serveAt(t, "127.7.7.9", func(w http.ResponseWriter, r *http.Request) {
		signatures["end"] = r.Header.Get("Signature")
		activity(w, "{}")
	})
	start := serve(t, func(w http.ResponseWriter, r *http.Request) {
		signatures["start"] = r.Header.Get("Signature")
		http.Redirect(w, r, end+"/u", http.StatusFound)
	})
	if _, err := newClient(t, Config{Dev: true}).GetActivity(context.Background(), start+"/u", testSigner{}); err != nil {
		t.Fatal(err)
	}
	if want := "cavage GET " + start + "/u"; signatures["start"] != want {
		t.Errorf("got %q, want %q", signatures["start"], want)
	}
	if want := "cavage GET " + end + "/u"; signatures["end"] != want {
		t.Errorf("got %q, want %q", signatures["end"], want)
	}
}

func TestSigner_ItsFailureIsOurs(t *testing.T) {
	p := &picky{want: map[string]int{"cavage": 202}}
	cause := errors.New("no key")
	_, err := newClient(t, Config{Dev: true}).Post(context.Background(), serve(t, p.ServeHTTP), nil, ActivityType, testSigner{err: cause})
	failure(t, err, protocol.Internal, ReasonSigning)
	if !errors.Is(err, cause) || len(p.take()) > 0 {
		t.Errorf("got %v", err)
	}
}

// rsaSigner does the work of a draft-cavage signature, for the benchmark.
type rsaSigner struct{ key *rsa.PrivateKey }

func (s rsaSigner) SignCavage(req *http.Request, body []byte, now time.Time) error {
	digest := sha256.Sum256(body)
	req.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	req.Header.Set("Digest", "SHA-256="+base64.StdEncoding.EncodeToString(digest[:]))
	sum := sha256.Sum256([]byte("(request-target): post " + req.URL.RequestURI() + "\nhost: " + req.Host +
		"\ndate: " + req.Header.Get("Date") + "\ndigest: " + req.Header.Get("Digest")))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	req.Header.Set("Signature", `keyId="https://riverside.example/ap/a/riverside#main-key",headers="(request-target) host date digest",signature="`+
		base64.StdEncoding.EncodeToString(sig)+`"`)
	return err
}

func (s rsaSigner) SignRFC9421(req *http.Request, body []byte, now time.Time) error {
	return s.SignCavage(req, body, now)
}
