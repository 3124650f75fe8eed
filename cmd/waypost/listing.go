package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node/exchange"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
)

func listingCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "listing", Short: "Add, change, remove, import and export listings"}
	cmd.PersistentFlags().String("community", "", "handle of the community; may be left out when there is one")
	cmd.AddCommand(listingAdd(s), listingGet(s), listingList(s), listingUpdate(s), listingRemove(s), listingImport(s), listingExport(s))
	return cmd
}

func listingAdd(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "add FILE",
		Short: "Publish one listing from a JSON file; - is stdin",
		Long:  "Publishes one listing. docs/protocol/listing.md tells the fields; a listing with a uid replaces the one that has it.",
		Args:  exactly("FILE"),
		RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
			raw, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			return publishOne(cmd, s, a, raw)
		}),
	}
}

func publishOne(cmd *cobra.Command, s *settings, a admin, raw []byte) error {
	if !json.Valid(raw) {
		_, err := protocol.DecodeListing(raw)
		return err
	}
	results, err := publish(cmd, s, a, []json.RawMessage{raw}, false)
	if err != nil {
		return err
	}
	r := results[0]
	if r.Problem != nil {
		return problemError{*r.Problem}
	}
	if s.v.GetBool("json") {
		return printJSON(cmd.OutOrStdout(), r)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n%s\n", r.Outcome, r.Listing.UID, r.URL)
	return nil
}

func publish(cmd *cobra.Command, s *settings, a admin, list []json.RawMessage, dryRun bool) ([]web.PublishResult, error) {
	var results []web.PublishResult
	in := web.Publish{Community: s.v.GetString("community"), Listings: list, DryRun: dryRun}
	err := a.call(cmd.Context(), http.MethodPost, "/listings", in, &results)
	if err == nil && len(results) != len(list) {
		err = fmt.Errorf("the node answered for %d of %d listings; is it of another version?", len(results), len(list))
	}
	return results, err
}

// maxInput bounds a file that is read whole.
const maxInput = 32 << 20

func readFile(cmd *cobra.Command, name string) ([]byte, error) {
	var r io.Reader = cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", name, errors.Unwrap(err))
		}
		defer f.Close()
		r = f
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(raw) > maxInput {
		err = fmt.Errorf("%s is larger than %d MB; split it", name, maxInput>>20)
	}
	return raw, err
}

// fetch reads a listing as `listing add` takes it: without what the node adds.
func fetch(cmd *cobra.Command, a admin, uid string) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	err := a.call(cmd.Context(), http.MethodGet, "/listings/"+escape(uid), nil, &m)
	for _, wire := range []string{"v", "cid", "version", "salt"} {
		delete(m, wire)
	}
	return m, err
}

func listingGet(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "get UID",
		Short: "Print one listing as JSON",
		Args:  exactly("UID"),
		RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
			m, err := fetch(cmd, a, args[0])
			if err != nil {
				return err
			}
			raw, err := json.Marshal(m)
			if err != nil {
				return err
			}
			var l protocol.Listing
			if err := json.Unmarshal(raw, &l); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), l) // in the order of the fields
		}),
	}
}

func listings(cmd *cobra.Command, s *settings, a admin) ([]protocol.Listing, error) {
	var list []protocol.Listing
	err := a.call(cmd.Context(), http.MethodGet, "/listings?community="+url.QueryEscape(s.v.GetString("community")), nil, &list)
	for i := range list {
		list[i].V, list[i].CID, list[i].Version, list[i].Salt = 0, "", 0, ""
	}
	return list, err
}

func listingList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the community's own listings",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			list, err := listings(cmd, s, a)
			if err != nil {
				return err
			}
			if s.v.GetBool("json") {
				return printJSON(cmd.OutOrStdout(), list)
			}
			for _, l := range list {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %-9s  %s\n", l.UID, l.Kind, l.Title)
			}
			return nil
		}),
	}
}

func listingUpdate(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "update UID FILE",
		Short: "Change some fields of a listing; - is stdin",
		Long: `Changes the fields that FILE names and leaves the others as they are; null takes a
field away (RFC 7396). To cancel an event:

  echo '{"status":"cancelled"}' | waypost listing update UID -`,
		Args: exactly("UID", "FILE"),
		RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
			raw, err := readFile(cmd, args[1])
			if err != nil {
				return err
			}
			var patch map[string]json.RawMessage
			if err := json.Unmarshal(raw, &patch); err != nil {
				return fmt.Errorf("%s is not a JSON object: %w", args[1], err)
			}
			merged, err := fetch(cmd, a, args[0])
			if err != nil {
				return err
			}
			for k, v := range patch {
				if bytes.Equal(bytes.TrimSpace(v), []byte("null")) {
					delete(merged, k)
					continue
				}
				merged[k] = v
			}
			if merged["uid"], err = json.Marshal(args[0]); err != nil {
				return err
			}
			if raw, err = json.Marshal(merged); err != nil {
				return err
			}
			return publishOne(cmd, s, a, raw)
		}),
	}
}

func listingRemove(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove UID",
		Short: "Remove a listing everywhere",
		Long: `Removes a listing here and at everyone who received it. With --erase every copy
of its text is erased from this node's data, and the uid can never be used again.`,
		Args: exactly("UID"),
		RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
			path := "/listings/" + escape(args[0])
			if s.v.GetBool("erase") {
				path += "?erase=true"
			}
			if err := a.call(cmd.Context(), http.MethodDelete, path, nil, nil); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "removed "+args[0])
			return nil
		}),
	}
	cmd.Flags().Bool("erase", false, "erase its text for good and retire the uid")
	return cmd
}

