//go:build linux

// Package powercut is a file system for tests that forgets what was not
// synced when the mains go off, and whose disk can be full or failing. A
// program under test runs in another process on [Disk.Path]; at any moment the
// test calls [Disk.Cut], kills the program, calls [Disk.PowerOn] and starts the
// program again on what a real disk would hold.
//
// What is durable follows ext4 with its default journal (data=ordered):
//
//   - contents and size of a file: when it is synced (fsync, fdatasync, msync
//     with MS_SYNC, O_SYNC);
//   - names and truncations: in the order in which they were made, all that
//     came before any sync of any file or directory, because the journal is
//     one. In particular syncing a new file makes its name durable.
//
// Of the rest, chance (seeded) decides what reached the disk: a number of the
// first journal entries, and of each file none, all, or some of the unsynced
// pages, of which some are torn between old and new sectors of 512 bytes.
// [Disk.Loose] asks more of programs than any file system in use: syncing a
// file makes its own name durable, syncing a directory the names in it, and
// everything else gets there in any order.
//
// It is a FUSE file system in memory, served by the test's own process.
// Therefore the test itself must not map files on it: a page fault that
// waits for its own process stops it for ever. Plain reading and writing is
// fine. Mounting needs /dev/fuse and either root or fusermount3; without them
// Mount fails the test rather than skip it.
package powercut

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is a mounted file system.
type Disk struct {
	t      testing.TB
	path   string
	disk   *disk
	server *fuse.Server
}

// Mount mounts an empty disk at dir, which is made if there is none, until
// the test ends.
func Mount(t testing.TB, dir string) *Disk {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &Disk{t: t, path: dir, disk: newDisk()}
	d.mount()
	t.Cleanup(d.Unmount)
	return d
}

// Path is where the disk is mounted.
func (d *Disk) Path() string { return d.path }

// Loose makes a sync, from now on, concern only the file or directory itself,
// and lets other names and truncations reach the disk in any order.
func (d *Disk) Loose() {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	d.disk.loose = true
}

// Flush hands what programs wrote through memory maps from the kernel's cache
// to the disk, without making it durable, so that a Cut may keep some of it.
// The kernel itself would do so after half a minute.
func (d *Disk) Flush() {
	d.t.Helper()
	f, err := os.Open(d.path)
	if err != nil {
		d.t.Fatalf("flush: %v", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		d.t.Logf("flush: %v", err) // as on a full disk
	}
}

// Cut switches the mains off: from now on every operation fails with an
// input/output error, and nothing more becomes durable. seed decides what of
// the unsynced state had reached the disk.
func (d *Disk) Cut(seed uint64) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	d.disk.cut(rand.New(rand.NewPCG(seed, 0)))
}

// PowerOn mounts what the disk held when it was cut. Programs that ran on it
// must be dead by now.
func (d *Disk) PowerOn() {
	d.t.Helper()
	d.Unmount()
	d.disk.mu.Lock()
	d.disk.off = false
	d.disk.mu.Unlock()
	d.mount()
}

// FullDisk leaves room for so many more bytes; a negative number, without end.
func (d *Disk) FullDisk(bytes int64) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	d.disk.limit = -1
	if bytes >= 0 {
		d.disk.limit = d.disk.used + bytes/pageSize
	}
}

// FailSync makes every sync of a file whose name ends in suffix fail, and what
// was to be synced be lost at the next Cut even if a later sync succeeds, as
// on Linux. An empty suffix ends that.
func (d *Disk) FailSync(suffix string) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	d.disk.failSync = suffix
}

// Unmount takes the disk away; it is called by itself when the test ends.
func (d *Disk) Unmount() {
	d.t.Helper()
	if d.server == nil {
		return
	}
	// Lazily, because the kernel may take its time with what a killed
	// program had open.
	if err := unix.Unmount(d.path, unix.MNT_DETACH); err != nil {
		if err := d.server.Unmount(); err != nil {
			d.t.Errorf("unmount %s: %v", d.path, err)
		}
	}
	d.server = nil
}

func (d *Disk) mount() {
	d.t.Helper()
	minute := time.Minute // nothing changes behind the kernel's back
	server, err := fs.Mount(d.path, &node{disk: d.disk, inode: d.disk.root}, &fs.Options{
		EntryTimeout:   &minute,
		AttrTimeout:    &minute,
		RootStableAttr: &fs.StableAttr{Mode: syscall.S_IFDIR, Ino: d.disk.root.id},
		MountOptions: fuse.MountOptions{
			DirectMount:   true,
			FsName:        "powercut",
			Name:          "powercut",
			MaxWrite:      1 << 20,
			DisableXAttrs: true,
			Logger:        log.New(io.Discard, "", 0), // it complains of every lazy unmount
		},
	})
	if err != nil {
		d.t.Fatal(fmt.Errorf("cannot mount the test file system on %s: %w; this test needs /dev/fuse, and root or the program fusermount3 (Debian package fuse3)", d.path, err))
	}
	d.server = server
}
