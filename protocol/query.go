package protocol

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Query is one search, with the same parameters everywhere: the page, its
// JSON, feeds and other nodes. The zero value finds everything.
type Query struct {
	Text       string   `json:"q,omitempty"`
	Kinds      []Kind   `json:"kind,omitempty"`
	Categories []string `json:"category,omitempty"` // SkillsSupport stands for its four children
	Modes      []string `json:"mode,omitempty"`
	Formats    []string `json:"format,omitempty"`
	Topic      string   `json:"topic,omitempty"`
	Audience   string   `json:"audience,omitempty"`
	Access     []string `json:"access,omitempty"` // accessibility words that must all be there
	Free       bool     `json:"free,omitempty"`
	Community  string   `json:"community,omitempty"` // a cid or a handle
	Area       string   `json:"area,omitempty"`      // official code

	Near   string  `json:"near,omitempty"`   // a place's name, or "lat,lon"
	Point  *Point  `json:"point,omitempty"`  // what Near was resolved to
	Within float64 `json:"within,omitempty"` // km around Point

	From time.Time `json:"from,omitzero"` // events that end at or after
	To   time.Time `json:"to,omitzero"`   // events that start before

	Sort    string `json:"sort,omitempty"` // relevance, distance or date
	Page    int    `json:"page,omitempty"` // from 1
	PerPage int    `json:"per_page,omitempty"`
}

// Point is a position in WGS 84 degrees.
type Point struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Bounds of a query.
const (
	DefaultWithin  = 10.0 // km
	MaxWithin      = 500.0
	DefaultPerPage = 20
	MaxPerPage     = 100
	MaxPage        = 500
	maxQueryText   = 200
	maxQueryTerms  = 20
)

// ParseQuery reads a search from URL parameters. Unknown parameters are
// ignored, as links gather them (fbclid and the like); wrong values of known
// ones are an Invalid [Error] around [FieldErrors].
func ParseQuery(v url.Values) (Query, error) {
	var c checker
	q := Query{
		Text:      c.param(v, "q"),
		Topic:     c.param(v, "topic"),
		Audience:  c.param(v, "audience"),
		Community: c.param(v, "community"),
		Area:      c.param(v, "area"),
		Near:      c.param(v, "near"),
		Sort:      c.param(v, "sort"),
		Free:      c.yes(v, "free"),
		Access:    c.list(v, "access", nil),
	}
	for _, k := range c.list(v, "kind", Kinds()) {
		q.Kinds = append(q.Kinds, Kind(k))
	}
	q.Categories = c.list(v, "category", append(Categories(), Term{Key: SkillsSupport}))
	q.Modes = c.list(v, "mode", Modes())
	q.Formats = c.list(v, "format", Formats())
	if q.Sort != "" && q.Sort != "relevance" && q.Sort != "distance" && q.Sort != "date" {
		c.fail("sort", "must be relevance, distance or date")
	}
	q.Point = parsePoint(q.Near)
	if s := v.Get("within"); s != "" {
		q.Within = c.number("within", strings.TrimSuffix(s, "km"), 0.1, MaxWithin)
	}
	q.From = c.when(v, "from", false)
	q.To = c.when(v, "to", true)
	if !q.To.IsZero() && q.To.Before(q.From) {
		c.fail("to", "must not be before from")
	}
	q.Page = int(c.whole(v, "page", 1, MaxPage))
	q.PerPage = int(c.whole(v, "per_page", 1, MaxPerPage))
	if err := c.result("read search", ""); err != nil {
		return Query{}, err
	}
	return q, nil
}

