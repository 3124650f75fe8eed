package exchange

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"

	"github.com/waypost-directory/waypost/protocol"
)

// WriteCSV writes listings as `listing export --format csv` does: RFC 4180 with
// a byte order mark, without which Excel takes UTF-8 for Windows-1252, and only
// the columns that some listing fills. [ReadCSV] reads it back; what it cannot
// carry is the node's own (version, salt) and a local image file.
func WriteCSV(w io.Writer, listings []protocol.Listing) error {
	var used []column
	all := make([]protocol.Listing, len(listings))
	for i, l := range listings {
		all[i] = whole(l)
	}
	for _, c := range columns() {
		filled := c.name == "uid" || c.name == "kind" || c.name == "title"
		for i := 0; i < len(all) && !filled; i++ {
			filled = c.get(&all[i]) != ""
		}
		if filled {
			used = append(used, c)
		}
	}
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	cells := make([]string, len(used))
	for i, c := range used {
		cells[i] = c.name
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	for i := range all {
		for j, c := range used {
			cells[j] = guarded(c.get(&all[i]))
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

var plainNumber = regexp.MustCompile(`^[0-9+() .-]+$`)

// guarded keeps a spreadsheet from running a text as a formula: a listing
// learned from a stranger may be titled =HYPERLINK(…). Telephone numbers and
// coordinates begin with + and - and do no harm.
func guarded(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r'", rune(cell[0])) && !plainNumber.MatchString(cell) {
		return "'" + cell
	}
	return cell
}

// unguarded undoes guarded.
func unguarded(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@\t\r'", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}
