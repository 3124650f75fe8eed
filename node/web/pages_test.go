package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

const (
	browserAccept  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	activityAccept = `application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"`
)

// sampled is the world with the sample listings, three days after they were
// published.
func sampled(t *testing.T) *world {
	t.Helper()
	w := open(t, base, nil)
	w.now = w.now.Add(-72 * time.Hour)
	w.publish(samples(t, "bexley.json")...)
	w.learn(samples(t, "salford.json")...)
	w.now = w.now.Add(72 * time.Hour)
	return w
}

func TestHome_ShowsWhatIsSoonAndNearAndWhoPublishes(t *testing.T) {
	w := sampled(t)
	rec := w.get("/")
	want(t, rec, 200, "Coming up around Bexleyheath", "Tablet drop-in", "Tue 2 Mar 2027, 10am to 12 noon", "Cancelled",
		"Help on offer", "Can you help?", "Bexley Digital Champions", "Salford Media Skills", "@bexley_digital@bexley.example",
		`action="/search"`, `href="/search?kind=event"`)
	wantNone(t, rec, "First steps in podcasting") // 260 km away
}

func TestHome_OfAnEmptyNodeSaysSo(t *testing.T) {
	want(t, open(t, base, nil).get("/"), 200, "Nothing is published here yet", "Bexley Digital Champions")
}

func TestSearch_ResultsNameCommunityNodeAndAge(t *testing.T) {
	w := sampled(t)
	rec := w.get("/search?q=podcasting")
	want(t, rec, 200, "1 result for “podcasting”", "First steps in podcasting", "Salford Media Skills</a> on salford.example – confirmed 3 days ago",
		"matches “podcasting” in the title", `value="podcasting"`, "?cid="+w.salford.CID)
	rec = w.get("/search?near=Bexleyheath&within=25&kind=event")
	want(t, rec, 200, "within 25 km of Bexleyheath", "away", "Remove the filter", `<option value="25" selected>`)
}

func TestSearch_AnswersJSONAtTheSameAddress(t *testing.T) {
	w := sampled(t)
	rec := w.get("/search?q=tablet&kind=event", "Accept", "application/json")
	want(t, rec, 200)
	if got := rec.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := rec.Header().Get("Vary"); got != "Accept" {
		t.Errorf("Vary is %q", got)
	}
	a := decode[search.Answer](t, rec)
	if a.Total != 1 || a.Results[0].Title != "Tablet drop-in" || a.Results[0].Community.Name != "Bexley Digital Champions" ||
		a.Results[0].Node != "bexley.example" || a.Facets["kind"]["event"] != 1 {
		t.Errorf("got %s", rec.Body)
	}
}

func TestSearch_WrongParametersAreShownBesideTheirFields(t *testing.T) {
	w := sampled(t)
	rec := w.get("/search?q=tablet&within=lots&from=soon&kind=party")
	want(t, rec, 400, `value="tablet"`, `href="#within"`, "The distance must be a number from 0.1 to 500", `href="#from"`, `aria-invalid="true" aria-describedby="from-error"`, `id="from-error"`,
		"The kind &#34;party&#34; is not one of event", "<details open>")
	rec = w.get("/search?within=lots", "Accept", "application/json")
	want(t, rec, 400)
	if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	p := decode[struct {
		Type, Title, Detail string
		Status              int
		Errors              []protocol.FieldError
	}](t, rec)
	if p.Status != 400 || p.Title != "Bad Request" || len(p.Errors) != 1 || p.Errors[0].Field != "within" {
		t.Errorf("got %s", rec.Body)
	}
}

func TestSearch_AnEmptyPageIsNoDeadEnd(t *testing.T) {
	w := sampled(t)
	rec := w.get("/search?near=Bexleyheath&within=1&category=expansion")
	want(t, rec, 200, "Nothing found", "These find something:", "Leave out “near Bexleyheath”", "See everything there is")
	rec = w.get("/search?near=Atlantis")
	want(t, rec, 200, "We do not know a place called “Atlantis” yet")
}

