package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"
)

func london(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// drawRule draws a rule that rrule-go works out as RFC 5545 says. It does not
// where BYDAY mixes ordinals with plain days, and where a weekly rule has a
// BYSETPOS.
func drawRule(t *rapid.T) string {
	freq := rapid.SampledFrom([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
	parts := []string{"FREQ=" + freq}
	add := func(name string, chance int, draw func() string) bool {
		if rapid.IntRange(1, 100).Draw(t, "with "+name) > chance {
			return false
		}
		parts = append(parts, name+"="+draw())
		return true
	}
	numbers := func(name string, from, to, most int) func() string {
		return func() string {
			list := rapid.SliceOfNDistinct(rapid.IntRange(from, to).Filter(func(n int) bool { return n != 0 }), 1, most, rapid.ID[int]).Draw(t, name)
			return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
		}
	}
	add("INTERVAL", 50, numbers("interval", 1, 5, 1))
	add("BYMONTH", 30, numbers("months", 1, 12, 4))
	add("BYMONTHDAY", 25, numbers("month days", -31, 31, 4))
	byDay := add("BYDAY", 50, func() string {
		days := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}), 1, 3, rapid.ID[string]).Draw(t, "days")
		if freq == "MONTHLY" || freq == "YEARLY" {
			if n := rapid.IntRange(-5, 5).Draw(t, "ordinal"); n != 0 {
				for i := range days {
					days[i] = fmt.Sprint(n) + days[i]
				}
			}
		}
		return strings.Join(days, ",")
	})
	if byDay && freq != "WEEKLY" && freq != "DAILY" {
		add("BYSETPOS", 30, numbers("positions", -3, 3, 2))
	}
	add("WKST", 30, func() string { return rapid.SampledFrom([]string{"MO", "SU", "WE"}).Draw(t, "wkst") })
	if !add("COUNT", 40, numbers("count", 1, 60, 1)) {
		add("UNTIL", 30, func() string {
			return fmt.Sprintf("%d%02d15T090000Z", rapid.IntRange(2026, 2029).Draw(t, "until year"), rapid.IntRange(1, 12).Draw(t, "until month"))
		})
	}
	return strings.Join(parts, ";")
}

// reference works a rule out with rrule-go, and adds the first start, which
// always belongs to a series.
func reference(t *rapid.T, text string, s span) []time.Time {
	opt, err := rrule.StrToROption(text)
	if err != nil {
		t.Fatal(err)
	}
	opt.Dtstart = s.start
	end := s.to.Add(-time.Second)
	if opt.Until.IsZero() || opt.Until.After(end) {
		opt.Until = end
	}
	if s.start.After(opt.Until) {
		return nil
	}
	first := *opt
	first.Count, first.Until = 0, s.start
	r, err := rrule.NewRRule(first)
	if err != nil {
		t.Fatal(err)
	}
	given := len(r.All()) == 1
	all := []time.Time{s.start}
	if given || opt.Count != 1 {
		if !given && opt.Count > 1 {
			opt.Count--
		}
		if r, err = rrule.NewRRule(*opt); err != nil {
			t.Fatal(err)
		}
		all = append(all, r.All()...)
	}
	slices.SortFunc(all, time.Time.Compare)
	all = slices.CompactFunc(all, time.Time.Equal)
	return slices.DeleteFunc(all, func(at time.Time) bool { return at.Before(s.from) || !at.Before(s.to) })
}

