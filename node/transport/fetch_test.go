package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

func TestGetActivity_RefusesOtherContentTypesBeforeReadingTheBody(t *testing.T) {
	for _, tc := range []struct {
		contentType string
		activity    bool
		json        bool
	}{
		{`application/activity+json`, true, true},
		{`Application/Activity+JSON; charset=utf-8`, true, true},
		{`application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, true, true},
		{`application/ld+json;charset=utf-8;profile="https://example.org/p https://www.w3.org/ns/activitystreams"`, true, true},
		{`application/ld+json`, false, true},
		{`application/ld+json; profile="https://example.org/p"`, false, true},
		{`application/ld+json; profile="https://www.w3.org/ns/activitystreams-not"`, false, true},
		{`application/json`, false, true},
		{`application/jrd+json`, false, true},
		{`application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"`, false, true},
		{`text/plain`, false, false},
		{`text/html`, false, false},
		{`image/png`, false, false},
		{`application/octet-stream`, false, false},
		{`application/jsonp`, false, false},
		{`text/plain, application/activity+json`, false, false},
		{`application/activity+json, text/plain`, false, false},
		{``, false, false},
	} {
		site := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{tc.contentType}
			io.WriteString(w, `{"id":"x"}`)
		})
		c := newClient(t, Config{Dev: true})
		resp, err := c.GetActivity(context.Background(), site, nil)
		if tc.activity && (err != nil || string(resp.Body) != `{"id":"x"}`) {
			t.Errorf("activity as %q: got %q, %v", tc.contentType, resp.Body, err)
		}
		if !tc.activity {
			failure(t, err, protocol.Invalid, ReasonMedia)
			if len(resp.Body) > 0 {
				t.Errorf("%q: the body was read", tc.contentType)
			}
		}
		if _, err := c.GetJSON(context.Background(), site, nil); (err == nil) != tc.json {
			t.Errorf("JSON as %q: got %v", tc.contentType, err)
		}
		if resp, err := c.Get(context.Background(), site, GetOptions{}); err != nil || string(resp.Body) != `{"id":"x"}` {
			t.Errorf("anything as %q: got %q, %v", tc.contentType, resp.Body, err)
		}
	}
}

func TestGetActivity_TwoContentTypesAreRefused(t *testing.T) {
	site := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{ActivityType, "text/plain"}
		io.WriteString(w, "{}")
	})
	_, err := newClient(t, Config{Dev: true}).GetActivity(context.Background(), site, nil)
	failure(t, err, protocol.Invalid, ReasonMedia)
}

func TestGet_AsksForWhatItTakesAndSaysWhoItIs(t *testing.T) {
	var got http.Header
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		activity(w, "{}")
	})
	c := newClient(t, Config{Dev: true, UserAgent: "Waypost/1.0 (+https://riverside.example/)"})
	resp, err := c.GetActivity(context.Background(), site+"/u?a=%2F#main-key", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := site + "/u?a=%2F"; resp.URL != want || resp.MediaType != ActivityType || resp.Status != 200 || resp.Redirects != 0 {
		t.Errorf("got %+v, want the URL %s", resp, want)
	}
	if want := `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`; got.Get("Accept") != want {
		t.Errorf("Accept: %s", got.Get("Accept"))
	}
	if got.Get("User-Agent") != "Waypost/1.0 (+https://riverside.example/)" {
		t.Errorf("User-Agent: %s", got.Get("User-Agent"))
	}
}

func TestPost_SendsTheBytesAsTheyAre(t *testing.T) {
	var header http.Header
	var body []byte
	site := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "thanks")
	})
	resp, err := newClient(t, Config{Dev: true}).Post(context.Background(), site, []byte(`{"a": 1}`), ActivityType, nil)
	if err != nil || resp.Status != http.StatusAccepted || string(resp.Body) != "thanks" {
		t.Fatalf("got %+v, %v", resp, err)
	}
	if string(body) != `{"a": 1}` || header.Get("Content-Type") != ActivityType || header.Get("Content-Length") != "8" {
		t.Errorf("sent %q with %v", body, header)
	}
	if _, sent := header["Idempotency-Key"]; sent {
		t.Error("a header meant for net/http was sent")
	}
}

func gzipped(n int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	chunk := bytes.Repeat([]byte{' '}, 1<<16)
	for ; n > 0; n -= len(chunk) {
		z.Write(chunk[:min(n, len(chunk))])
	}
	z.Close()
	return b.Bytes()
}

