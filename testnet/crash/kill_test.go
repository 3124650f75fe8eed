package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// killed ends a process with kill -9, and nothing else.
func killed(n *node, _ *rand.Rand) { n.kill() }

func TestKill_NothingAcknowledgedIsLostWhilePublishingAndReceiving(t *testing.T) {
	t.Parallel()
	publishAndReceive(t, rounds(75), func(t *testing.T, name string) (string, interrupt) { return folder(t), killed })
}

func TestKill_NothingAcknowledgedIsLostWhileImporting(t *testing.T) {
	t.Parallel()
	importing(t, rounds(25), folder(t), killed)
}

// interrupt ends a node without warning; afterwards it can be started again.
type interrupt func(n *node, rng *rand.Rand)

// publishAndReceive lets one node publish and another follow it, interrupts
// one of them again and again, and compares both with what they acknowledged.
func publishAndReceive(t *testing.T, rounds int, ground func(t *testing.T, name string) (dir string, off interrupt)) {
	t.Logf("seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 1))
	ledger := newLedger(rand.New(rand.NewPCG(*seed, 2)))
	dirA, offA := ground(t, "alpha")
	dirB, offB := ground(t, "beta")
	a := newNode(t, "alpha", dirA, "")
	gate := newGate(t)
	b := newNode(t, "beta", dirB, gate.url)
	gate.open(b)
	// Interrupted right after init, and started for the first time.
	offA(a, rng)
	offB(b, rng)
	a.serve()
	b.serve()
	if err := b.call(http.MethodPost, "/peers", map[string]string{"url": a.base}, nil); err != nil {
		t.Fatal(err)
	}

	began, starts := time.Now(), 0
	write := func() func() {
		return ledger.writers(a, 4*time.Millisecond, func(err error) { t.Errorf("refused: %v", err) })
	}
	stop := write()
	for round := range rounds {
		time.Sleep(time.Duration(20_000+rng.IntN(200_000)) * time.Microsecond)
		victim, off := a, offA
		if rng.IntN(2) == 0 {
			victim, off = b, offB
		}
		off(victim, rng)
		if rng.IntN(5) == 0 { // and again while it recovers
			victim.start()
			time.Sleep(time.Duration(rng.IntN(150_000)) * time.Microsecond)
			off(victim, rng)
			starts++
		}
		victim.serve()
		if victim == a {
			stop()
			s := a.snapshot()
			ledger.reconcile(t, a, s)
			ledger.findable(t, a, s)
			stop = write()
		} else {
			gate.reconcile(t, b)
		}
		if round%10 == 9 || round == rounds-1 {
			stop()
			converge(t, ledger, a, b)
			stop = write()
		}
		if t.Failed() {
			break
		}
	}
	stop()
	t.Logf("%d interruptions and %d while starting: %d edits acknowledged, %d deliveries answered with 202, in %s",
		rounds, starts, ledger.acked, gate.count(), time.Since(began).Round(time.Second))
}

// converge waits until the follower has what the publisher has. Nobody may be
// writing.
func converge(t *testing.T, l *ledger, a, b *node) {
	t.Helper()
	eventually(t, "everything is delivered", a.upToDate)
	want := a.snapshot()
	l.reconcile(t, a, want)
	var got *snapshot
	var differs string
	defer func() {
		if t.Failed() {
			t.Log(differs)
		}
	}()
	eventually(t, "the follower has what the publisher has", func() bool {
		got = b.snapshot()
		differs = difference(want, got)
		return differs == ""
	})
	eventually(t, "the follower's log is followed", b.upToDate)
	l.findable(t, b, got)
}

func difference(want, got *snapshot) string {
	for uid, w := range want.states {
		g, there := got.states[uid]
		if !there || g.Version != w.Version || g.Deleted != w.Deleted || g.Erased != w.Erased {
			return fmt.Sprintf("listing %s is at version %d (deleted %v), and its follower has version %d (deleted %v, there %v)",
				uid, w.Version, w.Deleted, g.Version, g.Deleted, there)
		}
	}
	if len(got.states) != len(want.states) {
		return fmt.Sprintf("%d listings, and the follower has %d", len(want.states), len(got.states))
	}
	return ""
}

// gate stands before a node and notes which deliveries it answered with 202.
type gate struct {
	url   string
	proxy *httputil.ReverseProxy

	mu    sync.Mutex
	to    *url.URL          // guarded by mu
	acked map[string]uint64 // the highest version, by uid; guarded by mu
	n     int               // guarded by mu
}

func newGate(t *testing.T) *gate {
	g := &gate{acked: map[string]uint64{}}
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			g.mu.Lock()
			defer g.mu.Unlock()
			r.SetURL(g.to)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(g.serve))
	srv.Start()
	t.Cleanup(srv.Close)
	g.url = srv.URL
	return g
}

