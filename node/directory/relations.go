package directory

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Follower is an actor that follows one of ours.
type Follower struct {
	Actor   string    `json:"actor"`
	Target  string    `json:"target"` // our actor
	Inbox   string    `json:"inbox"`  // where to deliver: the shared inbox when there is one
	Waypost bool      `json:"waypost,omitempty"`
	Follow  string    `json:"follow"` // IRI of the Follow
	Body    []byte    `json:"body"`   // digest of the Follow's bytes
	Since   time.Time `json:"since"`
}

// Following is our wish to follow an actor and its answer.
type Following struct {
	Actor   string    `json:"actor"`  // ours
	Target  string    `json:"target"` // theirs
	Follow  string    `json:"follow"` // IRI of our Follow
	State   string    `json:"state"`  // FollowPending, FollowAccepted or FollowRejected
	Since   time.Time `json:"since"`
	Decided time.Time `json:"decided,omitzero"`
}

// The states of a [Following].
const (
	FollowPending  = "pending"
	FollowAccepted = "accepted"
	FollowRejected = "rejected"
)

// prepareFollow takes a Follow of one of our actors, or our own of somebody
// else's.
func (d *Directory) prepareFollow(ctx context.Context, in Incoming) (change, error) {
	const op = "accept follow"
	a := in.Activity
	target := a.Object.ID
	e := store.Entry{Type: a.Type, ID: a.ID, Actor: a.Actor, Object: target}
	if in.Via == store.ViaLocal {
		return change{entry: e, apply: func(tx store.Tx, _ *store.Entry) (Outcome, error) {
			return Stored, putJSON(tx, store.FollowingKey(a.Actor, target), Following{
				Actor: a.Actor, Target: target, Follow: a.ID, State: FollowPending, Since: d.cfg.Now().UTC()})
		}}, nil
	}
	if !d.IsOwnActor(target) {
		return change{}, protocol.Errorf(op, protocol.NotFound, target, "there is no such actor on this node")
	}
	who, err := d.cfg.Resolver.Actor(ctx, a.Actor)
	if err != nil {
		return change{}, err
	}
	f := Follower{Actor: a.Actor, Target: target, Inbox: who.DeliverTo(), Waypost: who.Waypost && who.Type == "Application",
		Follow: a.ID, Since: d.cfg.Now().UTC()}
	if home := protocol.Origin(f.Actor); protocol.Origin(f.Inbox) != home || protocol.Origin(who.Inbox) != home {
		return change{}, protocol.Errorf(op, protocol.Forbidden, f.Actor, "its inbox is on another host")
	}
	return change{entry: e, apply: func(tx store.Tx, _ *store.Entry) (Outcome, error) {
		digest := store.DigestOf(a.Raw)
		f.Body = digest[:]
		return Stored, putJSON(tx, store.FollowerKey(target, f.Actor), f)
	}}, nil
}

// prepareUndo ends a follow, theirs or ours. The Follow may be embedded (some
// servers leave out its actor) or named by its IRI.
func (d *Directory) prepareUndo(_ context.Context, in Incoming) (change, error) {
	a, o := in.Activity, in.Activity.Object
	if o.Raw != nil && o.Type != "Follow" {
		return change{}, nil // an undone like or boost was never kept
	}
	if o.Actor != "" && o.Actor != a.Actor {
		return change{}, protocol.Errorf("accept undo", protocol.Forbidden, a.ID, "only %s may undo its own follow", clip(o.Actor))
	}
	e := store.Entry{Type: a.Type, ID: a.ID, Actor: a.Actor, Object: o.Target}
	return change{entry: e, apply: func(tx store.Tx, e *store.Entry) (Outcome, error) {
		if in.Via == store.ViaLocal {
			return Stored, tx.Delete(store.FollowingKey(a.Actor, o.Target))
		}
		for _, target := range d.ownActors() {
			f, err := getFollower(tx, target, a.Actor)
			if errors.Is(err, store.ErrNotFound) || err == nil && target != o.Target && f.Follow != o.ID {
				continue
			}
			if err != nil {
				return "", err
			}
			e.Object = target
			return Stored, d.dropFollower(tx, f)
		}
		return Ignored, nil
	}}, nil
}

// dropFollower forgets a follower, and the bytes of its Follow: it names a
// person.
func (d *Directory) dropFollower(tx store.Tx, f Follower) error {
	if len(f.Body) == len(store.Digest{}) {
		if err := d.cfg.Log.EraseBody(tx, store.Digest(f.Body)); err != nil {
			return err
		}
	}
	return tx.Delete(store.FollowerKey(f.Target, f.Actor))
}

// actorGone drops a remote actor that deleted itself from our followers.
func (d *Directory) actorGone(a protocol.Activity) change {
	e := store.Entry{Type: a.Type, ID: a.ID, Actor: a.Actor, Object: a.Actor}
	return change{entry: e, apply: func(tx store.Tx, _ *store.Entry) (Outcome, error) {
		outcome := Ignored
		for _, target := range d.ownActors() {
			f, err := getFollower(tx, target, a.Actor)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return "", err
			}
			if err := d.dropFollower(tx, f); err != nil {
				return "", err
			}
			outcome = Stored
		}
		return outcome, nil
	}}
}

