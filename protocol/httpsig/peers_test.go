package httpsig

import (
	"bufio"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	sfv "github.com/dunglas/httpsfv"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
)

func newReader(wire string) *bufio.Reader { return bufio.NewReader(strings.NewReader(wire)) }

// handSigned is a POST signed as the test spells it out, not by this package.
func handSigned(t *testing.T, at time.Time, headers, extra, algorithm string, key crypto.Signer, lines ...string) *http.Request {
	t.Helper()
	text := strings.Join(lines, "\n")
	digest, opts, id := []byte(text), crypto.SignerOpts(crypto.Hash(0)), edID
	if _, ok := key.(*rsa.PrivateKey); ok {
		sum := sha256.Sum256(digest)
		digest, opts, id = sum[:], crypto.SHA256, rsaID
	}
	sig, err := key.Sign(nil, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.ReadRequest(newReader("POST /ap/inbox?x=1 HTTP/1.1\r\nHost: hillside.example\r\nContent-Length: 0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Date", at.UTC().Format(http.TimeFormat))
	req.Header.Set("Content-Type", "application/activity+json")
	req.Header.Set("Digest", emptyDigest)
	if algorithm != "" {
		extra += `, algorithm="` + algorithm + `"`
	}
	req.Header.Set("Signature", `keyId="`+id+`"`+extra+`, headers="`+headers+`" , signature="`+base64.StdEncoding.EncodeToString(sig)+`",opaque="1"`)
	return req
}

const emptyDigest = "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" // in small letters, as some send it

func TestVerifyCavage_ReadsWhatOtherServersSend(t *testing.T) {
	// go-fed holds created against the machine's clock, so this test uses it too.
	at := time.Now().Truncate(time.Second)
	date := "date: " + at.UTC().Format(http.TimeFormat)
	created := strconv.FormatInt(at.Unix(), 10)
	const target, bare = "(request-target): post /ap/inbox?x=1", "(request-target): post /ap/inbox"
	const host, digest, kind = "host: hillside.example", "digest: " + emptyDigest, "content-type: application/activity+json"
	rsaKey, edKey := rsaKey(t), edKey()
	for _, c := range []struct {
		name      string
		headers   string
		extra     string
		algorithm string
		key       crypto.Signer
		lines     []string
		refused   string
	}{
		{name: "usual set, any order, no algorithm", headers: "digest date host (request-target)", key: rsaKey, lines: []string{digest, date, host, target}},
		{name: "hs2019 with RSA", headers: "(request-target) host date digest", algorithm: "hs2019", key: rsaKey, lines: []string{target, host, date, digest}},
		{name: "hs2019 with Ed25519", headers: "(request-target) host date digest", algorithm: "hs2019", key: edKey, lines: []string{target, host, date, digest}},
		{name: "path without query", headers: "(request-target) host date digest", algorithm: "rsa-sha256", key: rsaKey, lines: []string{bare, host, date, digest}},
		{name: "content type too, names in capitals", headers: "(request-target) Content-Type Date Digest Host", key: rsaKey, lines: []string{target, kind, date, digest, host}},
		{name: "(created) and (expires)", headers: "(request-target) (created) (expires) host digest", extra: ",created=" + created + ",expires=" + created, algorithm: "hs2019", key: rsaKey,
			lines: []string{target, "(created): " + created, "(expires): " + created, host, digest}},
		{name: "created that is not signed", headers: "(request-target) host date digest", extra: ",created=" + created, algorithm: "hs2019", key: rsaKey, lines: []string{target, host, date, digest}},
		{name: "another query", headers: "(request-target) host date digest", key: rsaKey, lines: []string{bare + "?x=2", host, date, digest}, refused: "does not fit"},
		{name: "(expires) without a value", headers: "(request-target) (expires) host date digest", key: rsaKey, lines: []string{target, host, date, digest}, refused: "(expires)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := handSigned(t, at, c.headers, c.extra, c.algorithm, c.key, c.lines...)
			opts := options(t)
			opts.Now = at
			v, err := Verify(req, nil, opts)
			if c.refused != "" {
				if protocol.KindOf(err) != protocol.Unverified || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("got %v, want it to say %q", err, c.refused)
				}
				return
			}
			if err != nil || !v.At.Equal(at) {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}

func TestVerifyRFC9421_ReadsWhatOtherServersSend(t *testing.T) {
	const created = ";created=1787216400"
	body := []byte(`{}`)
	for _, c := range []struct{ name, input string }{
		{"with an algorithm and a tag", `("@method" "@target-uri" "content-digest")` + created + `;keyid="` + edID + `";alg="ed25519";tag="fedi";nonce="x"`},
		{"the address in parts", `("@method" "@path" "@query" "@authority" "@scheme" "content-digest" "content-type")` + created + `;keyid="` + edID + `"`},
		{"the request target", `("@method" "@request-target" "host" "@target-uri" "content-digest")` + created + `;keyid="` + edID + `"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := post(t, inbox)
			if err := SignRFC9421(req, body, edID, edKey(), now); err != nil { // for the digest
				t.Fatal(err)
			}
			values := map[string]string{"@method": "POST", "@target-uri": inbox, "@path": "/ap/inbox", "@query": "?b=2&a=%31",
				"@authority": "hillside.example", "host": "hillside.example", "@scheme": "https", "@request-target": "/ap/inbox?b=2&a=%31",
				"content-digest": req.Header.Get("Content-Digest"), "content-type": "application/activity+json"}
			var base strings.Builder
			list, _, _ := strings.Cut(c.input[1:], ")")
			for name := range strings.FieldsSeq(list) {
				base.WriteString(name + ": " + values[strings.Trim(name, `"`)] + "\n")
			}
			base.WriteString(`"@signature-params": ` + c.input)
			sig := ed25519.Sign(edKey(), []byte(base.String()))
			// the first signature is one that we cannot use, the second counts
			req.Header.Set("Signature-Input", `proxy=("@authority");created=1, s=`+c.input)
			req.Header.Set("Signature", `proxy=:AAAA:, s=:`+base64.StdEncoding.EncodeToString(sig)+`:`)
			if _, err := Verify(arrive(t, req, body), body, options(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRFC9421_AgreesWithItsOwnExample(t *testing.T) {
	raw, err := os.ReadFile("../testdata/vectors/rfc9421-b26.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Origin, PublicKeyPem, PrivateKeyPem string
		Request, Base, Input, Signature     string
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	req, err := http.ReadRequest(newReader(v.Request))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Signature-Input", "sig-b26="+v.Input)
	req.Header.Set("Signature", "sig-b26="+v.Signature)
	inputs, err1 := sfv.UnmarshalDictionary(req.Header["Signature-Input"])
	signatures, err2 := sfv.UnmarshalDictionary(req.Header["Signature"])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	s, err := readLabelled(inputs, signatures, "sig-b26")
	if err != nil {
		t.Fatal(err)
	}
	base, err := signatureBase(req, v.Origin, s.components, s.params)
	if err != nil || string(base) != v.Base {
		t.Errorf("base: got %q, %v\nwant %q", base, err, v.Base)
	}
	pub, err := ParsePublicKey(v.PublicKeyPem)
	if err != nil || !fits(pub, base, s.signature) {
		t.Errorf("the signature does not fit: %v", err)
	}
	block, _ := pem.Decode([]byte(v.PrivateKeyPem))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sign(key.(ed25519.PrivateKey), algEd25519, base)
	if err != nil || string(got) != string(s.signature) {
		t.Errorf("signed anew: got %x, %v", got, err)
	}
}

func TestParsePublicKey_TakesWhatActorsPublish(t *testing.T) {
	pub := &rsaKey(t).PublicKey
	pkix, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	edPKIX, err := x509.MarshalPKIXPublicKey(edKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	short, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).Rsh(pub.N, 1024), E: pub.E})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{block("PUBLIC KEY", pkix), block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(pub)), "\n" + block("PUBLIC KEY", pkix)} {
		if got, err := ParsePublicKey(text); err != nil || !pub.Equal(got) {
			t.Errorf("%.40s…: got %v, %v", text, got, err)
		}
	}
	if got, err := ParsePublicKey(block("PUBLIC KEY", edPKIX)); err != nil || !edKey().Public().(ed25519.PublicKey).Equal(got) {
		t.Errorf("Ed25519: got %v, %v", got, err)
	}
	for name, text := range map[string]string{
		"nothing": "", "not PEM": "ssh-rsa AAAA", "private key": block("PRIVATE KEY", pkix), "nonsense": block("PUBLIC KEY", []byte("x")),
		"1024 bits": block("PUBLIC KEY", short), "too long": strings.Repeat("x", 5_000),
	} {
		if _, err := ParsePublicKey(text); protocol.KindOf(err) != protocol.Invalid {
			t.Errorf("%s: got %v, want it refused as invalid", name, err)
		}
	}
}

func TestParseMultikey_TakesBothSorts(t *testing.T) {
	pub := &rsaKey(t).PublicKey
	if got, err := ParseMultikey(proof.EncodeRSA(pub)); err != nil || !pub.Equal(got) {
		t.Errorf("RSA: got %v, %v", got, err)
	}
	ed := edKey().Public().(ed25519.PublicKey)
	if got, err := ParseMultikey(proof.EncodeEd25519(ed)); err != nil || !ed.Equal(got) {
		t.Errorf("Ed25519: got %v, %v", got, err)
	}
	if got, err := ParseMultikey("z6Mknonsense"); protocol.KindOf(err) != protocol.Invalid || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzVerify(f *testing.F) {
	body := []byte(`{}`)
	opts := options(f)
	for _, sign := range signers(f) {
		req := post(f, inbox)
		if err := sign(req, body); err != nil {
			f.Fatal(err)
		}
		f.Add(req.Header.Get("Signature"), req.Header.Get("Signature-Input"), req.Header.Get("Digest")+req.Header.Get("Content-Digest"))
	}
	f.Add(`keyId="a",headers="(request-target)",signature="AAAA",created=1,expires=2`, "", "SHA-256=")
	f.Add(`s=:AAAA:`, `s=("@method" "x";sf);created=1;keyid="a"`, "sha-256=:AAAA:")
	other := []byte(`{"forged":true}`)
	f.Fuzz(func(t *testing.T, signature, input, digest string) {
		req := post(t, inbox)
		req.Header.Set("Date", now.Format(http.TimeFormat))
		req.Header.Set("Signature", signature)
		req.Header.Set("Digest", digest)
		req.Header.Set("Content-Digest", digest)
		if input != "" {
			req.Header.Set("Signature-Input", input)
		}
		if v, err := Verify(req, other, opts); protocol.KindOf(err) != protocol.Unverified {
			t.Fatalf("got %+v, %v", v, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := []byte(strings.Repeat("x", 10_000))
	opts := options(b)
	key, ed := &rsaKey(b).PublicKey, edKey().Public()
	opts.KeyOf = keyOf(map[string]crypto.PublicKey{rsaID: key, edID: ed})
	for name, sign := range signers(b) {
		req := post(b, inbox)
		if err := sign(req, body); err != nil {
			b.Fatal(err)
		}
		in := arrive(b, req, body)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Verify(in, body, opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bare RSA", func(b *testing.B) {
		sum := sha256.Sum256(body)
		sig, err := rsaKey(b).Sign(nil, sum[:], crypto.SHA256)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSign(b *testing.B) {
	body := []byte(strings.Repeat("x", 10_000))
	key := rsaKey(b)
	ed := edKey()
	for name, sign := range map[string]signFunc{
		"draft-cavage, RSA": func(r *http.Request, body []byte) error { return SignCavage(r, body, rsaID, key, now) },
		"RFC 9421, RSA":     func(r *http.Request, body []byte) error { return SignRFC9421(r, body, rsaID, key, now) },
		"RFC 9421, Ed25519": func(r *http.Request, body []byte) error { return SignRFC9421(r, body, edID, ed, now) },
	} {
		b.Run(name, func(b *testing.B) {
			req := post(b, inbox)
			b.ReportAllocs()
			for b.Loop() {
				if err := sign(req, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bare RSA", func(b *testing.B) {
		sum := sha256.Sum256(body)
		for b.Loop() {
			if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