// Every link on a search page leads to a search that works and finds as much
// as the link says.
func TestSearch_LinksKeepTheirPromise(t *testing.T) {
	w := sampled(t)
	link := regexp.MustCompile(`href="(/search\?[^"]*)"`)
	numbered := regexp.MustCompile(`href="(/search\?[^"]*)">[^<]*(?:</a>)? <span class="(?:chip-n|soft)">\(?(\d+)`)
	for _, start := range []string{"/search", "/search?near=Bexleyheath&kind=event&kind=offer", "/search?q=help&free=1&access=step-free",
		"/search?q=zzz&near=Sidcup&kind=event&from=2027-03-01&to=2027-03-31"} {
		page := w.get(start).Body.String()
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			if rec := w.get(to); rec.Code != 200 {
				t.Errorf("%s leads to %s, which answers %d", start, to, rec.Code)
			}
		}
		for _, m := range numbered.FindAllStringSubmatch(page, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			a := decode[search.Answer](t, w.get(to, "Accept", "application/json"))
			if n := json.Number(m[2]); n.String() != json.Number(itoa(a.Total)).String() {
				t.Errorf("on %s, %s promises %s results and finds %d", start, to, m[2], a.Total)
			}
		}
	}
}

func TestSearch_PagesFollowOneAnother(t *testing.T) {
	w := sampled(t)
	seen := map[string]bool{}
	path := "/search?per_page=5&sort=date"
	next := regexp.MustCompile(`rel="next" href="([^"]*)"`)
	title := regexp.MustCompile(`class="row-title"><a href="([^"]*)"`)
	for path != "" {
		page := w.get(path).Body.String()
		for _, m := range title.FindAllStringSubmatch(page, -1) {
			if seen[m[1]] {
				t.Errorf("%s is shown twice", m[1])
			}
			seen[m[1]] = true
		}
		path = ""
		if m := next.FindStringSubmatch(page); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != 17 {
		t.Errorf("%d listings were shown on all pages, want 17", len(seen))
	}
}

func TestListing_TellsAllThatAPersonNeeds(t *testing.T) {
	w := sampled(t)
	rec := w.get("/listings/" + uidFor("Tablet drop-in"))
	want(t, rec, 200, "<h1", "Tablet drop-in", "Tuesday 2 March 2027, 10am to 12 noon", "UK time", "Every week on Tuesday, 12 times in all.",
		"After that 9 March, 16 March and 23 March 2027.", "Central Library, Townley Road, Bexleyheath, DA6 7HJ", `href="tel:&#43;442079460123"`,
		"Ring, or drop in.", "Anybody who lives or works in the borough.", "Free.", "Step free, hearing loop", "At a centre, drop in", "Quick tips",
		"<strong>Bring your charger.</strong>", "<li>video calls with family</li>", "Bexley Digital Champions", "on bexley.example", "confirmed 3 days ago",
		`class="dt-start" datetime="2027-03-02T10:00:00Z"`, "h-event", `"@type":"Event"`, `property="og:title" content="Tablet drop-in"`,
		`rel="alternate" type="application/activity+json" href="https://bexley.example/ap/o/`, `rel="canonical"`)
}

func TestListing_OfSummerTimeSaysItsOwnClock(t *testing.T) {
	w := open(t, base, nil)
	l := w.publish(protocol.Listing{Kind: "event", Title: "Late show", Start: time.Date(2027, 7, 1, 22, 30, 0, 0, time.UTC),
		End: time.Date(2027, 7, 1, 23, 0, 0, 0, time.UTC), Timezone: "Europe/London", Visibility: "public"})[0]
	want(t, w.get("/listings/"+l.UID), 200, "Thursday 1 July 2027, 11:30pm to Friday 2 July 2027, 12 midnight", "2027-07-01T23:30:00&#43;01:00")
}

func TestListing_CancelledAndOverAreSaidFirst(t *testing.T) {
	w := sampled(t)
	path := "/listings/" + uidFor("Understanding your energy bill online")
	want(t, w.get(path), 200, "<strong>Cancelled.</strong> This will not take place.", "https://schema.org/EventCancelled")
	w.now = w.now.AddDate(0, 0, 30)
	want(t, w.get("/listings/"+uidFor("Champions' coffee morning")), 200, "<strong>This is over.</strong>")
	wantNone(t, w.get("/listings/"+uidFor("Tablet drop-in")), "This is over") // it recurs
}

func TestListing_HomeVisitsShowNoPlace(t *testing.T) {
	w := open(t, base, nil)
	lat, lon := 51.4, 0.1
	l := protocol.Listing{Kind: "offer", Title: "Help at home", Modes: []string{"home-visit"}, Areas: []string{"E09000004"}, Visibility: "public"}
	withPlace := l
	withPlace.Place = &protocol.Place{Name: "Ivy Cottage", Latitude: &lat, Longitude: &lon}
	if p, err := w.dir.Publish(t.Context(), w.bexley.CID, withPlace); err == nil {
		rec := w.get("/listings/" + p.Listing.UID)
		wantNone(t, rec, "Ivy Cottage", "51.4")
	}
	want(t, w.get("/listings/"+w.publish(l)[0].UID), 200, "At your home", "Bexleyheath")
}

func TestListing_LearnedOneLeadsToItsOrigin(t *testing.T) {
	w := sampled(t)
	uid := uidFor("First steps in podcasting")
	for _, path := range []string{"/listings/" + uid, "/listings/" + uid + "?cid=" + w.salford.CID} {
		rec := w.get(path)
		want(t, rec, 200, "This is our copy", `href="https://salford.example/listings/`+uid+`" rel="nofollow noopener"`, "noindex", "/c/"+w.salford.CID)
		wantNone(t, rec, "application/activity+json")
	}
	want(t, w.get("/listings/"+uid+"?cid="+w.bexley.CID), 404)
	want(t, w.get("/listings/"+uid+"?cid=nonsense"), 404)
}

func TestListing_InAnotherLanguageIsMarked(t *testing.T) {
	w := sampled(t)
	want(t, w.get("/listings/"+uidFor("Rencontre en ligne: le numérique associatif")), 200, `lang="fr">Rencontre en ligne`, "Paris time")
}

func TestListing_LoadsNoPictureOfAnotherHost(t *testing.T) {
	w := sampled(t)
	rec := w.get("/listings/" + uidFor("Spotting a scam: a two-page guide"))
	want(t, rec, 200, `<a href="https://pictures.example/scam.jpg" rel="nofollow noopener noreferrer">A telephone with a warning sign</a>`)
	wantNone(t, rec, `src="https://`)
}

func TestListing_PrivateOnesDoNotExistForVisitors(t *testing.T) {
	w := open(t, base, nil)
	for _, visibility := range []string{"local", "coordinators"} {
		l := w.publish(protocol.Listing{Kind: "offer", Title: "Quiet " + visibility, Visibility: visibility})[0]
		for _, accept := range []string{browserAccept, "application/json", activityAccept} {
			rec := w.get("/listings/"+l.UID, "Accept", accept)
			want(t, rec, 404)
			wantNone(t, rec, "Quiet")
		}
		must(t, w.dir.Remove(t.Context(), w.bexley.CID, l.UID, false))
		want(t, w.get("/listings/"+l.UID), 404)
	}
}

func TestListing_RemovedAndRunOutOnesAreGoneWithAWayOn(t *testing.T) {
	w := sampled(t)
	uid := uidFor("A room on Wednesday evenings")
	must(t, w.dir.Remove(t.Context(), w.bexley.CID, uid, false))
	rec := w.get("/listings/" + uid)
	want(t, rec, 410, "This need has gone", "/c/bexley_digital", `action="/search"`)
	wantNone(t, rec, "Wednesday evenings")
	want(t, w.get("/listings/"+uid, "Accept", "application/json"), 410, `"status":410`)

	volunteer := "/listings/" + uidFor("Amina, digital champion")
	want(t, w.get(volunteer), 200, "Tuesday morning and afternoon", "Ask Bexley Digital Champions. They put people in touch")
	w.now = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC) // her consent is over
	rec = w.get(volunteer)
	want(t, rec, 410, "This listing has gone")
	wantNone(t, rec, "Amina")

	must(t, w.dir.Remove(t.Context(), w.bexley.CID, uidFor("Ten tablets to lend"), true))
	want(t, w.get("/listings/"+uidFor("Ten tablets to lend")), 410)
}

