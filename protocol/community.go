package protocol

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Community is a group with a public page and an actor. Its identity is its
// CID; where it is hosted may change.
type Community struct {
	CID     string   `json:"cid"`
	Handle  string   `json:"handle"` // preferredUsername of its actor
	Name    string   `json:"name"`
	Summary string   `json:"summary,omitempty"`
	Actor   string   `json:"actor"` // IRI of its Group actor
	URL     string   `json:"url"`   // its page
	Place   *Place   `json:"place,omitempty"`
	Areas   []string `json:"areas,omitempty"`
	HeadKey string   `json:"headKey"` // Multikey that proves its listings
	Hosted  bool     `json:"hosted"`  // whether this node hosts it
}

// Node returns the origin (scheme and host) of the node that hosts it.
func (c Community) Node() string { return Origin(c.Actor) }

// Partner is an organisation that works with a community. It owns its own
// records; it need not run a node (S1-15).
type Partner struct {
	UID     string `json:"uid"`
	Name    string `json:"name"`
	Summary string `json:"summary,omitempty"`
	URL     string `json:"url,omitempty"`
	Phone   string `json:"phone,omitempty"` // the organisation's public number
	State   string `json:"state,omitempty"` // key of PartnerStates
}

// PartnerStates lists the states of a partner (S1-27).
func PartnerStates() []Term {
	return []Term{
		{Key: "considering", Label: "Considering"},
		{Key: "preparing", Label: "Preparing"},
		{Key: "delivering", Label: "Delivering"},
		{Key: "paused", Label: "Paused"},
		{Key: "returning", Label: "Returning"},
		{Key: "left", Label: "Left"},
	}
}

// Origin returns scheme://host[:port] of an IRI in lower case without a
// default port, or "" when the IRI is not an absolute http or https one. Two
// IRIs belong together only if their origins are equal (FEP-fe34). Host names
// in other scripts travel in their punycode form, so that no two names look
// the same.
func Origin(iri string) string {
	u, err := url.Parse(iri)
	if err != nil || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := originHost(u.Hostname())
	if host == "" {
		return ""
	}
	if u.Port() == "" {
		return u.Scheme + "://" + host
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case err != nil || port == 0:
		return ""
	case u.Scheme == "https" && port == 443, u.Scheme == "http" && port == 80:
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + host + ":" + strconv.FormatUint(port, 10)
}

// originHost is a host name or address in the one form that is compared, or "".
func originHost(host string) string {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return ""
		}
		return "[" + addr.String() + "]"
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for i := range len(host) {
		b := host[i]
		if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b == '.') {
			return ""
		}
	}
	if strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") {
		return ""
	}
	return host
}
