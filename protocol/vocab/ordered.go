package vocab

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// object is a JSON object whose members keep their order, so that what we
// write reads the way the specifications print it.
type object []member

type member struct {
	key   string
	value any // nil leaves the member out
}

// MarshalJSON writes the members in order, without HTML escapes.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	first := true
	for _, m := range o {
		if m.value == nil {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		key, err := encode(m.key)
		if err != nil {
			return nil, err
		}
		value, err := encode(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode writes JSON without escaping <, > and &: the bytes are signed and
// shown to people who debug, never put into HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// float always writes a decimal point: Mobilizon refuses 47 where it takes
// 47.0 (interop §1.3).
type float float64

// MarshalJSON implements [json.Marshaler].
func (f float) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(f), 'f', -1, 64)
	if !bytes.ContainsRune([]byte(s), '.') {
		s += ".0"
	}
	return []byte(s), nil
}

// stamp writes a moment as RFC 3339 in whole seconds, UTC.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// orNil leaves a member out when its text is empty.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
