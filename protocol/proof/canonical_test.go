package proof

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/waypost-directory/waypost/protocol"
)

// vector loads protocol/testdata/vectors/<name>.
func vector(t testing.TB, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestCanonical_AgreesWithRFC8785(t *testing.T) {
	var v struct {
		Documents []struct{ Name, In, Canonical string }
		Numbers   []struct{ IEEE754, Text string }
		Refused   []struct{ Name, In string }
	}
	vector(t, "jcs.json", &v)
	for _, c := range v.Documents {
		for _, in := range []string{c.In, c.Canonical} {
			if got, err := Canonical([]byte(in)); err != nil || string(got) != c.Canonical {
				t.Errorf("%s: got %s, %v\nwant %s", c.Name, got, err, c.Canonical)
			}
		}
	}
	for _, c := range v.Numbers {
		bits, err := strconv.ParseUint(c.IEEE754, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		in := strconv.FormatFloat(math.Float64frombits(bits), 'e', 20, 64)
		if got, err := Canonical([]byte(in)); err != nil || string(got) != c.Text {
			t.Errorf("%s (%s): got %s, %v, want %s", c.IEEE754, in, got, err, c.Text)
		}
	}
	for _, c := range v.Refused {
		if got, err := Canonical([]byte(c.In)); protocol.KindOf(err) != protocol.Invalid {
			t.Errorf("%s: got %s, %v, want it refused as invalid", c.Name, got, err)
		}
	}
}

// Any double survives: what is written reads back as the same number, and in
// the form that the RFC asks for (ECMAScript's, with no exponent in between).
func TestCanonical_KeepsEveryDouble(t *testing.T) {
	const seed = 8785
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		f := math.Float64frombits(random.Uint64())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		got, err := Canonical(strconv.AppendFloat(nil, f, 'g', -1, 64))
		if err != nil {
			t.Fatalf("seed %d: %g: %v", seed, f, err)
		}
		if back, err := strconv.ParseFloat(string(got), 64); err != nil || back != f {
			t.Fatalf("seed %d: %g became %s", seed, f, got)
		}
	}
}

func TestMembers_TakesAnObjectApart(t *testing.T) {
	object := `{"":0,"a\"b":"x\\","c":[{"d":"]"},1],"e":{"f":{}},"g":-1.5,"h":true}`
	want := [][2]string{{"", "0"}, {`a\"b`, `"x\\"`}, {"c", `[{"d":"]"},1]`}, {"e", `{"f":{}}`}, {"g", "-1.5"}, {"h", "true"}}
	got := members([]byte(object))
	if len(got) != len(want) {
		t.Fatalf("got %d members, want %d", len(got), len(want))
	}
	for i, m := range got {
		if string(m.name) != want[i][0] || string(m.value) != want[i][1] || string(m.whole) != `"`+want[i][0]+`":`+want[i][1] {
			t.Errorf("member %d: got %s = %s (%s)", i, m.name, m.value, m.whole)
		}
	}
	if got := members([]byte("{}")); len(got) != 0 {
		t.Errorf("got %d members of an empty object", len(got))
	}
}
