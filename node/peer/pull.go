package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Bounds of one pull.
const (
	maxCommunities = 50    // of one node
	maxPages       = 2_000 // of one community's feed in one pull
	maxRowsAPage   = 500   // more than any node sends
	maxPageBytes   = 8 << 20
	maxRefused     = 20              // pages in a row of which nothing could be taken
	fetchesAPage   = 20              // look-ups at other hosts that the rows of a page may cause
	longestPull    = 5 * time.Minute // what is left then is read the next time
	pullsAtOnce    = 8
)

// discovery is what we read of a node's /.well-known/waypost.
type discovery struct {
	V           int    `json:"v"`
	Application string `json:"application"`
	Communities []struct {
		CID    string `json:"cid"`
		Actor  string `json:"actor"`
		Name   string `json:"name"`
		Hosted bool   `json:"hosted"`
	} `json:"communities"`
}

// discover reads which communities a node hosts. Everything that it names must
// be on the node's own origin.
func (p *Peers) discover(ctx context.Context, origin string) (discovery, error) {
	const op = "find waypost node"
	var doc discovery
	resp, err := p.cfg.Client.GetJSON(ctx, origin+"/.well-known/waypost", p.signer())
	if kind := protocol.KindOf(err); kind == protocol.NotFound || kind == protocol.Invalid {
		return doc, protocol.Errorf(op, protocol.Invalid, origin, "there is no Waypost node at this address: %s", transport.Explain(err))
	}
	if err != nil {
		return doc, err
	}
	return readDiscovery(resp.Body, origin)
}

func readDiscovery(raw []byte, origin string) (doc discovery, err error) {
	const op = "read discovery document"
	if err := json.Unmarshal(raw, &doc); err != nil || doc.V != 1 {
		return doc, protocol.Errorf(op, protocol.Invalid, origin, "its discovery document cannot be read by this version")
	}
	if protocol.Origin(doc.Application) != origin {
		return doc, protocol.Errorf(op, protocol.Unverified, origin, "its discovery document names an actor on another host; check the address for a redirect, such as www")
	}
	own := doc.Communities[:0]
	for _, c := range doc.Communities {
		if c.Hosted && protocol.ValidCID(c.CID) && protocol.Origin(c.Actor) == origin && len(own) < maxCommunities {
			own = append(own, c)
		}
	}
	doc.Communities = own
	return doc, nil
}

// merge takes over the communities that a node names and keeps how far each
// was read.
func (x *Peer) merge(doc discovery) {
	since := map[string]uint64{}
	for _, c := range x.Communities {
		since[c.CID] = c.Since
	}
	x.Communities = nil
	for _, c := range doc.Communities {
		x.Communities = append(x.Communities, PeerCommunity{CID: c.CID, Actor: c.Actor, Name: short(c.Name), Since: since[c.CID]})
	}
}

// Sync pulls what a peer's communities changed since the last pull, and learns
// of communities that are new there.
func (p *Peers) Sync(ctx context.Context, host string) error {
	peer, err := p.get(ctx, host)
	if err != nil {
		return err
	}
	lock := p.lockOf(peer.Host)
	lock.Lock()
	defer lock.Unlock()
	pull, cancel := context.WithTimeout(ctx, longestPull)
	defer cancel()
	err = p.sync(pull, peer)
	if err != nil && ctx.Err() != nil {
		return err // we stopped: that is not the peer's failure
	}
	p.noteFailing(peer.Host, err != nil)
	now := p.cfg.Now().UTC()
	_, noteErr := p.update(ctx, peer.Host, func(x *Peer) {
		x.Heard = p.lastHeard(*x)
		if err != nil {
			x.Problem, x.Failed = transport.Explain(err), now
			x.Fails++
			return
		}
		x.Problem, x.Failed, x.Fails = "", time.Time{}, 0
		x.Heard, x.Synced = now, now
	})
	if err != nil {
		return err
	}
	return noteErr
}

func (p *Peers) noteFailing(host string, failing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if failing {
		p.failing[host] = true
		return
	}
	delete(p.failing, host)
}