func TestListing_SpeaksAsItIsAsked(t *testing.T) {
	w := sampled(t)
	own, learned := "/listings/"+uidFor("Tablet drop-in"), "/listings/"+uidFor("First steps in podcasting")
	for _, c := range []struct {
		path, accept string
		status       int
		is           string
	}{
		{own, browserAccept, 200, "text/html"},
		{own, "", 200, "text/html"},
		{own, "*/*", 200, "text/html"},
		{own, "application/json", 200, "application/json"},
		{own, "application/json, text/plain, */*", 200, "application/json"},
		{own, "text/html;q=0.2, application/json;q=0.9", 200, "application/json"},
		{own, "image/webp", 200, "text/html"},
		{own, activityAccept, 303, ""},
		{own, `application/ld+json; profile="https://www.w3.org/ns/activitystreams"`, 303, ""},
		{learned, activityAccept, 200, "text/html"}, // its origin has the object
		{own, strings.Repeat("a/b,", 100_000), 200, "text/html"},
	} {
		rec := w.get(c.path, "Accept", c.accept)
		if rec.Code != c.status || !strings.HasPrefix(rec.Header().Get("Content-Type"), c.is) {
			t.Errorf("%s with Accept %.60q: got %d %s, want %d %s", c.path, c.accept, rec.Code, rec.Header().Get("Content-Type"), c.status, c.is)
		}
		if rec.Header().Get("Vary") != "Accept" {
			t.Errorf("%s with Accept %.60q: Vary is %q", c.path, c.accept, rec.Header().Get("Vary"))
		}
	}
	if got := w.get(own, "Accept", activityAccept).Header().Get("Location"); got != base+"/ap/o/"+uidFor("Tablet drop-in") {
		t.Errorf("the object is said to be at %q", got)
	}
	l := decode[protocol.Listing](t, w.get(own, "Accept", "application/json"))
	if l.Title != "Tablet drop-in" || l.CID != w.bexley.CID || l.Version == 0 {
		t.Errorf("got %+v", l)
	}
}

