//go:build linux

package powercut

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	pageSize   = 4096
	sectorSize = 512 // what a disk writes whole
)

type page [pageSize]byte

// image is one state of a file or directory.
type image struct {
	size  int64
	pages map[int64]*page // by number; absent ones are zero
	names map[string]*inode
}

// inode is a file or directory as programs see it now, and as the disk would
// hold it if the mains went off.
type inode struct {
	id    uint64
	mode  uint32
	mtime time.Time
	now   image
	held  image
	dirty map[int64]bool // pages of now that held does not have
	gone  bool           // unlinked: its pages no longer count
}

// change is an entry of the file system's journal: something other than
// contents that happened, and is not yet durable unless it says so.
type change struct {
	about   *inode // the file or directory that was made, moved, removed or resized
	names   []name // what became of names; a rename changes two at once
	resize  bool
	size    int64
	durable bool
}

type name struct {
	dir   *inode
	name  string
	child *inode // nil: removed
}

// disk is a file system in memory that knows what was synced.
type disk struct {
	mu       sync.Mutex
	off      bool // the mains are off: everything fails
	loose    bool
	lastID   uint64
	root     *inode
	journal  []change // in order
	used     int64    // pages
	limit    int64    // pages; -1 for none
	failSync string   // syncs of files whose names end so fail
}

func newDisk() *disk {
	d := &disk{limit: -1}
	d.root = d.newInode(syscall.S_IFDIR | 0o755)
	return d
}

func (d *disk) newInode(mode uint32) *inode {
	d.lastID++
	return &inode{
		id: d.lastID, mode: mode, mtime: time.Now(), dirty: map[int64]bool{},
		now: newImage(), held: newImage(),
	}
}

func newImage() image { return image{pages: map[int64]*page{}, names: map[string]*inode{}} }

func (i *inode) isDir() bool { return i.mode&syscall.S_IFMT == syscall.S_IFDIR }

// create makes a file, directory or socket called n in dir.
func (d *disk) create(dir *inode, n string, mode uint32) (*inode, syscall.Errno) {
	if dir.now.names[n] != nil {
		return nil, syscall.EEXIST
	}
	if d.limit >= 0 && d.used >= d.limit {
		return nil, syscall.ENOSPC
	}
	child := d.newInode(mode)
	d.rename(child, name{dir, n, child})
	return child, 0
}

func (d *disk) remove(dir *inode, n string, isDir bool) syscall.Errno {
	child := dir.now.names[n]
	switch {
	case child == nil:
		return syscall.ENOENT
	case isDir != child.isDir() && isDir:
		return syscall.ENOTDIR
	case isDir != child.isDir():
		return syscall.EISDIR
	case len(child.now.names) > 0:
		return syscall.ENOTEMPTY
	}
	d.drop(child)
	d.rename(child, name{dir, n, nil})
	return 0
}

func (d *disk) move(from *inode, n string, to *inode, m string) syscall.Errno {
	child := from.now.names[n]
	if child == nil {
		return syscall.ENOENT
	}
	if old := to.now.names[m]; old != nil && old != child {
		if len(old.now.names) > 0 {
			return syscall.ENOTEMPTY
		}
		d.drop(old)
	}
	d.rename(child, name{from, n, nil}, name{to, m, child})
	return 0
}

// drop gives the pages of a removed file back.
func (d *disk) drop(i *inode) {
	i.gone = true
	d.used -= int64(len(i.now.pages))
}

// rename changes names at once and enters that in the journal.
func (d *disk) rename(about *inode, names ...name) {
	for _, n := range names {
		n.set(&n.dir.now)
		n.dir.mtime = time.Now()
	}
	d.journal = append(d.journal, change{about: about, names: names})
}

func (n name) set(dir *image) {
	if n.child == nil {
		delete(dir.names, n.name)
		return
	}
	dir.names[n.name] = n.child
}

func (i *inode) read(dest []byte, off int64) int {
	end := min(off+int64(len(dest)), i.now.size)
	if off >= end {
		return 0
	}
	dest = dest[:end-off]
	for done := int64(0); done < int64(len(dest)); {
		number, within := (off+done)/pageSize, (off+done)%pageSize
		part := dest[done:min(done+pageSize-within, int64(len(dest)))]
		if p := i.now.pages[number]; p != nil {
			copy(part, p[within:])
		} else {
			clear(part)
		}
		done += int64(len(part))
	}
	return len(dest)
}

// write writes all of data or, when there is no room, nothing: Linux takes it
// for a success if only part of a mapped page is written back.
func (d *disk) write(i *inode, data []byte, off int64) syscall.Errno {
	end := off + int64(len(data))
	needed := int64(0)
	for number := off / pageSize; number*pageSize < end; number++ {
		if i.now.pages[number] == nil {
			needed++
		}
	}
	if d.limit >= 0 && needed > 0 && d.used+needed > d.limit {
		return syscall.ENOSPC
	}
	for done := 0; done < len(data); {
		number, within := (off+int64(done))/pageSize, (off+int64(done))%pageSize
		done += copy(d.writable(i, number)[within:], data[done:])
	}
	i.now.size = max(i.now.size, end)
	i.mtime = time.Now()
	return 0
}

