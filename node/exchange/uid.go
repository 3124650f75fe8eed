package exchange

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/protocol"
)

// stableUID makes a listing's uid from what names it in its source: a UUID
// version 5 (RFC 9562 §5.5). The namespace and the way the parts are joined
// must never change, or every later import would publish everything again.
func stableUID(parts ...string) string {
	namespace := uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://w3id.org/waypost/v1#import"))
	return uuid.NewSHA1(namespace, fmt.Appendf(nil, "%q", parts)).String()
}

// eventUID names an event, or one date of a repeating event by the start that
// its rule gave it, in UTC: a date that is moved keeps its uid.
func (in *intake) eventUID(calendarUID string, occurrence time.Time) string {
	when := ""
	if !occurrence.IsZero() {
		when = occurrence.UTC().Format(time.RFC3339)
	}
	return stableUID(in.opts.Source, "ics", calendarUID, when)
}

// rowUID names a listing of a spreadsheet or JSON file that brings no UUID of
// its own: by the uid that it does bring, else by kind, title and place, and
// for events by their start too, since the same title comes again next week.
func (in *intake) rowUID(l *protocol.Listing) string {
	if protocol.ValidUID(l.UID) {
		return l.UID
	}
	if l.UID != "" {
		return stableUID(in.opts.Source, "uid", l.UID)
	}
	kind := l.Kind
	if kind == "" {
		kind = in.opts.Defaults.Kind
	}
	where, when := "", ""
	if p := l.Place; p != nil {
		where = p.Name
		if p.Address != nil && p.Address.PostalCode != "" {
			where = strings.ReplaceAll(p.Address.PostalCode, " ", "")
		}
	}
	if !l.Start.IsZero() {
		when = l.Start.UTC().Format(time.RFC3339)
	}
	return stableUID(in.opts.Source, "row", string(kind), strings.ToLower(l.Title), strings.ToLower(where), when)
}
