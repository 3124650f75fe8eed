package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

// token makes an API token.
func (w *world) token(scopes ...string) string {
	w.t.Helper()
	secret, _, err := w.steward.CreateToken(w.t.Context(), steward.NewToken{Name: "test", Scopes: scopes})
	must(w.t, err)
	return "Bearer " + secret
}

func wantProblem(t testing.TB, rec *httptest.ResponseRecorder, status int, words string, fields ...string) {
	t.Helper()
	want(t, rec, status, words)
	if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	p := decode[web.Problem](t, rec)
	if p.Status != status || p.Title != http.StatusText(status) || p.Type != "about:blank" || p.Detail == "" {
		t.Errorf("the problem is %+v", p)
	}
	for _, field := range fields {
		found := false
		for _, e := range p.Errors {
			found = found || e.Field == field && e.Problem != ""
		}
		if !found {
			t.Errorf("the problem does not name %s: %+v", field, p.Errors)
		}
	}
}

const dropIn = `{"kind":"event","title":"Drop-in","start":"2027-03-02T10:00:00Z","timezone":"Europe/London"}`

func TestAPI_ListingLivesFromPostToErase(t *testing.T) {
	w := open(t, base, nil)
	token := w.token(steward.ScopeListingsWrite)
	rec := w.do("POST", "/api/v1/listings", dropIn, "Authorization", token)
	want(t, rec, 201, `"outcome":"created"`)
	made := decode[web.Written](t, rec)
	path := "/api/v1/listings/" + made.UID
	if rec.Header().Get("Location") != path || made.URL != base+"/listings/"+made.UID || made.Version != 1 {
		t.Errorf("Location %q, %+v", rec.Header().Get("Location"), made)
	}
	want(t, w.get("/listings/"+made.UID), 200, "Drop-in")

	rec = w.get(path) // what is public needs no token
	want(t, rec, 200)
	whole := rec.Body.String()
	want(t, w.do("PUT", path, whole, "Authorization", token), 200, `"outcome":"unchanged"`)
	want(t, w.do("PUT", path, strings.Replace(whole, "Drop-in", "Tea and tablets", 1), "Authorization", token), 200, `"outcome":"changed"`, `"version":2`)
	wantProblem(t, w.do("POST", "/api/v1/listings", whole, "Authorization", token), 409, "use PUT")
	wantProblem(t, w.do("PUT", "/api/v1/listings/"+uidFor("another"), whole, "Authorization", token), 400, "in the address", "uid")
	want(t, w.do("PUT", "/api/v1/listings/"+uidFor("a new one"), dropIn, "Authorization", token), 201, `"outcome":"created"`)

	want(t, w.do("DELETE", path, "", "Authorization", token), 204)
	wantProblem(t, w.get(path), 410, "removed")
	want(t, w.do("PUT", path, whole, "Authorization", token), 201)
	want(t, w.do("DELETE", path+"?erase=true", "", "Authorization", token), 204)
	wantProblem(t, w.do("PUT", path, whole, "Authorization", token), 410, "erased for good")
	wantProblem(t, w.do("DELETE", "/api/v1/listings/"+uidFor("nothing"), "", "Authorization", token), 404, "no listing")
}

func TestAPI_WritingNeedsTheRightToken(t *testing.T) {
	w := open(t, base, nil)
	reader := w.token(steward.ScopeCoordinatorsRead)
	for _, c := range []struct {
		name, header string
		status       int
	}{
		{"none", "", 401}, {"made up", "Bearer wp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401}, {"another scheme", "Basic YTpi", 401},
		{"another scope", reader, 403}, {"garbage", "Bearer", 401}, {"huge", "Bearer " + strings.Repeat("x", 100_000), 401},
	} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			path := "/api/v1/listings"
			if method != "POST" {
				path += "/" + uidFor("x")
			}
			rec := w.do(method, path, dropIn, "Authorization", c.header)
			if c.header == "" {
				rec = w.do(method, path, dropIn)
			}
			wantProblem(t, rec, c.status, "token")
			if c.status == 401 && rec.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: no WWW-Authenticate", c.name, method)
			}
		}
	}
	wantProblem(t, w.get("/api/v1/listings", "Authorization", "Bearer wrong"), 401, "token")
	if list, err := w.dir.Listings(t.Context(), w.bexley.CID); err != nil || len(list) != 0 {
		t.Errorf("%d listings were stored, %v", len(list), err)
	}
}

