package exchange

import (
	"maps"
	"slices"
	"strings"

	"github.com/waypost-directory/waypost/protocol"
)

// columns lists every column in the order in which we write them.
func columns() []column {
	return slices.Concat(whatColumns(), whenColumns(), whereColumns(), termsColumns(), peopleColumns())
}

func whatColumns() []column {
	type L = protocol.Listing
	kind := textColumn("kind", func(l *L) *string { return (*string)(&l.Kind) })
	kind.set = func(r *row, cell string) error {
		r.l.Kind = protocol.Kind(closedWord(protocol.Kinds)(strings.ToLower(tidyLine(cell))))
		return nil
	}
	title := textColumn("title", func(l *L) *string { return &l.Title })
	title.set = func(r *row, cell string) error { r.l.Title = tidyTitle(cell); return nil }
	description := textColumn("description", func(l *L) *string { return &l.Description })
	description.set = func(r *row, cell string) error { r.l.Description = tidyText(cell); return nil }
	return []column{
		textColumn("uid", func(l *L) *string { return &l.UID }),
		kind,
		termColumn("sub_kind", protocol.SubKinds, func(l *L) *string { return &l.SubKind }),
		title,
		textColumn("summary", func(l *L) *string { return &l.Summary }),
		description,
		textColumn("language", func(l *L) *string { return &l.Language }),
		listColumn("categories", closedWord(protocol.Categories), func(l *L) *[]string { return &l.Categories }),
		listColumn("modes", closedWord(protocol.Modes), func(l *L) *[]string { return &l.Modes }),
		termColumn("format", protocol.Formats, func(l *L) *string { return &l.Format }),
		listColumn("topics", openWord, func(l *L) *[]string { return &l.Topics }),
		listColumn("audience", openWord, func(l *L) *[]string { return &l.Audience }),
		termColumn("level", protocol.Levels, func(l *L) *string { return &l.Level }),
		listColumn("tags", func(s string) string { return strings.TrimPrefix(s, "#") }, func(l *L) *[]string { return &l.Tags }),
	}
}

func whenColumns() []column {
	type L = protocol.Listing
	return []column{
		rawColumn("start", func(r *row) *string { return &r.start }, func(l *L) string { return timeCell(l.Start) }),
		rawColumn("end", func(r *row) *string { return &r.end }, func(l *L) string { return timeCell(l.End) }),
		rawColumn("date", func(r *row) *string { return &r.day }, nothing),
		rawColumn("start_time", func(r *row) *string { return &r.beginsAt }, nothing),
		rawColumn("end_time", func(r *row) *string { return &r.finishes }, nothing),
		textColumn("timezone", func(l *L) *string { return &l.Timezone }),
		textColumn("recurrence", func(l *L) *string { return &l.Recurrence }),
		termColumn("status", protocol.Statuses, func(l *L) *string { return &l.Status }),
	}
}

func whereColumns() []column {
	type L = protocol.Listing
	code := textColumn("place.address.postalCode", func(l *L) *string { return &l.Place.Address.PostalCode })
	code.set = postcode
	return []column{
		textColumn("place.name", func(l *L) *string { return &l.Place.Name }),
		textColumn("place.address.streetAddress", func(l *L) *string { return &l.Place.Address.StreetAddress }),
		textColumn("place.address.addressLocality", func(l *L) *string { return &l.Place.Address.AddressLocality }),
		textColumn("place.address.addressRegion", func(l *L) *string { return &l.Place.Address.AddressRegion }),
		code,
		termColumn("place.address.addressCountry", countries, func(l *L) *string { return &l.Place.Address.AddressCountry }),
		degreesColumn("place.latitude", func(l *L) **float64 { return &l.Place.Latitude }),
		degreesColumn("place.longitude", func(l *L) **float64 { return &l.Place.Longitude }),
		textColumn("place.area", func(l *L) *string { return &l.Place.Area }),
		listColumn("areas", func(s string) string { return s }, func(l *L) *[]string { return &l.Areas }),
		addressColumn("online.url", func(l *L) *string { return &l.Online.URL }),
		textColumn("online.name", func(l *L) *string { return &l.Online.Name }),
	}
}

