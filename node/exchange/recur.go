package exchange

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// Bounds of one repeat rule. Nobody's calendar needs more; a file that asks
// for more would keep us counting.
const (
	maxRuleLength = 500
	maxInterval   = 1_000
	maxCount      = 10_000
	fileBudget    = 4_000_000 // days looked at while one file's rules are worked out
)

// rule is an RFC 5545 RRULE, parsed by rrule-go and worked out here. rrule-go's
// own iterator looks for the next date as far as the year 9999, which a rule
// that never yields (30 February) turns into 0.1 to 0.8 seconds an event, and
// a file holds thousands of events. Ours stops at the end of the span that it
// is asked for and spends a budget; a test holds it against rrule-go's.
type rule struct {
	opt       rrule.ROption
	untilDate bool // UNTIL is a date: the whole of that local day is in
	untilUTC  bool // UNTIL is in UTC, else local
}

// readRule parses a rule and refuses what we cannot work out, in words.
func readRule(text string) (rule, error) {
	text = strings.ToUpper(strings.Trim(strings.Join(strings.Fields(text), ""), ";"))
	if len(text) > maxRuleLength {
		return rule{}, errors.New("its repeat rule is too long; set the repeat again in your calendar")
	}
	text = strings.TrimPrefix(text, "RSCALE=GREGORIAN;")
	opt, err := rrule.StrToROption(text)
	if err == nil {
		_, err = rrule.NewRRule(*opt)
	}
	if err != nil {
		return rule{}, fmt.Errorf("its repeat rule %q cannot be read (%v); set the repeat again in your calendar", clip(text), err)
	}
	switch {
	case opt.Freq > rrule.DAILY:
		return rule{}, errors.New("it repeats more often than daily; enter it as a daily event with its hours in the description")
	case opt.Interval > maxInterval:
		return rule{}, fmt.Errorf("it repeats only every %d %s; enter its dates one by one", opt.Interval, periods(opt.Freq))
	case opt.Count > maxCount:
		return rule{}, fmt.Errorf("it repeats %d times; give it an end date, or let it repeat for ever", opt.Count)
	case len(opt.Byweekno)+len(opt.Byyearday)+len(opt.Byeaster) > 0:
		return rule{}, errors.New("its repeat rule counts weeks or days of the year, which is not understood here; enter its dates one by one")
	}
	_, until, _ := strings.Cut(text, "UNTIL=")
	until, _, _ = strings.Cut(until, ";")
	return rule{opt: *opt, untilDate: len(until) == len("20060102"), untilUTC: strings.HasSuffix(until, "Z")}, nil
}

func periods(f rrule.Frequency) string {
	return [...]string{"years", "months", "weeks", "days"}[f]
}

// span is what a rule is worked out for: the series' first start, in its zone,
// and the window that dates must lie in.
type span struct {
	start    time.Time
	from, to time.Time // from <= date < to
	limit    int       // dates to return at most
}

// dates is what a rule gave.
type dates struct {
	starts  []time.Time // in the series' zone, ascending
	matched bool        // the rule itself gave a date up to the end of the window
	more    bool        // there were more than the limit
}

var errBudget = errors.New("the repeats of this file take too long to work out; export fewer events and import the parts")

// expand works a rule out. The first start always belongs to the series and
// counts, whether or not the rule gives it (RFC 5545 §3.8.5.3).
func (r rule) expand(s span, budget *int) (dates, error) {
	clock, err := r.clock(s.start)
	if err != nil {
		return dates{}, err
	}
	var found dates
	counted, first := 0, dayOf(s.start)
	take := func(t time.Time) bool {
		counted++
		if r.opt.Count > 0 && counted > r.opt.Count || r.ended(t) || !t.Before(s.to) {
			return false
		}
		if t.Before(s.from) {
			return true
		}
		if len(found.starts) == s.limit {
			found.more = true
			return false
		}
		found.starts = append(found.starts, t)
		return true
	}
	r.opt = r.filled(s.start)
	k := 0
	if inFirst, err := r.period(0, s.start, budget); err != nil {
		return dates{}, err
	} else if !slices.Contains(inFirst, first) {
		take(s.start)
	}
	if r.opt.Count == 0 {
		k = r.periodBefore(s.start, s.from)
	}
	for ; ; k++ {
		begin, days := r.begin(k, s.start), []int(nil)
		if begin > dayOf(s.to.In(s.start.Location())) {
			return found, nil
		}
		if days, err = r.period(k, s.start, budget); err != nil {
			return dates{}, err
		}
		for _, day := range days {
			if day < first {
				continue
			}
			t := clock(day)
			if t.Before(s.to) {
				found.matched = true
			}
			if !take(t) {
				return found, nil
			}
		}
	}
}

// clock returns the function that gives a day's start time. The local time of
// day stays the same across a change of clocks.
func (r rule) clock(start time.Time) (func(day int) time.Time, error) {
	hour, minute, second := start.Clock()
	for _, by := range []struct {
		list []int
		want int
	}{{r.opt.Byhour, hour}, {r.opt.Byminute, minute}, {r.opt.Bysecond, second}} {
		if len(by.list) > 1 || len(by.list) == 1 && by.list[0] != by.want {
			return nil, errors.New("it repeats at several times of a day; make one event of each time")
		}
	}
	return func(day int) time.Time {
		y, m, d := civil(day)
		return time.Date(y, m, d, hour, minute, second, 0, start.Location())
	}, nil
}

