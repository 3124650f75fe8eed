package embedded_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/node/search/embedded"
	"github.com/waypost-directory/waypost/node/search/searchtest"
	"github.com/waypost-directory/waypost/protocol"
)

func TestIndex_Conforms(t *testing.T) {
	searchtest.Run(t, func(t *testing.T, w searchtest.World) search.Index {
		x, err := embedded.Open(context.Background(), embedded.Config{Dir: t.TempDir(), Communities: w.Communities, Now: w.Now})
		if err != nil {
			t.Fatal(err)
		}
		return x
	})
}

// state is what a search over everything says, for comparing.
func state(t *testing.T, x *embedded.Index) string {
	t.Helper()
	var b strings.Builder
	cursor, _ := x.Cursor(context.Background())
	n, _ := x.Count(context.Background())
	fmt.Fprintf(&b, "cursor %d, %d listings\n", cursor, n)
	for _, q := range append(searchtest.Queries(), searchtest.Query{Name: "venues", Query: protocol.Query{Kinds: []protocol.Kind{"venue"}}}) {
		a, err := x.Search(context.Background(), q.Query)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %d %v", q.Name, a.Total, a.Facets)
		for _, h := range a.Results {
			fmt.Fprintf(&b, " %s %v %q", h.UID, h.Start, h.Why)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestOpen_FindsItAsItWasLeft(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd #1 ?name=%41")
	x := openAt(t, dir)
	changes := searchtest.Changes(searchtest.Listings(600, 7))
	apply(t, x, changes, 100)
	for i := range changes[:150] { // leave gaps and reused rows
		changes[i].Doc = nil
	}
	apply(t, x, changes[:150], 50)
	apply(t, x, searchtest.Changes(searchtest.Listings(40, 8)), 40)
	want := state(t, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = openAt(t, dir)
	if got := state(t, x); got != want {
		t.Errorf("after opening again:\n%s\nwant:\n%s", got, want)
	}
	apply(t, x, searchtest.Changes(searchtest.Listings(40, 9)), 40)
	if n, _ := x.Count(context.Background()); n != 450+80 {
		t.Errorf("count = %d, want 530", n)
	}
}

// TestOpen_AfterAKilledProcess copies the files of an index in use, which is
// what a killed process leaves behind.
func TestOpen_AfterAKilledProcess(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	x := filled(t, dir, 300)
	want := state(t, x)
	files, err := filepath.Glob(filepath.Join(dir, "search.db*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files: %v, %v; want the index and its log", files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, filepath.Base(f)), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := state(t, openAt(t, copied)); got != want {
		t.Errorf("after a kill:\n%s\nwant:\n%s", got, want)
	}
}

func TestOpen_BuildsAnewWhatItCannotUse(t *testing.T) {
	edit := func(statement string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(t *testing.T, path string){
		"another program's file": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"cut short": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()/3); err != nil {
				t.Fatal(err)
			}
		},
		"marked as damaged": func(t *testing.T, path string) {
			if err := os.WriteFile(path+".damaged", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"older format":   edit("PRAGMA user_version = 99"),
		"no format":      edit("PRAGMA user_version = 0"),
		"table missing":  edit("DROP TABLE listings"),
		"words missing":  edit("DROP TABLE fulltext"),
		"cursor missing": edit("DELETE FROM meta"),
		"senseless row":  edit("UPDATE listings SET facts = x'00112233' WHERE id = 5"),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir, 200).Close()
			damage(t, filepath.Join(dir, "search.db"))
			var log bytes.Buffer
			x, err := embedded.Open(context.Background(), embedded.Config{Dir: dir, Now: searchtest.Base, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			n, _ := x.Count(context.Background())
			c, _ := x.Cursor(context.Background())
			if n != 0 || c != 0 {
				t.Errorf("%d listings, cursor %d; want an empty index", n, c)
			}
			if !strings.Contains(log.String(), "built anew") {
				t.Errorf("the log does not say so: %s", log.String())
			}
			apply(t, x, searchtest.Changes(searchtest.Listings(20, 1)), 20)
			if a, err := x.Search(context.Background(), protocol.Query{}); err != nil || a.Total == 0 {
				t.Errorf("search afterwards: %d, %v", a.Total, err)
			}
		})
	}
}

// TestIndex_MendsDamageFoundInUse overwrites every page but the first: what
// notices it, opening or the first use, the next start has a good index.
func TestIndex_MendsDamageFoundInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "search.db")
	x := filled(t, dir, 500)
	x.Close()
	x = openAt(t, dir)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(raw); i++ {
		raw[i] = byte(i * 7)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(raw[4096:], 4096); err != nil {
		t.Fatal(err)
	}
	failed := false
	for _, q := range searchtest.Queries() {
		if _, err := x.Search(context.Background(), q.Query); err != nil {
			failed = true
			if protocol.KindOf(err) != protocol.Internal || !strings.Contains(err.Error(), "restart the node") {
				t.Errorf("error = %v, want one that says what to do", err)
			}
			break
		}
	}
	if !failed {
		t.Fatal("no search noticed that the file is rubbish")
	}
	x.Close()
	x = openAt(t, dir)
	if n, _ := x.Count(context.Background()); n != 0 {
		t.Errorf("%d listings after damage, want a new index", n)
	}
}

func TestOpen_SaysWhatIsWrongWithTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Open(context.Background(), embedded.Config{Dir: filepath.Join(file, "below")})
	if protocol.KindOf(err) != protocol.Unavailable {
		t.Errorf("open below a file: %v, want kind %q", err, protocol.Unavailable)
	}
}

func TestReset_LeavesNoWordInTheFiles(t *testing.T) {
	const canary = "zanzibarquokka"
	dir := t.TempDir()
	x := openAt(t, dir)
	changes := searchtest.Changes(searchtest.Listings(50, 1))
	changes[10].Doc.Listing.Title = "A " + canary + " of our own"
	apply(t, x, changes, 50)
	if a, _ := x.Search(context.Background(), protocol.Query{Text: canary, From: searchtest.Base().AddDate(-1, 0, 0)}); a.Total != 1 {
		t.Fatalf("the canary was not found before: %d", a.Total)
	}
	if err := x.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		if raw, _ := os.ReadFile(f); bytes.Contains(raw, []byte(canary)) {
			t.Errorf("%s still holds the canary", f)
		}
	}
}

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) move(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func TestApply_KeepsRecurringListingsExpanded(t *testing.T) {
	c := &clock{now: searchtest.Base()}
	dir := t.TempDir()
	x, err := embedded.Open(context.Background(), embedded.Config{Dir: dir, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	weekly := searchtest.Changes(searchtest.Listings(1, 3))[0]
	weekly.Doc.Listing = protocol.Listing{Kind: "event", Title: "Café", Start: searchtest.Base(), Recurrence: "FREQ=WEEKLY", Visibility: protocol.VisibilityPublic}
	apply(t, x, []search.Change{weekly}, 1)
	inTwoYears := protocol.Query{From: searchtest.Base().AddDate(2, 0, 0), To: searchtest.Base().AddDate(2, 0, 8)}
	if a, _ := x.Search(context.Background(), inTwoYears); a.Total != 0 {
		t.Fatalf("found beyond the horizon: %d", a.Total)
	}
	for range 14 { // two years without an edit, months apart
		c.move(52 * 24 * time.Hour)
		if err := x.Apply(context.Background(), nil, 2); err != nil {
			t.Fatal(err)
		}
	}
	a, err := x.Search(context.Background(), inTwoYears)
	if err != nil || a.Total != 1 {
		t.Fatalf("two years later: %d, %v; want it to be on still", a.Total, err)
	}
	x.Close()
	x, err = embedded.Open(context.Background(), embedded.Config{Dir: dir, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if a, _ := x.Search(context.Background(), inTwoYears); a.Total != 1 {
		t.Errorf("after opening again: %d, want 1", a.Total)
	}
}

func TestSearch_TooManyToRankComeSoonestFirst(t *testing.T) {
	x := filled(t, t.TempDir(), 1_800)
	a, err := x.Search(context.Background(), protocol.Query{Text: "help", Kinds: []protocol.Kind{"event"}, PerPage: 50})
	if err != nil || a.Total < 50 {
		t.Fatalf("total %d, %v", a.Total, err)
	}
	for i := 1; i < len(a.Results); i++ {
		if a.Results[i].Start.Before(a.Results[i-1].Start) {
			t.Fatalf("result %d starts %v, before %v", i, a.Results[i].Start, a.Results[i-1].Start)
		}
	}
}

type gazetteer map[string]protocol.Point

func (g gazetteer) Place(_ context.Context, name string) (protocol.Point, bool) {
	p, ok := g[name]
	return p, ok
}

func TestPlace_AsksTheGazetteerFirst(t *testing.T) {
	want := protocol.Point{Lat: 1, Lon: 2}
	x, err := embedded.Open(context.Background(), embedded.Config{Dir: t.TempDir(), Places: gazetteer{"Bexleyheath": want}, Communities: searchtest.CommunitiesOf()})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	apply(t, x, searchtest.Changes(searchtest.Listings(300, 1)), 300)
	if p, ok := x.Place(context.Background(), "Bexleyheath"); !ok || p != want {
		t.Errorf("Bexleyheath is at %v, %v; want the gazetteer's %v", p, ok, want)
	}
	a, err := x.Search(context.Background(), protocol.Query{Near: "Bexleyheath"})
	if err != nil || a.Query.Point == nil || *a.Query.Point != want {
		t.Errorf("search resolved it to %v, %v", a.Query.Point, err)
	}
	if p, ok := x.Place(context.Background(), "sidcup"); !ok || p.Lat < 51 || p.Lat > 52 {
		t.Errorf("Sidcup, which only listings know, is at %v, %v", p, ok)
	}
	if p, ok := x.Place(context.Background(), "Atlantis"); ok {
		t.Errorf("Atlantis is at %v", p)
	}
}

// The memory that an index of 10,000 listings may take, in MB: a third of the
// node's 60.
const memoryBar = 20

// TestIndex_StaysSmall measures in a process of its own, as the garbage of
// other tests would count.
func TestIndex_StaysSmall(t *testing.T) {
	if dir := os.Getenv("WAYPOST_TEST_MEMORY"); dir != "" {
		debug.FreeOSMemory()
		before := anonymous(t)
		start := time.Now()
		x := openAt(t, dir)
		opened := time.Since(start)
		for range 20 {
			for _, q := range searchtest.Queries() {
				if _, err := x.Search(context.Background(), q.Query); err != nil {
					t.Fatal(err)
				}
			}
		}
		apply(t, x, searchtest.Changes(searchtest.Listings(256, 2)), 256)
		debug.FreeOSMemory()
		fmt.Printf("MEMORY %d kB, opened in %v\n", anonymous(t)-before, opened)
		return
	}
	if testing.Short() || raceDetector || anonymous(t) == 0 {
		return
	}
	dir := t.TempDir()
	filled(t, dir, 10_000).Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIndex_StaysSmall$")
	cmd.Env = append(os.Environ(), "WAYPOST_TEST_MEMORY="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var kb int
	for line := range strings.Lines(string(out)) {
		if n, _ := fmt.Sscanf(line, "MEMORY %d kB", &kb); n == 1 {
			t.Log(strings.TrimSpace(line))
		}
	}
	if kb == 0 || kb > memoryBar<<10 {
		t.Errorf("10,000 listings take %d kB of anonymous memory, want at most %d MB\n%s", kb, memoryBar, out)
	}
}
