// Command waypost runs a community's node of the Waypost federation: it
// publishes listings, exchanges them with other nodes and serves the pages on
// which people find them. docs/operators/ tells how to run it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // small machines may have no time zones of their own

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/protocol"
)

// version is set when a release is built.
var version = "0.1.0-dev"

// Exit codes, as scripts rely on them.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "waypost: "+explain(err))
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

// usageError marks a command that was typed wrongly.
type usageError struct{ error }

func wrongUsage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// explain is an error in one line: what went wrong, without our own inner
// names, and what to do next.
func explain(err error) string {
	var e *protocol.Error
	for errors.As(err, &e) && e.Err != nil {
		var inner *protocol.Error
		if !errors.As(e.Err, &inner) {
			id := ""
			if e.ID != "" {
				id = e.ID + ": "
			}
			return id + oneLine(e.Err)
		}
		err = e.Err
	}
	return oneLine(err)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "waypost",
		Short: "A federated directory for place-based communities",
		Long: `Waypost publishes what a community has and needs, follows its neighbours,
and answers "who near here can help with this?".

To try it:   waypost demo
To set up:   waypost init --data DIR --base-url https://your.domain --name NAME --handle HANDLE --place PLACE
To run it:   waypost serve --data DIR`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUsage("there is no command %q; see: waypost help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return wrongUsage("%v; see: %s --help", err, cmd.CommandPath())
	})
	c := newSettings(root)
	root.AddCommand(
		initCommand(c), serveCommand(c), demoCommand(), listingCommand(c), communityCommand(c), peerCommand(c), tokenCommand(c), doctorCommand(c),
		backupCommand(c), restoreCommand(c), reindexCommand(c), benchCommand(), versionCommand(),
	)
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), "waypost "+version)
			return nil
		},
	}
}

// which is what a command does that only has others under it.
func which(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	list := strings.Join(names, ", ")
	if len(args) > 0 {
		return wrongUsage("there is no command \"%s %s\"; there are: %s", cmd.CommandPath(), args[0], list)
	}
	return wrongUsage("%s: which of %s? see: %[1]s --help", cmd.CommandPath(), list)
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUsage("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// exactly asks for n arguments and names them when they are missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return wrongUsage("usage: %s %s", cmd.CommandPath(), strings.Join(names, " "))
		}
		return nil
	}
}
