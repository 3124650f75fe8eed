//go:build linux

package powercut_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/waypost-directory/waypost/node/store/storetest/powercut"
)

func mount(t *testing.T) *powercut.Disk {
	t.Helper()
	return powercut.Mount(t, filepath.Join(t.TempDir(), "disk"))
}

func write(t *testing.T, path, content string, flags int, sync bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func syncDir(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// outcomes runs a scenario on fresh disks, cuts each with another seed, and
// returns how often the file name held each content; "-" is no file.
func outcomes(t *testing.T, name string, loose bool, scenario func(dir string)) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(40) {
		d := mount(t)
		if loose {
			d.Loose()
		}
		scenario(d.Path())
		d.Cut(seed)
		d.PowerOn()
		content, err := os.ReadFile(filepath.Join(d.Path(), name))
		if errors.Is(err, os.ErrNotExist) {
			content, err = []byte("-"), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[string(content)]++
		d.Unmount()
	}
	return seen
}

func TestCut_KeepsWhatWasSyncedAndPerhapsTheRest(t *testing.T) {
	for _, c := range []struct {
		what     string
		scenario func(t *testing.T, dir string)
		want     []string // all these are seen and, except for zeros, nothing else
		loose    []string // and these when a sync concerns one file only; nil: the same
	}{
		{"written, not synced", func(t *testing.T, dir string) {
			write(t, dir+"/f", "new", 0, false)
		}, []string{"-", "", "new"}, nil},
		{"synced", func(t *testing.T, dir string) {
			write(t, dir+"/f", "new", 0, true)
		}, []string{"new"}, nil},
		{"written with O_SYNC", func(t *testing.T, dir string) {
			write(t, dir+"/f", "new", os.O_SYNC, false)
		}, []string{"new"}, nil},
		{"synced, then overwritten", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			write(t, dir+"/f", "new", 0, false)
		}, []string{"old", "new"}, nil},
		{"synced, then appended to", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			write(t, dir+"/f", "+", os.O_APPEND, false)
		}, []string{"old", "old+"}, nil},
		{"synced, then truncated", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			if err := os.Truncate(dir+"/f", 1); err != nil {
				t.Fatal(err)
			}
		}, []string{"old", "o"}, nil},
		{"replaced without a sync of the new file", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			write(t, dir+"/g", "new", 0, false)
			if err := os.Rename(dir+"/g", dir+"/f"); err != nil {
				t.Fatal(err)
			}
		}, []string{"old", "", "new"}, nil},
		{"replaced properly", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			write(t, dir+"/g", "new", 0, true)
			if err := os.Rename(dir+"/g", dir+"/f"); err != nil {
				t.Fatal(err)
			}
			syncDir(t, dir)
		}, []string{"new"}, nil},
		{"removed", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			if err := os.Remove(dir + "/f"); err != nil {
				t.Fatal(err)
			}
		}, []string{"old", "-"}, nil},
		{"removed before another file was synced", func(t *testing.T, dir string) {
			write(t, dir+"/f", "old", 0, true)
			if err := os.Remove(dir + "/f"); err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/g", "other", 0, true)
		}, []string{"-"}, []string{"-", "old"}},
	} {
		for _, loose := range []bool{false, true} {
			want := c.want
			if loose && c.loose != nil {
				want = c.loose
			}
			seen := outcomes(t, "f", loose, func(dir string) { c.scenario(t, dir) })
			for _, content := range want {
				if seen[content] == 0 {
					t.Errorf("%s (loose %v): never %q, only %v", c.what, loose, content, seen)
				}
				delete(seen, content)
			}
			delete(seen, "\x00\x00\x00") // the size got there, the page did not
			delete(seen, "old\x00")
			if len(seen) > 0 {
				t.Errorf("%s (loose %v): also %v", c.what, loose, seen)
			}
		}
	}
}

func TestCut_TearsPagesBetweenSectors(t *testing.T) {
	const sectors = 8
	torn := 0
	seen := outcomes(t, "f", false, func(dir string) {
		write(t, dir+"/f", strings.Repeat("o", sectors*512), 0, true)
		write(t, dir+"/f", strings.Repeat("n", sectors*512), 0, false)
	})
	for content, n := range seen {
		if strings.Contains(content, "o") && strings.Contains(content, "n") {
			torn += n
		}
		for s := range sectors {
			if sector := content[s*512:][:512]; strings.Count(sector, sector[:1]) != 512 {
				t.Errorf("a sector is torn")
			}
		}
	}
	if torn == 0 {
		t.Error("no page was ever torn")
	}
}

func TestCut_EverythingFailsUntilPowerIsOn(t *testing.T) {
	d := mount(t)
	write(t, d.Path()+"/f", "old", 0, true)
	f, err := os.OpenFile(d.Path()+"/f", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d.Cut(1)
	if _, err := f.WriteString("new"); !errors.Is(err, syscall.EIO) {
		t.Errorf("writing after the cut: %v", err)
	}
	if err := f.Sync(); err == nil {
		t.Error("syncing after the cut succeeded")
	}
	d.PowerOn()
	if got, err := os.ReadFile(d.Path() + "/f"); err != nil || string(got) != "old" {
		t.Errorf("after power came back: %q, %v", got, err)
	}
}

func TestFullDisk_RefusesUntilThereIsRoom(t *testing.T) {
	d := mount(t)
	d.FullDisk(3 * 4096)
	big := bytes.Repeat([]byte("x"), 5*4096)
	if err := os.WriteFile(d.Path()+"/f", big[:3*4096], 0o600); err != nil {
		t.Errorf("writing what there is room for: %v", err)
	}
	if err := os.WriteFile(d.Path()+"/f", big, 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing more than there is room for: %v", err)
	}
	if err := os.WriteFile(d.Path()+"/f", big[:3*4096], 0o600); err != nil {
		t.Errorf("writing what there is room for, again: %v", err)
	}
	if err := os.WriteFile(d.Path()+"/g", nil, 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("making a file on a full disk: %v", err)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.Path(), &st); err != nil || st.Bavail != 0 {
		t.Errorf("a full disk says that %d blocks are free (%v)", st.Bavail, err)
	}
	if err := os.Remove(d.Path() + "/f"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Path()+"/f", big[:4096], 0o600); err != nil {
		t.Errorf("after removing a file: %v", err)
	}
	d.FullDisk(-1)
	if err := os.WriteFile(d.Path()+"/f", big, 0o600); err != nil {
		t.Errorf("after making room: %v", err)
	}
}

func TestFailSync_LosesWhatWasToBeSynced(t *testing.T) {
	d := mount(t)
	write(t, d.Path()+"/f.log", "old", 0, true)
	d.FailSync(".log")
	f, err := os.OpenFile(d.Path()+"/f.log", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("new"); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Sync: %v", err)
	}
	write(t, d.Path()+"/other", "x", 0, true)
	d.FailSync("")
	if err := f.Sync(); err != nil {
		t.Errorf("Sync: %v", err)
	}
	d.Cut(1)
	d.PowerOn()
	if got, err := os.ReadFile(d.Path() + "/f.log"); err != nil || string(got) != "old" {
		t.Errorf("after the cut: %q, %v; want what was synced", got, err)
	}
}
