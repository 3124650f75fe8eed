package transport

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"code.dny.dev/ssrf"

	"github.com/waypost-directory/waypost/protocol"
)

// reserved is every block of the IANA special-purpose registries and of the
// fetch guard's rule, with the multicast and unassigned space of IPv6.
var reserved = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
	"::/128", "::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
	"2001::/32", "2001:1::1/128", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16",
	"2620:4f:8000::/48", "3fff::/20", "4000::/3", "5f00::/16", "8000::/1", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	// IPv4 in IPv6 clothes
	"::ffff:0.0.0.0/104", "::ffff:127.0.0.0/104", "::ffff:10.0.0.0/104", "::ffff:169.254.0.0/112", "::ffff:192.168.0.0/112",
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestGuard_RefusesBothEndsOfEveryReservedBlock(t *testing.T) {
	strict, dev := newGuard(false), newGuard(true)
	for _, block := range reserved {
		p := netip.MustParsePrefix(block)
		for _, a := range []netip.Addr{p.Masked().Addr(), lastAddr(p)} {
			if err := strict.address(a); err == nil {
				t.Errorf("%s (in %s) was allowed", a, block)
			}
			if err := dev.address(a); (err == nil) != a.Unmap().IsLoopback() {
				t.Errorf("with --dev %s (in %s): got %v; only loopback may be allowed", a, block, err)
			}
		}
	}
	if err := strict.address(netip.MustParseAddr("2606:4700::1111%eth0")); err == nil {
		t.Error("an address with a zone was allowed")
	}
}

func TestGuard_AllowsPublicAddressesUpToTheReservedBlocks(t *testing.T) {
	for _, s := range []string{
		"1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
		"2001:200::", "2001:db9::", "2003::1",
	} {
		for _, dev := range []bool{false, true} {
			if err := newGuard(dev).address(netip.MustParseAddr(s)); err != nil {
				t.Errorf("%s (dev %v): %v", s, dev, err)
			}
		}
	}
}

func TestGuard_RefusesURLsThatBreakTheRules(t *testing.T) {
	const no, ok = "no", "ok"
	for _, tc := range []struct{ url, strict, dev string }{
		{"https://riverside.example/u?x=1", ok, ok},
		{"https://riverside.example:443/", ok, ok},
		{"https://riverside.example:/", ok, ok},
		{"https://bücher.example/", ok, ok},
		{"http://riverside.example/", no, ok},
		{"https://riverside.example:8443/", no, ok},
		{"https://riverside.example:80/", no, ok},
		{"https://localhost/", no, ok},
		{"https://user@riverside.example/", no, no},
		{"https://user:pw@riverside.example/", no, no},
		{"https://@riverside.example/", no, no},
		{"https://127.0.0.1/", no, ok},
		{"https://127.0.0.1./", no, ok},
		{"https://１２７.０.0.1/", no, ok},
		{"https://[::1]/", no, ok},
		{"https://[::ffff:127.0.0.1]/", no, ok},
		{"https://8.8.8.8/", no, ok},
		{"https://[::ffff:10.0.0.1]/", no, no},
		{"https://[fe80::1%25eth0]/", no, no},
		{"https://10.0.0.1/", no, no},
		{"https://127.1/", no, no},
		{"https://0x7f.1/", no, no},
		{"https://0x7f000001/", no, no},
		{"https://2130706433/", no, no},
		{"https://riverside.example.0x/", no, no},
		{"https://riverside..example/", no, no},
		{"https://riverside.example../", no, no},
		{"https:///u", no, no},
		{"https://./", no, no},
		{"https:riverside.example", no, no},
		{"//riverside.example/", no, no},
		{"/u", no, no},
		{"", no, no},
		{"file:///etc/passwd", no, no},
		{"gopher://riverside.example/", no, no},
		{"unix:///run/x.sock", no, no},
		{"https://river side.example/", no, no},
		{"https://riverside.example/\r\nHost: x", no, no},
		{"https://%31%32%37.0.0.1/", no, no},
		{"https://river_side.example/", no, no},
		{"https://" + strings.Repeat("a", 64) + ".example/", no, no},
		{"https://" + strings.Repeat("a.", 130) + "example/", no, no},
		{"https://riverside.example/" + strings.Repeat("a", maxURL), no, no},
	} {
		for want, cfg := range map[string]Config{"strict " + tc.strict: {}, "dev " + tc.dev: {Dev: true}} {
			err := newClient(t, cfg).Check(tc.url)
			mode, verdict, _ := strings.Cut(want, " ")
			if (err == nil) != (verdict == ok) {
				t.Errorf("%s, %s: got %v, want %s", clip(tc.url), mode, err, verdict)
			}
			if k := protocol.KindOf(err); err != nil && k != protocol.Forbidden && k != protocol.Invalid {
				t.Errorf("%s: kind %q", clip(tc.url), k)
			}
		}
	}
}

