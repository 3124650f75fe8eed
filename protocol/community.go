package protocol

import (
	"net/url"
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
// default port, or "" when the IRI is not an absolute http or https one.
// Two IRIs belong together only if their origins are equal (FEP-fe34).
func Origin(iri string) string {
	u, err := url.Parse(iri)
	if err != nil || u.User != nil || u.Host == "" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	for len(host) > 0 && host[len(host)-1] == '.' {
		host = host[:len(host)-1]
	}
	if host == "" || !isASCII(host) {
		return "" // names in other scripts travel in their punycode form
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // an IPv6 literal
	}
	if p := u.Port(); p != "" && !(u.Scheme == "https" && p == "443") && !(u.Scheme == "http" && p == "80") {
		host += ":" + p
	}
	return u.Scheme + "://" + host
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
