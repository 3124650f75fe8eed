// Package directory is the one door into a node. Publishing here, an inbox, a
// pull from a peer and a fetch all end in [Directory.Accept], which checks what
// may be done by whom and commits the activity to the log together with the
// listing's new state. Everything else follows that log.
package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Resolver finds what the directory needs from other hosts. It may be called
// concurrently. It is not trusted: the directory verifies what it brings.
type Resolver interface {
	// Actor returns an actor's document, cached for as long as it is fresh.
	Actor(ctx context.Context, iri string) (protocol.Actor, error)
	// Charter returns the signed first charter of cid as a node serves it.
	Charter(ctx context.Context, cid, origin string) ([]byte, error)
	// Object returns the document at an IRI.
	Object(ctx context.Context, iri string) ([]byte, error)
}

// Config says what a [Directory] works on. Store, Log, Committer and Base are
// needed; Resolver may be nil in a directory that only reads and publishes.
type Config struct {
	Store     store.Store
	Log       *store.Log
	Committer *store.Committer
	Resolver  Resolver
	Base      string           // origin of this node, e.g. "https://riverside.example"
	Now       func() time.Time // time.Now when nil
	Rand      io.Reader        // crypto/rand when nil
	Logger    *slog.Logger
}

// Directory is the door. Its methods may be called concurrently.
type Directory struct {
	cfg      Config
	renderer *vocab.Renderer
	handlers map[string]handler

	mu          sync.RWMutex
	communities map[string]protocol.Community // by cid; guarded by mu
	byActor     map[string]string             // actor IRI -> cid; guarded by mu
	hosted      map[string]*host              // by cid; guarded by mu
	application *Identity                     // guarded by mu; nil before init
	recent      recentListings
}

// Open reads the communities and keys of a store that init prepared.
func Open(ctx context.Context, cfg Config) (*Directory, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	d := &Directory{
		cfg:         cfg,
		renderer:    vocab.NewRenderer(),
		communities: map[string]protocol.Community{},
		byActor:     map[string]string{},
		hosted:      map[string]*host{},
	}
	d.handlers = map[string]handler{
		"Create":            {prepare: d.prepareListing},
		"Update":            {prepare: d.prepareListing},
		protocol.TypeObject: {prepare: d.prepareListing},
		"Delete":            {prepare: d.prepareDelete},
		"Follow":            {prepare: d.prepareFollow},
		"Undo":              {prepare: d.prepareUndo},
		"Accept":            {prepare: d.prepareAnswer},
		"Reject":            {prepare: d.prepareAnswer},
		"Announce":          {prepare: d.prepareAnnounce},
	}
	for _, t := range uselessHere {
		d.handlers[t] = handler{prepare: ignore}
	}
	return d, d.load(ctx)
}

// uselessHere are ActivityStreams activities that are well meant but change
// nothing in a directory: a like or a boost must not look like an error to the
// person who sent it.
var uselessHere = []string{
	"Add", "Arrive", "Block", "Dislike", "EmojiReact", "Flag", "Ignore", "Invite", "Join", "Leave", "Like", "Listen",
	"Move", "Offer", "Question", "Read", "Remove", "TentativeAccept", "TentativeReject", "Travel", "View",
}

// Incoming is one activity at the door.
type Incoming struct {
	Activity protocol.Activity
	Via      store.Via
	Signer   string // actor whose HTTP signature was verified; empty for pulls and fetches
	From     string // host that it came from
	// Signature is the hash of the request's signature, remembered until
	// SignatureExpires so that the same request does nothing twice.
	Signature        [32]byte
	SignatureExpires time.Time
}

// Outcome is what became of an activity.
type Outcome string

// The outcomes. None of them is an error.
const (
	Stored     Outcome = "stored"     // it is now the current state
	Superseded Outcome = "superseded" // kept, but something newer stands
	Known      Outcome = "known"      // it was here already; nothing changed
	Ignored    Outcome = "ignored"    // valid, but nothing to do; nothing was kept
)

// Result is the answer of [Directory.Accept].
type Result struct {
	Seq     uint64 // the log entry; 0 when nothing was kept
	Outcome Outcome
}

// handler treats one type of activity. prepare runs before the transaction,
// may use the network and must not write; what it returns runs inside it.
type handler struct {
	prepare func(ctx context.Context, in Incoming) (change, error)
}

// change is what an activity does to the state. A nil apply means: ignore it.
type change struct {
	entry store.Entry // Type, ID, Actor, Object and so on; Accept fills in the rest
	apply func(tx store.Tx, e *store.Entry) (Outcome, error)
	// after runs when apply's transaction is on disk, with e as it was logged.
	after func(e store.Entry)
}

