package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestCheckJSON_RefusesWhatReadersDisagreeAbout(t *testing.T) {
	small := JSONLimits{MaxBytes: 200, MaxDepth: 3, MaxNodes: 8, MaxString: 10, MaxItems: 4, MaxNumber: 6}
	cases := []struct {
		name, in string
		kind     ErrorKind // "" when accepted
		says     string
	}{
		{"plain object", `{"a":1,"b":[true,false,null],"c":-1.5}`, "", ""},
		{"space everywhere", " { \"a\" : [ 1 , 2 ] , \"b\" : { } } \r\n\t", "", ""},
		{"same key in different objects", `{"a":{"a":1},"b":{"a":1}}`, "", ""},
		{"surrogate pair", `{"a":"\ud83d\ude00"}`, Invalid, "more than 10 bytes"},
		{"empty", ``, Invalid, "must be one JSON object"},
		{"only space", "  ", Invalid, "must be one JSON object"},
		{"array on top", `[{}]`, Invalid, "must be one JSON object"},
		{"byte order mark", "\ufeff{}", Invalid, "must be one JSON object"},
		{"two documents", `{} {}`, Invalid, "follows the end"},
		{"duplicate key", `{"a":1,"b":2,"a":3}`, Invalid, `the key "a" appears twice`},
		{"duplicate key by escape", `{"a":1,"\u0061":3}`, Invalid, `the key "a" appears twice`},
		{"duplicate key deep down", `{"x":[{"k":1,"k":1}]}`, Invalid, `the key "k" appears twice`},
		{"@graph", `{"@graph":[]}`, Invalid, `"@graph"`},
		{"@included, nested", `{"a":{"@included":1}}`, Invalid, `"@included"`},
		{"@reverse, escaped", `{"\u0040reverse":1}`, Invalid, `more than 10 bytes`},
		{"@Reverse is another word", `{"@Reverse":1}`, "", ""},
		{"too deep", `{"a":[[[1]]]}`, Invalid, "nested more than 3"},
		{"just deep enough", `{"a":[[1]]}`, "", ""},
		{"too many values", `{"a":[1,2,3],"b":[1,2,3]}`, Invalid, "more than 8 values"},
		{"array too long", `{"a":[1,2,3,4,5]}`, Invalid, "more than 4 entries"},
		{"object too wide", `{"a":1,"b":1,"c":1,"d":1,"e":1}`, Invalid, "more than 4 members"},
		{"string too long", `{"a":"01234567890"}`, Invalid, "more than 10 bytes"},
		{"string as long as allowed", `{"a":"0123456789"}`, "", ""},
		{"key too long", `{"01234567890":1}`, Invalid, "more than 10 bytes"},
		{"number too long", `{"a":1234567}`, Invalid, "more than 6 characters"},
		{"number out of range", `{"a":1e400}`, Invalid, "out of range"},
		{"tiny number is 0", `{"a":1e-400}`, "", ""},
		{"leading zero", `{"a":01}`, Invalid, "malformed"},
		{"bare minus", `{"a":-}`, Invalid, "malformed"},
		{"dot without digits", `{"a":1.}`, Invalid, "malformed"},
		{"exponent without digits", `{"a":1e}`, Invalid, "malformed"},
		{"plus sign", `{"a":+1}`, Invalid, "a value was expected"},
		{"raw NUL", "{\"a\":\"\x00\"}", Invalid, "control character"},
		{"escaped NUL", `{"a":"\u0000"}`, Invalid, "NUL"},
		{"raw line feed", "{\"a\":\"\n\"}", Invalid, "control character"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", Invalid, "not valid UTF-8"},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", Invalid, "not valid UTF-8"},
		{"encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}", Invalid, "not valid UTF-8"},
		{"lone high surrogate", `{"a":"\ud83d"}`, Invalid, "half a surrogate"},
		{"lone low surrogate", `{"a":"\ude00"}`, Invalid, "half a surrogate"},
		{"unknown escape", `{"a":"\x41"}`, Invalid, "unknown escape"},
		{"short escape", `{"a":"\u12"}`, Invalid, "unknown escape"},
		{"trailing comma", `{"a":1,}`, Invalid, "a key in quotation marks"},
		{"trailing comma in array", `{"a":[1,]}`, Invalid, "a value was expected"},
		{"no comma", `{"a":1 "b":2}`, Invalid, "a comma was expected"},
		{"no colon", `{"a" 1}`, Invalid, "a colon was expected"},
		{"single quotes", `{'a':1}`, Invalid, "a key in quotation marks"},
		{"misspelt literal", `{"a":nul}`, Invalid, "a value was expected"},
		{"comment", `{/*x*/}`, Invalid, "a key in quotation marks"},
		{"truncated in object", `{"a":1`, Invalid, "ends too early"},
		{"truncated in key", `{"a`, Invalid, "ends inside a string"},
		{"truncated in array", `{"a":[1`, Invalid, "ends too early"},
		{"truncated after colon", `{"a":`, Invalid, "ends too early"},
		{"too many bytes", `{"a":` + strings.Repeat(" ", 200) + `1}`, TooLarge, "the limit is 200"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := CheckJSON([]byte(c.in), small)
			if got := KindOf(err); got != c.kind {
				t.Fatalf("got kind %q (%v), want %q", got, err, c.kind)
			}
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to say %q", err, c.says)
			}
		})
	}
}

func TestCheckJSON_DefaultLimitsHoldAtTheEdge(t *testing.T) {
	nest := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	list := func(n int) string { return `{"a":[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + `]}` }
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":1`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, c := range []struct {
		name     string
		in, over string
	}{
		{"depth", nest(32), nest(33)},
		{"array", list(1_000), list(1_001)},
		{"members", wide(1_000), wide(1_001)},
		{"string", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, `{"a":"` + strings.Repeat("x", 64<<10+1) + `"}`},
		{"pair", `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\ud83d"}`},
		{"range", `{"a":1.7976931348623157e308}`, `{"a":1.8e308}`},
	} {
		if err := CheckJSON([]byte(c.in), JSONLimits{}); err != nil {
			t.Errorf("%s: at the limit: %v", c.name, err)
		}
		if err := CheckJSON([]byte(c.over), JSONLimits{}); KindOf(err) != Invalid {
			t.Errorf("%s: over the limit: got %v", c.name, err)
		}
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,2.5e3,-0,"\u00e9\ud83d\ude00",true,null,{"b":{}}]}`, `{"a":1,"a":2}`,
		`{"@context":["https://www.w3.org/ns/activitystreams",{"wp":"https://w3id.org/waypost/v1#"}],"type":"Create"}`,
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"@graph":[]}`, `{"a":01}`, `{"\u0061":1,"a":1}`, `[`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := CheckJSON(raw, JSONLimits{})
		if err == nil && !json.Valid(raw) {
			t.Fatalf("accepted what is not JSON: %q", raw)
		}
		if err != nil && KindOf(err) != Invalid && KindOf(err) != TooLarge {
			t.Fatalf("unexpected kind of %v", err)
		}
		if err != nil {
			return
		}
		var spaced bytes.Buffer
		if json.Indent(&spaced, raw, "", " ") == nil && spaced.Len() < 256<<10 {
			if err := CheckJSON(spaced.Bytes(), JSONLimits{}); err != nil {
				t.Fatalf("white space changed the answer: %v: %q", err, raw)
			}
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	file, err := os.ReadFile("testdata/vectors/create-event.json")
	if err != nil {
		b.Fatal(err)
	}
	var raw bytes.Buffer
	if err := json.Compact(&raw, file); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(raw.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckJSON(raw.Bytes(), JSONLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}
