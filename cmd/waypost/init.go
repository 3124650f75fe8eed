package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
)

func initCommand(s *settings) *cobra.Command {
	var n directory.NewCommunity
	var place protocol.Place
	var lat, lon float64
	cmd := &cobra.Command{
		Use:   "init --data DIR --base-url URL --name NAME --handle HANDLE --place PLACE",
		Short: "Set up a node and its first community",
		Long: `Sets up a data folder: the node's keys, a first community with its charter,
and settings in waypost.yaml. It prints the first steward's recovery card, once:
write it down and keep it away from this machine. It is stored nowhere.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("latitude") != cmd.Flags().Changed("longitude") {
				return wrongUsage("give both --latitude and --longitude, or neither")
			}
			if cmd.Flags().Changed("latitude") {
				place.Latitude, place.Longitude = &lat, &lon
			}
			n.Place = &place
			if err := complete(s, n); err != nil {
				return err
			}
			return runInit(cmd, s, n)
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.Name, "name", "", "the community's name")
	f.StringVar(&n.Handle, "handle", "", "short name for its address @handle@domain: a–z, 0–9 and _")
	f.StringVar(&n.Summary, "summary", "", "what the community does, in one sentence")
	f.StringVar(&place.Name, "place", "", "where it is, such as \"Bexley, London\"")
	f.StringVar(&place.Area, "area", "", "official code of its area, such as E09000004")
	f.Float64Var(&lat, "latitude", 0, "degrees north")
	f.Float64Var(&lon, "longitude", 0, "degrees east")
	f.String("listen", "", "address to serve on, such as 127.0.0.1:8080")
	f.Bool("yes", false, "do not ask whether the recovery card is written down")
	return cmd
}

func runInit(cmd *cobra.Command, s *settings, n directory.NewCommunity) error {
	cfg, err := s.node()
	if err != nil {
		return err
	}
	listen := s.v.GetString("listen")
	if listen == "" && cfg.Dev {
		listen = loopback(cfg.BaseURL)
	}
	if n.Place.Area != "" {
		n.Areas = []string{n.Place.Area}
	}
	var minted directory.Minted
	var link string
	err = fillFolder(cfg.DataDir, func(dir string) (err error) {
		inside := cfg
		inside.DataDir = dir
		if minted, link, err = setUp(cmd.Context(), inside, n); err != nil {
			return err
		}
		return writeSettings(cfg, listen)
	})
	if protocol.KindOf(err) == protocol.Invalid {
		return wrongUsage("%s", explain(err))
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	printCard(out, minted.Community, minted.Card.String())
	if !cfg.Dev && !s.v.GetBool("yes") {
		err = confirmCard(out, cmd.InOrStdin(), minted)
	}
	fmt.Fprintf(out, "\nStart it with:  waypost serve --data %s\nThen sign in, once, within a day:  %s\n", cfg.DataDir, link)
	return err
}

// loopback is the address to serve a base URL of this very machine on, such as
// http://localhost:9590; empty for any other.
func loopback(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Port() == "" || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", u.Port())
}

// complete asks for what was left out.
func complete(s *settings, n directory.NewCommunity) error {
	switch {
	case s.v.GetString("base-url") == "":
		return wrongUsage("what address will others reach this node at? add --base-url https://your.domain")
	case n.Name == "":
		return wrongUsage("what is the community called? add --name \"Bexley Digital Champions\"")
	case n.Handle == "":
		return wrongUsage("what is its short name? add --handle bexley")
	case n.Place.Name == "":
		return wrongUsage("where is the community? add --place \"Bexley, London\"")
	}
	return nil
}

// fillFolder makes a node's folder whole or not at all: fill works in a folder
// within it, and what it made is moved into place, the store, by which a node
// is recognised, last.
func fillFolder(dir string, fill func(dir string) error) (err error) {
	if _, err := os.Stat(filepath.Join(dir, "store")); err == nil {
		return fmt.Errorf("a node lives in %s already; choose another folder, or add a community to it with: waypost community add", dir)
	}
	inside := filepath.Join(dir, ".setup")
	if err := os.RemoveAll(inside); err != nil { // of one that was killed
		return err
	}
	if err := os.MkdirAll(inside, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(inside)) }()
	if err := fill(inside); err != nil {
		return err
	}
	// An index that is left of another store would not be made anew.
	old, err := filepath.Glob(filepath.Join(dir, "search.db*"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	made, err := os.ReadDir(inside)
	if err != nil {
		return err
	}
	for _, f := range made {
		if f.Name() == "store" {
			continue
		}
		if err := os.Rename(filepath.Join(inside, f.Name()), filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	if err := os.Rename(filepath.Join(inside, "store"), filepath.Join(dir, "store")); err != nil {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// setUp makes the node's keys, its first community and a one-time sign-in link.
func setUp(ctx context.Context, cfg node.Config, c directory.NewCommunity) (directory.Minted, string, error) {
	n, err := node.New(ctx, cfg)
	if err != nil {
		return directory.Minted{}, "", err
	}
	minted, link, err := fill(ctx, n, c)
	if closing := n.Close(); err == nil {
		err = closing
	}
	return minted, link, err
}

func fill(ctx context.Context, n *node.Node, c directory.NewCommunity) (directory.Minted, string, error) {
	if err := n.Directory.EnsureApplication(ctx); err != nil {
		return directory.Minted{}, "", err
	}
	minted, err := n.Directory.CreateCommunity(ctx, c)
	if err != nil {
		return directory.Minted{}, "", err
	}
	link, err := n.SignInLink(ctx)
	return minted, link, err
}

// writeSettings keeps what a node cannot do without in its folder's file of
// settings, and what is in that file already.
func writeSettings(cfg node.Config, listen string) error {
	file := filepath.Join(cfg.DataDir, configFile)
	v := viper.New()
	v.SetConfigFile(file)
	if err := v.ReadInConfig(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	v.Set("base-url", cfg.BaseURL)
	if listen != "" {
		v.Set("listen", listen)
	}
	if cfg.Dev {
		v.Set("dev", true)
	}
	var out bytes.Buffer
	if err := v.WriteConfigTo(&out); err != nil {
		return err
	}
	return writeWhole(file, &out)
}

func printCard(w io.Writer, c protocol.Community, card string) {
	fmt.Fprintf(w, `The community %q is set up. Its identity, for life, is
  %s

RECOVERY CARD of its first steward. Write it down now; it is not stored.
  %s
With it the community can be brought back when this machine is lost.
`, c.Name, c.CID, card)
}

// confirmCard asks for the end of the card, so that it was at least looked at.
func confirmCard(w io.Writer, r io.Reader, m directory.Minted) error {
	card := m.Card.String()
	want := card[len(card)-4:]
	lines := bufio.NewScanner(r)
	for range 3 {
		fmt.Fprint(w, "\nWritten down? Type the last four characters of the card: ")
		if !lines.Scan() {
			break
		}
		if strings.EqualFold(strings.TrimSpace(lines.Text()), want) {
			return nil
		}
	}
	return fmt.Errorf("the card was not confirmed; the community is set up, and its card stands above: write it down before you start it")
}
