package federation

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/transport"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/httpsig"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// Bounds of the cache of other servers' actors.
const (
	actorTTL            = 24 * time.Hour
	refreshEvery        = 5 * time.Minute  // how often a failed signature may fetch a key anew
	refreshAfterFailure = 10 * time.Second // the same when that fetch itself failed
	failureTTL          = 2 * time.Minute  // how long a failed fetch is remembered

	maxCached     = 500 // actors in memory, each of vocab.MaxActorBytes at most
	fetchBudget   = 20  // requests that one incoming activity may cause
	maxCharterDoc = 512 << 10
)

// Actors finds other servers' actors and keys, keeps them for a day, and
// fetches charters and objects. What it fetched lies in memory only, until
// somebody says with Keep or Refresh that it is worth a place on the disk:
// anybody can have an actor fetched by naming its key. It implements directory.Resolver. What it
// returns was served by its own origin over the guarded transport; proofs are
// checked by whoever asked.
type Actors struct {
	Client *transport.Client
	Store  store.Store
	Signer func() transport.Signer // the Application, which secure-mode servers want on every GET
	Now    func() time.Time

	mu     sync.Mutex
	cached map[string]*cachedActor // by IRI; guarded by mu
	owners map[string]string       // IRI of a key's own document -> its actor; guarded by mu
}

// cachedActor is an actor with its parsed key. Everything in it is read-only
// but refreshed and failed.
type cachedActor struct {
	actor     protocol.Actor
	key       crypto.PublicKey
	fetched   time.Time
	refreshed time.Time // guarded by Actors.mu: last forced fetch
	failed    time.Time // guarded by Actors.mu: last fetch that its server did not answer
	err       error     // the fetch failed; kept for failureTTL
}

// actorRow is how an actor lies in the store.
type actorRow struct {
	Raw     json.RawMessage `json:"raw"`
	Fetched time.Time       `json:"fetched"`
}

// Actor returns an actor's document, from the cache when it is fresh.
func (a *Actors) Actor(ctx context.Context, iri string) (protocol.Actor, error) {
	c, err := a.lookup(ctx, iri, false)
	if err != nil {
		return protocol.Actor{}, err
	}
	return c.actor, nil
}

// Cached returns an actor's document from the cache however old it is; it
// never uses the network.
func (a *Actors) Cached(ctx context.Context, iri string) (protocol.Actor, error) {
	if c := a.inMemory(iri); c != nil && c.err == nil {
		return c.actor, nil
	}
	c, err := a.fromStore(ctx, iri)
	if err != nil {
		return protocol.Actor{}, err
	}
	return c.actor, nil
}

// Refresh fetches an actor anew whatever the cache says, and keeps it on disk.
func (a *Actors) Refresh(ctx context.Context, iri string) (protocol.Actor, error) {
	c, err := a.fetch(ctx, iri)
	if err != nil {
		return protocol.Actor{}, err
	}
	return c.actor, a.putRow(ctx, iri, c)
}

func (a *Actors) inMemory(iri string) *cachedActor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cached[iri]
}

// lookup goes through memory, the store and the network. force skips the
// caches, at most once in refreshEvery for each actor.
func (a *Actors) lookup(ctx context.Context, iri string, force bool) (*cachedActor, error) {
	c := a.inMemory(iri)
	if c == nil {
		var err error
		if c, err = a.fromStore(ctx, iri); err == nil {
			a.keep(iri, c)
		}
	}
	if c != nil {
		now := a.Now()
		switch {
		case c.err != nil && now.Sub(c.fetched) < failureTTL:
			return nil, c.err
		case c.err == nil && !a.wantsFetch(iri, c, now, force):
			return c, nil
		}
	}
	got, err := a.fetch(ctx, iri)
	if err != nil && force {
		a.mayRefreshSoon(iri)
	}
	if err != nil && c != nil && c.err == nil && protocol.KindOf(err) == protocol.Unavailable && !force {
		return c, nil // stale beats nothing while its server is away
	}
	return got, err
}

