// Package node is one running Waypost: New builds every part and connects
// them, Run serves until its context ends, Close releases the data folder. It
// is the one place that knows all the parts, and the only switch over drivers.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/search/embedded"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/badger"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

// Config says where a node keeps its data and how it is reached. DataDir and
// BaseURL are needed; the zero value of all else works.
type Config struct {
	DataDir string // holds the store, the index and the admin socket
	BaseURL string // origin that others reach it at, e.g. "https://riverside.example"
	Store   string // "badger" (or empty): the embedded driver
	Dev     bool   // allow http and loopback peers; short waits
	Version string // of the program

	Now          func() time.Time
	Logger       *slog.Logger
	RoundTripper http.RoundTripper // tests and the testnet only: a network in memory
}

// Node is the parts of a running node. Fields are for those who drive it: the
// commands and the testnet.
type Node struct {
	Config     Config
	Store      store.Store
	Log        *store.Log
	Directory  *directory.Directory
	Peers      *peer.Peers
	Deliverer  *federation.Deliverer
	Index      search.Index
	Steward    *steward.Steward
	committer  *store.Committer
	client     *transport.Client
	indexer    *search.Indexer
	web        *web.Web
	handler    http.Handler
	reindexing chan struct{} // asks the indexer's loop to begin again
}

// migrations bring an older store forward. The first format needs none.
func migrations() []store.Migration { return nil }

