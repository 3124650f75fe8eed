//go:build unix

package embedded_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/search/embedded"
	"github.com/waypost-directory/waypost/node/search/searchtest"
)

func openAt(tb testing.TB, dir string) *embedded.Index {
	tb.Helper()
	x, err := embedded.Open(context.Background(), embedded.Config{
		Dir: dir, Communities: searchtest.CommunitiesOf(), Now: searchtest.Base, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { x.Close() })
	return x
}

// filled opens an index with n listings.
func filled(tb testing.TB, dir string, n int) *embedded.Index {
	tb.Helper()
	x := openAt(tb, dir)
	apply(tb, x, searchtest.Changes(searchtest.Listings(n, 1)), 256)
	return x
}

func apply(tb testing.TB, x search.Index, changes []search.Change, batch int) {
	tb.Helper()
	cursor := uint64(0)
	for part := range slices.Chunk(changes, batch) {
		cursor += uint64(len(part))
		if err := x.Apply(context.Background(), part, cursor); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	x := filled(b, b.TempDir(), 10_000)
	run := func(b *testing.B, queries ...searchtest.Query) {
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			start := time.Now()
			if _, err := x.Search(context.Background(), queries[i%len(queries)].Query); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	}
	for _, q := range searchtest.Queries() {
		b.Run(strings.ReplaceAll(q.Name, " ", "-"), func(b *testing.B) { run(b, q) })
	}
	b.Run("mix", func(b *testing.B) { run(b, searchtest.Queries()...) })
}

func BenchmarkApply(b *testing.B) {
	all := searchtest.Changes(searchtest.Listings(20_000, 1))
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
			x := openAt(b, b.TempDir())
			apply(b, x, all[:10_000], 256)
			done := 10_000
			before := cpu(b)
			for b.Loop() {
				part := make([]search.Change, batch)
				for i := range part {
					part[i] = all[done%len(all)]
					done++
				}
				if err := x.Apply(context.Background(), part, uint64(done)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N*batch), "cpu-µs/listing")
		})
	}
}

// BenchmarkApplyWhileSearching is how long a change takes to be findable while
// two visitors search without a pause.
func BenchmarkApplyWhileSearching(b *testing.B) {
	x := filled(b, b.TempDir(), 10_000)
	changes := searchtest.Changes(searchtest.Listings(10_000, 2))
	ctx, cancel := context.WithCancel(context.Background())
	var visitors sync.WaitGroup
	for range 2 {
		visitors.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				x.Search(ctx, searchtest.Queries()[i%len(searchtest.Queries())].Query)
			}
		})
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		if err := x.Apply(context.Background(), changes[i%len(changes):][:1], uint64(i)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	cancel()
	visitors.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	filled(b, dir, 10_000).Close()
	for b.Loop() {
		openAt(b, dir).Close()
	}
}

// cpu is the processor time that this process has used.
func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// anonymous is this process's anonymous memory in kB; 0 where it cannot be told.
func anonymous(tb testing.TB) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // no /proc here
	}
	kb := 0
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb
}
