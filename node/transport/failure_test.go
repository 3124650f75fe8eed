package transport

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

var certDay = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

// certificate is self-signed for riverside.example, valid until 3 March 2026.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "riverside.example"},
		DNSNames:              []string{"riverside.example"},
		NotBefore:             time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// serveTLS serves https with cert, and returns host:port.
func serveTLS(t *testing.T, cert tls.Certificate, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestExplain_Certificates(t *testing.T) {
	cert := certificate(t)
	addr := serveTLS(t, cert, func(w http.ResponseWriter, _ *http.Request) { activity(w, "{}") })
	_, port, _ := net.SplitHostPort(addr)
	resolver := dns(t, func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)
	for _, tc := range []struct {
		name  string
		host  string
		now   time.Time
		roots *x509.CertPool
		words string
	}{
		{"good", "riverside.example", certDay, trusted, ""},
		{"expired", "riverside.example", time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC), trusted,
			"their certificate expired on 3 March 2026; ask them to renew it"},
		{"not yet valid", "riverside.example", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), trusted,
			"their certificate is valid only from 2 January 2026; check this machine's clock, then ask them"},
		{"another name", "hillside.example", certDay, trusted,
			"their certificate is not for the name hillside.example; ask them to get one for it"},
		{"nobody's", "riverside.example", certDay, x509.NewCertPool(),
			"their certificate was not issued by an authority that this machine trusts; ask them to get one from a public authority"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(t, Config{Dev: true, Resolver: resolver, RootCAs: tc.roots, Now: func() time.Time { return tc.now }})
			_, err := c.GetActivity(context.Background(), "https://"+tc.host+":"+port+"/", nil)
			if tc.words != "" {
				failure(t, err, protocol.Unavailable, ReasonTLS)
			}
			if got := Explain(err); got != tc.words {
				t.Errorf("got %q, want %q", got, tc.words)
			}
		})
	}
}

func TestRedirect_FromHTTPSToHTTPIsRefusedEvenWithDev(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { t.Error("the redirect was followed") })
	cert := certificate(t)
	_, port, _ := net.SplitHostPort(serveTLS(t, cert, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain, http.StatusFound)
	}))
	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)
	c := newClient(t, Config{Dev: true, RootCAs: trusted, Now: func() time.Time { return certDay },
		Resolver: dns(t, zone(map[string]string{"riverside.example": "127.0.0.1"}))})
	_, err := c.GetActivity(context.Background(), "https://riverside.example:"+port, nil)
	failure(t, err, protocol.Forbidden, ReasonGuard)
}

// listen accepts connections and hands each to serve.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestExplain_NetworkFailures(t *testing.T) {
	closed := listen(t, func(net.Conn) {})
	hungUp := closed
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	refusing := l.Addr().String()
	l.Close()
	silent := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	halfway := listen(t, func(c net.Conn) {
		c.Read(make([]byte, 1000))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\nContent-Length: 100\r\n\r\n{")
	})
	notTLS := serve(t, func(http.ResponseWriter, *http.Request) {})[len("http://"):]
	notHTTP := listen(t, func(c net.Conn) { io.WriteString(c, "220 mail.example ESMTP\r\n"); c.Read(make([]byte, 1000)) })
	longHeaders := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeader))
	})[len("http://"):]

	short := Timeouts{Header: 50 * time.Millisecond, TLS: 60 * time.Millisecond}
	resolver := dns(t, zone(map[string]string{}))
	for _, tc := range []struct {
		name, url string
		reason    Reason
		words     string
	}{
		{"refused", "http://" + refusing, ReasonConnect, "connection refused: nothing answers at " + refusing + "; their server may be stopped"},
		{"unknown name", "http://riverside.example", ReasonDNS, "the name riverside.example is not found in the DNS; check the spelling, or ask them whether their domain has lapsed"},
		{"no headers", "http://" + silent, ReasonTimeout, "timed out: " + silent + " did not answer within 0.05 s"},
		{"no handshake", "https://" + silent, ReasonTimeout, "timed out: " + silent + " did not set up encryption within 0.06 s"},
		{"hung up", "http://" + hungUp, ReasonBroken, hungUp + " broke off the connection before its answer was complete"},
		{"half an answer", "http://" + halfway, ReasonBroken, halfway + " broke off the connection before its answer was complete"},
		{"http on the https port", "https://" + notTLS, ReasonTLS, "something answers at " + notTLS + " but does not speak https there; ask them to switch it on"},
		{"not a web server", "http://" + notHTTP, ReasonBroken, notHTTP + " could not be reached"},
		{"endless headers", "http://" + longHeaders, ReasonBroken, longHeaders + " could not be reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{Dev: true, Resolver: resolver}
			if tc.reason == ReasonTimeout { // the others must not fail on a busy machine
				cfg.Timeouts = short
			}
			c := newClient(t, cfg)
			_, err := c.GetActivity(context.Background(), tc.url, nil)
			failure(t, err, protocol.Unavailable, tc.reason)
			if got := Explain(err); !strings.HasPrefix(got, tc.words) {
				t.Errorf("got %q, want %q", got, tc.words)
			}
		})
	}
}

