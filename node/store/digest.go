package store

import (
	"encoding/hex"
	"fmt"
)

// MarshalText writes the digest as hexadecimal, or nothing when it is zero.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	*d = Digest{}
	if len(text) == 0 {
		return nil
	}
	if n, err := hex.Decode(d[:], text); err != nil || n != len(d) || len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("read digest: %q is not 64 hexadecimal digits", text)
	}
	return nil
}
