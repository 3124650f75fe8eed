package httpsig

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
)

// The RSA keys that we accept. Shorter ones can be broken; longer ones make
// each verification expensive.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// maxPEM bounds what is decoded; a key of 8192 bits has some 1,500 bytes.
const maxPEM = 4 << 10

// ParsePublicKey reads the publicKeyPem of an actor: an RSA key of 2048 to 8192
// bits, as PKIX or PKCS #1, or an Ed25519 key as PKIX. The result is an
// *rsa.PublicKey or an ed25519.PublicKey; the error's kind is Invalid.
func ParsePublicKey(text string) (crypto.PublicKey, error) {
	invalid := func(format string, args ...any) error {
		return protocol.Errorf("httpsig.ParsePublicKey", protocol.Invalid, "", format, args...)
	}
	if len(text) > maxPEM {
		return nil, invalid("the public key has more than %d bytes", maxPEM)
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, invalid("the public key is not PEM")
	}
	var key crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, invalid("the PEM block is not a public key")
	}
	if err != nil {
		return nil, invalid("the public key is malformed: %w", err)
	}
	if _, err := schemeKey(key); err != nil {
		return nil, invalid("%w", err)
	}
	return key, nil
}

// ParseMultikey reads the publicKeyMultibase of an assertionMethod (FEP-521a):
// an Ed25519 or an RSA key, with the bounds of [ParsePublicKey].
func ParseMultikey(multibase string) (crypto.PublicKey, error) {
	if key, err := proof.DecodeEd25519(multibase); err == nil {
		return key, nil
	}
	key, err := proof.DecodeRSA(multibase)
	if err != nil {
		return nil, err
	}
	return key, nil
}

// schemeKey returns RFC 9421's name of the algorithm that a key is used with,
// and refuses keys that we do not use.
func schemeKey(key crypto.PublicKey) (alg string, err error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return "", fmt.Errorf("the RSA key has %d bits; it must have %d to %d", n, minRSABits, maxRSABits)
		}
		return algRSA, nil
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return algEd25519, nil
		}
	}
	return "", errors.New("the key is neither RSA nor Ed25519")
}
