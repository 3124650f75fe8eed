package protocol

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/teambition/rrule-go"
)

// Bounds of a listing's fields, in characters or items. docs/protocol/listing.md
// gives them to other implementers; titles are bounded as Mobilizon bounds them.
const (
	minTitle       = 3
	maxTitle       = 200
	maxLine        = 300
	maxText        = 20_000
	maxURL         = 2_048
	maxWord        = 40
	maxWords       = 30
	maxAreas       = 50
	maxLinks       = 12
	maxCount       = 1_000_000
	maxConsentDays = 366
)

var (
	wordPattern     = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}]+(-[\p{Ll}\p{Lo}\p{N}]+)*$`)
	tagPattern      = regexp.MustCompile(`^[\p{L}\p{N}_]+$`)
	languagePattern = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$`)
	areaPattern     = regexp.MustCompile(`^[A-Z0-9][A-Z0-9:_-]{1,31}$`)
	amountPattern   = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,2})?$`)
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
	countryPattern  = regexp.MustCompile(`^[A-Z]{2}$`)
	phonePattern    = regexp.MustCompile(`^[0-9+() .x-]{3,40}$`)
	saltPattern     = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)
	cidPattern      = regexp.MustCompile(`^[a-z2-7]{52}$`)
)

// checker gathers the problems of one listing.
type checker struct{ found FieldErrors }

func (c *checker) fail(field, format string, args ...any) {
	c.found = append(c.found, FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// Validate checks every field of a listing as a person or program here wrote
// it and reports every problem at once, as an Invalid [Error] around
// [FieldErrors]. A nil result means that it may be published.
func (l *Listing) Validate() error {
	var c checker
	c.identity(l)
	c.texts(l)
	c.words(l)
	c.times(l)
	c.whereabouts(l)
	c.terms(l)
	c.kindRules(l)
	if len(c.found) == 0 {
		return nil
	}
	return &Error{Op: "check listing", Kind: Invalid, ID: l.UID, Err: c.found}
}

// ValidateWire checks, besides [Listing.Validate], what only the wire carries:
// v, cid, uid, version and salt (docs/protocol/listing.md §2).
func (l *Listing) ValidateWire() error {
	var c checker
	if l.V != ListingVersion {
		c.fail("v", "is %d; this node understands version %d", l.V, ListingVersion)
	}
	if !cidPattern.MatchString(l.CID) {
		c.fail("cid", "must be 52 characters of lower-case base32")
	}
	if l.UID == "" {
		c.fail("uid", "is missing")
	}
	if l.Version == 0 || l.Version > 1<<53 {
		c.fail("version", "must be a number from 1 to 2^53")
	}
	if !saltPattern.MatchString(l.Salt) {
		c.fail("salt", "must be 128 bits as 22 characters of base64url")
	}
	if l.Image != nil && l.Image.File != "" {
		c.fail("image.file", "never travels; send image.url")
	}
	if len(c.found) > 0 {
		return &Error{Op: "check listing", Kind: Invalid, ID: l.UID, Err: c.found}
	}
	return l.Validate()
}

// ValidUID reports whether s is a UUID written the one way that we accept:
// lower case with hyphens.
func ValidUID(s string) bool {
	u, err := uuid.Parse(s)
	return err == nil && u.String() == s
}

// ValidCID reports whether s has the form of a community's cid.
func ValidCID(s string) bool { return cidPattern.MatchString(s) }

func (c *checker) identity(l *Listing) {
	if !Has(Kinds(), string(l.Kind)) {
		c.fail("kind", "must be one of %s", keys(Kinds()))
	}
	if l.UID != "" && !ValidUID(l.UID) {
		c.fail("uid", "must be a UUID in lower case, or left out so that one is made")
	}
}

func (c *checker) texts(l *Listing) {
	c.line("title", l.Title, maxTitle)
	if n := utf8.RuneCountInString(strings.TrimSpace(l.Title)); n < minTitle {
		c.fail("title", "needs at least %d characters; say what it is", minTitle)
	}
	if strings.ContainsAny(l.Title, "<>") {
		c.fail("title", "is plain text; leave out < and >")
	}
	c.line("summary", l.Summary, maxLine)
	c.text("description", l.Description)
	c.line("eligibility", l.Eligibility, 1_000)
	if l.Language != "" && !languagePattern.MatchString(l.Language) {
		c.fail("language", "must be a language code such as en or cy")
	}
}

// text allows several lines, line does not. Control and direction-changing
// characters are refused in both: they make a page say what it does not.
func (c *checker) text(field, s string) {
	if !utf8.ValidString(s) {
		c.fail(field, "is not valid UTF-8 text; save it as UTF-8 and try again")
		return
	}
	if utf8.RuneCountInString(s) > maxText {
		c.fail(field, "is longer than %d characters; shorten it", maxText)
	}
	for _, r := range s {
		if r == '\n' || r == '\r' || r == '\t' {
			continue
		}
		if unicode.IsControl(r) || isBidiControl(r) {
			c.fail(field, "contains the invisible character U+%04X; delete it", r)
			return
		}
	}
}

func isBidiControl(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F || 0x202A <= r && r <= 0x202E || 0x2066 <= r && r <= 0x2069
}

func (c *checker) line(field, s string, limit int) {
	before := len(c.found)
	c.text(field, s)
	if len(c.found) > before {
		return
	}
	if strings.ContainsAny(s, "\n\r\t") {
		c.fail(field, "must be one line; put the rest in the description")
	}
	if utf8.RuneCountInString(s) > limit {
		c.fail(field, "is longer than %d characters; shorten it", limit)
	}
}

func (c *checker) words(l *Listing) {
	c.openWords("topics", l.Topics)
	c.openWords("audience", l.Audience)
	c.openWords("accessibility", l.Accessibility)
	c.openWords("features", l.Features)
	c.openWords("requirements", l.Requirements)
	if len(l.Tags) > maxWords {
		c.fail("tags", "has more than %d entries", maxWords)
	}
	for i, t := range l.Tags {
		if !tagPattern.MatchString(t) || utf8.RuneCountInString(t) >= maxWord {
			c.fail(fmt.Sprintf("tags[%d]", i), "must be letters and digits without spaces or #, under %d characters", maxWord)
		}
	}
}

func (c *checker) openWords(field string, list []string) {
	if len(list) > maxWords {
		c.fail(field, "has more than %d entries", maxWords)
		return
	}
	for i, w := range list {
		if !wordPattern.MatchString(w) || utf8.RuneCountInString(w) > maxWord {
			c.fail(fmt.Sprintf("%s[%d]", field, i), "must be lower-case words joined by hyphens, such as older-people, at most %d characters", maxWord)
		}
	}
}

func (c *checker) times(l *Listing) {
	for _, t := range []struct {
		field string
		at    time.Time
	}{{"start", l.Start}, {"end", l.End}} {
		if !t.at.IsZero() && (t.at.Year() < 1970 || t.at.Year() > 9000) {
			c.fail(t.field, "must lie between the years 1970 and 9000")
		}
	}
	if !l.End.IsZero() && l.Start.IsZero() {
		c.fail("start", "is missing though there is an end")
	}
	if !l.End.IsZero() && !l.End.After(l.Start) {
		c.fail("end", "must be later than start")
	}
	if l.Timezone != "" {
		if _, err := time.LoadLocation(l.Timezone); err != nil || l.Timezone == "Local" {
			c.fail("timezone", "must be a name such as Europe/London")
		}
	}
	c.date("valid_until", l.ValidUntil)
	c.recurrence(l)
}

func (c *checker) recurrence(l *Listing) {
	if l.Recurrence == "" {
		return
	}
	if l.Start.IsZero() {
		c.fail("recurrence", "needs a start")
	}
	if len(l.Recurrence) > maxLine || strings.ContainsAny(l.Recurrence, "\r\n:") {
		c.fail("recurrence", "must be one RRULE value such as FREQ=WEEKLY;COUNT=6")
		return
	}
	rule, err := rrule.StrToROption(l.Recurrence)
	if err != nil {
		c.fail("recurrence", "is not an RFC 5545 rule such as FREQ=WEEKLY;COUNT=6: %v", err)
		return
	}
	if rule.Freq > rrule.DAILY {
		c.fail("recurrence", "may repeat daily, weekly, monthly or yearly, not more often")
	}
}

func (c *checker) date(field string, d Date) {
	if d == "" {
		return
	}
	if _, err := d.Time(); err != nil {
		c.fail(field, "must be a date such as 2027-06-01")
	}
}

func (c *checker) whereabouts(l *Listing) {
	c.place(l.Place)
	if len(l.Areas) > maxAreas {
		c.fail("areas", "has more than %d entries", maxAreas)
	}
	for i, a := range l.Areas {
		c.area(fmt.Sprintf("areas[%d]", i), a)
	}
	if l.Online != nil {
		c.url("online.url", l.Online.URL, false)
		c.line("online.name", l.Online.Name, maxTitle)
	}
	if slices.Contains(l.Modes, "home-visit") && l.Place != nil {
		c.fail("place", "must be left out for home visits, so that no home is shown; name the areas served instead")
	}
}

func (c *checker) place(p *Place) {
	if p == nil {
		return
	}
	c.line("place.name", p.Name, maxTitle)
	if p.Area != "" {
		c.area("place.area", p.Area)
	}
	if (p.Latitude == nil) != (p.Longitude == nil) {
		c.fail("place", "needs both latitude and longitude, or neither")
	}
	if p.Latitude != nil && !(*p.Latitude >= -90 && *p.Latitude <= 90) {
		c.fail("place.latitude", "must lie between -90 and 90")
	}
	if p.Longitude != nil && !(*p.Longitude >= -180 && *p.Longitude <= 180) {
		c.fail("place.longitude", "must lie between -180 and 180")
	}
	if a := p.Address; a != nil {
		c.line("place.address.streetAddress", a.StreetAddress, maxLine)
		c.line("place.address.addressLocality", a.AddressLocality, maxTitle)
		c.line("place.address.addressRegion", a.AddressRegion, maxTitle)
		c.line("place.address.postalCode", a.PostalCode, 20)
		if a.AddressCountry != "" && !countryPattern.MatchString(a.AddressCountry) {
			c.fail("place.address.addressCountry", "must be a two-letter code such as GB")
		}
	}
}

func (c *checker) area(field, code string) {
	if !areaPattern.MatchString(code) {
		c.fail(field, "must be an official area code such as E09000004")
	}
}

// url accepts http and https only: other schemes run things.
func (c *checker) url(field, s string, required bool) {
	if s == "" {
		if required {
			c.fail(field, "is missing")
		}
		return
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		c.fail(field, "must be a web address that starts with https://")
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
	c.count("capacity", l.Capacity)
	c.count("places", l.Places)
	c.count("max_days", l.MaxDays)
	c.booking(l.Booking)
	c.cost(l.Cost)
	c.people(l)
	if len(l.Links) > maxLinks {
		c.fail("links", "has more than %d entries", maxLinks)
	}
	for i, k := range l.Links {
		c.url(fmt.Sprintf("links[%d].url", i), k.URL, true)
		c.line(fmt.Sprintf("links[%d].title", i), k.Title, maxTitle)
	}
	if l.Image != nil {
		c.url("image.url", l.Image.URL, l.Image.File == "")
		c.line("image.alt", l.Image.Alt, 1_500)
		if strings.TrimSpace(l.Image.Alt) == "" {
			c.fail("image.alt", "is missing; describe the picture for people who cannot see it")
		}
	}
}

func (c *checker) closed(field string, got []string, terms func() []Term) {
	if len(got) == 0 {
		return
	}
	list := terms()
	if len(got) > len(list) {
		c.fail(field, "has more entries than there are words")
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

func (c *checker) count(field string, n int) {
	if n < 0 || n > maxCount {
		c.fail(field, "must be a number from 0 to %d", maxCount)
	}
}

func (c *checker) booking(b *Booking) {
	if b == nil {
		return
	}
	c.line("booking.how", b.How, maxLine)
	c.url("booking.url", b.URL, false)
	if b.Phone != "" && !phonePattern.MatchString(b.Phone) {
		c.fail("booking.phone", "must be a telephone number")
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
	if k.Free && k.Amount != "" && strings.Trim(k.Amount, "0.") != "" {
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

func (c *checker) people(l *Listing) {
	if l.Partner != "" && !ValidUID(l.Partner) {
		c.fail("partner", "must be the partner's uid")
	}
	for k, v := range l.Responsibilities {
		if !Has(Responsibilities(), k) {
			c.fail("responsibilities", "%q is not one of %s", clip(k), keys(Responsibilities()))
		}
		if !ValidUID(v) {
			c.fail("responsibilities."+clip(k), "must be a partner's uid")
		}
	}
	k := l.Consent
	if k == nil {
		return
	}
	c.line("consent.what", k.What, maxLine)
	if strings.TrimSpace(k.What) == "" {
		c.fail("consent.what", "is missing; say what the person agreed to")
	}
	if k.RecordedBy != "" && !ValidUID(k.RecordedBy) {
		c.fail("consent.recordedBy", "must be the uid of the partner that recorded it")
	}
	given, errGiven := k.Given.Time()
	until, errUntil := k.Until.Time()
	switch {
	case errGiven != nil:
		c.fail("consent.given", "must be a date such as 2027-06-01")
	case errUntil != nil:
		c.fail("consent.until", "must be a date such as 2028-05-31")
	case until.Before(given):
		c.fail("consent.until", "must not be before consent.given")
	case until.Sub(given) > maxConsentDays*24*time.Hour:
		c.fail("consent.until", "must be at most twelve months after consent.given")
	}
}

// kindRules holds what one kind needs and what it must not carry.
func (c *checker) kindRules(l *Listing) {
	if l.Kind == KindEvent && l.Start.IsZero() {
		c.fail("start", "is missing; say when the event begins, such as 2027-03-02T10:00:00Z")
	}
	if l.Kind == KindVolunteer {
		c.volunteer(l)
	}
	only := func(field string, set bool, kinds ...Kind) {
		if set && !slices.Contains(kinds, l.Kind) {
			c.fail(field, "does not belong to the kind %q", clip(string(l.Kind)))
		}
	}
	only("format", l.Format != "", KindEvent, KindOffer, KindResource, KindNeed)
	only("status", l.Status != "", KindEvent)
	only("recurrence", l.Recurrence != "", KindEvent, KindOffer)
	only("sub_kind", l.SubKind != "", KindResource)
	only("seeks", l.Seeks != "", KindNeed)
	only("places", l.Places != 0, KindNeed, KindOffer)
	only("requirements", len(l.Requirements) > 0, KindNeed, KindOffer, KindVolunteer)
	only("max_days", l.MaxDays != 0, KindResource)
	only("consent", l.Consent != nil, KindVolunteer, KindOffer)
}

// volunteer keeps a person's record to what they agreed to: outside this node
// it needs a consent, and as a card it carries no exact place, phone, link or
// picture (design: Privacy).
func (c *checker) volunteer(l *Listing) {
	if l.Visibility != VisibilityLocal && l.Visibility != "" && l.Consent == nil {
		c.fail("consent", "is missing; a volunteer is shown to others only with their consent, until then use visibility local")
	}
	if l.Place != nil && (l.Place.Latitude != nil || l.Place.Address != nil) {
		c.fail("place", "must not be exact for a volunteer; name the areas served instead")
	}
	if l.Booking != nil && l.Booking.Phone != "" {
		c.fail("booking.phone", "must be left out; contact with a volunteer goes through their organisation")
	}
	if l.Visibility == VisibilityCoordinators && (l.Image != nil || len(l.Links) > 0) {
		c.fail("image", "and links must be left out of a volunteer's card")
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
