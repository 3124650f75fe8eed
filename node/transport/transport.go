package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The sizes that this package allows, in bytes after decompression.
const (
	MaxJSON   = 1 << 20  // an actor, object or collection page; Mastodon's limit too
	MaxAnswer = 64 << 10 // what is kept of the answer to a POST, or of a refusal
)

const (
	maxRedirects  = 3
	maxHeader     = 64 << 10
	maxHosts      = 4096 // hosts with a request under way or waiting
	maxRemembered = 1024 // hosts known to want RFC 9421
	idleHosts     = 64   // hosts whose connections are kept open for the next request
)

// Timeouts bounds one request; a zero field takes its default.
type Timeouts struct {
	Connect time.Duration // DNS look-up and TCP connection; 5 s
	TLS     time.Duration // TLS handshake; 5 s
	Header  time.Duration // from the request sent to the answer's headers; 10 s
	Answer  time.Duration // to read what a server says to a POST or with a refusal; 5 s
	Total   time.Duration // everything, redirects, second knock and waiting included; 30 s
}

// Config holds what a [Client] needs; the zero value works and is strict.
type Config struct {
	Dev       bool             // --dev: the only way to allow http, any port and loopback; private networks stay refused
	UserAgent string           // e.g. "Waypost/1.0 (+https://riverside.example/)"
	Now       func() time.Time // nil: time.Now
	Logger    *slog.Logger     // nil: silent
	Timeouts  Timeouts
	PerHost   int            // requests under way to one host; 0: 4
	RootCAs   *x509.CertPool // nil: those of the system
	Resolver  *net.Resolver  // nil: that of the system

	// RoundTripper replaces the dialling transport, for tests and the testnet
	// only: the URL rules still hold, the address rules then have nothing to check.
	RoundTripper http.RoundTripper
}

// Client sends requests to other hosts. It may be used concurrently, and is
// meant to be shared by the whole node: its limits hold only within one Client.
type Client struct {
	guard   *guard
	rt      http.RoundTripper
	agent   string
	now     func() time.Time
	log     *slog.Logger
	times   Timeouts
	slots   *slots
	schemes *schemes
}

// New makes a Client. Close it when done.
func New(cfg Config) *Client {
	c := &Client{
		guard:   newGuard(cfg.Dev),
		rt:      cfg.RoundTripper,
		agent:   cfg.UserAgent,
		now:     cfg.Now,
		log:     cfg.Logger,
		times:   cfg.Timeouts.orDefaults(),
		slots:   newSlots(cfg.PerHost, maxHosts),
		schemes: newSchemes(maxRemembered),
	}
	if c.agent == "" {
		c.agent = "Waypost/1.0"
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.rt == nil {
		c.rt = c.dialling(cfg)
	}
	return c
}

// Close closes the connections that were kept open. Requests under way finish.
func (c *Client) Close() {
	if t, ok := c.rt.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// dialling is the transport that really connects. Proxy stays nil: a proxy
// from the environment would make the connection in our place, and the
// guard's address rules would check the proxy's address instead of the peer's.
// HTTP/1.1 only, because a few warm connections a host are all that deliveries
// need, and it is what every peer that we know speaks with the others.
func (c *Client) dialling(cfg Config) *http.Transport {
	dialer := &net.Dialer{
		Timeout:  c.times.Connect,
		Resolver: cfg.Resolver,
		Control:  c.guard.control,
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: dialer.DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            cfg.RootCAs,
			Time:               c.now,
			ClientSessionCache: tls.NewLRUClientSessionCache(idleHosts),
		},
		Protocols:              &protocols,
		TLSHandshakeTimeout:    c.times.TLS,
		ResponseHeaderTimeout:  c.times.Header,
		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        16 << 10, // an activity in one write
		MaxIdleConns:           idleHosts * c.slots.perHost,
		MaxIdleConnsPerHost:    c.slots.perHost,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // we ask for gzip ourselves, to bound both sizes
	}
}

func (t Timeouts) orDefaults() Timeouts {
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Connect, 5 * time.Second},
		{&t.TLS, 5 * time.Second},
		{&t.Header, 10 * time.Second},
		{&t.Answer, 5 * time.Second},
		{&t.Total, 30 * time.Second},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return t
}

// Response is what a host answered. A failed Get or Post returns one too, as
// far as it came: Status is 0 when there was no answer.
type Response struct {
	URL       string // the URL that answered, host normalised, after redirects
	Redirects int    // how many were followed; when not 0, URL may be of another origin: the caller decides
	Status    int
	Header    http.Header
	MediaType string // of Content-Type, lower-case, without parameters
	Body      []byte // of a refusal or the answer to a POST only the first MaxAnswer bytes
}

// GetOptions says what a Get asks for; the zero value fetches anything up to 1 MB, unsigned.
type GetOptions struct {
	Accept   string                        // "": */*
	Signer   Signer                        // nil: unsigned
	MaxBytes int64                         // of the decompressed body; 0: MaxJSON
	Media    func(contentType string) bool // refuses other content types before reading the body; nil: any
	SameHost bool                          // refuse a redirect to another origin, as for the pages of a collection
}

// Get fetches rawURL, following at most three redirects, each checked like the
// first and signed anew. Only status 200 is success. The error wraps a
// [Failure]; its kinds are Forbidden (the guard refused), Unavailable (try
// again later), NotFound, Gone, Unverified (401 and 403), TooLarge and Invalid.
func (c *Client) Get(ctx context.Context, rawURL string, o GetOptions) (Response, error) {
	q := call{method: http.MethodGet, accept: o.Accept, signer: o.Signer, max: o.MaxBytes, media: o.Media}
	if q.accept == "" {
		q.accept = "*/*"
	}
	if q.max <= 0 {
		q.max = MaxJSON
	}
	resp, f := c.follow(ctx, rawURL, q, o.SameHost)
	return resp, f.wrap("transport.Get", rawURL)
}

// GetActivity fetches an actor, object or collection. Answers that are not
// ActivityPub by their content type are refused, whatever their bytes say
// (CVE-2024-25623), as are those over 1 MB. That the document's id is the URL
// is for the caller to check (see [Response]).
func (c *Client) GetActivity(ctx context.Context, rawURL string, s Signer) (Response, error) {
	return c.Get(ctx, rawURL, GetOptions{Accept: AcceptActivity, Signer: s, Media: IsActivity})
}

// GetJSON fetches WebFinger, NodeInfo and other nodes' own endpoints: any
// JSON media type, up to 1 MB.
func (c *Client) GetJSON(ctx context.Context, rawURL string, s Signer) (Response, error) {
	return c.Get(ctx, rawURL, GetOptions{Accept: AcceptJSON, Signer: s, Media: IsJSON})
}

// Post sends body once, signed, and is done with any 2xx: a 202 is final, even
// when the rest of the answer never comes. Redirects are not followed. The
// receiver must treat a repeated body as the same one, as inboxes do: a request
// on a connection that the other side was just closing is sent again.
// Errors are as for [Client.Get].
func (c *Client) Post(ctx context.Context, rawURL string, body []byte, contentType string, s Signer) (Response, error) {
	q := call{method: http.MethodPost, body: body, contentType: contentType, accept: "*/*", signer: s}
	resp, f := c.follow(ctx, rawURL, q, false)
	return resp, f.wrap("transport.Post", rawURL)
}

// Check says whether rawURL may be contacted at all, as far as that shows
// without the DNS: an early answer for somebody who types in a peer's address.
// The error is as for [Client.Get].
func (c *Client) Check(rawURL string) error {
	_, f := c.guard.parse(rawURL)
	return f.wrap("transport.Check", rawURL)
}
