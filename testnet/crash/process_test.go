package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// seed begins the schedules; another one finds other moments.
var seed = flag.Uint64("crash.seed", 1, "what the schedules of interruptions begin with")

// binary is the program under test, built once.
var binary = filepath.Join(os.TempDir(), fmt.Sprintf("waypost-crash-%d", os.Getpid()))

func TestMain(m *testing.M) {
	flag.Parse()
	build := exec.Command("go", "build", "-o", binary, "../../cmd/waypost")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build waypost: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.Remove(binary)
	os.Exit(code)
}

// rounds is how many interruptions a test makes.
func rounds(all int) int {
	if testing.Short() {
		return max(all/10, 2)
	}
	return all
}

// command runs a command of the program's and returns what it wrote.
func command(stdin string, args ...string) (string, error) {
	cmd := exec.Command(binary, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// node is a data folder and the process that serves it.
type node struct {
	t      *testing.T
	name   string
	dir    string
	base   string
	listen string
	admin  *http.Client

	cmd    *exec.Cmd
	log    *logBuffer
	exited chan struct{}
}

// newNode sets a node up that is reached at base, or where it listens when
// base is empty.
func newNode(t *testing.T, name, dir, base string) *node {
	t.Helper()
	n := &node{t: t, name: name, dir: dir, listen: freeAddress(t), base: base, log: &logBuffer{}}
	if base == "" {
		n.base = "http://" + n.listen
	}
	n.admin = &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(dir, "waypost.sock"))
		}}}
	out, err := command("", "init", "--data", dir, "--base-url", n.base, "--listen", n.listen, "--dev",
		"--name", "Community "+name, "--handle", name, "--place", "Bexley")
	if err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			t.Logf("the last that %s logged:\n%s", name, n.log.tail())
		}
	})
	return n
}

// folder makes a data folder whose path is short enough for a socket.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wpc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the node, without waiting for it.
func (n *node) start() {
	n.t.Helper()
	n.cmd = exec.Command(binary, "serve", "--data", n.dir)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	cmd, exited := n.cmd, make(chan struct{})
	n.exited = exited
	go func() {
		cmd.Wait()
		close(exited)
	}()
}

// serve runs the node and waits until it answers.
func (n *node) serve() {
	n.t.Helper()
	n.start()
	eventually(n.t, n.name+" answers", func() bool {
		select {
		case <-n.exited:
			n.t.Fatalf("%s ended instead of serving:\n%s", n.name, n.log.tail())
		default:
		}
		return n.call(http.MethodGet, "/communities", nil, nil) == nil
	})
}

// kill is kill -9.
func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	n.cmd.Process.Kill()
	<-n.exited
	n.cmd = nil
}

// running reports whether the process is still there.
func (n *node) running() bool {
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// refusal is an answer that is not a success.
type refusal struct {
	status int
	detail string
}

func (r refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.detail) }

// call asks the admin interface, and reads its JSON answer into out unless
// that is nil. An error that is no refusal means that nobody knows what became
// of the request.
func (n *node) call(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://waypost/admin/v1"+path, body)
	if err != nil {
		return err
	}
	resp, err := n.admin.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return refusal{resp.StatusCode, string(raw)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// found is what a search answers.
type found struct {
	Total   int `json:"total"`
	Results []struct {
		UID   string `json:"uid"`
		Title string `json:"title"`
	} `json:"results"`
}

// search asks the public address, as a visitor would.
func (n *node) search(text string) (f found, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+n.listen+"/search?q="+url.QueryEscape(text), nil)
	if err != nil {
		return f, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return f, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return f, refusal{resp.StatusCode, ""}
	}
	return f, json.NewDecoder(resp.Body).Decode(&f)
}

// status is what the node says of itself.
type status struct {
	Waiting   int `json:"deliveries_waiting"`
	Positions []struct {
		Name string `json:"name"`
		Lag  uint64 `json:"lag"`
	} `json:"followers_of_the_log"`
}

// upToDate says whether every follower of the log has come to its end and
// nothing waits to be delivered.
func (n *node) upToDate() bool {
	var s status
	if n.call(http.MethodGet, "/status", nil, &s) != nil {
		return false
	}
	for _, p := range s.Positions {
		if p.Lag > 0 {
			return false
		}
	}
	return s.Waiting == 0
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 60*time.Second {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// logBuffer keeps the end of what processes logged.
type logBuffer struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if extra := len(b.buf) - 16<<10; extra > 16<<10 {
		b.buf = append([]byte(nil), b.buf[extra:]...)
	}
	return len(p), nil
}

func (b *logBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.buf[max(0, len(b.buf)-8<<10):])
}
