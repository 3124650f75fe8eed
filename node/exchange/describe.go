package exchange

import (
	"errors"
	"regexp"
	"strings"

	"github.com/waypost-directory/waypost/protocol"
)

// describe turns what an event says, apart from when, into a listing. A
// changed date of a series says all that holds for it, but some programs leave
// out nearly everything, and many do when the date is cancelled: then the
// series stands behind it.
func (c *calendar) describe(e *component, masters []*component) (protocol.Listing, error) {
	v, series := view{e: e}, e
	if len(masters) > 0 {
		series = masters[0]
	}
	if series != e && (e.value("SUMMARY") == "" || cancelled(e)) {
		v.behind = series
	}
	l := protocol.Listing{Kind: protocol.KindEvent, Title: tidyTitle(c.withoutPeople(v.value("SUMMARY")))}
	if l.Title == "" {
		return l, errors.New("it has no title (SUMMARY); give it one in your calendar and export again")
	}
	if c.own {
		l.Recurrence = e.value("RRULE")
	}
	if p, _ := v.get("SUMMARY"); p.param("LANGUAGE") != "" {
		l.Language = p.param("LANGUAGE")
	}
	l.Status = c.status(e, series, l.Title)
	text := v.value("DESCRIPTION")
	if text == "" {
		text = v.value("X-ALT-DESC")
	}
	text, meeting := withoutMeetingBlock(text)
	l.Description = plainText(c.strict, c.withoutPeople(text))
	c.where(&l, v, meeting)
	if address := v.value("URL"); webLink(address) {
		l.Links = []protocol.Link{{URL: address}}
	}
	for _, p := range v.all("CATEGORIES") {
		for word := range strings.SplitSeq(p.value, ",") {
			sortWord(&l, word)
		}
	}
	if l.Place == nil && l.Online != nil && len(l.Modes) == 0 {
		l.Modes = []string{"online"}
	}
	return l, nil
}

// view reads an event's own properties, and those of its series behind them.
type view struct{ e, behind *component }

func (v view) get(name string) (property, bool) {
	if p, ok := v.e.get(name); ok || v.behind == nil {
		return p, ok
	}
	return v.behind.get(name)
}

func (v view) value(name string) string {
	p, _ := v.get(name)
	return strings.TrimSpace(p.value)
}

func (v view) all(name string) []property {
	if own := v.e.all(name); len(own) > 0 || v.behind == nil {
		return own
	}
	return v.behind.all(name)
}

var (
	cancelledTitle = regexp.MustCompile(`(?i)^\W{0,3}cancell?ed\b`)
	tagPattern     = regexp.MustCompile(`^[\p{L}\p{N}_]+$`)
)

func cancelled(e *component) bool {
	status := strings.ToUpper(e.value("STATUS"))
	return status == "CANCELLED" || status == "CANCELED"
}

// status is cancelled when the event, its series or the whole file says so, or
// when its title begins with the word: many organisers cancel in that way.
func (c *calendar) status(e, series *component, title string) string {
	switch {
	case cancelled(e), cancelled(series), strings.EqualFold(c.file.head.value("METHOD"), "CANCEL"), cancelledTitle.MatchString(title):
		return "cancelled"
	case strings.EqualFold(e.value("STATUS"), "TENTATIVE"):
		return "tentative"
	}
	return "confirmed"
}

// where reads the place and the online address.
func (c *calendar) where(l *protocol.Listing, v view, meeting string) {
	l.Place, l.Online = location(c.withoutPeople(v.value("LOCATION")))
	if l.Online == nil || l.Online.URL == "" {
		for _, name := range []string{"CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK"} {
			if address := v.value(name); webLink(address) && meeting == "" {
				meeting = address
			}
		}
		if webLink(meeting) {
			if l.Online == nil {
				l.Online = &protocol.Online{}
			}
			l.Online.URL = meeting
		}
	}
	if l.Online != nil && len(l.Online.Name) > maxName {
		l.Online.Name = cut(l.Online.Name, maxName)
	}
	apple, _ := v.get("X-APPLE-STRUCTURED-LOCATION")
	for _, point := range []string{v.value("GEO"), strings.TrimPrefix(apple.value, "geo:")} {
		lat, lon, ok := coordinates(point)
		if !ok || l.Place == nil && l.Online != nil {
			continue
		}
		if l.Place == nil {
			l.Place = &protocol.Place{Name: cut(tidyLine(apple.param("X-TITLE")), maxName)}
		}
		l.Place.Latitude, l.Place.Longitude = lat, lon
		return
	}
}

func webLink(s string) bool {
	return len(s) <= 2_000 && webAddress.FindString(s) == s && s != ""
}

// What Google Calendar and Outlook add to the description of an event with a
// call: how to join, with dial-in numbers and pass codes. The address is kept
// as the listing's online address; the rest is not for everybody's eyes.
var (
	meetBlock  = regexp.MustCompile(`(?s)-::~[:~]+::-.*?-::~[:~]+::-`)
	teamsBlock = regexp.MustCompile(`(?s)_{20,}\s*Microsoft Teams.*?(?:_{20,}|$)`)
)

// withoutMeetingBlock takes the blocks out and returns the address in them.
func withoutMeetingBlock(s string) (text, meeting string) {
	for _, pattern := range []*regexp.Regexp{meetBlock, teamsBlock} {
		block := pattern.FindString(s)
		for _, address := range webAddress.FindAllString(block, 10) {
			if meeting == "" && (strings.HasPrefix(address, "https://meet.google.com/") || strings.HasPrefix(address, "https://teams.")) {
				meeting = strings.TrimRight(address, ">.,)")
			}
		}
		if block != "" {
			s = strings.Replace(s, block, "", 1)
		}
	}
	return s, meeting
}

// sortWord puts a calendar's category where it belongs: a word of our closed
// lists, a hashtag, else a topic. Outlook's colours say nothing to others.
func sortWord(l *protocol.Listing, word string) {
	word = tidyLine(word)
	if tag, ok := strings.CutPrefix(word, "#"); ok {
		if tag = strings.ReplaceAll(tag, " ", ""); tag != "" && tagPattern.MatchString(tag) && len(l.Tags) < 30 && len(tag) <= maxWord {
			addWord(&l.Tags, tag)
		}
		return
	}
	if key, ok := termKey(protocol.Categories(), word); ok {
		addWord(&l.Categories, key)
		return
	}
	if key, ok := termKey(protocol.Modes(), word); ok {
		addWord(&l.Modes, key)
		return
	}
	if key, ok := termKey(protocol.Formats(), word); ok && l.Format == "" {
		l.Format = key
		return
	}
	topic := slug(word)
	if topic == "" || len(l.Topics) >= 30 || strings.HasSuffix(topic, "-category") {
		return
	}
	addWord(&l.Topics, topic)
}

func addWord(list *[]string, word string) {
	for _, has := range *list {
		if has == word {
			return
		}
	}
	*list = append(*list, word)
}
