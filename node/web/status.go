package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/protocol"
)

// Status is how the node is doing: what stewards see at /node and what
// `waypost doctor` asks for.
type Status struct {
	Version     string            `json:"version"`
	Base        string            `json:"base"`
	Time        time.Time         `json:"time"`
	Communities []CommunityStatus `json:"communities"` // those hosted here first
	Followers   int               `json:"followers"`   // of the node itself
	Peers       []peer.Peer       `json:"peers"`
	Waiting     int               `json:"deliveries_waiting"`
	Inboxes     []InboxTrouble    `json:"inboxes_failing"`
	Log         uint64            `json:"log"` // number of the newest entry
	Positions   []Position        `json:"followers_of_the_log"`
	Problems    []string          `json:"problems"` // what a steward should look at, in words
}

// CommunityStatus is what a community has.
type CommunityStatus struct {
	CID       string         `json:"cid"`
	Handle    string         `json:"handle"`
	Name      string         `json:"name"`
	Node      string         `json:"node"`
	Hosted    bool           `json:"hosted"`
	Listings  map[string]int `json:"listings"`            // that stand, by kind, private ones too
	Total     int            `json:"total"`               // of Listings
	Private   int            `json:"private"`             // of Total, those that the public does not see
	Followers int            `json:"followers,omitempty"` // of its actor
}

// InboxTrouble is an inbox that does not take what we send.
type InboxTrouble struct {
	Inbox  string    `json:"inbox"`
	Fails  int       `json:"fails"` // in a row
	Next   time.Time `json:"next,omitzero"`
	GaveUp time.Time `json:"gave_up,omitzero"`
	Reason string    `json:"reason"`
}

// Position is how far a follower of the log has come.
type Position struct {
	Name   string `json:"name"`
	Cursor uint64 `json:"cursor"`
	Lag    uint64 `json:"lag"`
}

// lagWorthTelling is how many entries a follower may be behind before it is
// called a problem.
const lagWorthTelling = 1_000

// Status looks at every part of the node.
func (w *Web) Status(ctx context.Context) (Status, error) {
	s := Status{Version: w.cfg.Version, Base: w.cfg.Base, Time: w.cfg.Now().UTC(), Communities: []CommunityStatus{},
		Peers: []peer.Peer{}, Inboxes: []InboxTrouble{}, Positions: []Position{}, Problems: []string{}}
	d := w.cfg.Directory
	for _, c := range d.Communities() {
		cs, err := w.communityStatus(ctx, c)
		if err != nil {
			return s, err
		}
		s.Communities = append(s.Communities, cs)
	}
	var err error
	if s.Followers, err = d.CountFollowers(ctx, d.ApplicationIRI()); err != nil {
		return s, err
	}
	if err := w.addPeers(ctx, &s); err != nil {
		return s, err
	}
	if err := w.addDeliveries(ctx, &s); err != nil {
		return s, err
	}
	return s, w.addPositions(ctx, &s)
}

func (w *Web) communityStatus(ctx context.Context, c protocol.Community) (CommunityStatus, error) {
	cs := CommunityStatus{CID: c.CID, Handle: c.Handle, Name: c.Name, Node: hostOf(c.Actor), Hosted: c.Hosted, Listings: map[string]int{}}
	err := w.cfg.Directory.States(ctx, c.CID, func(st directory.State) bool {
		if st.Deleted {
			return true
		}
		cs.Listings[string(st.Kind)]++
		cs.Total++
		if !st.Public {
			cs.Private++
		}
		return true
	})
	if err == nil && c.Hosted {
		cs.Followers, err = w.cfg.Directory.CountFollowers(ctx, c.Actor)
	}
	return cs, err
}

