package exchange

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"

	"github.com/waypost-directory/waypost/protocol"
)

// Lengths that protocol.Listing allows, in characters; longer texts are cut.
const (
	maxTitle       = 200
	maxName        = 200
	maxDescription = 20_000
	maxWord        = 40
)

// decodeText turns a file into UTF-8: a byte order mark decides, else UTF-8 as
// it stands, else Windows-1252, which is what Excel and Outlook in western
// Europe write when they do not write UTF-8.
func decodeText(raw []byte) string {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		raw = raw[3:]
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}), bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		decoded, err := utf16.UTF16(utf16.LittleEndian, utf16.UseBOM).NewDecoder().Bytes(raw)
		if err == nil {
			return string(decoded)
		}
	}
	if utf8.Valid(raw) {
		return string(raw)
	}
	decoded, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "�")
	}
	return string(decoded)
}

// visible drops characters that nobody sees and that a listing refuses:
// controls, marks of writing direction, zero-width spaces, soft hyphens.
// Calendar programs scatter them.
func visible(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == 0x2028 || r == 0x2029:
			return '\n'
		case r == 0xA0 || r == 0x202F || r == 0x2007:
			return ' '
		case unicode.IsControl(r), r == 0xAD, r == 0xFEFF, r == 0x061C, 0x200B <= r && r <= 0x200F && r != 0x200D,
			0x202A <= r && r <= 0x202E, 0x2060 <= r && r <= 0x2069:
			return -1
		}
		return r
	}, s)
}

// tidyLine makes one line of a text.
func tidyLine(s string) string { return strings.Join(strings.Fields(visible(s)), " ") }

// tidyTitle makes a plain title; angle brackets are not allowed in one.
func tidyTitle(s string) string {
	return cut(strings.NewReplacer("<", "‹", ">", "›").Replace(tidyLine(html.UnescapeString(s))), maxTitle)
}

// tidyText keeps paragraphs and lists, without trailing spaces and with at
// most one empty line in a row.
func tidyText(s string) string {
	lines := strings.Split(visible(s), "\n")
	kept, empty := lines[:0], 0
	for _, line := range lines {
		line = strings.TrimRight(line, " \t")
		if line == "" {
			empty++
		} else {
			empty = 0
		}
		if empty < 2 {
			kept = append(kept, line)
		}
	}
	return cut(strings.TrimSpace(strings.Join(kept, "\n")), maxDescription)
}

func cut(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:limit-1])) + "…"
}

// clip keeps a stranger's text short enough to repeat in a message.
func clip(s string) string { return cut(s, 60) }

var (
	htmlPattern  = regexp.MustCompile(`(?i)</?(?:p|br|a|b|i|u|ul|ol|li|div|span|html|strong|em|h[1-6]|table|font)\b[^>]*>`)
	htmlBreak    = regexp.MustCompile(`(?i)<br\s*/?>|</(?:div|tr|h[1-6]|ul|ol)>`)
	htmlParting  = regexp.MustCompile(`(?i)</p>`)
	htmlItem     = regexp.MustCompile(`(?i)<li\b[^>]*>`)
	htmlLink     = regexp.MustCompile(`(?is)<a\b[^>]*\bhref="(https?://[^"]+)"[^>]*>([^<]*)</a>`)
	emailPattern = regexp.MustCompile(`(?i)[a-z0-9._%+'-]{1,64}@[a-z0-9.-]{1,190}\.[a-z]{2,24}`)
)

// plainText turns a description, which Google and Outlook write as HTML, into
// plain text: breaks and list items stay, links keep their address.
func plainText(strict *bluemonday.Policy, s string) string {
	if !htmlPattern.MatchString(s) {
		return tidyText(s)
	}
	s = htmlLink.ReplaceAllStringFunc(s, func(link string) string {
		m := htmlLink.FindStringSubmatch(link)
		if words := strings.TrimSpace(m[2]); words != "" && html.UnescapeString(words) != html.UnescapeString(m[1]) {
			return words + " (" + m[1] + ")"
		}
		return m[1]
	})
	s = htmlBreak.ReplaceAllString(s, "\n")
	s = htmlParting.ReplaceAllString(s, "\n\n")
	s = htmlItem.ReplaceAllString(s, "\n- ")
	return tidyText(html.UnescapeString(strict.Sanitize(s)))
}

// slug makes an open word, such as older-people, of free text, or "" when
// nothing is left.
func slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(visible(s)), func(r rune) bool {
		return !unicode.Is(unicode.Ll, r) && !unicode.Is(unicode.Lo, r) && !unicode.IsNumber(r)
	})
	joined := strings.Join(words, "-")
	if utf8.RuneCountInString(joined) > maxWord {
		return ""
	}
	return joined
}

// termKey finds a word of a closed list by its key or by the words that people
// read, in any case and with or without hyphens.
func termKey(terms []protocol.Term, s string) (string, bool) {
	want := squash(s)
	for _, t := range terms {
		if want != "" && (want == squash(t.Key) || want == squash(t.Label)) {
			return t.Key, true
		}
	}
	return "", false
}

// squash keeps the letters and figures of a name, in lower case, so that
// "Post code", "post_code" and "postCode" are one.
func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
