package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// snapshot is everything that a running node's store holds, as its backup
// tells it.
type snapshot struct {
	store  *memory
	log    *store.Log
	dir    *directory.Directory
	states map[string]directory.State // by uid
	edits  map[edition]store.Entry
	last   map[string]uint64 // the highest version, by cid
}

// edition is one edit of one listing.
type edition struct {
	cid, uid string
	version  uint64
}

// snapshot reads the node's store through a backup and checks that it is
// whole: whatever was interrupted is there altogether, once, or not at all.
func (n *node) snapshot() *snapshot {
	n.t.Helper()
	s, err := n.readSnapshot()
	if err != nil {
		n.t.Fatalf("read the store of %s: %v", n.name, err)
	}
	if err := s.check(n.t); err != nil {
		n.t.Fatalf("the store of %s is not whole: %v", n.name, err)
	}
	return s
}

func (n *node) readSnapshot() (*snapshot, error) {
	resp, err := n.admin.Get("http://waypost/admin/v1/backup")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the backup answers %s", resp.Status)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	s := &snapshot{store: newMemory(), states: map[string]directory.State{}, edits: map[edition]store.Entry{}, last: map[string]uint64{}}
	if err := store.Restore(ctx, s.store, bytes.NewReader(raw)); err != nil {
		return nil, err
	}
	s.log = store.NewLog(s.store)
	s.dir, err = directory.Open(ctx, directory.Config{Store: s.store, Log: s.log, Base: n.base})
	return s, err
}

func (s *snapshot) check(t *testing.T) error {
	if err := s.checkLog(t.Context()); err != nil {
		return err
	}
	return s.checkStates(t.Context())
}

// checkLog sees that the log has no gap, that each entry has its body and its
// marks, and that no edit took effect twice. (One that a pull brought may be
// pushed late and is then kept once more, as superseded.)
func (s *snapshot) checkLog(ctx context.Context) error {
	entries, err := s.log.Read(ctx, 0, 1<<30)
	if err != nil {
		return err
	}
	if last, err := s.log.Last(ctx); err != nil || last != uint64(len(entries)) {
		return fmt.Errorf("the log has %d entries and says that the last is %d (%v)", len(entries), last, err)
	}
	for i, e := range entries {
		if e.Seq != uint64(i+1) {
			return fmt.Errorf("entry %d of the log has number %d", i+1, e.Seq)
		}
		body, err := s.log.Body(ctx, e.Digest)
		if protocol.KindOf(err) != protocol.Gone && (err != nil || store.DigestOf(body) != e.Digest) {
			return fmt.Errorf("the body of entry %d: %v", e.Seq, err)
		}
		if e.ID != "" && !s.store.has(store.SeenKey(e.ID)) {
			return fmt.Errorf("entry %d is not marked as seen", e.Seq)
		}
		if e.UID == "" {
			continue
		}
		if !s.store.has(store.HistoryKey(e.CID, e.UID, e.Seq)) {
			return fmt.Errorf("entry %d is not in its listing's history", e.Seq)
		}
		if e.Outcome == store.Superseded && e.Via != store.ViaLocal {
			continue
		}
		what := edition{e.CID, e.UID, e.Version}
		if twice, there := s.edits[what]; there {
			return fmt.Errorf("version %d of %s is in the log twice:\n%+v\n%+v", e.Version, e.UID, twice, e)
		}
		if e.Via == store.ViaLocal && e.Version <= s.last[e.CID] {
			return fmt.Errorf("entry %d has version %d, after version %d", e.Seq, e.Version, s.last[e.CID])
		}
		s.edits[what] = e
		s.last[e.CID] = max(s.last[e.CID], e.Version)
	}
	return nil
}

// checkStates sees that each listing can be read, and that its state, its
// newest entry and its row among the changes are of the same edit.
func (s *snapshot) checkStates(ctx context.Context) error {
	changes := map[string]int{}
	for _, c := range s.dir.Hosted() {
		for range s.store.Scan(store.Range{Prefix: store.ChangePrefix(c.CID)}) {
			changes[c.CID]++
		}
	}
	for item := range s.store.Scan(store.Range{Prefix: store.AllListings()}) {
		var st directory.State
		if err := json.Unmarshal(item.Value, &st); err != nil {
			return fmt.Errorf("a state is not whole: %v", err)
		}
		if _, err := s.dir.Get(ctx, st.CID, st.UID); err != nil {
			return fmt.Errorf("listing %s cannot be read: %v", st.UID, err)
		}
		if e, ok := s.edits[edition{st.CID, st.UID, st.Version}]; !ok || e.Digest != st.Body {
			return fmt.Errorf("listing %s is at version %d, and the log is not", st.UID, st.Version)
		}
		if n, hosted := changes[st.CID]; hosted {
			if uid, err := s.store.Get(store.ChangeKey(st.CID, st.Version)); err != nil || string(uid) != st.UID {
				return fmt.Errorf("version %d is a change of %q and not of %s (%v)", st.Version, uid, st.UID, err)
			}
			changes[st.CID] = n - 1
		}
		s.states[st.UID] = st
	}
	for cid, n := range changes {
		if n != 0 {
			return fmt.Errorf("%s has %d changes more than listings", cid, n)
		}
	}
	return nil
}

// standing is how many listings are not deleted.
func (s *snapshot) standing() (n int) {
	for _, st := range s.states {
		if !st.Deleted {
			n++
		}
	}
	return n
}