// attempts is every way to ask for a URL.
var attempts = map[string]func(*Client, string) (Response, error){
	"Get":         func(c *Client, u string) (Response, error) { return c.Get(context.Background(), u, GetOptions{}) },
	"GetActivity": func(c *Client, u string) (Response, error) { return c.GetActivity(context.Background(), u, nil) },
	"GetJSON":     func(c *Client, u string) (Response, error) { return c.GetJSON(context.Background(), u, nil) },
	"Post": func(c *Client, u string) (Response, error) {
		return c.Post(context.Background(), u, []byte("{}"), ActivityType, nil)
	},
}

func haveIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func TestGuard_NoMethodReachesAReservedAddress(t *testing.T) {
	v6 := haveIPv6()
	// The name says the address, and the hop is told where to redirect to.
	resolver := dns(t, func(name string) []netip.Addr {
		digits, _ := hex.DecodeString(strings.TrimSuffix(name, ".target.example"))
		if a, ok := netip.AddrFromSlice(digits); ok {
			return []netip.Addr{a}
		}
		return nil
	})
	hop := serveAt(t, "127.7.7.7", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	})
	// Only the first hop's address is let through, so that redirects to
	// loopback can be tried too.
	hopOnly := newClient(t, Config{Dev: true, Resolver: resolver})
	hopOnly.guard.addrs = ssrf.New(ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("127.7.7.7/32")))
	strict := newClient(t, Config{Resolver: resolver})

	for _, block := range reserved {
		a := netip.MustParsePrefix(block).Masked().Addr()
		if block == "127.0.0.0/8" {
			a = netip.MustParseAddr("127.0.0.1")
		}
		literal := "https://" + net.JoinHostPort(a.String(), "443") + "/"
		name := hex.EncodeToString(a.AsSlice()) + ".target.example"
		for method, do := range attempts {
			check := func(what string, kind protocol.ErrorKind, reason Reason, err error) {
				t.Run(fmt.Sprintf("%s %s %s", method, a, what), func(t *testing.T) {
					if a.Is6() && !v6 && err != nil {
						return // without IPv6 there is no connection for the guard to refuse
					}
					failure(t, err, kind, reason)
				})
			}
			check("as a literal", protocol.Forbidden, ReasonGuard, second(do(strict, literal)))
			check("by name", protocol.Forbidden, ReasonGuard, second(do(strict, "https://"+name+"/")))
			for _, to := range []string{literal, "https://" + name + "/", "http://" + name + ":8080/"} {
				_, err := do(hopOnly, hop+"?to="+url.QueryEscape(to))
				if method == "Post" {
					check("redirected to "+to, protocol.Invalid, ReasonStatus, err)
					continue
				}
				check("redirected to "+to, protocol.Forbidden, ReasonGuard, err)
			}
		}
	}
}

func second(_ Response, err error) error { return err }

