package federation

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// keepFor is how long an actor that nobody needs any more lies in the store.
const keepFor = 30 * 24 * time.Hour

// forgetEvery is how often those are looked for.
const forgetEvery = 24 * time.Hour

// Keep puts an actor that is in memory on disk, where it outlives a restart and
// its server's absence. It is for those whose signature was verified and whom
// we have something to do with.
func (a *Actors) Keep(ctx context.Context, iri string) error {
	c := a.inMemory(iri)
	if c == nil || c.err != nil || a.onDisk(ctx, iri) {
		return nil
	}
	return a.putRow(ctx, iri, c)
}

// onDisk reports whether an actor has a row. An error counts as no.
func (a *Actors) onDisk(ctx context.Context, iri string) bool {
	return a.Store.View(ctx, func(tx store.Tx) error {
		_, err := tx.Get(store.RemoteKey(iri))
		return err
	}) == nil
}

func (a *Actors) putRow(ctx context.Context, iri string, c *cachedActor) error {
	row, err := json.Marshal(actorRow{Raw: c.actor.Raw, Fetched: c.fetched})
	if err != nil {
		return err
	}
	return a.Store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.RemoteKey(iri), row) })
}

// Forget removes the rows of actors that were fetched over 30 days ago, but of
// those that are still needed. Whoever comes back is fetched again.
func (a *Actors) Forget(ctx context.Context, needed map[string]bool) error {
	keep := make(map[string]bool, len(needed))
	for iri := range needed {
		keep[string(store.RemoteKey(iri))] = true
	}
	var old [][]byte
	before := a.Now().Add(-keepFor)
	err := a.Store.View(ctx, func(tx store.Tx) error {
		old = nil
		for item, err := range tx.Scan(store.Range{Prefix: store.RemotePrefix()}) {
			if err != nil {
				return err
			}
			var row struct {
				Fetched time.Time `json:"fetched"`
			}
			if keep[string(item.Key)] || json.Unmarshal(item.Value, &row) == nil && row.Fetched.After(before) {
				continue
			}
			old = append(old, slices.Clone(item.Key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(old, rowsATransaction) {
		err := a.Store.Update(ctx, func(tx store.Tx) error {
			for _, key := range chunk {
				if err := tx.Delete(key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetActors keeps the actors that follow ours or are followed, and forgets
// the others when their time is over, until ctx ends.
func (d *Deliverer) forgetActors(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		needed, err := d.related(ctx)
		if err == nil {
			err = d.cfg.Actors.Forget(ctx, needed)
		}
		if err != nil && ctx.Err() == nil {
			d.cfg.Logger.Warn("cannot forget other servers' old actors; this is tried again tomorrow", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// related is everybody who follows one of our actors or is followed by one.
func (d *Deliverer) related(ctx context.Context) (map[string]bool, error) {
	iris := map[string]bool{}
	ours := []string{d.cfg.Directory.ApplicationIRI()}
	for _, c := range d.cfg.Directory.Hosted() {
		ours = append(ours, c.Actor)
	}
	for _, actor := range ours {
		followers, err := d.cfg.Directory.Followers(ctx, actor)
		if err != nil {
			return nil, err
		}
		for _, f := range followers {
			iris[f.Actor] = true
		}
		followings, err := d.cfg.Directory.Followings(ctx, actor)
		if err != nil {
			return nil, err
		}
		for _, f := range followings {
			iris[f.Target] = true
		}
	}
	return iris, nil
}

// replyInbox is where the answer to a Follow goes: the follower's own inbox or,
// when its document is not at hand, the one that its row names. It is empty
// when neither is there, as after an Undo.
func (d *Deliverer) replyInbox(ctx context.Context, e store.Entry) (string, error) {
	if who, err := d.cfg.Actors.Cached(ctx, e.Actor); err == nil && atHome(who) {
		return who.Inbox, nil
	}
	list, err := d.cfg.Directory.Followers(ctx, e.Object)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(list, func(f directory.Follower) bool { return f.Actor == e.Actor })
	if i < 0 {
		return "", nil
	}
	return list[i].Inbox, nil
}

// atHome reports whether an actor's inbox is on its own host. We write nowhere
// else in its name.
func atHome(who protocol.Actor) bool {
	home := protocol.Origin(who.ID)
	return home != "" && protocol.Origin(who.Inbox) == home
}
