package exchange

import (
	"bytes"
	"strings"

	ics "github.com/arran4/golang-ical"
)

// Bounds of one content line, after unfolding. The property library copies the
// rest of the line for every parameter, so parameters are counted first.
const (
	maxContentLine = 128 << 10 // bytes
	maxLineHead    = 8 << 10   // bytes before the value
	maxParams      = 32
	maxNesting     = 8
	maxProperties  = 300_000 // of one file, among those that we read
)

// contentLine is one unfolded line of an iCalendar file (RFC 5545 §3.1).
type contentLine struct {
	number int // of its first physical line, from 1
	text   string
	long   bool // longer than maxContentLine; the rest was dropped
}

// property is one content line, parsed.
type property struct {
	line   int
	name   string // upper case
	params map[string][]string
	value  string // text values are unescaped
}

func (p property) param(name string) string {
	for k, v := range p.params {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// component is a BEGIN…END block with the properties that we read.
type component struct {
	name       string
	line       int
	properties []property
	children   []*component
	broken     string // why it cannot be read, in words for a person
}

// all returns every property with the name, get the first and whether there is one.
func (c *component) all(name string) []property {
	var found []property
	for _, p := range c.properties {
		if p.name == name {
			found = append(found, p)
		}
	}
	return found
}

func (c *component) get(name string) (property, bool) {
	for _, p := range c.properties {
		if p.name == name {
			return p, true
		}
	}
	return property{}, false
}

func (c *component) value(name string) string {
	p, _ := c.get(name)
	return strings.TrimSpace(p.value)
}

// unfold joins folded lines. It works on bytes because many programs fold in
// the middle of a UTF-8 sequence; each line is decoded once it is whole.
func unfold(raw []byte, each func(contentLine)) {
	raw = bytes.TrimPrefix(raw, []byte{0xEF, 0xBB, 0xBF})
	if !bytes.ContainsRune(raw, '\n') {
		raw = bytes.ReplaceAll(raw, []byte{'\r'}, []byte{'\n'})
	}
	var current []byte
	started, long, number, at := 0, false, 0, 0
	flush := func() {
		if len(bytes.TrimSpace(current)) > 0 {
			each(contentLine{number: started, text: decodeText(current), long: long})
		}
		current, long = current[:0], false
	}
	for at < len(raw) {
		end := bytes.IndexByte(raw[at:], '\n')
		if end < 0 {
			end = len(raw) - at
		}
		line := bytes.TrimSuffix(raw[at:at+end], []byte{'\r'})
		at += end + 1
		number++
		if number > 1 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			line = line[1:]
		} else {
			flush()
			started = number
		}
		if room := maxContentLine - len(current); len(line) > room {
			line, long = line[:room], true
		}
		current = append(current, line...)
	}
	flush()
}

// lineName returns the property name that a content line begins with, in upper
// case, or "" when it does not begin with one.
func lineName(text string) string {
	end := strings.IndexAny(text, ";:")
	if end <= 0 || end > 64 {
		return ""
	}
	for i := range end {
		c := text[i]
		if c != '-' && !('0' <= c && c <= '9') && !('A' <= c && c <= 'Z') && !('a' <= c && c <= 'z') {
			return ""
		}
	}
	return strings.ToUpper(text[:end])
}

// parseProperty reads one content line, and false when it is malformed.
func parseProperty(l contentLine, name string) (property, bool) {
	head, quoted := len(l.text), false
	params := 0
scan:
	for i := range len(l.text) {
		switch c := l.text[i]; {
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			params++
		case c == ':' && !quoted:
			head = i
			break scan
		}
	}
	if head == len(l.text) || head > maxLineHead || params > maxParams || l.long {
		return property{}, false
	}
	parsed, err := ics.ParseProperty(ics.ContentLine(name + l.text[len(name):]))
	if err != nil || parsed == nil {
		return property{}, false
	}
	p := property{line: l.number, name: name, value: parsed.Value}
	if len(parsed.ICalParameters) > 0 {
		p.params = parsed.ICalParameters
	}
	return p, true
}

// wanted says what reading a property's name leads to: a line that we do not
// need is never parsed, so its faults cost nothing; a fault in one that
// decides what or when an event is makes the event a failure.
func wanted(name string) (read, vital bool) {
	switch name {
	case "UID", "SUMMARY", "DTSTART", "DTEND", "DURATION", "RRULE", "EXRULE", "RDATE", "EXDATE", "RECURRENCE-ID",
		"STATUS", "DESCRIPTION", "LOCATION", "CLASS", "TZID", "TZOFFSETTO", "TZOFFSETFROM":
		return true, true
	case "X-ALT-DESC", "GEO", "X-APPLE-STRUCTURED-LOCATION", "SEQUENCE", "URL", "CATEGORIES", "CONFERENCE",
		"X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK",
		"X-LIC-LOCATION", "PRODID", "METHOD", "X-WR-TIMEZONE":
		return true, false
	}
	return false, false
}
