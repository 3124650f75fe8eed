// Package peer keeps the list of other nodes that this one exchanges listings
// with: it follows their Application actors, reads back what their communities
// have published, and catches up after an outage.
package peer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
)

// Peer is a node that we exchange listings with, and how it is doing.
type Peer struct {
	Host        string          `json:"host"`        // with a port that is not the usual one
	Application string          `json:"application"` // IRI of its Application actor
	Communities []PeerCommunity `json:"communities,omitempty"`
	Added       time.Time       `json:"added"`
	Heard       time.Time       `json:"heard,omitzero"`    // last time that it answered or signed something
	Synced      time.Time       `json:"synced,omitzero"`   // last pull that went through
	Problem     string          `json:"problem,omitempty"` // why the last pull failed, in words for its steward
	Failed      time.Time       `json:"failed,omitzero"`   // when it failed
	Fails       int             `json:"fails,omitempty"`   // in a row
	Follow      string          `json:"follow,omitempty"`  // pending, accepted or rejected; filled in by List
}

// PeerCommunity is a community of a peer, and how far we have read its feed.
type PeerCommunity struct {
	CID   string `json:"cid"`
	Actor string `json:"actor"`
	Name  string `json:"name"`
	Since uint64 `json:"since"` // highest version read by pulls
}

// Actors finds actors on other nodes; federation.Actors is one.
type Actors interface {
	Refresh(ctx context.Context, iri string) (protocol.Actor, error)
}

// Config says what a [Peers] works with.
type Config struct {
	Store     store.Store
	Directory *directory.Directory
	Client    *transport.Client
	Actors    Actors
	Now       func() time.Time
	Logger    *slog.Logger
	Interval  time.Duration // between pulls of a peer that is well; an hour when 0
	Retry     time.Duration // after a first failure, doubling up to Interval; a minute when 0
	Changed   func()        // called when a pull brought something, or nil
}

// Peers is the list of peers and the loop that pulls from them.
type Peers struct {
	cfg  Config
	wake chan struct{}

	mu      sync.Mutex
	known   map[string]bool        // hosts of all peers, as List last read them; guarded by mu
	heard   map[string]time.Time   // by host, not yet written; guarded by mu
	pull    map[string]*sync.Mutex // by host; guarded by mu
	failing map[string]bool        // hosts whose last pull failed; guarded by mu
	pulling map[string]bool        // hosts that Run is pulling from; guarded by mu
}

// New prepares the list; Run works on it.
func New(cfg Config) *Peers {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Hour
	}
	if cfg.Retry == 0 {
		cfg.Retry = time.Minute
	}
	return &Peers{cfg: cfg, wake: make(chan struct{}, 1), known: map[string]bool{}, heard: map[string]time.Time{},
		pull: map[string]*sync.Mutex{}, failing: map[string]bool{}, pulling: map[string]bool{}}
}

// Add finds the node at a URL, follows its Application actor and reads back its
// listings. Adding a peer again follows it again, which mends a follow that
// the other side lost. Kinds of error: Invalid (not a Waypost node), Forbidden
// (an address that may not be contacted), Unavailable (it does not answer).
func (p *Peers) Add(ctx context.Context, rawURL string) (Peer, error) {
	const op = "add peer"
	origin, err := p.originOf(rawURL)
	if err != nil {
		return Peer{}, err
	}
	if origin == protocol.Origin(p.cfg.Directory.ApplicationIRI()) {
		return Peer{}, protocol.Errorf(op, protocol.Invalid, origin, "this is the node itself; give the address of another one")
	}
	doc, err := p.discover(ctx, origin)
	if err != nil {
		return Peer{}, err
	}
	if _, err := p.cfg.Actors.Refresh(ctx, doc.Application); err != nil {
		return Peer{}, err
	}
	host := hostOf(origin)
	now := p.cfg.Now().UTC()
	peer, err := p.update(ctx, host, func(x *Peer) {
		x.Application, x.Heard = doc.Application, now
		if x.Added.IsZero() {
			x.Added = now
		}
		x.merge(doc)
	})
	if err != nil {
		return Peer{}, err
	}
	p.mu.Lock()
	p.known[host] = true
	p.mu.Unlock()
	if err := p.cfg.Directory.Follow(ctx, doc.Application); err != nil {
		return Peer{}, err
	}
	if err := p.Sync(ctx, host); err != nil {
		p.cfg.Logger.Warn("a new peer's listings could not be read yet; this is tried again", "peer", host, "error", err)
	}
	return p.get(ctx, peer.Host)
}