func TestAPI_WrongListingsAreRefusedByField(t *testing.T) {
	w := open(t, base, nil)
	token := w.token(steward.ScopeListingsWrite)
	for _, c := range []struct {
		body   string
		status int
		field  string
	}{
		{`{"kind":"event","title":"No start"}`, 400, "start"},
		{`{"kind":"party","title":"x"}`, 400, "kind"},
		{`{"kind":"offer","title":"x","colour":"red"}`, 400, "colour"},
		{`{"kind":"offer","title":["x"]}`, 400, "title"},
		{`{"kind":"offer","title":"x","cid":"abc"}`, 400, ""},
		{`{"kind":"offer"`, 400, ""},
		{``, 400, ""},
		{`{"kind":"offer","title":"` + strings.Repeat("x", 300<<10) + `"}`, 413, ""},
	} {
		fields := []string{c.field}
		if c.field == "" {
			fields = nil
		}
		wantProblem(t, w.do("POST", "/api/v1/listings", c.body, "Authorization", token), c.status, "", fields...)
	}
}

func TestAPI_ListGoesPageByPageAndKeepsSecrets(t *testing.T) {
	w := open(t, base, nil)
	for _, title := range []string{"a", "b", "c", "d"} {
		w.publish(protocol.Listing{Kind: "offer", Title: title + " offer", Visibility: "public", UID: uidFor(title)})
	}
	w.publish(protocol.Listing{Kind: "need", Title: "for co-ordinators", Visibility: "coordinators"},
		protocol.Listing{Kind: "need", Title: "for us", Visibility: "local"})
	type listed struct {
		Listings []protocol.Listing
		Next     string
	}
	all := func(path, token string) (titles []string) {
		for path != "" {
			header := []string{"Authorization", token}
			if token == "" {
				header = nil
			}
			page := decode[listed](t, w.get(path, header...))
			for _, l := range page.Listings {
				titles = append(titles, l.Title)
			}
			path = page.Next
		}
		return titles
	}
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/api/v1/listings?limit=3", "", 4},
		{"/api/v1/listings?limit=1&community=bexley_digital", w.token(steward.ScopeCoordinatorsRead), 5},
		{"/api/v1/listings?limit=2&community=" + w.bexley.CID, w.token(steward.ScopeListingsWrite), 6},
		{"/api/v1/listings?kind=need", "", 0},
		{"/api/v1/listings?kind=need", w.token(steward.ScopeListingsWrite), 2},
	} {
		if got := all(c.path, c.token); len(got) != c.want {
			t.Errorf("%s gives %v, want %d", c.path, got, c.want)
		}
	}
	wantProblem(t, w.get("/api/v1/listings?limit=0"), 400, "limit", "limit")
	wantProblem(t, w.get("/api/v1/listings?kind=party"), 400, "kind", "kind")
	wantProblem(t, w.get("/api/v1/listings?community=nobody"), 400, "bexley_digital", "community")
}

func TestAPI_SeveralCommunitiesMustBeTold(t *testing.T) {
	w := open(t, base, nil)
	second := w.found(w.dir, directory.NewCommunity{Handle: "erith_makers", Name: "Erith Makers"})
	token := w.token(steward.ScopeListingsWrite)
	wantProblem(t, w.do("POST", "/api/v1/listings", dropIn, "Authorization", token), 400, "bexley_digital, erith_makers", "community")
	made := decode[web.Written](t, w.do("POST", "/api/v1/listings?community=erith_makers", dropIn, "Authorization", token))
	if _, err := w.dir.Get(t.Context(), second.CID, made.UID); err != nil {
		t.Error(err)
	}
	want(t, w.get("/api/v1/listings/"+made.UID), 200) // found without being told where
	want(t, w.do("DELETE", "/api/v1/listings/"+made.UID, "", "Authorization", token), 204)
}

func TestAPI_LearnedListingsAreNotItsOwn(t *testing.T) {
	w := sampled(t)
	path := "/api/v1/listings/" + uidFor("First steps in podcasting")
	wantProblem(t, w.get(path), 404, "/listings/")
	wantProblem(t, w.do("DELETE", path, "", "Authorization", w.token(steward.ScopeListingsWrite)), 404, "")
}