func TestCommunity_PageOfOneThatLivesHere(t *testing.T) {
	w := sampled(t)
	want(t, w.get("/c/bexley_digital"), 200, "Bexley Digital Champions", "Neighbours who help neighbours", "@bexley_digital@bexley.example",
		"Events", "Volunteers", "Tablet drop-in", `rel="alternate" type="application/activity+json" href="https://bexley.example/ap/a/bexley_digital"`)
	if got := w.get("/c/bexley_digital", "Accept", activityAccept).Header().Get("Location"); got != w.bexley.Actor {
		t.Errorf("its actor is said to be at %q", got)
	}
	if got := w.get("/c/" + w.bexley.CID).Header().Get("Location"); got != "/c/bexley_digital" {
		t.Errorf("its cid leads to %q", got)
	}
	c := decode[struct {
		CID, Address string
		Listings     map[string]int
	}](t, w.get("/c/bexley_digital", "Accept", "application/json"))
	if c.CID != w.bexley.CID || c.Address != "@bexley_digital@bexley.example" || c.Listings["event"] != 4 {
		t.Errorf("got %+v", c)
	}
}

func TestCommunity_PageOfALearnedOne(t *testing.T) {
	w := sampled(t)
	want(t, w.get("/c/"+w.salford.CID), 200, "Salford Media Skills", "First steps in podcasting", `href="https://salford.example/c/salford_skills"`, "noindex")
	want(t, w.get("/c/salford_skills"), 404, "We cannot find that page")
	want(t, w.get("/c/nobody"), 404)
}

