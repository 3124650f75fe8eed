package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// repeats puts a recurrence rule into words: "Every 2 weeks on Tuesday and
// Thursday, 6 times". A rule that is too clever for that "repeats"; the next
// dates are shown beside it either way.
func repeats(l *protocol.Listing) string {
	if l.Recurrence == "" {
		return ""
	}
	const tooClever = "It repeats."
	part := map[string]string{}
	for field := range strings.SplitSeq(l.Recurrence, ";") {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return tooClever
		}
		part[strings.ToUpper(name)] = strings.ToUpper(value)
	}
	for name := range part {
		switch name {
		case "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST":
		default:
			return tooClever
		}
	}
	s, ok := every(part["FREQ"], part["INTERVAL"])
	if !ok {
		return tooClever
	}
	if part["BYDAY"] != "" {
		days, ok := onDays(part["FREQ"], part["BYDAY"])
		if !ok {
			return tooClever
		}
		s += " on " + days
	}
	return s + ending(part, l.Timezone) + "."
}

func every(freq, interval string) (string, bool) {
	units := map[string][2]string{"DAILY": {"day", "days"}, "WEEKLY": {"week", "weeks"}, "MONTHLY": {"month", "months"}, "YEARLY": {"year", "years"}}
	unit, ok := units[freq]
	if !ok {
		return "", false
	}
	if interval == "" || interval == "1" {
		return "Every " + unit[0], true
	}
	n, err := strconv.Atoi(interval)
	if err != nil || n < 1 {
		return "", false
	}
	return "Every " + strconv.Itoa(n) + " " + unit[1], true
}

// onDays reads BYDAY: weekdays in a weekly rule, and such as "2TU" or "-1FR"
// in a monthly one.
func onDays(freq, byDay string) (string, bool) {
	names := map[string]string{"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday", "SU": "Sunday"}
	which := map[string]string{"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "-1": "last"}
	var words []string
	for day := range strings.SplitSeq(byDay, ",") {
		if len(day) < 2 {
			return "", false
		}
		number, name := strings.TrimPrefix(day[:len(day)-2], "+"), names[day[len(day)-2:]]
		switch {
		case name == "":
			return "", false
		case number == "" && freq == "WEEKLY":
			words = append(words, name)
		case freq == "MONTHLY" && which[number] != "":
			words = append(words, "the "+which[number]+" "+name)
		default:
			return "", false
		}
	}
	return list(words), true
}

func ending(part map[string]string, zone string) string {
	if n, err := strconv.Atoi(part["COUNT"]); err == nil && n > 0 {
		return ", " + count(n, "time", "times") + " in all"
	}
	for _, layout := range []string{"20060102T150405Z", "20060102T150405", "20060102"} {
		if t, err := time.Parse(layout, part["UNTIL"]); err == nil {
			return " until " + vocab.Local(t, zone).Format("2 January 2006")
		}
	}
	return ""
}