func TestExpand_GivesWhatRRuleGoGives(t *testing.T) {
	loc := london(t)
	rapid.Check(t, func(t *rapid.T) {
		text := drawRule(t)
		start := time.Date(rapid.IntRange(2024, 2028).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")),
			rapid.IntRange(1, 31).Draw(t, "day"), rapid.IntRange(4, 23).Draw(t, "hour"), 30, 0, 0, loc)
		from := now.AddDate(0, 0, rapid.IntRange(-300, 300).Draw(t, "from"))
		s := span{start: start, from: from, to: from.AddDate(0, 0, rapid.IntRange(1, 800).Draw(t, "length")), limit: 10_000}
		r, err := readRule(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		budget := fileBudget
		got, err := r.expand(s, &budget)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := reference(t, text, s)
		if diff := cmp.Diff(stamps(want), stamps(got.starts)); diff != "" {
			t.Fatalf("%s from %v (-rrule-go +ours):\n%s", text, start, diff)
		}
	})
}

func stamps(times []time.Time) []string {
	list := make([]string, len(times))
	for i, t := range times {
		list[i] = t.UTC().Format("Mon 2006-01-02 15:04Z")
	}
	return list
}

func TestExpand_KeepsTheHourAcrossAChangeOfClocks(t *testing.T) {
	r, err := readRule("FREQ=WEEKLY;COUNT=4")
	if err != nil {
		t.Fatal(err)
	}
	budget := fileBudget
	start := time.Date(2027, 3, 16, 10, 0, 0, 0, london(t))
	got, err := r.expand(span{start: start, from: now, to: now.AddDate(1, 0, 0), limit: 100}, &budget)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Tue 2027-03-16 10:00Z", "Tue 2027-03-23 10:00Z", "Tue 2027-03-30 09:00Z", "Tue 2027-04-06 09:00Z"}
	if diff := cmp.Diff(want, stamps(got.starts)); diff != "" {
		t.Error(diff)
	}
}

// rrule-go needs all plain days or all ordinals to be right; RFC 5545 allows
// both, and so do we.
func TestExpand_TakesPlainDaysBesideOrdinals(t *testing.T) {
	r, err := readRule("FREQ=MONTHLY;BYDAY=1MO,-1FR;COUNT=4")
	if err != nil {
		t.Fatal(err)
	}
	budget := fileBudget
	start := time.Date(2027, 4, 5, 18, 0, 0, 0, time.UTC)
	got, _ := r.expand(span{start: start, from: now, to: now.AddDate(1, 0, 0), limit: 100}, &budget)
	want := []string{"Mon 2027-04-05 18:00Z", "Fri 2027-04-30 18:00Z", "Mon 2027-05-03 18:00Z", "Fri 2027-05-28 18:00Z"}
	if diff := cmp.Diff(want, stamps(got.starts)); diff != "" {
		t.Error(diff)
	}
}

func TestReadICS_AHostileRuleEndsAtOnceAsAFailure(t *testing.T) {
	for _, text := range []string{
		"FREQ=SECONDLY", "FREQ=MINUTELY;INTERVAL=1", "FREQ=HOURLY;COUNT=1000000000", "FREQ=DAILY;COUNT=1000000000",
		"FREQ=DAILY;INTERVAL=9223372036854775807", "FREQ=WEEKLY;INTERVAL=1000000", "FREQ=DAILY;INTERVAL=-1", "FREQ=DAILY;COUNT=99999999999999999999",
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=31,30;BYSETPOS=300",
		"FREQ=WEEKLY;BYDAY=MO;BYSETPOS=300", "FREQ=MONTHLY;BYDAY=6MO", "FREQ=DAILY;BYHOUR=1,2,3", "FREQ=YEARLY;BYWEEKNO=54", "FREQ=YEARLY;BYEASTER=400",
		"FREQ=DAILY;BYMONTHDAY=" + strings.Repeat("1,", 10_000) + "1", "FREQ=", "", ";;;=;", "FREQ=DAILY;FREQ", "FREQ=YEARLY;BYDAY=0MO;BYYEARDAY=-366",
	} {
		begin := time.Now()
		report, err := ReadICS(strings.NewReader(oneEvent("DTSTART:20270311T100000Z", "RRULE:"+text)), testOptions())
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("%.40q took %v", text, took)
		}
		if err != nil || len(report.Failures) != 1 || len(report.Drafts) != 0 {
			t.Errorf("%.40q: %d drafts, failures %v, error %v; want one failure", text, len(report.Drafts), report.Failures, err)
		}
	}
}

func TestReadICS_AFileFullOfHostileRulesEndsSoon(t *testing.T) {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\n")
	for i := range 5_100 {
		fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:%d\r\nSUMMARY:Barren\r\nDTSTART:19000101T100000Z\r\nRRULE:FREQ=DAILY;COUNT=10000;BYMONTH=2;BYMONTHDAY=30\r\nEND:VEVENT\r\n", i)
	}
	b.WriteString("END:VCALENDAR\r\n")
	begin := time.Now()
	report, err := ReadICS(strings.NewReader(b.String()), testOptions())
	if err != nil || len(report.Failures) != DefaultMaxItems+1 {
		t.Errorf("got %d failures, error %v", len(report.Failures), err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// oneEvent is a calendar with one event that has these lines besides its
// title.
func oneEvent(lines ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:one\r\nSUMMARY:An event\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}
