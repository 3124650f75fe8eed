package directory

import (
	"context"
	"encoding/json"
	"sort"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/charter"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// known returns the community of a cid when actor is its host actor. A
// community that is new here is learned from its charter, but only when we
// follow the node that hosts it: strangers cannot fill a node.
func (d *Directory) known(ctx context.Context, cid, actor string) (protocol.Community, error) {
	const op = "find community"
	if c, ok := d.Community(cid); ok {
		if c.Hosted || c.Actor != actor {
			return c, protocol.Errorf(op, protocol.Forbidden, cid, "%s is not the host of the community %q", clip(actor), c.Name)
		}
		return c, nil
	}
	follows, err := d.followsNode(ctx, protocol.Origin(actor))
	if err != nil {
		return protocol.Community{}, err
	}
	if !follows {
		return protocol.Community{}, protocol.Errorf(op, protocol.Forbidden, cid, "this node does not follow %s; ask its steward to run: waypost peer add", protocol.Origin(actor))
	}
	return d.Learn(ctx, cid, actor)
}

// Learn fetches and checks the charter of a community on another node and
// remembers the community. The cid must be the hash of its first charter, and
// that charter must name actor as host actor; its head key is the one that
// proves listings (sync: decision 1; docs/protocol/listing.md §3).
func (d *Directory) Learn(ctx context.Context, cid, actor string) (protocol.Community, error) {
	const op = "learn community"
	if _, again := d.Community(cid); !again && d.countOn(protocol.Origin(actor)) >= maxCommunitiesANode {
		return protocol.Community{}, protocol.Errorf(op, protocol.Forbidden, cid, "%s has more than %d communities; no more of them are taken", protocol.Origin(actor), maxCommunitiesANode)
	}
	if d.cfg.Resolver == nil {
		return protocol.Community{}, protocol.Errorf(op, protocol.Unavailable, cid, "this node cannot reach others just now")
	}
	raw, err := d.cfg.Resolver.Charter(ctx, cid, protocol.Origin(actor))
	if err != nil && protocol.KindOf(err) != protocol.Unavailable {
		return protocol.Community{}, &protocol.Error{Op: op, Kind: protocol.Unverified, ID: cid, Err: err}
	}
	if err != nil {
		return protocol.Community{}, err
	}
	ch, err := charter.Parse(raw)
	if err != nil {
		return protocol.Community{}, err
	}
	if ch.CID() != cid {
		return protocol.Community{}, protocol.Errorf(op, protocol.Unverified, cid, "the charter that %s serves belongs to another community", protocol.Origin(actor))
	}
	if ch.Host.Actor != actor {
		return protocol.Community{}, protocol.Errorf(op, protocol.Forbidden, cid, "its charter does not name %s as host", clip(actor))
	}
	who, err := d.cfg.Resolver.Actor(ctx, actor)
	if err != nil {
		return protocol.Community{}, err
	}
	c := protocol.Community{CID: cid, Handle: who.Username, Name: firstOf(who.Name, who.Username), Summary: who.Summary,
		Actor: actor, URL: firstOf(who.URL, actor), HeadKey: ch.Host.HeadKey, Place: vocab.ActorPlace(who.Raw)}
	err = d.cfg.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Put(store.CharterKey(cid, 1), raw); err != nil {
			return err
		}
		return d.putCommunity(tx, c)
	})
	if err != nil {
		return protocol.Community{}, err
	}
	d.rememberCommunity(c)
	return c, nil
}

// maxCommunitiesANode bounds how many communities one other node may bring.
const maxCommunitiesANode = 50

func (d *Directory) countOn(origin string) (n int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, c := range d.communities {
		if protocol.Origin(c.Actor) == origin {
			n++
		}
	}
	return n
}

func (d *Directory) putCommunity(tx store.Tx, c protocol.Community) error {
	if err := putJSON(tx, store.CommunityKey(c.CID), c); err != nil {
		return err
	}
	return tx.Put(store.ActorKey(c.Actor), []byte(c.CID))
}

func (d *Directory) rememberCommunity(c protocol.Community) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.communities[c.CID] = c
	d.byActor[c.Actor] = c.CID
}

// Community returns what is known of a cid.
func (d *Directory) Community(cid string) (protocol.Community, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.communities[cid]
	return c, ok
}

// CommunityByActor returns the community whose Group actor has that IRI.
func (d *Directory) CommunityByActor(iri string) (protocol.Community, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.communities[d.byActor[iri]]
	return c, ok
}

// HostedByHandle returns the community of that handle on this node.
func (d *Directory) HostedByHandle(handle string) (protocol.Community, bool) {
	return d.CommunityByActor(vocab.GroupIRI(d.cfg.Base, handle))
}

// Communities lists all communities that are known, those hosted here first,
// then by name.
func (d *Directory) Communities() []protocol.Community {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]protocol.Community, 0, len(d.communities))
	for _, c := range d.communities {
		list = append(list, c)
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].Hosted != list[j].Hosted {
			return list[i].Hosted
		}
		if list[i].Name != list[j].Name {
			return list[i].Name < list[j].Name
		}
		return list[i].CID < list[j].CID
	})
	return list
}

// Hosted lists the communities that this node hosts.
func (d *Directory) Hosted() []protocol.Community {
	var list []protocol.Community
	for _, c := range d.Communities() {
		if c.Hosted {
			list = append(list, c)
		}
	}
	return list
}

func (d *Directory) hosts(cid string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.hosted[cid] != nil
}

// Charter returns the signed first charter of a community, as it was minted.
func (d *Directory) Charter(ctx context.Context, cid string) (raw []byte, err error) {
	err = d.cfg.Store.View(ctx, func(tx store.Tx) error {
		raw, err = tx.Get(store.CharterKey(cid, 1))
		return err
	})
	return raw, err
}

// load reads communities, keys and the Application into memory.
func (d *Directory) load(ctx context.Context) error {
	return d.cfg.Store.View(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: store.CommunityPrefix()}) {
			if err != nil {
				return err
			}
			var c protocol.Community
			if err := json.Unmarshal(item.Value, &c); err != nil {
				return err
			}
			d.rememberCommunity(c)
		}
		return d.loadHosts(tx)
	})
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// BaseOf returns the base URL that a store's communities were set up under.
func BaseOf(ctx context.Context, s store.Store) (base string, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: store.CommunityPrefix()}) {
			if err != nil {
				return err
			}
			var c protocol.Community
			if err := json.Unmarshal(item.Value, &c); err != nil {
				return err
			}
			if c.Hosted {
				base = protocol.Origin(c.Actor)
			}
		}
		return nil
	})
	if err == nil && base == "" {
		err = protocol.Errorf("find base URL", protocol.Invalid, "", "this backup holds no community")
	}
	return base, err
}
