package web

import (
	"net/http"
	"strconv"
	"strings"
)

// The representations that an address can have.
const (
	asPage     = "text/html"
	asJSON     = "application/json"
	asActivity = "application/activity+json"
)

// maxAccept bounds the ranges of an Accept header that are looked at.
const maxAccept = 20

// negotiate picks the representation that the request's Accept prefers (RFC
// 9110 §12.5.1): by quality, then by how exactly it is named, then in the
// order offered. Without a match, or a header, it is the first: a page is more
// use than 406.
func negotiate(r *http.Request, offers ...string) string {
	best, bestQuality, bestExact := offers[0], 0.0, 0
	for _, offer := range offers {
		quality, exact := acceptable(r.Header.Get("Accept"), offer)
		if quality > bestQuality || quality == bestQuality && quality > 0 && exact > bestExact {
			best, bestQuality, bestExact = offer, quality, exact
		}
	}
	return best
}

// acceptable returns the quality that an Accept header gives an offer, and
// how exactly the range that decided it names the offer: 3 by type and
// subtype, 2 by type, 1 by */*, 0 not at all.
func acceptable(accept, offer string) (quality float64, exact int) {
	n := 0
	for part := range strings.SplitSeq(accept, ",") {
		if n++; n > maxAccept {
			break
		}
		media, params, _ := strings.Cut(part, ";")
		if e := exactness(strings.ToLower(strings.TrimSpace(media)), offer); e > exact {
			exact, quality = e, qualityOf(params)
		}
	}
	return quality, exact
}

func exactness(media, offer string) int {
	kind, _, _ := strings.Cut(offer, "/")
	switch {
	case media == offer,
		offer == asActivity && media == "application/ld+json", // ActivityPub §3.2
		offer == asPage && media == "application/xhtml+xml":
		return 3
	case media == kind+"/*":
		return 2
	case media == "*/*":
		return 1
	}
	return 0
}

func qualityOf(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		value, ok := strings.CutPrefix(strings.ReplaceAll(p, " ", ""), "q=")
		if !ok {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

// vary tells caches that the answer depends on Accept. The vocabulary of
// ActivityPub clients is wide, so it is set on every such address.
func vary(rw http.ResponseWriter) { rw.Header().Add("Vary", "Accept") }
