package proof

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/protocol"
)

func TestMultikey_AgreesWithFEP521a(t *testing.T) {
	var v struct {
		Keys []struct {
			Name, Hex string
			Multikey  struct{ PublicKeyMultibase string }
		}
	}
	vector(t, "fep-521a.json", &v)
	for _, k := range v.Keys {
		want, err := hex.DecodeString(k.Hex)
		if err != nil {
			t.Fatal(err)
		}
		text := k.Multikey.PublicKeyMultibase
		if strings.HasPrefix(k.Name, "Ed25519") {
			got, err := DecodeEd25519(text)
			if err != nil || string(got) != string(want) || EncodeEd25519(got) != text {
				t.Errorf("%s: got %x, %v", k.Name, got, err)
			}
			continue
		}
		got, err := DecodeRSA(text)
		if err != nil || string(x509.MarshalPKCS1PublicKey(got)) != string(want) || EncodeRSA(got) != text {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

func TestMultikey_SecretKeyComesBack(t *testing.T) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize)))
	text := EncodeEd25519Secret(key)
	if !strings.HasPrefix(text, "z3u2") {
		t.Errorf("got %s, want it to begin with z3u2", text)
	}
	got, err := DecodeEd25519Secret(text)
	if err != nil || !got.Equal(key) {
		t.Errorf("got another key, %v", err)
	}
}

func TestMultikey_RefusesWhatIsNotTheKeyAskedFor(t *testing.T) {
	pub := EncodeEd25519(make([]byte, 32))
	ed := func(s string) error { _, err := DecodeEd25519(s); return err }
	secret := func(s string) error { _, err := DecodeEd25519Secret(s); return err }
	rsaKey := func(s string) error { _, err := DecodeRSA(s); return err }
	short, err := rsa.GenerateKey(nil, 1024)
	if err == nil {
		err = rsaKey(EncodeRSA(&short.PublicKey))
		if protocol.KindOf(err) != protocol.Invalid || !strings.Contains(err.Error(), "2048") {
			t.Errorf("short RSA key: got %v", err)
		}
	}
	for _, c := range []struct {
		name string
		err  error
	}{
		{"empty", ed("")},
		{"no multibase prefix", ed(pub[1:])},
		{"base64 prefix", ed("u" + pub[1:])},
		{"only the prefix", ed("z")},
		{"not base58", ed("z0OIl")},
		{"too long", ed("z" + strings.Repeat("2", 5_000))},
		{"one character short", ed(pub[:len(pub)-1])},
		{"33 bytes", ed(EncodeEd25519(make([]byte, 33)))},
		{"31 bytes", ed(EncodeEd25519(make([]byte, 31)))},
		{"secret where public is wanted", ed(EncodeEd25519Secret(ed25519.NewKeyFromSeed(make([]byte, 32))))},
		{"public where secret is wanted", secret(pub)},
		{"Ed25519 where RSA is wanted", rsaKey(pub)},
		{"RSA prefix, other bytes", rsaKey(encodeMultibase(codecRSA, []byte("nonsense")))},
	} {
		if protocol.KindOf(c.err) != protocol.Invalid {
			t.Errorf("%s: got %v, want it refused as invalid", c.name, c.err)
		}
	}
}
