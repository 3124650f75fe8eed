package testnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
)

// Config says what a [World] needs. Only Dir is.
type Config struct {
	Dir    string // every node has a data folder below it
	Seed   uint64 // of the network's losses
	Logger *slog.Logger
}

// World is nodes on a network, and their clock.
type World struct {
	Network *Network
	cfg     Config
	began   time.Time // by the machine's clock

	mu      sync.Mutex
	nodes   map[string]*Node // guarded by mu
	skipped time.Duration    // guarded by mu
}

// firstDay is when every world begins, so that scenarios may name dates.
var firstDay = time.Date(2027, time.March, 1, 9, 0, 0, 0, time.UTC)

// NewWorld returns an empty world. Close it when done.
func NewWorld(cfg Config) *World {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &World{Network: NewNetwork(cfg.Seed), cfg: cfg, began: time.Now(), nodes: map[string]*Node{}}
}

// Now is the world's time: 09:00 on 1 March 2027 at its beginning.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return firstDay.Add(time.Since(w.began) + w.skipped)
}

// Advance moves the clock of all nodes forward at once.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skipped += d
}

// AddNode sets up a node at https://NAME.test with one community, whose handle
// is the name too, and starts it.
func (w *World) AddNode(ctx context.Context, name string) (*Node, error) {
	if n := w.Node(name); n != nil {
		return nil, fmt.Errorf("there is a node %s already", name)
	}
	n := &Node{Name: name, Base: "https://" + name + ".test", world: w, dir: filepath.Join(w.cfg.Dir, name)}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[name] = n
	return n, nil
}

// Node returns the node of a name, nil when there is none.
func (w *World) Node(name string) *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[name]
}

// Nodes lists the nodes by name.
func (w *World) Nodes() []*Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for name := range w.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	list := make([]*Node, len(names))
	for i, name := range names {
		list[i] = w.nodes[name]
	}
	return list
}

// Cut separates two nodes in both directions.
func (w *World) Cut(a, b *Node) {
	w.Network.Cut(a.host(), b.host())
	w.Network.Cut(b.host(), a.host())
}

// Heal undoes whatever was done to the links between two nodes.
func (w *World) Heal(a, b *Node) {
	w.Network.Heal(a.host(), b.host())
	w.Network.Heal(b.host(), a.host())
}

// WaitFor looks until ok says yes, for as long as timeout of real time. An
// error of ok that stays to the end is part of the answer.
func WaitFor(ctx context.Context, timeout time.Duration, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		held, err := ok()
		if held && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("not within %s", timeout), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Agree reports whether follower holds exactly the public listings of origin's
// community, each in its newest edit; if not, the error says what differs.
func Agree(ctx context.Context, origin, follower *Node) error {
	want, err := origin.versions(ctx, origin.CID)
	if err != nil {
		return err
	}
	got, err := follower.versions(ctx, origin.CID)
	if err != nil {
		return err
	}
	for uid, v := range want {
		if got[uid] != v {
			return fmt.Errorf("%s has version %d of %s, %s has %d", origin.Name, v, uid, follower.Name, got[uid])
		}
	}
	for uid := range got {
		if _, there := want[uid]; !there {
			return fmt.Errorf("%s holds %s, which %s does not show", follower.Name, uid, origin.Name)
		}
	}
	return nil
}

// versions are the public listings of a community as a node holds them.
func (n *Node) versions(ctx context.Context, cid string) (map[string]uint64, error) {
	x, err := n.Running()
	if err != nil {
		return nil, err
	}
	found := map[string]uint64{}
	err = x.Directory.States(ctx, cid, func(s directory.State) bool {
		if s.Public && !s.Deleted {
			found[s.UID] = s.Version
		}
		return true
	})
	return found, err
}

// Close stops all nodes. It reports what went wrong in any of them, a panic in
// a handler among it.
func (w *World) Close() error {
	errs := []error{w.Network.Shock()}
	for _, n := range w.Nodes() {
		if n.Up() {
			errs = append(errs, n.Stop())
		}
		errs = append(errs, n.trouble())
	}
	return errors.Join(errs...)
}

// removeAll is the loss of a disk.
func removeAll(dir string) error { return os.RemoveAll(dir) }
