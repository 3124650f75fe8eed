package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"time"
)

// Network joins hosts in memory. A request runs the other host's handler with
// a copy of the request and a buffered answer. All methods may be called
// concurrently.
type Network struct {
	seed uint64

	mu    sync.Mutex
	hosts map[string]*host // by name; guarded by mu
	links map[link]*wire   // guarded by mu
	shock error            // first panic of a handler; guarded by mu
}

// host is one attachment of a handler. Detaching ends its requests.
type host struct {
	handler http.Handler
	ctx     context.Context // ends when the host crashes
	crash   context.CancelFunc
	working sync.WaitGroup
}

type link struct{ from, to string }

// wire is the state of one direction between two hosts.
type wire struct {
	cut  bool
	lag  time.Duration
	loss float64 // share of messages that are lost
	sent uint64  // messages so far; decides with the seed which are lost
}

// NewNetwork returns a network whose losses are decided by seed: the n-th
// message from one host to another is lost or not, whatever else happens.
func NewNetwork(seed uint64) *Network {
	return &Network{seed: seed, hosts: map[string]*host{}, links: map[link]*wire{}}
}

// Attach puts a host on the network in place of what was there.
func (n *Network) Attach(name string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	n.hosts[name] = &host{handler: h, ctx: ctx, crash: cancel}
}

// Detach takes a host off the network and returns when none of its requests is
// running any more. With crash their contexts end at once and nobody gets an
// answer; otherwise they finish.
func (n *Network) Detach(name string, crash bool) {
	n.mu.Lock()
	h := n.hosts[name]
	delete(n.hosts, name)
	n.mu.Unlock()
	if h == nil {
		return
	}
	if crash {
		h.crash()
	}
	h.working.Wait()
	h.crash()
}

// Cut drops every message from one host to another until Heal. The other
// direction still works, so that a request may arrive and its answer not.
func (n *Network) Cut(from, to string) { n.change(from, to, func(w *wire) { w.cut = true }) }

// Heal undoes Cut, Lag and Lose for one direction.
func (n *Network) Heal(from, to string) {
	n.change(from, to, func(w *wire) { w.cut, w.lag, w.loss = false, 0, 0 })
}

// Lag delays every message from one host to another.
func (n *Network) Lag(from, to string, d time.Duration) {
	n.change(from, to, func(w *wire) { w.lag = d })
}

// Lose drops a share of the messages from one host to another: 0 none, 1 all.
func (n *Network) Lose(from, to string, share float64) {
	n.change(from, to, func(w *wire) { w.loss = share })
}

// Sent returns how many messages, requests and answers alike, one host has
// sent to another, the lost ones too.
func (n *Network) Sent(from, to string) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wire(from, to).sent
}

// Shock is the first panic of any handler, nil when there was none.
func (n *Network) Shock() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shock
}

func (n *Network) change(from, to string, f func(*wire)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n.wire(from, to))
}

// wire is called with mu held.
func (n *Network) wire(from, to string) *wire {
	w := n.links[link{from, to}]
	if w == nil {
		w = &wire{}
		n.links[link{from, to}] = w
	}
	return w
}

// From is the network as one host sees it.
func (n *Network) From(name string) http.RoundTripper { return port{network: n, name: name} }

type port struct {
	network *Network
	name    string
}

// Errors that a sender sees, as a real network would give them.
var (
	errNoRoute = &net.OpError{Op: "dial", Net: "memory", Err: syscall.EHOSTUNREACH}
	errRefused = &net.OpError{Op: "dial", Net: "memory", Err: syscall.ECONNREFUSED}
	errBroken  = errors.New("the connection broke off")
)

// RoundTrip implements http.RoundTripper. An error does not mean that the
// request did not arrive: its answer may have been lost.
func (p port) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	body, err := readAll(req)
	if err != nil {
		return nil, err
	}
	to := req.URL.Host
	if err := p.network.carry(ctx, p.name, to); err != nil {
		return nil, err
	}
	h := p.network.enter(to)
	if h == nil {
		return nil, errRefused
	}
	answer, err := p.network.serve(ctx, h, req, body)
	if err != nil {
		return nil, err
	}
	if err := p.network.carry(ctx, to, p.name); err != nil {
		return nil, err
	}
	answer.Request = req
	return answer, nil
}

func readAll(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

// carry takes one message along a wire: it waits for the lag, then says
// whether the message arrived.
func (n *Network) carry(ctx context.Context, from, to string) error {
	n.mu.Lock()
	w := n.wire(from, to)
	w.sent++
	lost := n.lost(link{from, to}, w)
	lag := w.lag
	n.mu.Unlock()
	if lag > 0 {
		timer := time.NewTimer(lag)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case w.cut:
		return errNoRoute
	case lost:
		return errBroken
	}
	return ctx.Err()
}

// lost decides by the seed, the wire and the number of the message alone.
func (n *Network) lost(l link, w *wire) bool {
	if w.loss <= 0 {
		return false
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s", n.seed, l.from, l.to)
	return rand.New(rand.NewPCG(h.Sum64(), w.sent)).Float64() < w.loss
}

// enter finds a host and counts one request in, so that Detach waits for it.
func (n *Network) enter(name string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	if h != nil {
		h.working.Add(1)
	}
	return h
}

// serve runs the handler as a server would: on its own goroutine, which goes
// on when the client has gone away.
func (n *Network) serve(ctx context.Context, h *host, req *http.Request, body []byte) (*http.Response, error) {
	done := make(chan *http.Response, 1)
	go func() {
		defer h.working.Done()
		done <- n.handle(h, req, body)
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-h.ctx.Done():
		return nil, errBroken
	case answer := <-done:
		if answer == nil || h.ctx.Err() != nil {
			return nil, errBroken
		}
		return answer, nil
	}
}

func (n *Network) handle(h *host, req *http.Request, body []byte) (answer *http.Response) {
	defer func() {
		if p := recover(); p != nil {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.shock == nil {
				n.shock = fmt.Errorf("%s %s: panic: %v", req.Method, req.URL, p)
			}
			answer = nil
		}
	}()
	in := httptest.NewRequestWithContext(h.ctx, req.Method, req.URL.RequestURI(), bytes.NewReader(body))
	in.Header = req.Header.Clone()
	in.Host = req.URL.Host
	if req.Host != "" {
		in.Host = req.Host
	}
	in.RemoteAddr = "192.0.2.1:1234"
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, in)
	return w.Result()
}