func TestGet_BoundsTheBodyBeforeAndAfterDecompression(t *testing.T) {
	stored := func(n int) []byte { // gzip that is larger than what it holds: many empty members
		return bytes.Repeat(gzipped(0), n/len(gzipped(0))+1)
	}
	write := func(b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
	}
	for _, tc := range []struct {
		name  string
		coded bool
		serve http.HandlerFunc
		want  int // -1: too large
	}{
		{"exactly the limit", false, write(bytes.Repeat([]byte{' '}, 1000)), 1000},
		{"one byte more, announced", false, write(bytes.Repeat([]byte{' '}, 1001)), -1},
		{"one byte more, in chunks", false, func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, 500))
			w.(http.Flusher).Flush()
			w.Write(make([]byte, 501))
		}, -1},
		{"a length that is a lie", false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999999999999")
			w.Write(make([]byte, 10))
		}, -1},
		{"gzip of the limit", true, write(gzipped(1000)), 1000},
		{"gzip of one byte more", true, write(gzipped(1001)), -1},
		{"gzip bomb", true, write(gzipped(100 << 20)), -1},
		{"endless gzip that holds nothing", true, write(stored(1 << 20)), -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			site := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tc.coded {
					if r.Header.Get("Accept-Encoding") != "gzip" {
						t.Error("gzip was not asked for")
					}
					w.Header().Set("Content-Encoding", "gzip")
				}
				tc.serve(w, r)
			})
			resp, err := newClient(t, Config{Dev: true}).Get(context.Background(), site, GetOptions{MaxBytes: 1000})
			if tc.want < 0 {
				failure(t, err, protocol.TooLarge, ReasonSize)
				return
			}
			if err != nil || len(resp.Body) != tc.want {
				t.Fatalf("got %d bytes, %v", len(resp.Body), err)
			}
		})
	}
}

func TestGetActivity_AllowsOneMegabyte(t *testing.T) {
	n := MaxJSON
	site := serve(t, func(w http.ResponseWriter, _ *http.Request) { activity(w, strings.Repeat(" ", n)) })
	c := newClient(t, Config{Dev: true})
	if resp, err := c.GetActivity(context.Background(), site, nil); err != nil || len(resp.Body) != MaxJSON {
		t.Fatalf("got %d bytes, %v", len(resp.Body), err)
	}
	n++
	_, err := c.GetActivity(context.Background(), site, nil)
	failure(t, err, protocol.TooLarge, ReasonSize)
}

func TestGet_DamagedOrUnknownCompressionIsRefused(t *testing.T) {
	for coding, body := range map[string][]byte{
		"gzip":    []byte("this is not gzip"),
		"x-gzip":  append(gzipped(10)[:20], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"br":      []byte("{}"),
		"deflate": []byte("{}"),
	} {
		site := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", coding)
			w.Write(body)
		})
		if _, err := newClient(t, Config{Dev: true}).Get(context.Background(), site, GetOptions{}); protocol.KindOf(err) != protocol.Invalid {
			t.Errorf("%s: got %v", coding, err)
		}
	}
}

// drip sends the headers and then a byte now and again until the client leaves.
func drip(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body) // the server notices that the client left only after that
	w.Header().Set("Content-Type", ActivityType)
	w.WriteHeader(http.StatusAccepted - 2*b2i(r.Method == http.MethodGet))
	for r.Context().Err() == nil {
		w.Write([]byte{' '})
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestGet_ASlowDripIsCutAtTheTotalTime(t *testing.T) {
	site := serve(t, drip)
	c := newClient(t, Config{Dev: true, Timeouts: Timeouts{Total: 300 * time.Millisecond}})
	start := time.Now()
	_, err := c.GetActivity(context.Background(), site, nil)
	f := failure(t, err, protocol.Unavailable, ReasonTimeout)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	if !strings.HasSuffix(f.Words, "timed out after 0.3 s") {
		t.Errorf("got %q", f.Words)
	}
}

func TestPost_A202IsFinalEvenWhenTheRestNeverComes(t *testing.T) {
	site := serve(t, drip)
	c := newClient(t, Config{Dev: true, Timeouts: Timeouts{Answer: 100 * time.Millisecond}})
	start := time.Now()
	resp, err := c.Post(context.Background(), site, []byte("{}"), ActivityType, nil)
	if err != nil || resp.Status != http.StatusAccepted {
		t.Fatalf("got %+v, %v", resp, err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestPost_KeepsOnlyTheStartOfALongAnswer(t *testing.T) {
	site := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<20)) })
	resp, err := newClient(t, Config{Dev: true}).Post(context.Background(), site, nil, ActivityType, nil)
	if err != nil || len(resp.Body) != MaxAnswer {
		t.Fatalf("got %d bytes, %v", len(resp.Body), err)
	}
}

