package main

import (
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/web"
)

func peerCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "peer", Short: "Follow other nodes and see how they are doing", RunE: which}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "add URL",
			Short: "Follow another node, such as https://bexley.example, and read back its listings",
			Args:  exactly("URL"),
			RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
				var p peer.Peer
				if err := a.call(cmd.Context(), http.MethodPost, "/peers", map[string]string{"url": args[0]}, &p); err != nil {
					return err
				}
				if s.v.GetBool("json") {
					return printJSON(cmd.OutOrStdout(), p)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "following %s: %s\n", p.Host, names(p))
				if p.Problem != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "its listings could not be read yet: %s; this is tried again\n", p.Problem)
				}
				return nil
			}),
		},
		peerList(s),
		&cobra.Command{
			Use:   "remove HOST",
			Short: "Stop following a node",
			Args:  exactly("HOST"),
			RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
				if err := a.call(cmd.Context(), http.MethodDelete, "/peers/"+escape(args[0]), nil, nil); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "removed %s; what it published stays in search until it runs out or its community removes it\n", args[0])
				return nil
			}),
		},
		&cobra.Command{
			Use:   "sync HOST",
			Short: "Read a node's changes now",
			Args:  exactly("HOST"),
			RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
				if err := a.call(cmd.Context(), http.MethodPost, "/peers/"+escape(args[0])+"/sync", nil, nil); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), args[0]+" is up to date")
				return nil
			}),
		},
	)
	return cmd
}

func names(p peer.Peer) string {
	list := make([]string, len(p.Communities))
	for i, c := range p.Communities {
		list[i] = c.Name
	}
	if len(list) == 0 {
		return "no communities yet"
	}
	return strings.Join(list, ", ")
}

func peerList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the nodes that this one follows",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			var answer web.PeerList
			if err := a.call(cmd.Context(), http.MethodGet, "/peers", nil, &answer); err != nil {
				return err
			}
			if s.v.GetBool("json") {
				return printJSON(cmd.OutOrStdout(), answer.Peers)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "HOST\tCOMMUNITIES\tFOLLOW\tLAST HEARD\tPROBLEM")
			for _, p := range answer.Peers {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Host, names(p), p.Follow, ago(p.Heard), p.Problem)
			}
			return w.Flush()
		}),
	}
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}
