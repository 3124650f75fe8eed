// Package demo_test does what a newcomer does: it runs the demo federation
// from the program itself, publishes, searches, looks at the pages with a real
// browser, stops it and runs it again.
package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build makes the program once for the test.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "waypost")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/waypost-directory/waypost/cmd/waypost")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// demo is a running `waypost demo`.
type demo struct {
	bin, dir string
	port     int
	cmd      *exec.Cmd
	out      *lockedBuffer
	done     chan error
}

func (d *demo) base(i int) string { return fmt.Sprintf("http://localhost:%d", d.port+i) }

func start(t *testing.T, bin, dir string, port int) *demo {
	t.Helper()
	d := &demo{bin: bin, dir: dir, port: port, out: &lockedBuffer{}, done: make(chan error, 1)}
	d.cmd = exec.Command(bin, "demo", "--data", dir, "--port", fmt.Sprint(port))
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.done <- d.cmd.Wait() }()
	t.Cleanup(func() { _ = d.cmd.Process.Signal(os.Interrupt) })
	eventually(t, 60*time.Second, "the demo says where it runs", func() bool {
		select {
		case err := <-d.done:
			t.Fatalf("the demo stopped: %v\n%s", err, d.out.String())
		default:
		}
		return strings.Contains(d.out.String(), d.base(0)+"/search")
	})
	return d
}

func (d *demo) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-d.done:
		if err != nil {
			t.Fatalf("the demo ended badly: %v\n%s", err, d.out.String())
		}
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Signal(syscall.SIGQUIT)
		t.Fatalf("the demo does not stop\n%s", d.out.String())
	}
	for i := range 3 {
		if _, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", d.port+i), time.Second); err == nil {
			t.Errorf("port %d is still served", d.port+i)
		}
	}
}

func (d *demo) search(t *testing.T, node int, query string) (total int, facets map[string]map[string]int) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, d.base(node)+"/search?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a struct {
		Total  int                       `json:"total"`
		Facets map[string]map[string]int `json:"facets"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a.Total, a.Facets
}

// publish runs the very command that the demo prints.
func (d *demo) publish(t *testing.T, community, listing string) {
	t.Helper()
	cmd := exec.Command(d.bin, "listing", "add", "--data", filepath.Join(d.dir, community), "-")
	cmd.Stdin = strings.NewReader(listing)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("listing add: %v\n%s", err, out)
	}
}

func TestDemo_AsANewcomerMeetsIt(t *testing.T) {
	bin, dir, port := build(t), t.TempDir(), freePorts(t)
	d := start(t, bin, dir, port)

	eventually(t, 30*time.Second, "every node finds what all three published", func() bool {
		for i := range 3 {
			if total, _ := d.search(t, i, ""); total < 60 {
				return false
			}
		}
		return true
	})
	_, facets := d.search(t, 0, "")
	if got := len(facets["kind"]); got != 6 {
		t.Errorf("the demo shows %d kinds: %v", got, facets["kind"])
	}
	if got := len(facets["category"]); got < 8 {
		t.Errorf("the demo shows %d categories: %v", got, facets["category"])
	}

	d.publish(t, "media_mentors", `{"kind":"offer","title":"Quokka photography help","categories":["quick-tips"]}`)
	eventually(t, 5*time.Second, "a listing made on one node is found on another", func() bool {
		total, _ := d.search(t, 0, "q=quokka")
		return total == 1
	})
	lookAtPages(t, d.base(0))
	d.stop(t)

	again := start(t, bin, dir, port)
	if strings.Contains(again.out.String(), "Setting up") {
		t.Errorf("the second run began anew:\n%s", again.out.String())
	}
	for i := range 3 {
		if total, _ := again.search(t, i, "q=quokka"); total != 1 {
			t.Errorf("node %d forgot the listing", i)
		}
	}
	again.stop(t)
}

// lookAtPages runs the browser's checks: phone and desk, no JavaScript, the
// keyboard alone, axe.
func lookAtPages(t *testing.T, base string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "pages.mjs", base, filepath.Join(t.TempDir(), "screenshots"))
	cmd.Dir = filepath.Join("..", "browser")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the pages have problems (is the browser there? run testnet/setup.sh): %v\n%s", err, out)
	}
}

// freePorts finds three ports in a row.
func freePorts(t *testing.T) int {
	t.Helper()
	for port := 18080; port < 28080; port += 10 {
		free := true
		for i := range 3 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if err != nil {
				free = false
				break
			}
			_ = l.Close()
		}
		if free {
			return port
		}
	}
	t.Fatal("no three free ports in a row")
	return 0
}

func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// lockedBuffer is written by a process and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