// originOf takes "bexley.example", "https://bexley.example/about" and the like.
func (p *Peers) originOf(rawURL string) (string, error) {
	const op = "add peer"
	s := strings.TrimSpace(rawURL)
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	if err := p.cfg.Client.Check(s); err != nil {
		return "", err
	}
	origin := protocol.Origin(s)
	if origin == "" {
		return "", protocol.Errorf(op, protocol.Invalid, rawURL, "this is not an address such as https://bexley.example")
	}
	return origin, nil
}

// Remove forgets a peer and stops following it. What it published stays until
// its communities delete it or it runs out.
func (p *Peers) Remove(ctx context.Context, host string) error {
	peer, err := p.get(ctx, host)
	if err != nil {
		return err
	}
	if err := p.cfg.Directory.Unfollow(ctx, peer.Application); err != nil {
		return err
	}
	if err := p.cfg.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.PeerKey(peer.Host)) }); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, peer.Host)
	delete(p.heard, peer.Host)
	delete(p.failing, peer.Host)
	return nil
}

// List returns all peers by host, with the state of our follow.
func (p *Peers) List(ctx context.Context) ([]Peer, error) {
	var list []Peer
	err := p.cfg.Store.View(ctx, func(tx store.Tx) error {
		list = nil
		for item, err := range tx.Scan(store.Range{Prefix: store.PeerPrefix()}) {
			if err != nil {
				return err
			}
			var x Peer
			if err := json.Unmarshal(item.Value, &x); err != nil {
				return err
			}
			list = append(list, x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.know(list)
	follows, err := p.cfg.Directory.Followings(ctx, p.cfg.Directory.ApplicationIRI())
	for i := range list {
		for _, f := range follows {
			if f.Target == list[i].Application {
				list[i].Follow = f.State
			}
		}
		list[i].Heard = p.lastHeard(list[i])
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Host < list[j].Host })
	return list, err
}

// know keeps which hosts are peers, so that Heard need not ask the store.
func (p *Peers) know(list []Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.known)
	for _, x := range list {
		p.known[x.Host] = true
	}
}

// Heard notes that a host signed something just now. It is cheap; List shows
// it at once and the next pull writes it down. A host that had failed is
// pulled from soon: it may have been away. Hosts that are no peers leave no
// trace.
func (p *Peers) Heard(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known[host] {
		return
	}
	p.heard[host] = p.cfg.Now().UTC()
	if p.failing[host] {
		p.Wake()
	}
}

func (p *Peers) lastHeard(x Peer) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.heard[x.Host]; t.After(x.Heard) {
		return t
	}
	return x.Heard
}

func (p *Peers) get(ctx context.Context, host string) (Peer, error) {
	if strings.Contains(host, "://") {
		host = hostOf(host)
	}
	list, err := p.List(ctx)
	if err != nil {
		return Peer{}, err
	}
	for _, x := range list {
		if x.Host == host {
			return x, nil
		}
	}
	return Peer{}, protocol.Errorf("find peer", protocol.NotFound, host, "this node has no such peer; see: waypost peer list")
}

// update changes a peer's row in one transaction, making it when it is new.
func (p *Peers) update(ctx context.Context, host string, change func(*Peer)) (Peer, error) {
	var x Peer
	err := p.cfg.Store.Update(ctx, func(tx store.Tx) error {
		x = Peer{}
		raw, err := tx.Get(store.PeerKey(host))
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(raw, &x); err != nil {
				return err
			}
		}
		x.Host = host
		change(&x)
		if x.Application == "" {
			return nil // it was removed meanwhile
		}
		if raw, err = json.Marshal(x); err != nil {
			return err
		}
		return tx.Put(store.PeerKey(host), raw)
	})
	return x, err
}

func hostOf(iri string) string {
	u, err := url.Parse(iri)
	if err != nil {
		return ""
	}
	return u.Host
}
