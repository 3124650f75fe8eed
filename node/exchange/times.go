package exchange

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// times is when an event takes place. An all-day event begins at local
// midnight and ends at the midnight after its last day (RFC 5545 §3.6.1).
type times struct {
	start, end time.Time // end is zero when the file gives none
	zone       zone
	allDay     bool
	days       int // length of an all-day event
}

func (t times) lasts() time.Duration {
	if t.end.IsZero() {
		return 0
	}
	return t.end.Sub(t.start)
}

// movedTo is the same event with another start: an all-day event keeps its
// number of days though one of them may have 23 or 25 hours.
func (t times) movedTo(start time.Time) times {
	moved := t
	moved.start = start
	switch {
	case t.allDay:
		moved.end = start.In(t.zone.loc).AddDate(0, 0, t.days)
	case !t.end.IsZero():
		moved.end = start.Add(t.lasts())
	}
	return moved
}

// over reports whether an event ended before the window begins.
func (c *calendar) over(t times) bool {
	return later(t.start, t.end).Before(c.from())
}

// moment is one date or time of the file.
type moment struct {
	t    time.Time // in its zone
	zone zone
	date bool // a date without a time of day
}

// onDayOf gives a date without a time the event's own time of day.
func (m moment) onDayOf(when times) time.Time {
	if !m.date || when.allDay {
		return m.t
	}
	y, month, d := m.t.Date()
	hour, minute, second := when.start.In(when.zone.loc).Clock()
	return time.Date(y, month, d, hour, minute, second, 0, when.zone.loc)
}

// moment reads a DATE or DATE-TIME value (RFC 5545 §3.3.4, §3.3.5). A time
// without zone is local to home.
func (c *calendar) moment(p property, value string, home zone) (moment, error) {
	value = strings.ToUpper(strings.TrimSpace(value))
	if tzid := p.param("TZID"); tzid != "" && !strings.HasSuffix(value, "Z") {
		found, err := c.zones.resolve(tzid)
		if err != nil {
			return moment{}, err
		}
		home = found
	}
	var m moment
	var err error
	switch len(value) {
	case len("20060102"):
		m.t, err = time.ParseInLocation("20060102", value, home.loc)
		m.date = true
	case len("20060102T150405Z"):
		m.t, err = time.ParseInLocation("20060102T150405Z", value, time.UTC)
		m.t = m.t.In(home.loc)
	default:
		m.t, err = time.ParseInLocation("20060102T150405", value, home.loc)
	}
	if err != nil || m.t.Year() < 1600 || m.t.Year() > 9000 {
		return moment{}, fmt.Errorf("its %s %q is not a date and time; set the date again in your calendar", p.name, clip(value))
	}
	m.zone = home
	if p.param("TZID") == "" && !m.date && !strings.HasSuffix(value, "Z") && p.name == "DTSTART" {
		c.note("times without a time zone were read as %s", c.zones.fallback.name)
	}
	return m, nil
}

// times reads DTSTART with DTEND or DURATION.
func (c *calendar) times(e *component) (times, error) {
	p, ok := e.get("DTSTART")
	if !ok {
		return times{}, errors.New("it has no start (DTSTART); give it a date in your calendar and export again")
	}
	start, err := c.moment(p, p.value, c.zones.fallback)
	if err != nil {
		return times{}, err
	}
	t := times{start: start.t, zone: start.zone, allDay: start.date}
	if strings.HasSuffix(strings.ToUpper(strings.TrimSpace(p.value)), "Z") {
		// A start in UTC repeats in UTC; people read it in the calendar's zone.
		t.start = start.t.UTC()
		t.zone = zone{loc: time.UTC, name: c.zones.fallback.name}
	}
	if err := c.end(e, &t); err != nil {
		return times{}, err
	}
	return t, nil
}

func (c *calendar) end(e *component, t *times) error {
	t.days = 1
	if p, ok := e.get("DTEND"); ok {
		end, err := c.moment(p, p.value, t.zone)
		if err != nil {
			return err
		}
		t.end = end.t
		t.days = max(dayOf(end.t)-dayOf(t.start), 1)
	} else if p, ok := e.get("DURATION"); ok {
		days, length, err := duration(p.value)
		if err != nil {
			return err
		}
		t.end = t.start.AddDate(0, 0, days).Add(length)
		t.days = max(days, 1)
	}
	switch {
	case t.allDay:
		t.end = t.start.AddDate(0, 0, t.days)
	case t.end.Equal(t.start):
		t.end = time.Time{}
	case !t.end.IsZero() && t.end.Before(t.start):
		return errors.New("it ends before it begins; correct its times in your calendar")
	}
	return nil
}

var durationPattern = regexp.MustCompile(`^\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?$`)

// duration reads an RFC 5545 §3.3.6 duration: days, which follow the clocks,
// and hours, which do not.
func duration(s string) (days int, length time.Duration, err error) {
	m := durationPattern.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(s)))
	if m == nil {
		return 0, 0, fmt.Errorf("its length %q cannot be read; set its end again in your calendar", clip(s))
	}
	var n [6]int
	for i := 1; i < len(m); i++ {
		if m[i] != "" {
			if n[i], err = strconv.Atoi(m[i]); err != nil {
				return 0, 0, err
			}
		}
	}
	return n[1]*7 + n[2], time.Duration(n[3])*time.Hour + time.Duration(n[4])*time.Minute + time.Duration(n[5])*time.Second, nil
}
