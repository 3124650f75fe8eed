// Package exchange carries listings in and out in other people's formats:
// iCalendar, CSV, and the JSON that `listing export` writes.
//
// A reader never publishes. It turns a file into drafts, each valid and with a
// uid that is the same on every reading, and into failures that say by line
// what is wrong and what to do next: one broken event or row never costs the
// others. The caller publishes the drafts whose content is new, so a second
// import of the same file changes nothing. Files are bounded before they are
// read, repeats are worked out within a horizon and a budget, and what a
// calendar says about people (attendees, organisers, attachments) is dropped.
package exchange

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Bounds of what one import reads.
const (
	MaxFileSize           = 10 << 20             // bytes
	DefaultMaxItems       = 5_000                // drafts, and failures, per file
	DefaultMaxOccurrences = 400                  // dates per repeating event
	DefaultHorizon        = 365 * 24 * time.Hour // how far ahead repeats are worked out
	pastGrace             = 24 * time.Hour       // what ended longer ago than this is left out
)

// Options says how to read a foreign file. The zero value reads a file as of
// now, in UTC, with the default bounds.
type Options struct {
	Now            time.Time     // the moment of the import; zero means the present
	Horizon        time.Duration // how far after Now repeats are worked out; zero means DefaultHorizon
	MaxOccurrences int           // dates kept of one repeating event; zero means DefaultMaxOccurrences
	MaxItems       int           // drafts, and failures, kept of one file; zero means DefaultMaxItems

	// Source names where the file comes from, such as the community's cid and
	// the calendar's name. It enters every uid that is made here: the same
	// source must be given on the next import, and two calendars of one
	// community need two.
	Source string

	// Defaults fills what a file leaves open: visibility, language,
	// categories, areas, place, kind. Volunteers stay local all the same.
	Defaults protocol.Listing

	// DefaultTimezone is the IANA name for times that carry none; empty means
	// Defaults.Timezone, and UTC when that is empty too.
	DefaultTimezone string
}

// Draft is one listing read from a foreign file, not yet published. Its UID is
// set and is the same whenever the same item is read from the same source.
type Draft struct {
	Line    int              `json:"line"` // where its item begins in the file, from 1
	Listing protocol.Listing `json:"listing"`
}

// Failure is one item of the file that did not go in.
type Failure struct {
	Line int    // where the item begins, from 1
	Item string // its title or other name; may be empty
	Err  error  // a *protocol.Error whose words say what is wrong and what to do next
}

// String is the failure in one line for people, without the operation that
// [protocol.Error] puts in front.
func (f Failure) String() string {
	words := f.Err
	var e *protocol.Error
	if errors.As(f.Err, &e) && e.Err != nil {
		words = e.Err
	}
	if f.Item == "" {
		return fmt.Sprintf("line %d: %v", f.Line, words)
	}
	return fmt.Sprintf("line %d, %q: %v", f.Line, f.Item, words)
}

// Excluded is a date that a repeating event's calendar takes out (RFC 5545
// EXDATE). An import never deletes: when a listing with this uid stands from
// an earlier import, the caller tells the person.
type Excluded struct {
	Line  int       `json:"line"`
	UID   string    `json:"uid"`
	Title string    `json:"title"`
	Start time.Time `json:"start"` // in UTC
}

// Report is what one reading of a file gave.
type Report struct {
	Drafts   []Draft
	Failures []Failure
	Excluded []Excluded
	Notes    []string // what a person should know though nothing failed
}

// intake gathers one file's report and keeps its promises: every draft is
// valid, no uid comes twice, and both lists are bounded.
type intake struct {
	op     string
	opts   Options
	report Report
	seen   map[string]int // uid -> line of the draft that has it
	full   bool           // a bound was reached and said so
}

func newIntake(op string, opts Options) *intake {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if opts.Horizon <= 0 {
		opts.Horizon = DefaultHorizon
	}
	if opts.MaxOccurrences <= 0 {
		opts.MaxOccurrences = DefaultMaxOccurrences
	}
	if opts.MaxItems <= 0 {
		opts.MaxItems = DefaultMaxItems
	}
	if opts.DefaultTimezone == "" {
		opts.DefaultTimezone = opts.Defaults.Timezone
	}
	if opts.DefaultTimezone == "" {
		opts.DefaultTimezone = "UTC"
	}
	opts.Now = opts.Now.UTC().Truncate(time.Second)
	return &intake{op: op, opts: opts, seen: map[string]int{}}
}

// add keeps a draft, or says why it cannot be one.
func (in *intake) add(line int, l protocol.Listing) {
	if in.full {
		return
	}
	in.fill(&l)
	if err := l.Validate(); err != nil {
		var e *protocol.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		in.failErr(line, l.Title, err)
		return
	}
	if first, twice := in.seen[l.UID]; twice {
		in.fail(line, l.Title, "is the same item as the one at line %d; remove one of them, or give each its own uid", first)
		return
	}
	if len(in.report.Drafts) >= in.opts.MaxItems {
		in.stop(line)
		return
	}
	in.seen[l.UID] = line
	in.report.Drafts = append(in.report.Drafts, Draft{Line: line, Listing: l})
}

func (in *intake) fail(line int, item, format string, args ...any) {
	in.failErr(line, item, fmt.Errorf(format, args...))
}

func (in *intake) failErr(line int, item string, cause error) {
	if in.full {
		return
	}
	if len(in.report.Failures) >= in.opts.MaxItems {
		in.stop(line)
		return
	}
	in.report.Failures = append(in.report.Failures, Failure{
		Line: line, Item: clip(tidyLine(item)), Err: &protocol.Error{Op: in.op, Kind: protocol.Invalid, Err: cause},
	})
}

// stop says once that a bound was reached; what was read so far stays.
func (in *intake) stop(line int) {
	in.full = true
	in.report.Failures = append(in.report.Failures, Failure{Line: line, Err: protocol.Errorf(in.op, protocol.TooLarge, "",
		"from here on nothing was read: one import takes %d listings; split the file and import the parts", in.opts.MaxItems)})
}

func (in *intake) note(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	if len(in.report.Notes) < 100 && !slices.Contains(in.report.Notes, words) {
		in.report.Notes = append(in.report.Notes, words)
	}
}

// readBounded reads a file whole, or refuses it by size.
func (in *intake) readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileSize+1))
	if err != nil {
		return nil, &protocol.Error{Op: in.op, Kind: protocol.Unavailable, Err: fmt.Errorf("read the file: %w", err)}
	}
	if len(data) > MaxFileSize {
		return nil, protocol.Errorf(in.op, protocol.TooLarge, "",
			"the file is larger than %d MB; split it, or export fewer months, and import the parts", MaxFileSize>>20)
	}
	return data, nil
}

func (in *intake) unreadable(format string, args ...any) error {
	return protocol.Errorf(in.op, protocol.Invalid, "", format, args...)
}
