package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

const method = "https://riverside.example/ap/a/riverside#ed25519-key"

var (
	signedAt = time.Date(2026, 8, 20, 9, 0, 0, 0, time.UTC)
	key      = ed25519.NewKeyFromSeed([]byte("riverside-riverside-riverside-32"))
)

func keyFor(id string, pub ed25519.PublicKey) func(string) (ed25519.PublicKey, error) {
	return func(m string) (ed25519.PublicKey, error) {
		if m != id {
			return nil, errors.New("the author has no such key")
		}
		return pub, nil
	}
}

var resolve = keyFor(method, key.Public().(ed25519.PublicKey))

func sign(t testing.TB, doc string, opts Options) []byte {
	t.Helper()
	if opts.VerificationMethod == "" {
		opts.VerificationMethod = method
	}
	out, err := Sign([]byte(doc), key, opts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// event is the object of a Create as nodes send it, compact.
func event(t testing.TB) string {
	t.Helper()
	var create struct{ Object json.RawMessage }
	vector(t, "create-event.json", &create)
	var b bytes.Buffer
	if err := json.Compact(&b, create.Object); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestVector_FEP8b32PassesBothWays(t *testing.T) {
	var v struct {
		SecretKeyMultibase, VerificationMethod string
		Created                                time.Time
		Document, Signed                       json.RawMessage
		Actor                                  struct {
			AssertionMethod []struct{ ID, PublicKeyMultibase string }
		}
	}
	vector(t, "fep-8b32.json", &v)
	secret, err := DecodeEd25519Secret(v.SecretKeyMultibase)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Sign(v.Document, secret, Options{VerificationMethod: v.VerificationMethod, Created: v.Created})
	if err != nil {
		t.Fatal(err)
	}
	gotForm, err1 := Canonical(got)
	wantForm, err2 := Canonical(v.Signed)
	if err1 != nil || err2 != nil || !bytes.Equal(gotForm, wantForm) {
		t.Errorf("signed: got %s\nwant %s", gotForm, wantForm)
	}
	m := v.Actor.AssertionMethod[0]
	if m.ID == "" {
		m.ID = v.VerificationMethod // the vector's actor leaves it out
	}
	pub, err := DecodeEd25519(m.PublicKeyMultibase)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := Verify(v.Signed, keyFor(m.ID, pub), v.Created)
	if err != nil {
		t.Fatal(err)
	}
	if proof.VerificationMethod != v.VerificationMethod || !proof.Created.Equal(v.Created) {
		t.Errorf("got %+v", proof)
	}
}

func TestSign_KeepsTheBytesBeforeTheProof(t *testing.T) {
	for _, doc := range []string{event(t), `{}`, " {\n \"a\" : 47.0, \"b\":1.10 \n} \n", `{"a":"\u00e9é","content":"{}"}`} {
		out := sign(t, doc, Options{Created: signedAt})
		kept := strings.TrimRight(strings.TrimSuffix(strings.TrimRight(doc, " \n"), "}"), " \n")
		if !strings.HasPrefix(string(out), kept) {
			t.Errorf("got %.60s…, want it to begin with %.60s…", out, kept)
		}
		if _, err := Verify(out, resolve, signedAt); err != nil {
			t.Errorf("%.60s: %v", out, err)
		}
	}
}

func TestSign_RefusesADocumentThatIsSigned(t *testing.T) {
	for _, doc := range []string{`{"proof":{}}`, `{"signature":{}}`, `{"pro\u006ff":1}`, `[]`, `"x"`, ``, `{"a":1,"a":1}`} {
		if out, err := Sign([]byte(doc), key, Options{VerificationMethod: method}); protocol.KindOf(err) != protocol.Invalid {
			t.Errorf("%s: got %s, %v", doc, out, err)
		}
	}
	if _, err := Sign([]byte(`{}`), key, Options{}); protocol.KindOf(err) != protocol.Invalid {
		t.Errorf("without a verification method: got %v", err)
	}
}

// swap makes one change and fails when there was nothing to change.
func swap(t *testing.T, doc []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(doc, []byte(old)) {
		t.Fatalf("%q is not in %s", old, doc)
	}
	return bytes.Replace(doc, []byte(old), []byte(new), 1)
}

func TestVerify_HoldsWhateverTheFormButNotTheContent(t *testing.T) {
	const doc = `{"@context":["https://www.w3.org/ns/activitystreams",{"wp":"https://w3id.org/waypost/v1#"}],"id":"https://riverside.example/1","content":"a/é","latitude":47.0}`
	good := string(sign(t, doc, Options{Created: signedAt, Expires: signedAt.Add(time.Hour)}))
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(good), "", "  "); err != nil {
		t.Fatal(err)
	}
	const ctx = `["https://www.w3.org/ns/activitystreams",{"wp":"https://w3id.org/waypost/v1#"}]`
	const created = `"created":"2026-08-20T09:00:00Z",`
	other := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	change := func(old, new string) []byte { return swap(t, []byte(good), old, new) }
	inProof := func(old, new string) []byte {
		i := strings.Index(good, `"proof":`)
		return append([]byte(good[:i]), swap(t, []byte(good[i:]), old, new)...)
	}
	cases := []struct {
		name    string
		doc     []byte
		resolve func(string) (ed25519.PublicKey, error)
		at      time.Time
		kind    protocol.ErrorKind
		says    string
	}{
		{name: "as sent", doc: []byte(good)},
		{name: "indented", doc: indented.Bytes()},
		{name: "number written in another way", doc: change("47.0", "4.7e1")},
		{name: "string written in another way", doc: change(`a/é`, `a\/\u00e9`)},
		{name: "LD signature beside the proof", doc: change(`"id":`, `"signature":{"type":"RsaSignature2017"},"id":`)},
		{name: "context added at the end", doc: change(`v1#"}]`, `v1#"},"https://example.org/more"]`)},
		{name: "content changed", doc: change("a/é", "a/e"), kind: protocol.Unverified, says: "does not fit"},
		{name: "number changed", doc: change("47.0", "47.1"), kind: protocol.Unverified, says: "does not fit"},
		{name: "member added", doc: change(`"id":`, `"to":[],"id":`), kind: protocol.Unverified, says: "does not fit"},
		{name: "member removed", doc: change(`,"latitude":47.0`, ``), kind: protocol.Unverified, says: "does not fit"},
		{name: "context changed", doc: change("ns/activitystreams", "ns/activitystream"), kind: protocol.Unverified, says: "@context"},
		{name: "context put first", doc: change(`["https:`, `["https://example.org/","https:`), kind: protocol.Unverified, says: "@context"},
		{name: "context shortened", doc: change(ctx, `["https://www.w3.org/ns/activitystreams"]`), kind: protocol.Unverified, says: "@context"},
		{name: "context removed", doc: change(`"@context":`+ctx+`,`, ``), kind: protocol.Unverified, says: "@context"},
		{name: "context of both changed", doc: bytes.ReplaceAll([]byte(good), []byte("waypost/v1#"), []byte("waypost/v2#")), kind: protocol.Unverified, says: "does not fit"},
		{name: "context of the proof removed", doc: inProof(`"@context":`+ctx+`,`, ``), kind: protocol.Unverified, says: "does not fit"},
		{name: "created removed", doc: change(created, ``), kind: protocol.Unverified, says: "does not fit"},
		{name: "created changed", doc: change("09:00:00Z", "09:00:01Z"), kind: protocol.Unverified, says: "does not fit"},
		{name: "created malformed", doc: change("09:00:00Z", "9 o'clock"), kind: protocol.Invalid, says: "created"},
		{name: "expires removed", doc: change(`"expires":"2026-08-20T10:00:00Z",`, ``), kind: protocol.Unverified, says: "does not fit"},
		{name: "expired", doc: []byte(good), at: signedAt.Add(time.Hour), kind: protocol.Unverified, says: "expired"},
		{name: "member added to the proof", doc: change(`"type":"DataI`, `"nonce":"1","type":"DataI`), kind: protocol.Unverified, says: "does not fit"},
		{name: "other purpose", doc: change(`"assertionMethod"`, `"authentication"`), kind: protocol.Unverified, says: "purpose"},
		{name: "other cryptosuite", doc: change("eddsa-jcs-2022", "eddsa-rdfc-2022"), kind: protocol.Unverified, says: "cryptosuite"},
		{name: "other type", doc: change("DataIntegrityProof", "Ed25519Signature2020"), kind: protocol.Unverified, says: "cryptosuite"},
		{name: "other method", doc: change("#ed25519-key", "#ed25519-kez"), kind: protocol.Unverified, says: "no such key"},
		{name: "no method", doc: inProof(method, ""), kind: protocol.Unverified, says: "verificationMethod"},
		{name: "other key", doc: []byte(good), resolve: keyFor(method, other), kind: protocol.Unverified, says: "does not fit"},
		{name: "no key", doc: []byte(good), resolve: keyFor(method, nil), kind: protocol.Unverified, says: "does not fit"},
		{name: "key not reachable", doc: []byte(good), kind: protocol.Unavailable, says: "later", resolve: func(string) (ed25519.PublicKey, error) {
			return nil, protocol.Errorf("transport.Fetch", protocol.Unavailable, "", "try again later")
		}},
		{name: "no proof", doc: []byte(doc), kind: protocol.Unverified, says: "has no proof"},
		{name: "list of proofs", doc: []byte(strings.Replace(good[:len(good)-1], `"proof":{`, `"proof":[{`, 1) + "]}"), kind: protocol.Invalid, says: "list of proofs"},
		{name: "proof is a string", doc: []byte(`{"proof":"z1"}`), kind: protocol.Invalid, says: "not an object"},
		{name: "empty proof", doc: []byte(`{"proof":{}}`), kind: protocol.Invalid, says: "proofValue"},
		{name: "proofValue is a number", doc: []byte(`{"proof":{"proofValue":1}}`), kind: protocol.Invalid, says: "proofValue"},
		{name: "proofValue of another base", doc: change(`"proofValue":"z`, `"proofValue":"u`), kind: protocol.Invalid, says: "proofValue"},
		{name: "proofValue cut", doc: append([]byte(good[:len(good)-8]), `"}}`...), kind: protocol.Invalid, says: "proofValue"},
		{name: "nothing", doc: nil, kind: protocol.Invalid, says: "JSON"},
		{name: "two proofs", doc: change(`"id":`, `"proof":{},"id":`), kind: protocol.Invalid, says: "duplicate"},
		{name: "two contents", doc: change(`"id":`, `"content":"x","id":`), kind: protocol.Invalid, says: "duplicate"},
		{name: "not an object", doc: []byte(`["proof"]`), kind: protocol.Invalid, says: "object"},
		{name: "truncated", doc: []byte(good[:len(good)-1]), kind: protocol.Invalid, says: "JSON"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.resolve == nil {
				c.resolve = resolve
			}
			if c.at.IsZero() {
				c.at = signedAt
			}
			_, err := Verify(c.doc, c.resolve, c.at)
			if got := protocol.KindOf(err); got != c.kind {
				t.Fatalf("got kind %q (%v), want %q", got, err, c.kind)
			}
			if err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to say %q", err, c.says)
			}
		})
	}
}

