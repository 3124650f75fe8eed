package exchange

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// column is one field of a listing as a cell: its name is the field's path in
// the JSON.
type column struct {
	name string
	set  func(r *row, cell string) error
	get  func(l *protocol.Listing) string // l is whole: see whole
}

// row is one listing while its cells are read. Times wait for the time zone,
// which may stand in a later column.
type row struct {
	l                       protocol.Listing
	start, end              string
	day, beginsAt, finishes string // a date and times of day in columns of their own
}

// whole gives a listing every nested object, so that columns need not ask.
func whole(l protocol.Listing) protocol.Listing {
	l = clone(l)
	if l.Place == nil {
		l.Place = &protocol.Place{}
	}
	if l.Place.Address == nil {
		l.Place.Address = &protocol.Address{}
	}
	if l.Online == nil {
		l.Online = &protocol.Online{}
	}
	if l.Booking == nil {
		l.Booking = &protocol.Booking{}
	}
	if l.Cost == nil {
		l.Cost = &protocol.Cost{}
	}
	if l.Consent == nil {
		l.Consent = &protocol.Consent{}
	}
	if l.Image == nil {
		l.Image = &protocol.Image{}
	}
	return l
}

// pruned undoes whole: objects without content go.
func pruned(l protocol.Listing) protocol.Listing {
	if *l.Place.Address == (protocol.Address{}) {
		l.Place.Address = nil
	}
	if *l.Place == (protocol.Place{}) {
		l.Place = nil
	}
	if *l.Online == (protocol.Online{}) {
		l.Online = nil
	}
	if *l.Booking == (protocol.Booking{}) {
		l.Booking = nil
	}
	if *l.Cost == (protocol.Cost{}) {
		l.Cost = nil
	}
	if *l.Consent == (protocol.Consent{}) {
		l.Consent = nil
	}
	if *l.Image == (protocol.Image{}) {
		l.Image = nil
	}
	return l
}

// textColumn is a field of plain text.
func textColumn(name string, field func(l *protocol.Listing) *string) column {
	return column{
		name: name,
		set:  func(r *row, cell string) error { *field(&r.l) = tidyLine(cell); return nil },
		get:  func(l *protocol.Listing) string { return *field(l) },
	}
}

// termColumn is a field that holds one word of a closed list. What is not in
// the list stays as it is, so that the check names the words that are.
func termColumn(name string, terms func() []protocol.Term, field func(l *protocol.Listing) *string) column {
	c := textColumn(name, field)
	c.set = func(r *row, cell string) error {
		*field(&r.l) = tidyLine(cell)
		if key, ok := termKey(terms(), cell); ok {
			*field(&r.l) = key
		}
		return nil
	}
	return c
}

// listColumn is a field of several words, parted by ; or |.
func listColumn(name string, word func(string) string, field func(l *protocol.Listing) *[]string) column {
	return column{
		name: name,
		set: func(r *row, cell string) error {
			for part := range splitList(cell) {
				addWord(field(&r.l), word(part))
			}
			return nil
		},
		get: func(l *protocol.Listing) string { return strings.Join(*field(l), "; ") },
	}
}

