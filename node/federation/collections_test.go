package federation_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// walk reads a collection page after page and returns its items.
func (s *site) walk(t *testing.T, id string) (items []any, total int) {
	t.Helper()
	_, doc := s.get(t, id, activityJSON)
	if doc["type"] != "OrderedCollection" || doc["id"] != id {
		t.Fatalf("%s is %v", id, doc)
	}
	total = int(doc["totalItems"].(float64))
	if list, ok := doc["orderedItems"].([]any); ok {
		return list, total
	}
	next, _ := doc["first"].(string)
	for pages := 0; next != ""; pages++ {
		if pages > 50 {
			t.Fatalf("%s has no end", id)
		}
		resp, page := s.get(t, next, activityJSON)
		if resp.StatusCode != http.StatusOK || page["type"] != "OrderedCollectionPage" || page["partOf"] != id || page["id"] != next {
			t.Fatalf("%s: %d %v", next, resp.StatusCode, page)
		}
		list := page["orderedItems"].([]any)
		if len(list) > 20 {
			t.Errorf("a page has %d items", len(list))
		}
		items = append(items, list...)
		next, _ = page["next"].(string)
	}
	return items, total
}

func TestCollections_OutboxAndListingsArePagedNewestFirst(t *testing.T) {
	s := newSite(t, "ours", newClock())
	var last protocol.Listing
	for i := range 45 {
		last = s.publish(t, offer(fmt.Sprintf("Help %02d", i)))
	}
	private := offer("For us alone")
	private.Visibility = "local"
	s.publish(t, private)
	if err := s.Remove(t.Context(), s.cid, last.UID, false); err != nil {
		t.Fatal(err)
	}
	creates, total := s.walk(t, s.actor+"/outbox")
	if len(creates) != 44 || total != 44 {
		t.Errorf("the outbox has %d items and says %d, want 44", len(creates), total)
	}
	seen := map[string]bool{}
	for i, item := range creates {
		c := item.(map[string]any)
		o := c["object"].(map[string]any)
		title := o["listing"].(map[string]any)["title"].(string)
		if want := fmt.Sprintf("Help %02d", 43-i); c["type"] != "Create" || title != want || c["actor"] != s.actor {
			t.Errorf("item %d is a %v of %q, want %q", i, c["type"], title, want)
		}
		seen[o["id"].(string)] = true
	}
	if len(seen) != 44 {
		t.Errorf("%d different objects, want 44", len(seen))
	}
	listings, _ := s.walk(t, s.actor+"/listings")
	if len(listings) != 45 {
		t.Fatalf("listings has %d items, want 44 and a Tombstone", len(listings))
	}
	if first := listings[0].(map[string]any); first["type"] != "Tombstone" {
		t.Errorf("the newest change is %v, want the Tombstone", first["type"])
	}
}

func TestCollections_EmptyOnesHaveNoFirstPage(t *testing.T) {
	s := newSite(t, "ours", newClock())
	for _, id := range []string{s.actor + "/outbox", s.actor + "/following", s.actor + "/upcoming", s.app + "/outbox", s.app + "/followers", s.app + "/following"} {
		resp, doc := s.get(t, id, activityJSON)
		if resp.StatusCode != http.StatusOK || doc["totalItems"] != 0.0 || doc["first"] != nil {
			t.Errorf("%s: %d %v", id, resp.StatusCode, doc)
		}
	}
	for _, id := range []string{s.actor + "/featured", s.actor + "/tags"} {
		if items, total := s.walk(t, id); len(items) != 0 || total != 0 {
			t.Errorf("%s: %v", id, items)
		}
	}
	for _, path := range []string{"outbox", "followers", "following", "featured", "tags", "upcoming", "listings", "place"} {
		if resp, _ := s.get(t, "/ap/a/nobody/"+path, activityJSON); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s of nobody: got %d, want 404", path, resp.StatusCode)
		}
	}
}

func TestCollections_FollowersAreCountedAndServersListed(t *testing.T) {
	c := newClock()
	s, x := newSite(t, "ours", c), newStranger(t, c)
	s.mustDeliver(t, x.activity("/f/1", "Follow", s.actor), x.signCavage)
	s.mustDeliver(t, x.activity("/f/2", "Follow", s.app), x.signCavage)
	_, doc := s.get(t, s.actor+"/followers", activityJSON)
	if doc["totalItems"] != 1.0 || doc["first"] != nil || doc["orderedItems"] != nil {
		t.Errorf("a community's followers are people: %v", doc)
	}
	if items, total := s.walk(t, s.app+"/followers"); total != 1 || len(items) != 1 || items[0] != x.actor {
		t.Errorf("the Application's followers are %v", items)
	}
}

