package web

import (
	"net/http"

	"github.com/waypost-directory/waypost/node/peer"
)

// aboutView says what this node is and whom it knows.
type aboutView struct {
	Hosted  []communityCard
	Learned []communityCard
	Peers   []peerView
}

// peerView is how it goes with another node, in words.
type peerView struct {
	Host    string
	State   string // in words
	Heard   string
	Trouble bool
	Problem string // for the steward only
	peer.Peer
}

func (w *Web) serveAbout(rw http.ResponseWriter, r *http.Request) error {
	v := aboutView{}
	v.Hosted, v.Learned = w.communityCards()
	var err error
	if v.Peers, err = w.peerViews(r); err != nil {
		return err
	}
	return w.render(rw, r, "about", page{Title: "About", Nav: "about", Canonical: w.cfg.Base + "/about", Body: v,
		Description: "What this site is, who publishes here, and which neighbours it exchanges listings with."})
}

func (w *Web) peerViews(r *http.Request) ([]peerView, error) {
	if w.cfg.Peers == nil {
		return nil, nil
	}
	peers, err := w.cfg.Peers.List(r.Context())
	views := make([]peerView, len(peers))
	for i, p := range peers {
		views[i] = peerView{Host: p.Host, Peer: p, Heard: w.ago(p.Heard), State: "Exchanging listings", Problem: p.Problem}
		switch {
		case p.Follow == "rejected":
			views[i].State, views[i].Trouble = "It does not share its listings with us", true
		case p.Fails > 0:
			views[i].State, views[i].Trouble = "Not answering when last asked, "+w.ago(p.Failed), true
		case p.Follow == "pending":
			views[i].State = "Waiting for its answer"
		}
	}
	return views, err
}