func TestRedirects(t *testing.T) {
	other := serveAt(t, "127.7.7.8", func(w http.ResponseWriter, r *http.Request) { activity(w, `"other"`) })
	var hits atomic.Int64
	site := serve(t, counter(&hits, func(w http.ResponseWriter, r *http.Request) {
		switch p := r.URL.Path; p {
		case "/end":
			activity(w, `"end"`)
		case "/other":
			http.Redirect(w, r, other+"/u", http.StatusMovedPermanently)
		case "/self":
			http.Redirect(w, r, "/self", http.StatusFound)
		case "/a":
			http.Redirect(w, r, "/b", http.StatusFound)
		case "/b":
			http.Redirect(w, r, "/a#again", http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		case "/bad":
			w.Header().Set("Location", "http://[bad")
			w.WriteHeader(http.StatusFound)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/user":
			w.Header().Set("Location", "http://user:pw@"+r.Host+"/end")
			w.WriteHeader(http.StatusFound)
		default: // /N leads to the end in N steps
			n, _ := strconv.Atoi(p[1:])
			next := "/" + strconv.Itoa(n-1)
			if n <= 1 {
				next = "/end"
			}
			http.Redirect(w, r, next, http.StatusTemporaryRedirect)
		}
	}))
	c := newClient(t, Config{Dev: true})
	for _, tc := range []struct {
		path      string
		sameHost  bool
		redirects int
		url       string
		kind      protocol.ErrorKind
		hits      int64
	}{
		{path: "/1", redirects: 1, url: site + "/end", hits: 2},
		{path: "/3", redirects: 3, url: site + "/end", hits: 4},
		{path: "/3", sameHost: true, redirects: 3, url: site + "/end", hits: 4},
		{path: "/other", redirects: 1, url: other + "/u", hits: 1},
		{path: "/other", sameHost: true, kind: protocol.Forbidden, hits: 1},
		{path: "/4", kind: protocol.Invalid, hits: 4},
		{path: "/self", kind: protocol.Invalid, hits: 1},
		{path: "/a", kind: protocol.Invalid, hits: 2},
		{path: "/nowhere", kind: protocol.Invalid, hits: 1},
		{path: "/bad", kind: protocol.Invalid, hits: 1},
		{path: "/file", kind: protocol.Invalid, hits: 1},
		{path: "/user", kind: protocol.Forbidden, hits: 1},
	} {
		t.Run(fmt.Sprintf("%s same host %v", tc.path, tc.sameHost), func(t *testing.T) {
			hits.Store(0)
			resp, err := c.Get(context.Background(), site+tc.path, GetOptions{SameHost: tc.sameHost})
			if got := protocol.KindOf(err); got != tc.kind {
				t.Fatalf("got %v, want kind %q", err, tc.kind)
			}
			if err == nil && (resp.URL != tc.url || resp.Redirects != tc.redirects) {
				t.Errorf("got %s after %d redirects, want %s after %d", resp.URL, resp.Redirects, tc.url, tc.redirects)
			}
			if got := hits.Load(); got != tc.hits {
				t.Errorf("%d requests arrived, want %d", got, tc.hits)
			}
		})
	}
}

func TestPost_RedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var hits atomic.Int64
		site := serve(t, counter(&hits, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", status)
		}))
		_, err := newClient(t, Config{Dev: true}).Post(context.Background(), site, []byte("{}"), ActivityType, nil)
		f := failure(t, err, protocol.Invalid, ReasonStatus)
		if f.Status != status || hits.Load() != 1 {
			t.Errorf("%d: got status %d after %d requests", status, f.Status, hits.Load())
		}
	}
}

func TestKeepAlive_ConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int64
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		activity(w, "{}")
	}
	site := serveConns(t, &conns, h)
	c := newClient(t, Config{Dev: true})
	for range 10 {
		c.GetActivity(context.Background(), site+"/u", nil)
		c.GetActivity(context.Background(), site+"/missing", nil)
		c.Post(context.Background(), site+"/inbox", []byte("{}"), ActivityType, nil)
	}
	if got := conns.Load(); got != 1 {
		t.Errorf("30 requests in a row made %d connections, want 1", got)
	}
}

func TestPost_IsRepeatedWhenAKeptConnectionTurnsOutToBeClosed(t *testing.T) {
	var first atomic.Pointer[net.Conn]
	var posts atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if posts.Add(1) == 2 { // the second arrives on the kept connection, which dies under it
				(*first.Load()).Close()
				return
			}
			w.WriteHeader(http.StatusAccepted)
		}),
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateNew {
				first.CompareAndSwap(nil, &c)
			}
		},
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	c := newClient(t, Config{Dev: true})
	for i := range 2 {
		if _, err := c.Post(context.Background(), "http://"+l.Addr().String(), []byte("{}"), ActivityType, nil); err != nil {
			t.Fatalf("POST %d: %v", i, err)
		}
	}
	if got := posts.Load(); got != 3 {
		t.Errorf("%d POSTs arrived, want 3", got)
	}
}

func TestGet_NamesAreLookedUpWithTheResolver(t *testing.T) {
	site := serve(t, func(w http.ResponseWriter, r *http.Request) { activity(w, fmt.Sprintf("%q", r.Host)) })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(site, "http://"))
	r := dns(t, func(name string) []netip.Addr {
		if name == "xn--bcher-kva.example" {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}
		return nil
	})
	c := newClient(t, Config{Dev: true, Resolver: r})
	resp, err := c.GetActivity(context.Background(), "http://BÜCHER.example.:"+port, nil)
	if want := fmt.Sprintf("%q", "xn--bcher-kva.example:"+port); err != nil || string(resp.Body) != want {
		t.Errorf("got %s, %v, want %s", resp.Body, err, want)
	}
}
