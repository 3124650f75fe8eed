package protocol

import (
	"encoding/json"
	"hash/maphash"
	"strconv"
	"unicode/utf8"
)

// JSONLimits bounds a JSON document from outside. A field that is 0 takes the
// value of [DefaultJSONLimits].
type JSONLimits struct {
	MaxBytes  int // the whole document
	MaxDepth  int // objects and arrays inside one another
	MaxNodes  int // values of any sort, keys not counted
	MaxString int // bytes of one string or key, as written
	MaxItems  int // elements of one array, or members of one object
	MaxNumber int // characters of one number
}

// DefaultJSONLimits returns the bounds of an inbox: generous for anything that
// people write, and cheap to check to the end.
func DefaultJSONLimits() JSONLimits {
	return JSONLimits{
		MaxBytes:  256 << 10,
		MaxDepth:  32,
		MaxNodes:  10_000,
		MaxString: 64 << 10,
		MaxItems:  1_000,
		MaxNumber: 40,
	}
}

func (l JSONLimits) orDefault() JSONLimits {
	d := DefaultJSONLimits()
	pick := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	pick(&l.MaxBytes, d.MaxBytes)
	pick(&l.MaxDepth, d.MaxDepth)
	pick(&l.MaxNodes, d.MaxNodes)
	pick(&l.MaxString, d.MaxString)
	pick(&l.MaxItems, d.MaxItems)
	pick(&l.MaxNumber, d.MaxNumber)
	return l
}

// CheckJSON reports whether raw is exactly one JSON object that every reader
// understands in the same way: valid UTF-8, no NUL, no key twice in one object,
// no number beyond a double, nothing after the end, and within limits. It
// refuses the JSON-LD keywords that let a document be rearranged (@graph,
// @included and @reverse), because we read documents as they are written and a
// JSON-LD reader would see another one.
//
// It runs before any decoder does, in one pass and with one allocation for an
// ordinary document. The error's kind is TooLarge for MaxBytes, else Invalid.
func CheckJSON(raw []byte, limits JSONLimits) error {
	c := checkJSON{b: raw, limits: limits.orDefault(), seed: maphash.MakeSeed()}
	if len(raw) > c.limits.MaxBytes {
		return Errorf("protocol.CheckJSON", TooLarge, "", "the document has %d bytes; the limit is %d", len(raw), c.limits.MaxBytes)
	}
	c.keys = c.room[:0]
	c.space()
	if c.peek() != '{' {
		return c.fail("must be one JSON object")
	}
	if err := c.value(1); err != nil {
		return err
	}
	c.space()
	if c.i < len(c.b) {
		return c.fail("something follows the end of the document")
	}
	return nil
}

// checkJSON is one pass of CheckJSON. Keys are compared by a seeded 64-bit
// hash: a stranger cannot aim for a collision, and an accidental one costs a
// refusal once in some 10¹⁵ documents.
type checkJSON struct {
	b      []byte
	i      int
	limits JSONLimits
	nodes  int
	seed   maphash.Seed
	keys   []uint64 // hashes of the keys of every open object, outermost first
	room   [128]uint64
}

func (c *checkJSON) fail(format string, args ...any) error {
	args = append(args, c.i)
	return Errorf("protocol.CheckJSON", Invalid, "", format+", at byte %d", args...)
}