// countries are the names that people write in British spreadsheets.
func countries() []protocol.Term {
	return []protocol.Term{
		{Key: "GB", Label: "United Kingdom"}, {Key: "GB", Label: "UK"}, {Key: "GB", Label: "England"},
		{Key: "GB", Label: "Scotland"}, {Key: "GB", Label: "Wales"}, {Key: "GB", Label: "Northern Ireland"},
		{Key: "IE", Label: "Ireland"},
	}
}

func termsColumns() []column {
	type L = protocol.Listing
	amount := textColumn("cost.amount", func(l *L) *string { return &l.Cost.Amount })
	amount.set = price
	held := textColumn("cost.deposit", func(l *L) *string { return &l.Cost.Deposit })
	held.set = deposit
	return []column{
		listColumn("availability", closedWord(protocol.Availabilities), func(l *L) *[]string { return &l.Availability }),
		countColumn("capacity", func(l *L) *int { return &l.Capacity }),
		textColumn("eligibility", func(l *L) *string { return &l.Eligibility }),
		textColumn("booking.how", func(l *L) *string { return &l.Booking.How }),
		textColumn("booking.phone", func(l *L) *string { return &l.Booking.Phone }),
		addressColumn("booking.url", func(l *L) *string { return &l.Booking.URL }),
		{name: "cost.free", set: free, get: func(l *L) string {
			if l.Cost.Free {
				return "yes"
			}
			return ""
		}},
		amount,
		held,
		textColumn("cost.currency", func(l *L) *string { return &l.Cost.Currency }),
		textColumn("cost.per", func(l *L) *string { return &l.Cost.Per }),
		textColumn("cost.note", func(l *L) *string { return &l.Cost.Note }),
		listColumn("accessibility", openWord, func(l *L) *[]string { return &l.Accessibility }),
		listColumn("features", openWord, func(l *L) *[]string { return &l.Features }),
		termColumn("seeks", protocol.Seeks, func(l *L) *string { return &l.Seeks }),
		countColumn("places", func(l *L) *int { return &l.Places }),
		listColumn("requirements", openWord, func(l *L) *[]string { return &l.Requirements }),
		countColumn("max_days", func(l *L) *int { return &l.MaxDays }),
		{name: "links", set: links, get: linksCell},
		addressColumn("image.url", func(l *L) *string { return &l.Image.URL }),
		textColumn("image.media_type", func(l *L) *string { return &l.Image.MediaType }),
		textColumn("image.alt", func(l *L) *string { return &l.Image.Alt }),
		termColumn("visibility", protocol.Visibilities, func(l *L) *string { return &l.Visibility }),
		dateColumn("valid_until", func(l *L) *protocol.Date { return &l.ValidUntil }),
	}
}

func peopleColumns() []column {
	type L = protocol.Listing
	return []column{
		textColumn("partner", func(l *L) *string { return &l.Partner }),
		{name: "responsibilities", set: responsibilities, get: func(l *L) string {
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(l.Responsibilities)) {
				parts = append(parts, k+"="+l.Responsibilities[k])
			}
			return strings.Join(parts, "; ")
		}},
		textColumn("consent.what", func(l *L) *string { return &l.Consent.What }),
		dateColumn("consent.given", func(l *L) *protocol.Date { return &l.Consent.Given }),
		textColumn("consent.recordedBy", func(l *L) *string { return &l.Consent.RecordedBy }),
		dateColumn("consent.until", func(l *L) *protocol.Date { return &l.Consent.Until }),
	}
}

