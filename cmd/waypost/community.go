package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

func communityCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "community", Short: "List the communities, or add one to this node", RunE: which}
	cmd.AddCommand(communityList(s), communityAdd(s))
	return cmd
}

func communityList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the communities that this node hosts or knows",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			list, err := communities(cmd.Context(), a)
			if err != nil {
				return err
			}
			if s.v.GetBool("json") {
				return printJSON(cmd.OutOrStdout(), list)
			}
			for _, c := range list {
				where := "on " + c.Node()
				if c.Hosted {
					where = "here"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s (%s)\n  %s\n", c.Handle, c.Name, where, c.CID)
			}
			return nil
		}),
	}
}

// communities asks for those that the node hosts or knows, hosted ones first.
func communities(ctx context.Context, a admin) ([]protocol.Community, error) {
	var answer struct {
		Communities []protocol.Community `json:"communities"`
	}
	err := a.call(ctx, http.MethodGet, "/communities", nil, &answer)
	return answer.Communities, err
}

func communityAdd(s *settings) *cobra.Command {
	var in web.NewCommunity
	var place protocol.Place
	cmd := &cobra.Command{
		Use:   "add --handle HANDLE --name NAME --place PLACE",
		Short: "Host another community on this node, with a charter of its own",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			if place.Name != "" {
				in.Place = &place
			}
			var out web.CreatedCommunity
			if err := a.call(cmd.Context(), http.MethodPost, "/communities", in, &out); err != nil {
				return err
			}
			printCard(cmd.OutOrStdout(), out.Community, out.Card)
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&in.Handle, "handle", "", "short name: a–z, 0–9 and _")
	f.StringVar(&in.Name, "name", "", "the community's name")
	f.StringVar(&in.Summary, "summary", "", "what it does, in one sentence")
	f.StringVar(&place.Name, "place", "", "where it is")
	f.StringSliceVar(&in.Areas, "area", nil, "official codes of its areas")
	return cmd
}
