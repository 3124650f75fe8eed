package vocab

import (
	"bytes"
	"html"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"github.com/waypost-directory/waypost/protocol"
)

// Renderer turns Markdown into the HTML that Mastodon keeps. It is safe for
// concurrent use; make one and share it.
type Renderer struct {
	markdown goldmark.Markdown
	policy   *bluemonday.Policy
}

// NewRenderer builds the Markdown reader and the allow-list of elements.
func NewRenderer() *Renderer {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "strong", "em", "b", "i", "del", "ul", "ol", "li", "blockquote", "pre", "code")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return &Renderer{markdown: goldmark.New(goldmark.WithExtensions(extension.Linkify, extension.Strikethrough)), policy: p}
}

// HTML renders Markdown and keeps only harmless elements. Text that would cost
// more than it says, such as a thousand quotations inside one another, stays as
// it was written: a stranger's listing is rendered each time somebody looks.
func (r *Renderer) HTML(markdown string) string {
	var b bytes.Buffer
	if tangled(markdown) || r.markdown.Convert([]byte(markdown), &b) != nil {
		return paragraph(markdown)
	}
	return strings.TrimSpace(r.policy.SanitizeReader(&b).String())
}

// tangled tells text on which goldmark spends more than linear time: open
// brackets by the hundred, and quotations and lists deeper inside one another
// than anybody writes.
func tangled(markdown string) bool {
	const maxBrackets, maxDepth = 500, 20
	if strings.Count(markdown, "[") > maxBrackets {
		return true
	}
	for line := range strings.Lines(markdown) {
		if depth(line) > maxDepth {
			return true
		}
	}
	return false
}

// depth counts the marks of quotations and lists before a line's first letter.
func depth(line string) int {
	n := 0
	for i, r := range line {
		switch r {
		case '>':
			n++
		case '-', '+', '*', '.', ')':
			if i+1 < len(line) && (line[i+1] == ' ' || line[i+1] == '\t') {
				n++
			}
		default:
			if unicode.IsLetter(r) {
				return n
			}
		}
	}
	return n
}

// lead is the bold first line of a Note, since a Note must not have a name.
func lead(l *protocol.Listing) string {
	switch l.Kind {
	case protocol.KindOffer:
		return "Offered: " + l.Title
	case protocol.KindNeed:
		if l.Seeks == "volunteers" {
			return "Volunteers wanted: " + l.Title
		}
		return "Needed: " + l.Title
	case protocol.KindVolunteer:
		return "Volunteer: " + l.Title
	case protocol.KindVenue:
		return "Venue: " + l.Title
	case protocol.KindResource:
		if l.SubKind == "kit-to-lend" {
			return "To borrow: " + l.Title
		}
		if l.SubKind != "" {
			return protocol.Label(protocol.SubKinds(), l.SubKind) + ": " + l.Title
		}
	}
	return l.Title
}

// maxBody bounds a description as HTML. It travels three times in an object
// (content, contentMap, listing), and Markdown can grow many times over.
const maxBody = 24 << 10

// body renders a description; one that grows beyond all measure is shown as it
// was written, cut short, for the page has all of it.
func (r *Renderer) body(description string) string {
	rendered := r.HTML(description)
	if len(rendered) <= maxBody {
		return rendered
	}
	return "<p>" + html.EscapeString(shorten(description, maxBody/8)) + "</p>"
}

// content is the HTML of an object: for a Note also its title, what there is to
// know, its address and its hashtags, because a Mastodon reader sees no more.
func (r *Renderer) content(l *protocol.Listing, page string, tags []hashtag) string {
	body := r.body(l.Description)
	if l.Summary != "" && !strings.Contains(l.Description, l.Summary) {
		body = paragraph(l.Summary) + body
	}
	if l.Kind == protocol.KindEvent {
		if body == "" {
			return paragraph(l.Title)
		}
		return body
	}
	var b strings.Builder
	b.WriteString("<p><strong>" + html.EscapeString(lead(l)) + "</strong></p>")
	if known := facts(l); known != "" {
		b.WriteString(paragraph(known))
	}
	b.WriteString(body)
	_, shown, _ := strings.Cut(page, "://")
	b.WriteString(`<p><a href="` + html.EscapeString(page) + `">` + html.EscapeString(shown) + `</a></p>`)
	if len(tags) > 0 {
		links := make([]string, len(tags))
		for i, t := range tags {
			links[i] = `<a href="` + html.EscapeString(t.href) + `" class="mention hashtag" rel="tag">#<span>` + html.EscapeString(t.word) + `</span></a>`
		}
		b.WriteString("<p>" + strings.Join(links, " ") + "</p>")
	}
	return b.String()
}

