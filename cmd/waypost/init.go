package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
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
			if place.Name == "" {
				return wrongUsage("where is the community? add --place \"Bexley, London\"")
			}
			if cmd.Flags().Changed("latitude") != cmd.Flags().Changed("longitude") {
				return wrongUsage("give both --latitude and --longitude, or neither")
			}
			if cmd.Flags().Changed("latitude") {
				place.Latitude, place.Longitude = &lat, &lon
			}
			n.Place = &place
			return runInit(cmd, s, n)
		},
	}
	f := cmd.Flags()
	f.String("base-url", "", "address that others reach this node at, such as https://riverside.example")
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
	if err := mayInit(cfg.DataDir); err != nil {
		return err
	}
	if n.Place.Area != "" {
		n.Areas = []string{n.Place.Area}
	}
	minted, link, err := setUp(cmd.Context(), cfg, n)
	if err != nil {
		return err
	}
	if err := writeSettings(cfg, s.v.GetString("listen")); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	printCard(out, minted.Community, minted.Card.String())
	if !cfg.Dev && !s.v.GetBool("yes") {
		if err := confirmCard(out, cmd.InOrStdin(), minted); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\nStart it with:  waypost serve --data %s\nThen sign in, once, within a day:  %s\n", cfg.DataDir, link)
	return nil
}

// mayInit refuses a folder that a node lives in already.
func mayInit(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "store")); err == nil {
		return fmt.Errorf("a node lives in %s already; choose another folder, or add a community to it with: waypost community add", dir)
	}
	return os.MkdirAll(dir, 0o700)
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

func writeSettings(cfg node.Config, listen string) error {
	v := viper.New()
	v.Set("base-url", cfg.BaseURL)
	if listen != "" {
		v.Set("listen", listen)
	}
	if cfg.Dev {
		v.Set("dev", true)
	}
	return v.WriteConfigAs(filepath.Join(cfg.DataDir, configFile))
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
	return fmt.Errorf("the card was not confirmed; the community is set up and the card stands above: write it down before you go on")
}
