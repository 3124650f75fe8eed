package exchange

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/microcosm-cc/bluemonday"
)

// productID marks our own exports, so that their uids are known again.
const productID = "-//Waypost//Directory//EN"

// calendarFile is an iCalendar file, taken apart.
type calendarFile struct {
	head    component    // what stands beside the events: PRODID, METHOD, X-WR-TIMEZONE
	events  []*component // in file order
	zones   []*component
	others  int // to-dos, journal entries and the like
	begun   bool
	kept    int             // properties
	people  map[string]bool // addresses of attendees and organisers: nowhere shown
	private int             // events marked private or confidential
	past    int             // events that are over
	more    int             // line of the first event over maxEvents, 0 when there is none
}

// maxEvents bounds the events of one file, most of which are over in a
// calendar that has run for years.
const maxEvents = 50_000

// ReadICS reads an iCalendar file (RFC 5545) as Google Calendar, Outlook,
// Apple, Nextcloud, Meetup and others write it: every event becomes a draft,
// and a repeating event one draft for each of its dates from a day before now
// to the horizon. Cancelled events and dates have the status cancelled. The
// error is for a file that cannot be read at all; whatever is wrong with one
// event is a [Failure].
//
// A file that we exported keeps its uids and its repeat rules.
func ReadICS(r io.Reader, opts Options) (Report, error) {
	in := newIntake("read calendar", opts)
	raw, err := in.readBounded(r)
	if err != nil {
		return in.report, err
	}
	if bytes.HasPrefix(raw, []byte{0xFF, 0xFE}) || bytes.HasPrefix(raw, []byte{0xFE, 0xFF}) {
		raw = []byte(decodeText(raw))
	}
	file := takeApart(raw)
	if !file.begun {
		return in.report, in.unreadable("this is not an iCalendar file (no BEGIN:VCALENDAR in it)%s; export the calendar again and choose the .ics file", looksLike(raw))
	}
	c := &calendar{intake: in, file: file, budget: fileBudget, strict: bluemonday.StrictPolicy()}
	c.setZones()
	c.readEvents()
	c.closingNotes()
	slices.SortStableFunc(in.report.Failures, func(a, b Failure) int { return a.Line - b.Line })
	return in.report, nil
}

func looksLike(raw []byte) string {
	start := strings.ToLower(string(raw[:min(len(raw), 512)]))
	switch {
	case len(bytes.TrimSpace(raw)) == 0:
		return " and it is empty"
	case strings.Contains(start, "<html") || strings.Contains(start, "<!doctype"):
		return ", but a web page"
	case strings.HasPrefix(start, "pk\x03\x04"):
		return ", but a zip archive: unpack it first"
	}
	return ""
}

// takeApart finds the components of a file. It never gives up on the file: a
// component that is cut short or holds a line that cannot be read is marked
// broken, and the next one is read as usual.
func takeApart(raw []byte) *calendarFile {
	f := &calendarFile{people: map[string]bool{}}
	var open []*component
	unfold(raw, func(l contentLine) {
		name := lineName(l.text)
		if name == "BEGIN" || name == "END" {
			what := strings.ToUpper(strings.TrimSpace(l.text[len(name)+1:]))
			if name == "BEGIN" {
				open = f.begin(open, what, l.number)
			} else {
				open = f.end(open, what)
			}
			return
		}
		if !f.begun || len(open) > maxNesting {
			return
		}
		f.line(open, l, name)
	})
	for i := len(open) - 1; i >= 0; i-- {
		f.close(open[i], "the file ends in the middle of it; export the calendar again")
	}
	return f
}

func (f *calendarFile) begin(open []*component, what string, line int) []*component {
	if what == "VCALENDAR" {
		f.begun = true
		return f.closeAll(open)
	}
	if len(open) > 4*maxNesting {
		return open
	}
	// An event inside an event means that the first was cut short.
	if what == "VEVENT" || what == "VTIMEZONE" {
		open = f.closeAll(open)
	}
	c := &component{name: what, line: line}
	if n := len(open); n > 0 && n <= maxNesting {
		open[n-1].children = append(open[n-1].children, c)
	}
	return append(open, c)
}

func (f *calendarFile) end(open []*component, what string) []*component {
	if what == "VCALENDAR" {
		return f.closeAll(open)
	}
	for i := len(open) - 1; i >= 0; i-- {
		if open[i].name == what {
			f.close(open[i], "")
			return open[:i]
		}
	}
	return open
}

func (f *calendarFile) closeAll(open []*component) []*component {
	for i := len(open) - 1; i >= 0; i-- {
		f.close(open[i], "it has no END:"+open[i].name+" line; export the calendar again")
	}
	return nil
}

