package transport

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

func TestSlots_OnlyAFewRequestsGoToOneHostAtOnce(t *testing.T) {
	var now, most atomic.Int64
	gate := make(chan struct{})
	full := make(chan struct{}, 100)
	h := func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		full <- struct{}{}
		<-gate
		now.Add(-1)
		activity(w, "{}")
	}
	slow := serve(t, h)
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { activity(w, "{}") })
	c := newClient(t, Config{Dev: true})
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if _, err := c.GetActivity(context.Background(), slow, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		<-full
	}
	if _, err := c.GetActivity(context.Background(), other, nil); err != nil {
		t.Errorf("a busy host held up another: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := c.GetActivity(ctx, slow, nil)
	failure(t, err, protocol.Unavailable, ReasonBusy)
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	_, err = c.GetActivity(ctx, slow, nil)
	failure(t, err, protocol.Unavailable, ReasonCancelled)
	close(gate)
	wg.Wait()
	if got := most.Load(); got != 4 {
		t.Errorf("%d requests were under way at once, want 4", got)
	}
	if got := len(c.slots.hosts); got != 0 {
		t.Errorf("%d hosts are still in the table", got)
	}
}

func TestSlots_MadeUpHostsCannotFillTheMemory(t *testing.T) {
	s := newSlots(4, 4096)
	var releases []func()
	refused := 0
	for i := range 100_000 {
		release, f := s.acquire(context.Background(), fmt.Sprintf("h%d.example", i))
		if f != nil {
			refused++
			continue
		}
		releases = append(releases, release)
	}
	if len(s.hosts) != 4096 || refused != 100_000-4096 {
		t.Errorf("the table has %d hosts after %d refusals, want 4096", len(s.hosts), refused)
	}
	for _, release := range releases {
		release()
	}
	if len(s.hosts) != 0 {
		t.Errorf("%d hosts are left when all is done", len(s.hosts))
	}
}

func TestClient_NothingStaysOfHostsThatDoNotExist(t *testing.T) {
	c := newClient(t, Config{RoundTripper: roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("nothing at %s", r.URL.Host)
	})})
	for i := range 100_000 {
		c.Get(context.Background(), fmt.Sprintf("https://h%d.example/", i), GetOptions{Signer: testSigner{}})
	}
	if len(c.slots.hosts) != 0 || len(c.schemes.until) != 0 {
		t.Errorf("%d slots and %d schemes are left", len(c.slots.hosts), len(c.schemes.until))
	}
}

func TestBudget_CountsEveryRequestOnTheWire(t *testing.T) {
	p := &picky{want: map[string]int{"cavage": 401, "rfc9421": 200, "none": 200}}
	var hits atomic.Int64
	site := serve(t, counter(&hits, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/u", http.StatusFound)
			return
		}
		p.ServeHTTP(w, r)
	}))
	c := newClient(t, Config{Dev: true})
	ctx := WithBudget(context.Background(), 20)
	for range 6 { // a redirect and its target: two each
		if _, err := c.GetActivity(ctx, site+"/moved", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.GetActivity(ctx, site+"/u", testSigner{}); err != nil { // two knocks
		t.Fatal(err)
	}
	inner := WithBudget(ctx, 100)
	for range 6 {
		if _, err := c.GetActivity(inner, site+"/u", nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, ctx := range []context.Context{ctx, inner} {
		_, err := c.GetActivity(ctx, site+"/u", nil)
		f := failure(t, err, protocol.Unavailable, ReasonBudget)
		if want := "it needs more than the 20 look-ups at other hosts that one activity may cause"; f.Words != want {
			t.Errorf("got %q, want %q", f.Words, want)
		}
	}
	if got := hits.Load(); got != 20 {
		t.Errorf("%d requests arrived, want 20", got)
	}
	if _, err := c.GetActivity(context.Background(), site+"/u", nil); err != nil {
		t.Errorf("without a budget: %v", err)
	}
}

func TestBudget_IsSharedByGoroutines(t *testing.T) {
	var hits atomic.Int64
	site := serve(t, counter(&hits, func(w http.ResponseWriter, _ *http.Request) { activity(w, "{}") }))
	c := newClient(t, Config{Dev: true})
	ctx := WithBudget(context.Background(), 5)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { c.GetActivity(ctx, site, nil) })
	}
	wg.Wait()
	if got := hits.Load(); got != 5 {
		t.Errorf("%d requests arrived, want 5", got)
	}
}
