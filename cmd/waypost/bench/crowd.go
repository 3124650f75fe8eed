package bench

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/protocol/httpsig"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// crowd is many hosts with followers on each, all in this process: addresses
// from 127.0.1.1 on, with one port. Every host has a shared inbox.
type crowd struct {
	hosts     []string // host:port
	followers int      // on each
	key       *rsa.PrivateKey
	public    string // PEM
	servers   []*http.Server

	accepted atomic.Int64 // Accepts of follows that came
	received atomic.Int64 // other activities that came to shared inboxes

	mu    sync.Mutex
	times map[string]int // how often each activity came to each host; guarded by mu
}

// gather starts the hosts.
func gather(key *rsa.PrivateKey, hosts, followers int) (*crowd, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	c := &crowd{followers: followers, key: key, times: map[string]int{},
		public: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}
	port := "0"
	for i := range hosts {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.1.%d:%s", i+1, port))
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		srv := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
		c.hosts, c.servers = append(c.hosts, l.Addr().String()), append(c.servers, srv)
		go func() { _ = srv.Serve(l) }()
	}
	return c, nil
}

func (c *crowd) close() error {
	var errs []error
	for _, s := range c.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// ServeHTTP answers as any server of the fediverse would.
func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", federation.ActivityType)
		_ = json.NewEncoder(w).Encode(c.actor("http://"+r.Host, r.URL.Path))
		return
	}
	raw, err := io.ReadAll(r.Body)
	var a struct{ ID, Type string }
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil || r.Header.Get("Signature") == "" {
		http.Error(w, "send a signed activity", http.StatusBadRequest)
		return
	}
	if a.Type == "Accept" {
		c.accepted.Add(1)
	} else {
		c.mu.Lock()
		c.times[r.Host+r.URL.Path+" "+a.ID]++
		c.mu.Unlock()
		c.received.Add(1)
	}
	w.WriteHeader(http.StatusAccepted)
}

// actor is a follower's document.
func (c *crowd) actor(base, path string) map[string]any {
	id := base + path
	return map[string]any{
		"@context": []string{"https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"},
		"id":       id, "type": "Person", "preferredUsername": strings.TrimPrefix(path, "/u/"),
		"inbox": id + "/inbox", "outbox": id + "/outbox", "followers": id + "/followers",
		"endpoints": map[string]string{"sharedInbox": base + "/inbox"},
		"publicKey": map[string]string{"id": id + "#main-key", "owner": id, "publicKeyPem": c.public},
	}
}

// follow makes everybody follow the community of p, and waits until all have
// been accepted.
func (c *crowd) follow(ctx context.Context, p *process) error {
	var requests []*http.Request
	group := vocab.GroupIRI(p.base, "hub")
	for i := range c.followers { // host by host in turn: a node takes few strangers of one host at a time
		for _, host := range c.hosts {
			req, err := c.newFollow(ctx, fmt.Sprintf("http://%s/u/reader%d", host, i), group)
			if err != nil {
				return err
			}
			requests = append(requests, req)
		}
	}
	if err := sendAll(requests, 8); err != nil {
		return err
	}
	return p.until(ctx, "all follows were accepted", 20*time.Millisecond, func() (bool, error) {
		return c.accepted.Load() >= int64(len(requests)), nil
	})
}

func (c *crowd) newFollow(ctx context.Context, actor, group string) (*http.Request, error) {
	body, err := vocab.Follow(actor+"/follows/1", actor, group)
	if err != nil {
		return nil, err
	}
	req, err := newPost(ctx, group+"/inbox", body)
	if err != nil {
		return nil, err
	}
	return req, httpsig.SignCavage(req, body, actor+"#main-key", c.key, time.Now())
}

// check holds that every host got every listing once, at its shared inbox.
func (c *crowd) check(listings int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := listings * len(c.hosts); len(c.times) != want {
		return fmt.Errorf("%d different deliveries came instead of %d", len(c.times), want)
	}
	for what, n := range c.times {
		if n != 1 || !strings.Contains(what, "/inbox ") || strings.Contains(what, "/u/") {
			return fmt.Errorf("%s came %d times; each shared inbox should get each activity once", what, n)
		}
	}
	return nil
}
