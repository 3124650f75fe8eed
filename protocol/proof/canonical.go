package proof

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waypost-directory/waypost/protocol"
)

// Canonical returns the canonical form of a JSON document (RFC 8785): the same
// bytes for every way of writing it. It refuses what the RFC does not cover:
// keys that appear twice, invalid UTF-8, half surrogate pairs, and numbers
// beyond a double. The error's kind is Invalid.
func Canonical(raw []byte) ([]byte, error) {
	v := jsontext.Value(bytes.Clone(raw))
	if err := v.Canonicalize(); err != nil {
		return nil, protocol.Errorf("proof.Canonical", protocol.Invalid, "", "not canonical JSON: %w", err)
	}
	if bytes.Contains(v, []byte(largest)) {
		if err := numbersInRange(raw); err != nil {
			return nil, protocol.Errorf("proof.Canonical", protocol.Invalid, "", "not canonical JSON: %w", err)
		}
	}
	return v, nil
}

// largest is what jsontext writes for a number that is too large for a double;
// RFC 8785 §3.2.2.3 wants an error instead, or 1e400 and 1e500 would be one.
const largest = "1.7976931348623157e+308"

func numbersInRange(raw []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		switch d.PeekKind() {
		case '0':
			v, err := d.ReadValue()
			if err != nil {
				return err
			}
			if _, err := strconv.ParseFloat(string(v), 64); err != nil {
				return errors.New("a number is out of range")
			}
		case 0: // the end: the document was found to be well formed before
			return nil
		default:
			if _, err := d.ReadToken(); err != nil {
				return err
			}
		}
	}
}

// member is one member of an object in canonical form.
type member struct {
	name  []byte // as written, without the quotation marks
	value []byte
	whole []byte // name, colon and value
}

// members lists the members of an object in canonical form, which begins with
// '{'. It relies on that form: no white space, every string well formed.
func members(object []byte) []member {
	list := make([]member, 0, 32)
	for i := 1; i < len(object)-1; {
		colon := skipString(object, i)
		end := skipValue(object, colon+1)
		list = append(list, member{object[i+1 : colon-1], object[colon+1 : end], object[i:end]})
		i = end + 1 // past the comma, or the brace that ends the loop
	}
	return list
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index after the value that begins at i.
func skipValue(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i // the end of what surrounds a number or a literal
			}
			depth--
			i++
		case ',':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
}

// text returns the value of a JSON string in canonical form, and whether it is
// a string at all.
func text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if !bytes.Contains(value, []byte{'\\'}) {
		return string(value[1 : len(value)-1]), true
	}
	s, err := jsontext.AppendUnquote(nil, value)
	return string(s), err == nil
}
