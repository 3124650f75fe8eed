package exchange

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Bounds of a spreadsheet.
const (
	maxRecord  = 128 << 10 // bytes of one row
	maxColumns = 200
)

// ReadCSV reads a spreadsheet saved as CSV (RFC 4180), one listing a row. The
// first row names the columns: a listing's JSON fields, or the words that
// people use for them. It takes what Excel writes: semicolons or tabs for
// commas, a byte order mark, Windows-1252, a "sep=" line. Lists in a cell are
// parted by ; or |. The error is for a file that cannot be read at all;
// whatever is wrong with one row is a [Failure].
func ReadCSV(r io.Reader, opts Options) (Report, error) {
	in := newIntake("read spreadsheet", opts)
	raw, err := in.readBounded(r)
	if err != nil {
		return in.report, err
	}
	if bytes.HasPrefix(raw, []byte("PK\x03\x04")) || bytes.HasPrefix(raw, []byte{0xD0, 0xCF, 0x11, 0xE0}) {
		return in.report, in.unreadable("this is a workbook, not CSV; open it in your spreadsheet program and save it as “CSV UTF-8”")
	}
	t := &table{intake: in, records: newRecords(decodeText(raw))}
	if err := t.readHeader(); err != nil {
		return in.report, err
	}
	t.readRows()
	return in.report, nil
}

// table is one spreadsheet being read.
type table struct {
	*intake
	records *records
	header  []string
	columns []*column // nil where the heading is not known
}

func (t *table) readHeader() error {
	for {
		cells, _, err := t.records.next()
		if err == io.EOF {
			return t.unreadable("the file is empty; the first row must name the columns, such as title, kind, postcode")
		}
		if err != nil {
			return t.unreadable("the first row cannot be read: %v", err)
		}
		if !blank(cells) {
			t.header = cells
			break
		}
	}
	if len(t.header) > maxColumns {
		return t.unreadable("the first row has more than %d columns; delete those that are not needed", maxColumns)
	}
	known, names, taken := columns(), aliases(), map[string]string{}
	for _, heading := range t.header {
		name, ok := names[squash(heading)]
		i := slices.IndexFunc(known, func(c column) bool { return c.name == name })
		switch {
		case squash(heading) == "":
			t.columns = append(t.columns, nil)
		case !ok || i < 0:
			t.columns = append(t.columns, nil)
			t.note("the column %q is not known and was left out%s", clip(tidyLine(heading)), suggestion(squash(heading), names))
		case taken[name] != "":
			t.columns = append(t.columns, nil)
			t.note("the column %q was left out: %q says the same (%s)", clip(tidyLine(heading)), taken[name], name)
		default:
			taken[name] = clip(tidyLine(heading))
			t.columns = append(t.columns, &known[i])
		}
	}
	if taken["title"] == "" {
		return t.unreadable("no column is named title (or name); the first row must name the columns, such as title, kind, postcode")
	}
	return nil
}

func (t *table) readRows() {
	for !t.full {
		cells, line, err := t.records.next()
		switch {
		case err == io.EOF:
			return
		case err != nil:
			t.failErr(line, "", err)
		case blank(cells):
		case len(cells) != len(t.header) && !blank(cells[min(len(cells), len(t.header)):]) || len(cells) < len(t.header):
			t.fail(line, cells[0], "has %d cells, but the first row has %d; put texts that contain a comma, a semicolon or a new line in double quotes", len(cells), len(t.header))
		default:
			t.readRow(line, cells)
		}
	}
}

func (t *table) readRow(line int, cells []string) {
	r := &row{l: whole(protocol.Listing{})}
	var wrong protocol.FieldErrors
	for i, c := range t.columns {
		cell := unguarded(cells[i])
		if c == nil || strings.TrimSpace(cell) == "" {
			continue
		}
		if err := c.set(r, cell); err != nil {
			wrong = append(wrong, protocol.FieldError{Field: tidyLine(t.header[i]), Problem: err.Error()})
		}
	}
	if err := t.when(r); err != nil {
		wrong = append(wrong, *err)
	}
	if len(wrong) > 0 {
		t.failErr(line, r.l.Title, wrong)
		return
	}
	if cost := r.l.Cost; cost.Amount+cost.Deposit != "" && cost.Currency == "" {
		cost.Currency = "GBP"
		if d := t.opts.Defaults.Cost; d != nil && d.Currency != "" {
			cost.Currency = d.Currency
		}
	}
	l := pruned(r.l)
	if l.Kind == "" && t.opts.Defaults.Kind == "" {
		t.fail(line, l.Title, "has no kind; add a column kind with event, offer, need, volunteer, venue or resource, or say it for the whole file")
		return
	}
	if l.Kind == protocol.KindVenue && l.Place != nil && l.Place.Name == "" {
		l.Place.Name = l.Title
	}
	l.UID = t.rowUID(&l)
	t.add(line, l)
}

