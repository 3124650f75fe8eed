package federation_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/protocol"
)

func TestCollections_APageFarBeyondTheEndIsEmpty(t *testing.T) {
	s := newSite(t, "ours", newClock())
	for _, page := range []string{"3", "9223372036854775807", "461168601842738792", "-9223372036854775808"} {
		resp, doc := s.get(t, s.actor+"/upcoming?page="+page, activityJSON)
		if items, _ := doc["orderedItems"].([]any); resp.StatusCode != http.StatusOK || len(items) != 0 {
			t.Errorf("page %s: got %d %v", page, resp.StatusCode, doc)
		}
	}
}

func TestRoutes_APanicIsA500(t *testing.T) {
	var log strings.Builder
	router := mux.NewRouter()
	// Without a directory every handler that reads something panics.
	federation.New(federation.Config{Base: "https://elmford.example", Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(io.Writer(&log), nil))}).Routes(router)
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ap/a/ours", nil))
	if w.Code != http.StatusInternalServerError || !strings.HasPrefix(w.Body.String(), "internal error") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "/ap/a/ours") {
		t.Errorf("logged %q", log.String())
	}
}

func TestCollections_ATallyHoldsForAMinuteOrUntilSomethingIsPublished(t *testing.T) {
	s := newSite(t, "ours", newClock())
	event := func(end time.Duration) {
		now := s.clock.Now()
		s.publish(t, protocol.Listing{Kind: protocol.KindEvent, Title: "Repair café", Start: now.Add(end - time.Hour), End: now.Add(end), Timezone: "Europe/London"})
	}
	wants := func(when string, want int) {
		t.Helper()
		if items, _ := s.walk(t, s.actor+"/upcoming"); len(items) != want {
			t.Errorf("%s: got %d events, want %d", when, len(items), want)
		}
	}
	event(30 * time.Second)
	wants("at first", 1)
	s.clock.advance(40 * time.Second)
	wants("within the minute nothing is worked out again", 1)
	event(50 * time.Second)
	wants("after an edit", 1) // the second alone
	s.clock.advance(61 * time.Second)
	wants("after a minute", 0)
}
