package store

import (
	"bytes"
	"testing"
	"time"
)

func benchEntry() Entry {
	return Entry{
		Seq: 7, Type: "Create",
		ID:     "https://digital-champions.example/ap/c/bexley/activities/0190b6a2-7c1e-7d5a-9d6e-2f1f0c3b4a5d",
		Actor:  "https://digital-champions.example/ap/c/bexley",
		Object: "https://digital-champions.example/ap/c/bexley/listings/5c6f1d1e-98d4-4a39-8a0b-0f9c7f6c1f52",
		CID:    "k5zq3m2u7q4yz6p3n2v4b5c6d7e2f3g4h5j6k7l2m3n4o5p6q7ra",
		UID:    "5c6f1d1e-98d4-4a39-8a0b-0f9c7f6c1f52", Kind: "event", Version: 42,
		Digest: DigestOf([]byte("x")), Via: ViaInbox, From: "digital-champions.example",
		At: time.Unix(1_900_000_000, 5).UTC(), Outcome: Stored,
	}
}

func TestEntry_UnknownFieldsOfANewerProgramAreSkipped(t *testing.T) {
	want := benchEntry()
	row := append([]byte{99, 3, 'n', 'e', 'w'}, encodeEntry(&want)...)
	row = append(row, 100, 0)
	got, err := decodeEntry(LogKey(want.Seq), row)
	if err != nil || got != want {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func FuzzEntry_DamagedRowsAreRefused(f *testing.F) {
	e := benchEntry()
	row := encodeEntry(&e)
	f.Add(row)
	f.Add(row[:len(row)-1])
	f.Add([]byte{tagDigest, 2, 1, 1})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{tagVersion})
	f.Fuzz(func(t *testing.T, row []byte) {
		e, err := decodeEntry(LogKey(1), row)
		if err != nil {
			return
		}
		again := encodeEntry(&e)
		back, err := decodeEntry(LogKey(1), again)
		if err != nil || !bytes.Equal(encodeEntry(&back), again) {
			t.Errorf("%x reads as %+v, which does not survive writing (%v)", row, e, err)
		}
	})
}

func BenchmarkEntry_Encode(b *testing.B) {
	e := benchEntry()
	for b.Loop() {
		encodeEntry(&e)
	}
}

func BenchmarkEntry_Decode(b *testing.B) {
	e := benchEntry()
	row := encodeEntry(&e)
	b.SetBytes(int64(len(row)))
	key := LogKey(7)
	for b.Loop() {
		if _, err := decodeEntry(key, row); err != nil {
			b.Fatal(err)
		}
	}
}
