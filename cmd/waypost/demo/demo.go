// Package demo holds the sample data of `waypost demo`: three communities of
// invented people and organisations in real places. Each JSON file is a
// template, so that its events lie in the days after the first run, whenever
// that is. Telephone numbers come from the ranges that Ofcom keeps free for
// drama, and web addresses from the domain .example (RFC 2606 §2), so that
// nobody real is rung or visited.
package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"text/template"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

//go:embed *.json
var files embed.FS

// Community is one community of the demo with all that it publishes.
type Community struct {
	Handle   string
	Name     string
	Summary  string
	Place    *protocol.Place
	Areas    []string
	Partners []protocol.Partner // the organisations that the listings name by uid
	Listings []protocol.Listing // with fixed uids, so that a second run finds them again
}

// document is a file once its dates are filled in. The listings stay raw for
// protocol.DecodeListing, which refuses unknown fields by name.
type document struct {
	Handle   string             `json:"handle"`
	Name     string             `json:"name"`
	Summary  string             `json:"summary"`
	Place    *protocol.Place    `json:"place"`
	Areas    []string           `json:"areas"`
	Partners []protocol.Partner `json:"partners"`
	Listings []json.RawMessage  `json:"listings"`
}

// Communities returns the sample communities in the order of their files'
// names, with every date counted from the day of now.
func Communities(now time.Time) ([]Community, error) {
	names, err := fs.Glob(files, "*.json") // sorted
	if err != nil {
		return nil, err
	}
	list := make([]Community, 0, len(names))
	for _, name := range names {
		c, err := read(name, now)
		if err != nil {
			return nil, fmt.Errorf("sample data %s: %w", name, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func read(name string, now time.Time) (Community, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return Community{}, err
	}
	t, err := template.New(name).Funcs(calendar{now}.funcs()).Parse(string(text))
	if err != nil {
		return Community{}, err
	}
	var filled bytes.Buffer
	if err := t.Execute(&filled, nil); err != nil {
		return Community{}, err
	}
	dec := json.NewDecoder(&filled)
	dec.DisallowUnknownFields()
	var d document
	if err := dec.Decode(&d); err != nil {
		return Community{}, err
	}
	c := Community{Handle: d.Handle, Name: d.Name, Summary: d.Summary, Place: d.Place, Areas: d.Areas, Partners: d.Partners}
	for i, raw := range d.Listings {
		l, err := protocol.DecodeListing(raw)
		if err != nil {
			return Community{}, fmt.Errorf("listing %d: %w", i+1, err)
		}
		c.Listings = append(c.Listings, l)
	}
	return c, nil
}

// calendar gives the dates that the files ask for. A time of day is the wall
// clock's in the zone named, so that ten o'clock stays ten o'clock when the
// clocks change.
type calendar struct{ now time.Time }

func (c calendar) funcs() template.FuncMap {
	return template.FuncMap{"day": c.day, "at": c.at, "next": c.next, "after": c.after, "nth": c.nth}
}

// day is the date n days from today, or before it when n is negative.
func (c calendar) day(n int) protocol.Date {
	return protocol.Date(c.now.UTC().AddDate(0, 0, n).Format(time.DateOnly))
}

// at is a time of day n days from today.
func (c calendar) at(n int, clock, zone string) (string, error) {
	return c.find(n, clock, zone, func(time.Time) bool { return true })
}

// next is a time on the first such weekday after today. It never looks at the
// hour, so that the start and the end of one event fall on the same day.
func (c calendar) next(weekday, clock, zone string) (string, error) {
	return c.after(1, weekday, clock, zone)
}

// after is a time on the first such weekday that is n days away or more.
func (c calendar) after(n int, weekday, clock, zone string) (string, error) {
	return c.find(n, clock, zone, func(t time.Time) bool { return t.Weekday().String() == weekday })
}

// nth is a time on the next day after today that is a month's n-th such
// weekday, as BYDAY=1TH means it.
func (c calendar) nth(n int, weekday, clock, zone string) (string, error) {
	return c.find(1, clock, zone, func(t time.Time) bool {
		return t.Weekday().String() == weekday && (t.Day()+6)/7 == n
	})
}

// find returns clock, in RFC 3339, on the first day that fits and is n or more
// days away. Today is refused: its morning may be over.
func (c calendar) find(n int, clock, zone string, fits func(time.Time) bool) (string, error) {
	if n < 1 {
		return "", errors.New("an event must be at least one day away")
	}
	place, err := time.LoadLocation(zone)
	if err != nil {
		return "", err
	}
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return "", err
	}
	year, month, today := c.now.In(place).Date()
	for end := n + 100; n < end; n++ { // a fifth Thursday is at most 98 days away
		t := time.Date(year, month, today+n, at.Hour(), at.Minute(), 0, 0, place)
		if fits(t) {
			return t.Format(time.RFC3339), nil
		}
	}
	return "", errors.New("no such day in the next hundred")
}