func splitList(cell string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, part := range strings.FieldsFunc(cell, func(r rune) bool { return r == ';' || r == '|' || r == '\n' }) {
			if part = tidyLine(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

func openWord(s string) string {
	if w := slug(s); w != "" {
		return w
	}
	return s
}

func closedWord(terms func() []protocol.Term) func(string) string {
	return func(s string) string {
		if key, ok := termKey(terms(), s); ok {
			return key
		}
		return s
	}
}

func countColumn(name string, field func(l *protocol.Listing) *int) column {
	return column{
		name: name,
		set: func(r *row, cell string) error {
			n, err := strconv.Atoi(tidyLine(cell))
			if err != nil {
				return fmt.Errorf("must be a number, not %q", clip(cell))
			}
			*field(&r.l) = n
			return nil
		},
		get: func(l *protocol.Listing) string {
			if *field(l) == 0 {
				return ""
			}
			return strconv.Itoa(*field(l))
		},
	}
}

func degreesColumn(name string, field func(l *protocol.Listing) **float64) column {
	return column{
		name: name,
		set: func(r *row, cell string) error {
			d, err := strconv.ParseFloat(strings.Replace(tidyLine(cell), ",", ".", 1), 64)
			if err != nil {
				return fmt.Errorf("must be degrees such as 51.456, not %q", clip(cell))
			}
			*field(&r.l) = &d
			return nil
		},
		get: func(l *protocol.Listing) string {
			if *field(l) == nil {
				return ""
			}
			return strconv.FormatFloat(**field(l), 'f', -1, 64)
		},
	}
}

func dateColumn(name string, field func(l *protocol.Listing) *protocol.Date) column {
	return column{
		name: name,
		set: func(r *row, cell string) error {
			t, ok := readDay(cell)
			if !ok {
				return fmt.Errorf("must be a date such as 2027-06-01, not %q", clip(cell))
			}
			*field(&r.l) = protocol.Date(t.Format(time.DateOnly))
			return nil
		},
		get: func(l *protocol.Listing) string { return string(*field(l)) },
	}
}

// rawColumn keeps a cell for later; it is read only.
func rawColumn(name string, field func(r *row) *string, get func(l *protocol.Listing) string) column {
	return column{
		name: name,
		set:  func(r *row, cell string) error { *field(r) = tidyLine(cell); return nil },
		get:  get,
	}
}

func nothing(*protocol.Listing) string { return "" }

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

var pricePattern = regexp.MustCompile(`^(£|€|\$)? ?([0-9]{1,9})(?:[.,]([0-9]{1,2}))? ?([A-Za-z]{3})?$`)

// money reads "£12.50", "12,50 EUR", "8"; false for anything else.
func money(cell string) (amount, currency string, ok bool) {
	m := pricePattern.FindStringSubmatch(tidyLine(cell))
	if m == nil {
		return "", "", false
	}
	amount, currency = m[2], strings.ToUpper(m[4])
	if m[3] != "" {
		amount += "." + m[3]
	}
	if symbol := map[string]string{"£": "GBP", "€": "EUR", "$": "USD"}[m[1]]; symbol != "" {
		currency = symbol
	}
	return amount, currency, true
}

// price reads what people write under "price": an amount, "free", or words.
func price(r *row, cell string) error {
	cost := r.l.Cost
	amount, currency, ok := money(cell)
	switch {
	case ok && strings.Trim(amount, "0.") == "", squash(cell) == "free", squash(cell) == "nocharge":
		cost.Free = true
	case ok:
		cost.Amount = amount
		if currency != "" {
			cost.Currency = currency
		}
	default:
		cost.Note = tidyLine(cell)
	}
	return nil
}

func deposit(r *row, cell string) error {
	amount, currency, ok := money(cell)
	if !ok {
		return fmt.Errorf("must be an amount such as 20.00, not %q", clip(cell))
	}
	r.l.Cost.Deposit = amount
	if currency != "" {
		r.l.Cost.Currency = currency
	}
	return nil
}

func free(r *row, cell string) error {
	switch squash(cell) {
	case "yes", "y", "true", "1", "free", "x", "ja", "✓":
		r.l.Cost.Free = true
	case "no", "n", "false", "0":
	default:
		return fmt.Errorf("must be yes or no, not %q", clip(cell))
	}
	return nil
}

var nextLink = regexp.MustCompile(`\s*[;|\n]\s*(https?://)`)

// links reads web addresses, each with its title after a space. An address may
// contain ; and |, so only one before the next address parts them.
func links(r *row, cell string) error {
	for part := range strings.SplitSeq(nextLink.ReplaceAllString(strings.TrimSpace(cell), "\n$1"), "\n") {
		address, words, _ := strings.Cut(tidyLine(part), " ")
		r.l.Links = append(r.l.Links, protocol.Link{URL: withScheme(address), Title: cut(words, maxName)})
	}
	return nil
}

// withScheme completes what people type as a web address: www.example.org.
func withScheme(address string) string {
	if !strings.Contains(address, "://") && strings.Contains(address, ".") && !strings.Contains(address, "@") {
		return "https://" + address
	}
	return address
}

func linksCell(l *protocol.Listing) string {
	parts := make([]string, len(l.Links))
	for i, k := range l.Links {
		parts[i] = strings.TrimSpace(k.URL + " " + k.Title)
	}
	return strings.Join(parts, " | ")
}

// addressColumn is a field that holds a web address.
func addressColumn(name string, field func(l *protocol.Listing) *string) column {
	c := textColumn(name, field)
	c.set = func(r *row, cell string) error { *field(&r.l) = withScheme(tidyLine(cell)); return nil }
	return c
}

func postcode(r *row, cell string) error {
	code := strings.ToUpper(tidyLine(cell))
	if m := ukPostcode.FindStringSubmatch(code); m != nil && m[0] == code {
		code = m[1] + " " + m[2]
		if r.l.Place.Address.AddressCountry == "" {
			r.l.Place.Address.AddressCountry = "GB"
		}
	}
	r.l.Place.Address.PostalCode = code
	return nil
}
