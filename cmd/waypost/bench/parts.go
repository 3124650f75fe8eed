package bench

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/httpsig"
	"github.com/waypost-directory/waypost/protocol/proof"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// part is one step of receiving an activity: its CPU time in operations of the
// limit.
type part struct {
	name  string
	ratio float64
}

// partsAtOnce is how many activities go through the door before the index
// follows: about as many as wait for one sync in a busy node.
const partsAtOnce = 64

// parts takes the steps of receiving one by one, in this process, where the
// collector's share counts as well.
func (b *bench) parts(ctx context.Context, from *sender, bodies [][]byte) ([]part, error) {
	b.say("measuring the steps of receiving")
	const here = "http://127.0.0.1:1"
	requests, err := from.signed(ctx, here+"/ap/inbox", bodies)
	if err != nil {
		return nil, err
	}
	keyOf := func(context.Context, string) (crypto.PublicKey, error) { return &from.identity.RSA.PublicKey, nil }
	proofKey := func(string) (ed25519.PublicKey, error) {
		return from.identity.Ed25519.Public().(ed25519.PublicKey), nil
	}
	activities := make([]protocol.Activity, len(bodies))
	steps := []struct {
		name string
		call func(i int) error
	}{
		{"bounds and parsing", func(i int) (err error) {
			activities[i], err = vocab.ParseActivity(bodies[i])
			return err
		}},
		{"HTTP signature", func(i int) error {
			_, err := httpsig.Verify(requests[i], bodies[i], httpsig.VerifyOptions{Now: time.Now(), BaseURL: here, KeyOf: keyOf})
			return err
		}},
		{"proof", func(i int) error {
			_, err := proof.Verify(activities[i].Object.Raw, proofKey, time.Now())
			return err
		}},
	}
	var parts []part
	for _, s := range steps {
		h, err := b.limits.verify().holdOwn(len(bodies), s.call)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{s.name, h.ratio})
	}
	door, index, err := b.doorAndIndex(ctx, from, activities)
	return append(parts, part{"rules, log and disk", door - parts[2].ratio}, part{"index", index}), err
}

// doorAndIndex brings activities through the door of a new node, and then
// lets its followers of the log catch up. The door checks the proof, too.
func (b *bench) doorAndIndex(ctx context.Context, from *sender, activities []protocol.Activity) (door, index float64, err error) {
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
	var doors, indexes []float64
	for batch := range slices.Chunk(activities, partsAtOnce) {
		n := float64(len(batch))
		d, err := b.limits.verify().holdOwn(1, func(int) error { return acceptAll(ctx, to.Directory, from, batch) })
		if err != nil {
			return 0, 0, err
		}
		i, err := b.limits.verify().holdOwn(1, func(int) error { return to.CatchUp(ctx) })
		if err != nil {
			return 0, 0, err
		}
		doors, indexes = append(doors, d.ratio/n), append(indexes, i.ratio/n)
	}
	return median(doors), median(indexes), nil
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
