package embedded

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// facts is what filters and sorting need of one listing, of fixed size.
// Times are Unix seconds.
type facts struct {
	UID        [16]byte
	Lat, Lon   float32 // NaN when unknown; a float32 is good to about two metres
	Start, End int64   // of the first occurrence; forever when open-ended
	Confirmed  int64
	Expires    int64 // forever when never
	Kind       uint8 // 1 + index in protocol.Kinds; 0 marks a free row
	Format     uint8 // 1 + index in protocol.Formats; 0 for none
	Categories uint8 // bit i: protocol.Categories()[i]
	Modes      uint8 // bit i: protocol.Modes()[i]
	Flags      uint8
}

// The flags of a listing.
const (
	flagFree      uint8 = 1 << iota
	flagOwn             // published by this node
	flagDated           // has a start
	flagRecurring       // has a series
	flagNearby          // Lat and Lon are its community's
)

const forever = math.MaxInt64

// record is a listing in the form in which it is stored beside its hit.
type record struct {
	facts
	CID    string
	Words  []string // see wordsOf
	Series series
}

// series is when a recurring listing begins, from a month before Expanded to
// the horizon after it.
type series struct {
	Expanded int64
	Starts   []int64
}

// keyOf is the 16 bytes of a uid; one that is no UUID is hashed to as many.
func keyOf(uid string) [16]byte {
	if u, err := uuid.Parse(uid); err == nil {
		return u
	}
	sum := sha256.Sum256([]byte(uid))
	return [16]byte(sum[:16])
}

// recordOf takes from a listing what filters and sorting need. Where the
// listing has no point or area of its own, its community's stand in.
func recordOf(c search.Change, community protocol.Community, now time.Time) record {
	l := &c.Doc.Listing
	r := record{CID: c.CID, Words: wordsOf(l, community.Areas)}
	r.facts = facts{
		UID: keyOf(c.UID), Lat: float32(math.NaN()), Lon: float32(math.NaN()),
		Start: l.Start.Unix(), End: endOf(l), Expires: forever,
		Confirmed: min(c.Doc.ConfirmedAt.Unix(), now.Unix()), // a clock that is ahead must not win for ever
		Kind:      uint8(bits(protocol.Kinds(), string(l.Kind)).one()), Format: uint8(bits(protocol.Formats(), l.Format).one()),
		Categories: uint8(bits(protocol.Categories(), l.Categories...)), Modes: uint8(bits(protocol.Modes(), l.Modes...)),
	}
	if e := l.Expires(); !e.IsZero() {
		r.Expires = e.Unix()
	}
	if lat, lon, ok := l.Place.Point(); ok {
		r.Lat, r.Lon = float32(lat), float32(lon)
	} else if lat, lon, ok := community.Place.Point(); ok {
		r.Lat, r.Lon = float32(lat), float32(lon)
		r.Flags |= flagNearby
	}
	if l.Cost != nil && l.Cost.Free {
		r.Flags |= flagFree
	}
	if c.Doc.Own {
		r.Flags |= flagOwn
	}
	if !l.Start.IsZero() {
		r.Flags |= flagDated
		if l.Recurrence != "" {
			r.Flags |= flagRecurring
			r.Series = expand(l, now)
		}
	}
	return r
}

// endOf is when a listing's first occurrence is over. An event that does not
// say lasts a while; anything else goes on.
func endOf(l *protocol.Listing) int64 {
	switch {
	case !l.End.IsZero():
		return l.End.Unix()
	case !l.Start.IsZero() && (l.Kind == protocol.KindEvent || l.Recurrence != ""):
		return l.Start.Add(search.AssumedLength).Unix()
	}
	return forever
}

// seriesPast is how far back a series reaches, so that what is on just now
// and what a page "this month" shows is in it.
const seriesPast = 31 * 24 * time.Hour