func TestAbout_NamesCommunitiesAndNeighbours(t *testing.T) {
	w := sampled(t)
	w.peers.list = []peer.Peer{{Host: "salford.example", Follow: "accepted", Heard: w.now.Add(-3 * time.Hour)},
		{Host: "leeds.example", Fails: 3, Failed: w.now.Add(-48 * time.Hour), Problem: "dial tcp 10.1.2.3:443: refused"}}
	rec := w.get("/about")
	want(t, rec, 200, "Waypost 0.1.0", "salford.example", "Last heard from 3 hours ago", "Not answering when last asked, 2 days ago", "Apache licence", "openapi.json")
	wantNone(t, rec, "10.1.2.3") // the reason is the steward's
}

func TestErrors_ArePagesThatLeadOn(t *testing.T) {
	w := open(t, base, func(c *webConfig) { c.Search = broken{} })
	want(t, w.get("/no/such/page"), 404, "We cannot find that page", `action="/search"`, `href="/"`)
	want(t, w.do(http.MethodPost, "/about", ""), 405, "That page cannot be used like that")
	want(t, w.get("/listings/not-a-uid"), 404)
	rec := w.get("/search?q=x")
	want(t, rec, 503, "We cannot do that just now")
	wantNone(t, rec, "secret detail")
	rec = w.get("/search?q=panic")
	want(t, rec, 500, "Something went wrong")
	wantNone(t, rec, "secret detail")
	want(t, w.get("/no", "Accept", "application/json"), 404, `"title":"Not Found"`)
}

func TestEveryAnswer_AllowsNothingFromElsewhere(t *testing.T) {
	w := sampled(t)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<iframe|<script(?: [^>]*)?>`)
	outside := regexp.MustCompile(`(?:src|href)="(https?:)?//[^"]*"[^>]*(?:rel="stylesheet")|<(?:img|link rel="(?:icon|stylesheet)")[^>]*(?:src|href)="https?:`)
	for _, path := range []string{"/", "/search?q=help", "/search?within=x", "/about", "/sign-in", "/nope", "/healthz", "/c/bexley_digital",
		"/listings/" + uidFor("Tablet drop-in"), "/listings/" + uidFor("First steps in podcasting"), "/api/v1/communities", "/static/site.css"} {
		rec := w.get(path)
		h := rec.Header()
		for _, part := range []string{"default-src 'self'", "script-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(h.Get("Content-Security-Policy"), part) {
				t.Errorf("%s: the policy %q lacks %s", path, h.Get("Content-Security-Policy"), part)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: headers are %v", path, h)
		}
		if len(h.Values("Set-Cookie")) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
		if !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			continue
		}
		for _, m := range inline.FindAllString(rec.Body.String(), -1) {
			if m != `<script type="application/ld+json">` { // data, which no policy keeps from being data
				t.Errorf("%s holds %q", path, m)
			}
		}
		if m := outside.FindString(rec.Body.String()); m != "" {
			t.Errorf("%s loads %q", path, m)
		}
	}
}

func TestStatic_IsKeptAsLongAsItsAddressHolds(t *testing.T) {
	w := open(t, base, nil)
	address := regexp.MustCompile(`href="(/static/site\.css\?v=[0-9a-f]+)"`).FindStringSubmatch(w.get("/").Body.String())
	if address == nil {
		t.Fatal("the page names no style sheet")
	}
	rec := w.get(address[1])
	want(t, rec, 200, "--green")
	if got := rec.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := w.get("/static/site.css?v=0").Header().Get("Cache-Control"); strings.Contains(got, "immutable") {
		t.Errorf("an address with another version is kept, too: %q", got)
	}
	want(t, w.get("/static/site.css", "If-None-Match", rec.Header().Get("ETag")), 304)
	for _, name := range []string{"/static/icon.png", "/favicon.ico"} {
		if rec := w.get(name); rec.Code != 200 || rec.Header().Get("Content-Type") != "image/png" {
			t.Errorf("%s answers %d %s", name, rec.Code, rec.Header().Get("Content-Type"))
		}
	}
	want(t, w.get("/static/nothing.js"), 404)
	want(t, w.get("/static/../web.go"), 301)
}

func TestHealth_AndRobots(t *testing.T) {
	w := open(t, base, nil)
	want(t, w.get("/healthz"), 200, "ok")
	want(t, w.get("/readyz"), 200, "ready")
	want(t, w.get("/robots.txt"), 200, "Disallow: /search?")
	unready := open(t, base, func(c *webConfig) { c.Ready = notReady })
	want(t, unready.get("/readyz", "Accept", "*/*"), 503)
}

// hostile texts, each with what must not appear raw in a page.
var hostile = []struct{ text, raw string }{
	{`<script>alert(1)</script>`, "<script>alert"},
	{`"><img src=x onerror=alert(1)>`, "<img src=x"},
	{`' onmouseover='alert(1)`, "' onmouseover='"},
	{`</title><svg onload=alert(1)>`, "<svg onload"},
	{`</script><script>alert(1)//`, "</script><script>"},
	{`{{.Site}}`, ""},
	{`javascript:alert(1)`, `href="javascript:`},
	{"a\u202e evil \u2066", ""},
}

