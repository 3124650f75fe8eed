package transport

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Reason says at which point a request failed.
type Reason string

// The reasons for a [Failure].
const (
	ReasonURL       Reason = "address"   // it is not a URL that can be fetched
	ReasonGuard     Reason = "guard"     // the fetch guard refused it
	ReasonBudget    Reason = "budget"    // the cause of the request has made enough of them, see WithBudget
	ReasonBusy      Reason = "busy"      // no turn came: our own limits, not the host's fault
	ReasonSigning   Reason = "signing"   // our own key or signer failed
	ReasonDNS       Reason = "dns"       // the name could not be looked up
	ReasonConnect   Reason = "connect"   // nothing answered at the address
	ReasonTLS       Reason = "tls"       // no trustworthy encrypted connection
	ReasonTimeout   Reason = "timeout"   // it took too long
	ReasonBroken    Reason = "broken"    // the connection or the answer broke off
	ReasonCancelled Reason = "cancelled" // our caller stopped it
	ReasonStatus    Reason = "status"    // the host answered, but not with success: see Status
	ReasonRedirect  Reason = "redirect"  // a redirect that leads nowhere
	ReasonMedia     Reason = "media"     // an answer of another content type or coding
	ReasonSize      Reason = "size"      // an answer over the limit
)

// Failure is why a request brought no usable answer. It is the cause within
// the [protocol.Error] that this package returns; find it with errors.As.
type Failure struct {
	Reason     Reason
	Status     int           // the HTTP status when Reason is ReasonStatus
	RetryAfter time.Duration // what the host asked for with 429 or 503; 0 when it did not
	Words      string        // one clause for the person who looks after the peers
	Err        error         // the cause, may be nil

	kind protocol.ErrorKind
}

// Error returns the words.
func (f *Failure) Error() string { return f.Words }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

func fail(r Reason, k protocol.ErrorKind, format string, args ...any) *Failure {
	return &Failure{Reason: r, kind: k, Words: fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) *Failure {
	return fail(ReasonGuard, protocol.Forbidden, format, args...)
}

func (f *Failure) because(err error) *Failure {
	f.Err = err
	return f
}

// wrap makes the error that leaves the package, nil for a nil Failure.
func (f *Failure) wrap(op, rawURL string) error {
	if f == nil {
		return nil
	}
	return &protocol.Error{Op: op, Kind: f.kind, ID: clip(rawURL), Err: f}
}

// Explain returns, in one clause for an organiser, what went wrong in err:
// "their certificate expired on 3 March 2026; ask them to renew it". It is ""
// for nil, and err's own words when err does not come from this package.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	var f *Failure
	if errors.As(err, &f) {
		return f.Words
	}
	return err.Error()
}

// statusFailure is nil for the statuses that count as success: 200 and
// redirects for a GET, any 2xx for a POST.
func (c *Client) statusFailure(q *call, res *http.Response) *Failure {
	s := res.StatusCode
	get := q.method == http.MethodGet
	if get && (s == http.StatusOK || isRedirect(s)) || !get && s >= 200 && s < 300 {
		return nil
	}
	host := q.url.Host
	var f *Failure
	switch {
	case s == http.StatusNotFound:
		f = fail(ReasonStatus, protocol.NotFound, "%s has nothing at that address (404)", host)
	case s == http.StatusGone:
		f = fail(ReasonStatus, protocol.Gone, "%s says that it was deleted (410)", host)
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		f = fail(ReasonStatus, protocol.Unverified,
			"%s does not accept our signature or has blocked us (%d); check this machine's clock, then ask them", host, s)
	case s == http.StatusTooManyRequests:
		f = fail(ReasonStatus, protocol.Unavailable, "%s asks us to slow down (429)", host)
	case s >= 500 || s == http.StatusRequestTimeout || s == http.StatusTooEarly:
		f = fail(ReasonStatus, protocol.Unavailable, "%s has trouble of its own (%d)", host, s)
	case isRedirect(s):
		f = fail(ReasonStatus, protocol.Invalid, "%s redirects deliveries elsewhere (%d), which is not followed; their address may have changed", host, s)
	default:
		f = fail(ReasonStatus, protocol.Invalid, "%s answered with status %d instead of what was asked for", host, s)
	}
	f.Status = s
	f.RetryAfter = retryAfter(res.Header.Get("Retry-After"), c.now())
	return f
}

const maxRetryAfter = 7 * 24 * time.Hour // as long as deliveries are retried at all

