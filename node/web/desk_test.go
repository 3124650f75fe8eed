package web_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

func TestAPI_APrivateListingIsNotToldFromNone(t *testing.T) {
	w := open(t, base, nil)
	w.publish(protocol.Listing{Kind: "need", Title: "for us", Visibility: "local", UID: uidFor("local")},
		protocol.Listing{Kind: "need", Title: "erased", Visibility: "local", UID: uidFor("erased")},
		protocol.Listing{Kind: "need", Title: "removed", Visibility: "local", UID: uidFor("removed")})
	must(t, w.dir.Remove(t.Context(), w.bexley.CID, uidFor("erased"), true))
	must(t, w.dir.Remove(t.Context(), w.bexley.CID, uidFor("removed"), false))
	reader := w.token(steward.ScopeCoordinatorsRead)
	for _, query := range []string{"", "?community=bexley_digital"} {
		for _, header := range [][]string{nil, {"Authorization", reader}} {
			words := func(name string) string {
				rec := w.get("/api/v1/listings/"+uidFor(name)+query, header...)
				wantProblem(t, rec, 404, "")
				return strings.ReplaceAll(rec.Body.String(), uidFor(name), "UID")
			}
			for _, name := range []string{"local", "erased", "removed"} {
				if got, want := words(name), words("never was"); got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
		}
	}
}

func TestAPI_NextNamesOnlyWhatTheCallerSees(t *testing.T) {
	w := open(t, base, nil)
	seen := map[string]bool{}
	var list []protocol.Listing
	for i := range 40 {
		l := protocol.Listing{Kind: "need", Title: fmt.Sprintf("need %d", i), Visibility: "local", UID: uidFor(fmt.Sprint(i))}
		if i%4 == 0 {
			l.Visibility = "coordinators"
			seen[l.UID] = true
		}
		list = append(list, l)
	}
	w.publish(list...)
	reader, found := w.token(steward.ScopeCoordinatorsRead), 0
	for path := "/api/v1/listings?limit=3"; path != ""; {
		page := decode[struct {
			Listings []protocol.Listing
			Next     string
		}](t, w.get(path, "Authorization", reader))
		found += len(page.Listings)
		path = page.Next
		if u, err := url.Parse(path); err != nil || path != "" && (!seen[u.Query().Get("after")] || len(page.Listings) != 3) {
			t.Errorf("%d listings, next is %s: %v", len(page.Listings), path, err)
		}
	}
	if found != len(seen) {
		t.Errorf("found %d listings, want %d", found, len(seen))
	}
}

func TestAPI_WhatHasRunOutIsForTheAdminOnly(t *testing.T) {
	w := open(t, base, nil)
	l := w.publish(protocol.Listing{Kind: "offer", Title: "Until tomorrow", ValidUntil: protocol.Date("2027-03-02")})[0]
	reader, writer := w.token(steward.ScopeCoordinatorsRead), w.token(steward.ScopeListingsWrite)
	want(t, w.get("/api/v1/listings"), 200, "Until tomorrow")
	w.now = w.now.Add(48 * time.Hour)
	for _, header := range [][]string{nil, {"Authorization", reader}, {"Authorization", writer}} {
		wantNone(t, w.get("/api/v1/listings", header...), "Until tomorrow")
		wantProblem(t, w.get("/api/v1/listings/"+l.UID, header...), 410, "run out")
	}
	want(t, w.admin("GET", "/listings", ""), 200, "Until tomorrow")
	want(t, w.admin("GET", "/listings/"+l.UID, ""), 200, "Until tomorrow")
}

// sending is the state of deliveries, as a test puts it.
type sending []federation.InboxState

func (s sending) Waiting(context.Context) (int, error) { return len(s), nil }

func (s sending) Inboxes(context.Context) ([]federation.InboxState, error) { return s, nil }

func TestStatus_FailingInboxesAreOneLineAHost(t *testing.T) {
	inboxes := sending{{Inbox: "https://other.example/inbox", Fails: 1, Reason: "timed out"}, {Inbox: "https://well.example/inbox"}}
	for i := range 300 {
		inboxes = append(inboxes, federation.InboxState{Inbox: fmt.Sprintf("https://fedi.example/users/u%d/inbox", i), Fails: 3, Reason: "connection refused"})
	}
	w := open(t, base, func(c *web.Config) { c.Deliveries = inboxes })
	s := decode[web.Status](t, w.admin("GET", "/status", ""))
	if len(s.Problems) != 2 || !strings.HasPrefix(s.Problems[1], "fedi.example: 300 inboxes: connection refused") ||
		!strings.HasPrefix(s.Problems[0], "other.example: 1 inbox: timed out") || len(s.Inboxes) != 301 {
		t.Errorf("%d inboxes, problems %q", len(s.Inboxes), s.Problems)
	}
	link, err := w.web.SignInLink(t.Context(), "Ada")
	must(t, err)
	c := w.do("POST", "/sign-in", link.URL[strings.Index(link.URL, "?")+1:], "Content-Type", "application/x-www-form-urlencoded").Result().Cookies()[0]
	rec := w.get("/node", "Cookie", c.Name+"="+c.Value)
	want(t, rec, 200, "fedi.example: 300 inboxes")
	wantNone(t, rec, "/users/u7/inbox")
}