func paragraph(text string) string { return "<p>" + html.EscapeString(text) + "</p>" }

// maxWhere bounds a place in a line about an event, so that the cost behind it
// is never cut off.
const maxWhere = 200

// facts is a listing's date, time, place, mode and cost in one line of plain
// text.
func facts(l *protocol.Listing) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(When(l))
	add(repeats(l.Recurrence))
	add(shorten(l.Place.Line(), maxWhere))
	if l.Online != nil || len(l.Modes) == 1 && l.Modes[0] == "online" {
		add("online")
	}
	if l.Cost != nil {
		add(CostLine(l.Cost))
	}
	return strings.Join(parts, " · ")
}

// EventLine is what a person must know of an event in one line of plain text.
// Mastodon shows a name, this summary and a link of an Event, never its
// content. It reads the line as HTML, so there is no < in it.
func EventLine(l *protocol.Listing) string {
	line := facts(l)
	if l.Summary != "" {
		line += " · " + l.Summary
	}
	switch l.Status {
	case "cancelled":
		line = "CANCELLED — " + line
	case "postponed":
		line = "POSTPONED — " + line
	case "tentative":
		line = "Not confirmed yet — " + line
	}
	return shorten(strings.NewReplacer("<", "‹", ">", "›").Replace(line), 500)
}

// repeats says how often a recurrence rule repeats, in plain words.
func repeats(rule string) string {
	var freq string
	for part := range strings.SplitSeq(rule, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name == "FREQ":
			freq = value
		case name == "INTERVAL" && value != "1":
			return "repeats"
		}
	}
	switch freq {
	case "":
		return ""
	case "DAILY", "WEEKLY", "MONTHLY", "YEARLY":
		return "repeats " + strings.ToLower(freq)
	}
	return "repeats"
}

// When is a listing's date and time for people, in its own time zone:
// "Sat 5 Sep 2026, 10:00–13:00 (Europe/London)".
func When(l *protocol.Listing) string {
	if l.Start.IsZero() {
		return ""
	}
	start, end := Local(l.Start, l.Timezone), Local(l.End, l.Timezone)
	s := start.Format("Mon 2 Jan 2006, 15:04")
	switch {
	case l.End.IsZero():
	case start.Format(time.DateOnly) == end.Format(time.DateOnly):
		s += "–" + end.Format("15:04")
	default:
		s += " – " + end.Format("Mon 2 Jan 2006, 15:04")
	}
	if start.Location().String() == l.Timezone && l.Timezone != "" {
		return s + " (" + l.Timezone + ")"
	}
	if _, offset := start.Zone(); offset == 0 {
		return s + " (UTC)"
	}
	return s + start.Format(" (UTC-07:00)")
}

// Local is a moment in an IANA time zone; in its own offset when the name is
// empty or not known here.
func Local(t time.Time, zone string) time.Time {
	if zone == "" || t.IsZero() {
		return t
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return t
	}
	return t.In(loc)
}

// CostLine is a cost in words: "free", "£12.00 per hour", "deposit £20.00".
func CostLine(c *protocol.Cost) string {
	var parts []string
	if c.Amount != "" && !c.Free {
		s := money(c.Amount, c.Currency)
		if c.Per != "" {
			s += " per " + c.Per
		}
		parts = append(parts, s)
	}
	if c.Free {
		parts = append(parts, "free")
	}
	if c.Deposit != "" {
		parts = append(parts, "deposit "+money(c.Deposit, c.Currency))
	}
	if c.Note != "" {
		parts = append(parts, c.Note)
	}
	return strings.Join(parts, ", ")
}

func money(amount, currency string) string {
	switch currency {
	case "GBP":
		return "£" + amount
	case "EUR":
		return "€" + amount
	}
	return amount + " " + currency
}

// hashtag is a word that Mastodon readers can follow, and our page for it.
type hashtag struct{ word, href string }

// shorten cuts text at a limit of characters, on a whole character.
func shorten(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