// Accept takes one activity through the door. It is idempotent and independent
// of order: whatever arrives again, late or in another order leads to the same
// state. When it returns nil the outcome is synced to disk. Kinds of error:
// Invalid and TooLarge (malformed), Unverified (signature, proof), Forbidden
// (not theirs to do, or nobody that we follow), Conflict (a replayed request),
// Unavailable (try later).
func (d *Directory) Accept(ctx context.Context, in Incoming) (Result, error) {
	const op = "accept activity"
	a := in.Activity
	h, ok := d.handlers[a.Type]
	if !ok {
		return Result{}, protocol.Errorf(op, protocol.Invalid, a.ID, "the activity type %q is not known", clip(a.Type))
	}
	if err := d.authorise(in); err != nil {
		return Result{}, err
	}
	c, err := h.prepare(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if c.apply == nil {
		return Result{Outcome: Ignored}, nil
	}
	return d.submit(in, c)(ctx)
}

// authorise ties the activity to whoever brought it. A pull and a fetch are
// not signed: what they bring must prove itself (prepareListing).
func (d *Directory) authorise(in Incoming) error {
	const op = "authorise activity"
	a := in.Activity
	origin := protocol.Origin(a.Actor)
	if origin == "" {
		return protocol.Errorf(op, protocol.Invalid, a.ID, "actor is not an https IRI")
	}
	if a.Type != protocol.TypeObject && protocol.Origin(a.ID) != origin {
		return protocol.Errorf(op, protocol.Forbidden, a.ID, "the activity's id is on another host than its actor %s", a.Actor)
	}
	own := origin == d.cfg.Base
	if in.Via == store.ViaLocal {
		if !own {
			return protocol.Errorf(op, protocol.Forbidden, a.ID, "%s is not an actor of this node", a.Actor)
		}
		return nil
	}
	if own {
		return protocol.Errorf(op, protocol.Forbidden, a.ID, "it claims to be from this node itself")
	}
	if in.Via != store.ViaInbox || in.Signer == a.Actor {
		return nil
	}
	if !a.Proof {
		return protocol.Errorf(op, protocol.Unverified, a.ID, "it is signed by %s but says that %s did it", in.Signer, a.Actor)
	}
	return d.verifyForwarded(a)
}

// submit queues what writes the state, the log entry and the replay marks in
// one transaction, grouped with whatever else waits. wait returns when it is
// on disk.
func (d *Directory) submit(in Incoming, c change) (wait func(context.Context) (Result, error)) {
	var res Result
	var logged store.Entry
	done := d.cfg.Committer.Submit(store.Op{
		Size: len(in.Activity.Raw) + 1024,
		Apply: func(tx store.Tx) (err error) {
			res, logged, err = d.apply(tx, in, c)
			return err
		},
	})
	return func(ctx context.Context) (Result, error) {
		if err := done(ctx); err != nil {
			return Result{}, err
		}
		if c.after != nil && res.Seq != 0 {
			c.after(logged)
		}
		return res, nil
	}
}

func (d *Directory) apply(tx store.Tx, in Incoming, c change) (res Result, e store.Entry, err error) {
	e = c.entry
	seen, err := d.remember(tx, in)
	if err != nil || seen {
		return Result{Outcome: Known}, e, err
	}
	e.Via, e.From, e.At = in.Via, in.From, d.cfg.Now().UTC()
	if res.Outcome, err = c.apply(tx, &e); err != nil || res.Outcome == Known || res.Outcome == Ignored {
		return res, e, err
	}
	e.Outcome = store.Outcome(res.Outcome)
	return res, e, d.append(tx, in, &e, &res)
}

func (d *Directory) append(tx store.Tx, in Incoming, e *store.Entry, res *Result) error {
	if err := d.cfg.Log.Append(tx, e, in.Activity.Raw); err != nil {
		return err
	}
	res.Seq = e.Seq
	if e.UID != "" {
		if err := tx.Put(store.HistoryKey(e.CID, e.UID, e.Seq), e.Digest[:]); err != nil {
			return err
		}
	}
	if e.ID == "" {
		return nil
	}
	return tx.Put(store.SeenKey(e.ID), encodeSeq(e.Seq))
}

// remember refuses a request whose signature was used before, and reports
// whether the activity is in the log already.
func (d *Directory) remember(tx store.Tx, in Incoming) (seen bool, err error) {
	if in.Signature != ([32]byte{}) {
		key := store.SignatureKey(in.Signature)
		switch _, err := tx.Get(key); {
		case err == nil:
			return false, protocol.Errorf("accept activity", protocol.Conflict, in.Activity.ID, "this very request was received before")
		case !errors.Is(err, store.ErrNotFound):
			return false, err
		}
		if err := tx.Put(key, encodeSeq(uint64(in.SignatureExpires.Unix()))); err != nil {
			return false, err
		}
		if err := tx.Put(store.SignatureExpiryKey(in.SignatureExpires, in.Signature), nil); err != nil {
			return false, err
		}
	}
	if in.Activity.ID == "" {
		return false, nil
	}
	switch _, err := tx.Get(store.SeenKey(in.Activity.ID)); {
	case err == nil:
		return true, nil
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	default:
		return false, err
	}
}

// ForgetSignatures removes the replay marks that are past their time. The node
// runs it now and then.
func (d *Directory) ForgetSignatures(ctx context.Context) error {
	return d.cfg.Store.Update(ctx, func(tx store.Tx) error {
		r := store.SignaturesExpiredBy(d.cfg.Now())
		r.Limit, r.KeysOnly = 1000, true
		for item, err := range tx.Scan(r) {
			if err != nil {
				return err
			}
			var hash [32]byte
			copy(hash[:], item.Key[len(item.Key)-32:])
			if err := tx.Delete(store.SignatureKey(hash)); err != nil {
				return err
			}
			if err := tx.Delete(item.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

func ignore(context.Context, Incoming) (change, error) { return change{}, nil }

// clip keeps a stranger's text short enough to repeat in an error.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// verifyForwarded checks the activity's own proof, when somebody else than its
// actor brought it (interop: inbox forwarding).
func (d *Directory) verifyForwarded(a protocol.Activity) error {
	if c, ok := d.CommunityByActor(a.Actor); ok && !c.Hosted {
		return d.verifyProof(a.Raw, c)
	}
	return protocol.Errorf("verify forwarded activity", protocol.Forbidden, a.ID, "%s is no community that this node follows", clip(a.Actor))
}
