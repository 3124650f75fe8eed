package testnet_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/testnet"
)

func echo() (http.Handler, *int) {
	handled := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handled++
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Method+" "+r.Host+r.URL.RequestURI()+" "+string(body))
	}), &handled
}

func post(t *testing.T, ctx context.Context, n *testnet.Network, from string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://b.test/x?y=%2F", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := n.From(from).RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestNetwork_CutsOneWayOrBoth(t *testing.T) {
	n := testnet.NewNetwork(1)
	h, handled := echo()
	n.Attach("b.test", h)
	if got, err := post(t, t.Context(), n, "a.test"); err != nil || got != "POST b.test/x?y=%2F hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	n.Cut("b.test", "a.test")
	if _, err := post(t, t.Context(), n, "a.test"); err == nil || *handled != 2 {
		t.Errorf("the answer's way is cut: got %v, handled %d times, want it handled and lost", err, *handled)
	}
	n.Heal("b.test", "a.test")
	n.Cut("a.test", "b.test")
	if _, err := post(t, t.Context(), n, "a.test"); err == nil || *handled != 2 {
		t.Errorf("the request's way is cut: got %v, handled %d times", err, *handled)
	}
	if _, err := post(t, t.Context(), n, "c.test"); err != nil {
		t.Errorf("another host is not concerned: %v", err)
	}
	n.Detach("b.test", false)
	if _, err := post(t, t.Context(), n, "c.test"); err == nil {
		t.Error("a host that is not there answers")
	}
}

func TestNetwork_LossIsDecidedByTheSeed(t *testing.T) {
	pattern := func(seed uint64) (s string) {
		n := testnet.NewNetwork(seed)
		h, _ := echo()
		n.Attach("b.test", h)
		n.Lose("a.test", "b.test", 0.3)
		for range 200 {
			if _, err := post(t, t.Context(), n, "a.test"); err != nil {
				s += "x"
			} else {
				s += "."
			}
		}
		return s
	}
	one := pattern(1)
	if one != pattern(1) || one == pattern(2) {
		t.Error("the same seed must lose the same messages, and another one others")
	}
	if lost := strings.Count(one, "x"); lost < 40 || lost > 80 {
		t.Errorf("%d of 200 were lost, want about 60", lost)
	}
}

func TestNetwork_LagAndCrashRespectWhoWaits(t *testing.T) {
	n := testnet.NewNetwork(1)
	entered, release := make(chan struct{}), make(chan struct{})
	n.Attach("b.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	n.Lag("a.test", "b.test", time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := post(t, ctx, n, "a.test"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	n.Heal("a.test", "b.test")
	failed := make(chan error, 1)
	go func() {
		_, err := post(t, t.Context(), n, "a.test")
		failed <- err
	}()
	<-entered
	n.Detach("b.test", true) // returns only when the handler has
	if err := <-failed; err == nil {
		t.Error("a host that crashed meanwhile answers")
	}
	close(release)
}

func TestNetwork_APanicIsTold(t *testing.T) {
	n := testnet.NewNetwork(1)
	n.Attach("b.test", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }))
	if _, err := post(t, t.Context(), n, "a.test"); err == nil {
		t.Error("a handler that panicked answers")
	}
	if err := n.Shock(); err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("got %v, want the panic", err)
	}
}
