package protocol

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ListingVersion is the value of a listing's "v" on the wire.
const ListingVersion = 1

// Listing is what people search for: an event, an offer, a need, a volunteer,
// a venue or a resource. Its JSON is the same in the command line, the API,
// exports and the `listing` property of an ActivityPub object, which adds V,
// CID, UID, Version and Salt (docs/protocol/listing.md).
type Listing struct {
	V       int    `json:"v,omitempty"`       // ListingVersion on the wire
	CID     string `json:"cid,omitempty"`     // the community's identity: the hash of its first charter
	UID     string `json:"uid,omitempty"`     // UUID in lower case, stable for the listing's life
	Version uint64 `json:"version,omitempty"` // number that the origin gave this edit; orders edits, never clocks do
	Salt    string `json:"salt,omitempty"`    // 128 random bits, base64url without padding

	Kind        Kind   `json:"kind"`
	SubKind     string `json:"sub_kind,omitempty"` // resource: one of SubKinds
	Title       string `json:"title"`
	Summary     string `json:"summary,omitempty"`     // one plain line
	Description string `json:"description,omitempty"` // Markdown
	Language    string `json:"language,omitempty"`    // BCP 47

	Categories []string `json:"categories,omitempty"` // keys of Categories
	Modes      []string `json:"modes,omitempty"`      // keys of Modes
	Format     string   `json:"format,omitempty"`     // event, offer, need, resource: key of Formats
	Topics     []string `json:"topics,omitempty"`     // open words, e.g. "spreadsheets"
	Audience   []string `json:"audience,omitempty"`   // open words, e.g. "older-people"
	Level      string   `json:"level,omitempty"`      // key of Levels
	Tags       []string `json:"tags,omitempty"`       // hashtags without '#'

	Start      time.Time `json:"start,omitzero"`
	End        time.Time `json:"end,omitzero"`
	Timezone   string    `json:"timezone,omitempty"`   // IANA name
	Recurrence string    `json:"recurrence,omitempty"` // RFC 5545 RRULE value without "RRULE:"
	Status     string    `json:"status,omitempty"`     // event: key of Statuses

	Place  *Place   `json:"place,omitempty"`
	Areas  []string `json:"areas,omitempty"` // official area codes that it serves
	Online *Online  `json:"online,omitempty"`

	Availability  []string `json:"availability,omitempty"` // keys of Availabilities
	Capacity      int      `json:"capacity,omitempty"`     // people
	Eligibility   string   `json:"eligibility,omitempty"`  // who may come, in plain words
	Booking       *Booking `json:"booking,omitempty"`
	Cost          *Cost    `json:"cost,omitempty"`
	Accessibility []string `json:"accessibility,omitempty"` // open words, e.g. "step-free"
	Features      []string `json:"features,omitempty"`      // venue: open words, e.g. "projector"

	Seeks        string   `json:"seeks,omitempty"`        // need: key of Seeks
	Places       int      `json:"places,omitempty"`       // need: how many people or things
	Requirements []string `json:"requirements,omitempty"` // need: open words, e.g. "driving-licence"
	MaxDays      int      `json:"max_days,omitempty"`     // resource kit-to-lend: longest loan in days

	Partner          string            `json:"partner,omitempty"`          // uid of the partner that it belongs to
	Responsibilities map[string]string `json:"responsibilities,omitempty"` // key of Responsibilities -> partner uid
	Consent          *Consent          `json:"consent,omitempty"`          // volunteer

	Image *Image `json:"image,omitempty"`
	Links []Link `json:"links,omitempty"`

	Visibility string `json:"visibility,omitempty"`  // key of Visibilities
	ValidUntil Date   `json:"valid_until,omitempty"` // last day on which it holds
}

// Online is where to join over the internet.
type Online struct {
	URL  string `json:"url,omitempty"`
	Name string `json:"name,omitempty"`
}

// Booking says how to get a place, and the organisation's public number for
// people who ring. It is never a volunteer's own.
type Booking struct {
	How   string `json:"how,omitempty"`
	Phone string `json:"phone,omitempty"`
	URL   string `json:"url,omitempty"`
}

// Cost says what it costs. Amounts are decimal strings so that no penny is
// lost to floating point.
type Cost struct {
	Free     bool   `json:"free,omitempty"`
	Amount   string `json:"amount,omitempty"`   // e.g. "12.00"
	Deposit  string `json:"deposit,omitempty"`  // e.g. "20.00"
	Currency string `json:"currency,omitempty"` // ISO 4217
	Per      string `json:"per,omitempty"`      // e.g. "hour"
	Note     string `json:"note,omitempty"`
}