// retryAfter reads seconds or an HTTP date (RFC 9110 §10.2.3).
func retryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if secs, err := strconv.ParseUint(v, 10, 32); err == nil {
		d = time.Duration(secs) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// networkFailure puts a failure to get an answer into words.
func (c *Client) networkFailure(ctx context.Context, u *url.URL, err error) *Failure {
	f := c.contextFailure(ctx, u.Host)
	if f == nil {
		f = addressFailure(u, err)
	}
	if f == nil {
		f = c.tlsFailure(u, err)
	}
	if f == nil {
		f = c.timeoutFailure(u.Host, err)
	}
	if f == nil {
		f = brokenFailure(u, err)
	}
	return f.because(err)
}

func (c *Client) contextFailure(ctx context.Context, host string) *Failure {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return nil
	case errors.Is(cause, errTotal):
		return fail(ReasonTimeout, protocol.Unavailable, "%s timed out after %s", host, seconds(c.times.Total))
	case errors.Is(cause, context.DeadlineExceeded):
		return fail(ReasonTimeout, protocol.Unavailable, "%s timed out: it did not answer in the time that was left", host)
	}
	return cancelled(host)
}

func cancelled(host string) *Failure {
	return fail(ReasonCancelled, protocol.Unavailable, "the request to %s was stopped on our side", host)
}

func addressFailure(u *url.URL, err error) *Failure {
	host := u.Hostname()
	var refusal *addressError
	if errors.As(err, &refusal) {
		if refusal.addr.String() == host {
			return refused("%v", refusal)
		}
		return refused("the name %s leads to %v", host, refusal)
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail(ReasonDNS, protocol.Unavailable,
			"the name %s is not found in the DNS; check the spelling, or ask them whether their domain has lapsed", host)
	case dns != nil:
		return fail(ReasonDNS, protocol.Unavailable,
			"the name %s could not be looked up: the DNS gave no answer; check this machine's own connection if others fail too", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(ReasonConnect, protocol.Unavailable,
			"connection refused: nothing answers at %s; their server may be stopped", u.Host)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fail(ReasonConnect, protocol.Unavailable,
			"no route to %s; check this machine's own connection if others fail too", host)
	}
	return nil
}

func (c *Client) tlsFailure(u *url.URL, err error) *Failure {
	var (
		host    = u.Hostname()
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		verify  *tls.CertificateVerificationError
		alert   tls.AlertError
		record  tls.RecordHeaderError
	)
	words := ""
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		words = expiredWords(invalid.Cert, c.now())
	case errors.As(err, &name):
		words = fmt.Sprintf("their certificate is not for the name %s; ask them to get one for it", host)
	case errors.As(err, &unknown):
		words = "their certificate was not issued by an authority that this machine trusts; ask them to get one from a public authority"
	case errors.As(err, &verify), errors.As(err, &invalid):
		words = fmt.Sprintf("their certificate is not valid (%v); ask them to renew it", err)
	case errors.As(err, &record):
		words = fmt.Sprintf("something answers at %s but does not speak https there; ask them to switch it on", u.Host)
	case errors.As(err, &alert):
		words = fmt.Sprintf("no encrypted connection could be agreed with %s (%v)", host, alert)
	default:
		return nil
	}
	return fail(ReasonTLS, protocol.Unavailable, "%s", words)
}

// expiredWords tells an expired certificate from one that is not valid yet:
// Go reports both as expired.
func expiredWords(cert *x509.Certificate, now time.Time) string {
	const day = "2 January 2006"
	if now.Before(cert.NotBefore) {
		return fmt.Sprintf("their certificate is valid only from %s; check this machine's clock, then ask them", cert.NotBefore.Format(day))
	}
	return fmt.Sprintf("their certificate expired on %s; ask them to renew it", cert.NotAfter.Format(day))
}

func (c *Client) timeoutFailure(host string, err error) *Failure {
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		return nil
	}
	// net/http has no types for the last two, only these texts.
	did, after := "answer", c.times.Header
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		did, after = "let us connect", c.times.Connect
	case strings.Contains(err.Error(), "TLS handshake"):
		did, after = "set up encryption", c.times.TLS
	}
	return fail(ReasonTimeout, protocol.Unavailable, "timed out: %s did not %s within %s", host, did, seconds(after))
}

// brokenFailure has the last word.
func brokenFailure(u *url.URL, err error) *Failure {
	var flateErr flate.CorruptInputError
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &flateErr):
		return fail(ReasonBroken, protocol.Invalid, "%s sent an answer whose compression is damaged", u.Host)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fail(ReasonBroken, protocol.Unavailable, "%s broke off the connection before its answer was complete", u.Host)
	}
	return fail(ReasonBroken, protocol.Unavailable, "%s could not be reached (%s)", u.Host, clip(err.Error()))
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