// responsibilities reads "checks=<uid>; support=<uid>".
func responsibilities(r *row, cell string) error {
	for part := range splitList(cell) {
		who, uid, _ := strings.Cut(part, "=")
		if r.l.Responsibilities == nil {
			r.l.Responsibilities = map[string]string{}
		}
		r.l.Responsibilities[closedWord(protocol.Responsibilities)(tidyLine(who))] = tidyLine(uid)
	}
	return nil
}

// aliases are other headings for a column, squashed; the last part of every
// column's path is one too.
func aliases() map[string]string {
	names := map[string]string{
		"name": "title", "heading": "title", "event": "title", "eventname": "title", "venuename": "title", "offer": "title",
		"subject": "title", "what": "title", "type": "kind", "listingtype": "kind", "subkind": "sub_kind", "resourcetype": "sub_kind",
		"details": "description", "about": "description", "notes": "description", "text": "description", "shortdescription": "summary",
		"category": "categories", "support": "categories", "mode": "modes", "delivery": "modes", "deliverymode": "modes",
		"topic": "topics", "subjects": "topics", "keywords": "topics", "hashtags": "tags", "tag": "tags", "lang": "language",
		"for": "audience", "whofor": "audience", "audiences": "audience", "id": "uid",
		"starts": "start", "begins": "start", "from": "start", "startdatetime": "start", "ends": "end", "to": "end", "enddatetime": "end",
		"day": "date", "startdate": "date", "eventdate": "date", "time": "start_time", "starttime": "start_time", "endtime": "end_time", "finish": "end_time", "finishtime": "end_time",
		"repeats": "recurrence", "rrule": "recurrence", "tz": "timezone",
		"place": "place.name", "venue": "place.name", "location": "place.name", "where": "place.name", "building": "place.name", "placename": "place.name",
		"street": "place.address.streetAddress", "address": "place.address.streetAddress", "address1": "place.address.streetAddress", "addressline1": "place.address.streetAddress",
		"town": "place.address.addressLocality", "city": "place.address.addressLocality", "towncity": "place.address.addressLocality", "locality": "place.address.addressLocality",
		"county": "place.address.addressRegion", "region": "place.address.addressRegion", "country": "place.address.addressCountry",
		"postcode": "place.address.postalCode", "postalcode": "place.address.postalCode", "zip": "place.address.postalCode",
		"lat": "place.latitude", "lng": "place.longitude", "lon": "place.longitude", "long": "place.longitude",
		"area": "place.area", "areacode": "place.area", "areasserved": "areas", "serves": "areas",
		"online": "online.url", "onlinelink": "online.url", "joinlink": "online.url", "meetinglink": "online.url",
		"available": "availability", "people": "capacity", "seats": "capacity",
		"whocancome": "eligibility", "booking": "booking.how", "howtobook": "booking.how", "phone": "booking.phone", "telephone": "booking.phone", "tel": "booking.phone", "phonenumber": "booking.phone",
		"bookinglink": "booking.url", "bookingurl": "booking.url", "book": "booking.url",
		"free": "cost.free", "price": "cost.amount", "cost": "cost.amount", "fee": "cost.amount", "charge": "cost.amount", "hire": "cost.amount", "per": "cost.per",
		"access": "accessibility", "facilities": "features", "equipment": "features", "needed": "seeks", "seeking": "seeks",
		"howmany": "places", "skills": "requirements", "website": "links", "web": "links", "url": "links", "link": "links", "websites": "links",
		"picture": "image.url", "photo": "image.url", "image": "image.url", "alttext": "image.alt", "alt": "image.alt",
		"expires": "valid_until", "validuntil": "valid_until", "showto": "visibility", "responsibility": "responsibilities",
	}
	taken := map[string]int{}
	for _, c := range columns() {
		taken[squash(lastPart(c.name))]++
	}
	for _, c := range columns() {
		if last := squash(lastPart(c.name)); taken[last] == 1 && names[last] == "" {
			names[last] = c.name
		}
		names[squash(c.name)] = c.name
	}
	return names
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
