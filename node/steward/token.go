package steward

import (
	"context"
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// The scopes that a token can have.
const (
	ScopeListingsWrite    = "listings:write"
	ScopeCoordinatorsRead = "coordinators:read"
)

// Scopes lists the scopes in words.
func Scopes() []protocol.Term {
	return []protocol.Term{
		{Key: ScopeListingsWrite, Label: "Add, change and remove listings"},
		{Key: ScopeCoordinatorsRead, Label: "Read listings that are for co-ordinators only"},
	}
}

const maxTokenName = 80 // characters

// Token is an API token as it is listed: everything but its secret.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"` // what it is for, in the steward's words
	Scopes  []string  `json:"scopes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Has reports whether the token was given a scope.
func (t Token) Has(scope string) bool { return slices.Contains(t.Scopes, scope) }

// tokenRow is what lies under [store.TokenKey]: an API token or, with Link, a
// sign-in link that was not used yet.
type tokenRow struct {
	Token
	Link bool   `json:"link,omitempty"`
	For  string `json:"for,omitempty"` // of a link: whom it is for
}

// NewToken is what [Steward.CreateToken] needs to know.
type NewToken struct {
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// CreateToken makes an API token and returns its secret, which is kept
// nowhere. An error of kind Invalid says what to mend.
func (s *Steward) CreateToken(ctx context.Context, n NewToken) (secret string, t Token, err error) {
	const op = "create token"
	now := s.now().UTC().Truncate(time.Second)
	n.Name = strings.TrimSpace(n.Name)
	var wrong protocol.FieldErrors
	if utf8.RuneCountInString(n.Name) > maxTokenName {
		wrong = append(wrong, protocol.FieldError{Field: "name", Problem: "is longer than 80 characters; shorten it"})
	}
	if len(n.Scopes) == 0 {
		wrong = append(wrong, protocol.FieldError{Field: "scopes", Problem: "is missing; give at least one of " + scopeWords()})
	}
	for _, scope := range n.Scopes {
		if !protocol.Has(Scopes(), scope) {
			wrong = append(wrong, protocol.FieldError{Field: "scopes", Problem: "has an unknown scope; those known are " + scopeWords()})
			break
		}
	}
	if over(n.Expires, now) {
		wrong = append(wrong, protocol.FieldError{Field: "expires", Problem: "is in the past; give a later time, or none"})
	}
	if len(wrong) > 0 {
		return "", Token{}, &protocol.Error{Op: op, Kind: protocol.Invalid, Err: wrong}
	}
	secret, hash, err := s.newSecret(tokenPrefix)
	if err != nil {
		return "", Token{}, err
	}
	scopes := slices.Clone(n.Scopes)
	slices.Sort(scopes)
	t = Token{ID: idOf(hash), Name: n.Name, Scopes: slices.Compact(scopes), Created: now, Expires: n.Expires.UTC()}
	err = s.store.Update(ctx, func(tx store.Tx) error { return putJSON(tx, store.TokenKey(hash), tokenRow{Token: t}) })
	return secret, t, err
}

func scopeWords() string {
	words := make([]string, 0, 2)
	for _, t := range Scopes() {
		words = append(words, t.Key)
	}
	return strings.Join(words, ", ")
}

// Tokens lists the API tokens, newest first. Those past their time are left
// out.
func (s *Steward) Tokens(ctx context.Context) ([]Token, error) {
	list := []Token{}
	err := s.rows(ctx, store.TokenPrefix(), func(_ [32]byte, value []byte) error {
		var row tokenRow
		if err := json.Unmarshal(value, &row); err != nil {
			return err
		}
		if !row.Link && !over(row.Expires, s.now()) {
			list = append(list, row.Token)
		}
		return nil
	})
	sort.SliceStable(list, func(i, j int) bool { return list[i].Created.After(list[j].Created) })
	return list, err
}

// RevokeToken makes the token of that id useless at once. The error is of kind
// NotFound when there is none.
func (s *Steward) RevokeToken(ctx context.Context, id string) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{Prefix: store.TokenPrefix()}) {
			if err != nil {
				return err
			}
			var row tokenRow
			if err := json.Unmarshal(item.Value, &row); err != nil {
				return err
			}
			if !row.Link && row.ID == id {
				return tx.Delete(item.Key)
			}
		}
		return protocol.Errorf("revoke token", protocol.NotFound, id, "there is no token with that id; see: waypost token list")
	})
}

// CheckToken returns the token of a secret when it has the scope. Kinds of
// error: Unverified (no such token, or past its time), Forbidden (another
// scope is needed).
func (s *Steward) CheckToken(ctx context.Context, secret, scope string) (Token, error) {
	const op = "check token"
	unknown := protocol.Errorf(op, protocol.Unverified, "", "this token is not known here, was revoked or has run out; ask the steward for a new one")
	hash, ok := hashOf(secret, tokenPrefix)
	if !ok {
		return Token{}, unknown
	}
	var row tokenRow
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		row = tokenRow{}
		ok, err = getJSON(tx, store.TokenKey(hash), &row)
		return err
	})
	switch {
	case err != nil:
		return Token{}, err
	case !ok || row.Link || over(row.Expires, s.now()):
		return Token{}, unknown
	case !row.Has(scope):
		return Token{}, protocol.Errorf(op, protocol.Forbidden, row.ID, "this token lacks the scope %s; ask the steward for one that has it", scope)
	}
	return row.Token, nil
}