// prepareAnswer takes an Accept or Reject of a Follow that we sent, from the
// actor that we asked and no other (CVE-2025-30741).
func (d *Directory) prepareAnswer(_ context.Context, in Incoming) (change, error) {
	const op = "accept answer"
	a, o := in.Activity, in.Activity.Object
	if in.Via == store.ViaLocal {
		return change{}, protocol.Errorf(op, protocol.Invalid, a.ID, "answers are made by the deliverer")
	}
	e := store.Entry{Type: a.Type, ID: a.ID, Actor: a.Actor, Object: o.ID}
	return change{entry: e, apply: func(tx store.Tx, _ *store.Entry) (Outcome, error) {
		for _, ours := range d.ownActors() {
			key := store.FollowingKey(ours, a.Actor)
			var f Following
			err := getJSON(tx, key, &f)
			if errors.Is(err, store.ErrNotFound) || err == nil && f.Follow != o.ID {
				continue
			}
			if err != nil {
				return "", err
			}
			f.State, f.Decided = FollowAccepted, d.cfg.Now().UTC()
			if a.Type == "Reject" {
				f.State = FollowRejected
			}
			return Stored, putJSON(tx, key, f)
		}
		return "", protocol.Errorf(op, protocol.Forbidden, a.ID, "this node did not ask %s for that", a.Actor)
	}}, nil
}

// prepareAnnounce takes the Announce of an Application that we follow: the
// object is fetched from its own origin and comes through the door by itself.
// Other boosts are ignored.
func (d *Directory) prepareAnnounce(ctx context.Context, in Incoming) (change, error) {
	a := in.Activity
	follows, err := d.follows(ctx, a.Actor)
	if err != nil || !follows || d.cfg.Resolver == nil || a.Object.ID == "" {
		return change{}, err
	}
	raw, err := d.cfg.Resolver.Object(ctx, a.Object.ID)
	if err != nil {
		return change{}, err
	}
	object, err := vocab.ParseActivity(raw)
	if err != nil {
		return change{}, err
	}
	if object.Type != protocol.TypeObject || object.Object.ID != a.Object.ID {
		return change{}, protocol.Errorf("accept announce", protocol.Unverified, a.Object.ID, "the document there is not that object")
	}
	_, err = d.Accept(ctx, Incoming{Activity: object, Via: store.ViaFetch, From: hostOf(a.Object.ID)})
	return change{}, err
}

func getFollower(tx store.Tx, target, actor string) (Follower, error) {
	var f Follower
	return f, getJSON(tx, store.FollowerKey(target, actor), &f)
}

// Followers lists who follows one of our actors, in a stable order.
func (d *Directory) Followers(ctx context.Context, actor string) ([]Follower, error) {
	var list []Follower
	err := d.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		list, err = FollowersIn(tx, actor)
		return err
	})
	return list, err
}

// FollowersIn is [Directory.Followers] inside a transaction. The deliverer
// reads all followers again for each edit, hence the faster decoder.
func FollowersIn(tx store.Tx, actor string) ([]Follower, error) {
	var list []Follower
	for item, err := range tx.Scan(store.Range{Prefix: store.FollowerPrefix(actor)}) {
		if err != nil {
			return nil, err
		}
		var f Follower
		if err := jsonv2.Unmarshal(item.Value, &f); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// CountFollowers returns how many actors follow one of ours.
func (d *Directory) CountFollowers(ctx context.Context, actor string) (n int, err error) {
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{Prefix: store.FollowerPrefix(actor), KeysOnly: true}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// Followings lists whom one of our actors follows or asked to.
func (d *Directory) Followings(ctx context.Context, actor string) ([]Following, error) {
	var list []Following
	err := d.cfg.Store.View(ctx, func(tx store.Tx) error {
		list = nil
		for item, err := range tx.Scan(store.Range{Prefix: store.FollowingPrefix(actor)}) {
			if err != nil {
				return err
			}
			var f Following
			if err := json.Unmarshal(item.Value, &f); err != nil {
				return err
			}
			list = append(list, f)
		}
		return nil
	})
	return list, err
}

// follows reports whether our Application follows exactly that actor.
func (d *Directory) follows(ctx context.Context, actor string) (bool, error) {
	var f Following
	err := d.cfg.Store.View(ctx, func(tx store.Tx) error {
		return getJSON(tx, store.FollowingKey(d.ApplicationIRI(), actor), &f)
	})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && f.State != FollowRejected, err
}

// followsNode reports whether our Application follows the Application of the
// node at an origin.
func (d *Directory) followsNode(ctx context.Context, origin string) (bool, error) {
	if follows, err := d.follows(ctx, vocab.ApplicationIRI(origin)); follows || err != nil {
		return follows, err // where Waypost has it: no need to look through all
	}
	list, err := d.Followings(ctx, d.ApplicationIRI())
	for _, f := range list {
		if protocol.Origin(f.Target) == origin && f.State != FollowRejected {
			return true, nil
		}
	}
	return false, err
}