func TestOpenAPI_DescribesWhatIsThere(t *testing.T) {
	w := sampled(t)
	rec := w.get("/api/v1/openapi.json")
	want(t, rec, 200, `"openapi": "3.1.0"`)
	doc := decode[struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}](t, rec)
	for path, operations := range doc.Paths {
		for method := range operations {
			if method == "parameters" {
				continue
			}
			at := strings.NewReplacer("{uid}", uidFor("Tablet drop-in"), "{community}", "bexley_digital").Replace(path)
			rec := w.do(strings.ToUpper(method), at, "", "Accept", "application/json")
			if rec.Code == 404 || rec.Code == 405 {
				t.Errorf("%s %s is described and answers %d", method, path, rec.Code)
			}
		}
	}
	// The Listing of the document is the one of the code, field by field.
	described := doc.Components.Schemas["Listing"].Properties
	refused := regexp.MustCompile(`is not a field of a listing`)
	for name := range described {
		if _, err := protocol.DecodeListing([]byte(`{"` + name + `":null}`)); err != nil && refused.MatchString(err.Error()) {
			t.Errorf("the document describes %s, which is no field of a listing", name)
		}
	}
	for _, l := range samples(t, "bexley.json") {
		raw, err := json.Marshal(l)
		must(t, err)
		var fields map[string]any
		must(t, json.Unmarshal(raw, &fields))
		for name := range fields {
			if described[name] == nil {
				t.Errorf("the document lacks the field %s", name)
			}
		}
	}
	for name, terms := range map[string][]protocol.Term{"categories": protocol.Categories(), "modes": protocol.Modes(), "format": protocol.Formats(),
		"sub_kind": protocol.SubKinds(), "seeks": protocol.Seeks(), "level": protocol.Levels(), "status": protocol.Statuses(),
		"availability": protocol.Availabilities(), "kind": protocol.Kinds(), "visibility": protocol.Visibilities()} {
		for _, term := range terms {
			if !strings.Contains(string(described[name]), `"`+term.Key+`"`) {
				t.Errorf("the document's %s lacks %s", name, term.Key)
			}
		}
	}
}

// admin asks the admin interface.
func (w *world) admin(method, path, body string) *httptest.ResponseRecorder {
	return ask(w.web.Admin(), method, "/admin/v1"+path, body)
}

func TestAdmin_ImportTellsWhatBecameOfEachListing(t *testing.T) {
	w := open(t, base, nil)
	batch := `{"listings":[
		{"kind":"offer","title":"One","uid":"` + uidFor("one") + `"},
		{"kind":"event","title":"No start"},
		{"kind":"offer","title":"Three","uid":"` + uidFor("three") + `"}]}`
	first := decode[web.BatchResult](t, w.admin("POST", "/import", batch))
	if first.Created != 2 || first.Failed != 1 || first.Results[1].Outcome != "failed" || first.Results[1].Errors[0].Field != "start" {
		t.Errorf("got %+v", first)
	}
	batch = strings.Replace(batch, `"Three"`, `"Three and a half"`, 1)
	second := decode[web.BatchResult](t, w.admin("POST", "/import?community=bexley_digital", batch))
	if second.Created != 0 || second.Unchanged != 1 || second.Changed != 1 || second.Failed != 1 {
		t.Errorf("got %+v", second)
	}
	wantProblem(t, w.admin("POST", "/import", `{"listing":[]}`), 400, "listing")
	want(t, w.admin("GET", "/listings/"+uidFor("one"), ""), 200, `"title":"One"`)
}

func TestAdmin_TokensAndSignInLinks(t *testing.T) {
	w := open(t, base, nil)
	made := decode[web.CreatedToken](t, w.admin("POST", "/tokens", `{"name":"site","scopes":["listings:write"]}`))
	want(t, w.do("POST", "/api/v1/listings", dropIn, "Authorization", "Bearer "+made.Secret), 201)
	rec := w.admin("GET", "/tokens", "")
	want(t, rec, 200, `"name":"site"`)
	wantNone(t, rec, made.Secret)
	want(t, w.admin("DELETE", "/tokens/"+made.Token.ID, ""), 204)
	want(t, w.do("POST", "/api/v1/listings", dropIn, "Authorization", "Bearer "+made.Secret), 401)
	wantProblem(t, w.admin("DELETE", "/tokens/"+made.Token.ID, ""), 404, "waypost token list")
	wantProblem(t, w.admin("POST", "/tokens", `{"scopes":["everything"]}`), 400, "unknown scope", "scopes")
	link := decode[web.SignInLink](t, w.admin("POST", "/sign-in-links", `{"for":"Ada"}`))
	if !strings.HasPrefix(link.URL, base+"/sign-in?code=wpl_") || !link.Expires.Equal(w.now.Add(24*time.Hour)) {
		t.Errorf("got %+v", link)
	}
}