// Values writes the query as URL parameters, so that a search has one address.
// What is the default is left out.
func (q Query) Values() url.Values {
	v := url.Values{}
	set := func(key, s string) {
		if s != "" {
			v.Set(key, s)
		}
	}
	set("q", q.Text)
	for _, k := range q.Kinds {
		v.Add("kind", string(k))
	}
	for key, list := range map[string][]string{"category": q.Categories, "mode": q.Modes, "format": q.Formats, "access": q.Access} {
		for _, s := range list {
			v.Add(key, s)
		}
	}
	set("topic", q.Topic)
	set("audience", q.Audience)
	set("community", q.Community)
	set("area", q.Area)
	if q.Near == "" && q.Point != nil {
		set("near", strconv.FormatFloat(q.Point.Lat, 'f', -1, 64)+","+strconv.FormatFloat(q.Point.Lon, 'f', -1, 64))
	}
	set("near", q.Near)
	set("sort", q.Sort)
	if q.Free {
		v.Set("free", "1")
	}
	if q.Within != 0 {
		v.Set("within", strconv.FormatFloat(q.Within, 'f', -1, 64))
	}
	if !q.From.IsZero() {
		v.Set("from", q.From.UTC().Format(time.RFC3339))
	}
	if !q.To.IsZero() {
		v.Set("to", q.To.UTC().Format(time.RFC3339))
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.PerPage != 0 && q.PerPage != DefaultPerPage {
		v.Set("per_page", strconv.Itoa(q.PerPage))
	}
	return v
}

// param reads one line of text; what was pasted with it is only space.
func (c *checker) param(v url.Values, key string) string {
	s := strings.Join(strings.Fields(v.Get(key)), " ")
	c.line(key, s, maxQueryText)
	return s
}

// yes reads a tick box.
func (c *checker) yes(v url.Values, key string) bool {
	switch strings.ToLower(strings.TrimSpace(v.Get(key))) {
	case "1", "true", "on", "yes":
		return true
	case "", "0", "false", "off", "no":
		return false
	}
	c.fail(key, "must be 1 or left out")
	return false
}

// list takes a parameter given several times or once with commas, each value
// once. Without terms any open word will do.
func (c *checker) list(v url.Values, key string, terms []Term) []string {
	var out []string
	for _, s := range v[key] {
		for part := range strings.SplitSeq(s, ",") {
			part = strings.TrimSpace(part)
			switch {
			case part == "" || slices.Contains(out, part):
			case terms != nil && !Has(terms, part):
				c.fail(key, "%q is not one of %s", clip(part), keys(terms))
				return nil
			case terms == nil && (!wordPattern.MatchString(part) || utf8.RuneCountInString(part) > maxWord):
				c.fail(key, "%q is not a word such as step-free, at most %d characters", clip(part), maxWord)
				return nil
			case len(out) == maxQueryTerms:
				c.fail(key, "has more than %d values; take some away", maxQueryTerms)
				return nil
			default:
				out = append(out, part)
			}
		}
	}
	return out
}

func (c *checker) number(field, s string, low, high float64) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(n >= low && n <= high) {
		c.fail(field, "must be a number from %g to %g", low, high)
		return 0
	}
	return n
}

func (c *checker) whole(v url.Values, field string, low, high int64) int64 {
	s := v.Get(field)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < low || n > high {
		c.fail(field, "must be a whole number from %d to %d", low, high)
		return 0
	}
	return n
}

// when reads a moment, in whole seconds of UTC, or a day; as the end of a range
// a day means its end.
func (c *checker) when(v url.Values, field string, end bool) time.Time {
	s := strings.TrimSpace(v.Get(field))
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d := Date(s)
		if t, err = d.Time(); end {
			t = d.End()
		}
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		c.fail(field, "must be a date such as 2027-03-02")
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

func parsePoint(s string) *Point {
	a, b, ok := strings.Cut(s, ",")
	if !ok {
		return nil
	}
	lat, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	lon, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	if err1 != nil || err2 != nil || !(lat >= -90 && lat <= 90) || !(lon >= -180 && lon <= 180) {
		return nil
	}
	return &Point{Lat: lat, Lon: lon}
}

// String is the query in one line for logs: its parameters.
func (q Query) String() string { return q.Values().Encode() }