// A listing's lines are plain text by the rules, but descriptions, addresses
// and whatever a visitor types are not, and rules change: every place in every
// page is tried, with hits that no index would hold.
func TestHostileText_StaysText(t *testing.T) {
	w := open(t, base, func(c *webConfig) { c.Search = &hostileSearcher{} })
	fake := w.search.(*hostileSearcher)
	data := regexp.MustCompile(`(?s)<script type="application/ld\+json">.*?</script>`) // a quote there is only a quote
	for _, h := range hostile {
		fake.text = h.text
		l := protocol.Listing{Kind: "event", Title: plainLine(h.text), Summary: plainLine(h.text), Start: w.now.Add(time.Hour),
			Description: strings.Map(visible, h.text) + "\n\n[x](javascript:alert(1)) <b onclick=alert(1)>y</b>", Eligibility: plainLine(h.text),
			Place: &protocol.Place{Name: plainLine(h.text)}, Visibility: "public"}
		p, err := w.dir.Publish(t.Context(), w.bexley.CID, l)
		must(t, err)
		for _, path := range []string{"/", "/search?q=" + url.QueryEscape(h.text), "/search?near=" + url.QueryEscape(h.text), "/search?from=" + url.QueryEscape(h.text),
			"/search?kind=" + url.QueryEscape(h.text), "/search?community=" + url.QueryEscape(h.text), "/search?topic=" + url.QueryEscape(h.text),
			"/search?access=" + url.QueryEscape(h.text), "/search?area=" + url.QueryEscape(h.text), "/listings/" + p.Listing.UID, "/about", "/c/bexley_digital",
			"/c/" + url.PathEscape(h.text), "/listings/" + url.PathEscape(h.text), "/sign-in?code=" + url.QueryEscape(h.text)} {
			body := data.ReplaceAllString(w.get(path).Body.String(), "")
			if h.raw != "" && strings.Contains(body, h.raw) {
				t.Errorf("%s shows %q raw:\n%s", path, h.text, body)
			}
			for _, bad := range []string{"<b onclick", `href="javascript`, "ZgotmplZ"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s of %q holds %q:\n%s", path, h.text, bad, body)
				}
			}
		}
	}
}

// plainLine leaves out what the rules for lines refuse.
func plainLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '<' || r == '>' {
			return -1
		}
		return visible(r)
	}, s)
}

func visible(r rune) rune {
	if r >= 0x2000 {
		return -1
	}
	return r
}
