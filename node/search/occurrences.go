package search

import (
	"fmt"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/waypost-directory/waypost/protocol"
)

// Bounds of what one listing's recurrence may cost to expand, whoever wrote it.
const (
	maxInterval  = 1_000  // days, weeks, months or years
	maxDayTimes  = 48     // occurrences on one day
	maxGenerated = 10_000 // occurrences looked at; a COUNT is counted from the first
)

// Occurrences returns when a recurring listing begins, in UTC, in order: the
// occurrences that begin from (inclusive) to (exclusive), at most limit. Each
// keeps its wall-clock time in the listing's timezone over changes to and
// from summer time. The listing's own start always counts (RFC 5545
// §3.8.5.3).
//
// A listing that does not recur, and a rule that is out of bounds or wrong,
// yields just its start; no rule can make it panic or take more than some
// milliseconds.
func Occurrences(l *protocol.Listing, from, to time.Time, limit int) []time.Time {
	starts := []time.Time{}
	if !l.Start.IsZero() && !l.Start.Before(from) && l.Start.Before(to) && limit > 0 {
		starts = append(starts, l.Start.UTC())
	}
	next := iterator(l, from, to)
	for range maxGenerated {
		if len(starts) >= limit {
			break
		}
		t, ok := next()
		if !ok || !t.Before(to) {
			break
		}
		if !t.Before(from) && t.After(l.Start) {
			starts = append(starts, t)
		}
	}
	return starts
}

// iterator yields the rule's occurrences up to about to.
//
// rrule-go looks for the next occurrence of a rule that has none ("every 30
// February") until the year 9999, day by day, and cannot be stopped. So the
// rule is expanded in years that are just before it. Calendars repeat after
// 400 years and, from 1901 to 2099, after 28: years are first moved back by
// whole 28s to before 2000, then forward by 8000, and every date keeps its
// weekday. A listing that does not fit in there has its start only. Times are
// moved as wall-clock times and put back into the timezone afterwards.
func iterator(l *protocol.Listing, from, to time.Time) func() (time.Time, bool) {
	none := func() (time.Time, bool) { return time.Time{}, false }
	zone := time.UTC
	if z, err := time.LoadLocation(l.Timezone); err == nil && l.Timezone != "" && l.Timezone != "Local" {
		zone = z
	}
	rule, err := boundedRule(l.Recurrence, zone)
	if err != nil {
		return none
	}
	start := floating(l.Start.In(zone), 0)
	if rule.Count == 0 {
		start = skipAhead(start, floating(from.In(zone), 0), rule)
	}
	horizon := floating(to.In(zone), 0).AddDate(0, 0, 1)
	if !rule.Until.IsZero() {
		if until := floating(rule.Until.In(zone), 0); until.Before(horizon) {
			horizon = until
		}
	}
	shift := 8000 - max(0, horizon.Year()-1999+27)/28*28
	if start.Year()+shift < 9901 || horizon.Year() > 2099 || horizon.Before(start) {
		return none
	}
	rule.Dtstart, rule.Until = floating(start, shift), floating(horizon, shift)
	r, err := rrule.NewRRule(rule)
	if err != nil {
		return none
	}
	next := r.Iterator()
	return func() (time.Time, bool) {
		t, ok := next()
		if !ok {
			return time.Time{}, false
		}
		return time.Date(t.Year()-shift, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone).UTC(), true
	}
}

// floating is t's wall-clock time as if it were UTC, years later.
func floating(t time.Time, years int) time.Time {
	return time.Date(t.Year()+years, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// skipAhead moves the start of a daily or weekly rule without COUNT close to
// the window, by whole weeks times its interval, so that it hits the same
// days as before.
func skipAhead(start, from time.Time, rule rrule.ROption) time.Time {
	if rule.Freq != rrule.DAILY && rule.Freq != rrule.WEEKLY {
		return start
	}
	days := 7 * max(rule.Interval, 1)
	steps := int(from.Sub(start).Hours()/24)/days - 1
	if steps <= 0 {
		return start
	}
	return start.AddDate(0, 0, steps*days)
}

// boundedRule parses a rule and refuses those that cost too much to expand.
func boundedRule(s string, zone *time.Location) (rule rrule.ROption, err error) {
	defer func() { // a stranger's text in somebody else's parser
		if r := recover(); r != nil {
			err = fmt.Errorf("rule %q: %v", s, r)
		}
	}()
	if s == "" || len(s) > 300 {
		return rule, fmt.Errorf("no rule")
	}
	p, err := rrule.StrToROptionInLocation(s, zone)
	if err != nil {
		return rule, err
	}
	times := max(len(p.Byhour), 1) * max(len(p.Byminute), 1) * max(len(p.Bysecond), 1)
	if p.Freq > rrule.DAILY || p.Interval < 0 || p.Interval > maxInterval || times > maxDayTimes || len(p.Byeaster) > 0 {
		return rule, fmt.Errorf("rule %q is out of bounds", s)
	}
	return *p, nil
}
