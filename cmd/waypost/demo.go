package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/cmd/waypost/demo"
	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/directory"
)

func demoCommand() *cobra.Command {
	var dir string
	var port, nodes int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a small federation on this machine, with sample data",
		Long: `Runs three communities, each with a node of its own on this machine, already
following each other. Ctrl-C stops all of them; the next run finds its data again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := demoRun{dir: dir, port: port, out: cmd.OutOrStdout()}
			return d.run(cmd.Context(), nodes)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "data", "data/demo", "where to keep its data")
	f.IntVar(&port, "port", 8080, "port of the first node; the others follow")
	f.IntVar(&nodes, "nodes", 3, "how many nodes, 1 to 3")
	return cmd
}

// demoRun is one run of the demo federation.
type demoRun struct {
	dir  string
	port int
	out  io.Writer
}

// demoNode is one node of it.
type demoNode struct {
	community demo.Community
	dir       string
	base      string
	listen    string
}

func (d demoRun) run(ctx context.Context, count int) error {
	communities, err := demo.Communities(time.Now())
	if err != nil {
		return err
	}
	if count < 1 || count > len(communities) {
		return wrongUsage("--nodes must be 1 to %d", len(communities))
	}
	nodes, err := d.prepare(ctx, communities[:count])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	for _, n := range nodes {
		cmd, err := n.start()
		if err != nil {
			cancel(nil)
			return err
		}
		running.Go(func() { n.watch(ctx, cmd, cancel) })
	}
	if err := federate(ctx, nodes); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
		cancel(nil)
		return err
	}
	d.welcome(nodes)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	fmt.Fprintln(d.out, "\nStopping. The data stays in "+d.dir+".")
	return nil
}

// prepare sets up the data folders that are not there yet.
func (d demoRun) prepare(ctx context.Context, communities []demo.Community) ([]demoNode, error) {
	var nodes []demoNode
	for i, c := range communities {
		port := strconv.Itoa(d.port + i)
		n := demoNode{community: c, dir: filepath.Join(d.dir, c.Handle), base: "http://localhost:" + port, listen: "127.0.0.1:" + port}
		if err := portFree(n.listen); err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(n.dir, configFile)); err != nil {
			fmt.Fprintf(d.out, "Setting up %s …\n", c.Name)
			if err := n.setUp(ctx); err != nil {
				return nil, fmt.Errorf("set up %s: %w", c.Name, err)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func portFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%s is in use; choose other ports with --port, such as --port 9080 --data data/demo-9080", address)
	}
	return l.Close()
}

// setUp makes a node's folder: anew each time until it is whole.
func (n demoNode) setUp(ctx context.Context) error {
	if err := os.RemoveAll(n.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return err
	}
	cfg := node.Config{DataDir: n.dir, BaseURL: n.base, Dev: true, Version: version, Logger: quiet()}
	x, err := node.New(ctx, cfg)
	if err != nil {
		return err
	}
	err = n.publish(ctx, x)
	if closing := x.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return writeSettings(cfg, n.listen)
}

func (n demoNode) publish(ctx context.Context, x *node.Node) error {
	c := n.community
	minted, _, err := fill(ctx, x, directory.NewCommunity{Handle: c.Handle, Name: c.Name, Summary: c.Summary, Place: c.Place, Areas: c.Areas})
	if err != nil {
		return err
	}
	for _, p := range x.Directory.PublishAll(ctx, minted.Community.CID, c.Listings) {
		if p.Err != nil {
			return fmt.Errorf("publish %q: %w", p.Listing.Title, p.Err)
		}
	}
	return nil
}

// start runs a node as a process of its own.
func (n demoNode) start() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	logFile, err := os.OpenFile(filepath.Join(n.dir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer logFile.Close() // the process has its own
	cmd := exec.Command(self, "serve", "--data", n.dir, "--base-url", n.base, "--listen", n.listen, "--dev")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// A group of its own: Ctrl-C reaches us, and we end the nodes in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, cmd.Start()
}

// watch ends the process with the demo, and the demo with the process.
func (n demoNode) watch(ctx context.Context, cmd *exec.Cmd, cancel context.CancelCauseFunc) {
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case err := <-exited:
		cancel(fmt.Errorf("the node of %s stopped (%v); see %s", n.community.Name, err, filepath.Join(n.dir, "node.log")))
		return
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill()
		<-exited
	}
}

// federate makes every node follow every other.
func federate(ctx context.Context, nodes []demoNode) error {
	for _, n := range nodes {
		if err := n.waitReady(ctx); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		admin := socketClient(n.dir)
		for _, other := range nodes {
			if other.base == n.base {
				continue
			}
			if err := admin.addPeer(ctx, other.base); err != nil {
				return fmt.Errorf("%s follows %s: %w", n.community.Name, other.community.Name, err)
			}
		}
	}
	return nil
}

func (n demoNode) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if socketClient(n.dir).ready(ctx) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node of %s does not answer; see %s", n.community.Name, filepath.Join(n.dir, "node.log"))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d demoRun) welcome(nodes []demoNode) {
	fmt.Fprintf(d.out, "\nA small federation is running:\n\n")
	for _, n := range nodes {
		fmt.Fprintf(d.out, "  %-40s %s\n", n.community.Name, n.base)
	}
	first, last := nodes[0], nodes[len(nodes)-1]
	fmt.Fprintf(d.out, `
Search all of it:      %s/search
Publish something:     echo '{"kind":"offer","title":"Help with tablets","categories":["quick-tips"]}' | waypost listing add --data %s -
and find it over here: %s/search?q=tablets

Ctrl-C stops all; the data stays in %s.
`, first.base, last.dir, first.base, d.dir)
}
