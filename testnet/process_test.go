package testnet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// builds holds what TestMain removes.
var builds string

func TestMain(m *testing.M) {
	var err error
	if builds, err = os.MkdirTemp("", "waypost-testnet"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(builds)
	os.Exit(code)
}

// binary is a real waypost, built once.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(builds, "waypost")
	cmd := exec.Command("go", "build", "-o", file, "../cmd/waypost")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build waypost: %w\n%s", err, out)
	}
	return file, err
})

// foreign is a path below testnet that setup.sh installs.
func foreign(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err != nil {
		t.Fatalf("testnet/%s is not installed; run testnet/setup.sh", path)
	}
	return abs
}

// nodeJS is the Node.js that testnet/fedify pins.
func nodeJS(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	return foreign(t, "fedify/node_modules/node-linux-"+arch+"/bin/node")
}

// freeAddress is a free port on a loopback address of its own.
func freeAddress(t *testing.T, ip string) string {
	t.Helper()
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is a program that runs beside the test and is stopped with it.
type process struct {
	cmd *exec.Cmd
	out syncBuffer
}

func startProcess(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			t.Errorf("%s did not stop within 15 seconds of being asked", name)
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("what %s printed:\n%s", name, p.out.String())
		}
	})
	return p
}

// server is a real waypost process with one community.
type server struct {
	base   string
	dir    string
	binary string
	*process
}

const handle = "riverside"

func startServer(t *testing.T) *server {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t, "127.0.0.11")
	s := &server{base: "http://" + address, dir: t.TempDir(), binary: file}
	s.run(t, "", "init", "--dev", "--base-url", s.base, "--listen", address, "--handle", handle,
		"--name", "Riverside Digital Champions", "--place", "Riverside, Exampleton", "--latitude", "51.5", "--longitude", "-0.1")
	s.process = startProcess(t, "waypost", exec.Command(file, "serve", "--dev", "--data", s.dir, "--listen", address))
	ready := func() (bool, error) {
		resp, err := http.Get(s.base + "/readyz")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	}
	if err := waitFor(t, ready); err != nil {
		t.Fatalf("waypost does not become ready: %v\n%s", err, s.out.String())
	}
	return s
}

// run runs a command of the same binary on the same data folder.
func (s *server) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, append(args, "--data", s.dir)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("waypost %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func (s *server) group() string { return s.base + "/ap/a/" + handle }
func (s *server) relay() string { return s.base + "/ap/relay" }
func (s *server) inbox() string { return s.base + "/ap/inbox" }

// call sends JSON to a server's control page, or fetches when body is nil.
func call(t *testing.T, url string, body, into any) {
	t.Helper()
	method, reader := http.MethodGet, io.Reader(nil)
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		method, reader = http.MethodPost, bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/activity+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v %s", url, resp.StatusCode, err, raw)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v in %.300s", url, err, raw)
	}
}
