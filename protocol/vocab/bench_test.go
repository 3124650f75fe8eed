package vocab_test

import (
	"testing"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// BenchmarkParseActivity reads a Create of a full listing with both proofs, as
// the inbox does. The inbox may spend thirty RSA verifications on an activity,
// some 780 µs; reading it should take well under a fifth of that.
func BenchmarkParseActivity(b *testing.B) {
	raw := testdata(b, "create-event.json")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := vocab.ParseActivity(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckJSON is the part of it that bounds the bytes.
func BenchmarkCheckJSON(b *testing.B) {
	raw := testdata(b, "create-event.json")
	for b.Loop() {
		if err := protocol.CheckJSON(raw, protocol.JSONLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}