// New opens the data folder and builds every part. A folder that no community
// lives in yet is fine: init fills it.
func New(ctx context.Context, cfg Config) (_ *Node, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n := &Node{Config: cfg, reindexing: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if err := n.openStore(ctx); err != nil {
		return nil, err
	}
	if err := n.openDirectory(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

func (c *Config) complete() error {
	c.BaseURL = protocol.Origin(c.BaseURL)
	switch {
	case c.DataDir == "":
		return protocol.Errorf("open node", protocol.Invalid, "", "no data folder is given; add --data DIR")
	case c.BaseURL == "":
		return protocol.Errorf("open node", protocol.Invalid, "", "no base URL is given; add --base-url https://your.domain")
	case !c.Dev && !strings.HasPrefix(c.BaseURL, "https://"):
		return protocol.Errorf("open node", protocol.Invalid, c.BaseURL, "the base URL must begin with https://; for trying things out on one machine add --dev")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}

// openStore is the only switch over drivers.
func (n *Node) openStore(ctx context.Context) error {
	switch n.Config.Store {
	case "", "badger":
		db, err := badger.Open(badger.Options{Dir: filepath.Join(n.Config.DataDir, "store"), Logger: n.Config.Logger})
		if err != nil {
			return err
		}
		n.Store = db
	default:
		return protocol.Errorf("open store", protocol.Invalid, n.Config.Store, "there is no such store; this version has: badger")
	}
	if err := store.Migrate(ctx, n.Store, migrations()); err != nil {
		return err
	}
	n.Log = store.NewLog(n.Store)
	n.committer = store.NewCommitter(store.CommitterConfig{Store: n.Store, OnCommit: n.Log.Notify, Logger: n.Config.Logger})
	return nil
}

func (n *Node) openDirectory(ctx context.Context) (err error) {
	cfg := n.Config
	n.client = transport.New(transport.Config{
		Dev: cfg.Dev, UserAgent: "Waypost/" + cfg.Version + " (+" + cfg.BaseURL + "/about)", Now: cfg.Now,
		Logger: cfg.Logger, RoundTripper: cfg.RoundTripper})
	actors := &federation.Actors{Client: n.client, Store: n.Store, Now: cfg.Now}
	n.Directory, err = directory.Open(ctx, directory.Config{
		Store: n.Store, Log: n.Log, Committer: n.committer, Resolver: actors, Base: cfg.BaseURL, Now: cfg.Now, Logger: cfg.Logger})
	if err != nil {
		return err
	}
	actors.Signer = func() transport.Signer {
		if id := n.Directory.Application(); id != nil {
			return id
		}
		return nil
	}
	n.Index, err = embedded.Open(ctx, embedded.Config{Dir: cfg.DataDir, Communities: n.Directory, Now: cfg.Now, Log: cfg.Logger})
	if err != nil {
		return err
	}
	if err := n.indexFits(ctx); err != nil {
		return err
	}
	n.indexer = search.NewIndexer(n.Index, docs{n.Directory, hostOf(cfg.BaseURL)}, cfg.Logger)
	n.Deliverer = federation.NewDeliverer(n.deliverConfig(actors))
	n.Peers = peer.New(n.peerConfig(actors))
	n.Steward = steward.New(steward.Config{Store: n.Store, Now: cfg.Now})
	return n.serve(actors)
}

// indexFits empties an index that has read more of the log than there is: the
// store was restored from an older backup beside it.
func (n *Node) indexFits(ctx context.Context) error {
	cursor, err := n.Index.Cursor(ctx)
	if err != nil {
		return err
	}
	last, err := n.Log.Last(ctx)
	if err != nil || cursor <= last {
		return err
	}
	n.Config.Logger.Warn("the search index is ahead of the log and is made anew", "cursor", cursor, "last", last)
	return n.Index.Reset(ctx)
}

func (n *Node) deliverConfig(actors *federation.Actors) federation.DeliverConfig {
	c := federation.DeliverConfig{Store: n.Store, Log: n.Log, Committer: n.committer, Directory: n.Directory, Actors: actors,
		Post: federation.TransportPoster{Client: n.client}, Now: n.Config.Now, Logger: n.Config.Logger}
	if n.Config.Dev {
		c.Backoff = 500 * time.Millisecond
	}
	return c
}

func (n *Node) peerConfig(actors *federation.Actors) peer.Config {
	c := peer.Config{Store: n.Store, Directory: n.Directory, Client: n.client, Actors: actors, Now: n.Config.Now, Logger: n.Config.Logger}
	if n.Config.Dev {
		c.Interval, c.Retry = 30*time.Second, time.Second
	}
	return c
}

// serve builds the handlers: the federation's routes first, then the pages.
func (n *Node) serve(actors *federation.Actors) (err error) {
	cfg := n.Config
	f := federation.New(federation.Config{Directory: n.Directory, Actors: actors, Base: cfg.BaseURL,
		Version: cfg.Version, Now: cfg.Now, Logger: cfg.Logger, Heard: n.heard})
	n.web, err = web.New(web.Config{Directory: n.Directory, Search: n.Index, Steward: n.Steward, Base: cfg.BaseURL,
		Version: cfg.Version, Peers: n.Peers, Deliveries: n.Deliverer, Now: cfg.Now, Logger: cfg.Logger,
		Positions: func(ctx context.Context) ([]store.Position, error) {
			return store.Positions(ctx, n.Log, n.indexer, n.Deliverer)
		},
		Ready:   func(ctx context.Context) error { _, err := n.Log.Last(ctx); return err },
		Backup:  func(ctx context.Context, w io.Writer) error { return store.Backup(ctx, n.Store, w) },
		Reindex: n.Reindex})
	if err != nil {
		return err
	}
	r := mux.NewRouter()
	f.Routes(r)
	n.web.Routes(r)
	n.handler = r
	return nil
}

// heard spreads the word that a host is alive.
func (n *Node) heard(ctx context.Context, host string) {
	n.Peers.Heard(host)
	if err := n.Deliverer.Heard(ctx, host); err != nil {
		n.Config.Logger.Warn("cannot wake what waits for a host", "host", host, "error", err)
	}
}

// Handler serves everything that the world may ask for.
func (n *Node) Handler() http.Handler { return n.handler }

// Admin serves the commands. Whoever can reach it may do everything.
func (n *Node) Admin() http.Handler { return n.web.Admin() }

// Run works until ctx ends: the followers of the log, the deliveries, the
// pulls and the housekeeping. Serving HTTP is the caller's.
func (n *Node) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	failed := make(chan error, 8)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := func(name string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", name, err)
				cancel()
			}
		})
	}
	start("deliveries", func(ctx context.Context) error { return store.Run(ctx, n.Log, n.Deliverer, n.followOptions()) })
	start("delivery workers", n.Deliverer.Run)
	start("search index", n.runIndexer)
	start("peers", n.Peers.Run)
	start("housekeeping", n.housekeep)
	parts.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (n *Node) followOptions() store.FollowOptions {
	return store.FollowOptions{Logger: n.Config.Logger}
}

// runIndexer runs the index's follower loop, and begins it anew whenever the
// index was emptied.
func (n *Node) runIndexer(ctx context.Context) error {
	for ctx.Err() == nil {
		loop, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- store.Run(loop, n.Log, n.indexer, n.followOptions()) }()
		select {
		case <-ctx.Done():
		case <-n.reindexing:
		}
		stop()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// Reindex empties the search index and fills it again from the log.
func (n *Node) Reindex(ctx context.Context) error {
	if err := n.indexer.Reset(ctx); err != nil {
		return err
	}
	select {
	case n.reindexing <- struct{}{}:
	default:
	}
	return nil
}

// CatchUp follows the log to its end now, for commands that run without Run.
func (n *Node) CatchUp(ctx context.Context) error {
	last, err := n.Log.Last(ctx)
	if err != nil {
		return err
	}
	loop, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 2)
	for _, f := range []store.Follower{n.indexer, n.Deliverer} {
		go func() { done <- store.Run(loop, n.Log, f, n.followOptions()) }()
	}
	for _, f := range []store.Follower{n.indexer, n.Deliverer} {
		for {
			cursor, err := f.Cursor(ctx)
			if err != nil || cursor >= last {
				if err != nil {
					return err
				}
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	stop()
	return errors.Join(<-done, <-done)
}

// SignInLink makes a link that signs the first steward in, once.
func (n *Node) SignInLink(ctx context.Context) (string, error) {
	link, err := n.web.SignInLink(ctx, "")
	return link.URL, err
}

// Restore fills the empty data folder of cfg from a backup and returns the
// base URL that it was made under.
func Restore(ctx context.Context, cfg Config, r io.Reader) (base string, err error) {
	db, err := badger.Open(badger.Options{Dir: filepath.Join(cfg.DataDir, "store"), Logger: cfg.Logger})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := store.Restore(ctx, db, r); err != nil {
		return "", err
	}
	return directory.BaseOf(ctx, db)
}

// How often the housekeeping runs.
const (
	forgetEvery = 10 * time.Minute
	purgeEvery  = 6 * time.Hour
)

// housekeep forgets what is only kept for a time, and purges what was erased.
func (n *Node) housekeep(ctx context.Context) error {
	forget, purge := time.NewTicker(forgetEvery), time.NewTicker(purgeEvery)
	defer forget.Stop()
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-forget.C:
			n.tidy(ctx, "forget old signatures", n.Directory.ForgetSignatures)
			n.tidy(ctx, "forget expired sessions", n.Steward.ForgetExpired)
		case <-purge.C:
			n.tidy(ctx, "purge what was erased", n.Purge)
		}
	}
}

// Purge takes what was erased out of the files of store and index.
func (n *Node) Purge(ctx context.Context) error {
	if p, ok := n.Index.(store.Purger); ok {
		return n.Directory.Purge(ctx, p)
	}
	return n.Directory.Purge(ctx)
}

func (n *Node) tidy(ctx context.Context, what string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		n.Config.Logger.Warn("housekeeping: cannot "+what, "error", err)
	}
}

// Close releases everything. Run must have returned.
func (n *Node) Close() error {
	var errs []error
	if n.committer != nil {
		errs = append(errs, n.committer.Close())
	}
	if n.Index != nil {
		errs = append(errs, n.Index.Close())
	}
	if n.Store != nil {
		errs = append(errs, n.Store.Close())
	}
	if n.client != nil {
		n.client.Close()
	}
	return errors.Join(errs...)
}
