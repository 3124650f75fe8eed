package charter

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"filippo.io/age/plugin"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/proof"
)

// RecoveryCard is what a steward keeps on paper: 128 random bits, from which
// the steward's keys are derived. It works when the host and its domain are
// gone. Whoever holds it is the steward: show it once,
// store it nowhere, never log it.
type RecoveryCard struct {
	secret [16]byte
}

// A card is written as 28 characters of Crockford's base32, which has no I, L,
// O or U: 128 bits of the secret, then 12 bits that tell a slip of the pen.
const (
	crockford  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	cardLength = 28
	checkBits  = 12
	cardLabel  = "waypost recovery card v1"
)

func newCard(random io.Reader) (RecoveryCard, error) {
	if random == nil {
		random = rand.Reader
	}
	var c RecoveryCard
	if _, err := io.ReadFull(random, c.secret[:]); err != nil {
		return RecoveryCard{}, protocol.Errorf("charter.Mint", protocol.Internal, "", "read random bytes: %w", err)
	}
	return c, nil
}

// ParseCard reads a recovery card as a person types it: in any case, with or
// without spaces and hyphens, O for 0, and I or L for 1. The error's kind is
// Invalid; it says what to do and never repeats the code.
func ParseCard(text string) (RecoveryCard, error) {
	invalid := func(format string, args ...any) (RecoveryCard, error) {
		return RecoveryCard{}, protocol.Errorf("charter.ParseCard", protocol.Invalid, "", format, args...)
	}
	if len(text) > 200 {
		return invalid("a recovery card has %d characters; this text is far longer", cardLength)
	}
	var digits []byte
	for _, r := range strings.ToUpper(text) {
		switch {
		case strings.ContainsRune(" \t\r\n-–—", r):
			continue
		case r == 'O':
			r = '0'
		case r == 'I' || r == 'L':
			r = '1'
		}
		d := strings.IndexRune(crockford, r)
		if d < 0 {
			return invalid("character %d is not one that recovery cards use; compare it with the card", len(digits)+1)
		}
		digits = append(digits, byte(d))
	}
	if len(digits) != cardLength {
		return invalid("a recovery card has %d characters and this has %d; compare it with the card", cardLength, len(digits))
	}
	bits := fromDigits(digits)
	c := RecoveryCard{secret: [16]byte(bits[:16])}
	if bits != c.bits() {
		return invalid("the code does not add up, so at least one character is wrong; compare it with the card and type it again")
	}
	return c, nil
}

// String returns the card's code as it is printed: seven groups of four.
func (c RecoveryCard) String() string {
	var b strings.Builder
	for i, d := range toDigits(c.bits()) {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(crockford[d])
	}
	return b.String()
}

// bits returns the secret and its check, 140 bits; the last four are 0.
func (c RecoveryCard) bits() (b [18]byte) {
	copy(b[:], c.secret[:])
	sum := sha256.Sum256(append([]byte(cardLabel+" check "), c.secret[:]...))
	b[16], b[17] = sum[0], sum[1]&^(1<<(16-checkBits)-1)
	return b
}

// toDigits cuts 140 bits into 28 groups of five, the highest first.
func toDigits(b [18]byte) []byte {
	digits := make([]byte, cardLength)
	for i := range cardLength * 5 {
		digits[i/5] = digits[i/5]<<1 | b[i/8]>>(7-i%8)&1
	}
	return digits
}

func fromDigits(digits []byte) (b [18]byte) {
	for i := range cardLength * 5 {
		b[i/8] |= digits[i/5] >> (4 - i%5) & 1 << (7 - i%8)
	}
	return b
}

// SigningKey returns the key with which the steward signs charters.
func (c RecoveryCard) SigningKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(c.derive("sign"))
}

// Share returns the age recipient to which the steward's share of the vault is
// sealed: age1…
func (c RecoveryCard) Share() string {
	key, err := ecdh.X25519().NewPrivateKey(c.derive("share"))
	if err != nil {
		panic(fmt.Sprintf("charter: %v", err)) // cannot be: any 32 bytes are a key
	}
	recipient, err := plugin.EncodeX25519Recipient(key.PublicKey())
	if err != nil {
		panic(fmt.Sprintf("charter: %v", err)) // cannot be: the curve is X25519
	}
	return recipient
}

// derive gives each use its own key (HKDF-SHA256, RFC 5869).
func (c RecoveryCard) derive(use string) []byte {
	key, err := hkdf.Key(sha256.New, c.secret[:], nil, cardLabel+" "+use, 32)
	if err != nil {
		panic(fmt.Sprintf("charter: %v", err)) // cannot be: the length is within HKDF's
	}
	return key
}

func multikey(key ed25519.PrivateKey) string {
	return proof.EncodeEd25519(key.Public().(ed25519.PublicKey))
}
