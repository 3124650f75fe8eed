package vocab

import (
	"bytes"
	"html"
	"strings"
	"time"
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

// HTML renders Markdown and keeps only harmless elements.
func (r *Renderer) HTML(markdown string) string {
	var b bytes.Buffer
	if err := r.markdown.Convert([]byte(markdown), &b); err != nil {
		return "<p>" + html.EscapeString(markdown) + "</p>"
	}
	return strings.TrimSpace(r.policy.SanitizeReader(&b).String())
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
		return protocol.Label(protocol.SubKinds(), l.SubKind) + ": " + l.Title
	}
	return l.Title
}

// content is the HTML of an object: for a Note also its title, its address and
// its hashtags, because that is all that a Mastodon reader sees.
func (r *Renderer) content(l *protocol.Listing, page string, tags []hashtag) string {
	body := r.HTML(l.Description)
	if l.Summary != "" && !strings.Contains(l.Description, l.Summary) {
		body = "<p>" + html.EscapeString(l.Summary) + "</p>" + body
	}
	if l.Kind == protocol.KindEvent {
		if body == "" {
			body = "<p>" + html.EscapeString(l.Title) + "</p>"
		}
		return body
	}
	var b strings.Builder
	b.WriteString("<p><strong>" + html.EscapeString(strings.TrimPrefix(lead(l), ": ")) + "</strong></p>")
	if where := l.Place.Line(); where != "" {
		b.WriteString("<p>" + html.EscapeString(where) + "</p>")
	}
	b.WriteString(body)
	shown := page
	if _, after, ok := strings.Cut(page, "://"); ok {
		shown = after
	}
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

// EventLine is an event's date, time, place, cost and mode in one line of
// plain text. Mastodon shows a name, this summary and a link of an Event, never
// its content, so what a person must know is here.
func EventLine(l *protocol.Listing) string {
	var parts []string
	if when := When(l); when != "" {
		parts = append(parts, when)
	}
	if where := l.Place.Line(); where != "" {
		parts = append(parts, where)
	}
	if l.Online != nil || len(l.Modes) == 1 && l.Modes[0] == "online" {
		parts = append(parts, "online")
	}
	if l.Cost != nil {
		parts = append(parts, CostLine(l.Cost))
	}
	if l.Summary != "" {
		parts = append(parts, l.Summary)
	}
	line := strings.Join(parts, " · ")
	switch l.Status {
	case "cancelled":
		return "CANCELLED — " + line
	case "postponed":
		return "POSTPONED — " + line
	}
	return line
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
	if l.Timezone != "" {
		s += " (" + l.Timezone + ")"
	}
	return s
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
	if c.Amount != "" {
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
