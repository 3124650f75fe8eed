package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node"
)

// memoryLimit is a soft limit for the garbage collector: a node is meant to
// share a Raspberry Pi with others. GOMEMLIMIT overrides it.
const memoryLimit = 192 << 20

// socketName is the admin socket in a data folder.
const socketName = "waypost.sock"

func serveCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run the node",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.existing()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg, s.v.GetString("listen"))
		},
	}
	f := cmd.Flags()
	f.String("listen", "127.0.0.1:8080", "address to serve on, behind a reverse proxy that does TLS")
	f.String("store", "", "where the data lies: badger")
	return cmd
}

// serve runs a node until ctx ends: first its address, so that nobody waits
// for an open port in vain, then its work.
func serve(ctx context.Context, cfg node.Config, listen string) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	public, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot serve on %s: %w; is another program using it? choose one with --listen", listen, err)
	}
	defer public.Close()
	n, err := node.New(ctx, cfg)
	if err != nil {
		return err
	}
	err = serveNode(ctx, n, public)
	return errors.Join(err, n.Close())
}

func serveNode(ctx context.Context, n *node.Node, public net.Listener) error {
	socket, err := listenAdmin(n.Config.DataDir)
	if err != nil {
		return err
	}
	defer socket.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers := []*http.Server{newServer(n.Handler()), newServer(n.Admin())}
	servers[1].WriteTimeout, servers[1].ReadTimeout = 0, 0 // imports and backups may take long
	failed := make(chan error, 3)
	go func() { failed <- ignoreClosed(servers[0].Serve(public)) }()
	go func() { failed <- ignoreClosed(servers[1].Serve(socket)) }()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.Config.Logger.Info("serving", "address", public.Addr().String(), "base_url", n.Config.BaseURL)

	var first error
	select {
	case <-ctx.Done():
	case first = <-failed:
	case first = <-done:
		done <- nil
	}
	cancel()
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	for _, srv := range servers {
		_ = srv.Shutdown(grace)
	}
	return errors.Join(first, <-done)
}

// newServer bounds how long and how much a stranger may keep it busy.
func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// listenAdmin opens the socket that commands talk to. Only this user may.
// The store's own lock has made sure that no other node uses the folder, so a
// socket that is there already was left by one that died.
func listenAdmin(dir string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the admin socket %s: %w; a shorter path to the data folder may help", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