// when reads start and end, in one column each or with the date apart.
func (t *table) when(r *row) *protocol.FieldError {
	name := r.l.Timezone
	if name == "" {
		name = t.opts.DefaultTimezone
	}
	local, ok := ianaZone(name)
	if !ok {
		return &protocol.FieldError{Field: "timezone", Problem: "must be a name such as Europe/London"}
	}
	if r.start == "" && r.day != "" {
		r.start = strings.TrimSpace(r.day + " " + r.beginsAt)
	}
	if r.end == "" && r.finishes != "" && r.day != "" {
		r.end = r.day + " " + r.finishes
	}
	for _, c := range []struct {
		field, cell string
		to          *time.Time
	}{{"start", r.start, &r.l.Start}, {"end", r.end, &r.l.End}} {
		if c.cell == "" {
			continue
		}
		at, ok := readTime(c.cell, local.loc)
		if !ok {
			return &protocol.FieldError{Field: c.field, Problem: fmt.Sprintf("must be a date and time such as 2027-03-02 10:00, not %q", clip(c.cell))}
		}
		*c.to = at.UTC()
	}
	if !r.l.Start.IsZero() {
		r.l.Timezone = local.name
	}
	return nil
}

// Dates in the order day, month, year, unless the year comes first: this is
// how our users' spreadsheets write them. An American file must be changed to
// year-month-day.

func dayLayouts() []string {
	return []string{"2006-01-02", "2006/01/02", "2/1/2006", "2.1.2006", "2-1-2006", "2/1/06", "2 January 2006", "2 Jan 2006", "Monday 2 January 2006", "Mon 2 Jan 2006"}
}

func readDay(cell string) (time.Time, bool) {
	cell = strings.ReplaceAll(tidyLine(cell), ",", "")
	for _, layout := range dayLayouts() {
		if t, err := time.Parse(layout, cell); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// readTime reads a date with a time of day, local to loc unless the cell
// carries an offset.
func readTime(cell string, loc *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, cell); err == nil {
		return t, true
	}
	cell = strings.ToLower(strings.ReplaceAll(tidyLine(cell), ",", ""))
	if len(cell) > 10 && cell[10] == 't' {
		cell = cell[:10] + " " + cell[11:] // 2027-03-02T10:00
	}
	for _, day := range dayLayouts() {
		for _, clock := range []string{"15:04", "15:04:05", "3:04pm", "3:04 pm", "3pm", "3 pm", "3.04pm", "15.04"} {
			if t, err := time.ParseInLocation(day+" "+clock, cell, loc); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

func blank(cells []string) bool {
	return !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" })
}

// records parts a CSV text into rows. It finds where each row ends itself, so
// that a quotation mark that is never closed costs one row and not the file.
type records struct {
	text  string
	comma byte
	line  int
}

func newRecords(text string) *records {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	r := &records{text: text, comma: ',', line: 1}
	first, rest, _ := strings.Cut(text, "\n")
	if sep, ok := strings.CutPrefix(strings.ToLower(first), "sep="); ok && len(sep) == 1 {
		r.text, r.comma, r.line = rest, sep[0], 2
		return r
	}
	head := strings.TrimLeft(text, "\n")
	head, _, _ = strings.Cut(head, "\n")
	for _, c := range []byte{';', '\t'} {
		if strings.Count(head, string(c)) > strings.Count(head, string(r.comma)) {
			r.comma = c
		}
	}
	return r
}

// next returns the cells of the next row and the line on which it begins.
func (r *records) next() ([]string, int, error) {
	if r.text == "" {
		return nil, r.line, io.EOF
	}
	line := r.line
	end, closed := r.rowEnd()
	record := r.text[:end]
	r.text = strings.TrimPrefix(r.text[end:], "\n")
	r.line += strings.Count(record, "\n") + 1
	if !closed {
		return nil, line, fmt.Errorf("has a quotation mark that is not closed, or is longer than %d KB; close it, or double it inside a text", maxRecord>>10)
	}
	if strings.TrimSpace(record) == "" {
		return nil, line, nil
	}
	reader := csv.NewReader(strings.NewReader(record))
	reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord = rune(r.comma), true, -1
	cells, err := reader.Read()
	if err != nil {
		return nil, line, fmt.Errorf("cannot be read as CSV: %w; save the spreadsheet as “CSV UTF-8” again", err)
	}
	return cells, line, nil
}

// rowEnd finds the end of the row that the text begins with. When a quoted
// cell does not end, the row is its first line only.
func (r *records) rowEnd() (end int, closed bool) {
	quoted, cellStart := false, true
	limit := min(len(r.text), maxRecord)
	for i := 0; i < limit; i++ {
		switch c := r.text[i]; {
		case quoted && c == '"':
			if i+1 < limit && r.text[i+1] == '"' {
				i++
			} else {
				quoted = false
			}
		case quoted:
		case c == '\n':
			return i, true
		case c == '"' && cellStart:
			quoted = true
		default:
			cellStart = c == r.comma
			continue
		}
		cellStart = false
	}
	if !quoted && limit == len(r.text) {
		return limit, true
	}
	if first := strings.IndexByte(r.text, '\n'); first >= 0 {
		return first, false
	}
	return len(r.text), false
}

// suggestion names the nearest heading that is known.
func suggestion(heading string, names map[string]string) string {
	best, at := len(heading)/3+1, ""
	for name := range names {
		if d := distance(heading, name); d < best || d == best && at != "" && name < at {
			best, at = d, name
		}
	}
	if at == "" {
		return "; the columns that are known are in docs/organisers/import.md"
	}
	return fmt.Sprintf("; did you mean %q?", lastPart(names[at]))
}

// distance counts the letters to change, add or remove to make b of a.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := corner
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above+1, row[j]+1)
			corner = above
		}
	}
	return row[len(b)]
}
