package exchange

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// series is all that a file says under one UID: one event, or a repeating
// event with the dates of it that were changed.
type series struct {
	uid       string
	masters   []*component
	overrides []*component
}

func (s *series) take(e *component) {
	if _, changed := e.get("RECURRENCE-ID"); changed {
		s.overrides = append(s.overrides, e)
		return
	}
	s.masters = append(s.masters, e)
}

// occurrence is one date of an event: who says so, when, and the start that
// names it.
type occurrence struct {
	source *component
	times  times
	key    time.Time // the start that the series gave it; zero for an event that does not repeat

	excluded bool // the calendar takes it out
}

func (c *calendar) readSeries(s *series) {
	masters := latest(s.masters)
	found := &occurrences{}
	for _, m := range masters {
		dates, err := c.masterDates(m, len(masters) > 1)
		if err != nil {
			c.failErr(m.line, m.value("SUMMARY"), err)
			continue
		}
		found.list = append(found.list, dates...)
	}
	if len(s.overrides) > 0 {
		found.index()
	}
	overrides := latest(s.overrides)
	slices.SortStableFunc(overrides, func(a, b *component) int {
		if onwards(a) == onwards(b) {
			return 0
		}
		if onwards(a) {
			return -1 // so that a change to one later date stands
		}
		return 1
	})
	for _, o := range overrides {
		if err := c.override(found, o, masters); err != nil {
			c.failErr(o.line, title(o, masters), err)
		}
	}
	slices.SortStableFunc(found.list, func(a, b occurrence) int { return a.times.start.Compare(b.times.start) })
	c.publishable(s, found.list, masters)
}

// occurrences is the dates of one series, findable by the start that the
// series gave them, or by its day.
type occurrences struct {
	list []occurrence
	at   map[int64]int
	on   map[int]int
}

func (o *occurrences) index() {
	o.at, o.on = map[int64]int{}, map[int]int{}
	for i, f := range o.list {
		if f.key.IsZero() {
			continue
		}
		o.at[f.key.Unix()] = i
		o.on[dayOf(f.key.In(f.times.zone.loc))] = i
	}
}

func (o *occurrences) find(named moment) (int, bool) {
	if i, ok := o.at[named.t.Unix()]; ok || !named.date {
		return i, ok
	}
	i, ok := o.on[dayOf(named.t)]
	return i, ok
}

// publishable turns occurrences into drafts. Each component's texts are worked
// out once, however many dates it has.
func (c *calendar) publishable(s *series, found []occurrence, masters []*component) {
	ready := map[*component]*protocol.Listing{}
	refused := map[*component]bool{}
	for _, o := range found {
		if refused[o.source] {
			continue
		}
		l := ready[o.source]
		if l == nil {
			described, err := c.describe(o.source, masters)
			if err != nil {
				refused[o.source] = true
				c.failErr(o.source.line, title(o.source, masters), err)
				continue
			}
			l, ready[o.source] = &described, &described
		}
		if o.excluded {
			c.report.Excluded = append(c.report.Excluded, Excluded{Line: o.source.line, UID: c.eventUID(s.uid, o.key), Title: l.Title, Start: o.key.UTC()})
			continue
		}
		draft := clone(*l)
		draft.UID = c.eventUID(s.uid, o.key)
		if c.own && protocol.ValidUID(s.uid) && o.key.IsZero() {
			draft.UID = s.uid
		}
		draft.Start, draft.End, draft.Timezone = o.times.start.UTC(), o.times.end, o.times.zone.name
		if !draft.End.IsZero() {
			draft.End = draft.End.UTC()
		}
		c.add(o.source.line, draft)
	}
}

