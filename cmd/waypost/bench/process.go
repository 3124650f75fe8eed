package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

// process is a node that is measured from outside.
type process struct {
	program string
	dir     string
	address string // host and port that it serves on
	base    string
	cid     string // of its community

	cmd    *exec.Cmd
	exited chan error
	admin  *http.Client // over the socket in its folder
	web    *http.Client // over one kept connection
}

// newNode sets up a folder with one community and some listings.
func (b *bench) newNode(ctx context.Context, handle string, listings []protocol.Listing) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &process{program: b.Program, dir: filepath.Join(b.dir, handle), address: address, base: "http://" + address}
	socket := filepath.Join(p.dir, "waypost.sock")
	p.admin = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	p.web = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	n, cid, err := b.open(ctx, p.dir, p.base, handle)
	if err != nil {
		return nil, err
	}
	p.cid = cid
	err = publish(ctx, n, cid, listings)
	if err == nil {
		err = n.CatchUp(ctx)
	}
	if closing := n.Close(); err == nil {
		err = closing
	}
	return p, err
}

// open makes a node in this process, with one community.
func (b *bench) open(ctx context.Context, dir, base, handle string) (*node.Node, string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	n, err := node.New(ctx, node.Config{DataDir: dir, BaseURL: base, Dev: true, Version: b.Version, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, "", err
	}
	var minted directory.Minted
	if err = n.Directory.EnsureApplication(ctx); err == nil {
		minted, err = n.Directory.CreateCommunity(ctx, directory.NewCommunity{Handle: handle, Name: "The community of " + handle})
	}
	if err != nil {
		_ = n.Close()
		return nil, "", err
	}
	return n, minted.Community.CID, nil
}

// publish adds listings to a node in this process, some hundred at a time.
func publish(ctx context.Context, n *node.Node, cid string, listings []protocol.Listing) error {
	for from := 0; from < len(listings); from += 500 {
		part := listings[from:min(from+500, len(listings))]
		for _, p := range n.Directory.PublishAll(ctx, cid, part) {
			if p.Err != nil {
				return fmt.Errorf("publish %q: %w", p.Listing.Title, p.Err)
			}
		}
	}
	return nil
}

// freeAddress is one that nothing listens on just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// start runs the node. It does not wait until it serves.
func (p *process) start() error {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	p.cmd = exec.Command(p.program, "serve", "--dev", "--data", p.dir, "--base-url", p.base, "--listen", p.address)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	exited, cmd := make(chan error, 1), p.cmd
	p.exited = exited
	go func() { exited <- cmd.Wait() }()
	return nil
}

func (p *process) logFile() string { return filepath.Join(p.dir, "node.log") }

// stop ends it as systemd would. It may be called when it does not run.
func (p *process) stop() error {
	if p.cmd == nil {
		return nil
	}
	cmd := p.cmd
	p.cmd = nil
	p.web.CloseIdleConnections()
	p.admin.CloseIdleConnections()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.exited:
		if err != nil {
			return fmt.Errorf("a node ended with %w: %s", err, p.lastWords())
		}
		return nil
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("a node did not stop within half a minute: %s", p.lastWords())
	}
}

// lastWords is the end of its log.
func (p *process) lastWords() string {
	raw, _ := os.ReadFile(p.logFile())
	return string(raw[max(0, len(raw)-600):])
}

// run starts the node, waits until it serves, and stops it after fn.
func (p *process) run(ctx context.Context, fn func() error) (err error) {
	if err := p.start(); err != nil {
		return err
	}
	defer func() {
		if stopping := p.stop(); err == nil {
			err = stopping
		}
	}()
	if err := p.waitReady(ctx, p.base+"/readyz", 20*time.Millisecond); err != nil {
		return err
	}
	return fn()
}

// waitReady asks until the answer is 200.
func (p *process) waitReady(ctx context.Context, address string, every time.Duration) error {
	return p.until(ctx, "it serves", every, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return false, err
		}
		resp, err := p.web.Do(req)
		if err != nil {
			return false, nil // not yet
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == http.StatusOK, err
	})
}

// until asks again and again, for two minutes at most.
func (p *process) until(ctx context.Context, what string, every time.Duration, ask func() (bool, error)) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-p.exited:
			p.exited <- err
			return fmt.Errorf("a node ended before %s (%v): %s", what, err, p.lastWords())
		case <-time.After(every):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("two minutes went by before %s: %s", what, p.lastWords())
		}
	}
}

// settling is how long a node is left alone before its CPU time is read, so
// that asking whether it is done does not count. It is much longer than what
// is left to do takes.
const settling = 200 * time.Millisecond

// spent is the CPU time that a node needs for some work: from before work
// begins until done says that nothing is left.
func (p *process) spent(ctx context.Context, what string, work func() error, done func() (bool, error)) (cpu time.Duration, err error) {
	before, err := processCPU(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	time.Sleep(settling)
	err = p.until(ctx, what, settling, func() (bool, error) {
		after, err := processCPU(p.cmd.Process.Pid)
		if err != nil {
			return false, err
		}
		cpu = after - before
		return done()
	})
	return cpu, err
}

// command asks the admin interface; in and out are JSON and may be nil.
func (p *process) command(ctx context.Context, method, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://waypost/admin/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return ask(p.admin, req, out)
}

// find searches the node as a program would.
func (p *process) find(ctx context.Context, query string) (total int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/search?"+query, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/json")
	var answer struct {
		Total int `json:"total"`
	}
	err = ask(p.web, req, &answer)
	return answer.Total, err
}

func (p *process) status(ctx context.Context) (web.Status, error) {
	var s web.Status
	err := p.command(ctx, http.MethodGet, "/status", nil, &s)
	return s, err
}

// ask reads a JSON answer to its end, so that the connection is kept.
func ask(c *http.Client, req *http.Request, out any) error {
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, resp.Status, raw[:min(len(raw), 300)])
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