func listingImport(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import --format ics|csv|json FILE",
		Short: "Publish many listings from a calendar, spreadsheet or export; - is stdin",
		Long: `Reads a file and publishes what is new or changed in it. What cannot be read is
listed line by line and the rest goes in. Importing the same file again changes
nothing. docs/organisers/import.md tells more.`,
		Args: exactly("FILE"),
		RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
			report, err := readReport(cmd, s, args[0])
			if err != nil {
				return err
			}
			return publishReport(cmd, s, a, report)
		}),
	}
	f := cmd.Flags()
	f.String("format", "", "ics, csv or json; from the file's name when left out")
	f.String("source", "", "name of the calendar or list, the same on every import; the file's name when left out")
	f.Int("days", 365, "how many days ahead repeating events are worked out")
	f.String("timezone", "Europe/London", "time zone of times that name none")
	f.String("language", "en", "language of the texts")
	f.StringSlice("category", nil, "support categories for listings that name none")
	f.StringSlice("area", nil, "area codes for listings that name none")
	f.String("kind", "", "kind for rows that name none, such as offer")
	f.Bool("dry-run", false, "check and count, publish nothing")
	return cmd
}

func readReport(cmd *cobra.Command, s *settings, file string) (exchange.Report, error) {
	raw, err := readFile(cmd, file)
	if err != nil {
		return exchange.Report{}, err
	}
	source := s.v.GetString("source")
	if source == "" {
		source = filepath.Base(file)
	}
	opts := exchange.Options{
		Now: time.Now(), Horizon: time.Duration(s.v.GetInt("days")) * 24 * time.Hour,
		Source: s.v.GetString("community") + "/" + source, DefaultTimezone: s.v.GetString("timezone"),
		Defaults: protocol.Listing{Language: s.v.GetString("language"), Categories: s.v.GetStringSlice("category"),
			Areas: s.v.GetStringSlice("area"), Kind: protocol.Kind(s.v.GetString("kind")), Visibility: protocol.VisibilityPublic},
	}
	format := s.v.GetString("format")
	if format == "" {
		format = strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
	}
	switch format {
	case "ics":
		return exchange.ReadICS(bytes.NewReader(raw), opts)
	case "csv":
		return exchange.ReadCSV(bytes.NewReader(raw), opts)
	case "json", "jsonl":
		return exchange.ReadJSON(bytes.NewReader(raw), opts)
	}
	return exchange.Report{}, wrongUsage("--format must be ics, csv or json")
}

// importBatch is how many listings are sent to the node at a time.
const importBatch = 200

func publishReport(cmd *cobra.Command, s *settings, a admin, report exchange.Report) error {
	counts := map[string]int{}
	var failures []string
	for _, f := range report.Failures {
		failures = append(failures, f.String())
	}
	for from := 0; from < len(report.Drafts); from += importBatch {
		batch := report.Drafts[from:min(from+importBatch, len(report.Drafts))]
		list := make([]json.RawMessage, len(batch))
		for i, d := range batch {
			raw, err := json.Marshal(d.Listing)
			if err != nil {
				return err
			}
			list[i] = raw
		}
		results, err := publish(cmd, s, a, list, s.v.GetBool("dry-run"))
		if err != nil {
			return fmt.Errorf("after %d listings: %w; importing the file again goes on from there", from, err)
		}
		for i, r := range results {
			counts[r.Outcome]++
			if r.Problem != nil {
				failures = append(failures, fmt.Sprintf("line %d, %q: %v", batch[i].Line, batch[i].Listing.Title, problemError{*r.Problem}))
			}
		}
	}
	return printReport(cmd, s, report, counts, failures)
}

func printReport(cmd *cobra.Command, s *settings, report exchange.Report, counts map[string]int, failures []string) error {
	out, problems := cmd.OutOrStdout(), cmd.ErrOrStderr()
	if s.v.GetBool("json") {
		err := printJSON(out, map[string]any{"created": counts[web.OutcomeCreated], "updated": counts[web.OutcomeUpdated],
			"unchanged": counts[web.OutcomeUnchanged], "failed": failures, "notes": report.Notes, "dry_run": s.v.GetBool("dry-run")})
		if err != nil {
			return err
		}
	} else {
		for _, f := range failures {
			fmt.Fprintln(problems, f)
		}
		for _, n := range report.Notes {
			fmt.Fprintln(problems, "note: "+n)
		}
		if s.v.GetBool("dry-run") {
			fmt.Fprintf(out, "%d could be read, %d failed; nothing was published\n", len(report.Drafts), len(failures))
		} else {
			fmt.Fprintf(out, "%d new, %d changed, %d as before, %d failed\n", counts[web.OutcomeCreated],
				counts[web.OutcomeUpdated], counts[web.OutcomeUnchanged], len(failures))
		}
	}
	if len(failures) > 0 {
		return fmt.Errorf("%d items did not go in; mend them in the file and import it again", len(failures))
	}
	return nil
}

func listingExport(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the community's own listings to stdout",
		Args:  noArgs,
		RunE: withAdmin(s, func(cmd *cobra.Command, _ []string, a admin) error {
			list, err := listings(cmd, s, a)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch s.v.GetString("format") {
			case "json":
				return exchange.WriteJSON(out, list)
			case "csv":
				return exchange.WriteCSV(out, list)
			case "ics":
				_, err := exchange.WriteICS(out, list, exchange.ICSOptions{Now: time.Now()})
				return err
			}
			return wrongUsage("--format must be json, csv or ics")
		}),
	}
	cmd.Flags().String("format", "json", "json, csv or ics")
	return cmd
}
