package embedded

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// filter is a query in the terms of columns.
type filter struct {
	// The filters that facets count; zero lets everything pass.
	kinds, categories, modes set
	communities              []bool // by number; nil lets everything pass

	formats  set
	flags    uint8    // that must all be set
	words    []uint32 // that must all be there
	nothing  bool     // a word or community that no listing has
	now      int64
	from, to int64 // window of dates
	dated    bool  // whether the visitor asked for dates
	past     bool  // whether it includes what is over
	point    *protocol.Point
	within   float64
	band     float64 // degrees of latitude that within spans
}

// A facet that a listing does not pass.
const (
	missedKind = 1 << iota
	missedCategory
	missedMode
	missedCommunity
)

// compile translates q, whose Point is resolved already. It reads columns.
func (x *Index) compile(q protocol.Query, now time.Time) filter {
	f := filter{
		modes: bits(protocol.Modes(), q.Modes...), formats: bits(protocol.Formats(), q.Formats...),
		categories: categorySet(q.Categories), now: now.Unix(), from: now.Unix(), to: forever,
		dated: !q.From.IsZero() || !q.To.IsZero(), past: !q.From.IsZero(), point: q.Point,
	}
	for _, k := range q.Kinds {
		f.kinds |= bits(protocol.Kinds(), string(k))
	}
	// A choice of words that are all unknown is still a choice.
	f.nothing = len(q.Kinds) > 0 && f.kinds == 0 || len(q.Modes) > 0 && f.modes == 0 ||
		len(q.Formats) > 0 && f.formats == 0 || len(q.Categories) > 0 && f.categories == 0
	if q.Free {
		f.flags |= flagFree
	}
	if f.past {
		f.from = q.From.Unix()
	}
	if !q.To.IsZero() {
		f.to = q.To.Unix()
	}
	if f.point != nil {
		f.within = q.Within
		f.band = q.Within / earthRadius * 180 / math.Pi
	}
	f.word(&x.columns.words, topicWord, slug(q.Topic))
	f.word(&x.columns.words, audienceWord, slug(q.Audience))
	f.word(&x.columns.words, areaWord, strings.ToUpper(strings.TrimSpace(q.Area)))
	for _, a := range q.Access {
		f.word(&x.columns.words, accessWord, slug(a))
	}
	if q.Community != "" {
		f.communities = x.communities(q.Community)
		f.nothing = f.nothing || !slices.Contains(f.communities, true)
	}
	return f
}

func (f *filter) word(words *names, letter, word string) {
	if word == "" {
		return
	}
	n, ok := words.numbers[letter+word]
	if !ok {
		f.nothing = true
		return
	}
	f.words = append(f.words, n)
}

// categorySet is the set of categories in which skills support stands for its
// four children.
func categorySet(keys []string) set {
	s := bits(protocol.Categories(), keys...)
	if slices.Contains(keys, protocol.SkillsSupport) {
		s |= skillsSet()
	}
	return s
}

func skillsSet() set {
	var s set
	for i, t := range protocol.Categories() {
		if t.Parent == protocol.SkillsSupport {
			s |= 1 << i
		}
	}
	return s
}

// communities marks the one with that cid, or those with that handle; a
// handle may name its host, too: champions@bexley.example.
func (x *Index) communities(name string) []bool {
	cids := &x.columns.cids
	chosen := make([]bool, len(cids.texts))
	if n, ok := cids.numbers[name]; ok {
		chosen[n] = true
		return chosen
	}
	handle, host, hasHost := strings.Cut(strings.TrimPrefix(name, "@"), "@")
	for n, cid := range cids.texts {
		if x.config.Communities == nil {
			break
		}
		c, ok := x.config.Communities.Community(cid)
		if !ok || !strings.EqualFold(c.Handle, handle) {
			continue
		}
		_, at, _ := strings.Cut(c.Node(), "://")
		chosen[n] = !hasHost || strings.EqualFold(at, host)
	}
	return chosen
}

// found is a listing that passes every filter, with what it is sorted by.
type found struct {
	id    uint32
	score float64 // of its words, lower is better
	when  int64   // next start; forever when it has none ahead
	start int64   // the occurrence that matched
	km    float64 // +Inf when unknown or not asked
}

