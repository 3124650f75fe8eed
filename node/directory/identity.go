package directory

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/charter"
	"github.com/waypost-directory/waypost/protocol/httpsig"
	"github.com/waypost-directory/waypost/protocol/proof"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Identity is one of our actors with its secret keys. It signs requests
// (transport.Signer) and what it publishes.
type Identity struct {
	Actor   string
	RSA     *rsa.PrivateKey
	Ed25519 ed25519.PrivateKey
}

// KeyID is the id of the RSA key in the actor's document. It is a fragment of
// the actor's IRI, so that servers look both up in one fetch.
func (i *Identity) KeyID() string { return i.Actor + "#main-key" }

// ProofKeyID is the id of the Ed25519 key.
func (i *Identity) ProofKeyID() string { return i.Actor + "#ed25519-key" }

// SignCavage signs a request as Mastodon and all others read it.
func (i *Identity) SignCavage(req *http.Request, body []byte, now time.Time) error {
	return httpsig.SignCavage(req, body, i.KeyID(), i.RSA, now)
}

// SignRFC9421 signs a request by RFC 9421 with the RSA key, the one that every
// server knows.
func (i *Identity) SignRFC9421(req *http.Request, body []byte, now time.Time) error {
	return httpsig.SignRFC9421(req, body, i.KeyID(), i.RSA, now)
}

// Keys are the public halves for the actor's document.
func (i *Identity) Keys() (vocab.Keys, error) {
	der, err := x509.MarshalPKIXPublicKey(&i.RSA.PublicKey)
	if err != nil {
		return vocab.Keys{}, err
	}
	return vocab.Keys{
		PublicKeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		Multikey:     proof.EncodeEd25519(i.Ed25519.Public().(ed25519.PublicKey)),
	}, nil
}

// host is a community that lives here, with what is needed to publish for it.
type host struct {
	community protocol.Community
	identity  *Identity
	created   time.Time

	edit sync.Mutex // held while a version is given and its edit is queued, so that versions reach the log in order
	last uint64     // guarded by edit: the last version given
}

// secrets is how an identity's keys lie in the store's private part.
type secrets struct {
	RSA     []byte    `json:"rsa"`     // PKCS #1 DER
	Ed25519 []byte    `json:"ed25519"` // seed
	Created time.Time `json:"created"`
}

const secretApplication = "application"

func secretCommunity(cid string) string { return "community " + cid }

// NewCommunity is what [Directory.CreateCommunity] needs to know.
type NewCommunity struct {
	Handle  string // preferredUsername, 2 to 30 of a–z, 0–9 and _
	Name    string
	Summary string
	Place   *protocol.Place
	Areas   []string
}

// Minted is a new community and its first steward's recovery card, which is
// kept nowhere.
type Minted struct {
	Community protocol.Community
	Card      charter.RecoveryCard
}

var handlePattern = regexp.MustCompile(`^[a-z0-9_]{2,30}$`)

// CreateCommunity mints a community's keys and first charter, and so its cid,
// and hosts it here. Kinds of error: Invalid, Conflict (the handle is taken).
func (d *Directory) CreateCommunity(ctx context.Context, n NewCommunity) (Minted, error) {
	const op = "create community"
	if !handlePattern.MatchString(n.Handle) || n.Handle == "relay" {
		return Minted{}, protocol.Errorf(op, protocol.Invalid, n.Handle, "a handle is 2 to 30 small letters, digits or underscores, and not \"relay\"")
	}
	if l := len([]rune(strings.TrimSpace(n.Name))); l < 2 || l > 100 {
		return Minted{}, protocol.Errorf(op, protocol.Invalid, n.Handle, "a name has 2 to 100 characters")
	}
	for _, area := range n.Areas {
		if !protocol.ValidArea(area) {
			return Minted{}, protocol.Errorf(op, protocol.Invalid, n.Handle, "%q is not an official area code such as E09000004; leave it out if you do not know it", area)
		}
	}
	if _, taken := d.HostedByHandle(n.Handle); taken {
		return Minted{}, protocol.Errorf(op, protocol.Conflict, n.Handle, "this node already has a community with that handle; choose another")
	}
	id, err := d.newIdentity(vocab.GroupIRI(d.cfg.Base, n.Handle))
	if err != nil {
		return Minted{}, err
	}
	now := d.cfg.Now().UTC().Truncate(time.Second)
	headKey := proof.EncodeEd25519(id.Ed25519.Public().(ed25519.PublicKey))
	raw, card, cid, err := charter.Mint(charter.Params{Origin: d.cfg.Base, Actor: id.Actor, HeadKey: headKey, Issued: now, Rand: d.cfg.Rand})
	if err != nil {
		return Minted{}, err
	}
	c := protocol.Community{CID: cid, Handle: n.Handle, Name: strings.TrimSpace(n.Name), Summary: n.Summary, Actor: id.Actor,
		URL: d.cfg.Base + "/c/" + n.Handle, Place: n.Place, Areas: n.Areas, HeadKey: headKey, Hosted: true}
	err = d.cfg.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Put(store.CharterKey(cid, 1), raw); err != nil {
			return err
		}
		if err := putSecrets(tx, secretCommunity(cid), id, now); err != nil {
			return err
		}
		return d.putCommunity(tx, c)
	})
	if err != nil {
		return Minted{}, err
	}
	d.rememberCommunity(c)
	d.mu.Lock()
	d.hosted[cid] = &host{community: c, identity: id, created: now}
	d.mu.Unlock()
	return Minted{Community: c, Card: card}, nil
}

