package embedded

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// Search answers q over the listings in the index.
func (x *Index) Search(ctx context.Context, q protocol.Query) (search.Answer, error) {
	const op = "search"
	q = search.Paged(q)
	now := x.config.Now()
	terms := search.Terms(q.Text)
	gazetteer, known := x.gazetteer(ctx, q)

	x.mu.RLock()
	defer x.mu.RUnlock()
	var notes []string
	if known {
		q.Point = &gazetteer
	}
	q, notes = x.resolve(q)
	var m matched
	if len(terms) > 0 {
		var err error
		if m, err = x.match(ctx, terms); err != nil {
			return search.Answer{}, x.failure(ctx, op, err)
		}
		notes = append(notes, m.notes...)
	}
	hits, facets := x.scan(q, now, len(terms) > 0, m)
	order(q, len(terms) > 0, m, hits, x.columns)
	results, err := x.page(ctx, q, hits, terms, now)
	if err != nil {
		return search.Answer{}, x.failure(ctx, op, err)
	}
	return search.Answer{
		Query: q, Total: len(hits), AtLeast: m.capped, Results: results, Facets: facets,
		Silent: []search.Silent{}, Next: search.NextPage(q, len(hits)), Notes: notes,
	}, nil
}

// gazetteer asks config.Places, which may be slow, before any lock is taken.
func (x *Index) gazetteer(ctx context.Context, q protocol.Query) (protocol.Point, bool) {
	if q.Point != nil || q.Near == "" || x.config.Places == nil {
		return protocol.Point{}, false
	}
	return x.config.Places.Place(ctx, q.Near)
}

// resolve fills in where Near is and how far around it to look. A place that
// nobody knows does not filter: some results with an explanation are better
// than a dead end.
func (x *Index) resolve(q protocol.Query) (protocol.Query, []string) {
	if q.Point == nil && q.Near != "" {
		p, ok := x.place(q.Near)
		if !ok {
			q.Within = 0
			return q, []string{fmt.Sprintf("We do not know a place called “%s” yet, so these results are from everywhere. Try a town or postcode that appears in a listing, or leave it empty.", q.Near)}
		}
		q.Point = &p
	}
	if q.Point != nil && q.Within <= 0 {
		q.Within = protocol.DefaultWithin
	}
	return q, nil
}

// scan checks the listings that matched, or all when there was no text.
func (x *Index) scan(q protocol.Query, now time.Time, text bool, m matched) ([]found, search.Facets) {
	c := x.columns
	f := x.compile(q, now)
	n := counts{communities: make([]int, len(c.cids.texts))}
	skills := skillsSet()
	var hits []found
	check := func(id uint32, score float64) {
		r := &c.rows[id-1]
		hit, missed, ok := f.check(c, id, r)
		if !ok {
			return
		}
		n.add(r, missed, skills)
		if missed == 0 {
			hit.score = score
			hits = append(hits, hit)
		}
	}
	switch {
	case f.nothing:
	case text:
		for i, id := range m.ids {
			score := 0.0
			if m.scores != nil {
				score = m.scores[i]
			}
			check(id, score)
		}
	default:
		for i := range c.rows {
			check(uint32(i+1), 0)
		}
	}
	return hits, n.facets(c.cids.texts)
}

// order sorts hits as the visitor asked. Without a wish the best match comes
// first when there is a text, else the nearest when there is a place, else
// the soonest. Where too much matches to rank it, the soonest comes first.
// Ties are broken by the latest confirmation, then by uid, so that pages fit
// together.
func order(q protocol.Query, text bool, m matched, hits []found, c *columns) {
	by := q.Sort
	if by == "" {
		by = "relevance"
	}
	if by == "relevance" && (!text || m.scores == nil) {
		by = "date"
		if q.Point != nil && !text {
			by = "distance"
		}
	}
	if by == "distance" && q.Point == nil {
		by = "date"
	}
	slices.SortFunc(hits, func(a, b found) int {
		var d int
		switch by {
		case "relevance":
			d = cmp.Compare(a.score, b.score)
		case "distance":
			d = cmp.Compare(a.km, b.km)
		default:
			d = cmp.Compare(a.when, b.when)
		}
		if d != 0 {
			return d
		}
		ra, rb := &c.rows[a.id-1], &c.rows[b.id-1]
		if d = cmp.Compare(rb.Confirmed, ra.Confirmed); d != 0 {
			return d
		}
		if d = bytes.Compare(ra.UID[:], rb.UID[:]); d != 0 {
			return d
		}
		return strings.Compare(c.cids.texts[ra.community], c.cids.texts[rb.community])
	})
}

// page reads the hits of one page and completes them.
func (x *Index) page(ctx context.Context, q protocol.Query, hits []found, terms []search.Term, now time.Time) ([]search.Hit, error) {
	first := min((q.Page-1)*q.PerPage, len(hits))
	hits = hits[first:min(first+q.PerPage, len(hits))]
	results := make([]search.Hit, len(hits))
	for i, f := range hits {
		var raw []byte
		if err := x.reads.hit.QueryRowContext(ctx, f.id).Scan(&raw); err != nil {
			return nil, err
		}
		h := &results[i]
		if err := jsonv2.Unmarshal(raw, h); err != nil {
			return nil, fmt.Errorf("listing %d: %w", f.id, err)
		}
		r := &x.columns.rows[f.id-1]
		h.Own = r.Flags&flagOwn != 0
		if r.Flags&flagRecurring != 0 {
			length := h.End.Sub(h.Start)
			h.Start = time.Unix(f.start, 0).UTC()
			if !h.End.IsZero() {
				h.End = h.Start.Add(length)
			}
		}
		if !math.IsInf(f.km, 1) {
			km := math.Round(f.km*10) / 10
			h.Distance, h.Nearby = &km, r.Flags&flagNearby != 0
		}
		h.FillCommunity(x.config.Communities)
		h.Why = search.Why(h, terms, x.columns.openWords(r), now)
	}
	return results, nil
}

// openWords are a listing's topics, audience and accessibility.
func (c *columns) openWords(r *row) string {
	var b strings.Builder
	for _, n := range r.words {
		w := c.words.texts[n]
		if letter := w[:2]; letter == topicWord || letter == audienceWord || letter == accessWord {
			b.WriteString(w[2:] + " ")
		}
	}
	return b.String()
}
