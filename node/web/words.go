package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

func (w *Web) templateFuncs() template.FuncMap {
	return template.FuncMap{
		"asset": w.assetURL,
		"ago":   w.ago,
		"day":   func(t time.Time) string { return t.Format("2 January 2006") },
		"time":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"stamp": func(t time.Time) string { return t.Format(time.RFC3339) },
		"count": count,
		"kind":  func(k protocol.Kind) string { return protocol.Label(protocol.Kinds(), string(k)) },
		"kinds": func(k protocol.Kind) string { return plural(k) },
		"mode":  func(k string) string { return protocol.Label(protocol.Modes(), k) },
		"category": func(k string) string {
			return protocol.Label(append(protocol.Categories(), protocol.Term{Key: protocol.SkillsSupport, Label: "Skills support"}), k)
		},
		"wrong": func(field string, all map[string]string) protocol.FieldError {
			return protocol.FieldError{Field: field, Problem: all[field]}
		},
		"number": func(n int) string { return thousands(n) },
	}
}

// plural is a kind's heading over several of it.
func plural(k protocol.Kind) string {
	switch k {
	case protocol.KindEvent:
		return "Events"
	case protocol.KindOffer:
		return "Offers of help"
	case protocol.KindNeed:
		return "Needs"
	case protocol.KindVolunteer:
		return "Volunteers"
	case protocol.KindVenue:
		return "Venues"
	case protocol.KindResource:
		return "Resources"
	}
	return string(k)
}

// count is a number with its noun: "1 result", "1,204 results".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ago says how long ago something was, the more roughly the longer.
func (w *Web) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := w.cfg.Now().Sub(t)
	days := int(d.Hours() / 24)
	switch {
	case d < time.Hour: // also when another clock is ahead of ours
		return "less than an hour ago"
	case d < 24*time.Hour:
		return count(int(d.Hours()), "hour", "hours") + " ago"
	case days == 1:
		return "yesterday"
	case days < 14:
		return count(days, "day", "days") + " ago"
	case days < 60:
		return count(days/7, "week", "weeks") + " ago"
	case days < 365:
		return count(days/30, "month", "months") + " ago"
	}
	return "more than a year ago"
}

// confirmed says when a listing's origin last vouched for it; a day is as
// exact as people need.
func (w *Web) confirmed(t time.Time) string {
	switch days := int(w.cfg.Now().Sub(t).Hours() / 24); {
	case t.IsZero():
		return ""
	case days < 1:
		return "confirmed today"
	}
	return "confirmed " + w.ago(t)
}

// moment is a date and time for people, in the listing's own time zone:
// "Tuesday 2 March 2027, 10am to 12 noon". Short words are for lists.
func moment(start, end time.Time, zone string, short bool) string {
	if start.IsZero() {
		return ""
	}
	layout := "Monday 2 January 2006"
	if short {
		layout = "Mon 2 Jan 2006"
	}
	a, b := vocab.Local(start, zone), vocab.Local(end, zone)
	wholeDays := clock(a) == "12 midnight" && !end.IsZero() && clock(b) == "12 midnight" && b.Sub(a) >= 23*time.Hour
	if wholeDays {
		b = b.AddDate(0, 0, -1) // the last day, not the midnight after it
		if sameDay(a, b) {
			return a.Format(layout) + ", all day"
		}
		return a.Format(layout) + " to " + b.Format(layout)
	}
	s := a.Format(layout) + ", " + clock(a)
	switch {
	case end.IsZero() || !end.After(start):
		return s
	case sameDay(a, b):
		return s + " to " + clock(b)
	}
	return s + " to " + b.Format(layout) + ", " + clock(b)
}

func sameDay(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// clock is a time of day as people say it.
func clock(t time.Time) string {
	switch t.Format("15:04") {
	case "12:00":
		return "12 noon"
	case "00:00":
		return "12 midnight"
	}
	if t.Minute() == 0 {
		return t.Format("3pm")
	}
	return t.Format("3:04pm")
}

// zoneWords names a time zone: "UK time", "Paris time".
func zoneWords(zone string) string {
	switch zone {
	case "":
		return ""
	case "Europe/London":
		return "UK time"
	case "UTC", "Etc/UTC":
		return "UTC"
	}
	city := zone[strings.LastIndex(zone, "/")+1:]
	return strings.ReplaceAll(city, "_", " ") + " time"
}

// away is a distance for people, in both units that they use.
func away(km float64) string {
	if km < 1 {
		return "less than 1 km away"
	}
	return tenths(km) + " km (" + tenths(km/1.609344) + " miles) away"
}

func tenths(n float64) string {
	if n >= 10 {
		return strconv.Itoa(int(math.Round(n)))
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0")
}

// capital writes the first letter large, whatever its script.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

// openWord turns a word of an open list into one that people read.
func openWord(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "-", " "), "_", " ")
}

// list joins words as people do: "a, b and c".
func list(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func labels(terms []protocol.Term, keys []string) []string {
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = protocol.Label(terms, k)
	}
	return words
}

// clip cuts text at so many characters, at a space when there is one.
func clip(s string, limit int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) <= limit {
		return string(r)
	}
	cut := string(r[:limit-1])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)/2 {
		cut = cut[:i]
	}
	return cut + "…"
}
