package protocol

import (
	"cmp"
	"slices"
	"strings"
)

// This page keeps listings about people to what those people agreed to
// (docs/protocol/listing.md §6).

func (c *checker) people(l *Listing) {
	if l.Partner != "" && !ValidUID(l.Partner) {
		c.fail("partner", "must be the partner's uid")
	}
	names := make([]string, 0, len(l.Responsibilities))
	for k := range l.Responsibilities {
		names = append(names, k)
	}
	slices.SortFunc(names, cmp.Compare)
	for _, k := range names[:min(len(names), maxWords)] {
		switch {
		case !Has(Responsibilities(), k):
			c.fail("responsibilities", "%q is not one of %s", clip(k), keys(Responsibilities()))
		case !ValidUID(l.Responsibilities[k]):
			c.fail("responsibilities."+k, "must be a partner's uid")
		}
	}
	c.consent(l.Consent)
}

func (c *checker) consent(k *Consent) {
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
	given, until := c.date("consent.given", k.Given), c.date("consent.until", k.Until)
	switch {
	case given.IsZero() || until.IsZero():
	case until.Before(given):
		c.fail("consent.until", "must not be before consent.given")
	case until.After(given.AddDate(1, 0, 0)):
		c.fail("consent.until", "must be at most twelve months after consent.given; ask the person again then")
	}
}

// kindRules holds what one kind needs and what it must not carry.
func (c *checker) kindRules(l *Listing) {
	only := func(field string, set bool, kinds ...Kind) {
		if set && !slices.Contains(kinds, l.Kind) {
			c.fail(field, "does not belong to the kind %q; leave it out", clip(string(l.Kind)))
		}
	}
	only("format", l.Format != "", KindEvent, KindOffer, KindNeed, KindResource)
	if l.Status != "" && l.Kind != KindEvent {
		c.fail("status", "does not belong to the kind %q; leave it out, and remove the listing when it is over", clip(string(l.Kind)))
	}
	only("recurrence", l.Recurrence != "", KindEvent, KindOffer)
	only("sub_kind", l.SubKind != "", KindResource)
	only("seeks", l.Seeks != "", KindNeed)
	only("places", l.Places != 0, KindOffer, KindNeed)
	only("requirements", len(l.Requirements) > 0, KindOffer, KindNeed, KindVolunteer)
	only("features", len(l.Features) > 0, KindVenue)
	only("max_days", l.MaxDays != 0, KindResource)
	only("consent", l.Consent != nil, KindOffer, KindVolunteer)

	if l.Kind == KindEvent && l.Start.IsZero() {
		c.fail("start", "is missing; say when the event begins, such as 2027-03-02T10:00:00Z")
	}
	if slices.Contains(l.Modes, "home-visit") && l.Place != nil {
		c.fail("place", "must be left out for home visits, so that no home is shown; name the areas served instead, and list help at a centre by itself")
	}
	if l.Kind == KindVolunteer {
		c.volunteer(l)
	}
	if l.Personal() && l.Visibility == VisibilityCoordinators {
		c.card(l)
	}
}

// volunteer keeps the whereabouts and the telephone of a person out of every
// record: contact goes through their organisation. Beyond this node the record
// needs their consent.
func (c *checker) volunteer(l *Listing) {
	if l.Visibility != VisibilityLocal && l.Visibility != "" && l.Consent == nil {
		c.fail("consent", "is missing; a volunteer is shown to others only with their consent, until then use visibility local")
	}
	if p := l.Place; p != nil && (p.Latitude != nil || p.Longitude != nil || p.Address != nil) {
		c.fail("place", "must not be exact for a volunteer; name the areas served instead")
	}
	if l.Booking != nil && l.Booking.Phone != "" {
		c.fail("booking.phone", "must be left out; contact with a volunteer goes through their organisation")
	}
}

// card keeps what approved peers see of a person free of everything that leads
// to them. A program cannot tell a name from a word; it can tell an address.
func (c *checker) card(l *Listing) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"image", l.Image != nil},
		{"links", len(l.Links) > 0},
		{"online", l.Online != nil},
		{"booking", l.Booking != nil},
		{"place", l.Place != nil && (l.Place.Name != "" || l.Place.Address != nil || l.Place.Latitude != nil || l.Place.Longitude != nil)},
	} {
		if f.set {
			c.fail(f.name, "must be left out of a card for co-ordinators, so that it does not lead to the person")
		}
	}
	for _, f := range []struct{ name, text string }{
		{"title", l.Title}, {"summary", l.Summary}, {"description", l.Description}, {"eligibility", l.Eligibility},
	} {
		if strings.Contains(f.text, "@") || strings.Contains(f.text, "://") {
			c.fail(f.name, "must hold no e-mail, handle or web address on a card for co-ordinators; leave it out")
		}
	}
}
