package steward_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t *testing.T) (*steward.Steward, store.Store, *clock) {
	t.Helper()
	s := storetest.Open(t)
	c := &clock{time.Date(2027, 3, 2, 10, 0, 0, 0, time.UTC)}
	return steward.New(steward.Config{Store: s, Now: c.now}), s, c
}

func wantKind(t *testing.T, err error, want protocol.ErrorKind) {
	t.Helper()
	if got := protocol.KindOf(err); got != want {
		t.Fatalf("got error %v of kind %q, want kind %q", err, got, want)
	}
}

func TestToken_WorksForItsScopesUntilRevoked(t *testing.T) {
	s, _, _ := open(t)
	ctx := t.Context()
	secret, made, err := s.CreateToken(ctx, steward.NewToken{Name: "website", Scopes: []string{steward.ScopeListingsWrite}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "wp_") || len(secret) != len("wp_")+43 {
		t.Errorf("the secret has the form %q", secret)
	}
	got, err := s.CheckToken(ctx, secret, steward.ScopeListingsWrite)
	if err != nil || got.ID != made.ID || got.Name != "website" {
		t.Fatalf("got %+v, %v", got, err)
	}
	_, err = s.CheckToken(ctx, secret, steward.ScopeCoordinatorsRead)
	wantKind(t, err, protocol.Forbidden)
	if err := s.RevokeToken(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.CheckToken(ctx, secret, steward.ScopeListingsWrite)
	wantKind(t, err, protocol.Unverified)
	wantKind(t, s.RevokeToken(ctx, made.ID), protocol.NotFound)
}

func TestToken_StrangersTextIsRefused(t *testing.T) {
	s, _, _ := open(t)
	code, _, err := s.CreateLink(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := s.SignIn(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	unused, _, err := s.CreateLink(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "wp_", "wp_" + strings.Repeat("A", 43), strings.Repeat("x", 1<<20), secret, unused,
		"wp_" + strings.TrimPrefix(secret, "wps_"), "wp_" + strings.TrimPrefix(unused, "wpl_")} {
		_, err := s.CheckToken(t.Context(), text, steward.ScopeListingsWrite)
		wantKind(t, err, protocol.Unverified)
	}
}

func TestToken_RunsOut(t *testing.T) {
	s, db, c := open(t)
	ctx := t.Context()
	secret, _, err := s.CreateToken(ctx, steward.NewToken{Scopes: []string{steward.ScopeListingsWrite}, Expires: c.t.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Hour)
	_, err = s.CheckToken(ctx, secret, steward.ScopeListingsWrite)
	wantKind(t, err, protocol.Unverified)
	if list, err := s.Tokens(ctx); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	if err := s.ForgetExpired(ctx); err != nil {
		t.Fatal(err)
	}
	if left := storetest.Dump(t, db); len(left) != 0 {
		t.Errorf("%d rows are left", len(left))
	}
}

func TestToken_WrongWishesAreNamed(t *testing.T) {
	s, _, c := open(t)
	for field, n := range map[string]steward.NewToken{
		"scopes":  {Name: "no scopes"},
		"name":    {Name: strings.Repeat("é", 81), Scopes: []string{steward.ScopeListingsWrite}},
		"expires": {Scopes: []string{steward.ScopeListingsWrite}, Expires: c.t},
		"scopes ": {Scopes: []string{"everything"}},
	} {
		_, _, err := s.CreateToken(t.Context(), n)
		wantKind(t, err, protocol.Invalid)
		if !strings.Contains(err.Error(), strings.TrimSpace(field)+" ") {
			t.Errorf("%q does not name %s", err, field)
		}
	}
}

func TestStore_HoldsNoSecret(t *testing.T) {
	s, db, _ := open(t)
	token, _, err := s.CreateToken(t.Context(), steward.NewToken{Scopes: []string{steward.ScopeListingsWrite}})
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := s.CreateLink(t.Context(), "ada@riverside.example")
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := s.CreateLink(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := s.SignIn(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range storetest.Dump(t, db) {
		if !strings.HasPrefix(key, string(store.PrivatePrefix())) {
			t.Errorf("the key %q is not private", key)
		}
		for _, secret := range []string{token, code, other, session} {
			if strings.Contains(key+value, secret[4:]) {
				t.Errorf("a secret lies in the store in the clear, under %q", key)
			}
		}
	}
}

func TestSignIn_CodeWorksOnceEvenWhenUsedTwiceAtOnce(t *testing.T) {
	s, _, _ := open(t)
	code, _, err := s.CreateLink(t.Context(), "Ada")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // looking does not use it up: link previews look
		if err := s.CheckLink(t.Context(), code); err != nil {
			t.Fatal(err)
		}
	}
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, _, errs[i] = s.SignIn(t.Context(), code) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantKind(t, err, protocol.Gone)
	}
	if won != 1 {
		t.Errorf("%d of %d got in, want 1", won, len(errs))
	}
	wantKind(t, s.CheckLink(t.Context(), code), protocol.Gone)
}

func TestSignIn_CodeRunsOutAfterADay(t *testing.T) {
	s, _, c := open(t)
	code, expires, err := s.CreateLink(t.Context(), "")
	if err != nil || !expires.Equal(c.t.Add(24*time.Hour)) {
		t.Fatalf("expires %v, %v", expires, err)
	}
	c.t = expires
	_, _, err = s.SignIn(t.Context(), code)
	wantKind(t, err, protocol.Gone)
}

func TestSession_HoldsThirtyDaysAndCanBeEnded(t *testing.T) {
	s, _, c := open(t)
	ctx := t.Context()
	signIn := func() (string, steward.Session) {
		code, _, err := s.CreateLink(ctx, "Ada")
		if err != nil {
			t.Fatal(err)
		}
		secret, session, err := s.SignIn(ctx, code)
		if err != nil {
			t.Fatal(err)
		}
		return secret, session
	}
	mine, _ := signIn()
	lost, lostSession := signIn()
	if got, err := s.Session(ctx, mine); err != nil || got.For != "Ada" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if list, err := s.Sessions(ctx); err != nil || len(list) != 2 {
		t.Fatalf("got %v, %v", list, err)
	}
	if err := s.EndSession(ctx, lostSession.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.Session(ctx, lost)
	wantKind(t, err, protocol.Unverified)
	wantKind(t, s.EndSession(ctx, lostSession.ID), protocol.NotFound)

	c.t = c.t.Add(steward.SessionLife - time.Second)
	if _, err := s.Session(ctx, mine); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Second)
	_, err = s.Session(ctx, mine)
	wantKind(t, err, protocol.Unverified)

	again, _ := signIn()
	if err := s.SignOut(ctx, again); err != nil {
		t.Fatal(err)
	}
	_, err = s.Session(ctx, again)
	wantKind(t, err, protocol.Unverified)
}