// check reports whether a listing passes all filters but the facets', and
// which of those it misses.
func (f *filter) check(c *columns, id uint32, r *row) (hit found, missed int, ok bool) {
	if r.Kind == 0 || r.Expires <= f.now || r.Flags&f.flags != f.flags {
		return hit, 0, false
	}
	if f.formats != 0 && (r.Format == 0 || f.formats&(1<<(r.Format-1)) == 0) {
		return hit, 0, false
	}
	for _, w := range f.words {
		if !slices.Contains(r.words, w) {
			return hit, 0, false
		}
	}
	hit = found{id: id, km: math.Inf(1)}
	if !f.dates(c, r, &hit) || !f.near(r, &hit) {
		return hit, 0, false
	}
	if f.kinds != 0 && f.kinds&(1<<(r.Kind-1)) == 0 {
		missed |= missedKind
	}
	if f.categories != 0 && f.categories&set(r.Categories) == 0 {
		missed |= missedCategory
	}
	if f.modes != 0 && f.modes&set(r.Modes) == 0 {
		missed |= missedMode
	}
	if f.communities != nil && !f.communities[r.community] {
		missed |= missedCommunity
	}
	return hit, missed, true
}

// dates finds the first time within the window at which the listing is on.
// What is over is left out unless the visitor said from when on.
func (f *filter) dates(c *columns, r *row, hit *found) bool {
	hit.when, hit.start = forever, r.Start
	if r.Flags&flagDated == 0 {
		return !f.dated
	}
	if r.Flags&flagRecurring != 0 {
		starts, length := c.series[hit.id].Starts, r.End-r.Start
		i := sort.Search(len(starts), func(i int) bool { return starts[i]+length >= f.from })
		if i == len(starts) || starts[i] >= f.to {
			return false
		}
		hit.start, hit.when = starts[i], starts[i]
		return true
	}
	if r.End < f.from || r.Start >= f.to {
		return false
	}
	if r.End != forever || r.Start >= f.from {
		hit.when = r.Start
	}
	return true
}

func (f *filter) near(r *row, hit *found) bool {
	if f.point == nil {
		return true
	}
	if r.Lat != r.Lat { // NaN
		return f.within == 0
	}
	if f.within > 0 && math.Abs(float64(r.Lat)-f.point.Lat) > f.band {
		return false
	}
	hit.km = kilometres(*f.point, protocol.Point{Lat: float64(r.Lat), Lon: float64(r.Lon)})
	return f.within == 0 || hit.km <= f.within
}

// counts adds up the facets.
type counts struct {
	kinds, categories, modes [16]int
	skills                   int
	communities              []int
}

// add counts a listing that misses the given facets. One that misses a
// single facet is what the visitor would find by choosing otherwise there.
func (n *counts) add(r *row, missed int, skills set) {
	if missed&^missedKind == 0 {
		n.kinds[r.Kind-1]++
	}
	if missed&^missedCategory == 0 {
		for i := range 8 {
			n.categories[i] += int(r.Categories >> i & 1)
		}
		if set(r.Categories)&skills != 0 {
			n.skills++
		}
	}
	if missed&^missedMode == 0 {
		for i := range 8 {
			n.modes[i] += int(r.Modes >> i & 1)
		}
	}
	if missed&^missedCommunity == 0 {
		n.communities[r.community]++
	}
}

func (n *counts) facets(cids []string) search.Facets {
	pick := func(terms []protocol.Term, counts []int) map[string]int {
		out := map[string]int{}
		for i, t := range terms {
			if counts[i] > 0 {
				out[t.Key] = counts[i]
			}
		}
		return out
	}
	communities := map[string]int{}
	for i, c := range n.communities {
		if c > 0 {
			communities[cids[i]] = c
		}
	}
	categories := pick(protocol.Categories(), n.categories[:])
	if n.skills > 0 {
		categories[protocol.SkillsSupport] = n.skills
	}
	return search.Facets{
		search.FacetKind: pick(protocol.Kinds(), n.kinds[:]), search.FacetCategory: categories,
		search.FacetMode: pick(protocol.Modes(), n.modes[:]), search.FacetCommunity: communities,
	}
}