// latest keeps, of components that describe the same event or date, the one
// with the highest SEQUENCE, the later one of equals. Some programs write
// every date of a series as an event with the same UID: those all stay.
func latest(all []*component) []*component {
	if len(all) < 2 {
		return all
	}
	sequence := func(c *component) int {
		n, err := strconv.Atoi(c.value("SEQUENCE"))
		if err != nil {
			return 0
		}
		return n
	}
	names := func(c *component) string { return c.value("RECURRENCE-ID") + " " + c.value("DTSTART") }
	if _, changed := all[0].get("RECURRENCE-ID"); changed {
		names = func(c *component) string { return c.value("RECURRENCE-ID") }
	}
	highest := slices.MaxFunc(all, func(a, b *component) int { return cmp.Compare(sequence(a), sequence(b)) })
	at := map[string]int{}
	var kept []*component
	for _, c := range all {
		if _, changed := c.get("RECURRENCE-ID"); !changed && sequence(c) < sequence(highest) {
			continue
		}
		i, twice := at[names(c)]
		switch {
		case !twice:
			at[names(c)] = len(kept)
			kept = append(kept, c)
		case sequence(c) >= sequence(kept[i]):
			kept[i] = c
		}
	}
	return kept
}

// masterDates works out the dates of an event. When several events have one
// UID, each is named by its start, so that they stay apart.
func (c *calendar) masterDates(m *component, several bool) ([]occurrence, error) {
	when, err := c.times(m)
	if err != nil {
		return nil, err
	}
	rules, more := m.all("RRULE"), m.all("RDATE")
	if len(m.all("EXRULE")) > 0 {
		return nil, errors.New("it says by a rule when it does not take place, which is not understood here; take out those dates one by one")
	}
	if len(rules)+len(more) == 0 || c.own {
		if !c.over(when) || c.own && len(rules) > 0 {
			o := occurrence{source: m, times: when}
			if several {
				o.key = when.start
			}
			return []occurrence{o}, nil
		}
		c.file.past++
		return nil, nil
	}
	starts, err := c.starts(m, when)
	if err != nil {
		return nil, err
	}
	if len(starts) == 0 {
		c.file.past++
	}
	found := make([]occurrence, 0, len(starts))
	for _, start := range starts {
		found = append(found, occurrence{source: m, times: when.movedTo(start), key: start})
	}
	return c.takeOut(found, m, when)
}

// starts lists when the dates of a repeating event begin, in order.
func (c *calendar) starts(m *component, when times) ([]time.Time, error) {
	window := span{start: when.start.In(when.zone.loc), from: c.from().Add(-when.lasts()), to: c.to(), limit: c.opts.MaxOccurrences}
	starts, more, err := c.addedDates(m, when, window)
	if err != nil {
		return nil, err
	}
	for _, p := range m.all("RRULE") {
		r, err := readRule(p.value)
		if err != nil {
			return nil, err
		}
		given, err := r.expand(window, &c.budget)
		if err != nil {
			return nil, err
		}
		finished := !r.opt.Until.IsZero() && r.opt.Until.Before(window.from)
		if !given.matched && !finished {
			return nil, fmt.Errorf("its repeat rule %q gives no date between %s and %s; set the repeat again in your calendar, or import again nearer the time",
				clip(p.value), dayName(later(window.start, window.from)), dayName(window.to))
		}
		starts, more = append(starts, given.starts...), more || given.more
	}
	slices.SortFunc(starts, time.Time.Compare)
	starts = slices.CompactFunc(starts, time.Time.Equal)
	if more || len(starts) > c.opts.MaxOccurrences {
		starts = starts[:min(len(starts), c.opts.MaxOccurrences)]
		c.note("%q has more than %d dates up to %s; only the first %d went in, import again later for the rest",
			clip(tidyLine(m.value("SUMMARY"))), c.opts.MaxOccurrences, dayName(window.to), c.opts.MaxOccurrences)
	}
	return starts, nil
}

