package testnet_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/testnet"
)

// TestScenarios plays every file under testdata/scenarios in a world of its own.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var log syncBuffer
			w := testnet.NewWorld(testnet.Config{Dir: t.TempDir(), Seed: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err := testnet.Run(t.Context(), w, archive); err != nil {
				t.Errorf("%s, %v", file, err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("close the world: %v", err)
			}
			if t.Failed() {
				t.Logf("what the nodes logged:\n%s", log.String())
			}
		})
	}
}

func TestScenario_SaysWhichLineDidNotHold(t *testing.T) {
	w := testnet.NewWorld(testnet.Config{Dir: t.TempDir()})
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct{ lines, want string }{
		{"node alpha\n\nalpha finds \"nothing\" within 10ms", "line 3"},
		{"alpha dances", "no such step"},
		{"alpha follows gamma", "no node gamma"},
		{"! alpha does not find \"nothing\"", "expected to fail"},
		{"! alpha publishes there.json because \"other words\"", "other words than"},
		{"alpha publishes bad.json\n-- bad.json --\n{\"kind\":\"offer\",\"titel\":\"x\"}\n", "titel"},
	} {
		err := testnet.Run(t.Context(), w, []byte(c.lines))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want an error with %q", c.lines, err, c.want)
		}
	}
}

func TestScenario_EveryStepIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/implementers/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range testnet.Forms() {
		if !bytes.Contains(page, []byte("`"+form+"`")) {
			t.Errorf("docs/implementers/scenarios.md does not list `%s`", form)
		}
	}
}