func (p *Peers) lockOf(host string) *sync.Mutex {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pull[host] == nil {
		p.pull[host] = &sync.Mutex{}
	}
	return p.pull[host]
}

func (p *Peers) sync(ctx context.Context, peer Peer) error {
	doc, err := p.discover(ctx, protocol.Origin(peer.Application))
	if err != nil {
		return err
	}
	peer, err = p.update(ctx, peer.Host, func(x *Peer) { x.merge(doc) })
	if err != nil {
		return err
	}
	for _, c := range peer.Communities {
		known, ok := p.cfg.Directory.Community(c.CID)
		if !ok || known.Actor != c.Actor || known.Name != c.Name {
			if _, err := p.cfg.Directory.Learn(ctx, c.CID, c.Actor); err != nil {
				return fmt.Errorf("learn community %s: %w", c.Name, err)
			}
		}
		if err := p.pullCommunity(ctx, peer, c); err != nil {
			return fmt.Errorf("read listings of %s: %w", c.Name, err)
		}
	}
	return nil
}

// feed is one page of a community's changes.
type feed struct {
	CID  string `json:"cid"`
	Next uint64 `json:"next"`
	More bool   `json:"more"`
	Rows []struct {
		Key  string          `json:"key"`
		Seq  uint64          `json:"seq"`
		Body json.RawMessage `json:"body"`
	} `json:"rows"`
}

// readFeed reads a page. Its rows are read one by one, each within the bounds of
// an activity, when they come to the door.
func readFeed(raw []byte) (page feed, err error) {
	if err := json.Unmarshal(raw, &page); err != nil || len(page.Rows) > maxRowsAPage {
		return feed{}, protocol.Errorf("read feed", protocol.Invalid, "", "the feed cannot be read")
	}
	return page, nil
}

// pullCommunity reads page after page and remembers after each how far it came,
// so that an interruption costs one page.
func (p *Peers) pullCommunity(ctx context.Context, peer Peer, c PeerCommunity) error {
	base := protocol.Origin(peer.Application) + "/waypost/v1/communities/" + c.CID + "/public/changes?since="
	since, refused := c.Since, 0
	for range maxPages {
		resp, err := p.cfg.Client.Get(ctx, base+strconv.FormatUint(since, 10), transport.GetOptions{
			Accept: "application/json", Signer: p.signer(), MaxBytes: maxPageBytes, Media: transport.IsJSON, SameHost: true})
		if err != nil {
			return err
		}
		page, err := readFeed(resp.Body)
		if err != nil {
			return err
		}
		taken, err := p.take(ctx, peer, c, page)
		if err != nil {
			return err
		}
		further := page.Next > since
		if further {
			since = page.Next
			if err := p.remember(ctx, peer.Host, c.CID, since); err != nil {
				return err
			}
		}
		if !page.More || len(page.Rows) == 0 {
			return nil
		}
		if !further {
			return protocol.Errorf("pull", protocol.Invalid, c.CID, "its feed goes round in a circle")
		}
		if refused++; taken > 0 {
			refused = 0
		}
		if refused == maxRefused {
			return protocol.Errorf("pull", protocol.Invalid, c.CID, "nothing in %d pages of its feed in a row could be taken; this node's log says why", maxRefused)
		}
	}
	return protocol.Errorf("pull", protocol.Invalid, c.CID, "its feed has no end")
}

// take brings the rows of a page through the door and counts those that were
// let in. A row that is refused, or that needs more look-ups than a page may
// cause, is noted and does not hold up the others; only our own trouble stops
// the pull.
func (p *Peers) take(ctx context.Context, peer Peer, c PeerCommunity, page feed) (taken int, err error) {
	ctx = transport.WithBudget(ctx, fetchesAPage)
	errs := make([]error, len(page.Rows))
	var rows sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i, row := range page.Rows {
		slots <- struct{}{}
		rows.Go(func() {
			defer func() { <-slots }()
			errs[i] = p.takeRow(ctx, peer, row.Body)
		})
	}
	rows.Wait()
	for i, err := range errs {
		kind := protocol.KindOf(err)
		switch {
		case err == nil:
			taken++
		case (kind == protocol.Unavailable || kind == protocol.Internal) && !overBudget(err):
			return taken, err
		default:
			p.cfg.Logger.Warn("a peer's listing was refused", "peer", peer.Host, "community", c.CID, "listing", short(page.Rows[i].Key), "error", err)
		}
	}
	return taken, nil
}

