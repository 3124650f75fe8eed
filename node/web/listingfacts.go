package web

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

func bannerOf(l *protocol.Listing) banner {
	switch l.Status {
	case "cancelled":
		return banner{"Cancelled", "This will not take place."}
	case "postponed":
		return banner{"Postponed", "This will not take place at the time given. Ask for the new date before you set out."}
	case "tentative":
		return banner{"Not confirmed yet", "Check before you set out."}
	}
	return banner{}
}

// datesShown are the occurrences told beside the next one.
const datesShown = 3

// when fills in the time: of what recurs, the next; and the dates after that.
func (w *Web) when(v *listingView, l *protocol.Listing) banner {
	now, start, end := w.cfg.Now(), l.Start, l.End
	if l.Recurrence != "" {
		length := max(end.Sub(start), 0)
		if end.IsZero() {
			length = 0
		}
		dates := search.Occurrences(l, now.Add(-length), now.AddDate(0, 0, search.HorizonDays), 1+datesShown)
		if len(dates) > 0 {
			start = dates[0]
			if !end.IsZero() {
				end = start.Add(length)
			}
			v.Later = dayList(dates[1:], l.Timezone)
		}
	}
	v.When = moment(start, end, l.Timezone, false)
	v.Start, v.End = vocab.Local(start, l.Timezone), vocab.Local(end, l.Timezone)
	b := bannerOf(l)
	last := end
	if last.IsZero() {
		last = start.Add(search.AssumedLength)
	}
	if b.Heading == "" && l.Kind == protocol.KindEvent && last.Before(now) {
		return banner{"This is over", "It has taken place already."}
	}
	return b
}

// dayList is some days in a row: "9 March, 16 March and 23 March 2027".
func dayList(dates []time.Time, zone string) string {
	words := make([]string, len(dates))
	for i, t := range dates {
		t = vocab.Local(t, zone)
		layout := "2 January"
		if i == len(dates)-1 || vocab.Local(dates[i+1], zone).Year() != t.Year() {
			layout = "2 January 2006"
		}
		words[i] = t.Format(layout)
	}
	return list(words)
}

// howTo heads how a listing is taken up.
func howTo(k protocol.Kind) string {
	switch k {
	case protocol.KindEvent:
		return "How to come"
	case protocol.KindNeed:
		return "How to help"
	case protocol.KindVolunteer:
		return "How to get in touch"
	case protocol.KindVenue:
		return "How to book"
	}
	return "How to get it"
}

// factsOf are the rows that decide whether a listing is for somebody.
func factsOf(l *protocol.Listing) []fact {
	var f facts
	if l.Cost != nil {
		f.add("Cost", sentence(vocab.CostLine(l.Cost)))
	}
	f.add("Who can come", l.Eligibility)
	f.add("Looking for", protocol.Label(protocol.Seeks(), l.Seeks))
	f.add("How many", number(l.Places))
	f.add("What it takes", words(l.Requirements))
	f.addList("When", availability(l.Availability))
	f.add("Room for", people(l.Capacity))
	f.add("Access", words(l.Accessibility))
	f.add("What is there", words(l.Features))
	f.add("Longest loan", days(l.MaxDays))
	f.add("Until", until(l))
	return f
}

// detailsOf are the rows that say what sort of thing it is.
func detailsOf(l *protocol.Listing, c protocol.Community) []fact {
	var f facts
	f.addList("Sort of help", labels(protocol.Categories(), l.Categories))
	f.addList("How it is given", labels(protocol.Modes(), l.Modes))
	f.add("Format", protocol.Label(protocol.Formats(), l.Format))
	f.add("Sort of resource", protocol.Label(protocol.SubKinds(), l.SubKind))
	f.add("Topics", words(l.Topics))
	f.add("Meant for", words(l.Audience))
	f.add("Level", level(l.Level))
	f.add("Area", areaWords(l.Areas, c))
	return f
}

// facts is a list of rows that leaves out those with nothing to say.
type facts []fact

func (f *facts) add(name, text string) {
	if text != "" {
		*f = append(*f, fact{Name: name, Words: text})
	}
}

func (f *facts) addList(name string, items []string) {
	if len(items) > 0 {
		*f = append(*f, fact{Name: name, Items: items})
	}
}

func level(key string) string {
	if key == "" || key == "everyone" {
		return ""
	}
	return protocol.Label(protocol.Levels(), key)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return thousands(n)
}

func people(n int) string {
	if n == 0 {
		return ""
	}
	return count(n, "person", "people")
}

func days(n int) string {
	if n == 0 {
		return ""
	}
	return count(n, "day", "days")
}

func until(l *protocol.Listing) string {
	t, err := l.ValidUntil.Time()
	if err != nil {
		return ""
	}
	return t.Format("2 January 2006")
}

// words joins words of an open list: "Step free, hearing loop".
func words(open []string) string {
	if len(open) == 0 {
		return ""
	}
	return capital(openWord(strings.Join(open, ", ")))
}

// availability joins the parts of one day: "Monday morning and evening".
func availability(keys []string) []string {
	var order []string
	parts := map[string][]string{}
	for _, k := range keys {
		day, part, ok := strings.Cut(protocol.Label(protocol.Availabilities(), k), " ")
		if !ok {
			continue
		}
		if parts[day] == nil {
			order = append(order, day)
		}
		parts[day] = append(parts[day], part)
	}
	words := make([]string, len(order))
	for i, day := range order {
		words[i] = day + " " + list(parts[day])
	}
	return words
}

// areaWords name the areas that a listing serves. A code that its community
// calls its own is known by the community's place; the others stay codes, for
// want of names.
func areaWords(codes []string, c protocol.Community) string {
	var words []string
	for _, code := range codes {
		if name := c.Place.Line(); name != "" && slices.Contains(c.Areas, code) {
			code = name
		}
		if !slices.Contains(words, code) {
			words = append(words, code)
		}
	}
	return list(words)
}

func tagsOf(l *protocol.Listing) []choice {
	tags := make([]choice, len(l.Tags))
	for i, t := range l.Tags {
		tags[i] = choice{Label: "#" + t, URL: "/search?" + url.Values{"q": {t}}.Encode()}
	}
	return tags
}