func expand(l *protocol.Listing, now time.Time) series {
	s := series{Expanded: now.Unix()}
	for _, t := range search.Occurrences(l, now.Add(-seriesPast), now.AddDate(0, 0, search.HorizonDays), search.HorizonOccurrences) {
		s.Starts = append(s.Starts, t.Unix())
	}
	return s
}

// set is a set of words of a closed list: bit i stands for its ith word.
type set uint16

func bits(terms []protocol.Term, keys ...string) set {
	var s set
	for i, t := range terms {
		if slices.Contains(keys, t.Key) {
			s |= 1 << i
		}
	}
	return s
}

// one is 1 + the index of the set's first word, 0 for none.
func (s set) one() int {
	for i := range 16 {
		if s&(1<<i) != 0 {
			return i + 1
		}
	}
	return 0
}

// The open words of a listing are kept in one list, told apart by a letter.
const (
	topicWord    = "t:"
	audienceWord = "a:"
	accessWord   = "x:"
	areaWord     = "r:"
	placeWord    = "p:" // a name under which its own point may be looked up
)

func wordsOf(l *protocol.Listing, communityAreas []string) []string {
	var words []string
	add := func(letter string, list ...string) {
		for _, w := range list {
			if w != "" {
				words = append(words, letter+w)
			}
		}
	}
	add(topicWord, slugs(l.Topics)...)
	add(topicWord, slugs(l.Tags)...)
	add(audienceWord, slugs(l.Audience)...)
	add(accessWord, slugs(l.Accessibility)...)
	areas := l.Areas
	if l.Place != nil && l.Place.Area != "" {
		areas = append(slices.Clone(areas), l.Place.Area)
	}
	if len(areas) == 0 {
		areas = communityAreas
	}
	add(areaWord, areas...)
	if _, _, ok := l.Place.Point(); ok {
		add(placeWord, placeNames(l.Place)...)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// slug writes an open word the way that listings must: older-people.
func slug(s string) string { return strings.ReplaceAll(search.Fold(s), " ", "-") }

func slugs(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = slug(s)
	}
	return out
}

var errRecord = errors.New("the facts make no sense")

// encode writes r for decodeRecord: the facts, then texts and numbers each
// behind their count or length.
func (r *record) encode() []byte {
	b, err := binary.Append(make([]byte, 0, 256), binary.LittleEndian, &r.facts)
	if err != nil {
		panic(err) // facts is of fixed size
	}
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(r.CID)
	b = binary.AppendUvarint(b, uint64(len(r.Words)))
	for _, w := range r.Words {
		text(w)
	}
	b = binary.AppendVarint(b, r.Series.Expanded)
	b = binary.AppendUvarint(b, uint64(len(r.Series.Starts)))
	last := int64(0)
	for _, s := range r.Series.Starts {
		b = binary.AppendVarint(b, s-last)
		last = s
	}
	return b
}

func decodeRecord(raw []byte) (record, error) {
	var r record
	n, err := binary.Decode(raw, binary.LittleEndian, &r.facts)
	if err != nil || int(r.Kind) > len(protocol.Kinds()) || r.Kind == 0 {
		return record{}, errRecord
	}
	in := bytes.NewReader(raw[n:])
	ok := true
	count := func() int {
		v, err := binary.ReadUvarint(in)
		if err != nil || v > uint64(in.Len()) { // each thing counted takes a byte or more
			ok = false
			return 0
		}
		return int(v)
	}
	number := func() int64 {
		v, err := binary.ReadVarint(in)
		ok = ok && err == nil
		return v
	}
	text := func() string {
		b := make([]byte, count())
		in.Read(b)
		return string(b)
	}
	r.CID = text()
	r.Words = make([]string, count())
	for i := range r.Words {
		r.Words[i] = text()
	}
	r.Series.Expanded = number()
	r.Series.Starts = make([]int64, count())
	last := int64(0)
	for i := range r.Series.Starts {
		last += number()
		r.Series.Starts[i] = last
	}
	if !ok || in.Len() > 0 {
		return record{}, errRecord
	}
	return r, nil
}
