package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// call is one request as it is asked for, before it is signed for a host.
type call struct {
	method      string
	url         *url.URL
	body        []byte
	contentType string
	accept      string
	signer      Signer
	max         int64
	media       func(string) bool
}

// errTotal is the cause of a context that ran into Timeouts.Total.
var errTotal = errors.New("total time is up")

// follow runs q at rawURL and, for a GET, at the places that it is redirected
// to. Every hop is a new request with a signature of its own.
func (c *Client) follow(ctx context.Context, rawURL string, q call, sameHost bool) (Response, *Failure) {
	u, f := c.guard.parse(rawURL)
	if f != nil {
		return Response{}, f
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.times.Total, errTotal)
	defer cancel()
	var seen []string
	for {
		q.url = u
		resp, f := c.knock(ctx, &q)
		resp.Redirects = len(seen)
		if f != nil || q.method != http.MethodGet || !isRedirect(resp.Status) {
			return resp, f
		}
		seen = append(seen, u.String())
		if u, f = c.guard.redirect(u, resp.Header.Get("Location"), sameHost); f != nil {
			return resp, f
		}
		if slices.Contains(seen, u.String()) {
			return resp, fail(ReasonRedirect, protocol.Invalid, "%s redirects in a circle", q.url.Host)
		}
		if len(seen) > maxRedirects {
			return resp, fail(ReasonRedirect, protocol.Invalid, "%s redirects more than %d times", q.url.Host, maxRedirects)
		}
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// exchange puts one request on the wire and reads its answer within bounds.
func (c *Client) exchange(ctx context.Context, q *call, sign signFunc) (Response, *Failure) {
	if f := spend(ctx); f != nil {
		return Response{}, f
	}
	release, f := c.slots.acquire(ctx, q.url.Host)
	if f != nil {
		return Response{}, f
	}
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, f := c.request(ctx, q, sign)
	if f != nil {
		return Response{}, f
	}
	res, err := c.rt.RoundTrip(req)
	if err != nil {
		return Response{}, c.networkFailure(ctx, q.url, err)
	}
	defer res.Body.Close()
	resp := Response{URL: q.url.String(), Status: res.StatusCode, Header: res.Header}
	resp.MediaType = mediaType(res.Header.Get("Content-Type"))
	f = c.statusFailure(q, res)
	if f != nil || q.method != http.MethodGet || isRedirect(res.StatusCode) {
		resp.Body = c.readAnswer(res.Body, cancel)
		return resp, f
	}
	resp.Body, f = c.readBody(ctx, q, res)
	return resp, f
}

// request builds and signs one request, as late as possible so that its date is fresh.
func (c *Client) request(ctx context.Context, q *call, sign signFunc) (*http.Request, *Failure) {
	var body io.Reader
	if q.method != http.MethodGet {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, q.url.String(), body)
	if err != nil {
		return nil, fail(ReasonURL, protocol.Invalid, "%s is not a usable address", clip(q.url.String()))
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", q.accept)
	if q.method == http.MethodGet {
		req.Header.Set("Accept-Encoding", "gzip")
	} else {
		req.Header.Set("Content-Type", q.contentType)
		// Not sent; tells net/http that it may repeat this POST when a kept
		// connection turns out to be closed.
		req.Header["Idempotency-Key"] = []string{}
	}
	if sign == nil {
		return req, nil
	}
	if err := sign(req, q.body, c.now()); err != nil {
		return nil, fail(ReasonSigning, protocol.Internal, "our own request could not be signed: %v", err).because(err)
	}
	return req, nil
}

// readAnswer keeps the start of a body that nothing depends on. A server that
// drips it does not hold the caller for longer than Timeouts.Answer.
func (c *Client) readAnswer(body io.Reader, cancel func()) []byte {
	defer time.AfterFunc(c.times.Answer, cancel).Stop()
	kept, _ := io.ReadAll(io.LimitReader(body, MaxAnswer))
	return kept
}

// readBody reads the body of a successful GET. Both its size on the wire and
// its decompressed size are bounded by q.max.
func (c *Client) readBody(ctx context.Context, q *call, res *http.Response) ([]byte, *Failure) {
	if types := res.Header.Values("Content-Type"); q.media != nil && (len(types) != 1 || !q.media(types[0])) {
		return nil, fail(ReasonMedia, protocol.Invalid, "%s answered with a document of type %q, which is not what was asked for",
			q.url.Host, clip(strings.Join(types, ", ")))
	}
	tooLarge := fail(ReasonSize, protocol.TooLarge, "what %s sent is larger than %d bytes", q.url.Host, q.max)
	if res.ContentLength > q.max {
		return nil, tooLarge
	}
	wire := &io.LimitedReader{R: res.Body, N: q.max + 1}
	plain, f := decode(wire, res.Header, q.url.Host)
	if f != nil {
		return nil, f
	}
	body, err := io.ReadAll(io.LimitReader(plain, q.max+1))
	switch {
	case int64(len(body)) > q.max, wire.N <= 0:
		return nil, tooLarge
	case err != nil:
		return nil, c.networkFailure(ctx, q.url, err)
	}
	return body, nil
}

// decode undoes the content coding, which can only be the one that we asked for.
func decode(wire io.Reader, h http.Header, host string) (io.Reader, *Failure) {
	switch coding := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); coding {
	case "", "identity":
		return wire, nil
	case "gzip", "x-gzip":
		return &gunzip{wire: wire}, nil
	default:
		return nil, fail(ReasonMedia, protocol.Invalid, "%s sent its answer compressed in a way that was not asked for (%q)", host, clip(coding))
	}
}

// gunzip reads the gzip header on first use, so that its errors come from Read
// like all others.
type gunzip struct {
	wire io.Reader
	z    *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.wire)
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}
