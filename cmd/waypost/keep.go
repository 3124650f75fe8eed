package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node"
	"github.com/waypost-directory/waypost/node/web"
)

func backupCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup --data DIR --out FILE",
		Short: "Write everything, secret keys included, to one file",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			resp, err := a.do(cmd.Context(), http.MethodGet, "/backup", nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			out := s.v.GetString("out")
			if out == "-" {
				_, err = io.Copy(cmd.OutOrStdout(), resp.Body)
				return err
			}
			if out == "" {
				out = "waypost-" + time.Now().UTC().Format("2006-01-02T150405Z") + ".backup"
			}
			if err := writeWhole(out, resp.Body); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; it holds secret keys: keep it as you would keep a house key\n", out)
			return nil
		}),
	}
	cmd.Flags().String("out", "", "file to write; - is stdout; a name with the time when left out")
	return cmd
}

// writeWhole writes a file that is either whole and on disk, or not there.
func writeWhole(name string, r io.Reader) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".waypost-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s was not written: %w", name, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

func restoreCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore --data DIR --in FILE",
		Short: "Fill an empty data folder from a backup",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.node()
			if err != nil {
				return err
			}
			file := s.v.GetString("in")
			if file == "" {
				return wrongUsage("which backup? add --in FILE")
			}
			f, err := os.Open(file)
			if err != nil {
				return fmt.Errorf("cannot read %s: %w", file, errors.Unwrap(err))
			}
			defer f.Close()
			err = fillFolder(cfg.DataDir, func(dir string) (err error) {
				inside := cfg
				inside.DataDir = dir
				if cfg.BaseURL, err = node.Restore(cmd.Context(), inside, f); err != nil {
					return err
				}
				cfg.Dev = cfg.Dev || strings.HasPrefix(cfg.BaseURL, "http://")
				return writeSettings(cfg, s.v.GetString("listen"))
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "restored into %s\nsettings other than the base URL are not in a backup: copy the old waypost.yaml, or add --listen and the others again\nmake sure that the old node is stopped for good, then: waypost serve --data %s\n", cfg.DataDir, cfg.DataDir)
			return nil
		},
	}
	cmd.Flags().String("in", "", "the backup")
	return cmd
}

func reindexCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "reindex --data DIR",
		Short: "Make the search index anew from the log",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			if err := a.call(cmd.Context(), http.MethodPost, "/reindex", nil, nil); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the search index is being made anew; results come back within seconds")
			return nil
		}),
	}
}

// finding is one thing that doctor looked at.
type finding struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func doctorCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor --data DIR",
		Short: "Look for trouble and say what to do",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			var st web.Status
			if err := a.call(cmd.Context(), http.MethodGet, "/status", nil, &st); err != nil {
				return err
			}
			dir, err := s.data()
			if err != nil {
				return err
			}
			list := append(examine(st, dir), outside(cmd.Context(), st)...)
			bad := 0
			for _, f := range list {
				if !f.OK {
					bad++
				}
			}
			if s.v.GetBool("json") {
				if err := printJSON(cmd.OutOrStdout(), map[string]any{"status": st, "findings": list}); err != nil {
					return err
				}
			} else {
				printFindings(cmd.OutOrStdout(), list)
			}
			switch bad {
			case 0:
				return nil
			case 1:
				return errors.New("one thing needs attention, see above")
			}
			return fmt.Errorf("%d things need attention, see above", bad)
		}),
	}
}

func printFindings(w io.Writer, list []finding) {
	for _, f := range list {
		mark := "ok  "
		if !f.OK {
			mark = "LOOK"
		}
		fmt.Fprintf(w, "%s  %-12s %s\n", mark, f.What, f.Detail)
	}
}

// lagToMention is how far a follower of the log may be behind before it is
// worth a word.
const lagToMention = 1000

// examine judges what the node says of itself.
func examine(st web.Status, dir string) []finding {
	list := []finding{{"version", true, st.Version}}
	hosted := 0
	for _, c := range st.Communities {
		if c.Hosted {
			hosted++
			list = append(list, finding{"community", true, fmt.Sprintf("%s: %d listings, %d followers", c.Name, c.Total, c.Followers)})
		}
	}
	if hosted == 0 {
		list = append(list, finding{"community", false, "there is none yet; add one with: waypost community add"})
	}
	for _, f := range st.Positions {
		ok := f.Lag < lagToMention
		detail := f.Name + " is up to date"
		if f.Lag > 0 {
			detail = fmt.Sprintf("%s is %d entries behind", f.Name, f.Lag)
		}
		list = append(list, finding{"log", ok, detail})
	}
	list = append(list, finding{"peers", true, fmt.Sprintf("%d followed, %d deliveries waiting", len(st.Peers), st.Waiting)})
	for _, t := range st.Problems {
		list = append(list, finding{"peers", false, t})
	}
	return append(list, disk(dir))
}

// outside looks at the node's address as others do.
func outside(ctx context.Context, st web.Status) []finding {
	u, err := url.Parse(st.Base)
	if err != nil {
		return []finding{{"address", false, "the base URL cannot be read: " + err.Error()}}
	}
	var list []finding
	if addrs, err := net.DefaultResolver.LookupHost(ctx, u.Hostname()); err != nil {
		list = append(list, finding{"DNS", false, "the name " + u.Hostname() + " is not found; set an A or AAAA record for it at your domain's registrar"})
	} else {
		list = append(list, finding{"DNS", true, fmt.Sprintf("%s is %v", u.Hostname(), addrs)})
	}
	return append(list, webfinger(ctx, st))
}

func webfinger(ctx context.Context, st web.Status) finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	address := st.Base + "/.well-known/webfinger?resource=" + url.QueryEscape(st.Base+"/ap/relay")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return finding{"WebFinger", false, err.Error()}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return finding{"WebFinger", false, fmt.Sprintf("%s does not answer (%v); is the node running and the reverse proxy pointing at it?", st.Base, errors.Unwrap(err))}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return finding{"WebFinger", false, fmt.Sprintf("%s answers %s; the reverse proxy must pass every path on, and the Host header as it is", address, resp.Status)}
	}
	return clock(resp.Header.Get("Date"))
}

// clock compares our clock with the one on the way to us: signatures need it
// within minutes.
func clock(date string) finding {
	t, err := http.ParseTime(date)
	if err != nil {
		return finding{"WebFinger", true, "answers"}
	}
	if skew := time.Since(t).Abs(); skew > time.Minute {
		return finding{"clock", false, fmt.Sprintf("differs by %s from the server's; turn on NTP", skew.Round(time.Second))}
	}
	return finding{"WebFinger", true, "answers, and the clocks agree"}
}
