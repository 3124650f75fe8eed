package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node/steward"
	"github.com/waypost-directory/waypost/node/web"
)

func tokenCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make and revoke tokens for programs that use the API, and sign-in links", RunE: which}
	cmd.AddCommand(tokenCreate(s), tokenList(s),
		&cobra.Command{
			Use:   "revoke ID",
			Short: "Make a token useless at once",
			Args:  exactly("ID"),
			RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
				if err := a.call(cmd.Context(), http.MethodDelete, "/tokens/"+escape(args[0]), nil, nil); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "revoked "+args[0])
				return nil
			}),
		},
		&cobra.Command{
			Use:   "link",
			Short: "Print a link that signs one browser in, once, within a day",
			Args:  noArgs,
			RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
				var link web.SignInLink
				if err := a.call(cmd.Context(), http.MethodPost, "/sign-in-links", struct{}{}, &link); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), link.URL)
				return nil
			}),
		},
	)
	return cmd
}

func tokenCreate(s *settings) *cobra.Command {
	var n steward.NewToken
	var days int
	create := withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
		if days > 0 {
			n.Expires = time.Now().AddDate(0, 0, days)
		}
		var t web.CreatedToken
		if err := a.call(cmd.Context(), http.MethodPost, "/tokens", n, &t); err != nil {
			return err
		}
		if s.v.GetBool("json") {
			return printJSON(cmd.OutOrStdout(), t)
		}
		fmt.Fprintln(cmd.OutOrStdout(), t.Secret)
		return nil
	})
	cmd := &cobra.Command{
		Use:   "create --scope listings:write",
		Short: "Print a new bearer token; it is shown this once",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(n.Scopes) == 0 {
				return wrongUsage("what may it do? add --scope %s or --scope %s", steward.ScopeListingsWrite, steward.ScopeCoordinatorsRead)
			}
			return create(cmd, args)
		},
	}
	cmd.Flags().StringSliceVar(&n.Scopes, "scope", nil, "what it may do: listings:write, coordinators:read")
	cmd.Flags().StringVar(&n.Name, "name", "", "what it is for")
	cmd.Flags().IntVar(&days, "days", 0, "days until it expires; 0 for never")
	return cmd
}

func tokenList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without their secrets",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			var answer web.TokenList
			if err := a.call(cmd.Context(), http.MethodGet, "/tokens", nil, &answer); err != nil {
				return err
			}
			if s.v.GetBool("json") {
				return printJSON(cmd.OutOrStdout(), answer.Tokens)
			}
			for _, t := range answer.Tokens {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s  %s\n", t.ID, t.Created.Format(time.DateOnly), strings.Join(t.Scopes, ","), t.Name)
			}
			return nil
		}),
	}
}
