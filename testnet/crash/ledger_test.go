package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waypost-directory/waypost/protocol"
)

// word is in every listing's title.
const word = "Kettle"

// edit is a state that a listing may be in.
type edit struct {
	n       int // of the text; 0 unless it stands
	deleted bool
	erased  bool
}

var absent = edit{}

// item is one listing and the states that it may be in: the one that was
// acknowledged last, and those asked for since of which nobody knows.
type item struct {
	uid      string
	possible []edit
}

func (i *item) certain() bool { return len(i.possible) == 1 }

// ledger is what a node acknowledged.
type ledger struct {
	mu       sync.Mutex
	rng      *rand.Rand        // guarded by mu
	items    []*item           // guarded by mu
	edits    int               // how many texts were made; guarded by mu
	versions map[uint64]string // version → uid, as acknowledged; guarded by mu
	floor    uint64            // new versions must be above it; guarded by mu
	acked    int               // guarded by mu
	wrong    error             // the first answer that cannot be; guarded by mu
}

func newLedger(rng *rand.Rand) *ledger {
	return &ledger{rng: rng, versions: map[uint64]string{}}
}

// maxItems bounds how many listings the writers make.
const maxItems = 400

// begin chooses a listing that no other writer has, and what to do with it.
func (l *ledger) begin() (*item, edit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if len(l.items) == 0 || len(l.items) < maxItems && l.rng.IntN(3) == 0 {
			i := &item{uid: l.uid(), possible: []edit{absent}}
			l.items = append(l.items, i)
			return i, l.want(i, l.text())
		}
		i := l.items[l.rng.IntN(len(l.items))]
		switch {
		case !i.certain() || i.possible[0].erased:
			if len(l.items) >= maxItems && l.rng.IntN(100) == 0 {
				i := &item{uid: l.uid(), possible: []edit{absent}}
				l.items = append(l.items, i)
				return i, l.want(i, l.text())
			}
			continue
		case i.possible[0].n == 0:
			return i, l.want(i, l.text())
		}
		switch l.rng.IntN(10) {
		case 0, 1:
			return i, l.want(i, edit{deleted: true})
		case 2:
			return i, l.want(i, edit{deleted: true, erased: true})
		}
		return i, l.want(i, l.text())
	}
}

// text and uid are called with mu held.
func (l *ledger) text() edit {
	l.edits++
	return edit{n: l.edits}
}

func (l *ledger) uid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(l.rng.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}

func (l *ledger) want(i *item, e edit) edit {
	i.possible = append(i.possible, e)
	return e
}

// done notes that the node acknowledged an edit.
func (l *ledger) done(i *item, e edit, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i.possible = []edit{e}
	l.acked++
	if version == 0 {
		return
	}
	if other, twice := l.versions[version]; l.wrong == nil && (twice || version <= l.floor) {
		l.wrong = fmt.Errorf("%s got version %d, which %s has; those up to %d were given before", i.uid, version, other, l.floor)
	}
	l.versions[version] = i.uid
}

// title is how an edit is known again.
func title(uid string, n int) string { return fmt.Sprintf("%s %s edit %d", word, uid[:8], n) }

// listingOf is a listing's text: sometimes short, sometimes pages.
func listingOf(uid string, n int) protocol.Listing {
	return protocol.Listing{UID: uid, Kind: protocol.KindOffer, Title: title(uid, n), Categories: []string{"quick-tips"},
		Description: strings.Repeat(fmt.Sprintf("Words of edit %d. ", n), n*n%200)}
}

// write sends one edit to a node and notes the answer. It returns an error
// when nobody knows what became of it.
func (l *ledger) write(n *node) error {
	i, e := l.begin()
	path := "/listings/" + i.uid
	var answer struct {
		Version uint64 `json:"version"`
	}
	var err error
	switch {
	case e.erased:
		err = n.call(http.MethodDelete, path+"?erase=true", nil, nil)
	case e.deleted:
		err = n.call(http.MethodDelete, path, nil, nil)
	default:
		err = n.call(http.MethodPut, path, listingOf(i.uid, e.n), &answer)
	}
	if err == nil {
		l.done(i, e, answer.Version)
	}
	return err
}

