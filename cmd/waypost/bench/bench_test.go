//go:build linux

package bench

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// tiny are sizes that show that everything works; what they measure means
// nothing.
func tiny() Sizes {
	return Sizes{Listings: 100, Starts: 1, Idle: 10 * time.Millisecond, Searches: 20, Activities: 20, Connections: 4,
		Hosts: 4, Followers: 2, Fanned: 4, Publications: 3, Events: 20, Parts: 2}
}

func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "waypost")
	out, err := exec.Command("go", "build", "-o", file, "github.com/waypost-directory/waypost/cmd/waypost").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return file
}

func TestRun_MakesEveryMeasureOnRealProcesses(t *testing.T) {
	results, err := Run(t.Context(), Config{Program: program(t), Version: "test", Sizes: tiny(), Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Result{}
	for _, r := range results {
		byName[r.Name] = r
		if r.Value <= 0 && !strings.HasPrefix(r.Name, "inbox: of this") {
			t.Errorf("%s: %v %s", r.Name, r.Value, r.Unit)
		}
		if r.Unit == "" || r.Machine == "" || r.Commit == "" {
			t.Errorf("%s: unit %q, machine %q, commit %q", r.Name, r.Unit, r.Machine, r.Commit)
		}
	}
	for name, bar := range map[string]float64{
		"start to first answer": 300, "memory when idle": 60, "search p99": 20, "inbox: CPU an activity": 30,
		"fan-out: CPU a delivery": 1.3, "publish to findable on a peer p50": 1000,
	} {
		r, ok := byName[name]
		if !ok || r.Bar == nil || *r.Bar != bar {
			t.Errorf("%s: %+v; want the bar %v", name, r, bar)
			continue
		}
		x := r.Value
		if r.Ratio != nil {
			x = *r.Ratio
		}
		if r.Holds != (x <= bar) {
			t.Errorf("%s: holds is %t with %v against %v", name, r.Holds, x, bar)
		}
	}
	for _, name := range []string{"inbox: CPU an activity", "fan-out: CPU a delivery"} {
		if r := byName[name]; r.Ratio == nil || !strings.Contains(r.Against, "RSA-2048") {
			t.Errorf("%s is held against %q, ratio %v", name, r.Against, r.Ratio)
		}
	}
}

func TestResult_HasTheFieldsThatScriptsRelyOn(t *testing.T) {
	raw, err := json.Marshal(row("search p50", 3, "ms"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"name", "value", "unit", "against", "ratio", "bar", "holds", "machine", "commit"} {
		if _, ok := got[key]; !ok {
			t.Errorf("%s is missing in %s", key, raw)
		}
	}
	if got["bar"] != nil || got["ratio"] != nil || got["holds"] != true {
		t.Errorf("without a bar nothing can fail: %s", raw)
	}
}

func TestRun_RefusesAMeasureThatThereIsNot(t *testing.T) {
	_, err := Run(t.Context(), Config{Program: "waypost", Sizes: tiny(), Only: "luck"})
	if protocol.KindOf(err) != protocol.Invalid || !strings.Contains(err.Error(), "fanout") {
		t.Errorf("got %v; want the names of those that there are", err)
	}
}

func TestHold_IsTheMedianOfTheParts(t *testing.T) {
	l, err := newLimits()
	if err != nil {
		t.Fatal(err)
	}
	took := []time.Duration{time.Millisecond, time.Second, 2 * time.Millisecond}
	h, err := l.verify().hold(3, func(i int) (time.Duration, error) { return took[i], nil })
	if err != nil || h.value != 2*time.Millisecond || h.limit <= 0 || h.ratio <= 0 {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestManyListings_MayBePublishedAndDiffer(t *testing.T) {
	list, err := manyListings(500)
	if err != nil {
		t.Fatal(err)
	}
	uids, kinds := map[string]bool{}, []protocol.Kind{}
	for _, l := range list {
		if err := l.Validate(); err != nil {
			t.Errorf("%s: %v", l.Title, err)
		}
		uids[l.UID] = true
		if !slices.Contains(kinds, l.Kind) {
			kinds = append(kinds, l.Kind)
		}
	}
	if len(uids) != len(list) || len(kinds) != 6 {
		t.Errorf("%d uids and the kinds %v in %d listings", len(uids), kinds, len(list))
	}
}
