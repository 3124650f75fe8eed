package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Digest is the SHA-256 of a body. The zero Digest means that there is none.
type Digest [32]byte

// DigestOf returns the digest under which body is stored.
func DigestOf(body []byte) Digest { return sha256.Sum256(body) }

// IsZero reports whether there is no body.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns the digest in lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Via is the way by which an activity came to the door.
type Via string

// The ways in.
const (
	ViaLocal Via = "local" // published here
	ViaInbox Via = "inbox" // delivered to an inbox
	ViaPull  Via = "pull"  // read from a peer while catching up
	ViaFetch Via = "fetch" // fetched from its origin
)

// Outcome is what the door did with an activity that it accepted.
type Outcome string

// The outcomes.
const (
	Stored     Outcome = "stored"     // it is now the current state
	Superseded Outcome = "superseded" // kept, but something newer was here already
	Ignored    Outcome = "ignored"    // kept; nothing to do
)

// Entry is one line of the log: that an activity was accepted, and what about.
// The signed bytes lie apart, under Digest, so that they can be erased while
// the entry stays.
type Entry struct {
	Seq     uint64    // position, from 1 without gaps; set by Append
	Type    string    // the activity's type, e.g. "Create"
	ID      string    // the activity's IRI
	Actor   string    // IRI of who did it
	Object  string    // IRI of what it was done to
	CID     string    // the community concerned; may be empty
	UID     string    // the listing concerned; may be empty
	Kind    string    // the listing's kind; may be empty
	Version uint64    // the listing's version, as its origin numbered it
	Digest  Digest    // of the body; set by Append
	Via     Via       // how it came in
	From    string    // the host that it came from; empty when local
	At      time.Time // when it was accepted, by our clock, in UTC
	Outcome Outcome
}

// An entry is stored as fields, each a tag of one byte, a uvarint length and
// that many bytes; fields that are empty are left out. Tags 1 to 10 are the
// texts, in the order of Entry.texts. A tag that is not known is skipped, so
// that an older program can read on; a tag is never given another meaning.
// JSON would take some 6 µs to read, and every follower reads every entry.
const (
	tagVersion = 11 // 8 bytes, big-endian
	tagDigest  = 12 // 32 bytes
	tagAt      = 13 // 8 bytes, big-endian, Unix nanoseconds
)

// texts returns the fields with tags 1, 2, 3, …: only ever add at the end,
// and with a new tag.
func (e *Entry) texts() [10]*string {
	return [...]*string{
		&e.Type, &e.ID, &e.Actor, &e.Object, &e.CID, &e.UID, &e.Kind,
		(*string)(&e.Via), &e.From, (*string)(&e.Outcome),
	}
}

func encodeEntry(e *Entry) []byte {
	row := make([]byte, 0, 512)
	for i, text := range e.texts() {
		if *text != "" {
			row = binary.AppendUvarint(append(row, byte(i+1)), uint64(len(*text)))
			row = append(row, *text...)
		}
	}
	if e.Version != 0 {
		row = binary.BigEndian.AppendUint64(append(row, tagVersion, 8), e.Version)
	}
	if !e.Digest.IsZero() {
		row = append(append(row, tagDigest, byte(len(e.Digest))), e.Digest[:]...)
	}
	if !e.At.IsZero() {
		row = binary.BigEndian.AppendUint64(append(row, tagAt, 8), uint64(e.At.UnixNano()))
	}
	return row
}

func decodeEntry(key, row []byte) (Entry, error) {
	e := Entry{Seq: KeyNumber(key)}
	texts := e.texts()
	for len(row) > 0 {
		tag := row[0]
		size, n := binary.Uvarint(row[1:])
		if n <= 0 || size > uint64(len(row)-1-n) {
			return Entry{}, protocol.Errorf("store.Read", protocol.Internal, "", "log entry %d is damaged; restore a backup", e.Seq)
		}
		field := row[1+n:][:size]
		row = row[1+n+int(size):]
		switch {
		case tag >= 1 && int(tag) <= len(texts):
			*texts[tag-1] = string(field)
		case tag == tagVersion:
			e.Version = KeyNumber(field)
		case tag == tagDigest:
			copy(e.Digest[:], field)
		case tag == tagAt:
			e.At = time.Unix(0, int64(KeyNumber(field))).UTC()
		}
	}
	return e, nil
}