func TestAdmin_PeersCommunitiesAndStatus(t *testing.T) {
	w := sampled(t)
	want(t, w.admin("POST", "/peers", `{"url":"https://leeds.example"}`), 201, `"host":"leeds.example"`)
	wantProblem(t, w.admin("POST", "/peers/leeds.example/sync", ""), 503, "It does not answer") // the steward gets the reason
	w.peers.list[0].Fails, w.peers.list[0].Problem = 2, "connection refused"
	s := decode[web.Status](t, w.admin("GET", "/status", ""))
	if len(s.Communities) != 2 || s.Communities[0].Total != 13 || s.Communities[1].Total != 4 || s.Communities[1].Hosted ||
		len(s.Peers) != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "connection refused") {
		t.Errorf("got %+v", s)
	}
	want(t, w.admin("DELETE", "/peers/leeds.example", ""), 204)
	want(t, w.admin("GET", "/peers", ""), 200, `"peers":[]`)
	rec := w.admin("POST", "/communities", `{"handle":"erith_makers","name":"Erith Makers","place":{"name":"Erith"}}`)
	want(t, rec, 201, `"address":"@erith_makers@bexley.example"`, `"card":"`)
	want(t, w.admin("GET", "/communities", ""), 200, "erith_makers", "salford_skills")
	wantProblem(t, w.admin("POST", "/communities", `{"handle":"Erith Makers","name":"x"}`), 400, "handle")
	wantProblem(t, w.admin("GET", "/nothing", ""), 404, "older version")
}

func TestAdmin_BackupStreamsOrSaysWhyNot(t *testing.T) {
	fails := errors.New("the disk is full")
	var begun bool
	w := open(t, base, func(c *web.Config) {
		c.Backup = func(_ context.Context, out io.Writer) error {
			if begun {
				_, _ = io.WriteString(out, "half of it")
			}
			return fails
		}
	})
	wantProblem(t, w.admin("GET", "/backup", ""), 500, "the disk is full")
	begun = true
	server := httptest.NewServer(w.web.Admin())
	defer server.Close()
	resp, err := http.Get(server.URL + "/admin/v1/backup")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("a backup that broke off looks whole")
	}
	wantProblem(t, w.admin("POST", "/reindex", ""), 503, "waypost serve")
}

func TestSignIn_ByLinkThenNodePageThenOut(t *testing.T) {
	w := open(t, base, func(c *web.Config) {
		c.Positions = func(context.Context) ([]store.Position, error) {
			return []store.Position{{Name: "search", Cursor: 5, Last: 5}, {Name: "deliver", Cursor: 1, Last: 5_000}}, nil
		}
	})
	w.peers.list = []peer.Peer{{Host: "leeds.example", Fails: 1, Problem: "dial: refused", Failed: w.now}}
	want(t, w.get("/node"), 401, "You are not signed in")
	want(t, w.get("/sign-in"), 200, "Nobody needs to sign in to read")
	link, err := w.web.SignInLink(t.Context(), "Ada")
	must(t, err)
	path := strings.TrimPrefix(link.URL, base)
	for range 2 { // a preview of the link does not use it up
		rec := w.get(path)
		want(t, rec, 200, `<button type="submit">Sign in</button>`)
		if rec.Header().Get("Cache-Control") != "no-store" {
			t.Error("the page with the code may be kept")
		}
	}
	form := path[strings.Index(path, "?")+1:]
	post := func(path, body string, header ...string) *httptest.ResponseRecorder {
		return w.do("POST", path, body, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	}
	want(t, post("/sign-in", form, "Sec-Fetch-Site", "cross-site"), 403, "another web site")
	want(t, post("/sign-in", form, "Origin", "https://evil.example"), 403)
	rec := post("/sign-in", form, "Sec-Fetch-Site", "same-origin")
	want(t, rec, 303)
	c := rec.Result().Cookies()[0]
	if c.Name != "__Host-waypost" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %v", c)
	}
	cookie := c.Name + "=" + c.Value
	rec = w.get("/node", "Cookie", cookie)
	want(t, rec, 200, "Signed in as Ada", "Bexley Digital Champions", "dial: refused", "deliver is 4,999 entries behind", "Sign out")
	if rec.Header().Get("Cache-Control") != "private, no-store" {
		t.Errorf("Cache-Control is %q", rec.Header().Get("Cache-Control"))
	}
	want(t, post("/sign-in", form), 410, "used already")
	want(t, w.get(path), 410, "used already")
	want(t, post("/sign-out", "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site"), 403)
	want(t, w.get("/node", "Cookie", cookie), 200)
	want(t, post("/sign-out", "", "Cookie", cookie), 303)
	want(t, w.get("/node", "Cookie", cookie), 401)
}

func TestSignIn_OverPlainHTTPSetsACookieThatBrowsersKeep(t *testing.T) {
	w := open(t, "http://127.0.0.1:8099", nil)
	link, err := w.web.SignInLink(t.Context(), "")
	must(t, err)
	rec := w.do("POST", "/sign-in", link.URL[strings.Index(link.URL, "?")+1:], "Content-Type", "application/x-www-form-urlencoded")
	want(t, rec, 303)
	if c := rec.Result().Cookies()[0]; c.Secure || c.Name != "waypost" {
		t.Errorf("the cookie is %v", c)
	}
}
