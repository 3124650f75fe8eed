//go:build linux

package crash

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/store/storetest/powercut"
)

// mount returns a disk that a node's data folder can lie on.
func mount(t *testing.T) *powercut.Disk {
	t.Helper()
	return powercut.Mount(t, filepath.Join(folder(t), "disk"))
}

// cut takes the power away from a node and its disk at once.
func cut(d *powercut.Disk) interrupt {
	return func(n *node, rng *rand.Rand) {
		if rng.IntN(2) == 0 {
			d.Flush()
		}
		d.Cut(rng.Uint64())
		n.kill()
		d.PowerOn()
	}
}

func TestPowerCut_NothingAcknowledgedIsLostWhilePublishingAndReceiving(t *testing.T) {
	t.Parallel()
	publishAndReceive(t, rounds(30), func(t *testing.T, name string) (string, interrupt) {
		d := mount(t)
		return d.Path(), cut(d)
	})
}

func TestPowerCut_NothingAcknowledgedIsLostOnADiskThatKeepsNoOrder(t *testing.T) {
	t.Parallel()
	publishAndReceive(t, rounds(15), func(t *testing.T, name string) (string, interrupt) {
		d := mount(t)
		d.Loose()
		return d.Path(), cut(d)
	})
}

func TestPowerCut_NothingAcknowledgedIsLostWhileImporting(t *testing.T) {
	t.Parallel()
	d := mount(t)
	importing(t, rounds(10), d.Path(), cut(d))
}

func TestFullDisk_IsAnAnswerAndPassesWithoutARestart(t *testing.T) {
	t.Parallel()
	d := mount(t)
	rng := rand.New(rand.NewPCG(*seed, 5))
	l := newLedger(rng)
	n, neighbour := newNode(t, "alpha", d.Path(), ""), newNode(t, "beta", folder(t), "")
	n.serve()
	neighbour.serve()
	secret, err := command("", "token", "create", "--data", n.dir, "--scope", "listings:write")
	if err != nil {
		t.Fatal(secret)
	}
	if err := n.call(http.MethodPost, "/peers", map[string]string{"url": neighbour.base}, nil); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := l.write(n); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all is indexed", n.upToDate)

	// Less is free than the node leaves to its own housekeeping.
	d.FullDisk(48 << 20)
	var r refusal
	if err := l.write(n); !errors.As(err, &r) || r.status != http.StatusServiceUnavailable || !strings.Contains(r.detail, "disk is full") {
		t.Errorf("publishing on a full disk: %v", err)
	}
	words := func(what, stdin string, args ...string) {
		t.Helper()
		out, err := command(stdin, append(args, "--data", n.dir)...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(strings.ToLower(out), "the disk is full") || !strings.Contains(out, "make room") {
			t.Errorf("%s on a full disk: %v\n%s", what, err, out)
		}
	}
	words("listing add", `{"kind":"offer","title":"One too many"}`, "listing", "add", "-")
	words("listing import", "kind,title\noffer,Two too many\noffer,Three too many\n", "listing", "import", "--format", "csv", "-")
	words("token create", "", "token", "create", "--scope", "listings:write")
	if status := post(t, n.base+"/api/v1/listings", strings.TrimSpace(secret), `{"kind":"offer","title":"Four too many"}`); status != http.StatusServiceUnavailable {
		t.Errorf("the API answers %d on a full disk", status)
	}
	if out, err := command("", "doctor", "--data", n.dir); err == nil || !strings.Contains(out, "LOOK  disk") {
		t.Errorf("doctor on a full disk: %v\n%s", err, out)
	}
	if _, err := command(`{"kind":"offer","title":"From a neighbour"}`, "listing", "add", "--data", neighbour.dir, "-"); err != nil {
		t.Fatal(err)
	}
	// Reading goes on.
	s := n.snapshot()
	l.reconcile(t, n, s)
	l.findable(t, n, s)
	if f, err := n.search("too many"); err != nil || f.Total != 0 {
		t.Errorf("what was refused is found: %+v %v", f, err)
	}

	// There is room again: no restart is needed, and what the neighbour could
	// not deliver arrives.
	d.FullDisk(-1)
	for range 20 {
		if err := l.write(n); err != nil {
			t.Fatalf("publishing after there was room again: %v", err)
		}
	}
	eventually(t, "the neighbour's listing arrives", func() bool {
		f, err := n.search("neighbour")
		return err == nil && f.Total == 1
	})
}

// post sends a listing to the API as a program would, and returns the status.
func post(t *testing.T, url, token, body string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// Another program fills the disk to the last byte while the node writes. The
// node may then end; what it acknowledged is there when there is room again.
func TestFullDisk_FilledByOthersLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	d := mount(t)
	rng := rand.New(rand.NewPCG(*seed, 6))
	l := newLedger(rand.New(rand.NewPCG(*seed, 7)))
	n := newNode(t, "alpha", d.Path(), "")
	n.serve()
	ended, refused := 0, 0
	for range rounds(10) {
		var mu sync.Mutex
		stop := l.writers(n, time.Millisecond, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			refused++
			if !strings.Contains(err.Error(), "disk") {
				t.Errorf("refused without a word about the disk: %v", err)
			}
		})
		time.Sleep(time.Duration(50_000+rng.IntN(100_000)) * time.Microsecond)
		d.FullDisk(int64(rng.IntN(1 << 20)))
		time.Sleep(time.Duration(rng.IntN(200_000)) * time.Microsecond)
		stop()
		if rng.IntN(2) == 0 { // or somebody starts it again too early
			n.kill()
			n.start()
			<-n.exited
			if out := n.log.tail(); !strings.Contains(out, "disk is full") {
				t.Errorf("starting on a full disk says\n%s", out)
			}
		}
		d.FullDisk(-1)
		eventually(t, "it goes on, or has ended", func() bool { return !n.running() || n.upToDate() })
		if !n.running() {
			ended++
			n.serve()
		}
		s := n.snapshot()
		l.reconcile(t, n, s)
		l.findable(t, n, s)
	}
	if refused == 0 {
		t.Error("the disk was never full")
	}
	t.Logf("%d edits acknowledged, %d refused, started again %d times", l.acked, refused, ended)
}