// wantsFetch reports whether a document that we have is to be fetched anew:
// because somebody asks for it, now and then, or because it is old, unless its
// server just failed to answer.
func (a *Actors) wantsFetch(iri string, c *cachedActor, now time.Time, force bool) bool {
	if force {
		return a.mayRefresh(iri, c, now)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return now.Sub(c.fetched) >= actorTTL && now.Sub(c.failed) >= failureTTL
}

// mayRefresh asks the entry that is in the cache now: another request may have
// replaced c meanwhile.
// mayRefreshSoon gives back most of the wait after a forced fetch that brought
// nothing: a key that was changed while its server was away must not stay
// unknown for all of it.
func (a *Actors) mayRefreshSoon(iri string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.cached[iri]; c != nil {
		c.refreshed = c.refreshed.Add(refreshAfterFailure - refreshEvery)
	}
}

func (a *Actors) mayRefresh(iri string, c *cachedActor, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if newer := a.cached[iri]; newer != nil {
		c = newer
	}
	if now.Sub(c.refreshed) < refreshEvery {
		return false
	}
	c.refreshed = now
	return true
}

func (a *Actors) fromStore(ctx context.Context, iri string) (*cachedActor, error) {
	var row actorRow
	err := a.Store.View(ctx, func(tx store.Tx) error {
		raw, err := tx.Get(store.RemoteKey(iri))
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &row)
	})
	if err != nil {
		return nil, err
	}
	return parseActor(row.Raw, row.Fetched)
}