func (g *gate) open(n *node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = &url.URL{Scheme: "http", Host: n.listen}
}

func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		g.proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	answer := &statusWriter{ResponseWriter: w}
	g.proxy.ServeHTTP(answer, r)
	if answer.status != http.StatusAccepted {
		return
	}
	var activity struct {
		Object json.RawMessage `json:"object"`
	}
	var object struct {
		Listing struct {
			UID     string `json:"uid"`
			Version uint64 `json:"version"`
		} `json:"listing"`
	}
	_ = json.Unmarshal(body, &activity)
	_ = json.Unmarshal(activity.Object, &object) // a Follow's is a string
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	if uid := object.Listing.UID; uid != "" {
		g.acked[uid] = max(g.acked[uid], object.Listing.Version)
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// reconcile sees that what was answered with 202 until now is there.
func (g *gate) reconcile(t *testing.T, b *node) {
	t.Helper()
	g.mu.Lock()
	acked := map[string]uint64{}
	for uid, version := range g.acked {
		acked[uid] = version
	}
	g.mu.Unlock()
	s := b.snapshot()
	for uid, version := range acked {
		if st, there := s.states[uid]; !there || st.Version < version {
			t.Fatalf("%s answered version %d of %s with 202 and has version %d (there: %v)", b.name, version, uid, st.Version, there)
		}
	}
}

// importRows is how long the list is that is imported.
const importRows = 500

// importing interrupts a node while lists are being imported. Every batch that
// the import got an answer for must be there, and importing again must bring
// the rest in.
func importing(t *testing.T, rounds int, dir string, off interrupt) {
	t.Logf("seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 3))
	l := newLedger(rand.New(rand.NewPCG(*seed, 4)))
	n := newNode(t, "alpha", dir, "")
	n.serve()
	for range importRows {
		l.items = append(l.items, &item{uid: l.uid(), possible: []edit{absent}})
	}
	began, interrupted := time.Now(), 0
	took := 500 * time.Millisecond // of an import
	for round := range rounds {
		whole, rows := make(chan int, 1), l.csv(round+1)
		go func() { whole <- l.importRows(t, n, rows) }()
		time.Sleep(time.Duration(rng.Int64N(int64(took))))
		off(n, rng)
		done := <-whole
		if done < importRows {
			interrupted++
		}
		for _, i := range l.items[:done] {
			i.possible = i.possible[len(i.possible)-1:]
		}
		n.serve()
		l.reconcile(t, n, n.snapshot())
		if round%8 == 7 || round == rounds-1 {
			// Now without interruption: the rest goes in, and nothing twice.
			begin := time.Now()
			if done := l.importRows(t, n, rows); done != importRows {
				t.Fatalf("an import that nobody interrupted brought %d of %d rows in", done, importRows)
			}
			took = min(max(time.Since(begin), 300*time.Millisecond), time.Second)
			for _, i := range l.items {
				i.possible = []edit{{n: round + 1}}
			}
			s := n.snapshot()
			l.reconcile(t, n, s)
			l.findable(t, n, s)
			if out, err := command(rows, "listing", "import", "--data", n.dir, "--format", "csv", "-"); err != nil ||
				!strings.Contains(out, fmt.Sprintf("0 new, 0 changed, %d as before, 0 failed", importRows)) {
				t.Fatalf("importing again says %s (%v)", out, err)
			}
		}
	}
	if interrupted == 0 {
		t.Error("no import was ever interrupted")
	}
	t.Logf("%d interruptions, %d of them of an import of %d rows, in %s", rounds, interrupted, importRows, time.Since(began).Round(time.Second))
}

// csv asks for an edit of every listing.
func (l *ledger) csv(n int) string {
	var rows strings.Builder
	rows.WriteString("uid,kind,title,categories,description\n")
	for _, i := range l.items {
		x := listingOf(i.uid, n)
		i.possible = append(i.possible, edit{n: n})
		fmt.Fprintf(&rows, "%s,%s,%s,quick-tips,%s\n", x.UID, x.Kind, x.Title, x.Description)
	}
	return rows.String()
}

// importRows runs an import and returns how many rows it says went in.
func (l *ledger) importRows(t *testing.T, n *node, rows string) (done int) {
	cmd := exec.Command(binary, "listing", "import", "--data", n.dir, "--format", "csv", "-")
	cmd.Stdin = strings.NewReader(rows)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return importRows
	}
	if i := strings.Index(string(out), "waypost: after "); i >= 0 {
		if _, err := fmt.Sscanf(string(out[i:]), "waypost: after %d listings", &done); err == nil {
			return done
		}
	}
	// It found no server, or one that went before the first batch.
	if !strings.Contains(string(out), "waypost: ") {
		t.Errorf("an interrupted import says %s", out)
	}
	return 0
}