// writable returns a page of i that is not shared with what the disk holds.
func (d *disk) writable(i *inode, number int64) *page {
	p := i.now.pages[number]
	switch {
	case p == nil:
		p = new(page)
		if !i.gone {
			d.used++
		}
	case !i.dirty[number]:
		copied := *p
		p = &copied
	}
	i.now.pages[number] = p
	i.dirty[number] = true
	return p
}

func (d *disk) truncate(i *inode, size int64) {
	before := len(i.now.pages)
	i.now.resize(size)
	if !i.gone {
		d.used -= int64(before - len(i.now.pages))
	}
	maps.DeleteFunc(i.dirty, func(number int64, _ bool) bool { return i.now.pages[number] == nil })
	if last := size / pageSize; i.now.pages[last] != nil {
		i.dirty[last] = true
	}
	i.mtime = time.Now()
	d.journal = append(d.journal, change{about: i, resize: true, size: size})
}

func (m *image) resize(size int64) {
	if size < m.size {
		maps.DeleteFunc(m.pages, func(number int64, _ *page) bool { return number*pageSize >= size })
		if p := m.pages[size/pageSize]; p != nil {
			cut := *p
			clear(cut[size%pageSize:])
			m.pages[size/pageSize] = &cut
		}
	}
	m.size = size
}

// sync makes i durable: its contents, its names, and whatever else the
// journal writes along with them.
func (d *disk) sync(i *inode) syscall.Errno {
	if d.failSync != "" && d.hasName(i, d.failSync) {
		clear(i.dirty) // as Linux does: reported once, then forgotten
		return syscall.EIO
	}
	d.journal = slices.DeleteFunc(d.journal, func(c change) bool { return c.resize && c.about == i })
	if !i.isDir() {
		i.held.size = i.now.size
		for number := range i.dirty {
			i.held.pages[number] = i.now.pages[number]
		}
		maps.DeleteFunc(i.held.pages, func(number int64, _ *page) bool { return i.now.pages[number] == nil })
		clear(i.dirty)
	}
	for n := range d.journal {
		c := &d.journal[n]
		c.durable = c.durable || !d.loose || c.about == i ||
			slices.ContainsFunc(c.names, func(n name) bool { return n.dir == i })
	}
	for len(d.journal) > 0 && d.journal[0].durable {
		d.journal[0].apply()
		d.journal = d.journal[1:]
	}
	return 0
}

// apply makes a change to what the disk holds.
func (c change) apply() {
	for _, n := range c.names {
		n.set(&n.dir.held)
	}
	if c.resize {
		c.about.held.resize(c.size)
	}
}

func (d *disk) hasName(i *inode, suffix string) bool {
	found := false
	d.walk(d.root, func(dir *inode) map[string]*inode { return dir.now.names }, func(n string, child *inode) {
		found = found || child == i && strings.HasSuffix(n, suffix)
	})
	return found
}

func (d *disk) walk(dir *inode, names func(*inode) map[string]*inode, visit func(string, *inode)) {
	for _, n := range slices.Sorted(maps.Keys(names(dir))) {
		child := names(dir)[n]
		visit(n, child)
		d.walk(child, names, visit)
	}
}

// cut decides, by rng, what of the unsynced state happens to have reached the
// disk, and makes that what there is.
func (d *disk) cut(rng *rand.Rand) {
	d.off = true
	stale := map[*inode]bool{} // a resize that preceded their unsynced pages did not get there
	reached := rng.IntN(len(d.journal) + 1)
	for n, c := range d.journal {
		if c.durable || d.loose && rng.IntN(2) == 0 || !d.loose && n < reached {
			c.apply()
		} else if c.resize {
			stale[c.about] = true
		}
	}
	d.journal = nil
	d.used = 0
	held := func(dir *inode) map[string]*inode { return dir.held.names }
	settle := func(_ string, i *inode) {
		if !stale[i] {
			i.keepSome(rng)
		}
		clear(i.dirty)
		i.gone = false
		i.now = image{i.held.size, maps.Clone(i.held.pages), maps.Clone(i.held.names)}
		d.used += int64(len(i.now.pages))
	}
	settle("", d.root)
	d.walk(d.root, held, settle)
}

// keepSome lets none, all or some of the unsynced pages of i have reached the
// disk, the latter perhaps torn.
func (i *inode) keepSome(rng *rand.Rand) {
	how := rng.IntN(3)
	if how == 0 {
		return
	}
	if i.now.size > i.held.size && rng.IntN(2) == 0 {
		i.held.size = i.now.size
	}
	for _, number := range slices.Sorted(maps.Keys(i.dirty)) {
		if number*pageSize >= i.held.size || how == 2 && rng.IntN(2) == 0 {
			continue
		}
		p := *i.now.pages[number]
		if how == 2 && rng.IntN(4) == 0 {
			tear(&p, i.held.pages[number], rng)
		}
		i.held.pages[number] = &p
	}
}

// tear leaves some sectors of p as they were.
func tear(p, old *page, rng *rand.Rand) {
	if old == nil {
		old = new(page)
	}
	for s := 0; s < pageSize; s += sectorSize {
		if rng.IntN(2) == 0 {
			copy(p[s:s+sectorSize], bytes.Clone(old[s:s+sectorSize]))
		}
	}
}
