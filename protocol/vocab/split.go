package vocab

import (
	"bytes"
	"encoding/json"
	"iter"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// A stranger's document is checked once, by [protocol.CheckJSON]. After that it
// is only cut into pieces: a decoder would scan all of it again at each level,
// and encoding/json takes "Actor" for "actor", so that two readers of the same
// bytes could see two senders.

// maxIRI bounds whatever names a thing; as long an IRI is nobody's real one.
const maxIRI = 2048

// members yields the members of an object that CheckJSON has passed, as they
// were written; anything else has none. A null is left out: in JSON-LD it means
// that there is none.
func members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if len(object) == 0 || object[0] != '{' {
			return
		}
		for c := (cursor{b: object, i: 1}); c.more(); {
			name, _ := text(c.value())
			value := c.value()
			if string(value) != "null" && !yield(name, value) {
				return
			}
		}
	}
}

// elements yields the elements of a list, or the one value that stands in the
// place of a list.
func elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(raw) == 0 {
			return
		}
		if raw[0] != '[' {
			yield(raw)
			return
		}
		for c := (cursor{b: raw, i: 1}); c.more() && yield(c.value()); {
		}
	}
}

// cursor walks over JSON that is known to be well-formed. On any other it stays
// within bounds and ends.
type cursor struct {
	b []byte
	i int
}

// more moves to the next key or value, and reports whether there is one.
func (c *cursor) more() bool {
	for ; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case ' ', '\n', '\r', '\t', ',', ':':
		case '}', ']':
			return false
		default:
			return true
		}
	}
	return false
}

// value passes one value and returns its bytes.
func (c *cursor) value() []byte {
	if !c.more() {
		return nil
	}
	start := c.i
	for depth := 0; c.i < len(c.b); {
		switch b := c.b[c.i]; {
		case b == '"':
			c.str()
		case b == '{' || b == '[':
			depth++
			c.i++
		case b == '}' || b == ']':
			depth--
			c.i++
		case depth > 0:
			c.i++
		default:
			c.scalar()
		}
		if depth <= 0 {
			break
		}
	}
	return c.b[start:c.i]
}

// str passes a string: up to the quotation mark that no backslash, or an even
// number of them, stands before.
func (c *cursor) str() {
	for c.i++; ; c.i++ {
		n := bytes.IndexByte(c.b[c.i:], '"')
		if n < 0 {
			c.i = len(c.b)
			return
		}
		c.i += n
		slashes := 0
		for c.b[c.i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			c.i++
			return
		}
	}
}

// scalar passes a number, true, false or null.
func (c *cursor) scalar() {
	for ; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case ' ', '\n', '\r', '\t', ',', ':', '}', ']':
			return
		}
	}
}

// text reads a JSON string, and reports whether raw is one.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// textOf reads a JSON string, and "" from anything else.
func textOf(raw []byte) string {
	s, _ := text(raw)
	return s
}

// moment reads a time, and the zero time from anything else.
func moment(raw []byte) time.Time {
	t, err := time.Parse(time.RFC3339, textOf(raw))
	if err != nil {
		return time.Time{}
	}
	return t
}

// reference is the one extractor of who or what a member names: a string, or
// an object with an id. Lists are refused, so that no two readers of the same
// bytes can pick different actors (FEP-fe34). An absent member is "".
func reference(raw []byte) (string, error) {
	if raw == nil {
		return "", nil
	}
	id, ok := text(raw)
	if !ok && raw[0] == '{' {
		for name, value := range members(raw) {
			if name == "id" {
				id, ok = text(value)
			}
		}
	}
	if !ok || id == "" || len(id) > maxIRI {
		return "", protocol.Errorf("read activity", protocol.Invalid, "", "a reference must be one IRI or one object with an id, at most %d bytes", maxIRI)
	}
	return id, nil
}

// references reads a list of IRIs, or one.
func references(raw []byte) ([]string, error) {
	var list []string
	for e := range elements(raw) {
		id, err := reference(e)
		if err != nil {
			return nil, err
		}
		if len(list) == maxRecipients {
			return nil, protocol.Errorf("read activity", protocol.Invalid, "", "more than %d recipients", maxRecipients)
		}
		list = append(list, id)
	}
	return list, nil
}
