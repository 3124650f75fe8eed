package searchtest

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// The communities of the suite. Two share a handle, as hosts may.
func communities() Communities {
	place := func(name string, lat, lon float64) *protocol.Place {
		return &protocol.Place{Name: name, Latitude: &lat, Longitude: &lon}
	}
	known := Communities{}
	for _, c := range []protocol.Community{
		{Name: "Bexley Digital Champions", Handle: "champions", Actor: "https://bexley.example/ap/c/champions", URL: "https://bexley.example/c/champions",
			Place: place("Bexley", 51.45, 0.14), Areas: []string{"E09000004"}},
		{Name: "Bristol Tech for Good", Handle: "techforgood", Actor: "https://bristol.example/ap/c/techforgood", URL: "https://bristol.example/c/techforgood",
			Place: place("Bristol", 51.4545, -2.5879)},
		{Name: "Media Mentors", Handle: "champions", Actor: "https://mentors.example/ap/c/champions", URL: "https://mentors.example/c/champions"},
	} {
		c.CID = CID(c.Name)
		known[c.CID] = c
	}
	return known
}

// uidOf is the uid of the suite's listing with that name.
func uidOf(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://suite.example/"+name)).String()
}

// listing is one of the suite's, under the short name that its tests use.
type listing struct {
	name      string
	community string
	confirmed int // days before Base
	protocol.Listing
}

func (l listing) change() search.Change {
	known := communities()[CID(l.community)]
	node := strings.TrimPrefix(known.Node(), "https://")
	own := node == "bexley.example"
	l.CID, l.UID = known.CID, uidOf(l.name)
	if l.Visibility == "" {
		l.Visibility = protocol.VisibilityPublic
	}
	provenance := "received from " + node
	if own {
		provenance = "published here"
	}
	return search.Change{CID: l.CID, UID: l.UID, Doc: &search.Doc{
		Listing: l.Listing, Node: node, Own: own, URL: "https://" + node + "/listings/" + l.UID, Object: "https://" + node + "/ap/o/" + l.UID,
		ConfirmedAt: Base().AddDate(0, 0, -l.confirmed), Provenance: provenance,
	}}
}

func at(name, town, postcode string, lat, lon float64) *protocol.Place {
	return &protocol.Place{Name: name, Latitude: &lat, Longitude: &lon,
		Address: &protocol.Address{AddressLocality: town, PostalCode: postcode, AddressCountry: "GB"}}
}

// day is a time of day, so many days from Base.
func day(n, hour int) time.Time {
	b := Base().AddDate(0, 0, n)
	return time.Date(b.Year(), b.Month(), b.Day(), hour, 0, 0, 0, time.UTC)
}

const (
	bexley  = "Bexley Digital Champions"
	bristol = "Bristol Tech for Good"
	mentors = "Media Mentors"
)