func TestGuard_ANameThatChangesItsMindGainsNothing(t *testing.T) {
	var reached atomic.Int64
	site := serve(t, counter(&reached, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // so that the name is looked up each time
		activity(w, "{}")
	}))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(site, "http://"))
	var rebound atomic.Bool
	resolver := dns(t, func(string) []netip.Addr {
		if rebound.Load() {
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	c := newClient(t, Config{Dev: true, Resolver: resolver})
	u := fmt.Sprintf("http://rebind.example:%s/", port)
	if _, err := c.GetActivity(context.Background(), u, nil); err != nil {
		t.Fatal(err)
	}
	rebound.Store(true)
	_, err := c.GetActivity(context.Background(), u, nil)
	f := failure(t, err, protocol.Forbidden, ReasonGuard)
	if want := "the name rebind.example leads to 10.0.0.1"; !strings.Contains(f.Words, want) {
		t.Errorf("got %q, want it to say %q", f.Words, want)
	}
	if got := reached.Load(); got != 1 {
		t.Errorf("the server was reached %d times, want 1", got)
	}
}

func TestGuard_WithoutDevAServerOnLoopbackIsNeverReached(t *testing.T) {
	var reached atomic.Int64
	site := serve(t, counter(&reached, func(w http.ResponseWriter, _ *http.Request) { activity(w, "{}") }))
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(site, "http://"))
	c := newClient(t, Config{Resolver: dns(t, zone(map[string]string{"site.example": "127.0.0.1"}))})
	for _, u := range []string{site, "https://127.0.0.1:" + port, "https://localhost:" + port, "https://site.example:" + port, "http://site.example:" + port} {
		for method, do := range attempts {
			if _, err := do(c, u); protocol.KindOf(err) != protocol.Forbidden {
				t.Errorf("%s %s: got %v", method, u, err)
			}
		}
	}
	// Even past the URL rules, the dialler refuses.
	c.guard.dev = true
	_, err := c.Get(context.Background(), "http://site.example:"+port, GetOptions{})
	failure(t, err, protocol.Forbidden, ReasonGuard)
	if got := reached.Load(); got != 0 {
		t.Errorf("the server was reached %d times", got)
	}
}

func TestGuard_URLRulesHoldWhenTheRoundTripperIsReplaced(t *testing.T) {
	c := newClient(t, Config{RoundTripper: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s went out", r.URL)
		return nil, http.ErrNotSupported
	})})
	for _, u := range []string{"http://riverside.example/", "https://10.0.0.1/", "https://riverside.example:22/"} {
		if _, err := c.Get(context.Background(), u, GetOptions{}); protocol.KindOf(err) != protocol.Forbidden {
			t.Errorf("%s: got %v", u, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOrigin_SpellingsOfOneHostAreEqual(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"https://riverside.example/a", "https://RIVERSIDE.example/b", true},
		{"https://riverside.example", "https://riverside.example.:443/x#key", true},
		{"https://riverside.example", "https://ｒiverside.ｅxample/", true},
		{"https://riverside.example", "https://river\u00adside.example/", true},
		{"https://riverside.example", "https://riverside。example/", true},
		{"https://bücher.example", "https://xn--bcher-kva.example/", true},
		{"https://bücher.example", "https://BÜCHER.example/", true},
		{"https://riverside.example", "http://riverside.example/", false},
		{"https://riverside.example", "https://riverside.example:8443/", false},
		{"https://riverside.example", "https://riverside.example.evil.example/", false},
		{"https://riverside.example", "https://www.riverside.example/", false},
		{"https://riverside.example", "https://rіverside.example/", false}, // Cyrillic і
		{"https://riverside.example@evil.example", "https://evil.example", true},
		{"", "", false},
		{"riverside.example", "riverside.example", false},
	} {
		if got := SameOrigin(tc.a, tc.b); got != tc.want {
			t.Errorf("SameOrigin(%q, %q) = %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
	if got, err := Normalise("HTTPS://BÜCHER.example.:443/A%2Fb?q=1#main-key"); err != nil || got != "https://xn--bcher-kva.example/A%2Fb?q=1" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Normalise("https://"); protocol.KindOf(err) != protocol.Invalid {
		t.Errorf("got %v", err)
	}
	if got, err := Origin("http://[::1]:80/x"); err != nil || got != "http://[::1]" {
		t.Errorf("got %q, %v", got, err)
	}
}

// FuzzParse checks that whatever the strict guard lets through is https on
// port 443 at a dotted name, in a form that stays as it is when parsed again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"https://riverside.example/u#main-key", "https://BÜCHER.example.:443/", "https://１２７.0.0.1/", "https://[::1]/",
		"https://a@b.example/", "https://0x7f.1/", "https://river\u00adside.example/", "https://xn--a.example/", "https://a%2e.example/",
	} {
		f.Add(s)
	}
	g := newGuard(false)
	f.Fuzz(func(t *testing.T, s string) {
		u, fail := g.parse(s)
		if fail != nil {
			return
		}
		host := u.Hostname()
		if u.Scheme != "https" || u.Port() != "" || u.User != nil || net.ParseIP(host) != nil || !strings.Contains(host, ".") {
			t.Fatalf("%q was let through as %q", s, u)
		}
		again, fail := g.parse(u.String())
		if fail != nil || again.String() != u.String() {
			t.Fatalf("%q became %q, which became %q (%v)", s, u, again, fail)
		}
	})
}