func TestExplain_ANameServerThatIsSilent(t *testing.T) {
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := newClient(t, Config{Dev: true, Resolver: silent, Timeouts: Timeouts{Connect: 50 * time.Millisecond}})
	_, err := c.GetActivity(context.Background(), "http://riverside.example", nil)
	failure(t, err, protocol.Unavailable, ReasonDNS)
}

func TestExplain_OurOwnCallerStopped(t *testing.T) {
	site := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c := newClient(t, Config{Dev: true})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.GetActivity(ctx, "http://"+site, nil)
	failure(t, err, protocol.Unavailable, ReasonTimeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = c.GetActivity(ctx, "http://"+site, nil)
	failure(t, err, protocol.Unavailable, ReasonCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestStatus_BecomesAKind(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		status     int
		retryAfter string
		get, post  protocol.ErrorKind
		wait       time.Duration
	}{
		{status: 200},
		{status: 202, get: protocol.Invalid},
		{status: 204, get: protocol.Invalid},
		{status: 206, get: protocol.Invalid},
		{status: 304, get: protocol.Invalid, post: protocol.Invalid},
		{status: 400, get: protocol.Invalid, post: protocol.Invalid},
		{status: 401, get: protocol.Unverified, post: protocol.Unverified},
		{status: 403, get: protocol.Unverified, post: protocol.Unverified},
		{status: 404, get: protocol.NotFound, post: protocol.NotFound},
		{status: 406, get: protocol.Invalid, post: protocol.Invalid},
		{status: 408, get: protocol.Unavailable, post: protocol.Unavailable},
		{status: 410, get: protocol.Gone, post: protocol.Gone},
		{status: 413, get: protocol.Invalid, post: protocol.Invalid},
		{status: 429, retryAfter: "120", get: protocol.Unavailable, post: protocol.Unavailable, wait: 2 * time.Minute},
		{status: 429, retryAfter: "Mon, 01 Mar 2027 12:05:00 GMT", get: protocol.Unavailable, post: protocol.Unavailable, wait: 5 * time.Minute},
		{status: 429, retryAfter: "Mon, 01 Mar 2027 11:05:00 GMT", get: protocol.Unavailable, post: protocol.Unavailable},
		{status: 503, retryAfter: "4000000000", get: protocol.Unavailable, post: protocol.Unavailable, wait: maxRetryAfter},
		{status: 503, retryAfter: "-5", get: protocol.Unavailable, post: protocol.Unavailable},
		{status: 503, retryAfter: "soon", get: protocol.Unavailable, post: protocol.Unavailable},
		{status: 500, get: protocol.Unavailable, post: protocol.Unavailable},
	} {
		site := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", ActivityType)
			if tc.retryAfter != "" {
				w.Header().Set("Retry-After", tc.retryAfter)
			}
			w.WriteHeader(tc.status)
			if tc.status >= 400 {
				io.WriteString(w, "what they say")
			}
		})
		c := newClient(t, Config{Dev: true, Now: func() time.Time { return now }})
		for method, want := range map[string]protocol.ErrorKind{"GetActivity": tc.get, "Post": tc.post} {
			resp, err := attempts[method](c, site)
			if resp.Status != tc.status || protocol.KindOf(err) != want {
				t.Errorf("%s %d: got %d, %v, want kind %q", method, tc.status, resp.Status, err, want)
			}
			if want == "" {
				continue
			}
			f := failure(t, err, want, ReasonStatus)
			if f.Status != tc.status || f.RetryAfter != tc.wait {
				t.Errorf("%s %d: got status %d, retry after %s, want %s", method, tc.status, f.Status, f.RetryAfter, tc.wait)
			}
			if tc.status >= 400 && !bytes.Equal(resp.Body, []byte("what they say")) {
				t.Errorf("%s %d: got the body %q", method, tc.status, resp.Body)
			}
		}
	}
}

func TestExplain_OtherErrors(t *testing.T) {
	if got := Explain(nil); got != "" {
		t.Errorf("got %q", got)
	}
	if got := Explain(errors.New("the disk is full")); got != "the disk is full" {
		t.Errorf("got %q", got)
	}
}

// FuzzHeaders feeds what a stranger can put into the headers that are parsed.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"120", "Mon, 01 Mar 2027 12:05:00 GMT", "99999999999999999999", ActivityType,
		`application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, "application/json;;", `a/b; x="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, certDay); d < 0 || d > maxRetryAfter {
			t.Errorf("Retry-After %q became %s", s, d)
		}
		if IsActivity(s) && !IsJSON(s) {
			t.Errorf("%q is ActivityPub but not JSON", s)
		}
	})
}
