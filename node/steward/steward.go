// Package steward knows who may do what on this node: API tokens for programs,
// one-time links by which a steward signs in, and the sessions that follow.
//
// All three are secrets of 256 random bits that are shown once. The store
// holds their SHA-256 and never the secret, under the private prefix that is
// neither logged nor synced, so that a stolen copy of the data folder opens no
// door. A secret is found by its hash: how long that takes says nothing about
// any other secret, which is why no slower comparison is needed.
package steward

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// Config says what a [Steward] works on. Store is needed.
type Config struct {
	Store store.Store
	Now   func() time.Time // time.Now when nil
	Rand  io.Reader        // crypto/rand when nil
}

// Steward keeps tokens, sign-in links and sessions. Its methods may be called
// concurrently; what they wrote is durable when they return.
type Steward struct {
	store store.Store
	now   func() time.Time
	rand  io.Reader
}

// New returns a Steward over a store.
func New(cfg Config) *Steward {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Steward{store: cfg.Store, now: cfg.Now, rand: cfg.Rand}
}

// The beginnings of secrets, so that one sort never passes for another and a
// leaked one is recognised in a log or a repository.
const (
	tokenPrefix   = "wp_"
	linkPrefix    = "wpl_"
	sessionPrefix = "wps_"
)

// newSecret returns a secret and its hash.
func (s *Steward) newSecret(prefix string) (secret string, hash [32]byte, err error) {
	random := make([]byte, 32)
	if _, err := io.ReadFull(s.rand, random); err != nil {
		return "", hash, &protocol.Error{Op: "make secret", Kind: protocol.Internal, Err: err}
	}
	secret = prefix + base64.RawURLEncoding.EncodeToString(random)
	return secret, sha256.Sum256([]byte(secret)), nil
}

// hashOf returns the hash of a secret of the right sort, and false for all
// else: strangers' text of any length is not hashed.
func hashOf(secret, prefix string) (hash [32]byte, ok bool) {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(rest) != base64.RawURLEncoding.EncodedLen(32) {
		return hash, false
	}
	return sha256.Sum256([]byte(secret)), true
}

// idOf names a row in lists without giving away its secret.
func idOf(hash [32]byte) string { return hex.EncodeToString(hash[:6]) }

// hashIn takes the hash that ends a key.
func hashIn(key []byte) (hash [32]byte) {
	copy(hash[:], key[len(key)-32:])
	return hash
}

func getJSON(tx store.Tx, key []byte, into any) (found bool, err error) {
	raw, err := tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(raw, into)
}

func putJSON(tx store.Tx, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(key, raw)
}

// rows calls fn with every row under prefix.
func (s *Steward) rows(ctx context.Context, prefix []byte, fn func(hash [32]byte, value []byte) error) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			if err := fn(hashIn(item.Key), item.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// expirer is what every row tells about its end.
type expirer struct {
	Expires time.Time `json:"expires"`
}

// ForgetExpired removes tokens, links and sessions that are past their time.
// The node runs it now and then; until then they are refused all the same.
func (s *Steward) ForgetExpired(ctx context.Context) error {
	now := s.now()
	return s.store.Update(ctx, func(tx store.Tx) error {
		for _, prefix := range [][]byte{store.TokenPrefix(), store.SessionPrefix()} {
			for item, err := range tx.Scan(store.Range{Prefix: prefix}) {
				if err != nil {
					return err
				}
				var e expirer
				if err := json.Unmarshal(item.Value, &e); err != nil {
					return err
				}
				if !over(e.Expires, now) {
					continue
				}
				if err := tx.Delete(item.Key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// over reports whether a time that may be zero, meaning never, has come.
func over(expires, now time.Time) bool { return !expires.IsZero() && !now.Before(expires) }