func overBudget(err error) bool {
	var f *transport.Failure
	return errors.As(err, &f) && f.Reason == transport.ReasonBudget
}

func (p *Peers) takeRow(ctx context.Context, peer Peer, body []byte) error {
	a, err := vocab.ParseActivity(body)
	if err != nil {
		return err
	}
	if a.Type != protocol.TypeObject && a.Type != "Delete" {
		return protocol.Errorf("pull", protocol.Invalid, a.ID, "a feed holds objects and deletions only")
	}
	_, err = p.cfg.Directory.Accept(ctx, directory.Incoming{Activity: a, Via: store.ViaPull, From: peer.Host})
	return err
}

func (p *Peers) remember(ctx context.Context, host, cid string, since uint64) error {
	_, err := p.update(ctx, host, func(x *Peer) {
		for i := range x.Communities {
			if x.Communities[i].CID == cid {
				x.Communities[i].Since = max(x.Communities[i].Since, since)
			}
		}
	})
	return err
}

func (p *Peers) signer() transport.Signer {
	if id := p.cfg.Directory.Application(); id != nil {
		return id
	}
	return nil
}

// Run pulls from every peer when it starts, when a peer that failed is due
// again, and once every interval, until ctx ends. Pulls run beside each other,
// so that a slow peer holds up nobody else.
func (p *Peers) Run(ctx context.Context) error {
	var pulls sync.WaitGroup
	defer pulls.Wait()
	slots := make(chan struct{}, pullsAtOnce)
	for first := true; ctx.Err() == nil; first = false {
		timer := time.NewTimer(p.round(ctx, first, func(host string) {
			pulls.Go(func() {
				defer p.release(host)
				select {
				case slots <- struct{}{}:
					defer func() { <-slots }()
				case <-ctx.Done():
					return
				}
				if err := p.Sync(ctx, host); err != nil && ctx.Err() == nil {
					p.cfg.Logger.Info("pull failed", "peer", host, "error", err)
				}
			})
		}))
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// round starts a pull from each peer that is due and has none under way, and
// returns how long until it is worth looking again.
func (p *Peers) round(ctx context.Context, all bool, start func(host string)) time.Duration {
	list, err := p.List(ctx)
	if ctx.Err() != nil {
		return p.cfg.Retry
	}
	if err != nil {
		p.cfg.Logger.Error("cannot read the list of peers", "error", err)
		return p.cfg.Retry
	}
	wait := p.cfg.Interval
	for _, x := range list {
		left := p.due(x).Sub(p.cfg.Now())
		if all || left <= 0 {
			left = 0
			if p.claim(x.Host) {
				start(x.Host)
			}
		}
		wait = min(wait, max(left, p.cfg.Retry/10))
	}
	return wait
}

// claim reports whether the caller may pull from a host now; release ends it.
func (p *Peers) claim(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pulling[host] {
		return false
	}
	p.pulling[host] = true
	return true
}

func (p *Peers) release(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pulling, host)
}

// due says when a peer is to be pulled from: after Retry, doubling with each
// failure, or after Interval. A peer that failed and has been heard from since
// is due after Retry however often it failed.
func (p *Peers) due(x Peer) time.Time {
	if x.Fails == 0 {
		return x.Synced.Add(p.cfg.Interval)
	}
	wait := p.cfg.Retry << min(x.Fails-1, 12)
	if x.Heard.After(x.Failed) {
		wait = p.cfg.Retry
	}
	return x.Failed.Add(min(wait, p.cfg.Interval))
}

// Wake makes Run look again at once.
func (p *Peers) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func short(s string) string {
	if len(s) > 200 {
		return s[:200]
	}
	return s
}
