package charter

import (
	"bytes"
	"crypto/ecdh"
	"math/rand/v2"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/waypost-directory/waypost/protocol"
)

// seeded is a source of "random" bytes that is the same in every run.
type seeded struct{ *rand.ChaCha8 }

func newSeeded(seed byte) seeded {
	return seeded{rand.NewChaCha8([32]byte{seed})}
}

func TestCard_ComesBackHoweverItIsTyped(t *testing.T) {
	random := newSeeded(1)
	for range 200 {
		c, err := newCard(random)
		if err != nil {
			t.Fatal(err)
		}
		code := c.String()
		if len(code) != cardLength+6 || strings.Count(code, "-") != 6 || strings.ContainsAny(code, "ILOU") {
			t.Fatalf("got %s, want seven groups of four", code)
		}
		confused := strings.NewReplacer("0", "O", "1", "l").Replace(code)
		for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(code, "-", " "),
			" " + strings.ReplaceAll(code, "-", " – ") + "\n", confused, strings.ReplaceAll(strings.ToLower(confused), "l", "i")} {
			got, err := ParseCard(typed)
			if err != nil || got != c {
				t.Fatalf("%q: got %v, %v", typed, got, err)
			}
		}
	}
}

func TestCard_ASlipOfThePenIsToldNotFollowed(t *testing.T) {
	c := RecoveryCard{secret: [16]byte([]byte("0123456789abcdef"))}
	code := strings.ReplaceAll(c.String(), "-", "")
	accepted, tried := 0, 0
	for i := range code {
		for _, r := range crockford {
			if byte(r) == code[i] {
				continue
			}
			tried++
			if _, err := ParseCard(code[:i] + string(r) + code[i+1:]); err == nil {
				accepted++
			} else if protocol.KindOf(err) != protocol.Invalid {
				t.Fatal(err)
			}
		}
	}
	if accepted > 3 { // 12 bits: one in 4,096
		t.Errorf("%d of %d single slips were accepted", accepted, tried)
	}
	swapped := 0
	for i := range len(code) - 1 {
		if code[i] != code[i+1] {
			if _, err := ParseCard(code[:i] + code[i+1:i+2] + code[i:i+1] + code[i+2:]); err == nil {
				swapped++
			}
		}
	}
	if swapped > 1 {
		t.Errorf("%d swapped neighbours were accepted", swapped)
	}
}

func TestParseCard_SaysWhatToDo(t *testing.T) {
	code := strings.ReplaceAll(RecoveryCard{}.String(), "-", "")
	for _, c := range []struct{ name, in, says string }{
		{"empty", "", "28 characters and this has 0"},
		{"one short", code[1:], "28 characters and this has 27"},
		{"one more", code + "0", "28 characters and this has 29"},
		{"a letter that is not used", "ABCU" + code[4:], "character 4 is not one"},
		{"a sign", "AB*D" + code[4:], "character 3 is not one"},
		{"another script", "АBCD" + code[4:], "character 1 is not one"},
		{"a wrong character", "A" + code[1:], "does not add up"},
		{"a whole book", strings.Repeat("A", 10_000), "far longer"},
	} {
		_, err := ParseCard(c.in)
		if protocol.KindOf(err) != protocol.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
		if err != nil && len(c.in) > 20 && strings.Contains(err.Error(), c.in[5:20]) {
			t.Errorf("%s: the error repeats the code: %v", c.name, err)
		}
	}
}

func TestCard_GivesEachUseAKeyOfItsOwn(t *testing.T) {
	a, b := RecoveryCard{}, RecoveryCard{secret: [16]byte{15: 1}}
	if a.SigningKey().Equal(b.SigningKey()) || a.Share() == b.Share() {
		t.Error("two cards have a key in common")
	}
	if bytes.Equal(a.SigningKey().Seed(), a.derive("share")) {
		t.Error("the two uses have a key in common")
	}
	if !a.SigningKey().Equal(RecoveryCard{}.SigningKey()) || a.Share() != (RecoveryCard{}).Share() {
		t.Error("the same card gives other keys")
	}
	if _, err := age.ParseX25519Recipient(a.Share()); err != nil {
		t.Error(err)
	}
	key, err := ecdh.X25519().NewPrivateKey(a.derive("share"))
	if err != nil || bytes.Equal(key.PublicKey().Bytes(), b.derive("share")) {
		t.Error(err)
	}
}

func FuzzParseCard(f *testing.F) {
	f.Add(RecoveryCard{}.String())
	f.Add(RecoveryCard{secret: [16]byte([]byte("0123456789abcdef"))}.String())
	f.Add("oOiIlL-1234")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCard(text)
		if err != nil {
			if protocol.KindOf(err) != protocol.Invalid {
				t.Fatal(err)
			}
			return
		}
		if again, err := ParseCard(c.String()); err != nil || again != c {
			t.Fatalf("%q: came back as another card", text)
		}
	})
}
