package peer_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waypost-directory/waypost/protocol"
)

func TestSync_AFeedOfRefusedRowsIsGivenUpAndGoneOnWithLater(t *testing.T) {
	h, o := openHome(t), openOther(t)
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	o.spoilt("/changes", func(w http.ResponseWriter) {
		o.json(w, map[string]any{"next": n.Add(1), "more": true, "rows": []any{map[string]any{"key": "x", "body": json.RawMessage(`{}`)}}})
	})
	if err := h.Sync(t.Context(), p.Host); protocol.KindOf(err) != protocol.Invalid || n.Load() != 20 {
		t.Fatalf("%d pages were read, want 20: %v", n.Load(), err)
	}
	list, err := h.List(t.Context())
	if err != nil || list[0].Communities[0].Since != 20 {
		t.Fatalf("the next pull would not go on from there: %+v, %v", list, err)
	}
}

func TestSync_RowsOfAPageCauseFewLookups(t *testing.T) {
	h, o := openHome(t), openOther(t)
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	l := o.publish(t, "A true one")
	r, err := o.directory.Get(t.Context(), o.cid, l.UID)
	if err != nil {
		t.Fatal(err)
	}
	var rows []any
	for i := range 60 { // each of a community that nobody knows
		cid := fmt.Sprintf("%s%c%c", strings.Repeat("a", 50), 'a'+i%26, 'a'+i/26)
		rows = append(rows, map[string]any{"key": cid, "body": json.RawMessage(strings.ReplaceAll(string(r.Object), o.cid, cid))})
	}
	rows = append(rows, map[string]any{"key": l.UID, "body": json.RawMessage(r.Object)})
	var charters atomic.Int64
	spoil := func(path string, w http.ResponseWriter) bool {
		switch {
		case strings.HasSuffix(path, "/charters"):
			charters.Add(1)
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(path, "/changes"):
			o.json(w, map[string]any{"next": 1, "rows": rows})
		default:
			return false
		}
		return true
	}
	o.spoil.Store(&spoil)
	if err := h.Sync(t.Context(), p.Host); err != nil {
		t.Fatal(err)
	}
	if n := charters.Load(); n == 0 || n > 20 {
		t.Errorf("one page caused %d look-ups, want 1 to 20", n)
	}
	if !h.shows(t, o, l.UID) {
		t.Error("the true row was held up by the others")
	}
}

func TestHeard_StrangersDoNotCrowdOutAPeer(t *testing.T) {
	h, o := openHome(t), openOther(t)
	for i := range 20_000 {
		h.Heard(fmt.Sprintf("stranger%d.example", i))
	}
	p, err := h.Add(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	h.Heard(p.Host)
	list, err := h.List(t.Context())
	if err != nil || !list[0].Heard.After(p.Heard) {
		t.Fatalf("the peer was heard %v, before that %v, %v", list[0].Heard, p.Heard, err)
	}
}
