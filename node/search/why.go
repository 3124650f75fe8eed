package search

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Why says in plain words why h was found: which of the terms are where, how
// far away it is, and how long ago its origin vouched for it. Words are the
// listing's topics and the like, which a hit does not carry.
func Why(h *Hit, terms []Term, words string, now time.Time) string {
	var reasons []string
	if m := matches(h, terms, words); m != "" {
		reasons = append(reasons, m)
	}
	if h.Distance != nil {
		away := distanceWords(*h.Distance)
		if h.Nearby {
			away = "its community is " + away
		}
		reasons = append(reasons, away)
	}
	if h.Cancelled() {
		reasons = append(reasons, "cancelled")
	}
	if c := confirmedWords(h.ConfirmedAt, now); c != "" {
		reasons = append(reasons, c)
	}
	return strings.Join(reasons, " · ")
}

// maxReasons is how many of the visitor's words are explained.
const maxReasons = 3

func matches(h *Hit, terms []Term, words string) string {
	if len(terms) == 0 {
		return ""
	}
	fields := []struct{ where, text string }{
		{"in the title", h.Title},
		{"in the summary", h.Summary},
		{"in its topics", words},
		{"in its place", h.Place.Line()},
	}
	var parts []string
	last := ""
	for _, t := range terms[:min(len(terms), maxReasons)] {
		where := "in the description"
		for _, f := range fields {
			if contains(f.text, t) {
				where = f.where
				break
			}
		}
		if where == "in the description" && contains(KindWords(h.Kind), t) {
			where = "as another word for " + string(h.Kind)
		}
		quoted := "“" + t.String() + "”"
		if where == last {
			parts[len(parts)-1] = strings.TrimSuffix(parts[len(parts)-1], " "+where)
		}
		parts = append(parts, quoted+" "+where)
		last = where
	}
	if len(parts) == 1 {
		return "matches " + parts[0]
	}
	return "matches " + strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// contains reports whether text has the term's words side by side.
func contains(text string, t Term) bool {
	have := strings.Fields(Fold(text))
	for i := 0; i+len(t.Words) <= len(have); i++ {
		ok := true
		for j, w := range t.Words {
			prefix := t.Prefix && j == len(t.Words)-1
			if !sameWord(Fold(w), have[i+j], prefix) {
				ok = false
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// sameWord is a rough stemmer, good enough to say where a word that a driver
// matched stands: both must end in an English suffix once what they share is
// taken away. It never decides what is found.
func sameWord(typed, word string, prefix bool) bool {
	if typed == word || prefix && strings.HasPrefix(word, typed) {
		return true
	}
	n := 0
	for n < len(typed) && n < len(word) && typed[n] == word[n] {
		n++
	}
	for n > 0 && (n < len(typed) && !utf8.RuneStart(typed[n]) || n < len(word) && !utf8.RuneStart(word[n])) {
		n--
	}
	if n < 3 {
		return false
	}
	a, b := typed[n:], word[n:]
	if a == "e" && b == "" || a == "" && b == "e" {
		return false // car, care
	}
	return suffix(a) && suffix(b)
}

func suffix(s string) bool {
	switch s {
	case "", "s", "es", "e", "y", "ies", "ied", "ed", "d", "ing", "ings", "er", "ers", "or", "ors", "r", "rs",
		"ion", "ions", "ation", "ations", "ise", "ised", "ises", "ising", "ize", "ized", "izing", "isation",
		"al", "ally", "ly", "ment", "ments", "able", "ful", "ness", "ity", "ities", "ting", "ning", "ming", "ping":
		return true
	}
	return false
}

func distanceWords(km float64) string {
	if km < 1 {
		return "less than 1 km away"
	}
	return fmt.Sprintf("%d km away", int(math.Round(km)))
}

func confirmedWords(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	days := int(now.Sub(at).Hours() / 24)
	switch {
	case days < 1: // also when the origin's clock is ahead of ours
		return "confirmed today"
	case days == 1:
		return "confirmed yesterday"
	case days < 14:
		return fmt.Sprintf("confirmed %d days ago", days)
	case days < 60:
		return fmt.Sprintf("confirmed %d weeks ago", days/7)
	case days < 365:
		return fmt.Sprintf("confirmed %d months ago", days/30)
	}
	return "confirmed more than a year ago"
}