func (c *checkJSON) space() {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\n', '\r', '\t':
			c.i++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end.
func (c *checkJSON) peek() byte {
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

func (c *checkJSON) value(depth int) error {
	if c.nodes++; c.nodes > c.limits.MaxNodes {
		return c.fail("the document has more than %d values", c.limits.MaxNodes)
	}
	switch b := c.peek(); {
	case b == '"':
		_, _, err := c.str()
		return err
	case b == '{' || b == '[':
		if depth > c.limits.MaxDepth {
			return c.fail("the document is nested more than %d deep", c.limits.MaxDepth)
		}
		if b == '{' {
			return c.object(depth)
		}
		return c.array(depth)
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	}
	if c.i >= len(c.b) {
		return c.fail("the document ends too early")
	}
	return c.fail("a value was expected")
}

func (c *checkJSON) object(depth int) error {
	c.i++
	first := len(c.keys)
	c.space()
	for c.peek() != '}' {
		if len(c.keys) > first {
			if err := c.comma(); err != nil {
				return err
			}
		}
		if len(c.keys)-first >= c.limits.MaxItems {
			return c.fail("an object has more than %d members", c.limits.MaxItems)
		}
		if err := c.key(first); err != nil {
			return err
		}
		c.space()
		if c.peek() != ':' {
			return c.fail("a colon was expected after a key")
		}
		c.i++
		c.space()
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.space()
	}
	c.i++
	c.keys = c.keys[:first]
	return nil
}

// comma passes the comma between two entries.
func (c *checkJSON) comma() error {
	switch {
	case c.i >= len(c.b):
		return c.fail("the document ends too early")
	case c.b[c.i] != ',':
		return c.fail("a comma was expected")
	}
	c.i++
	c.space()
	return nil
}

// key passes one key and compares it with those of the same object, which
// begin at first.
func (c *checkJSON) key(first int) error {
	if c.i >= len(c.b) {
		return c.fail("the document ends too early")
	}
	if c.b[c.i] != '"' {
		return c.fail("a key in quotation marks was expected")
	}
	quoted, escaped, err := c.str()
	if err != nil {
		return err
	}
	name := quoted[1 : len(quoted)-1]
	if escaped {
		var s string
		if json.Unmarshal(quoted, &s) != nil {
			return c.fail("a key cannot be read")
		}
		name = []byte(s)
	}
	switch string(name) {
	case "@graph", "@included", "@reverse":
		return c.fail("the key %q is not accepted", name)
	}
	h := maphash.Bytes(c.seed, name)
	for _, k := range c.keys[first:] {
		if k == h {
			return c.fail("the key %q appears twice in one object", clip(string(name)))
		}
	}
	c.keys = append(c.keys, h)
	return nil
}

func (c *checkJSON) array(depth int) error {
	c.i++
	c.space()
	for n := 0; c.peek() != ']'; n++ {
		if n > 0 {
			if err := c.comma(); err != nil {
				return err
			}
		}
		if n >= c.limits.MaxItems {
			return c.fail("an array has more than %d entries", c.limits.MaxItems)
		}
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.space()
	}
	c.i++
	return nil
}

// str passes one string and returns it with its quotation marks, and whether
// it holds a backslash.
func (c *checkJSON) str() (quoted []byte, escaped bool, err error) {
	start := c.i
	c.i++
	for c.i < len(c.b) {
		switch b := c.b[c.i]; {
		case b == '"':
			c.i++
			if c.i-start-2 > c.limits.MaxString {
				return nil, false, c.fail("a string has more than %d bytes", c.limits.MaxString)
			}
			return c.b[start:c.i], escaped, nil
		case b == '\\':
			escaped = true
			if err := c.escape(); err != nil {
				return nil, false, err
			}
		case b < ' ':
			return nil, false, c.fail("a string holds a control character that is not escaped")
		case b < utf8.RuneSelf:
			c.i = plain(c.b, c.i+1)
		default:
			r, size := utf8.DecodeRune(c.b[c.i:])
			if r == utf8.RuneError && size == 1 {
				return nil, false, c.fail("the document is not valid UTF-8")
			}
			c.i += size
		}
	}
	return nil, false, c.fail("the document ends inside a string")
}

// plain returns the first index from i on whose byte is not plain ASCII text.
func plain(b []byte, i int) int {
	for i < len(b) && ' ' <= b[i] && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// escape passes one escape sequence, or two that make a surrogate pair. NUL
// and half a pair are refused: other readers drop or change them.
func (c *checkJSON) escape() error {
	if c.i+1 >= len(c.b) {
		return c.fail("the document ends inside a string")
	}
	switch c.b[c.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i += 2
		return nil
	case 'u':
	default:
		return c.fail("a string holds an unknown escape")
	}
	u, ok := c.hex(c.i)
	switch {
	case !ok:
		return c.fail("a string holds an unknown escape")
	case u == 0:
		return c.fail("a string holds a NUL character")
	case u < 0xd800 || u > 0xdfff:
		c.i += 6
		return nil
	}
	low, ok := c.hex(c.i + 6)
	if u >= 0xdc00 || !ok || low < 0xdc00 || low > 0xdfff {
		return c.fail("a string holds half a surrogate pair")
	}
	c.i += 12
	return nil
}

// hex reads the \uXXXX at i.
func (c *checkJSON) hex(i int) (uint64, bool) {
	if i+6 > len(c.b) || c.b[i] != '\\' || c.b[i+1] != 'u' {
		return 0, false
	}
	u := uint64(0)
	for _, b := range c.b[i+2 : i+6] {
		switch {
		case '0' <= b && b <= '9':
			b -= '0'
		case 'a' <= b|0x20 && b|0x20 <= 'f':
			b = b | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		u = u<<4 | uint64(b)
	}
	return u, true
}

func (c *checkJSON) number() error {
	start := c.i
	if c.b[c.i] == '-' {
		c.i++
	}
	zero := c.peek() == '0'
	if n := c.digits(); n == 0 || zero && n > 1 {
		return c.fail("a number is malformed")
	}
	if c.peek() == '.' {
		c.i++
		if c.digits() == 0 {
			return c.fail("a number is malformed")
		}
	}
	exponent := c.peek()|0x20 == 'e'
	if exponent {
		c.i++
		if b := c.peek(); b == '+' || b == '-' {
			c.i++
		}
		if c.digits() == 0 {
			return c.fail("a number is malformed")
		}
	}
	text := c.b[start:c.i]
	if len(text) > c.limits.MaxNumber {
		return c.fail("a number has more than %d characters", c.limits.MaxNumber)
	}
	if exponent || len(text) > 300 {
		if _, err := strconv.ParseFloat(string(text), 64); err != nil {
			return c.fail("a number is out of range")
		}
	}
	return nil
}

func (c *checkJSON) digits() int {
	start := c.i
	for c.i < len(c.b) && '0' <= c.b[c.i] && c.b[c.i] <= '9' {
		c.i++
	}
	return c.i - start
}

func (c *checkJSON) literal(word string) error {
	if len(c.b)-c.i < len(word) || string(c.b[c.i:c.i+len(word)]) != word {
		return c.fail("a value was expected")
	}
	c.i += len(word)
	return nil
}