func TestVerify_CreatedAndContextAreOptional(t *testing.T) {
	for _, doc := range []string{`{"a":1}`, `{"@context":"https://www.w3.org/ns/activitystreams","a":1}`, `{"@context":[],"a":1}`} {
		p, err := Verify(sign(t, doc, Options{}), resolve, signedAt)
		if err != nil || !p.Created.IsZero() || !p.Expires.IsZero() {
			t.Errorf("%s: got %+v, %v", doc, p, err)
		}
	}
}

// Whatever byte is changed, the document is refused or still says the same.
func TestVerify_NoChangedByteChangesWhatIsBelieved(t *testing.T) {
	const seed = 20260820
	random := rand.New(rand.NewPCG(seed, 1))
	good := sign(t, `{"@context":["https://www.w3.org/ns/activitystreams",{"wp":"https://w3id.org/waypost/v1#"}],`+"\n\t"+
		`"type":"Event", "content":"Caf\u00e9 \/ 10–13","n":[1.50,-0,47.0,9007199254740993]}`, Options{})
	good = swap(t, good, `"proof":`, `"signature":{"type":"RsaSignature2017"},"proof":`)
	want, err := believed(good)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= byte(1 + random.IntN(255))
		if _, err := Verify(bad, resolve, signedAt); err != nil {
			refused++
			continue
		}
		if got, err := believed(bad); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: byte %d changed from %q to %q is believed", seed, i, good[i], bad[i])
		}
	}
	if refused < len(good)*9/10 {
		t.Errorf("only %d of %d changes were refused", refused, len(good))
	}
}

