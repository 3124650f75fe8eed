//go:build linux

package powercut_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/badger"
	"github.com/waypost-directory/waypost/node/store/storetest/powercut"
	"github.com/waypost-directory/waypost/protocol"
)

// The writer runs in a process of its own (this test binary again), because a
// process that maps files cannot serve them, and because it is to be killed.
// It checks what it finds, then writes on, and says each number on a line of
// its own as soon as Update has returned.
const (
	envDir     = "POWERCUT_WRITER_DIR"
	envSeed    = "POWERCUT_WRITER_SEED"
	envReserve = "POWERCUT_WRITER_RESERVE"
)

// seed begins the schedules; another one finds other moments.
var seed = flag.Uint64("seed", 1, "what the schedules of interruptions begin with")

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		os.Exit(writer(dir))
	}
	os.Exit(m.Run())
}

// writer writes until it is killed, or stdin ends: then it closes the store.
func writer(dir string) int {
	fail := func(format string, args ...any) int {
		fmt.Printf("error "+format+"\n", args...)
		return 1
	}
	seed, err := strconv.ParseUint(os.Getenv(envSeed), 10, 64)
	if err != nil {
		return fail("%v", err)
	}
	reserve, err := strconv.ParseInt(os.Getenv(envReserve), 10, 64)
	if err != nil {
		return fail("%v", err)
	}
	s, err := badger.Open(badger.Options{Dir: dir, Reserve: reserve, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return fail("open: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	n, err := check(s, seed)
	if err != nil {
		return fail("check: %v", err)
	}
	fmt.Printf("found %d\n", n)
	for {
		select {
		case <-ended:
			if err := s.Close(); err != nil {
				return fail("close: %v", err)
			}
			return 0
		default:
		}
		err := s.Update(context.Background(), func(tx store.Tx) error { return apply(tx, seed, n+1) })
		switch {
		case err == nil:
			n++
			fmt.Printf("done %d\n", n)
		case protocol.KindOf(err) == protocol.Unavailable:
			fmt.Printf("unavailable %v\n", err)
			time.Sleep(time.Millisecond)
		default:
			return fail("update %d: %v", n+1, err)
		}
	}
}

// effect is what the nth transaction does, the same whoever asks: mostly a few
// values of all sizes, now and then enough to fill a memory table, or a file
// of the value log.
func effect(seed, n uint64) map[string]string {
	rng := rand.New(rand.NewPCG(seed, n))
	writes := map[string]string{"last": strconv.FormatUint(n, 10)}
	rows, largest := 1+rng.IntN(12), 1500
	switch rng.IntN(25) {
	case 0:
		rows, largest = 1000, 1000
	case 1:
		rows, largest = 3, 1<<20
	}
	for range rows {
		key := fmt.Sprintf("row/%03d", rng.IntN(1000))
		if rng.IntN(5) == 0 {
			writes[key] = "" // deleted
			continue
		}
		head := fmt.Sprintf("%d ", n)
		writes[key] = head + strings.Repeat(string(rune('a'+rng.IntN(26))), rng.IntN(largest))
	}
	return writes
}

func apply(tx store.Tx, seed, n uint64) error {
	for key, value := range effect(seed, n) {
		var err error
		if value == "" {
			err = tx.Delete([]byte(key))
		} else {
			err = tx.Put([]byte(key), []byte(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check compares the store with what the first n transactions make, for the n
// that it says was the last, and returns n.
func check(s store.Store, seed uint64) (n uint64, err error) {
	got := map[string]string{}
	err = s.View(context.Background(), func(tx store.Tx) error {
		for item, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			got[string(item.Key)] = string(item.Value)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if last := got["last"]; last != "" {
		if n, err = strconv.ParseUint(last, 10, 64); err != nil {
			return 0, err
		}
	}
	want := map[string]string{}
	for i := range n {
		maps.Copy(want, effect(seed, i+1))
	}
	maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
	if maps.Equal(got, want) {
		return n, nil
	}
	for key := range want {
		if got[key] != want[key] {
			return n, fmt.Errorf("after transaction %d %q is %.12q (%d bytes), and should be %.12q (%d bytes)",
				n, key, got[key], len(got[key]), want[key], len(want[key]))
		}
	}
	return n, fmt.Errorf("after transaction %d there are %d rows, and should be %d", n, len(got), len(want))
}

// process is a running writer and what it has said so far.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	log   *strings.Builder // stderr; read it after wait
	ended chan struct{}

	mu          sync.Mutex
	found       int64  // guarded by mu; -1 until it has checked the store
	done        uint64 // guarded by mu; the last transaction acknowledged
	unavailable string // guarded by mu; the last refusal
	failed      string // guarded by mu
}

func start(t *testing.T, dir string, seed uint64, reserve int64) *process {
	t.Helper()
	p := &process{t: t, found: -1, log: &strings.Builder{}, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), envDir+"="+dir, envSeed+"="+fmt.Sprint(seed), envReserve+"="+fmt.Sprint(reserve), "GOTRACEBACK=none")
	p.cmd.Stderr = p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.hear(lines.Text())
		}
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) hear(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "found":
		p.found, _ = strconv.ParseInt(rest, 10, 64)
	case "done":
		p.done, _ = strconv.ParseUint(rest, 10, 64)
		p.unavailable = ""
	case "unavailable":
		p.unavailable = rest
	case "error":
		p.failed = rest
	}
}

// until waits until what p has said satisfies ok, or it has ended.
func (p *process) until(ok func(p *process) bool) {
	p.t.Helper()
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(200 * time.Microsecond) {
		p.mu.Lock()
		enough := ok(p)
		p.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-p.ended:
			return
		default:
		}
	}
	p.t.Fatalf("the writer is stuck: %+v", p)
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
	p.cmd.Wait()
}

// survives runs rounds of: start the writer, interrupt it somewhere, and see
// next time that everything acknowledged is there, and nothing half.
func survives(t *testing.T, d *powercut.Disk, seed uint64, rounds int, interrupt func(p *process, rng *rand.Rand)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	var acknowledged uint64
	unready := 0
	for round := range rounds {
		p := start(t, d.Path(), seed, 1)
		if rng.IntN(4) > 0 { // else also while it recovers
			p.until(func(p *process) bool { return p.found >= 0 })
		}
		time.Sleep(time.Duration(rng.IntN(60_000)) * time.Microsecond)
		interrupt(p, rng)
		if p.failed != "" && !strings.Contains(p.failed, "input/output error") && !strings.Contains(p.failed, "disk is full") {
			t.Fatalf("seed %d, round %d, %d acknowledged: %s\n%s", seed, round, acknowledged, p.failed, p.log)
		}
		if p.found < 0 {
			unready++
			continue
		}
		if found := uint64(p.found); found < acknowledged || found > acknowledged+1 {
			t.Fatalf("seed %d, round %d: found transaction %d although %d was acknowledged", seed, round, found, acknowledged)
		}
		acknowledged = max(uint64(p.found), p.done)
	}
	p := start(t, d.Path(), seed, 1)
	p.until(func(p *process) bool { return p.found >= 0 })
	p.kill()
	if found := p.found; p.failed != "" || found < int64(acknowledged) || found > int64(acknowledged)+1 {
		t.Errorf("seed %d, in the end: found transaction %d although %d was acknowledged: %s\n%s", seed, found, acknowledged, p.failed, p.log)
	}
	t.Logf("%d interruptions, %d of them while opening, %d transactions", rounds, unready, acknowledged)
}

func TestBadger_PowerCutLosesNothingAcknowledged(t *testing.T) {
	for name, loose := range map[string]bool{"ext4": false, "loose": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mount(t)
			if loose {
				d.Loose()
			}
			survives(t, d, *seed, 30, func(p *process, rng *rand.Rand) {
				if rng.IntN(2) == 0 {
					d.Flush()
				}
				d.Cut(rng.Uint64())
				p.kill()
				d.PowerOn()
			})
		})
	}
}

func TestBadger_KilledProcessLosesNothingAcknowledged(t *testing.T) {
	d := mount(t)
	survives(t, d, *seed, 30, func(p *process, rng *rand.Rand) { p.kill() })
}

// The disk fills up under Badger, without the reserve that would have stopped
// us in time: the process may die of it, but what it acknowledged stays.
func TestBadger_DiskThatFillsUpLosesNothingAcknowledged(t *testing.T) {
	d := mount(t)
	survives(t, d, *seed, 10, func(p *process, rng *rand.Rand) {
		d.FullDisk(int64(rng.IntN(1 << 20)))
		time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
		p.kill()
		d.FullDisk(-1)
	})
}

// With the reserve a full disk is an answer, and the process goes on when
// there is room.
func TestBadger_FullDiskIsAnAnswerAndPasses(t *testing.T) {
	d := mount(t)
	p := start(t, d.Path(), *seed, 64<<20)
	p.until(func(p *process) bool { return p.done > 5 })
	d.FullDisk(48 << 20)
	p.until(func(p *process) bool { return p.unavailable != "" })
	if !strings.Contains(p.unavailable, "disk is full") {
		t.Fatalf("the refusal says %q (%s)\n%s", p.unavailable, p.failed, p.log)
	}
	before := p.done
	d.FullDisk(-1)
	p.until(func(p *process) bool { return p.done > before+5 })
	p.stdin.Close()
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the writer ended with %v: %s\n%s", err, p.failed, p.log)
	}
}

// After a failed sync of its value log Badger would record a transaction
// whose values are lost.
func TestBadger_FailedSyncLeavesNothingHalf(t *testing.T) {
	for _, suffix := range []string{".vlog", ".mem"} {
		for seed := range uint64(4) {
			d := mount(t)
			p := start(t, d.Path(), seed, 1)
			p.until(func(p *process) bool { return p.done > 5 })
			d.FailSync(suffix)
			p.until(func(p *process) bool { return p.unavailable != "" }) // or it ends
			before := p.done
			d.FailSync("") // a later sync would succeed, and prove nothing
			time.Sleep(5 * time.Millisecond)
			if p.done != before || p.failed != "" {
				t.Errorf("%s: transaction %d was acknowledged after a failed sync (%s)", suffix, p.done, p.failed)
			}
			d.Cut(seed)
			p.kill()
			d.PowerOn()
			again := start(t, d.Path(), seed, 1)
			again.until(func(p *process) bool { return p.found >= 0 })
			again.kill()
			if found := again.found; again.failed != "" || found < int64(before) || found > int64(before)+1 {
				t.Errorf("%s: found transaction %d although %d was acknowledged: %s\n%s", suffix, found, before, again.failed, again.log)
			}
		}
	}
}