func TestCollections_UpcomingHasTheEventsThatAreNotOver(t *testing.T) {
	s := newSite(t, "ours", newClock())
	now := s.clock.Now()
	event := func(title string, start time.Duration) string {
		l := s.publish(t, protocol.Listing{Kind: protocol.KindEvent, Title: title, Start: now.Add(start), End: now.Add(start + time.Hour), Timezone: "Europe/London"})
		return s.base + "/ap/o/" + l.UID
	}
	later, sooner := event("Later", 48*time.Hour), event("Sooner", 24*time.Hour)
	event("Over", -2*time.Hour)
	s.publish(t, offer("Tablet help"))
	items, total := s.walk(t, s.actor+"/upcoming")
	if total != 2 || len(items) != 2 || items[0] != sooner || items[1] != later {
		t.Errorf("upcoming is %v, want %s and %s", items, sooner, later)
	}
	if organizers, _ := s.walk(t, sooner+"/organizers"); len(organizers) != 1 || organizers[0] != s.actor {
		t.Errorf("its organizers are %v", organizers)
	}
}

func TestObjects_StandAreGoneOrNeverWere(t *testing.T) {
	s := newSite(t, "ours", newClock())
	at := func(l protocol.Listing) string { return s.base + "/ap/o/" + l.UID }
	stands, gone, erased := s.publish(t, offer("Tablet help")), s.publish(t, offer("Phone help")), s.publish(t, offer("Printer help"))
	private := offer("For us alone")
	private.Visibility = "local"
	private = s.publish(t, private)
	volunteer := s.publish(t, protocol.Listing{Kind: protocol.KindVolunteer, Title: "Robin helps with phones"})
	for uid, erase := range map[string]bool{gone.UID: false, erased.UID: true} {
		if err := s.Remove(t.Context(), s.cid, uid, erase); err != nil {
			t.Fatal(err)
		}
	}
	rec, err := s.Find(t.Context(), stands.UID, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url  string
		want int
		kind any
	}{
		{at(stands), 200, "Note"},
		{at(gone), 410, "Tombstone"},
		{at(erased), 410, "Tombstone"},
		{at(private), 404, nil},
		{at(volunteer), 404, nil},
		{s.base + "/ap/o/5b0c6f0e-6a53-4c1e-9d0a-0d6a4f1c0001", 404, nil},
		{s.base + "/ap/o/not-a-uid", 404, nil},
	} {
		resp, doc := s.get(t, c.url, activityJSON)
		if resp.StatusCode != c.want || doc["type"] != c.kind {
			t.Errorf("%s: got %d %v, want %d %v", c.url, resp.StatusCode, doc["type"], c.want, c.kind)
		}
		if c.kind == "Tombstone" && (doc["id"] != c.url || doc["formerType"] != "Note" || doc["listing"].(map[string]any)["erased"] != (c.url == at(erased))) {
			t.Errorf("%s: the Tombstone is %v", c.url, doc)
		}
	}
	resp, err := http.Get(at(stands))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if raw := readAll(t, resp.Body); string(raw) != string(rec.Object) {
		t.Errorf("the object is not served byte for byte as it was signed:\n%s\n%s", raw, rec.Object)
	}
	if resp, _ := s.get(t, at(stands), "text/html"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), s.base) {
		t.Errorf("a browser got %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestObjects_TheirPlacesCanBeFetched(t *testing.T) {
	s := newSite(t, "ours", newClock())
	l := offer("Tablet help")
	l.Place = &protocol.Place{Name: "Central Library", Latitude: new(51.456), Longitude: new(0.146)}
	l = s.publish(t, l)
	_, doc := s.get(t, "/ap/o/"+l.UID, activityJSON)
	embedded, ok := doc["location"].(map[string]any)
	if !ok {
		t.Fatalf("location is %v", doc["location"])
	}
	id := embedded["id"].(string)
	resp, place := s.get(t, id, activityJSON)
	if resp.StatusCode != http.StatusOK || place["type"] != "Place" || place["id"] != id || place["latitude"] != 51.456 {
		t.Errorf("%s: %d %v", id, resp.StatusCode, place)
	}
	if resp, _ := s.get(t, "/ap/o/"+l.UID+"/place-00", activityJSON); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another place: got %d, want 404", resp.StatusCode)
	}
	if _, doc := s.get(t, s.actor+"/place", activityJSON); doc["name"] != "Riverside" {
		t.Errorf("the community's place is %v", doc)
	}
}

// feedRows reads a community's feed to its end.
func (s *site) feedRows(t *testing.T, since, limit int) (rows []map[string]any, next int) {
	t.Helper()
	for range 100 {
		_, page := s.get(t, fmt.Sprintf("/waypost/v1/communities/%s/public/changes?since=%d&limit=%d", s.cid, since, limit), "application/json")
		for _, r := range page["rows"].([]any) {
			rows = append(rows, r.(map[string]any))
		}
		since = int(page["next"].(float64))
		if page["more"] != true {
			return rows, since
		}
	}
	t.Fatal("the feed has no end")
	return nil, 0
}