// believed is what a verified document says: its canonical form under the
// signed @context, without the proof and the LD signature.
func believed(doc []byte) ([]byte, error) {
	canonical, err := Canonical(doc)
	if err != nil {
		return nil, err
	}
	d := split(canonical)
	c, err := readConfig(d.proof)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, m := range d.rest {
		if string(m.name) == "@context" && c.context != nil {
			m.whole = c.context
		}
		out = append(append(out, m.whole...), '\n')
	}
	return out, nil
}

func FuzzVerify(f *testing.F) {
	f.Add(sign(f, event(f), Options{Created: signedAt}))
	f.Add(sign(f, `{"@context":"https://www.w3.org/ns/activitystreams","type":"Note"}`, Options{Expires: signedAt.Add(time.Hour)}))
	if raw, err := os.ReadFile("../testdata/vectors/fep-8b32.json"); err == nil {
		var v struct{ Signed json.RawMessage }
		if json.Unmarshal(raw, &v) == nil {
			f.Add([]byte(v.Signed))
		}
	}
	for _, s := range []string{`{}`, `{"proof":{}}`, `{"proof":[]}`, `{"@context":[],"proof":{"@context":1,"proofValue":"z"}}`, `[]`, ``, `{"proof":{"type":"\u0044"}}`} {
		f.Add([]byte(s))
	}
	good := map[string]bool{} // what the two documents signed by key say
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := Verify(raw, resolve, signedAt)
		if err == nil {
			b, _ := believed(raw)
			good[string(b)] = true
			if len(good) > 2 {
				t.Fatalf("a forged document is believed: %s", raw)
			}
			return
		}
		if k := protocol.KindOf(err); k != protocol.Invalid && k != protocol.Unverified {
			t.Fatalf("unexpected kind of %v", err)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	doc := []byte(event(b))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Canonical(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	doc := sign(b, event(b), Options{Created: signedAt})
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(doc, resolve, signedAt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	doc := []byte(event(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(doc, key, Options{VerificationMethod: method, Created: signedAt}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareEd25519Verify(b *testing.B) {
	message := make([]byte, 64)
	sig := ed25519.Sign(key, message)
	pub := key.Public().(ed25519.PublicKey)
	for b.Loop() {
		if !ed25519.Verify(pub, message, sig) {
			b.Fatal("not verified")
		}
	}
}
