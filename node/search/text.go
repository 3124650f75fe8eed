package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/waypost-directory/waypost/protocol"
)

// Text is what is searched of a listing, in fields of falling weight.
type Text struct {
	Title   string
	Summary string
	Words   string // topics, tags and the like, and the words that people use for its kind
	Place   string // venue, town, postcode, community
	Body    string
}

// TextOf gathers a listing's text. Community is the name of its community as
// it is known when the listing is indexed; a later change of that name is
// found after the listing's next edit or a reindex.
func TextOf(l *protocol.Listing, community string) Text {
	var words, place strings.Builder
	add(&words, KindWords(l.Kind))
	add(&words, labels(protocol.Categories(), l.Categories...))
	for _, key := range l.Categories {
		if isSkill(key) {
			add(&words, "skills support")
			break
		}
	}
	add(&words, labels(protocol.Modes(), l.Modes...))
	add(&words, labels(protocol.Formats(), l.Format))
	add(&words, labels(protocol.SubKinds(), l.SubKind))
	add(&words, labels(protocol.Seeks(), l.Seeks))
	for _, open := range [][]string{l.Topics, l.Tags, l.Audience, l.Accessibility, l.Features, l.Requirements} {
		add(&words, open...)
	}
	if p := l.Place; p != nil {
		add(&place, p.Line())
		if p.Address != nil {
			add(&place, p.Address.AddressRegion)
		}
	}
	add(&place, community)
	return Text{Title: l.Title, Summary: l.Summary, Words: words.String(), Place: place.String(),
		Body: strings.TrimSpace(l.Description + "\n" + l.Eligibility)}
}

// KindWords are the words by which people look for a kind: champion, digital
// champion and mentor all mean a volunteer (design: Words).
func KindWords(k protocol.Kind) string {
	switch k {
	case protocol.KindVolunteer:
		return "volunteer digital champion mentor"
	case protocol.KindOffer:
		return "offer help"
	case protocol.KindVenue:
		return "venue room hall space"
	}
	return string(k)
}

// isSkill reports whether a category is one of the children of skills support.
func isSkill(category string) bool {
	for _, t := range protocol.Categories() {
		if t.Key == category {
			return t.Parent == protocol.SkillsSupport
		}
	}
	return false
}

func labels(terms []protocol.Term, keys ...string) string {
	var b strings.Builder
	for _, k := range keys {
		add(&b, protocol.Label(terms, k))
	}
	return b.String()
}

func add(b *strings.Builder, words ...string) {
	for _, w := range words {
		if w == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
}

// Term is one thing that a visitor looks for: a word, or several that must
// stand side by side because they were in quotation marks or hyphenated.
type Term struct {
	Words  []string // in lower case, of letters, digits and marks only; never empty
	Prefix bool     // the last word may be the beginning of one: it is still being typed
}

// String is the term as the visitor may read it.
func (t Term) String() string { return strings.Join(t.Words, " ") }

// Bounds of a search text; what is beyond them is ignored.
const (
	maxTerms       = 16
	maxPhraseWords = 8
	maxWordRunes   = 40
)

// Terms reads what a visitor typed. Every text is valid: whatever is not a
// letter or digit only separates words, so that no driver's query syntax can
// be reached from here. Words that carry no meaning of their own ("with",
// "the") are left out as long as something else remains.
func Terms(text string) []Term {
	var terms, fillers []Term
	quoted := false
	for part := range strings.SplitSeq(text, `"`) {
		chunks := []string{part}
		if !quoted {
			chunks = strings.FieldsFunc(part, func(r rune) bool { return !inWord(r) && !strings.ContainsRune(joiners, r) })
		}
		for _, chunk := range chunks {
			t := Term{Words: wordsOf(chunk)}
			switch {
			case len(t.Words) == 0 || len(terms) == maxTerms || len(fillers) == maxTerms:
			case !quoted && len(t.Words) == 1 && filler(t.Words[0]):
				fillers = append(fillers, t)
			default:
				terms = append(terms, t)
			}
		}
		quoted = !quoted
	}
	if len(terms) == 0 {
		terms = fillers
	}
	// SplitSeq ends on the part behind the last quotation mark, so after an
	// even number of marks quoted is true here.
	if n := len(terms); n > 0 && quoted && !strings.HasSuffix(text, `"`) {
		last := terms[n-1].Words
		terms[n-1].Prefix = len([]rune(last[len(last)-1])) > 1
	}
	return terms
}

// joiners keep the words on both sides of them together, as in drop-in and
// don't; anything else between words is as good as a space.
const joiners = "-‐'’._@"

func inWord(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.M) }

// wordsOf splits at everything that is not a letter, digit or mark, as the
// tokenizers of the drivers do.
func wordsOf(s string) []string {
	words := strings.FieldsFunc(s, func(r rune) bool { return !inWord(r) })
	if len(words) > maxPhraseWords {
		words = words[:maxPhraseWords]
	}
	for i, w := range words {
		w = strings.ToLower(w)
		if r := []rune(w); len(r) > maxWordRunes {
			w = string(r[:maxWordRunes])
		}
		words[i] = w
	}
	return words
}

// filler reports whether a word says nothing about what is looked for: the
// small words, and those with which people ask ("I need help with …").
func filler(word string) bool {
	switch word {
	case "a", "an", "and", "any", "are", "at", "by", "can", "do", "for", "find", "from", "get", "help", "how", "i", "in", "is", "looking", "me",
		"my", "near", "need", "of", "on", "or", "our", "some", "someone", "somebody", "that", "the", "there", "to",
		"us", "want", "we", "what", "where", "who", "with", "you", "your":
		return true
	}
	return false
}

// Fold writes text the way that it is compared: in lower case, without
// accents, and with one space between words.
func Fold(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if !ascii {
		s = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(s))
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !inWord(r) }), " ")
}
