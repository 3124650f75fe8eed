package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waypost-directory/waypost/node/exchange"
	"github.com/waypost-directory/waypost/node/web"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

func listingCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "listing", Short: "Add, change, remove, import and export listings", RunE: which}
	cmd.PersistentFlags().String("community", "", "handle of the community; may be left out when there is one")
	cmd.PersistentFlags().String("timezone", "Europe/London", "time zone of times that name none")
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

// publishOne adds a listing or, when it has a uid, replaces the one that has it.
func publishOne(cmd *cobra.Command, s *settings, a admin, raw []byte) error {
	raw, err := inZone(raw, s.v.GetString("timezone"))
	if err != nil {
		return err
	}
	l, err := protocol.DecodeListing(raw)
	if err != nil {
		return err
	}
	method, path := http.MethodPost, "/listings"
	if l.UID != "" {
		method, path = http.MethodPut, "/listings/"+escape(l.UID)
	}
	var w web.Written
	if err := a.call(cmd.Context(), method, path+inCommunity(s), l, &w); err != nil {
		return err
	}
	if s.v.GetBool("json") {
		return printJSON(cmd.OutOrStdout(), w)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n%s\n", w.Outcome, w.UID, w.URL)
	if when := vocab.When(&w.Listing); when != "" {
		fmt.Fprintln(cmd.OutOrStdout(), when)
	}
	if w.Listing.Visibility != protocol.VisibilityPublic {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: its visibility is %s, so the public does not see it\n", w.Listing.Visibility)
	}
	return nil
}

// inZone gives a listing that names no time zone the community's, and reads
// times without an offset, such as 2027-07-06T10:00, in it.
func inZone(raw []byte, zone string) ([]byte, error) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || m["start"] == nil {
		return raw, nil // DecodeListing says what is wrong, if anything is
	}
	if m["timezone"] != nil {
		_ = json.Unmarshal(m["timezone"], &zone)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, wrongUsage("%q is not a time zone such as Europe/London", zone)
	}
	for _, field := range []string{"start", "end"} {
		var s string
		if json.Unmarshal(m[field], &s) != nil {
			continue
		}
		for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
			if t, err := time.ParseInLocation(layout, s, loc); err == nil {
				m[field] = json.RawMessage(strconv.Quote(t.Format(time.RFC3339)))
			}
		}
	}
	m["timezone"] = json.RawMessage(strconv.Quote(zone))
	return json.Marshal(m)
}

// inCommunity is the query that names the community, if one was named.
func inCommunity(s *settings) string {
	if c := s.v.GetString("community"); c != "" {
		return "?community=" + url.QueryEscape(c)
	}
	return ""
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

func listingGet(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "get UID",
		Short: "Print one listing as JSON",
		Args:  exactly("UID"),
		RunE: withAdmin(s, func(cmd *cobra.Command, args []string, a admin) error {
			var l protocol.Listing
			if err := a.call(cmd.Context(), http.MethodGet, "/listings/"+escape(args[0])+inCommunity(s), nil, &l); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), l)
		}),
	}
}

// listings reads all of a community's own listings, page after page.
func listings(cmd *cobra.Command, s *settings, a admin) ([]protocol.Listing, error) {
	list := []protocol.Listing{}
	path := "/listings?limit=1000&community=" + url.QueryEscape(s.v.GetString("community"))
	for path != "" {
		var page struct {
			Listings []protocol.Listing `json:"listings"`
			Next     string             `json:"next"`
		}
		if err := a.call(cmd.Context(), http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Listings...)
		path = strings.TrimPrefix(page.Next, "/admin/v1")
	}
	return list, nil
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
			patch, err := decodeObject(raw)
			if err != nil {
				return fmt.Errorf("%s is not a JSON object, such as {\"status\":\"cancelled\"}: %w", args[1], err)
			}
			var now json.RawMessage
			if err := a.call(cmd.Context(), http.MethodGet, "/listings/"+escape(args[0])+inCommunity(s), nil, &now); err != nil {
				return err
			}
			listing, err := decodeObject(now)
			if err != nil {
				return err
			}
			mergePatch(listing, patch)
			listing["uid"] = args[0]
			if raw, err = json.Marshal(listing); err != nil {
				return err
			}
			return publishOne(cmd, s, a, raw)
		}),
	}
}

// decodeObject keeps numbers as they are written.
func decodeObject(raw []byte) (object map[string]any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, errors.New("it is null")
	}
	if dec.More() {
		return nil, errors.New("something follows it")
	}
	return object, nil
}

