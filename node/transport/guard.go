package transport

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
	"golang.org/x/net/idna"

	"github.com/waypost-directory/waypost/protocol"
)

const maxURL = 2048

// guard decides where requests may go. Its URL rules run on every URL and
// every redirect; its address rules run in the dialler on the address that is
// about to be connected to, so a name that changes its mind gains nothing.
type guard struct {
	dev   bool
	addrs *ssrf.Guardian // allow-lists 2000::/3 and refuses IANA's special-purpose ranges of both families
}

func newGuard(dev bool) *guard {
	if !dev {
		return &guard{addrs: ssrf.New()}
	}
	return &guard{dev: true, addrs: ssrf.New(
		ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("127.0.0.0/8")),
		ssrf.WithAllowedV6Prefixes(netip.MustParsePrefix("::1/128")),
	)}
}

// addressError is the guard's refusal of an address at connect time.
type addressError struct {
	addr netip.Addr
	dev  bool
}

func (e *addressError) Error() string {
	allowed := "only public addresses are contacted (a peer on this machine needs --dev)"
	if e.dev {
		allowed = "even with --dev only public and loopback addresses are contacted"
	}
	return fmt.Sprintf("%s is a private or reserved address; %s", e.addr, allowed)
}

// address refuses everything but global unicast. An IPv4 address in IPv6
// clothes is judged as the IPv4 address that it is.
func (g *guard) address(a netip.Addr) error {
	a = a.Unmap()
	if err := g.addrs.SafeAddr(a.WithZone("")); err != nil || a.Zone() != "" {
		return &addressError{addr: a, dev: g.dev}
	}
	return nil
}

// control is the dialler's hook; the address is numeric by now.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("network %s is not used", network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return g.address(ap.Addr())
}

// parse normalises rawURL and applies the URL rules.
func (g *guard) parse(rawURL string) (*url.URL, *Failure) {
	u, err := normalise(rawURL)
	if err != nil {
		return nil, fail(ReasonURL, protocol.Invalid, "%s is not a usable address: %v", clip(rawURL), err)
	}
	if u.User != nil {
		return nil, refused("an address with a user name or password in it (before the @) is refused")
	}
	if u.Scheme != "https" && !g.dev {
		return nil, refused("%s does not start with https://, and other addresses are refused (http needs --dev)", clip(rawURL))
	}
	if port := u.Port(); port != "" && !g.dev {
		return nil, refused("port %s is refused: peers are contacted on port 443 only", port)
	}
	if f := g.host(u.Hostname()); f != nil {
		return nil, f
	}
	return u, nil
}

// host applies the rules for a normalised host name.
func (g *guard) host(host string) *Failure {
	if addr, err := netip.ParseAddr(host); err == nil {
		if !g.dev {
			return refused("%s is a bare IP address; peers are contacted by name", host)
		}
		if err := g.address(addr); err != nil {
			return refused("%v", err)
		}
		return nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if isNumber(last) {
		// Some resolvers read 127.1, 0x7f.1 and 2130706433 as addresses.
		return refused("%s is a bare number; peers are contacted by name", host)
	}
	if last == host && !g.dev {
		return refused("%s has no dot in it; peers are contacted by their full name, such as riverside.example", host)
	}
	return nil
}

func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// redirect checks the step from one URL to the Location that its host gave.
func (g *guard) redirect(from *url.URL, location string, sameHost bool) (*url.URL, *Failure) {
	if location == "" || len(location) > maxURL {
		return nil, fail(ReasonRedirect, protocol.Invalid, "%s redirects without saying where", from.Host)
	}
	ref, err := from.Parse(location)
	if err != nil {
		return nil, fail(ReasonRedirect, protocol.Invalid, "%s redirects to something that is not an address", from.Host)
	}
	to, f := g.parse(ref.String())
	if f != nil {
		return nil, f
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, refused("%s redirects from https to http, which is refused", from.Host)
	}
	if sameHost && origin(to) != origin(from) {
		return nil, refused("%s redirects to %s, which is another host", from.Host, to.Host)
	}
	return to, nil
}

// normalise parses an absolute http or https URL into the one form that is
// compared and sent: host lower-case, in punycode, without trailing dot, no
// default port, no fragment.
func normalise(rawURL string) (*url.URL, error) {
	if len(rawURL) > maxURL {
		return nil, fmt.Errorf("it is longer than %d characters", maxURL)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read as a web address")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("it does not start with https://")
	}
	host, err := normaliseHost(u.Hostname())
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u.Host = host
	if port != "" {
		u.Host += ":" + port
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func normaliseHost(host string) (string, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), nil
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil || len(ascii) > 253 {
		return "", fmt.Errorf("its host name is not valid")
	}
	if again, err := idna.Lookup.ToASCII(ascii); err != nil || again != ascii {
		// Punycode of what no name may hold, such as bytes that are not UTF-8.
		return "", fmt.Errorf("its host name is not valid")
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("its host name is not valid")
		}
	}
	return ascii, nil
}

// Normalise returns rawURL with its host in lower-case punycode, without
// trailing dot, default port or fragment: the form of [Response].URL.
func Normalise(rawURL string) (string, error) {
	u, err := normalise(rawURL)
	if err != nil {
		return "", protocol.Errorf("transport.Normalise", protocol.Invalid, clip(rawURL), "%w", err)
	}
	return u.String(), nil
}

// Origin returns the scheme, host and port of rawURL in normalised form, e.g.
// "https://riverside.example". Two IRIs may vouch for each other only when
// their origins are equal; spellings of one host compare equal (CVE-2023-42451).
func Origin(rawURL string) (string, error) {
	u, err := normalise(rawURL)
	if err != nil {
		return "", protocol.Errorf("transport.Origin", protocol.Invalid, clip(rawURL), "%w", err)
	}
	return origin(u), nil
}

// SameOrigin says whether a and b are valid and of one origin (see [Origin]).
func SameOrigin(a, b string) bool {
	x, errX := Origin(a)
	y, errY := Origin(b)
	return errX == nil && errY == nil && x == y
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
