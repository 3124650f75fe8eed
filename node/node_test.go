package node_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

func TestNode_ErasedTextIsGoneFromTheDataFolderOnBothSides(t *testing.T) {
	const canary = "xylocanary"
	a, b := run(t, "alpha"), run(t, "beta")
	if _, err := b.Peers.Add(t.Context(), a.base); err != nil {
		t.Fatal(err)
	}
	p, err := a.Directory.Publish(t.Context(), a.cid, protocol.Listing{Kind: protocol.KindOffer, Title: "Help by " + canary,
		Description: strings.Repeat(canary+" and more. ", 40)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "found by both", func() bool { return a.finds(t, canary) && b.finds(t, canary) })
	for _, n := range []*running{a, b} {
		if !holds(t, n.Config.DataDir, canary) {
			t.Fatal("the test looks in the wrong place: the text is not in the folder before it is erased")
		}
	}
	if err := a.Directory.Remove(t.Context(), a.cid, p.Listing.UID, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone from search", func() bool { return !a.finds(t, canary) && !b.finds(t, canary) })
	for _, n := range []*running{a, b} {
		if err := n.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if holds(t, n.Config.DataDir, canary) {
			t.Errorf("the text is still in the folder of %s", n.base)
		}
	}
}

// holds reports whether any file in a folder contains a text.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Type() != 0 {
			return nil // files come and go
		}
		raw, err := os.ReadFile(path)
		if err == nil && bytes.Contains(raw, []byte(text)) {
			t.Logf("%q is in %s", text, filepath.Base(path))
			found = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
