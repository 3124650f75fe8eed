package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/web"
)

// admin talks to a node's admin interface over the socket in its data folder.
type admin struct{ http *http.Client }

// withAdmin runs a command against the node in the data folder: the one that
// is running or, when none is, one that this command runs for as long as it
// takes. The commands cannot tell the difference.
func withAdmin(s *settings, run func(cmd *cobra.Command, args []string, a admin) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := s.existing()
		if err != nil {
			return err
		}
		a := socketClient(cfg.DataDir)
		if a.ready(cmd.Context()) == nil {
			return run(cmd, args, a)
		}
		cfg.Logger = quiet()
		return withOwnNode(cmd.Context(), cfg, func(*node.Node) error { return run(cmd, args, a) })
	}
}

// withOwnNode opens the node and serves its admin socket while run runs.
func withOwnNode(ctx context.Context, cfg node.Config, run func(*node.Node) error) error {
	n, err := node.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	socket, err := listenAdmin(cfg.DataDir)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: n.Admin(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- ignoreClosed(srv.Serve(socket)) }()
	if err = run(n); err == nil {
		err = n.CatchUp(ctx)
	}
	return errors.Join(err, srv.Close(), <-done)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// socketClient talks to the server that runs on a data folder, if one does.
func socketClient(dir string) admin {
	path := filepath.Join(dir, socketName)
	return admin{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}}
}

func (a admin) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return a.call(ctx, http.MethodGet, "/communities", nil, nil)
}

func (a admin) addPeer(ctx context.Context, address string) error {
	return a.call(ctx, http.MethodPost, "/peers", map[string]string{"url": address}, nil)
}

// call sends in as JSON and reads the answer into out; either may be nil.
func (a admin) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := a.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	return nil
}

// do returns a successful answer, or the problem as an error.
func (a admin) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://waypost/admin/v1"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the node gave no answer; see its log, and whether it runs: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var p web.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil {
		return nil, fmt.Errorf("the node answered %s", resp.Status)
	}
	return nil, problemError{p}
}

// problemError is a problem that the node told, as an error of ours.
type problemError struct{ web.Problem }

func (e problemError) Error() string {
	if len(e.Errors) == 0 {
		return clause(e.Detail)
	}
	parts := make([]string, len(e.Errors))
	for i, f := range e.Errors {
		parts[i] = f.Field + " " + f.Problem
	}
	return strings.Join(parts, "; ")
}

// clause is a sentence as it stands after "waypost: ".
func clause(s string) string {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 1 && 'a' <= s[1] && s[1] <= 'z' || strings.HasPrefix(s, "A ") {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// printJSON writes a value as a script would want it.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func escape(s string) string { return url.PathEscape(s) }
