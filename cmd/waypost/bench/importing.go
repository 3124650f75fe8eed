package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// importing measures how fast a calendar goes in, as an organiser would bring
// it: with the command, beside a running node.
func (b *bench) importing(ctx context.Context) ([]Result, error) {
	b.say("importing a calendar of %d events", b.Sizes.Events)
	p, err := b.newNode(ctx, "organiser", nil)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "calendar.ics")
	if err := os.WriteFile(file, calendar(b.Sizes.Events), 0o600); err != nil {
		return nil, err
	}
	var took time.Duration
	err = p.run(ctx, func() error {
		began := time.Now()
		out, err := exec.CommandContext(ctx, p.program, "listing", "import", "--dev", "--data", p.dir, "--base-url", p.base, file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		took = time.Since(began)
		return p.until(ctx, "what was imported is found", 20*time.Millisecond, func() (bool, error) {
			total, err := p.find(ctx, "kind=event&to="+time.Now().AddDate(2, 0, 0).Format(time.DateOnly))
			return total >= b.Sizes.Events, err
		})
	})
	if err != nil {
		return nil, err
	}
	return []Result{row("import of a calendar", float64(b.Sizes.Events)/took.Seconds(), "events/s")}, nil
}

// calendar is an iCalendar file of single events, one a quarter of an hour.
func calendar(n int) []byte {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\r\n", args...) }
	line("BEGIN:VCALENDAR")
	line("VERSION:2.0")
	line("PRODID:-//Larkspur Trust//Events//EN")
	start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, 7)
	for i := range n {
		at := start.Add(time.Duration(i) * 15 * time.Minute)
		line("BEGIN:VEVENT")
		line("UID:%d@larkspur-trust.example", i)
		line("DTSTAMP:%s", start.Format("20060102T150405Z"))
		line("DTSTART:%s", at.Format("20060102T150405Z"))
		line("DTEND:%s", at.Add(time.Hour).Format("20060102T150405Z"))
		line("SUMMARY:Tablet drop-in number %d", i+1)
		line("DESCRIPTION:Bring your own device or use one of ours. A patient")
		line("  neighbour sits beside you and goes at your pace.")
		line("LOCATION:%s Library", towns()[i%len(towns())].name)
		line("CATEGORIES:Tablets,Drop-in")
		line("END:VEVENT")
	}
	line("END:VCALENDAR")
	return []byte(s.String())
}

// size is how large the program is.
func (b *bench) size(context.Context) ([]Result, error) {
	info, err := os.Stat(b.Program)
	if err != nil {
		return nil, err
	}
	return []Result{row("size of the program", float64(info.Size())/1e6, "MB")}, nil
}
