package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// waypost runs the program as a process of its own and returns what it wrote.
func waypost(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command("waypost", args...) // TestMain has put it on the path
	cmd.Stdin = strings.NewReader(stdin)
	raw, err := cmd.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); ok {
		return string(raw), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), 0
}

func mustRun(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, code := waypost(t, stdin, args...)
	if code != 0 {
		t.Fatalf("waypost %s: exit code %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// place is a data folder that init has set up, in which a node can be run.
type place struct {
	t    *testing.T
	dir  string
	port string
}

func newPlace(t *testing.T) place {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	p := place{t, filepath.Join(t.TempDir(), "a"), port}
	mustRun(t, "", "init", "--data", p.dir, "--base-url", "http://riverside.example", "--listen", "127.0.0.1:"+port, "--dev",
		"--name", "Riverside", "--handle", "riverside", "--place", "Bexley")
	return p
}

// serve runs a node in the folder until the test or stop ends it.
func (p place) serve(args ...string) (stop func()) {
	p.t.Helper()
	var log bytes.Buffer
	cmd := exec.Command("waypost", append([]string{"serve", "--data", p.dir}, args...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			p.t.Errorf("serve ended with %v: %s", err, log.String())
		}
	}
	p.t.Cleanup(stop)
	for begin := time.Now(); socketClient(p.dir).ready(context.Background()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			p.t.Fatalf("the node does not answer")
		}
	}
	return stop
}

func TestCommands_SayTheSameWithAndWithoutAServer(t *testing.T) {
	t.Parallel()
	const uid, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	session := []struct {
		args, stdin string
		code        int
	}{
		{"listing list", "", 0},
		{"listing add -", `{"uid":"` + uid + `","kind":"offer","title":"Help with tablets","summary":"One hour","categories":["quick-tips"]}`, 0},
		{"listing add -", `{"uid":"` + uid + `","kind":"offer","title":"Help with tablets","summary":"One hour","categories":["quick-tips"]}`, 0},
		{"listing add --json -", `{"uid":"` + other + `","kind":"need","title":"Somebody to drive","categories":["hands-on"]}`, 0},
		{"listing get " + uid, "", 0},
		{"listing list", "", 0},
		{"listing list --json", "", 0},
		// A merge patch: what is named changes, null takes away, the rest stays.
		{"listing update " + uid + " -", `{"summary":null,"topics":["tablets"]}`, 0},
		{"listing get " + uid, "", 0},
		{"listing update " + uid + " -", `{"titel":"x"}`, 1},
		{"listing update " + uid + " -", `{"title":null}`, 1},
		{"listing update " + uid + " -", `["title"]`, 1},
		{"listing update " + uid + " -", `null`, 1},
		{"listing update 33333333-3333-4333-8333-333333333333 -", `{"title":"Nobody's"}`, 1},
		{"listing get " + uid, "", 0},
		{"listing add -", `{"kind":"offer"}`, 1},
		{"listing add -", `{"kind":"offer","title":"Two`, 1},
		{"listing add -", `{"kind":"gift","title":"Unknown kind"}`, 1},
		{"listing add none.json", "", 1},
		{"listing import --format csv --source s -", "title,kind\nFolding tables,offer\nNothing,thing\n", 1},
		{"listing import --format csv --source s -", "title,kind\nFolding tables,offer\n", 0},
		{"listing list", "", 0},
		{"listing remove " + uid, "", 0},
		{"listing remove " + uid, "", 1},
		{"listing get " + uid, "", 1},
		{"listing add -", `{"uid":"` + uid + `","kind":"offer","title":"Back again","categories":["quick-tips"]}`, 0},
		{"listing remove --erase " + uid, "", 0},
		{"listing add -", `{"uid":"` + uid + `","kind":"offer","title":"Not again","categories":["quick-tips"]}`, 1},
		{"listing remove 33333333-3333-4333-8333-333333333333", "", 1},
		{"listing export", "", 0},
		{"peer add http://127.0.0.1:1", "", 1},
		{"peer list", "", 0},
		{"token list", "", 0},
		{"token revoke none", "", 1},
		{"reindex", "", 0},
	}
	with, without := newPlace(t), newPlace(t)
	with.serve()
	for _, step := range session {
		name := "waypost " + step.args
		got, code := waypost(t, step.stdin, append(strings.Fields(step.args), "--data", with.dir)...)
		alone, aloneCode := waypost(t, step.stdin, append(strings.Fields(step.args), "--data", without.dir)...)
		if got != alone || code != aloneCode {
			t.Errorf("%s\nwith a server (%d):\n%s\nwithout (%d):\n%s", name, code, got, aloneCode, alone)
		}
		if code != step.code {
			t.Errorf("%s: exit code %d, want %d:\n%s", name, code, step.code, got)
		}
	}
	got := mustRun(t, "", "listing", "export", "--data", with.dir)
	if strings.Contains(got, uid) || !strings.Contains(got, other) || !strings.Contains(got, "Folding tables") {
		t.Errorf("in the end the export is\n%s", got)
	}
}

func TestListingUpdate_NullRemovesAFieldAndTheRestStays(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const uid = "11111111-1111-4111-8111-111111111111"
	mustRun(t, `{"uid":"`+uid+`","kind":"offer","title":"Help with tablets","summary":"One hour","place":{"name":"Library","latitude":51.456,"longitude":0.146},"categories":["quick-tips"]}`,
		"listing", "add", "--data", p.dir, "-")
	mustRun(t, `{"summary":null,"topics":["tablets"],"place":{"name":"Town hall"},"booking":{"how":"Ring","phone":null}}`, "listing", "update", "--data", p.dir, uid, "-")
	got := mustRun(t, "", "listing", "get", "--data", p.dir, uid)
	for _, want := range []string{`"title": "Help with tablets"`, `"name": "Town hall"`, `"latitude": 51.456`, `"how": "Ring"`, `"tablets"`, `"quick-tips"`} {
		if !strings.Contains(got, want) {
			t.Errorf("after the update there is no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "summary") {
		t.Errorf("null did not take the summary away:\n%s", got)
	}
}

func TestBackup_TakenFromARunningNodeBringsEverythingBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stop := p.serve()
	var rows strings.Builder
	rows.WriteString("title,kind,description\n")
	for i := range 300 {
		fmt.Fprintf(&rows, "Offer number %d,offer,%s\n", i, strings.Repeat("Words that fill the page. ", i%40))
	}
	mustRun(t, rows.String(), "listing", "import", "--data", p.dir, "--format", "csv", "--source", "s", "-")
	secret := strings.TrimSpace(mustRun(t, "", "token", "create", "--data", p.dir, "--scope", "listings:write"))
	file := filepath.Join(t.TempDir(), "all.backup")
	mustRun(t, "", "backup", "--data", p.dir, "--out", file)
	mustRun(t, `{"kind":"offer","title":"After the backup"}`, "listing", "add", "--data", p.dir, "-")
	want := mustRun(t, "", "listing", "export", "--data", p.dir)
	stop()

	into := place{t, filepath.Join(t.TempDir(), "b"), p.port}
	// An index that was left in the folder belongs to another store.
	other := newPlace(t)
	mustRun(t, `{"kind":"offer","title":"A stray one"}`, "listing", "add", "--data", other.dir, "-")
	index, err := os.ReadFile(filepath.Join(other.dir, "search.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(into.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(into.dir, "search.db"), index, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "", "restore", "--data", into.dir, "--in", file)
	into.serve("--dev", "--listen", "127.0.0.1:"+p.port)
	got := mustRun(t, "", "listing", "export", "--data", into.dir)
	if n := strings.Count(got, `"uid"`); n != 300 {
		t.Errorf("after the restore there are %d listings, want 300", n)
	}
	if !strings.Contains(want, "After the backup") || strings.Contains(got, "After the backup") {
		t.Errorf("the backup is not of the moment at which it was taken")
	}
	if found := search(t, p.port, "number"); !strings.Contains(found, `"total":300`) {
		t.Errorf("the restored node finds %.200s", found)
	}
	raw, err := exec.Command("fetch", "GET", "http://127.0.0.1:"+p.port+"/search?q=stray").Output()
	if err != nil || !strings.Contains(strings.ReplaceAll(string(raw), " ", ""), `"total":0`) {
		t.Errorf("the restored node finds what another one published: %.300s (%v)", raw, err)
	}
	cmd := exec.Command("fetch", "GET", "http://127.0.0.1:"+p.port+"/api/v1/listings?limit=1", secret)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "200") {
		t.Errorf("the token made before the backup: %s (%v)", out, err)
	}
	// What is published now is newer than everything before.
	mustRun(t, `{"kind":"offer","title":"After the restore"}`, "listing", "add", "--data", into.dir, "-")

	// A node lives there now.
	if out, code := waypost(t, "", "restore", "--data", into.dir, "--in", file); code != 1 || !strings.Contains(out, "a node lives in") {
		t.Errorf("a second restore ends with %d: %s", code, out)
	}
}

// search waits until something is found.
func search(t *testing.T, port, text string) (answer string) {
	t.Helper()
	for range 500 {
		raw, err := exec.Command("fetch", "GET", "http://127.0.0.1:"+port+"/search?q="+text).CombinedOutput()
		answer = strings.ReplaceAll(string(raw), " ", "")
		if err == nil && strings.HasPrefix(answer, "200OK") && strings.Contains(answer, `"total":300`) {
			return answer
		}
		time.Sleep(10 * time.Millisecond)
	}
	return answer
}

func TestRestore_RefusesADamagedBackupAndRestoresNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for i := range 5 {
		mustRun(t, fmt.Sprintf(`{"kind":"offer","title":"Offer %d"}`, i), "listing", "add", "--data", p.dir, "-")
	}
	file := filepath.Join(t.TempDir(), "all.backup")
	mustRun(t, "", "backup", "--data", p.dir, "--out", file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string][]byte{
		"empty":       {},
		"another":     []byte("PK\x03\x04 a zip file"),
		"with a tail": append(bytes.Clone(whole), 'x'),
	}
	for i := 1; i < 8; i++ {
		at := len(whole) * i / 8
		damage[fmt.Sprintf("cut off after %d bytes", at)] = whole[:at]
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << i
		damage[fmt.Sprintf("bit %d of byte %d flipped", i, at)] = flipped
	}
	damage["its last byte cut off"] = whole[:len(whole)-1]
	dir := filepath.Join(t.TempDir(), "b")
	for name, raw := range damage {
		bad := filepath.Join(t.TempDir(), "bad.backup")
		if err := os.WriteFile(bad, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := waypost(t, "", "restore", "--data", dir, "--in", bad)
		if code != 1 || !strings.Contains(out, "this backup cannot be used") || strings.Count(out, "\n") != 1 {
			t.Errorf("a backup that is %s: exit code %d: %s", name, code, out)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("a backup that is %s left %v in the folder (%v)", name, left, err)
		}
	}
	mustRun(t, "", "restore", "--data", dir, "--in", file)
	if got := mustRun(t, "", "listing", "list", "--data", dir, "--dev"); strings.Count(got, "Offer") != 5 {
		t.Errorf("the whole backup brings back\n%s", got)
	}
}

func TestBackup_ThatCannotBeWrittenLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	dir := t.TempDir()
	out, code := waypost(t, "", "backup", "--data", p.dir, "--out", filepath.Join(dir, "none", "x.backup"))
	if code != 1 || !strings.Contains(out, "no such file or directory") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	if raw, err := exec.Command("waypost", "backup", "--data", p.dir, "--out", "-").Output(); err != nil || !bytes.HasPrefix(raw, []byte("waypost backup\n")) {
		t.Errorf("to stdout: %.40q, %v", raw, err)
	}
}
