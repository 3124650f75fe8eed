package steward

import (
	"context"
	"encoding/json"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// How long a sign-in link and a session hold.
const (
	LinkLife    = 24 * time.Hour
	SessionLife = 30 * 24 * time.Hour
)

const maxFor = 200 // characters

// Session is a steward's signed-in browser.
type Session struct {
	ID      string    `json:"id"`
	For     string    `json:"for,omitempty"` // whom the link was for: a name or e-mail address
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// CreateLink makes a code that signs one browser in, once, within [LinkLife].
// Who says whom it is for; it may be empty. The code is kept nowhere.
func (s *Steward) CreateLink(ctx context.Context, who string) (code string, expires time.Time, err error) {
	who = strings.TrimSpace(who)
	if utf8.RuneCountInString(who) > maxFor {
		return "", time.Time{}, protocol.Errorf("create sign-in link", protocol.Invalid, "", "the name is longer than %d characters; shorten it", maxFor)
	}
	code, hash, err := s.newSecret(linkPrefix)
	if err != nil {
		return "", time.Time{}, err
	}
	now := s.now().UTC().Truncate(time.Second)
	row := tokenRow{Token: Token{ID: idOf(hash), Created: now, Expires: now.Add(LinkLife)}, Link: true, For: who}
	err = s.store.Update(ctx, func(tx store.Tx) error { return putJSON(tx, store.TokenKey(hash), row) })
	return code, row.Expires, err
}

// CheckLink says whether a code could still be used, and does not use it up.
// The error is of kind Gone when it could not.
func (s *Steward) CheckLink(ctx context.Context, code string) error {
	return s.store.View(ctx, func(tx store.Tx) error {
		_, _, err := s.link(tx, code)
		return err
	})
}

func (s *Steward) link(tx store.Tx, code string) (key []byte, row tokenRow, err error) {
	gone := protocol.Errorf("sign in", protocol.Gone, "", "this sign-in link was used already or is older than a day; ask for a new one on the machine that runs this node")
	hash, ok := hashOf(code, linkPrefix)
	if !ok {
		return nil, row, gone
	}
	key = store.TokenKey(hash)
	found, err := getJSON(tx, key, &row)
	if err == nil && (!found || !row.Link || over(row.Expires, s.now())) {
		err = gone
	}
	return key, row, err
}

// SignIn uses a code up and begins a session. secret is for the browser's
// cookie and is kept nowhere. The error is of kind Gone when the code was used
// before, is unknown or too old; of two at the same time one is refused.
func (s *Steward) SignIn(ctx context.Context, code string) (secret string, session Session, err error) {
	secret, hash, err := s.newSecret(sessionPrefix)
	if err != nil {
		return "", Session{}, err
	}
	now := s.now().UTC().Truncate(time.Second)
	err = s.store.Update(ctx, func(tx store.Tx) error {
		key, row, err := s.link(tx, code)
		if err != nil {
			return err
		}
		if err := tx.Delete(key); err != nil {
			return err
		}
		session = Session{ID: idOf(hash), For: row.For, Created: now, Expires: now.Add(SessionLife)}
		return putJSON(tx, store.SessionKey(hash), session)
	})
	if err != nil {
		return "", Session{}, err
	}
	return secret, session, nil
}

// Session returns the session of a cookie's secret. The error is of kind
// Unverified when there is none or it is over.
func (s *Steward) Session(ctx context.Context, secret string) (Session, error) {
	none := protocol.Errorf("check session", protocol.Unverified, "", "you are not signed in, or your session is over; sign in with a new link")
	hash, ok := hashOf(secret, sessionPrefix)
	if !ok {
		return Session{}, none
	}
	var session Session
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		session = Session{}
		ok, err = getJSON(tx, store.SessionKey(hash), &session)
		return err
	})
	if err != nil {
		return Session{}, err
	}
	if !ok || over(session.Expires, s.now()) {
		return Session{}, none
	}
	return session, nil
}

// Sessions lists the sessions that hold, newest first.
func (s *Steward) Sessions(ctx context.Context) ([]Session, error) {
	list := []Session{}
	err := s.rows(ctx, store.SessionPrefix(), func(_ [32]byte, value []byte) error {
		var session Session
		if err := json.Unmarshal(value, &session); err != nil {
			return err
		}
		if !over(session.Expires, s.now()) {
			list = append(list, session)
		}
		return nil
	})
	sort.SliceStable(list, func(i, j int) bool { return list[i].Created.After(list[j].Created) })
	return list, err
}

// SignOut ends the session of a cookie's secret. It is not an error when there
// is none.
func (s *Steward) SignOut(ctx context.Context, secret string) error {
	hash, ok := hashOf(secret, sessionPrefix)
	if !ok {
		return nil
	}
	return s.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.SessionKey(hash)) })
}

// EndSession ends the session of that id, on whatever machine it is. The error
// is of kind NotFound when there is none.
func (s *Steward) EndSession(ctx context.Context, id string) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: store.SessionPrefix(), KeysOnly: true}) {
			if err != nil {
				return err
			}
			if idOf(hashIn(item.Key)) == id {
				return tx.Delete(item.Key)
			}
		}
		return protocol.Errorf("end session", protocol.NotFound, id, "there is no session with that id")
	})
}
