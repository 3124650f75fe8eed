package testnet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/protocol"
)

// Node is one node of a world, running or not.
type Node struct {
	Name string
	Base string // its base URL
	CID  string // of its community

	world *World
	dir   string

	mu      sync.Mutex
	node    *node.Node // nil while it is down; guarded by mu
	cancel  func()     // ends Run; guarded by mu
	ran     chan error // what Run returned; guarded by mu
	mishaps []error    // what went wrong in earlier runs; guarded by mu
}

func (n *Node) host() string { return strings.TrimPrefix(n.Base, "https://") }

// Start opens the node's data folder, setting it up when it is empty, and puts
// the node on the network.
func (n *Node) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.node != nil {
		return fmt.Errorf("%s is running already", n.Name)
	}
	x, err := node.New(ctx, node.Config{DataDir: n.dir, BaseURL: n.Base, Dev: true, Version: "testnet",
		Now: n.world.Now, Logger: n.world.cfg.Logger.With("node", n.Name), RoundTripper: n.world.Network.From(n.host())})
	if err != nil {
		return err
	}
	if err := n.settle(ctx, x); err != nil {
		return errors.Join(err, x.Close())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.node, n.cancel, n.ran = x, cancel, make(chan error, 1)
	n.world.Network.Attach(n.host(), x.Handler())
	go func(ran chan<- error) { ran <- x.Run(run) }(n.ran)
	return nil
}

// settle makes sure that a community lives in the node.
func (n *Node) settle(ctx context.Context, x *node.Node) error {
	if err := x.Directory.EnsureApplication(ctx); err != nil {
		return err
	}
	if c, ok := x.Directory.HostedByHandle(n.Name); ok {
		n.CID = c.CID
		return nil
	}
	m, err := x.Directory.CreateCommunity(ctx, directory.NewCommunity{Handle: n.Name, Name: "Community of " + n.Name})
	n.CID = m.Community.CID
	return err
}

// Stop ends the node in good order: requests under way finish first.
func (n *Node) Stop() error { return n.end(false) }

// Crash ends the node without warning: it vanishes from the network at once,
// requests under way get no answer, and whatever it was about to do is left to
// the next start. Its data folder stays.
func (n *Node) Crash() error { return n.end(true) }

func (n *Node) end(crash bool) error {
	x, err := n.Running()
	if err != nil {
		return err
	}
	if crash {
		n.cancel()
	}
	n.world.Network.Detach(n.host(), crash)
	n.cancel()
	err = errors.Join(<-n.ran, x.Close())
	n.mu.Lock()
	defer n.mu.Unlock()
	n.node = nil
	if err != nil {
		n.mishaps = append(n.mishaps, fmt.Errorf("%s: %w", n.Name, err))
	}
	return err
}

// Wipe loses the disk of a node that is down: keys, listings and all. Its next
// start founds another community under the same name.
func (n *Node) Wipe() error {
	if n.Up() {
		return fmt.Errorf("%s is running; crash it first", n.Name)
	}
	return removeAll(n.dir)
}

// Up reports whether the node is running.
func (n *Node) Up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.node != nil
}

// Running returns the node's parts, and an error while it is down.
func (n *Node) Running() (*node.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.node == nil {
		return nil, fmt.Errorf("%s is down", n.Name)
	}
	return n.node, nil
}

func (n *Node) trouble() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.mishaps...)
}

// Publish adds or replaces a listing of the node's community.
func (n *Node) Publish(ctx context.Context, l protocol.Listing) (protocol.Listing, error) {
	x, err := n.Running()
	if err != nil {
		return l, err
	}
	res, err := x.Directory.Publish(ctx, n.CID, l)
	return res.Listing, err
}

// Remove deletes a listing; with erase its uid is retired for good.
func (n *Node) Remove(ctx context.Context, uid string, erase bool) error {
	x, err := n.Running()
	if err != nil {
		return err
	}
	return x.Directory.Remove(ctx, n.CID, uid, erase)
}

// Follow adds another node as a peer.
func (n *Node) Follow(ctx context.Context, other *Node) error {
	x, err := n.Running()
	if err != nil {
		return err
	}
	_, err = x.Peers.Add(ctx, other.Base)
	return err
}

// Unfollow removes another node from the peers.
func (n *Node) Unfollow(ctx context.Context, other *Node) error {
	x, err := n.Running()
	if err != nil {
		return err
	}
	return x.Peers.Remove(ctx, other.host())
}

// Peer says how another node is doing as this one sees it.
func (n *Node) Peer(ctx context.Context, other *Node) (peer.Peer, error) {
	x, err := n.Running()
	if err != nil {
		return peer.Peer{}, err
	}
	list, err := x.Peers.List(ctx)
	for _, p := range list {
		if p.Host == other.host() {
			return p, err
		}
	}
	return peer.Peer{}, errors.Join(err, fmt.Errorf("%s has no peer %s", n.Name, other.Name))
}

// Finds returns the titles that a search for text finds on this node.
func (n *Node) Finds(ctx context.Context, text string) ([]string, error) {
	x, err := n.Running()
	if err != nil {
		return nil, err
	}
	answer, err := x.Index.Search(ctx, protocol.Query{Text: text, PerPage: 100})
	var titles []string
	for _, hit := range answer.Results {
		titles = append(titles, hit.Title)
	}
	return titles, err
}

// Idle reports whether the node has nothing left to do: the followers of its
// log are at the end of it and nothing waits to be delivered.
func (n *Node) Idle(ctx context.Context) (bool, error) {
	x, err := n.Running()
	if err != nil {
		return false, err
	}
	waiting, err := x.Deliverer.Waiting(ctx)
	if err != nil || waiting > 0 {
		return false, err
	}
	last, err := x.Log.Last(ctx)
	if err != nil {
		return false, err
	}
	for _, cursor := range []func(context.Context) (uint64, error){x.Deliverer.Cursor, x.Index.Cursor} {
		if at, err := cursor(ctx); err != nil || at < last {
			return false, err
		}
	}
	return true, nil
}
