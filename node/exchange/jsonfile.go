package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/waypost-directory/waypost/protocol"
)

// maxJSONItem bounds one listing, in bytes; the longest valid one is smaller.
const maxJSONItem = 512 << 10

// ReadJSON reads listings as `listing export` writes them: one listing, an
// array, or one after another (JSON lines). A field that is not a listing's is
// refused by name, for that item alone; after an item that is not JSON, reading
// goes on at the next line. An image.file is refused: a file from elsewhere
// must not name a file on this computer to be published.
func ReadJSON(r io.Reader, opts Options) (Report, error) {
	in := newIntake("read listings", opts)
	raw, err := in.readBounded(r)
	if err != nil {
		return in.report, err
	}
	j := &jsonFile{intake: in, text: bytes.TrimPrefix(raw, []byte{0xEF, 0xBB, 0xBF}), line: 1}
	j.skip()
	if len(j.text) == 0 {
		return in.report, in.unreadable("the file is empty; it must hold a listing, a list of listings, or one listing a line")
	}
	if c := j.text[0]; c != '{' && c != '[' {
		return in.report, in.unreadable("this is not JSON: it must begin with { or [; for a spreadsheet choose the format csv, for a calendar ics")
	}
	if j.text[0] == '[' {
		j.advance(1)
		j.array = true
	}
	for !j.full && j.next() {
	}
	return in.report, nil
}

// jsonFile is the rest of a file and the line on which it begins.
type jsonFile struct {
	*intake
	text  []byte
	line  int
	array bool
}

func (j *jsonFile) advance(n int) {
	j.line += bytes.Count(j.text[:n], []byte{'\n'})
	j.text = j.text[n:]
}

// skip passes white space and what parts items.
func (j *jsonFile) skip() {
	n := 0
	for n < len(j.text) && bytes.IndexByte([]byte(" \t\r\n,"), j.text[n]) >= 0 {
		n++
	}
	j.advance(n)
}

// next reads one item and reports whether there may be another.
func (j *jsonFile) next() bool {
	j.skip()
	if len(j.text) == 0 {
		if j.array {
			j.fail(j.line, "", "the list does not end with ]; the file may be cut short, export it again")
		}
		return false
	}
	if j.array && j.text[0] == ']' {
		return false
	}
	line := j.line
	window := j.text[:min(len(j.text), maxJSONItem)]
	dec := json.NewDecoder(bytes.NewReader(window))
	var item json.RawMessage
	if err := dec.Decode(&item); err != nil {
		j.fail(line, "", "is not a JSON listing of at most %d KB (%v); mend it or leave it out", maxJSONItem>>10, err)
		return j.resume()
	}
	j.advance(int(dec.InputOffset()))
	j.item(line, item)
	return true
}

// resume goes on at the next line that begins a listing in the first column or
// after the indent that exports use.
func (j *jsonFile) resume() bool {
	for at := 0; ; {
		end := bytes.IndexByte(j.text[at:], '\n')
		if end < 0 {
			return false
		}
		at += end + 1
		rest := bytes.TrimLeft(j.text[at:min(len(j.text), at+3)], " ")
		if len(rest) > 0 && rest[0] == '{' {
			j.advance(at)
			return true
		}
	}
}

func (j *jsonFile) item(line int, item []byte) {
	l, err := protocol.DecodeListing(item)
	if err != nil {
		var e *protocol.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		var named struct {
			Title string `json:"title"`
		}
		_ = json.Unmarshal(item, &named) // only to name the item in the message
		j.failErr(line, named.Title, err)
		return
	}
	if l.Image != nil && l.Image.File != "" {
		j.fail(line, l.Title, "image.file names a file on a computer; give the picture's web address as image.url, or add the picture after the import")
		return
	}
	l.UID = j.rowUID(&l)
	j.add(line, l)
}

// WriteJSON writes listings as `listing export` does: an array, each listing
// without what only the wire carries, so that [ReadJSON] takes it back.
func WriteJSON(w io.Writer, listings []protocol.Listing) error {
	out := make([]protocol.Listing, len(listings))
	for i, l := range listings {
		out[i] = clone(l)
		out[i].V, out[i].CID, out[i].Version, out[i].Salt = 0, "", 0, ""
		if out[i].Image != nil {
			out[i].Image.File = ""
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(out)
}
