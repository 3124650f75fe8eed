package protocol

import "bytes"

// Revision is what decides which edit of a listing stands.
type Revision struct {
	Version uint64   // number that the origin gave the edit
	Deleted bool     // a Tombstone
	Erased  bool     // a Tombstone that retires the uid for ever
	Digest  [32]byte // SHA-256 of the bytes that were signed; breaks ties
}

// Supersedes reports whether next stands in place of current. It is a strict
// total order over distinct revisions, so every replica ends on the same one
// whatever the order in which they arrive, and no clock takes part:
// an erasure beats everything else, then the higher version wins, then a
// deletion beats a record, then the lower digest wins
// (docs/protocol/listing.md §4).
func Supersedes(next, current Revision) bool {
	if next.Erased != current.Erased {
		return next.Erased
	}
	if next.Version != current.Version {
		return next.Version > current.Version
	}
	if next.Deleted != current.Deleted {
		return next.Deleted
	}
	return bytes.Compare(next.Digest[:], current.Digest[:]) < 0
}