func (f *calendarFile) close(c *component, broken string) {
	if c.broken == "" {
		c.broken = broken
	}
	switch c.name {
	case "VEVENT":
		if len(f.events) < maxEvents {
			f.events = append(f.events, c)
		} else if f.more == 0 {
			f.more = c.line
		}
	case "VTIMEZONE":
		f.zones = append(f.zones, c)
	case "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY":
		f.others++
	}
}

func (f *calendarFile) line(open []*component, l contentLine, name string) {
	to := &f.head
	if len(open) > 0 {
		to = open[len(open)-1]
	}
	if name == "ATTENDEE" || name == "ORGANIZER" {
		if len(f.people) < 10_000 {
			for _, address := range emailPattern.FindAllString(l.text[:min(len(l.text), 1_000)], 4) {
				f.people[strings.ToLower(address)] = true
			}
		}
		return
	}
	read, vital := wanted(name)
	if !read && name != "" {
		return
	}
	if read && f.kept < maxProperties {
		if p, ok := parseProperty(l, name); ok {
			f.kept++
			to.properties = append(to.properties, p)
			return
		}
	}
	if (vital || name == "") && to.broken == "" && to.name == "VEVENT" {
		to.broken = badLine(l)
	}
}

func badLine(l contentLine) string {
	if l.long {
		return fmt.Sprintf("its line %d is far too long; shorten the text in your calendar and export again", l.number)
	}
	return fmt.Sprintf("its line %d cannot be read: %q; mend that line, or export the calendar again", l.number, clip(visible(l.text)))
}

// calendar reads the events of one file.
type calendar struct {
	*intake
	file   *calendarFile
	zones  *zones
	own    bool // one of our exports
	budget int  // days that may still be looked at for repeats
	strict *bluemonday.Policy
}

func (c *calendar) setZones() {
	fallback, ok := ianaZone(c.file.head.value("X-WR-TIMEZONE"))
	if !ok {
		if fallback, ok = ianaZone(c.opts.DefaultTimezone); !ok {
			fallback = zone{loc: time.UTC, name: "UTC"}
		}
	}
	c.zones = newZones(c.opts.Now, fallback)
	for _, definition := range c.file.zones {
		if id := definition.value("TZID"); id != "" {
			c.zones.definitions[strings.Trim(id, `"`)] = definition
		}
	}
	if c.own = c.file.head.value("PRODID") == productID; c.own {
		c.note("this file is an export of a Waypost: its listings keep their uids, so they replace those that you have under the same uid")
	}
}

// readEvents groups the events by UID, since a repeating event and its changed
// dates are separate components, and reads group after group.
func (c *calendar) readEvents() {
	var order []string
	groups := map[string]*series{}
	for _, e := range c.file.events {
		title := e.value("SUMMARY")
		if e.broken != "" {
			c.fail(e.line, title, "%s", e.broken)
			continue
		}
		if class := strings.ToUpper(e.value("CLASS")); class == "PRIVATE" || class == "CONFIDENTIAL" {
			c.file.private++
			continue
		}
		uid := e.value("UID")
		if uid == "" {
			uid = fmt.Sprintf("none %q %s", title, e.value("DTSTART"))
		}
		s := groups[uid]
		if s == nil {
			s = &series{uid: uid}
			groups[uid], order = s, append(order, uid)
		}
		s.take(e)
	}
	for _, uid := range order {
		c.readSeries(groups[uid])
		if c.full {
			return
		}
	}
}

func (c *calendar) closingNotes() {
	if n := c.file.private; n > 0 {
		c.note("%s marked private in the calendar and left out; change that in the calendar to publish", count(n, "event is", "events are"))
	}
	if n := c.file.past; n > 0 {
		c.note("%s over and left out", count(n, "event is", "events are"))
	}
	if c.file.more > 0 {
		c.fail(c.file.more, "", "from here on nothing was read: one file may hold %d events; export fewer years and import again", maxEvents)
	}
	if n := c.file.others; n > 0 {
		c.note("%s left out: only events are imported", count(n, "to-do or journal entry was", "to-dos or journal entries were"))
	}
}

// from and to bound what is taken: what ended before from is over, and repeats
// are worked out up to to.
func (c *calendar) from() time.Time { return c.opts.Now.Add(-pastGrace) }
func (c *calendar) to() time.Time   { return c.opts.Now.Add(c.opts.Horizon) }

// withoutPeople removes the addresses of attendees and organisers from a text.
func (c *calendar) withoutPeople(s string) string {
	if len(c.file.people) == 0 || !strings.Contains(s, "@") {
		return s
	}
	return emailPattern.ReplaceAllStringFunc(s, func(address string) string {
		if c.file.people[strings.ToLower(address)] {
			return "…"
		}
		return address
	})
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
