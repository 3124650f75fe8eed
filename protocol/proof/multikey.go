package proof

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"github.com/mr-tron/base58"

	"github.com/waypost-directory/waypost/protocol"
)

// The multicodec prefixes of the keys that we read, as unsigned varints
// (Multikey, "Controlled Identifiers" §2.2.2; FEP-521a).
const (
	codecEd25519       = "\xed\x01"
	codecEd25519Secret = "\x80\x26"
	codecRSA           = "\x85\x24"
)

// maxMultibase bounds what is decoded: an RSA key of 8192 bits has some 1,420
// characters, and base58 costs the square of the length.
const maxMultibase = 1_500

// The RSA keys that we accept. Shorter ones can be broken; longer ones make
// each verification expensive.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// EncodeEd25519 returns an Ed25519 public key as Multikey: z6Mk…
func EncodeEd25519(pub ed25519.PublicKey) string {
	return encodeMultibase(codecEd25519, pub)
}

// DecodeEd25519 reads an Ed25519 public key from Multikey. The error's kind is
// Invalid.
func DecodeEd25519(multibase string) (ed25519.PublicKey, error) {
	key, err := decodeMultibase(multibase, codecEd25519)
	if err == nil && len(key) != ed25519.PublicKeySize {
		err = errors.New("it has the wrong length")
	}
	if err != nil {
		return nil, notKey("an Ed25519 public key", err)
	}
	return ed25519.PublicKey(key), nil
}

// EncodeEd25519Secret returns an Ed25519 private key as Multikey: z3u2…
func EncodeEd25519Secret(key ed25519.PrivateKey) string {
	return encodeMultibase(codecEd25519Secret, key.Seed())
}

// DecodeEd25519Secret reads an Ed25519 private key from Multikey. The error's
// kind is Invalid and it never repeats the key.
func DecodeEd25519Secret(multibase string) (ed25519.PrivateKey, error) {
	seed, err := decodeMultibase(multibase, codecEd25519Secret)
	if err == nil && len(seed) != ed25519.SeedSize {
		err = errors.New("it has the wrong length")
	}
	if err != nil {
		return nil, notKey("an Ed25519 private key", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// EncodeRSA returns an RSA public key as Multikey: z4MX…
func EncodeRSA(pub *rsa.PublicKey) string {
	return encodeMultibase(codecRSA, x509.MarshalPKCS1PublicKey(pub))
}

// DecodeRSA reads an RSA public key of 2048 to 8192 bits from Multikey. The
// error's kind is Invalid.
func DecodeRSA(multibase string) (*rsa.PublicKey, error) {
	der, err := decodeMultibase(multibase, codecRSA)
	if err != nil {
		return nil, notKey("an RSA public key", err)
	}
	pub, err := x509.ParsePKCS1PublicKey(der)
	if err == nil && (pub.N.BitLen() < minRSABits || pub.N.BitLen() > maxRSABits) {
		err = errors.New("it must have 2048 to 8192 bits")
	}
	if err != nil {
		return nil, notKey("an RSA public key", err)
	}
	return pub, nil
}

func notKey(what string, err error) error {
	return protocol.Errorf("proof.Multikey", protocol.Invalid, "", "not %s as Multikey: %w", what, err)
}

func encodeMultibase(codec string, key []byte) string {
	return "z" + base58.Encode(append([]byte(codec), key...))
}

func decodeMultibase(s, codec string) ([]byte, error) {
	switch {
	case s == "" || s[0] != 'z':
		return nil, errors.New("it does not begin with z")
	case len(s) > maxMultibase:
		return nil, errors.New("it is too long")
	}
	b, err := base58.Decode(s[1:])
	if err != nil {
		return nil, errors.New("it is not base58")
	}
	if len(b) < len(codec) || string(b[:len(codec)]) != codec {
		return nil, errors.New("it is another sort of key")
	}
	return b[len(codec):], nil
}