// Consent is what a volunteer agreed to, when, recorded by which
// organisation, and until when: at most twelve months (design: Privacy).
type Consent struct {
	What       string `json:"what"`
	Given      Date   `json:"given"`
	RecordedBy string `json:"recordedBy,omitempty"` // partner uid
	Until      Date   `json:"until"`
}

// Image is a picture and the words for those who cannot see it.
type Image struct {
	File      string `json:"file,omitempty"` // a local file to publish; never on the wire
	URL       string `json:"url,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Alt       string `json:"alt,omitempty"`
}

// Link is a web address with its title.
type Link struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
}

// Date is a calendar day as YYYY-MM-DD.
type Date string

// Time returns midnight UTC at the start of the day, and an error when the
// date is malformed.
func (d Date) Time() (time.Time, error) { return time.Parse(time.DateOnly, string(d)) }

// End returns midnight UTC after the day, and the zero time when the date is
// empty or malformed.
func (d Date) End() time.Time {
	t, err := d.Time()
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

// DecodeListing reads a listing that a person or a program here wrote. Unknown
// fields are refused by name, so that a slip of the pen is not lost in
// silence; fields that only the wire carries are refused too.
func DecodeListing(raw []byte) (Listing, error) {
	const op = "read listing"
	var l Listing
	if err := json.Unmarshal(raw, &l, json.RejectUnknownMembers(true)); err != nil {
		return Listing{}, &Error{Op: op, Kind: Invalid, Err: plainJSONError(err)}
	}
	if l.V != 0 || l.CID != "" || l.Version != 0 || l.Salt != "" {
		return Listing{}, Errorf(op, Invalid, l.UID, "v, cid, version and salt are set by the node; leave them out")
	}
	return l, nil
}

// plainJSONError says in a person's words what a decoder says in a
// programmer's, with the field's path where there is one.
func plainJSONError(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return FieldErrors{{Field: fieldPath(syntax.JSONPointer), Problem: "is there twice; keep one"}}
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("this is not valid JSON: it ends too early, at byte %d; send one whole listing", syntax.ByteOffset)
		}
		if strings.Contains(syntax.Err.Error(), "after top-level value") {
			return fmt.Errorf("there is text after the listing's closing brace, at byte %d; send one listing at a time", syntax.ByteOffset)
		}
		return fmt.Errorf("this is not valid JSON at byte %d (%v); mend it and try again", syntax.ByteOffset, syntax.Err)
	}
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("this is not valid JSON: %w", err)
	}
	field := fieldPath(wrong.JSONPointer)
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return FieldErrors{{Field: field, Problem: "is not a field of a listing; see docs/protocol/listing.md for those that are"}}
	case field == "":
		return errors.New("a listing must be one JSON object in braces")
	case wrong.GoType == reflect.TypeFor[time.Time]():
		return FieldErrors{{Field: field, Problem: "must be a date and time like 2027-03-02T10:00:00Z"}}
	}
	words := jsonWords(wrong.GoType)
	if wrong.JSONKind == '0' && words == "a number" {
		return FieldErrors{{Field: field, Problem: "must be a whole number of a sensible size"}}
	}
	return FieldErrors{{Field: field, Problem: "must be " + words + ", not " + jsonKind(wrong.JSONKind)}}
}

// fieldPath writes a JSON pointer as people write a path: "links[0].url".
func fieldPath(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(clip(token))
	}
	return b.String()
}

// jsonWords says which JSON value a Go type is read from.
func jsonWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	}
	return "a number"
}

func jsonKind(k jsontext.Kind) string {
	switch k {
	case '[':
		return "a list"
	case '{':
		return "an object"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	}
	return "a number"
}

// Public reports whether anyone may see the listing.
func (l *Listing) Public() bool { return l.Visibility == VisibilityPublic }

// Personal reports whether the listing is about a person, so that it must end
// with its consent: class 1 of a directory's records (docs/protocol/listing.md).
func (l *Listing) Personal() bool { return l.Kind == KindVolunteer || l.Consent != nil }

// Expires returns the moment at which every copy of the listing must stop
// being shown: midnight UTC after the earlier of ValidUntil and, for personal
// listings, Consent.Until. The zero time means never.
func (l *Listing) Expires() time.Time {
	end := l.ValidUntil.End()
	if l.Consent == nil {
		return end
	}
	if until := l.Consent.Until.End(); !until.IsZero() && (end.IsZero() || until.Before(end)) {
		return until
	}
	return end
}
