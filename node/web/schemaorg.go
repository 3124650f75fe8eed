package web

import (
	"strconv"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// schemaEvent is an event as search engines read it (schema.org/Event).
type schemaEvent struct {
	Context     string       `json:"@context"`
	Type        string       `json:"@type"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	URL         string       `json:"url"`
	StartDate   string       `json:"startDate"`
	EndDate     string       `json:"endDate,omitempty"`
	Status      string       `json:"eventStatus"`
	Mode        string       `json:"eventAttendanceMode"`
	Location    []any        `json:"location,omitempty"`
	Organizer   schemaNamed  `json:"organizer"`
	Free        *bool        `json:"isAccessibleForFree,omitempty"`
	Offers      *schemaOffer `json:"offers,omitempty"`
	Language    string       `json:"inLanguage,omitempty"`
}

type schemaNamed struct {
	Type string `json:"@type"`
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

type schemaPlace struct {
	Type    string         `json:"@type"`
	Name    string         `json:"name,omitempty"`
	Address *schemaAddress `json:"address,omitempty"`
	Geo     *schemaGeo     `json:"geo,omitempty"`
}

type schemaAddress struct {
	Type string `json:"@type"`
	protocol.Address
}

type schemaGeo struct {
	Type      string  `json:"@type"`
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}

type schemaOnline struct {
	Type string `json:"@type"`
	URL  string `json:"url"`
}

type schemaOffer struct {
	Type     string `json:"@type"`
	Price    string `json:"price"`
	Currency string `json:"priceCurrency"`
	URL      string `json:"url,omitempty"`
}

// eventLD describes an event for search engines. Those want a location; an
// event with neither place nor online link gets none rather than a guess.
func eventLD(l *protocol.Listing, c protocol.Community, page string) schemaEvent {
	e := schemaEvent{
		Context: "https://schema.org", Type: "Event", Name: l.Title, Description: firstOf(l.Summary, clip(l.Description, 300)),
		URL: page, StartDate: stamp(l.Start, l.Timezone), EndDate: stamp(l.End, l.Timezone), Status: schemaStatus(l.Status),
		Organizer: schemaNamed{Type: "Organization", Name: c.Name, URL: c.URL}, Language: l.Language,
	}
	if p := l.Place; p != nil {
		place := schemaPlace{Type: "Place", Name: p.Name}
		if p.Address != nil {
			place.Address = &schemaAddress{"PostalAddress", *p.Address}
		}
		if lat, lon, ok := p.Point(); ok {
			place.Geo = &schemaGeo{"GeoCoordinates", lat, lon}
		}
		e.Location = append(e.Location, place)
		e.Mode = "https://schema.org/OfflineEventAttendanceMode"
	}
	if l.Online != nil && webAddress(l.Online.URL) != "" {
		e.Location = append(e.Location, schemaOnline{"VirtualLocation", l.Online.URL})
		if e.Mode != "" {
			e.Mode = "https://schema.org/MixedEventAttendanceMode"
		} else {
			e.Mode = "https://schema.org/OnlineEventAttendanceMode"
		}
	}
	if e.Mode == "" {
		e.Mode = "https://schema.org/OfflineEventAttendanceMode"
	}
	if k := l.Cost; k != nil {
		e.Free = &k.Free
		if k.Amount != "" {
			e.Offers = &schemaOffer{Type: "Offer", Price: k.Amount, Currency: k.Currency}
		}
	}
	return e
}

func schemaStatus(status string) string {
	switch status {
	case "cancelled":
		return "https://schema.org/EventCancelled"
	case "postponed":
		return "https://schema.org/EventPostponed"
	}
	return "https://schema.org/EventScheduled"
}

func stamp(t time.Time, zone string) string {
	if t.IsZero() {
		return ""
	}
	return vocab.Local(t, zone).Format(time.RFC3339)
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
