package protocol

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of a listing's fields, in characters or items. docs/protocol/listing.md
// gives them to other implementers; titles are bounded as Mobilizon bounds them,
// and a text's bytes so that with its escapes it fits into one JSON string
// ([JSONLimits].MaxString).
const (
	minTitle = 3
	maxTitle = 200
	maxLine  = 300
	maxLong  = 1_000
	maxText  = 20_000
	maxBytes = 56_000 // of a text
	maxURL   = 2_048
	maxWord  = 40
	maxWords = 30
	maxAreas = 50
	maxLinks = 12
	maxCount = 1_000_000

	maxVersion = 1<<53 - 1 // the largest whole number that every JSON reader keeps (RFC 7493 §2.2)
)

var (
	wordPattern     = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{M}\p{N}]+(-[\p{Ll}\p{Lo}\p{M}\p{N}]+)*$`)
	tagPattern      = regexp.MustCompile(`^[\p{L}\p{M}\p{N}_]+$`)
	languagePattern = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8}){0,6}$`)
	amountPattern   = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,2})?$`)
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
	picturePattern  = regexp.MustCompile(`^image/(png|jpeg|gif|webp|avif)$`)
	saltPattern     = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)
	cidPattern      = regexp.MustCompile(`^[a-z2-7]{52}$`)
)

// checker gathers the problems of one listing.
type checker struct {
	found FieldErrors
	wire  bool // the listing came from another node
}

func (c *checker) fail(field, format string, args ...any) {
	c.found = append(c.found, FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// result returns what was found as an error, or nil.
func (c *checker) result(op, id string) error {
	if len(c.found) == 0 {
		return nil
	}
	return &Error{Op: op, Kind: Invalid, ID: id, Err: c.found}
}

// Validate checks every field of a listing as a person or program here wrote
// it and reports every problem at once, as an Invalid [Error] around
// [FieldErrors]. A nil result means that it may be published. Time zones are
// looked up in the machine's own list, or in the program's (time/tzdata).
func (l *Listing) Validate() error {
	var c checker
	c.fields(l)
	return c.result("check listing", l.UID)
}

// ValidateWire checks, besides what [Listing.Validate] does, what only the wire
// carries: v, cid, uid, version and salt (docs/protocol/listing.md §2). It asks
// of a time zone only that it looks like one, since two nodes may carry lists
// of different years and must still come to the same state.
func (l *Listing) ValidateWire() error {
	c := checker{wire: true}
	c.wireIdentity(l.V, l.CID, l.UID, l.Version)
	if !saltPattern.MatchString(l.Salt) {
		c.fail("salt", "must be 128 bits as 22 characters of base64url")
	}
	if l.Image != nil && l.Image.File != "" {
		c.fail("image.file", "never travels; send image.url")
	}
	c.fields(l)
	return c.result("check listing", l.UID)
}

// ValidUID reports whether s is a UUID written the one way that we accept:
// lower case with hyphens.
func ValidUID(s string) bool {
	u, err := uuid.Parse(s)
	return err == nil && u.String() == s
}

// ValidArea reports whether s has the form of an official area code.
func ValidArea(s string) bool { return areaPattern.MatchString(s) }

// ValidCID reports whether s has the form of a community's cid.
func ValidCID(s string) bool { return cidPattern.MatchString(s) }

// wireIdentity checks what names an edit of a listing, or its deletion.
func (c *checker) wireIdentity(v int, cid, uid string, version uint64) {
	if v != ListingVersion {
		c.fail("v", "is %d; this node understands version %d", v, ListingVersion)
	}
	if !ValidCID(cid) {
		c.fail("cid", "must be 52 characters of lower-case base32")
	}
	if !ValidUID(uid) {
		c.fail("uid", "must be a UUID in lower case")
	}
	if version == 0 || version > maxVersion {
		c.fail("version", "must be a whole number from 1 to 2^53-1")
	}
}

func (c *checker) fields(l *Listing) {
	known := Has(Kinds(), string(l.Kind))
	if !known {
		c.fail("kind", "must be one of %s", keys(Kinds()))
	}
	if !c.wire && l.UID != "" && !ValidUID(l.UID) {
		c.fail("uid", "must be a UUID in lower case, or left out so that one is made")
	}
	c.texts(l)
	c.words(l)
	c.times(l)
	c.whereabouts(l)
	c.terms(l)
	c.numbers(l)
	c.booking(l.Booking)
	c.cost(l.Cost)
	c.web(l)
	c.people(l)
	if known {
		c.kindRules(l)
	}
}

func (c *checker) texts(l *Listing) {
	c.line("title", l.Title, maxTitle)
	if utf8.RuneCountInString(strings.TrimSpace(l.Title)) < minTitle || !hasLetter(l.Title) {
		c.fail("title", "needs at least %d characters, letters or digits among them; say what it is", minTitle)
	}
	if strings.ContainsAny(l.Title, "<>") {
		c.fail("title", "is plain text; leave out < and >")
	}
	c.line("summary", l.Summary, maxLine)
	c.text("description", l.Description, maxText)
	c.line("eligibility", l.Eligibility, maxLong)
	if l.Language != "" && !languagePattern.MatchString(l.Language) {
		c.fail("language", "must be a language code such as en or cy")
	}
}

func hasLetter(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}

// text allows several lines, line does not. Control characters, and those that
// turn the direction of what follows them, are refused in both: they make a
// page say what it does not.
func (c *checker) text(field, s string, limit int) {
	if !utf8.ValidString(s) {
		c.fail(field, "is not valid UTF-8 text; save it as UTF-8 and try again")
		return
	}
	if utf8.RuneCountInString(s) > limit {
		c.fail(field, "is longer than %d characters; shorten it", limit)
		return
	}
	if len(s) > maxBytes {
		c.fail(field, "takes more than %d bytes; shorten it", maxBytes)
		return
	}
	for _, r := range s {
		if isHidden(r) {
			c.fail(field, "contains the invisible character U+%04X; delete it", r)
			return
		}
	}
}

// isHidden tells controls, line separators and the embedding, override and
// isolate characters of the Unicode Bidirectional Algorithm (UAX #9 §2). The
// plain marks LRM, RLM and ALM are part of ordinary Hebrew and Arabic text.
func isHidden(r rune) bool {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return false
	case unicode.IsControl(r), r == 0x2028, r == 0x2029:
		return true
	}
	return 0x202A <= r && r <= 0x202E || 0x2066 <= r && r <= 0x2069
}

func (c *checker) line(field, s string, limit int) {
	before := len(c.found)
	c.text(field, s, limit)
	if len(c.found) == before && strings.ContainsAny(s, "\n\r\t") {
		c.fail(field, "must be one line; put the rest in the description")
	}
}

func (c *checker) words(l *Listing) {
	c.openWords("topics", l.Topics)
	c.openWords("audience", l.Audience)
	c.openWords("accessibility", l.Accessibility)
	c.openWords("features", l.Features)
	c.openWords("requirements", l.Requirements)
	if len(l.Tags) > maxWords {
		c.fail("tags", "has more than %d entries; keep those that matter most", maxWords)
		return
	}
	for i, t := range l.Tags {
		if !tagPattern.MatchString(t) || utf8.RuneCountInString(t) >= maxWord {
			c.fail(fmt.Sprintf("tags[%d]", i), "must be letters and digits without spaces or #, under %d characters", maxWord)
		}
	}
}

func (c *checker) openWords(field string, list []string) {
	if len(list) > maxWords {
		c.fail(field, "has more than %d entries; keep those that matter most", maxWords)
		return
	}
	for i, w := range list {
		if !wordPattern.MatchString(w) || utf8.RuneCountInString(w) > maxWord {
			c.fail(fmt.Sprintf("%s[%d]", field, i), "must be lower-case words joined by hyphens, such as older-people, at most %d characters", maxWord)
		}
	}
}

func (c *checker) terms(l *Listing) {
	c.closed("categories", l.Categories, Categories)
	c.closed("modes", l.Modes, Modes)
	c.closed("availability", l.Availability, Availabilities)
	c.one("format", l.Format, Formats)
	c.one("level", l.Level, Levels)
	c.one("status", l.Status, Statuses)
	c.one("sub_kind", l.SubKind, SubKinds)
	c.one("seeks", l.Seeks, Seeks)
	c.one("visibility", l.Visibility, Visibilities)
}

func (c *checker) closed(field string, got []string, terms func() []Term) {
	if len(got) == 0 {
		return
	}
	list := terms()
	if len(got) > len(list) {
		c.fail(field, "has more entries than there are words; name each once")
		return
	}
	for i, k := range got {
		if !Has(list, k) {
			c.fail(fmt.Sprintf("%s[%d]", field, i), "%q is not one of %s", clip(k), keys(list))
		}
	}
}

func (c *checker) one(field, got string, terms func() []Term) {
	if got != "" && !Has(terms(), got) {
		c.fail(field, "%q is not one of %s", clip(got), keys(terms()))
	}
}

func (c *checker) numbers(l *Listing) {
	c.count("capacity", l.Capacity)
	c.count("places", l.Places)
	c.count("max_days", l.MaxDays)
}

func (c *checker) count(field string, n int) {
	if n < 0 || n > maxCount {
		c.fail(field, "must be a whole number from 0 to %d", maxCount)
	}
}

func (c *checker) cost(k *Cost) {
	if k == nil {
		return
	}
	c.amount("cost.amount", k.Amount)
	c.amount("cost.deposit", k.Deposit)
	if k.Amount+k.Deposit != "" && k.Currency == "" {
		c.fail("cost.currency", "is missing; add one such as GBP")
	}
	if k.Currency != "" && !currencyPattern.MatchString(k.Currency) {
		c.fail("cost.currency", "must be a three-letter code such as GBP")
	}
	if k.Free && strings.Trim(k.Amount, "0.") != "" {
		c.fail("cost.free", "says free, but there is an amount; keep one of them")
	}
	c.line("cost.per", k.Per, maxWord)
	c.line("cost.note", k.Note, maxLine)
}

func (c *checker) amount(field, s string) {
	if s != "" && !amountPattern.MatchString(s) {
		c.fail(field, "must be an amount such as 12.00")
	}
}

func keys(list []Term) string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Key
	}
	return strings.Join(names, ", ")
}

// clip keeps a stranger's text short enough to repeat in an error.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= 60 {
		return s
	}
	return string([]rune(s)[:60]) + "…"
}