// addedDates reads RDATE, and the first start when there is no rule to give it.
func (c *calendar) addedDates(m *component, when times, window span) (starts []time.Time, more bool, err error) {
	var all []time.Time
	if len(m.all("RRULE")) == 0 {
		all = append(all, when.start)
	}
	for _, p := range m.all("RDATE") {
		for value := range strings.SplitSeq(p.value, ",") {
			value, _, _ = strings.Cut(value, "/") // a period: its length is that of the event
			at, err := c.moment(p, value, when.zone)
			if err != nil {
				return nil, false, err
			}
			all = append(all, at.onDayOf(when))
		}
	}
	for _, t := range all {
		if t.Before(window.from) || !t.Before(window.to) {
			continue
		}
		if len(starts) > window.limit {
			return starts, true, nil
		}
		starts = append(starts, t)
	}
	return starts, false, nil
}

// takeOut marks the dates that EXDATE names. They stay in the list so that the
// report can name them.
func (c *calendar) takeOut(found []occurrence, m *component, when times) ([]occurrence, error) {
	instants, days := map[int64]bool{}, map[int]bool{}
	for _, p := range m.all("EXDATE") {
		for value := range strings.SplitSeq(p.value, ",") {
			if strings.TrimSpace(value) == "" {
				continue
			}
			at, err := c.moment(p, value, when.zone)
			if err != nil {
				return nil, err
			}
			if at.date || when.allDay {
				days[dayOf(at.t)] = true // Outlook writes a day for a time
			} else {
				instants[at.t.Unix()] = true
			}
		}
	}
	for i, o := range found {
		found[i].excluded = instants[o.key.Unix()] || days[dayOf(o.key.In(when.zone.loc))]
	}
	return found, nil
}

// onwards reports whether a change holds for all later dates too (RFC 5545
// §3.2.13).
func onwards(o *component) bool {
	id, _ := o.get("RECURRENCE-ID")
	return strings.EqualFold(id.param("RANGE"), "THISANDFUTURE")
}

// changeFrom changes every date from one on: as many days later or earlier as
// that one, at its new time of day, for its new length.
func (o *occurrences) changeFrom(from time.Time, changed occurrence) {
	when := changed.times
	hour, minute, second := when.start.Clock()
	moved := dayOf(when.start) - dayOf(from.In(when.zone.loc))
	for i, f := range o.list {
		if f.key.Before(from) {
			continue
		}
		y, m, d := f.key.In(when.zone.loc).Date()
		start := time.Date(y, m, d+moved, hour, minute, second, 0, when.zone.loc)
		o.list[i].source, o.list[i].times = changed.source, when.movedTo(start)
	}
}

// override puts a changed date in the place of the one that the series gave,
// or adds it when it was moved into the window or its series is not in the
// file.
func (c *calendar) override(found *occurrences, o *component, masters []*component) error {
	id, _ := o.get("RECURRENCE-ID")
	home, lasts, masterAllDay := c.zones.fallback, time.Duration(0), false
	if len(masters) > 0 {
		if when, err := c.times(masters[0]); err == nil {
			home, lasts, masterAllDay = when.zone, when.lasts(), when.allDay
		}
	}
	named, err := c.moment(id, id.value, home)
	if err != nil {
		return err
	}
	i, known := found.find(named)
	key := named.t
	if known {
		key = found.list[i].key
	}
	when := times{start: key, end: key.Add(lasts), zone: home, allDay: masterAllDay}
	if _, dated := o.get("DTSTART"); dated {
		if when, err = c.times(o); err != nil {
			return err
		}
		if !o.hasEnd() && lasts > 0 {
			when.end = when.start.Add(lasts)
		}
	}
	changed := occurrence{source: o, times: when, key: key}
	switch {
	case onwards(o) && len(found.list) > 0:
		found.changeFrom(named.t, changed)
	case known:
		found.list[i] = changed
	case c.over(when):
		c.file.past++
	default:
		found.list = append(found.list, changed)
	}
	return nil
}

func (c *component) hasEnd() bool {
	_, end := c.get("DTEND")
	_, length := c.get("DURATION")
	return end || length
}

func title(o *component, masters []*component) string {
	if own := o.value("SUMMARY"); own != "" || len(masters) == 0 {
		return own
	}
	return masters[0].value("SUMMARY")
}

func dayName(t time.Time) string { return t.Format("2 January 2006") }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
