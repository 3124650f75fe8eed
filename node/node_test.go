package node_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
)

// running is a node that serves over real HTTP on loopback.
type running struct {
	*node.Node
	cid  string
	base string
}

func run(t *testing.T, handle string) *running {
	t.Helper()
	var n *node.Node
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Handler().ServeHTTP(w, r) }))
	n, err := node.New(t.Context(), node.Config{DataDir: t.TempDir(), BaseURL: srv.URL, Dev: true, Version: "test",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Directory.EnsureApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := n.Directory.CreateCommunity(t.Context(), directory.NewCommunity{Handle: handle, Name: "Community of " + handle})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		srv.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run %s: %v", handle, err)
		}
		if err := n.Close(); err != nil {
			t.Errorf("close %s: %v", handle, err)
		}
	})
	return &running{Node: n, cid: m.Community.CID, base: srv.URL}
}

func (r *running) finds(t *testing.T, text string) bool {
	t.Helper()
	a, err := r.Index.Search(t.Context(), protocol.Query{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return a.Total > 0
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within ten seconds: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestNode_AListingMadeOnOneIsFoundOnTheOther(t *testing.T) {
	a, b := run(t, "alpha"), run(t, "beta")
	before, err := a.Directory.Publish(t.Context(), a.cid, protocol.Listing{Kind: protocol.KindOffer, Title: "Spreadsheet surgery"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Peers.Add(t.Context(), a.base); err != nil {
		t.Fatal(err)
	}
	eventually(t, "back-filled", func() bool { return b.finds(t, "spreadsheet") })

	eventually(t, "followed", func() bool {
		list, err := b.Peers.List(t.Context())
		return err == nil && list[0].Follow == directory.FollowAccepted
	})
	if _, err := a.Directory.Publish(t.Context(), a.cid, protocol.Listing{Kind: protocol.KindOffer, Title: "Tablet help"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "pushed", func() bool { return b.finds(t, "tablet") })

	l := before.Listing
	l.Title = "Newsletter clinic"
	if _, err := a.Directory.Publish(t.Context(), a.cid, l); err != nil {
		t.Fatal(err)
	}
	eventually(t, "updated", func() bool { return b.finds(t, "newsletter") && !b.finds(t, "spreadsheet") })

	if err := a.Directory.Remove(t.Context(), a.cid, l.UID, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "deleted", func() bool { return !b.finds(t, "newsletter") })
}
