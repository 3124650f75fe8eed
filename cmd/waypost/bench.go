package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/cmd/waypost/bench"
)

func benchCommand() *cobra.Command {
	var file, only string
	var quick bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what a node costs on this machine, and how long people wait for it",
		Long: `Runs nodes of its own in temporary folders on loopback and measures them from
outside. It touches no data. docs/operators/measures.md tells what each row means.
It fails when a bar does not hold. Measures: ` + strings.Join(bench.Names(), ", ") + ".",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			cfg := bench.Config{Program: self, Version: version, Only: only, Sizes: bench.Full(), Log: cmd.ErrOrStderr()}
			if quick {
				cfg.Sizes = bench.Quick()
			}
			results, err := bench.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return report(cmd.OutOrStdout(), file, results)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "json", "", "write the results to this file, too; - is stdout, instead of the table")
	f.StringVar(&only, "only", "", "one measure instead of all")
	f.BoolVar(&quick, "quick", false, "smaller sizes: a first look in half a minute")
	return cmd
}

// report prints the results, writes the file, and fails when a bar does not hold.
func report(w io.Writer, file string, results []bench.Result) error {
	if file == "-" {
		if err := printJSON(w, results); err != nil {
			return err
		}
	} else if err := printTable(w, results); err != nil {
		return err
	}
	if file != "" && file != "-" {
		if err := writeResults(file, results); err != nil {
			return err
		}
	}
	var broken []string
	for _, r := range results {
		if !r.Holds {
			broken = append(broken, r.Name)
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("above the bar: %s; run it again on a quiet machine before you believe it, then see docs/operators/measures.md", strings.Join(broken, ", "))
	}
	return nil
}

func printTable(w io.Writer, results []bench.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEASURE\tVALUE\tAGAINST\tRATIO\tBAR\tHOLDS")
	for _, r := range results {
		holds := ""
		if r.Bar != nil {
			holds = map[bool]string{true: "yes", false: "NO"}[r.Holds]
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\t%s\t%s\n", r.Name, figure(&r.Value), r.Unit, r.Against, figure(r.Ratio), figure(r.Bar), holds)
	}
	if len(results) > 0 {
		fmt.Fprintf(t, "\n%s, %s, commit %s, %s\n", results[0].Machine, results[0].Go, results[0].Commit, results[0].At)
	}
	return t.Flush()
}

// figure writes a number with about three digits that matter.
func figure(x *float64) string {
	switch {
	case x == nil:
		return ""
	case *x >= 100 || *x == float64(int64(*x)):
		return strconv.FormatFloat(*x, 'f', 0, 64)
	case *x >= 10:
		return strconv.FormatFloat(*x, 'f', 1, 64)
	}
	return strconv.FormatFloat(*x, 'f', 2, 64)
}

func writeResults(file string, results []bench.Result) error {
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}