// suite is what the suite searches: invented listings of all kinds,
// categories, modes and formats.
func suite() []listing {
	consent := func(until protocol.Date) *protocol.Consent {
		return &protocol.Consent{What: "being listed with a first name", Given: "2026-12-01", Until: until}
	}
	library := at("Central Library", "Bexleyheath", "DA6 7HJ", 51.4565, 0.1465)
	hall := at("Sidcup Hall", "Sidcup", "DA14 6AB", 51.426, 0.103)
	hub := at("The Harbour Hub", "Bristol", "BS1 5TX", 51.449, -2.598)
	all := []listing{
		{"tablet-dropin", bexley, 3, protocol.Listing{Kind: "event", Title: "Tablet drop-in", Summary: "Bring your own or use ours", Categories: []string{"quick-tips"}, Modes: []string{"centre-drop-in"}, Format: "drop-in",
			Topics: []string{"tablets"}, Audience: []string{"older-people"}, Start: day(1, 10), End: day(1, 12), Place: library, Cost: &protocol.Cost{Free: true}, Accessibility: []string{"step-free", "hearing-loop"}}},
		{"spreadsheets-bexley", bexley, 3, protocol.Listing{Kind: "event", Title: "Spreadsheets without tears", Description: "A gentle start for treasurers.", Categories: []string{"short-term-skills"}, Modes: []string{"centre-booked"}, Format: "workshop",
			Topics: []string{"spreadsheets"}, Start: day(8, 18), End: day(8, 20), Place: hall, Cost: &protocol.Cost{Free: true}, Accessibility: []string{"step-free"}}},
		{"spreadsheets-bristol", bristol, 10, protocol.Listing{Kind: "event", Title: "Data evening", Description: "We clean up one another's spreadsheets.", Categories: []string{"long-term-skills"}, Modes: []string{"centre-booked"}, Format: "peer-circle",
			Start: day(15, 18), End: day(15, 21), Place: hub, Cost: &protocol.Cost{Amount: "5.00", Currency: "GBP"}}},
		{"weekly-cafe", bexley, 1, protocol.Listing{Kind: "event", Title: "Computer café", Categories: []string{"hands-on"}, Modes: []string{"centre-drop-in"}, Format: "drop-in",
			Start: time.Date(2027, 1, 7, 10, 30, 0, 0, time.UTC), End: time.Date(2027, 1, 7, 12, 0, 0, 0, time.UTC), Timezone: "Europe/London", Recurrence: "FREQ=WEEKLY", Place: hall}},
		{"course-ended", bexley, 40, protocol.Listing{Kind: "event", Title: "Six weeks of email", Categories: []string{"long-term-skills"}, Modes: []string{"centre-booked"}, Format: "formal-training",
			Start: day(-60, 10), End: day(-60, 12), Timezone: "Europe/London", Recurrence: "FREQ=WEEKLY;COUNT=6", Place: library}},
		{"past-talk", bristol, 30, protocol.Listing{Kind: "event", Title: "How we moved to the cloud", Categories: []string{"risk-mitigation"}, Modes: []string{"online"}, Format: "case-study-talk", Start: day(-20, 18), End: day(-20, 19)}},
		{"on-now", bexley, 0, protocol.Listing{Kind: "event", Title: "Repair morning", Categories: []string{"hands-on"}, Modes: []string{"centre-drop-in"}, Format: "networking", Start: day(0, 7), Place: library}},
		{"cancelled", bexley, 2, protocol.Listing{Kind: "event", Title: "Photo walk", Categories: []string{"expansion"}, Modes: []string{"specialist-group"}, Format: "masterclass", Start: day(5, 9), End: day(5, 11), Status: "cancelled", Place: hall}},
		{"coffee", mentors, 5, protocol.Listing{Kind: "event", Title: "Virtual coffee for podcasters", Categories: []string{"validation"}, Modes: []string{"online"}, Format: "virtual-coffee", Start: day(3, 15), End: day(3, 16)}},
		{"mentoring-evening", mentors, 5, protocol.Listing{Kind: "event", Title: "Meet a film-maker", Categories: []string{"perspectives"}, Modes: []string{"online"}, Format: "mentoring", Start: day(10, 19), End: day(10, 20)}},
		{"matching", bristol, 6, protocol.Listing{Kind: "event", Title: "Find your charity", Categories: []string{"hands-on"}, Modes: []string{"centre-booked"}, Format: "volunteer-matching", Start: day(20, 18), End: day(20, 20), Place: hub}},
		{"podcast", mentors, 7, protocol.Listing{Kind: "event", Title: "Episode nine, live", Categories: []string{"perspectives"}, Modes: []string{"self-paced"}, Format: "podcast", Start: day(2, 20), End: day(2, 21)}},
		{"home-tablets", bexley, 12, protocol.Listing{Kind: "offer", Title: "Help at home with your tablet", Categories: []string{"hands-on", "validation"}, Modes: []string{"home-visit"}, Areas: []string{"E09000004"}, Audience: []string{"older-people"}, Cost: &protocol.Cost{Free: true}}},
		{"blue-badge", bexley, 20, protocol.Listing{Kind: "offer", Title: "Blue badge forms", Summary: "We fill in the form with you", Categories: []string{"quick-tips"}, Modes: []string{"specialist-task"}, Place: library, Accessibility: []string{"step-free"}}},
		{"phone-line", bristol, 1, protocol.Listing{Kind: "offer", Title: "Ring a techie", Description: "Somebody patient answers.", Categories: []string{"quick-tips"}, Modes: []string{"phone"}, Cost: &protocol.Cost{Free: true}}},
		{"site-check", bristol, 100, protocol.Listing{Kind: "offer", Title: "Website check for charities", Categories: []string{"risk-mitigation"}, Modes: []string{"online"}, Topics: []string{"websites"}, Audience: []string{"charities"}}},
		{"season-offer", bexley, 4, protocol.Listing{Kind: "offer", Title: "Tax return season desk", Categories: []string{"short-term-skills"}, Modes: []string{"centre-drop-in"}, Start: day(-30, 9), End: day(-2, 17), Place: library}},
		{"open-offer", bexley, 4, protocol.Listing{Kind: "offer", Title: "Laptop clinic", Categories: []string{"hands-on"}, Modes: []string{"centre-drop-in"}, Start: day(-30, 9), Place: hall}},
		{"need-room", bexley, 2, protocol.Listing{Kind: "need", Title: "A room on Tuesdays", Categories: []string{"hands-on"}, Seeks: "space", Areas: []string{"E09000004"}}},
		{"need-mentors", mentors, 9, protocol.Listing{Kind: "need", Title: "People who know sound", Categories: []string{"long-term-skills"}, Seeks: "support", Modes: []string{"online"}}},
		{"need-helpers", bristol, 14, protocol.Listing{Kind: "need", Title: "Volunteers for a help desk", Categories: []string{"hands-on"}, Seeks: "volunteers", Place: hub}},
		{"amina", bexley, 6, protocol.Listing{Kind: "volunteer", Title: "Amina", Summary: "Tablets and phones", Categories: []string{"hands-on"}, Modes: []string{"home-visit", "centre-drop-in"}, Areas: []string{"E09000004"}, Consent: consent("2027-11-30")}},
		{"ben", bexley, 6, protocol.Listing{Kind: "volunteer", Title: "Ben", Summary: "Spreadsheets, calmly", Categories: []string{"short-term-skills"}, Modes: []string{"online"}, Areas: []string{"E09000004"}, Consent: consent("2027-03-03")}},
		{"carys", bristol, 50, protocol.Listing{Kind: "volunteer", Title: "Carys", Summary: "Siarad Cymraeg", Categories: []string{"validation"}, Modes: []string{"phone"}, Language: "cy", Consent: consent("2027-06-30")}},
		{"dev", mentors, 3, protocol.Listing{Kind: "volunteer", Title: "Dev, sound engineer", Categories: []string{"perspectives"}, Modes: []string{"online"}, Consent: consent("2027-09-01")}},
		{"lapsed", bexley, 70, protocol.Listing{Kind: "volunteer", Title: "Erik", Categories: []string{"hands-on"}, Consent: consent("2027-02-28")}},
		{"venue-library", bexley, 60, protocol.Listing{Kind: "venue", Title: "Library training room", Place: library, Capacity: 12, Features: []string{"projector", "wifi"}, Accessibility: []string{"step-free", "hearing-loop"}, Cost: &protocol.Cost{Free: true}}},
		{"venue-sidcup", bexley, 200, protocol.Listing{Kind: "venue", Title: "Sidcup Hall upstairs", Place: hall, Capacity: 40, Cost: &protocol.Cost{Amount: "12.00", Currency: "GBP", Per: "hour"}}},
		{"venue-hub", bristol, 15, protocol.Listing{Kind: "venue", Title: "Boardroom by the water", Place: hub, Capacity: 20, Features: []string{"projector"}}},
		{"tip", bristol, 8, protocol.Listing{Kind: "resource", SubKind: "tip", Title: "One password for each thing", Categories: []string{"quick-tips"}, Modes: []string{"self-paced"}, Topics: []string{"online-safety"}, Cost: &protocol.Cost{Free: true}}},
		{"template", bristol, 8, protocol.Listing{Kind: "resource", SubKind: "template", Title: "Budget template", Description: "A spreadsheet to copy.", Categories: []string{"quick-tips"}, Modes: []string{"self-paced"}, Tags: []string{"CharityFinance"}}},
		{"guide", mentors, 11, protocol.Listing{Kind: "resource", SubKind: "guide", Title: "Guide to a first podcast", Categories: []string{"expansion"}, Modes: []string{"self-paced"}}},
		{"case-study", bristol, 90, protocol.Listing{Kind: "resource", SubKind: "case-study", Title: "When our data was stolen", Categories: []string{"risk-mitigation"}, Modes: []string{"self-paced"}, Topics: []string{"cyber-security"}}},
		{"recording", mentors, 25, protocol.Listing{Kind: "resource", SubKind: "recording", Title: "An hour with an editor", Categories: []string{"perspectives"}, Modes: []string{"self-paced"}}},
		{"course", bristol, 16, protocol.Listing{Kind: "resource", SubKind: "course", Title: "Databases, slowly", Categories: []string{"long-term-skills"}, Modes: []string{"self-paced"}, Level: "beginner"}},
		{"kit", bexley, 2, protocol.Listing{Kind: "resource", SubKind: "kit-to-lend", Title: "Six laptops to lend", Categories: []string{"hands-on"}, Place: library, MaxDays: 14}},
		{"expiring", bexley, 3, protocol.Listing{Kind: "offer", Title: "Spare webcams", Categories: []string{"hands-on"}, ValidUntil: "2027-03-04"}},
		{"newport-wales", bristol, 3, protocol.Listing{Kind: "venue", Title: "Riverside rooms", Place: at("Riverside", "Newport", "NP20 1AA", 51.588, -2.998)}},
		{"newport-wales-2", bristol, 3, protocol.Listing{Kind: "venue", Title: "Market arcade rooms", Place: at("Market Arcade", "Newport", "NP20 1DD", 51.589, -2.995)}},
		{"newport-wight", bristol, 3, protocol.Listing{Kind: "venue", Title: "Quay arts rooms", Place: at("Quay Arts", "Newport", "PO30 5BD", 50.701, -1.288)}},
		{"hidden-local", bexley, 0, protocol.Listing{Kind: "offer", Title: "Not for everyone", Visibility: protocol.VisibilityLocal}},
		{"hidden-card", bexley, 0, protocol.Listing{Kind: "volunteer", Title: "Card for coordinators", Visibility: protocol.VisibilityCoordinators, Consent: consent("2027-06-30")}},
		{"hidden-unset", bexley, 0, protocol.Listing{Kind: "martian", Title: "Of no kind"}},
	}
	return all
}
