package testnet_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/testnet"
)

func newWorld(t *testing.T) *testnet.World {
	t.Helper()
	w := testnet.NewWorld(testnet.Config{Dir: t.TempDir(), Seed: 1})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close the world: %v", err)
		}
	})
	return w
}

func addNode(t *testing.T, w *testnet.World, name string) *testnet.Node {
	t.Helper()
	n, err := w.AddNode(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPeers_OneThatHangsHoldsUpNobodyElse: all pulls of a start are beside
// each other.
func TestPeers_OneThatHangsHoldsUpNobodyElse(t *testing.T) {
	w := newWorld(t)
	alpha, gamma, beta := addNode(t, w, "alpha"), addNode(t, w, "gamma"), addNode(t, w, "beta")
	for _, n := range []*testnet.Node{alpha, gamma} {
		if err := beta.Follow(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := beta.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Network.Lag("alpha.test", "beta.test", time.Hour) // alpha never answers, and comes first
	mark := w.Now()
	if err := beta.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := testnet.WaitFor(t.Context(), 10*time.Second, func() (bool, error) {
		p, err := beta.Peer(t.Context(), gamma)
		return p.Synced.After(mark), err
	})
	if err != nil {
		t.Errorf("beta does not pull from gamma while alpha hangs: %v", err)
	}
}

// TestPeers_AFeedInACircleEnds: a peer that always says there is more is left
// after two pages, and beta says so.
func TestPeers_AFeedInACircleEnds(t *testing.T) {
	w := newWorld(t)
	alpha, beta := addNode(t, w, "alpha"), addNode(t, w, "beta")
	if _, err := alpha.Publish(t.Context(), protocol.Listing{Kind: protocol.KindOffer, Title: "Tablet help"}); err != nil {
		t.Fatal(err)
	}
	x, err := alpha.Running()
	if err != nil {
		t.Fatal(err)
	}
	var pages atomic.Int32
	w.Network.Attach("alpha.test", http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/waypost/v1/communities/"+alpha.CID+"/public/changes" {
			pages.Add(1)
			row := map[string]any{"key": "x", "seq": 1, "body": map[string]any{}}
			out.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(out).Encode(map[string]any{"cid": alpha.CID, "next": 7, "more": true, "rows": []any{row}})
			return
		}
		x.Handler().ServeHTTP(out, r)
	}))
	if err := beta.Follow(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	p, err := beta.Peer(t.Context(), alpha)
	if err != nil {
		t.Fatal(err)
	}
	if p.Problem == "" {
		t.Error("beta does not say what is wrong with its peer")
	}
	if n := pages.Load(); n > 10 {
		t.Errorf("beta read %d pages", n)
	}
}

// TestWorld_ManyNodesConverge is a world of its own making: five nodes in a
// ring, with loss and crashes decided by the seed that it prints.
func TestWorld_ManyNodesConverge(t *testing.T) {
	w := newWorld(t)
	var ring []*testnet.Node
	for i := range 5 {
		ring = append(ring, addNode(t, w, fmt.Sprintf("n%d", i)))
	}
	for i, n := range ring {
		if err := n.Follow(t.Context(), ring[(i+1)%len(ring)]); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range ring {
		next := ring[(i+1)%len(ring)]
		w.Network.Lose(n.Name+".test", next.Name+".test", 0.2)
		w.Network.Lose(next.Name+".test", n.Name+".test", 0.2)
	}
	for round := range 3 {
		for i, n := range ring {
			for k := range 3 {
				l := protocol.Listing{Kind: protocol.KindOffer, Title: fmt.Sprintf("Help %d %d %d", round, i, k),
					UID: fmt.Sprintf("5b0c6f0e-6a53-4c1e-9d0a-0d6a4f1c%02d%02d", i, k)}
				if _, err := n.Publish(t.Context(), l); err != nil {
					t.Fatal(err)
				}
			}
		}
		victim := ring[round]
		if err := victim.Crash(); err != nil {
			t.Fatal(err)
		}
		if err := victim.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range ring {
		w.Heal(n, ring[(i+1)%len(ring)])
	}
	for i, n := range ring {
		origin := ring[(i+1)%len(ring)]
		err := testnet.WaitFor(t.Context(), 30*time.Second, func() (bool, error) {
			err := testnet.Agree(t.Context(), origin, n)
			return err == nil, err
		})
		if err != nil {
			t.Errorf("%s does not agree with %s: %v", n.Name, origin.Name, err)
		}
	}
}
