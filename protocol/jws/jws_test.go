package jws

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/waypost-directory/waypost/protocol"
)

var at = time.Date(2026, 8, 20, 9, 0, 0, 0, time.UTC)

const payload = `{"a":1,"type":"Charter"}`

func key(n int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32d", n)))
}

func public(n int) ed25519.PublicKey { return key(n).Public().(ed25519.PublicKey) }

func signer(n int) Signer {
	return Signer{Key: key(n), KeyID: fmt.Sprintf("z6Mk%d", n), Type: "waypost-charter+jws", At: at}
}

func signed(t testing.TB, signers ...Signer) []byte {
	t.Helper()
	raw, err := Sign([]byte(payload), signers...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parsed(t testing.TB, raw []byte) Document {
	t.Helper()
	d, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSign_AlwaysWritesTheGeneralForm(t *testing.T) {
	for n := 1; n <= 3; n++ {
		var signers []Signer
		for i := range n {
			signers = append(signers, signer(i))
		}
		raw := signed(t, signers...)
		if !strings.HasPrefix(string(raw), `{"payload":"`) || strings.Count(string(raw), `"protected"`) != n || !strings.Contains(string(raw), `"signatures":[`) {
			t.Errorf("got %s", raw)
		}
		d := parsed(t, raw)
		if string(d.Payload()) != payload || len(d.Signatures()) != n || !bytes.Equal(d.Bytes(), raw) {
			t.Errorf("%d signers: got %s", n, d.Bytes())
		}
		for i := range n {
			if err := d.Verify(i, public(i)); err != nil {
				t.Errorf("signature %d: %v", i, err)
			}
			if err := d.Verify(i, public(9)); protocol.KindOf(err) != protocol.Unverified {
				t.Errorf("signature %d with another key: got %v", i, err)
			}
		}
	}
}

func TestSign_HeaderSaysWhoAsWhatAndWhen(t *testing.T) {
	d := parsed(t, signed(t, signer(1)))
	s := d.Signatures()[0]
	head, err := base64.RawURLEncoding.DecodeString(s.Protected)
	want := `{"alg":"EdDSA","kid":"z6Mk1","typ":"waypost-charter+jws","at":"2026-08-20T09:00:00Z"}`
	if err != nil || string(head) != want {
		t.Errorf("got %s, want %s", head, want)
	}
	if s.Alg != EdDSA || s.KeyID != "z6Mk1" || s.Type != "waypost-charter+jws" || !s.At.Equal(at) {
		t.Errorf("got %+v", s)
	}
}

// Another implementation has to be able to read what we write.
func TestSign_IsReadByJWX(t *testing.T) {
	raw := signed(t, signer(1), signer(2))
	for n := 1; n <= 2; n++ {
		got, err := jws.Verify(raw, jws.WithJSON(), jws.WithKey(jwa.EdDSA, public(n)))
		if err != nil || string(got) != payload {
			t.Errorf("key %d: got %s, %v", n, got, err)
		}
	}
}

func TestAdd_LeavesForeignSegmentsAsTheyAre(t *testing.T) {
	// a header with its members in another order and with space between them
	foreign := `{ "typ":"waypost-charter+jws", "at":"2026-08-20T10:00:00+01:00", "x":[1.50], "kid":"z6Mk7", "alg":"EdDSA" }`
	protected := base64.RawURLEncoding.EncodeToString([]byte(foreign))
	body := base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig := base64.RawURLEncoding.EncodeToString(ed25519.Sign(key(7), []byte(protected+"."+body)))
	passkey := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"zDn1","typ":"waypost-charter-passkey","at":"2026-08-20T09:00:00Z"}`))
	raw := fmt.Sprintf(`{ "signatures":[{"signature":%q,"protected":%q},{"protected":%q,"header":{"authenticatorData":"AA","z":{}},"signature":"AAAA"}],"payload":%q }`, sig, protected, passkey, body)

	d, err := parsed(t, []byte(raw)).Add(signer(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d = parsed(t, d.Bytes())
	}
	for _, segment := range []string{protected, sig, body, passkey, `"header":{"authenticatorData":"AA","z":{}}`} {
		if !bytes.Contains(d.Bytes(), []byte(segment)) {
			t.Errorf("%s is gone from %s", segment, d.Bytes())
		}
	}
	if err := d.Verify(0, public(7)); err != nil {
		t.Errorf("foreign signature: %v", err)
	}
	if err := d.Verify(2, public(1)); err != nil {
		t.Errorf("added signature: %v", err)
	}
	if err := d.Verify(1, public(1)); protocol.KindOf(err) != protocol.Unverified {
		t.Errorf("passkey: got %v", err)
	}
	if s := d.Signatures(); s[1].Alg != "ES256" || string(s[1].Header) == "" || !s[0].At.Equal(at) {
		t.Errorf("got %+v", s)
	}
}

func TestAdd_DoesNotTouchTheDocumentItCameFrom(t *testing.T) {
	d := parsed(t, signed(t, signer(1)))
	before := d.Bytes()
	a, err1 := d.Add(signer(2))
	b, err2 := d.Add(signer(3))
	if err1 != nil || err2 != nil || !bytes.Equal(d.Bytes(), before) || a.Signatures()[1].KeyID != "z6Mk2" || b.Signatures()[1].KeyID != "z6Mk3" {
		t.Errorf("got %v, %v, %s", err1, err2, d.Bytes())
	}
}

func TestVerify_EachSignatureStandsAlone(t *testing.T) {
	d := parsed(t, signed(t, signer(1), signer(2)))
	good := d.entries[1]
	d.entries[1].Signature = d.entries[0].Signature // the other's signature under this header
	d = parsed(t, d.Bytes())
	if d.Verify(0, public(1)) != nil || d.Verify(1, public(2)) == nil || d.Verify(1, public(1)) == nil {
		t.Error("one valid signature made the other one valid, or the reverse")
	}
	d.entries[1] = entry{Protected: d.entries[0].Protected, Signature: good.Signature}
	d = parsed(t, d.Bytes())
	if d.Verify(1, public(2)) == nil {
		t.Error("a signature is believed under another header")
	}
	for _, i := range []int{-1, 2} {
		if protocol.KindOf(d.Verify(i, public(1))) != protocol.Unverified {
			t.Errorf("signature %d is believed", i)
		}
	}
	if protocol.KindOf(d.Verify(0, nil)) != protocol.Unverified {
		t.Error("no key is believed")
	}
}

func TestParse_RefusesEveryOtherForm(t *testing.T) {
	raw := string(signed(t, signer(1)))
	seg := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	d := parsed(t, []byte(raw))
	body, e := d.segment, d.entries[0]
	general := func(header string) string {
		return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, body, seg(header), e.Signature)
	}
	many := strings.Repeat(fmt.Sprintf(`,{"protected":%q,"signature":%q}`, e.Protected, e.Signature), MaxSignatures+1)
	for _, c := range []struct {
		name, in string
		kind     protocol.ErrorKind
		says     string
	}{
		{"flattened", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, body, e.Protected, e.Signature), protocol.Invalid, "flattened"},
		{"both forms", strings.Replace(raw, `{"payload"`, `{"signature":"AAAA","payload"`, 1), protocol.Invalid, "flattened"},
		{"compact", e.Protected + "." + body + "." + e.Signature, protocol.Invalid, "one JSON object"},
		{"unknown member", strings.Replace(raw, `{"payload"`, `{"x":1,"payload"`, 1), protocol.Invalid, "general form"},
		{"unknown member of an entry", strings.Replace(raw, `{"protected"`, `{"x":1,"protected"`, 1), protocol.Invalid, "general form"},
		{"other capitals", strings.Replace(raw, `"payload"`, `"Payload"`, 1), protocol.Invalid, "general form"},
		{"payload twice", strings.Replace(raw, `{"payload"`, `{"payload":"e30","payload"`, 1), protocol.Invalid, `"payload" appears twice`},
		{"no payload", `{"signatures":[]}`, protocol.Invalid, "payload is missing"},
		{"empty payload", strings.Replace(raw, body, "", 1), protocol.Invalid, "payload is missing"},
		{"payload with padding", strings.Replace(raw, body, body+"=", 1), protocol.Invalid, "not base64url"},
		{"payload with a line feed", strings.Replace(raw, body, body[:4]+`\n`+body[4:], 1), protocol.Invalid, "not base64url"},
		{"spare bits", `{"payload":"e31","signatures":[]}`, protocol.Invalid, "not base64url"},
		{"no signatures", fmt.Sprintf(`{"payload":%q}`, body), protocol.Invalid, "has 0 signatures"},
		{"too many signatures", fmt.Sprintf(`{"payload":%q,"signatures":[%s]}`, body, many[1:]), protocol.Invalid, "has 33 signatures"},
		{"signatures is an object", fmt.Sprintf(`{"payload":%q,"signatures":{}}`, body), protocol.Invalid, "general form"},
		{"too large", raw + strings.Repeat(" ", MaxBytes), protocol.TooLarge, "limit"},
		{"no signature value", strings.Replace(raw, e.Signature, "", 1), protocol.Invalid, "value is missing"},
		{"protected not JSON", general(`x`), protocol.Invalid, "one JSON object"},
		{"protected twice the kid", general(`{"alg":"EdDSA","kid":"a","kid":"b","typ":"t","at":"2026-08-20T09:00:00Z"}`), protocol.Invalid, `"kid" appears twice`},
		{"no alg", general(`{"kid":"a","typ":"t","at":"2026-08-20T09:00:00Z"}`), protocol.Invalid, "alg, kid, typ and at"},
		{"no kid", general(`{"alg":"EdDSA","typ":"t","at":"2026-08-20T09:00:00Z"}`), protocol.Invalid, "alg, kid, typ and at"},
		{"no typ", general(`{"alg":"EdDSA","kid":"a","at":"2026-08-20T09:00:00Z"}`), protocol.Invalid, "alg, kid, typ and at"},
		{"no at", general(`{"alg":"EdDSA","kid":"a","typ":"t"}`), protocol.Invalid, "alg, kid, typ and at"},
		{"crit", general(`{"alg":"EdDSA","kid":"a","typ":"t","at":"2026-08-20T09:00:00Z","crit":["x"]}`), protocol.Invalid, "crit"},
		{"b64", general(`{"alg":"EdDSA","kid":"a","typ":"t","at":"2026-08-20T09:00:00Z","b64":false}`), protocol.Invalid, "b64"},
		{"kid is a number", general(`{"alg":"EdDSA","kid":1,"typ":"t","at":"2026-08-20T09:00:00Z"}`), protocol.Invalid, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.in))
			if protocol.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %v, want kind %q and %q", err, c.kind, c.says)
			}
		})
	}
}

func TestSign_RefusesWhatCouldNotBeRead(t *testing.T) {
	for name, f := range map[string]func(*Signer){
		"no key": func(s *Signer) { s.Key = nil }, "no id": func(s *Signer) { s.KeyID = "" },
		"no type": func(s *Signer) { s.Type = "" }, "no time": func(s *Signer) { s.At = time.Time{} },
	} {
		s := signer(1)
		f(&s)
		if _, err := Sign([]byte(payload), s); protocol.KindOf(err) != protocol.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Sign(nil, signer(1)); protocol.KindOf(err) != protocol.Invalid {
		t.Errorf("no payload: got %v", err)
	}
	if _, err := Sign([]byte(payload)); protocol.KindOf(err) != protocol.Invalid {
		t.Errorf("no signer: got %v", err)
	}
	if _, err := Sign(bytes.Repeat([]byte("x"), MaxBytes), signer(1)); protocol.KindOf(err) != protocol.TooLarge {
		t.Errorf("too large: got %v", err)
	}
}

// Whatever byte is changed, the document is refused or no longer verified.
func TestVerify_NoChangedByteIsBelieved(t *testing.T) {
	const seed = 7515
	random := rand.New(rand.NewPCG(seed, 0))
	good := signed(t, signer(1))
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= byte(1 + random.IntN(255))
		if d, err := Parse(bad); err == nil && d.Verify(0, public(1)) == nil {
			t.Fatalf("seed %d: byte %d changed from %q to %q is believed", seed, i, good[i], bad[i])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(signed(f, signer(1)))
	f.Add(signed(f, signer(1), signer(2)))
	for _, s := range []string{`{}`, `{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}`, `{"payload":"e30","protected":"e30","signature":"AA"}`, `{"payload":1,"signatures":[null]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Parse(raw)
		if err != nil {
			if k := protocol.KindOf(err); k != protocol.Invalid && k != protocol.TooLarge {
				t.Fatalf("unexpected kind of %v", err)
			}
			return
		}
		again, err := Parse(d.Bytes())
		if err != nil || !bytes.Equal(again.Bytes(), d.Bytes()) || len(again.Signatures()) != len(d.Signatures()) {
			t.Fatalf("%s came back as %s, %v", raw, again.Bytes(), err)
		}
		for i := range d.Signatures() {
			if d.Verify(i, public(1)) == nil && string(d.Payload()) != payload {
				t.Fatalf("a forged document is believed: %s", raw)
			}
		}
	})
}