func parseActor(raw []byte, fetched time.Time) (*cachedActor, error) {
	actor, err := vocab.ParseActor(raw)
	if err != nil {
		return nil, err
	}
	c := &cachedActor{actor: actor, fetched: fetched}
	if actor.PublicKeyPEM != "" {
		if c.key, err = httpsig.ParsePublicKey(actor.PublicKeyPEM); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// fetch gets an actor from its own server. The document must say that it is
// the very thing that was asked for, or an attacker's server could speak for
// another's actor (CVE-2024-23832).
func (a *Actors) fetch(ctx context.Context, iri string) (*cachedActor, error) {
	c, err := a.fetchActor(ctx, iri)
	if err != nil {
		a.keepFailure(iri, err)
		return nil, err
	}
	a.keep(iri, c)
	if !a.onDisk(ctx, iri) {
		return c, nil
	}
	return c, a.putRow(ctx, iri, c) // what is kept is kept up to date
}

func (a *Actors) fetchActor(ctx context.Context, iri string) (*cachedActor, error) {
	resp, err := a.get(ctx, iri)
	if err != nil {
		return nil, err
	}
	c, err := parseActor(resp.Body, a.Now())
	if err != nil {
		return nil, err
	}
	if c.actor.ID != iri {
		return nil, protocol.Errorf("fetch actor", protocol.Unverified, iri, "the document there says that it is %s", clip(c.actor.ID))
	}
	if c.actor.KeyID != "" && protocol.Origin(c.actor.KeyID) != protocol.Origin(iri) {
		return nil, protocol.Errorf("fetch actor", protocol.Unverified, iri, "its key is on another host")
	}
	return c, nil
}

// get fetches an actor's or a key's document. A redirect to another origin is
// no answer: only its own host speaks for it.
func (a *Actors) get(ctx context.Context, iri string) (transport.Response, error) {
	resp, err := a.Client.Get(ctx, iri, transport.GetOptions{Accept: transport.AcceptActivity, Signer: a.signer(),
		MaxBytes: vocab.MaxActorBytes, Media: transport.IsActivity})
	if err == nil && protocol.Origin(resp.URL) != protocol.Origin(iri) {
		err = protocol.Errorf("fetch actor", protocol.Unverified, iri, "its host sent us on to another one")
	}
	return resp, err
}

// keepFailure remembers for a while that an actor could not be fetched. What
// failed on our side is not held against it, or a stranger could break off
// requests on purpose and so shut somebody else out; and a server that does not
// answer does not cost us the document that we have.
func (a *Actors) keepFailure(iri string, err error) {
	var f *transport.Failure
	if errors.As(err, &f) {
		switch f.Reason {
		case transport.ReasonCancelled, transport.ReasonBudget, transport.ReasonBusy, transport.ReasonSigning:
			return
		}
	}
	if c := a.inMemory(iri); c != nil && c.err == nil && protocol.KindOf(err) == protocol.Unavailable {
		a.mu.Lock()
		defer a.mu.Unlock()
		c.failed = a.Now()
		return
	}
	a.keep(iri, &cachedActor{err: err, fetched: a.Now()})
}

func (a *Actors) keep(iri string, c *cachedActor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cached == nil {
		a.cached = make(map[string]*cachedActor)
	}
	if old := a.cached[iri]; old != nil {
		c.refreshed = old.refreshed // or every forged signature would cost a fetch
	}
	if len(a.cached) >= maxCached {
		for old := range a.cached { // any one will do: those that matter are in the store
			delete(a.cached, old)
			break
		}
	}
	a.cached[iri] = c
}

func (a *Actors) signer() transport.Signer {
	if a.Signer == nil {
		return nil
	}
	return a.Signer()
}

// KeyOf returns the public key of a keyId and the actor that it belongs to. The
// actor's own document must list the key; when it does not, the actor comes
// with the error, for its document may be old. force fetches it anew.
func (a *Actors) KeyOf(ctx context.Context, keyID string, force bool) (crypto.PublicKey, string, error) {
	c, err := a.holder(ctx, keyID, force)
	if err != nil {
		return nil, "", keyError{err}
	}
	if key, ok := c.multikey(keyID); ok {
		return key, c.actor.ID, nil
	}
	if c.key == nil || c.actor.KeyID != keyID {
		return nil, c.actor.ID, protocol.Errorf("find key", protocol.Unverified, keyID, "its owner does not list this key")
	}
	return c.key, c.actor.ID, nil
}

// holder finds the actor of a key: the keyId is a fragment of its IRI or, with
// GoToSocial, a document of its own that names the actor.
func (a *Actors) holder(ctx context.Context, keyID string, force bool) (*cachedActor, error) {
	iri, _, _ := strings.Cut(keyID, "#")
	first := a.holderOf(keyID)
	c, err := a.lookup(ctx, first, force)
	if first != iri {
		return c, err
	}
	if kind := protocol.KindOf(err); kind != protocol.Unverified && kind != protocol.Invalid {
		return c, err
	}
	owner := a.ownerOf(ctx, iri)
	if owner == "" {
		return nil, err
	}
	if c, err = a.lookup(ctx, owner, force); err == nil && c.lists(keyID) {
		a.keepOwner(iri, owner)
	}
	return c, err
}

// holderOf is where to look for the actor of a key first.
func (a *Actors) holderOf(keyID string) string {
	iri, _, _ := strings.Cut(keyID, "#")
	a.mu.Lock()
	defer a.mu.Unlock()
	if owner := a.owners[iri]; owner != "" {
		return owner
	}
	return iri
}

// keyError is a failure to get at a key's owner. Its words are for our log: they
// tell what our network and other hosts look like from here.
type keyError struct{ err error }

func (e keyError) Error() string { return e.err.Error() }
func (e keyError) Unwrap() error { return e.err }

// lists reports whether the actor's own document names the key.
func (c *cachedActor) lists(keyID string) bool {
	_, ok := c.actor.Assertion[keyID]
	return ok || c.actor.KeyID == keyID
}

func (a *Actors) keepOwner(keyDoc, owner string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owners == nil || len(a.owners) >= maxCached {
		a.owners = map[string]string{}
	}
	a.owners[keyDoc] = owner
}

func (c *cachedActor) multikey(keyID string) (crypto.PublicKey, bool) {
	multibase, ok := c.actor.Assertion[keyID]
	if !ok {
		return nil, false
	}
	key, err := httpsig.ParseMultikey(multibase)
	return key, err == nil
}

// ownerOf reads a key document and returns the actor that it says owns it, on
// the same origin only.
func (a *Actors) ownerOf(ctx context.Context, keyDoc string) string {
	resp, err := a.get(ctx, keyDoc)
	if err != nil {
		return ""
	}
	var doc struct {
		ID        string `json:"id"`
		Owner     string `json:"owner"`
		PublicKey struct {
			Owner string `json:"owner"`
		} `json:"publicKey"`
	}
	if json.Unmarshal(resp.Body, &doc) != nil {
		return ""
	}
	for _, owner := range []string{doc.PublicKey.Owner, doc.Owner, doc.ID} {
		if owner != "" && owner != keyDoc && protocol.Origin(owner) == protocol.Origin(keyDoc) {
			return owner
		}
	}
	return ""
}

// Charter fetches the first charter of a community from a node.
func (a *Actors) Charter(ctx context.Context, cid, origin string) ([]byte, error) {
	const op = "fetch charter"
	url := origin + "/waypost/v1/communities/" + cid + "/charters"
	resp, err := a.Client.Get(ctx, url, transport.GetOptions{Accept: "application/json", Signer: a.signer(),
		MaxBytes: maxCharterDoc, Media: transport.IsJSON})
	if err != nil {
		return nil, err
	}
	if protocol.Origin(resp.URL) != protocol.Origin(url) {
		return nil, protocol.Errorf(op, protocol.Unverified, url, "its host sent us on to another one")
	}
	var doc struct {
		Charters []json.RawMessage `json:"charters"`
	}
	if err := json.Unmarshal(resp.Body, &doc); err != nil || len(doc.Charters) == 0 {
		return nil, protocol.Errorf(op, protocol.Invalid, url, "the answer holds no charter")
	}
	return doc.Charters[0], nil
}

// Object fetches the document at an IRI, from that IRI's own origin.
func (a *Actors) Object(ctx context.Context, iri string) ([]byte, error) {
	resp, err := a.Client.GetActivity(ctx, iri, a.signer())
	if err != nil {
		return nil, err
	}
	if protocol.Origin(resp.URL) != protocol.Origin(iri) {
		return nil, protocol.Errorf("fetch object", protocol.Unverified, iri, "its host sent us on to another one")
	}
	return resp.Body, nil
}

// verify checks a request's signature and returns who signed. When it fails
// against a cached key, the key is fetched once more: it may have been changed.
// ask is told the key's id before it is looked up, and may refuse.
func (a *Actors) verify(req *http.Request, body []byte, base string, ask func(keyID string) error) (httpsig.Verified, string, error) {
	ctx, cancel := context.WithTimeout(req.Context(), lookupTime)
	defer cancel()
	req = req.WithContext(ctx)
	v, owner, err := a.verifyOnce(req, body, base, ask)
	if err == nil || protocol.KindOf(err) != protocol.Unverified || errors.Is(err, context.Canceled) {
		return v, owner, err
	}
	if owner == "" {
		return v, owner, err
	}
	return a.verifyOnce(req, body, base, nil)
}

// verifyOnce fetches the key anew when nobody is to be asked.
func (a *Actors) verifyOnce(req *http.Request, body []byte, base string, ask func(keyID string) error) (v httpsig.Verified, owner string, err error) {
	v, err = httpsig.Verify(req, body, httpsig.VerifyOptions{
		Now:     a.Now(),
		BaseURL: base,
		KeyOf: func(ctx context.Context, keyID string) (key crypto.PublicKey, err error) {
			if ask != nil {
				if err := ask(keyID); err != nil {
					return nil, err
				}
			}
			key, owner, err = a.KeyOf(ctx, keyID, ask == nil)
			return key, err
		},
	})
	return v, owner, err
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