// mergePatch applies a JSON merge patch (RFC 7396 §2).
func mergePatch(target, patch map[string]any) {
	for name, value := range patch {
		change, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, name)
		case isObject:
			part, ok := target[name].(map[string]any)
			if !ok {
				part = map[string]any{}
			}
			mergePatch(part, change)
			target[name] = part
		default:
			target[name] = value
		}
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
			path := "/listings/" + escape(args[0]) + "?erase=" + strconv.FormatBool(s.v.GetBool("erase")) +
				"&community=" + url.QueryEscape(s.v.GetString("community"))
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
			handle, err := ownHandle(cmd.Context(), s, a)
			if err != nil {
				return err
			}
			report, err := readReport(cmd, s, handle, args[0])
			if err != nil {
				return err
			}
			return publishReport(cmd, s, a, report)
		}),
	}
	f := cmd.Flags()
	f.String("format", "", "ics, csv or json; from the file's name when left out")
	f.String("source", "", "a name, the same on every import, that keeps apart two calendars or lists with the same things in them")
	f.Int("days", 365, "how many days ahead repeating events are worked out")
	f.String("language", "en", "language of the texts")
	f.StringSlice("category", nil, "support categories for listings that name none")
	f.StringSlice("area", nil, "area codes for listings that name none")
	f.String("kind", "", "kind for rows that name none, such as offer")
	f.Bool("dry-run", false, "check and count, publish nothing")
	return cmd
}

// ownHandle is the handle of the community meant. It enters the uids of what
// is imported, which must be the same whether it was named or the only one.
func ownHandle(ctx context.Context, s *settings, a admin) (string, error) {
	named := s.v.GetString("community")
	if named != "" && !protocol.ValidCID(named) {
		return named, nil
	}
	list, err := communities(ctx, a)
	for _, c := range list {
		if c.Hosted && (named == "" || c.CID == named) {
			return c.Handle, err
		}
	}
	return named, err
}

func readReport(cmd *cobra.Command, s *settings, handle, file string) (exchange.Report, error) {
	raw, err := readFile(cmd, file)
	if err != nil {
		return exchange.Report{}, err
	}
	opts := exchange.Options{
		Now: time.Now(), Horizon: time.Duration(s.v.GetInt("days")) * 24 * time.Hour,
		Source: handle + "/" + s.v.GetString("source"), DefaultTimezone: s.v.GetString("timezone"),
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
	return exchange.Report{}, wrongUsage("--format must be ics, csv or json; save a workbook as CSV first (docs/organisers/import.md)")
}

// importBatch is how many listings are sent to the node at a time.
const importBatch = 200

func publishReport(cmd *cobra.Command, s *settings, a admin, report exchange.Report) error {
	var sum web.BatchResult
	var failures []string
	for _, f := range report.Failures {
		failures = append(failures, f.String())
	}
	for from := 0; from < len(report.Drafts) && !s.v.GetBool("dry-run"); from += importBatch {
		drafts := report.Drafts[from:min(from+importBatch, len(report.Drafts))]
		batch := web.Batch{Listings: make([]protocol.Listing, len(drafts))}
		for i, d := range drafts {
			batch.Listings[i] = d.Listing
		}
		var res web.BatchResult
		if err := a.call(cmd.Context(), http.MethodPost, "/import"+inCommunity(s), batch, &res); err != nil {
			return fmt.Errorf("after %d listings: %w; importing the file again goes on from there", from, err)
		}
		sum.Created, sum.Changed, sum.Unchanged = sum.Created+res.Created, sum.Changed+res.Changed, sum.Unchanged+res.Unchanged
		for i, r := range res.Results {
			if r.Detail != "" && i < len(drafts) {
				failures = append(failures, fmt.Sprintf("line %d, %q: %s", drafts[i].Line, r.Title, r.Detail))
			}
		}
	}
	return printReport(cmd, s, report, sum, failures)
}

func printReport(cmd *cobra.Command, s *settings, report exchange.Report, sum web.BatchResult, failures []string) error {
	out, problems := cmd.OutOrStdout(), cmd.ErrOrStderr()
	dry := s.v.GetBool("dry-run")
	if s.v.GetBool("json") {
		err := printJSON(out, map[string]any{"read": len(report.Drafts), "created": sum.Created, "changed": sum.Changed,
			"unchanged": sum.Unchanged, "failed": failures, "notes": report.Notes, "dry_run": dry})
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
		if dry {
			fmt.Fprintf(out, "%d could be read, %d failed; nothing was published\n", len(report.Drafts), len(failures))
		} else {
			fmt.Fprintf(out, "%d new, %d changed, %d as before, %d failed\n", sum.Created, sum.Changed, sum.Unchanged, len(failures))
		}
	}
	switch len(failures) {
	case 0:
		return nil
	case 1:
		return errors.New("one item did not go in; mend it in the file and import it again")
	}
	return fmt.Errorf("%d items did not go in; mend them in the file and import it again", len(failures))
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
