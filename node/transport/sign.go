package transport

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Signer signs one request as one actor. Implementations set the headers that
// the scheme needs (Date, Digest, Content-Digest, Signature, Signature-Input)
// on req, must not read its Body (body holds the bytes, nil for a GET), and may
// be called concurrently.
type Signer interface {
	SignCavage(req *http.Request, body []byte, now time.Time) error
	SignRFC9421(req *http.Request, body []byte, now time.Time) error
}

type scheme int

const (
	cavage scheme = iota // draft-cavage-http-signatures-12, which every peer understands
	rfc9421
)

const rememberScheme = 24 * time.Hour

// knock sends q signed with the scheme that the host is known to take, and
// once more with the other when the answer is 400 or 401 ("double-knocking").
// Draft-cavage goes first: some servers answer 202 to RFC 9421 and drop the
// activity, which no second knock could mend.
func (c *Client) knock(ctx context.Context, q *call) (Response, *Failure) {
	if q.signer == nil {
		return c.exchange(ctx, q, nil)
	}
	host := q.url.Host
	first, second := cavage, rfc9421
	if c.schemes.wantsRFC9421(host, c.now()) {
		first, second = rfc9421, cavage
	}
	resp, f := c.exchange(ctx, q, first.sign(q.signer))
	if resp.Status != http.StatusBadRequest && resp.Status != http.StatusUnauthorized {
		return resp, f
	}
	again, f2 := c.exchange(ctx, q, second.sign(q.signer))
	switch {
	case again.Status >= 200 && again.Status < 400,
		again.Status == http.StatusNotFound, again.Status == http.StatusGone:
		c.log.Debug("host takes the other signature scheme", "host", host, "rfc9421", second == rfc9421)
		c.schemes.remember(host, second, c.now())
		return again, f2
	case again.Status == http.StatusTooManyRequests:
		return again, f2
	}
	return resp, f // the answer to the scheme that it should know says more
}

func (s scheme) sign(signer Signer) signFunc {
	if s == rfc9421 {
		return signer.SignRFC9421
	}
	return signer.SignCavage
}

type signFunc func(req *http.Request, body []byte, now time.Time) error

// schemes remembers the hosts that took RFC 9421 after refusing draft-cavage,
// for a day each and never more than max of them. Forgetting one costs a
// second knock.
type schemes struct {
	max int

	mu    sync.Mutex
	until map[string]time.Time // guarded by mu
}

func newSchemes(max int) *schemes {
	return &schemes{max: max, until: map[string]time.Time{}}
}

func (s *schemes) wantsRFC9421(host string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[host]
	if ok && !now.Before(until) {
		delete(s.until, host)
		return false
	}
	return ok
}

func (s *schemes) remember(host string, took scheme, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, host)
	if took == cavage {
		return
	}
	if len(s.until) >= s.max {
		s.evict(now)
	}
	s.until[host] = now.Add(rememberScheme)
}

// evict drops the entries that are over, or any one when none is. The caller holds mu.
func (s *schemes) evict(now time.Time) {
	var last string
	for host, until := range s.until {
		last = host
		if !now.Before(until) {
			delete(s.until, host)
		}
	}
	if len(s.until) >= s.max {
		delete(s.until, last)
	}
}
