package federation_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// onlyTo reaches one host; all others are away.
type onlyTo string

func (host onlyTo) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(string(host), req.URL.Host) {
		return nil, errors.New("away")
	}
	return http.DefaultTransport.RoundTrip(req)
}

// FuzzInbox posts any bytes at all, signed by somebody whose signature holds:
// whatever they are, the answer is one that a sender can act on.
func FuzzInbox(f *testing.F) {
	c := newClock()
	x := newStranger(f, c)
	s := newSiteOver(f, "ours", c, onlyTo(x.base))
	s.publish(f, offer("Tablet help"))
	create := s.last(f)
	f.Add(create)
	f.Add([]byte(strings.ReplaceAll(string(create), s.base, x.base)))
	for _, kind := range []string{"Follow", "Undo", "Accept", "Delete", "Announce", "Update", "Like"} {
		f.Add(x.activity("/1", kind, s.actor))
		f.Add(x.activity("/2", kind, map[string]any{"id": x.base + "/3", "type": "Follow", "actor": x.actor, "object": s.actor}))
		f.Add(x.activity("/4", kind, map[string]any{"id": x.base + "/5", "type": "Tombstone", "listing": map[string]any{"v": 1}}))
	}
	f.Add([]byte(`{"type":"Delete","id":"` + x.actor + `#delete","actor":"` + x.actor + `","object":"` + x.actor + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req := request(t, s.base+"/ap/inbox", body, x.signCavage)
		w := httptest.NewRecorder()
		s.router.ServeHTTP(w, req)
		if w.Code == http.StatusInternalServerError || w.Code < 202 {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
