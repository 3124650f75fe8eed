package charter

import (
	"fmt"
	"net/url"
	"time"

	"filippo.io/age"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
)

// The bounds of a charter.
const (
	maxStewards = 15
	maxKeys     = 4
	maxText     = 2_048
	maxHeadAge  = 48 * time.Hour
)

// problem returns what is wrong with a first charter, in words, or "".
func (c Charter) problem() string {
	switch {
	case c.Type != documentType:
		return "the document is not a Charter"
	case c.Version != 1 || c.Prev != nil || c.Community != nil:
		return "a first charter has version 1, and null for prev and community"
	case c.Issued.IsZero():
		return "the charter does not say when it was issued"
	case len(c.Buddies) > 0:
		return "a first charter has no buddies; a later one adds them"
	}
	for _, check := range []func() string{c.thresholdProblem, c.stewardsProblem, c.hostProblem, c.policyProblem} {
		if p := check(); p != "" {
			return p
		}
	}
	return ""
}

// thresholdProblem: one steward alone is solo; otherwise n ≥ 3 and n/2 < k ≤
// n−1, so that two rival charters need people who sign both, and one steward
// may be lost.
func (c Charter) thresholdProblem() string {
	n, k := len(c.Stewards), c.Threshold
	switch {
	case n == 0 || n > maxStewards:
		return fmt.Sprintf("a charter has 1 to %d stewards", maxStewards)
	case c.Solo != (n == 1):
		return "a charter is solo when it has one steward, and only then"
	case n == 1 && k != 1:
		return "the threshold of a solo charter is 1"
	case n == 2:
		return "a charter has one steward, or three and more"
	case n > 2 && (2*k <= n || k > n-1):
		return "the threshold must be more than half of the stewards, and fewer than all"
	}
	return ""
}

// stewardsProblem: nothing that is counted may appear twice.
func (c Charter) stewardsProblem() string {
	seen := map[string]bool{c.Host.HeadKey: true} // a host must not act for a steward
	for _, s := range c.Stewards {
		if s.ID == "" || len(s.ID) > 64 || seen["id "+s.ID] {
			return "every steward needs an id of its own"
		}
		seen["id "+s.ID] = true
		if _, err := age.ParseX25519Recipient(s.Share); err != nil || seen[s.Share] {
			return "every steward needs a share of its own, as an age recipient"
		}
		seen[s.Share] = true
		if len(s.Keys) > maxKeys {
			return fmt.Sprintf("a steward has at most %d keys", maxKeys)
		}
		codes := 0
		for _, k := range s.Keys {
			if k.Key == "" || len(k.Key) > maxText || seen[k.Key] {
				return "every key must be listed once"
			}
			seen[k.Key] = true
			if k.Kind != KindCode {
				continue
			}
			if _, err := proof.DecodeEd25519(k.Key); err != nil {
				return "a steward's code key is not an Ed25519 key as Multikey"
			}
			codes++
		}
		if codes == 0 {
			return "every steward needs a code key"
		}
	}
	return ""
}

// hostProblem: the actor must live on the host's origin, or a charter could
// claim a stranger's actor.
func (c Charter) hostProblem() string {
	h := c.Host
	origin := protocol.Origin(h.Origin)
	u, err := url.Parse(h.Actor)
	switch {
	case origin == "" || origin != h.Origin:
		return "host.origin must be a plain origin such as https://riverside.example"
	case err != nil || len(h.Actor) > maxText || protocol.Origin(h.Actor) != origin || u.Fragment != "":
		return "host.actor must be an address on host.origin"
	}
	if _, err := proof.DecodeEd25519(h.HeadKey); err != nil {
		return "host.headKey is not an Ed25519 key as Multikey"
	}
	return ""
}

func (c Charter) policyProblem() string {
	p := c.Policy
	headAge, err := time.ParseDuration(p.HeadMaxAge)
	switch {
	case err != nil || headAge <= 0 || headAge > maxHeadAge:
		return "policy.headMaxAge must be a duration of up to 48h"
	case p.BulkDelete.Fraction < 0 || p.BulkDelete.Fraction > 1 || p.BulkDelete.Min < 0:
		return "policy.bulkDelete must be a fraction from 0 to 1 and a number from 0 on"
	case p.FeedDays < 1 || p.FeedDays > 3650:
		return "policy.feedDays must be 1 to 3650"
	}
	return ""
}