// ended reports whether a date lies after UNTIL.
func (r rule) ended(t time.Time) bool {
	switch {
	case r.opt.Until.IsZero():
		return false
	case r.untilUTC:
		return t.After(r.opt.Until)
	}
	y, m, d := t.Date()
	hour, minute, second := t.Clock()
	if r.untilDate {
		hour, minute, second = 0, 0, 0
	}
	return time.Date(y, m, d, hour, minute, second, 0, time.UTC).After(r.opt.Until)
}

// filled gives the rule the parts that it takes from the first start.
func (r rule) filled(start time.Time) rrule.ROption {
	opt := r.opt
	opt.Interval = max(opt.Interval, 1)
	if len(opt.Byweekday)+len(opt.Bymonthday) > 0 {
		return opt
	}
	switch opt.Freq {
	case rrule.YEARLY:
		if len(opt.Bymonth) == 0 {
			opt.Bymonth = []int{int(start.Month())}
		}
		opt.Bymonthday = []int{start.Day()}
	case rrule.MONTHLY:
		opt.Bymonthday = []int{start.Day()}
	case rrule.WEEKLY:
		opt.Byweekday = []rrule.Weekday{[]rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}[start.Weekday()]}
	}
	return opt
}

// Days are counted from 1 January 1970, whatever the zone.

func dayOf(t time.Time) int {
	y, m, d := t.Date()
	return daysFrom(y, m, d)
}

func daysFrom(y int, m time.Month, d int) int {
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

func civil(day int) (int, time.Month, int) { return time.Unix(int64(day)*86_400, 0).UTC().Date() }

// weekdayOf counts from Monday, as rrule-go does.
func weekdayOf(day int) int { return ((day+3)%7 + 7) % 7 }

// begin returns the first day of the k-th period.
func (r rule) begin(k int, start time.Time) int {
	n, first := k*r.opt.Interval, dayOf(start)
	switch r.opt.Freq {
	case rrule.DAILY:
		return first + n
	case rrule.WEEKLY:
		return first - (weekdayOf(first)-r.opt.Wkst.Day()+7)%7 + 7*n
	case rrule.MONTHLY:
		return daysFrom(start.Year(), start.Month()+time.Month(n), 1)
	}
	return daysFrom(start.Year()+n, 1, 1)
}

// periodBefore returns a period that surely begins no later than from, so that
// a series without COUNT need not be counted from its beginning.
func (r rule) periodBefore(start, from time.Time) int {
	longest := [...]int{366, 31, 7, 1}[r.opt.Freq] * r.opt.Interval
	return max((dayOf(from)-dayOf(start))/longest-2, 0)
}

// period returns the days of the k-th period that the rule gives.
func (r rule) period(k int, start time.Time, budget *int) ([]int, error) {
	begin := r.begin(k, start)
	y, m, _ := civil(begin)
	end := begin + 1
	switch r.opt.Freq {
	case rrule.WEEKLY:
		end = begin + 7
	case rrule.MONTHLY:
		end = daysFrom(y, m+1, 1)
	case rrule.YEARLY:
		end = daysFrom(y+1, 1, 1)
	}
	if *budget -= end - begin; *budget < 0 {
		return nil, errBudget
	}
	var days []int
	for day := begin; day < end; day++ {
		if r.gives(day) {
			days = append(days, day)
		}
	}
	return r.positions(days), nil
}

// gives reports whether a day passes every BY part (RFC 5545 §3.3.10).
func (r rule) gives(day int) bool {
	y, m, d := civil(day)
	if len(r.opt.Bymonth) > 0 && !slices.Contains(r.opt.Bymonth, int(m)) {
		return false
	}
	if len(r.opt.Bymonthday) > 0 {
		fromEnd := d - daysFrom(y, m+1, 1) + daysFrom(y, m, 1) - 1
		if !slices.Contains(r.opt.Bymonthday, d) && !slices.Contains(r.opt.Bymonthday, fromEnd) {
			return false
		}
	}
	if len(r.opt.Byweekday) == 0 {
		return true
	}
	for _, w := range r.opt.Byweekday {
		if w.Day() == weekdayOf(day) && r.ordinal(w.N(), day, y, m) {
			return true
		}
	}
	return false
}

// ordinal reports whether a day is the n-th of its weekday in its month, or in
// its year for a yearly rule without months; n < 0 counts from the end.
func (r rule) ordinal(n, day, y int, m time.Month) bool {
	if n == 0 || r.opt.Freq > rrule.MONTHLY {
		return true
	}
	first, end := daysFrom(y, m, 1), daysFrom(y, m+1, 1)
	if r.opt.Freq == rrule.YEARLY && len(r.opt.Bymonth) == 0 {
		first, end = daysFrom(y, 1, 1), daysFrom(y+1, 1, 1)
	}
	if n > 0 {
		return (day-first)/7+1 == n
	}
	return (end-1-day)/7+1 == -n
}

// positions keeps what BYSETPOS asks for.
func (r rule) positions(days []int) []int {
	if len(r.opt.Bysetpos) == 0 {
		return days
	}
	var kept []int
	for i, day := range days {
		if slices.Contains(r.opt.Bysetpos, i+1) || slices.Contains(r.opt.Bysetpos, i-len(days)) {
			kept = append(kept, day)
		}
	}
	return kept
}
