package exchange

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/waypost-directory/waypost/protocol"
)

// ICSOptions says how to write a calendar. The zero value writes an unnamed
// calendar, stamped with the present, whose events link to their first link.
type ICSOptions struct {
	Name string                           // the calendar's name, for X-WR-CALNAME
	Now  time.Time                        // DTSTAMP of every event; zero means the present
	URL  func(l *protocol.Listing) string // a listing's page; nil or "" means its first link
}

// WriteICS writes the listings that have a start as an iCalendar file (RFC
// 5545) and returns how many those were. Times are in UTC; a repeating listing
// is local to its time zone, which the file then defines, so that it stays at
// its hour when the clocks change. UID is the listing's uid and SEQUENCE its
// version: calendars that subscribe see an edit as an edit.
func WriteICS(w io.Writer, listings []protocol.Listing, opts ICSOptions) (int, error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	cal := ics.NewCalendar()
	cal.SetProductId(productID)
	cal.SetCalscale("GREGORIAN")
	cal.SetMethod(ics.MethodPublish)
	if opts.Name != "" {
		cal.SetXWRCalName(tidyLine(opts.Name))
	}
	written := 0
	defined := map[string]*ics.VTimezone{}
	var events []*ics.VEvent
	for i := range listings {
		l := &listings[i]
		if l.Start.IsZero() {
			continue
		}
		written++
		events = append(events, event(l, opts))
		if local, ok := ianaZone(l.Timezone); ok && l.Recurrence != "" && defined[local.name] == nil {
			defined[local.name] = defineZone(local, earliest(listings, l.Timezone), opts.Now)
			cal.AddVTimezone(defined[local.name])
		}
	}
	for _, e := range events {
		cal.AddVEvent(e)
	}
	return written, cal.SerializeTo(w, ics.WithNewLineWindows)
}

func event(l *protocol.Listing, opts ICSOptions) *ics.VEvent {
	e := ics.NewEvent(l.UID)
	e.SetDtStampTime(opts.Now.UTC())
	set := func(name ics.ComponentProperty, value string) {
		if value != "" {
			e.SetProperty(name, value)
		}
	}
	setTimes(e, l)
	set(ics.ComponentPropertySummary, tidyLine(l.Title))
	description := tidyText(l.Description)
	if description == "" {
		description = tidyLine(l.Summary)
	}
	set(ics.ComponentPropertyDescription, description)
	set(ics.ComponentPropertyStatus, eventStatus(l.Status))
	set(ics.ComponentPropertySequence, strconv.FormatUint(min(l.Version, math.MaxInt32), 10))
	where(e, l, set)
	for _, word := range append(append([]string(nil), l.Categories...), l.Topics...) {
		e.AddProperty(ics.ComponentPropertyCategories, word)
	}
	page := ""
	if opts.URL != nil {
		page = opts.URL(l)
	}
	if page == "" && len(l.Links) > 0 {
		page = l.Links[0].URL
	}
	if webLink(page) {
		set(ics.ComponentPropertyUrl, page)
	}
	return e
}

// eventStatus maps a listing's status; iCalendar has no "postponed", and a
// date that does not hold is tentative rather than cancelled.
func eventStatus(status string) string {
	switch status {
	case "cancelled":
		return string(ics.ObjectStatusCancelled)
	case "tentative", "postponed":
		return string(ics.ObjectStatusTentative)
	}
	return string(ics.ObjectStatusConfirmed)
}

func setTimes(e *ics.VEvent, l *protocol.Listing) {
	local, ok := ianaZone(l.Timezone)
	if l.Recurrence == "" || !ok {
		e.SetProperty(ics.ComponentPropertyDtStart, l.Start.UTC().Format("20060102T150405Z"))
		if !l.End.IsZero() {
			e.SetProperty(ics.ComponentPropertyDtEnd, l.End.UTC().Format("20060102T150405Z"))
		}
	} else {
		e.SetProperty(ics.ComponentPropertyDtStart, l.Start.In(local.loc).Format("20060102T150405"), ics.WithTZID(local.name))
		if !l.End.IsZero() {
			e.SetProperty(ics.ComponentPropertyDtEnd, l.End.In(local.loc).Format("20060102T150405"), ics.WithTZID(local.name))
		}
	}
	if l.Recurrence != "" {
		e.SetProperty(ics.ComponentPropertyRrule, l.Recurrence)
	}
}

func where(e *ics.VEvent, l *protocol.Listing, set func(ics.ComponentProperty, string)) {
	online := ""
	if l.Online != nil && webLink(l.Online.URL) {
		online = l.Online.URL
		e.SetProperty("CONFERENCE", online, ics.WithValue("URI")) // RFC 7986 §5.11
	}
	place := tidyLine(l.Place.Line())
	if place == "" {
		place = online
	}
	set(ics.ComponentPropertyLocation, place)
	if lat, lon, ok := l.Place.Point(); ok {
		set(ics.ComponentPropertyGeo, strconv.FormatFloat(lat, 'f', 6, 64)+";"+strconv.FormatFloat(lon, 'f', 6, 64))
	}
}

// earliest returns the first start of the repeating listings of a zone.
func earliest(listings []protocol.Listing, timezone string) time.Time {
	var first time.Time
	for i := range listings {
		l := &listings[i]
		if l.Timezone == timezone && l.Recurrence != "" && !l.Start.IsZero() && (first.IsZero() || l.Start.Before(first)) {
			first = l.Start
		}
	}
	return first
}

// zoneYears is how far ahead a zone's changes of clocks are written out.
const zoneYears = 12

// defineZone writes a VTIMEZONE with one block for each change of clocks from
// before the first start until zoneYears from now: readers that know the IANA
// name ignore it, and the others need no rule of ours to be right.
func defineZone(z zone, first, now time.Time) *ics.VTimezone {
	definition := ics.NewTimezone(z.name)
	at := first.AddDate(-1, 0, 0).In(z.loc)
	begin, next := at.ZoneBounds()
	if begin.IsZero() {
		begin = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	for blocks := 0; blocks < 200; blocks++ {
		_, before := begin.Add(-time.Second).In(z.loc).Zone()
		definition.Components = append(definition.Components, zoneBlock(begin.In(z.loc), before))
		if next.IsZero() || next.After(later(first, now).AddDate(zoneYears, 0, 0)) {
			break
		}
		begin = next
		_, next = begin.In(z.loc).ZoneBounds()
	}
	return definition
}

func zoneBlock(begin time.Time, before int) ics.Component {
	name, after := begin.Zone()
	base := ics.ComponentBase{}
	// The onset is written in the local time before the change (RFC 5545 §3.6.5).
	base.SetProperty(ics.ComponentPropertyDtStart, begin.In(time.FixedZone("", before)).Format("20060102T150405"))
	base.SetProperty("TZOFFSETFROM", offsetText(before))
	base.SetProperty("TZOFFSETTO", offsetText(after))
	base.SetProperty("TZNAME", name)
	if begin.IsDST() {
		return &ics.Daylight{ComponentBase: base}
	}
	return &ics.Standard{ComponentBase: base}
}

func offsetText(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	text := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if s := seconds % 60; s != 0 {
		text += fmt.Sprintf("%02d", s)
	}
	return strings.TrimSpace(text)
}