func (w *Web) addPeers(ctx context.Context, s *Status) error {
	if w.cfg.Peers == nil {
		return nil
	}
	peers, err := w.cfg.Peers.List(ctx)
	if err != nil {
		return err
	}
	s.Peers = append(s.Peers, peers...)
	for _, p := range peers {
		if p.Fails > 0 {
			s.Problems = append(s.Problems, fmt.Sprintf("%s did not answer when last asked, %s: %s", p.Host, w.ago(p.Failed), p.Problem))
		}
		if p.Follow == directory.FollowRejected {
			s.Problems = append(s.Problems, fmt.Sprintf("%s does not share its listings with this node; ask its steward", p.Host))
		}
	}
	return nil
}

func (w *Web) addDeliveries(ctx context.Context, s *Status) (err error) {
	if w.cfg.Deliveries == nil {
		return nil
	}
	if s.Waiting, err = w.cfg.Deliveries.Waiting(ctx); err != nil {
		return err
	}
	inboxes, err := w.cfg.Deliveries.Inboxes(ctx)
	for _, x := range inboxes {
		if x.Fails > 0 {
			s.Inboxes = append(s.Inboxes, troubleOf(x))
		}
	}
	for _, x := range byHost(s.Inboxes) {
		s.Problems = append(s.Problems, fmt.Sprintf("%s: %s; they do not take what this node sends", x.Inbox, x.Reason))
	}
	return err
}

// byHost makes one line of each host's failing inboxes, "fedi.example: 12
// inboxes" in place of an address: the one that failed most often stands for
// them all.
func byHost(inboxes []InboxTrouble) []InboxTrouble {
	var hosts []InboxTrouble
	at, n := map[string]int{}, map[string]int{}
	for _, x := range inboxes {
		host := hostOf(x.Inbox)
		i, there := at[host]
		if !there {
			i = len(hosts)
			at[host], hosts = i, append(hosts, x)
		}
		if x.Fails > hosts[i].Fails {
			hosts[i] = x
		}
		n[host]++
	}
	for i := range hosts {
		host := hostOf(hosts[i].Inbox)
		hosts[i].Inbox = host + ": " + count(n[host], "inbox", "inboxes")
	}
	return hosts
}

func troubleOf(x federation.InboxState) InboxTrouble {
	return InboxTrouble{Inbox: x.Inbox, Fails: x.Fails, Next: x.Next, GaveUp: x.Dead, Reason: x.Reason}
}

func (w *Web) addPositions(ctx context.Context, s *Status) error {
	if w.cfg.Positions == nil {
		return nil
	}
	positions, err := w.cfg.Positions(ctx)
	for _, p := range positions {
		s.Log = max(s.Log, p.Last)
		s.Positions = append(s.Positions, Position{Name: p.Name, Cursor: p.Cursor, Lag: p.Lag()})
		if p.Lag() > lagWorthTelling {
			s.Problems = append(s.Problems, fmt.Sprintf("%s is %s behind; if that goes on, look at the node's log", p.Name, count(int(p.Lag()), "entry", "entries")))
		}
	}
	return err
}

// nodeView is the status for a signed-in steward.
type nodeView struct {
	Status
	Peers   []peerView
	Inboxes []InboxTrouble // a line a host
	Session steward.Session
	Hosted  []CommunityStatus
	Learned []CommunityStatus
}

// serveNode shows a steward how the node is doing. Nothing can be changed here.
func (w *Web) serveNode(rw http.ResponseWriter, r *http.Request) error {
	rw.Header().Set("Cache-Control", "private, no-store")
	session, err := w.session(r)
	if err != nil {
		return err
	}
	s, err := w.Status(r.Context())
	if err != nil {
		return err
	}
	v := nodeView{Status: s, Session: session, Inboxes: byHost(s.Inboxes)}
	for _, c := range s.Communities {
		if c.Hosted {
			v.Hosted = append(v.Hosted, c)
		} else {
			v.Learned = append(v.Learned, c)
		}
	}
	if v.Peers, err = w.peerViews(r); err != nil {
		return err
	}
	return w.render(rw, r, "node", page{Title: "This node", Nav: "node", NoIndex: true, Body: v})
}