// writers keep several clients busy with a node until its answers fail or
// stop is called, which waits for them. Refusals are handed to refused.
func (l *ledger) writers(n *node, pause time.Duration, refused func(error)) (stop func()) {
	var running sync.WaitGroup
	quit := make(chan struct{})
	for range 4 {
		running.Go(func() {
			for {
				select {
				case <-quit:
					return
				case <-time.After(pause):
				}
				var r refusal
				switch err := l.write(n); {
				case errors.As(err, &r):
					refused(err)
				case err != nil:
					return
				}
			}
		})
	}
	var once sync.Once
	return func() {
		once.Do(func() { close(quit) })
		running.Wait()
	}
}

// reconcile compares the ledger with what is there, and goes on from that.
// Nobody may be writing.
func (l *ledger) reconcile(t *testing.T, n *node, s *snapshot) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong != nil {
		t.Fatal(l.wrong)
	}
	cid := s.dir.Hosted()[0].CID
	for version, uid := range l.versions {
		if _, there := s.edits[edition{cid, uid, version}]; !there {
			t.Fatalf("%s acknowledged version %d of %s, and it is not in the log", n.name, version, uid)
		}
	}
	for _, i := range l.items {
		now, err := s.edit(t, i.uid)
		if err != nil {
			t.Fatal(err)
		}
		if !contains(i.possible, now) {
			t.Fatalf("%s: listing %s is %+v; acknowledged was %+v and asked for since %+v", n.name, i.uid, now, i.possible[0], i.possible[1:])
		}
		i.possible = []edit{now}
	}
	l.floor = s.last[cid]
}

// edit is the state that a listing is in.
func (s *snapshot) edit(t *testing.T, uid string) (edit, error) {
	st, there := s.states[uid]
	if !there {
		return absent, nil
	}
	if st.Deleted {
		return edit{deleted: true, erased: st.Erased}, nil
	}
	r, err := s.dir.Get(t.Context(), st.CID, uid)
	if err != nil {
		return edit{}, err
	}
	var e edit
	if _, err := fmt.Sscanf(r.Listing.Title[strings.LastIndex(r.Listing.Title, " ")+1:], "%d", &e.n); err != nil {
		return e, err
	}
	want := listingOf(uid, e.n)
	if r.Listing.Title != want.Title || r.Listing.Description != strings.TrimSpace(want.Description) && r.Listing.Description != want.Description {
		return e, fmt.Errorf("listing %s is neither one edit nor another: %q", uid, r.Listing.Title)
	}
	return e, nil
}

func contains(list []edit, e edit) bool {
	for _, x := range list {
		if x == e {
			return true
		}
	}
	return false
}

// findable waits until the search index has come to the end of the log, and
// compares it with what is there.
func (l *ledger) findable(t *testing.T, n *node, s *snapshot) {
	t.Helper()
	want, got := s.standing(), found{}
	eventually(t, fmt.Sprintf("%s finds all %d listings", n.name, want), func() bool {
		var err error
		got, err = n.search(word)
		return err == nil && got.Total == want
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for range 3 {
		i := l.items[l.rng.IntN(len(l.items))]
		e, err := s.edit(t, i.uid)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%s finds %s as %+v", n.name, i.uid, e), func() bool {
			got, err := n.search(i.uid[:8])
			if err != nil {
				return false
			}
			// A word that nothing has is taken for one that is half typed, and a
			// uid that begins with four digits then finds the edit of that number.
			var titles []string
			for _, r := range got.Results {
				if strings.Contains(r.Title, i.uid[:8]) {
					titles = append(titles, r.Title)
				}
			}
			if e.n == 0 {
				return len(titles) == 0
			}
			return len(titles) == 1 && titles[0] == title(i.uid, e.n)
		})
	}
}
