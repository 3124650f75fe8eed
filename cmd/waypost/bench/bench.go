// Package bench measures what a node costs and how long people wait for it.
//
// Every measure drives real processes, `waypost serve` in temporary folders on
// loopback, and looks at them from outside: /proc says what CPU time and memory
// they took. What is bounded by cryptography is told as a ratio to a limit: the
// CPU time of one bare RSA-2048 operation, timed in the same run before and
// after each measure. A ratio holds on a fast machine and on a slow one, busy
// or not; a time does not. docs/operators/measures.md tells what each row
// means.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Config says what to measure. Program and Sizes are needed.
type Config struct {
	Program string    // the waypost executable
	Version string    // of the program, for the nodes that are made
	Only    string    // the one measure to make; all when empty
	Sizes   Sizes     // how much of everything
	Log     io.Writer // says what is being done; silent when nil
}

// Sizes is how much work each measure does.
type Sizes struct {
	Listings     int           // in the folder of start and search
	Starts       int           // of a process on that folder
	Idle         time.Duration // before memory is read
	Searches     int           // requests
	Activities   int           // posted to an inbox
	Connections  int           // over which they are posted
	Hosts        int           // that follow a community
	Followers    int           // on each of these hosts
	Fanned       int           // listings published to them
	Publications int           // that are looked for on another node
	Events       int           // in the calendar that is imported
	Parts        int           // in which a measure is made that is held against a limit
}

// Full are the sizes that the bars are meant for.
func Full() Sizes {
	return Sizes{Listings: 10_000, Starts: 5, Idle: 3 * time.Second, Searches: 2_000, Activities: 3_000, Connections: 64,
		Hosts: 50, Followers: 10, Fanned: 40, Publications: 200, Events: 1_000, Parts: 8}
}

// Quick are sizes for a first look, in less than half a minute.
func Quick() Sizes {
	return Sizes{Listings: 2_000, Starts: 3, Idle: time.Second, Searches: 400, Activities: 500, Connections: 64,
		Hosts: 50, Followers: 10, Fanned: 10, Publications: 30, Events: 200, Parts: 2}
}

// Result is one row: something measured and, where there is one, the bar that
// it has to stay under.
type Result struct {
	Name    string   `json:"name"`
	Value   float64  `json:"value"`
	Unit    string   `json:"unit"`
	Against string   `json:"against"` // the limit that it is held against, with its own value
	Ratio   *float64 `json:"ratio"`   // of value to that limit; null when there is none
	Bar     *float64 `json:"bar"`     // most that the ratio may be or, without one, the value; null when nothing is asked
	Holds   bool     `json:"holds"`
	Machine string   `json:"machine"`
	Commit  string   `json:"commit"`
	Go      string   `json:"go"`
	At      string   `json:"at"` // when the run began, RFC 3339
}

// row makes a result without a limit and without a bar.
func row(name string, value float64, unit string) Result {
	return Result{Name: name, Value: value, Unit: unit, Holds: true}
}

// under sets the most that the value, or the ratio if there is one, may be.
func (r Result) under(bar float64) Result {
	x := r.Value
	if r.Ratio != nil {
		x = *r.Ratio
	}
	r.Bar, r.Holds = &bar, x <= bar
	return r
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// bench is one run.
type bench struct {
	Config
	dir    string // temporary, holds the nodes' folders
	limits *limits
	filled *process // the node with many listings, made once; see manyListings
}

// measures in the order in which they are made.
func (b *bench) measures() []measure {
	return []measure{
		{"start", b.start}, {"search", b.search}, {"inbox", b.inbox}, {"fanout", b.fanOut},
		{"visible", b.visible}, {"import", b.importing}, {"size", b.size},
	}
}

type measure struct {
	name string
	run  func(context.Context) ([]Result, error)
}

// Names lists what Config.Only may be.
func Names() []string {
	var names []string
	for _, m := range (&bench{}).measures() {
		names = append(names, m.name)
	}
	return names
}

// Run makes the measures, one after another, and returns their rows. An error
// means that something could not be measured, not that a bar does not hold.
func Run(ctx context.Context, cfg Config) (_ []Result, err error) {
	const op = "measure"
	if runtime.GOOS != "linux" {
		return nil, protocol.Errorf(op, protocol.Invalid, runtime.GOOS, "CPU time and memory are read from /proc, which only Linux has; run it there")
	}
	if cfg.Only != "" && !slices.Contains(Names(), cfg.Only) {
		return nil, protocol.Errorf(op, protocol.Invalid, cfg.Only, "there is no such measure; choose one of %s", strings.Join(Names(), ", "))
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	b := &bench{Config: cfg}
	if b.dir, err = os.MkdirTemp("", "waypost-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if gone := os.RemoveAll(b.dir); err == nil {
			err = gone
		}
	}()
	if b.limits, err = newLimits(); err != nil {
		return nil, err
	}
	return b.run(ctx)
}

func (b *bench) run(ctx context.Context) ([]Result, error) {
	here := Result{Machine: machine(), Commit: commit(ctx), Go: runtime.Version(), At: time.Now().UTC().Format(time.RFC3339)}
	var all []Result
	for _, m := range b.measures() {
		if b.Only != "" && b.Only != m.name {
			continue
		}
		rows, err := m.run(ctx)
		if err != nil {
			return all, fmt.Errorf("measure %s: %w", m.name, err)
		}
		for _, r := range rows {
			r.Machine, r.Commit, r.Go, r.At = here.Machine, here.Commit, here.Go, here.At
			all = append(all, r)
		}
	}
	return all, nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.Log, format+"\n", args...) }

// quantile returns the value below which a share of the sorted list lies.
func quantile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(int(float64(len(sorted))*share), len(sorted)-1)]
}
