package bench

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/httpsig"
	"github.com/waypost-directory/waypost/protocol/proof"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// part is one step of receiving an activity and its CPU time.
type part struct {
	name string
	cpu  time.Duration
}

// partsAtOnce is how many activities go through the door before the index
// follows: about as many as wait for one sync in a busy node.
const partsAtOnce = 64

// parts takes the steps of receiving one by one, in this process, where the
// collector's share counts as well.
func (b *bench) parts(ctx context.Context, from *sender, bodies [][]byte) ([]part, error) {
	b.say("measuring the steps of receiving")
	activities := make([]protocol.Activity, len(bodies))
	parse, err := each(len(bodies), func(i int) (err error) {
		activities[i], err = vocab.ParseActivity(bodies[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	const here = "http://127.0.0.1:1"
	requests, err := from.signed(ctx, here+"/ap/inbox", bodies)
	if err != nil {
		return nil, err
	}
	keyOf := func(context.Context, string) (crypto.PublicKey, error) { return &from.identity.RSA.PublicKey, nil }
	signature, err := each(len(bodies), func(i int) error {
		_, err := httpsig.Verify(requests[i], bodies[i], httpsig.VerifyOptions{Now: time.Now(), BaseURL: here, KeyOf: keyOf})
		return err
	})
	if err != nil {
		return nil, err
	}
	key := func(string) (ed25519.PublicKey, error) {
		return from.identity.Ed25519.Public().(ed25519.PublicKey), nil
	}
	proven, err := each(len(bodies), func(i int) error {
		_, err := proof.Verify(activities[i].Object.Raw, key, time.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	door, index, err := b.doorAndIndex(ctx, from, activities)
	return []part{{"bounds and parsing", parse}, {"HTTP signature", signature}, {"proof", proven},
		{"rules, log and disk", door - proven}, {"index", index}}, err
}

// each is the CPU time of one call among n, all of them made one after another.
func each(n int, call func(i int) error) (time.Duration, error) {
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	for i := range n {
		if err := call(i); err != nil {
			return 0, err
		}
	}
	after, err := ownCPU()
	return (after - before) / time.Duration(n), err
}

// doorAndIndex brings activities through the door of a new node, and then
// lets its followers of the log catch up.
func (b *bench) doorAndIndex(ctx context.Context, from *sender, activities []protocol.Activity) (door, index time.Duration, err error) {
	address, err := freeAddress()
	if err != nil {
		return 0, 0, err
	}
	to, _, err := b.open(ctx, filepath.Join(b.dir, "parts"), "http://"+address, "parts")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := to.Peers.Add(ctx, from.base); err != nil {
		return 0, 0, err
	}
	for at := 0; at < len(activities); at += partsAtOnce {
		batch := activities[at:min(at+partsAtOnce, len(activities))]
		d, err := each(1, func(int) error { return acceptAll(ctx, to.Directory, from, batch) })
		if err != nil {
			return 0, 0, err
		}
		i, err := each(1, func(int) error { return to.CatchUp(ctx) })
		if err != nil {
			return 0, 0, err
		}
		door, index = door+d, index+i
	}
	n := time.Duration(len(activities))
	return door / n, index / n, nil
}

func acceptAll(ctx context.Context, d *directory.Directory, from *sender, batch []protocol.Activity) error {
	failed := make([]error, len(batch))
	var waiting sync.WaitGroup
	for i, a := range batch {
		waiting.Go(func() {
			_, failed[i] = d.Accept(ctx, directory.Incoming{Activity: a, Via: store.ViaInbox, Signer: from.identity.Actor, From: hostOf(from.base),
				Signature: sha256.Sum256([]byte(a.ID)), SignatureExpires: time.Now().Add(time.Hour)})
		})
	}
	waiting.Wait()
	return errors.Join(failed...)
}
