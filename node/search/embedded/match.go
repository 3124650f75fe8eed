package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/waypost-directory/waypost/node/search"
)

// Bounds of a text search; see the package comment for what they cost.
const (
	rankLimit  = 1_000  // most matches that are ranked by their words; more are sorted by date
	matchLimit = 50_000 // most matches that are looked at, the newest in the index first
)

type readStatements struct{ match, rank, probe, hit *sql.Stmt }

func (r *readStatements) prepare(ctx context.Context, db *sql.DB) error {
	return prepare(ctx, db, map[**sql.Stmt]string{
		// One row with all ids: fetching them one by one takes three times as long.
		&r.match: "SELECT group_concat(rowid, ' ') FROM (SELECT rowid FROM fulltext WHERE fulltext MATCH ? ORDER BY rowid DESC LIMIT ?)",
		// Weights: title, summary, words, place, body.
		&r.rank:  "SELECT rowid, bm25(fulltext, 8.0, 4.0, 3.0, 2.0, 1.0) FROM fulltext WHERE fulltext MATCH ? LIMIT ?",
		&r.probe: "SELECT EXISTS (SELECT 1 FROM fulltext WHERE fulltext MATCH ?)",
		&r.hit:   "SELECT hit FROM listings WHERE id = ?",
	})
}

// matched is what a text search found.
type matched struct {
	ids    []uint32
	scores []float64 // of each id, lower is better; nil when there are too many to rank
	capped bool      // there may be more than ids
	notes  []string
}

// match finds the listings that have all terms. When there are none it bends
// the terms, rather than to leave the visitor with nothing, and says so.
func (x *Index) match(ctx context.Context, terms []search.Term) (matched, error) {
	m, err := x.matchAll(ctx, expression(terms))
	if err != nil || len(m.ids) > 0 {
		return m, err
	}
	if m, err = x.matchBeginning(ctx, terms); err != nil || len(m.ids) > 0 {
		return m, err
	}
	return x.matchKnown(ctx, terms)
}

func (x *Index) matchAll(ctx context.Context, expr string) (m matched, err error) {
	var list sql.NullString
	if err := x.reads.match.QueryRowContext(ctx, expr, matchLimit).Scan(&list); err != nil || list.String == "" {
		return m, err
	}
	m.ids = make([]uint32, 0, strings.Count(list.String, " ")+1)
	for s := range strings.SplitSeq(list.String, " ") {
		id, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return m, fmt.Errorf("row %q: %w", s, err)
		}
		m.ids = append(m.ids, uint32(id))
	}
	m.capped = len(m.ids) == matchLimit
	if len(m.ids) > rankLimit {
		return m, nil
	}
	return m, x.rank(ctx, expr, &m)
}

func (x *Index) rank(ctx context.Context, expr string, m *matched) error {
	rows, err := x.reads.rank.QueryContext(ctx, expr, rankLimit)
	if err != nil {
		return err
	}
	defer rows.Close()
	m.ids, m.scores = m.ids[:0], make([]float64, 0, cap(m.ids))
	var id uint32
	var score float64
	for rows.Next() {
		if err := rows.Scan(&id, &score); err != nil {
			return err
		}
		m.ids, m.scores = append(m.ids, id), append(m.scores, score)
	}
	return rows.Err()
}

// Bounds of matchBeginning.
const (
	longestCut    = 6
	shortestStart = 4
)

// matchBeginning helps while the last word is still being typed. The index
// holds stems, so that "volunteer" is kept as "volunt" and the half-typed
// "voluntee" is the beginning of nothing: its own beginnings are tried, the
// longest first.
func (x *Index) matchBeginning(ctx context.Context, terms []search.Term) (m matched, err error) {
	t := terms[len(terms)-1]
	if !t.Prefix {
		return m, nil
	}
	word := []rune(t.Words[len(t.Words)-1])
	for cut := 1; cut <= longestCut && len(word)-cut >= shortestStart; cut++ {
		words := append(append([]string{}, t.Words[:len(t.Words)-1]...), string(word[:len(word)-cut]))
		shorter := append(append([]search.Term{}, terms[:len(terms)-1]...), search.Term{Words: words})
		if m, err = x.matchAll(ctx, expression(shorter)); err != nil || len(m.ids) > 0 {
			return m, err
		}
	}
	return m, nil
}

// matchKnown leaves out the terms that no listing has at all.
func (x *Index) matchKnown(ctx context.Context, terms []search.Term) (m matched, err error) {
	var known []search.Term
	var unknown []string
	for _, t := range terms {
		var found bool
		if err := x.reads.probe.QueryRowContext(ctx, expression([]search.Term{t})).Scan(&found); err != nil {
			return m, err
		}
		if found {
			known = append(known, t)
		} else {
			unknown = append(unknown, "“"+t.String()+"”")
		}
	}
	if len(known) == 0 || len(unknown) == 0 {
		return m, nil
	}
	m, err = x.matchAll(ctx, expression(known))
	if len(m.ids) > 0 {
		m.notes = []string{"No listing mentions " + strings.Join(unknown, " or ") + ", so these results leave it out. Check the spelling or try another word."}
	}
	return m, err
}

// expression writes terms in FTS5's query syntax: each as a string, all of
// them required. Terms have letters, digits and marks only, so nothing that a
// visitor types can be read as syntax (sqlite.org/fts5.html §3).
func expression(terms []search.Term) string {
	var b strings.Builder
	for _, t := range terms {
		if b.Len() > 0 {
			b.WriteString(" AND ")
		}
		b.WriteByte('"')
		for i, w := range t.Words {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w)
		}
		b.WriteByte('"')
		if t.Prefix {
			b.WriteByte('*')
		}
	}
	return b.String()
}
