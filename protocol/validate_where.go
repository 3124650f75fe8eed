package protocol

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

var (
	areaPattern    = regexp.MustCompile(`^[A-Z0-9][A-Z0-9:_-]{1,31}$`)
	countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)
	phonePattern   = regexp.MustCompile(`^[0-9+() .x-]{3,40}$`)
	zonePattern    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)
)

func (c *checker) times(l *Listing) {
	c.moment("start", l.Start)
	c.moment("end", l.End)
	switch {
	case l.End.IsZero():
	case l.Start.IsZero():
		c.fail("start", "is missing though there is an end; say when it begins")
	case !l.End.After(l.Start):
		c.fail("end", "must be later than start")
	}
	if l.Timezone != "" && !c.zoneKnown(l.Timezone) {
		c.fail("timezone", "must be a name such as Europe/London")
	}
	if l.ValidUntil != "" {
		c.date("valid_until", l.ValidUntil)
	}
	c.recurrence(l)
}

func (c *checker) moment(field string, t time.Time) {
	if !t.IsZero() && (t.Year() < 1970 || t.Year() > 9000) {
		c.fail(field, "must lie between the years 1970 and 9000")
	}
}

// zoneKnown takes IANA names only: "Local" and the machine's own files mean
// something else on every machine.
func (c *checker) zoneKnown(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "Local", "localtime", "posixrules", "posix", "right":
		return false
	}
	if !zonePattern.MatchString(name) {
		return false
	}
	if c.wire {
		return true
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

func (c *checker) date(field string, d Date) time.Time {
	t, err := d.Time()
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		c.fail(field, "must be a date such as 2027-06-01")
		return time.Time{}
	}
	return t
}

// Bounds of a recurrence rule: more is a mistake, or meant to keep readers busy.
const (
	maxInterval = 1_000
	maxRepeats  = 10_000
)

// recurrence takes rules that repeat at most once a day: a rule of seconds
// would make every reader count for ever.
func (c *checker) recurrence(l *Listing) {
	if l.Recurrence == "" {
		return
	}
	if l.Start.IsZero() {
		c.fail("recurrence", "needs a start; say when it happens first")
	}
	if len(l.Recurrence) > maxLine || strings.ContainsAny(l.Recurrence, "\r\n:") {
		c.fail("recurrence", "must be one RRULE value such as FREQ=WEEKLY;COUNT=6")
		return
	}
	rule, err := rrule.StrToROption(l.Recurrence)
	if err != nil {
		c.fail("recurrence", "is not an RFC 5545 rule such as FREQ=WEEKLY;COUNT=6 (%v)", err)
		return
	}
	if rule.Freq > rrule.DAILY || max(len(rule.Byhour), len(rule.Byminute), len(rule.Bysecond)) > 1 {
		c.fail("recurrence", "may repeat once a day, a week, a month or a year, not more often")
	}
	if rule.Interval < 0 || rule.Interval > maxInterval || rule.Count < 0 || rule.Count > maxRepeats {
		c.fail("recurrence", "may have an INTERVAL up to %d and a COUNT up to %d", maxInterval, maxRepeats)
	}
}

func (c *checker) whereabouts(l *Listing) {
	c.place(l.Place)
	if len(l.Areas) > maxAreas {
		c.fail("areas", "has more than %d entries; name a larger area", maxAreas)
		return
	}
	for i, a := range l.Areas {
		c.area(fmt.Sprintf("areas[%d]", i), a)
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
	c.address(p.Address)
}

func (c *checker) address(a *Address) {
	if a == nil {
		return
	}
	c.line("place.address.streetAddress", a.StreetAddress, maxLine)
	c.line("place.address.addressLocality", a.AddressLocality, maxTitle)
	c.line("place.address.addressRegion", a.AddressRegion, maxTitle)
	c.line("place.address.postalCode", a.PostalCode, 20)
	if a.AddressCountry != "" && !countryPattern.MatchString(a.AddressCountry) {
		c.fail("place.address.addressCountry", "must be a two-letter code such as GB")
	}
}

func (c *checker) area(field, code string) {
	if !areaPattern.MatchString(code) {
		c.fail(field, "must be an official area code such as E09000004")
	}
}

func (c *checker) booking(b *Booking) {
	if b == nil {
		return
	}
	c.line("booking.how", b.How, maxLine)
	c.url("booking.url", b.URL, false)
	if b.Phone != "" && !phonePattern.MatchString(b.Phone) {
		c.fail("booking.phone", "must be a telephone number such as 020 7946 0123")
	}
}

// web checks what points elsewhere: where to join, further pages, a picture.
func (c *checker) web(l *Listing) {
	if l.Online != nil {
		c.url("online.url", l.Online.URL, false)
		c.line("online.name", l.Online.Name, maxTitle)
	}
	if len(l.Links) > maxLinks {
		c.fail("links", "has more than %d entries; keep those that matter most", maxLinks)
	}
	for i, k := range l.Links[:min(len(l.Links), maxLinks)] {
		c.url(fmt.Sprintf("links[%d].url", i), k.URL, true)
		c.line(fmt.Sprintf("links[%d].title", i), k.Title, maxTitle)
	}
	if i := l.Image; i != nil {
		c.url("image.url", i.URL, i.File == "")
		c.line("image.alt", i.Alt, maxLong)
		if strings.TrimSpace(i.Alt) == "" {
			c.fail("image.alt", "is missing; describe the picture for people who cannot see it")
		}
		if i.MediaType != "" && !picturePattern.MatchString(i.MediaType) {
			c.fail("image.media_type", "must be image/png, image/jpeg, image/gif, image/webp or image/avif")
		}
	}
}

// url accepts http and https only: other schemes run things.
func (c *checker) url(field, s string, required bool) {
	if s == "" {
		if required {
			c.fail(field, "is missing; give a web address that starts with https://")
		}
		return
	}
	c.line(field, s, maxURL)
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(s, " <>\"\\") {
		c.fail(field, "must be a web address that starts with https://")
	}
}
