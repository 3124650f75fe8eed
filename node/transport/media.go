package transport

import (
	"mime"
	"slices"
	"strings"
)

const activityStreams = "https://www.w3.org/ns/activitystreams"

// What requests ask for, and what deliveries are sent as.
const (
	ActivityType   = "application/activity+json"
	AcceptActivity = ActivityType + `, application/ld+json; profile="` + activityStreams + `"`
	AcceptJSON     = "application/jrd+json, application/json"
)

// IsActivity says whether a Content-Type is ActivityPub's: activity+json, or
// ld+json with the ActivityStreams profile (ActivityPub §3.2, FEP-fe34).
// Plain JSON is not: on many hosts strangers can upload that.
func IsActivity(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if media == "application/ld+json" {
		return slices.Contains(strings.Fields(params["profile"]), activityStreams)
	}
	return media == ActivityType
}

// IsJSON says whether a Content-Type is application/json or one of its
// +json relatives (RFC 6839 §3.1).
func IsJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(media, "application/")
	return ok && (rest == "json" || strings.HasSuffix(rest, "+json"))
}

// mediaType returns the bare media type, "" when there is none or it is malformed.
func mediaType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return media
}
