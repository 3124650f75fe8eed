package embedded

import "slices"

// columns holds the facts of every listing in memory. A listing's id is its
// row's position plus one and its rowid in SQLite; ids of removed listings
// are given out again, so that rows stay dense.
type columns struct {
	rows   []row
	free   []uint32 // ids that hold nothing
	ids    map[key]uint32
	series map[uint32]series // of recurring listings, by id
	words  names
	cids   names
}

type row struct {
	facts
	community uint32   // in columns.cids
	words     []uint32 // in columns.words
}

type key struct {
	community uint32
	uid       [16]byte
}

// names numbers texts that occur often. A text stays when the last listing
// with it is gone, until the index is next opened.
type names struct {
	numbers map[string]uint32
	texts   []string
}

func (n *names) number(s string) uint32 {
	if i, ok := n.numbers[s]; ok {
		return i
	}
	i := uint32(len(n.texts))
	n.numbers[s] = i
	n.texts = append(n.texts, s)
	return i
}

func newColumns() *columns {
	return &columns{
		ids: map[key]uint32{}, series: map[uint32]series{},
		words: names{numbers: map[string]uint32{}}, cids: names{numbers: map[string]uint32{}},
	}
}

// find returns the id of a listing, 0 when it is not there.
func (c *columns) find(cid, uid string) uint32 {
	community, ok := c.cids.numbers[cid]
	if !ok {
		return 0
	}
	return c.ids[key{community, keyOf(uid)}]
}

// put sets the listing with that id.
func (c *columns) put(id uint32, r record) {
	for len(c.rows) < int(id) {
		c.rows = append(c.rows, row{})
	}
	words := make([]uint32, len(r.Words))
	for i, w := range r.Words {
		words[i] = c.words.number(w)
	}
	community := c.cids.number(r.CID)
	c.rows[id-1] = row{facts: r.facts, community: community, words: words}
	c.ids[key{community, r.UID}] = id
	delete(c.series, id)
	if r.Flags&flagRecurring != 0 {
		c.series[id] = r.Series
	}
}

// remove frees the row of a listing.
func (c *columns) remove(id uint32) {
	r := &c.rows[id-1]
	delete(c.ids, key{r.community, r.UID})
	delete(c.series, id)
	*r = row{}
	c.free = append(c.free, id)
}

// findFree gathers the rows that hold nothing, after loading.
func (c *columns) findFree() {
	c.free = nil
	for i := range c.rows {
		if c.rows[i].Kind == 0 {
			c.free = append(c.free, uint32(i+1))
		}
	}
	slices.Reverse(c.free) // lowest first out
}

// newIDs returns n ids that hold nothing, without taking them.
func (c *columns) newIDs(n int) []uint32 {
	ids := make([]uint32, 0, n)
	for i := len(c.free) - 1; i >= 0 && len(ids) < n; i-- {
		ids = append(ids, c.free[i])
	}
	for next := uint32(len(c.rows) + 1); len(ids) < n; next++ {
		ids = append(ids, next)
	}
	return ids
}

// take makes the first n of newIDs unfree.
func (c *columns) take(n int) { c.free = c.free[:len(c.free)-min(n, len(c.free))] }