func TestFeed_GivesTheNewestEditOfEachListingOnce(t *testing.T) {
	s := newSite(t, "ours", newClock())
	var all []protocol.Listing
	for i := range 60 {
		all = append(all, s.publish(t, offer(fmt.Sprintf("Help %02d", i))))
	}
	all[3].Title = "Newsletter clinic"
	s.publish(t, all[3])
	if err := s.Remove(t.Context(), s.cid, all[4].UID, false); err != nil {
		t.Fatal(err)
	}
	private := all[5]
	private.Visibility = "local"
	s.publish(t, private)
	volunteer := s.publish(t, protocol.Listing{Kind: protocol.KindVolunteer, Title: "Robin helps with phones"})
	for _, limit := range []int{0, 7, 50, 1000} {
		rows, next := s.feedRows(t, 0, limit)
		seen, last := map[string]map[string]any{}, 0.0
		for _, r := range rows {
			if seq := r["seq"].(float64); seq <= last {
				t.Fatalf("limit %d: %v comes after %v", limit, seq, last)
			} else {
				last = seq
			}
			seen[r["key"].(string)] = r
		}
		if len(rows) != 60 || len(seen) != 60 {
			t.Errorf("limit %d: %d rows of %d listings, want 60 each", limit, len(rows), len(seen))
		}
		if r := seen[all[3].UID]; r == nil || r["body"].(map[string]any)["listing"].(map[string]any)["title"] != "Newsletter clinic" {
			t.Errorf("limit %d: the updated one is %v", limit, r)
		}
		for _, gone := range []string{all[4].UID, all[5].UID} {
			if r := seen[gone]; r == nil || r["del"] != true || r["body"].(map[string]any)["type"] != "Delete" {
				t.Errorf("limit %d: the one that was taken back is %v", limit, r)
			}
		}
		if seen[volunteer.UID] != nil {
			t.Errorf("limit %d: a volunteer is in the feed", limit)
		}
		// Whoever read to the end is told nothing again.
		if rows, again := s.feedRows(t, next, limit); len(rows) != 0 || again != next {
			t.Errorf("limit %d: after the end there are %d rows, and next goes from %d to %d", limit, len(rows), next, again)
		}
	}
	for path, want := range map[string]int{
		"/waypost/v1/communities/nobody/public/changes":                   404,
		"/waypost/v1/communities/" + s.cid + "/public/changes?since=-1":   400,
		"/waypost/v1/communities/" + s.cid + "/public/changes?since=many": 400,
	} {
		if resp, _ := s.get(t, path, "application/json"); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestFeed_ASignedReaderIsHeard(t *testing.T) {
	c := newClock()
	s, peer := newSite(t, "ours", c), newSite(t, "peer", c)
	if _, err := s.actors.Refresh(t.Context(), peer.app); err != nil {
		t.Fatal(err)
	}
	url := s.base + "/waypost/v1/communities/" + s.cid + "/public/changes"
	if _, err := peer.client.GetJSON(t.Context(), url, peer.Application()); err != nil {
		t.Fatal(err)
	}
	select {
	case host := <-s.heard:
		if want := strings.TrimPrefix(peer.base, "http://"); host != want {
			t.Errorf("heard %s, want %s", host, want)
		}
	case <-time.After(5 * time.Second):
		t.Error("a peer that only reads is never heard")
	}
	// One that nobody knows is served, and causes no fetch.
	x := newStranger(t, c)
	req := request(t, url, nil, unsigned)
	req.Method = http.MethodGet
	if err := x.signCavage(req, nil); err != nil {
		t.Fatal(err)
	}
	if status, words := send(t, req); status != http.StatusOK {
		t.Errorf("got %d %s, want 200", status, words)
	}
	if n := x.fetches("/users/robin"); n != 0 || len(s.heard) != 0 {
		t.Errorf("an unknown reader was fetched %d times and heard %d times", n, len(s.heard))
	}
}

func TestFeed_PagesStayReadableWhateverIsInThem(t *testing.T) {
	s := newSite(t, "ours", newClock())
	for i := range 30 {
		l := offer(fmt.Sprintf("Help %02d", i))
		l.Description = strings.Repeat("Bring <your> own & be early. ", 600)
		s.publish(t, l)
	}
	for _, url := range []string{s.actor + "/outbox?page=true", s.actor + "/listings?page=true",
		s.base + "/waypost/v1/communities/" + s.cid + "/public/changes"} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		raw := readAll(t, resp.Body)
		_ = resp.Body.Close()
		if len(raw) > 1<<20 || len(raw) < 300<<10 {
			t.Errorf("%s has %d bytes, want well filled and under 1 MB", url, len(raw))
		}
	}
	if rows, _ := s.feedRows(t, 0, 0); len(rows) != 30 {
		t.Errorf("the feed has %d rows, want 30", len(rows))
	}
	if items, _ := s.walk(t, s.actor+"/outbox"); len(items) != 30 {
		t.Errorf("the outbox has %d items, want 30", len(items))
	}
}
