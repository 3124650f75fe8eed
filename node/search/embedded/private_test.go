package embedded_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/waypost-directory/waypost/node/search/searchtest"
)

func TestOpen_OnlyTheOwnerReadsTheFiles(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(path string) error
	}{
		{"new in an open folder", func(string) error { return nil }},
		{"left open to all", func(path string) error {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
			if err != nil {
				return err
			}
			return f.Close()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := c.before(filepath.Join(dir, "search.db")); err != nil {
				t.Fatal(err)
			}
			apply(t, openAt(t, dir), searchtest.Changes(searchtest.Listings(10, 1)), 10)
			files, err := os.ReadDir(dir)
			if err != nil || len(files) < 3 {
				t.Fatalf("%d files, want search.db and those beside it: %v", len(files), err)
			}
			for _, f := range files {
				if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s is %v: %v", f.Name(), info.Mode(), err)
				}
			}
		})
	}
}