// EnsureApplication makes the node's own actor if there is none yet.
func (d *Directory) EnsureApplication(ctx context.Context) error {
	if d.Application() != nil {
		return nil
	}
	id, err := d.newIdentity(d.ApplicationIRI())
	if err != nil {
		return err
	}
	err = d.cfg.Store.Update(ctx, func(tx store.Tx) error {
		return putSecrets(tx, secretApplication, id, d.cfg.Now().UTC())
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.application = id
	d.mu.Unlock()
	return nil
}

func (d *Directory) newIdentity(actor string) (*Identity, error) {
	rsaKey, err := rsa.GenerateKey(d.cfg.Rand, 2048)
	if err != nil {
		return nil, fmt.Errorf("make RSA key: %w", err)
	}
	_, edKey, err := ed25519.GenerateKey(d.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("make Ed25519 key: %w", err)
	}
	return &Identity{Actor: actor, RSA: rsaKey, Ed25519: edKey}, nil
}

func putSecrets(tx store.Tx, name string, id *Identity, now time.Time) error {
	return putJSON(tx, store.SecretKey(name), secrets{
		RSA: x509.MarshalPKCS1PrivateKey(id.RSA), Ed25519: id.Ed25519.Seed(), Created: now})
}

func getSecrets(tx store.Tx, name, actor string) (*Identity, time.Time, error) {
	var s secrets
	if err := getJSON(tx, store.SecretKey(name), &s); err != nil {
		return nil, time.Time{}, err
	}
	key, err := x509.ParsePKCS1PrivateKey(s.RSA)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read RSA key of %s: %w", actor, err)
	}
	if len(s.Ed25519) != ed25519.SeedSize {
		return nil, time.Time{}, fmt.Errorf("read Ed25519 key of %s: wrong size", actor)
	}
	return &Identity{Actor: actor, RSA: key, Ed25519: ed25519.NewKeyFromSeed(s.Ed25519)}, s.Created, nil
}

// loadHosts reads the keys of what lives here. A node that was moved to
// another base URL is refused: its IRIs are signed into everything it said.
func (d *Directory) loadHosts(tx store.Tx) error {
	id, _, err := getSecrets(tx, secretApplication, d.ApplicationIRI())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	d.application = id
	for cid, c := range d.communities {
		if !c.Hosted {
			continue
		}
		if protocol.Origin(c.Actor) != d.cfg.Base {
			return protocol.Errorf("open directory", protocol.Conflict, c.Handle,
				"this data folder was set up for %s, not for %s; start it with --base-url %s", protocol.Origin(c.Actor), d.cfg.Base, protocol.Origin(c.Actor))
		}
		id, created, err := getSecrets(tx, secretCommunity(cid), c.Actor)
		if err != nil {
			return err
		}
		last, err := lastVersion(tx, cid)
		if err != nil {
			return err
		}
		d.hosted[cid] = &host{community: c, identity: id, created: created, last: last}
	}
	return nil
}

// lastVersion is the highest version that an edit of the community has.
func lastVersion(tx store.Tx, cid string) (uint64, error) {
	for item, err := range tx.Scan(store.Range{Prefix: store.ChangePrefix(cid), Reverse: true, Limit: 1, KeysOnly: true}) {
		if err != nil {
			return 0, err
		}
		return store.KeyNumber(item.Key), nil
	}
	return 0, nil
}

// ApplicationIRI is the IRI of this node's Application actor.
func (d *Directory) ApplicationIRI() string { return vocab.ApplicationIRI(d.cfg.Base) }

// Application is the node's own actor, nil before init.
func (d *Directory) Application() *Identity {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.application
}

// Identity returns the keys of one of our actors, and nil for all others.
func (d *Directory) Identity(actor string) *Identity {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.application != nil && d.application.Actor == actor {
		return d.application
	}
	if h := d.hosted[d.byActor[actor]]; h != nil {
		return h.identity
	}
	return nil
}

// IsOwnActor reports whether the IRI is an actor of this node.
func (d *Directory) IsOwnActor(iri string) bool { return d.Identity(iri) != nil }

func (d *Directory) ownActors() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]string, 0, len(d.hosted)+1)
	if d.application != nil {
		list = append(list, d.application.Actor)
	}
	for _, h := range d.hosted {
		list = append(list, h.community.Actor)
	}
	return list
}

// ActorDocument writes the document of one of our actors.
func (d *Directory) ActorDocument(iri string) ([]byte, error) {
	id := d.Identity(iri)
	if id == nil {
		return nil, protocol.Errorf("read actor", protocol.NotFound, iri, "there is no such actor on this node")
	}
	k, err := id.Keys()
	if err != nil {
		return nil, err
	}
	if iri == d.ApplicationIRI() {
		return vocab.Application(d.cfg.Base, k)
	}
	d.mu.RLock()
	h := d.hosted[d.byActor[iri]]
	d.mu.RUnlock()
	return vocab.Group(h.community, k, h.created)
}

func hostOf(iri string) string {
	u, err := url.Parse(iri)
	if err != nil {
		return ""
	}
	return u.Host
}
