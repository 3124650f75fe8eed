package badger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// What happens when the disk fails (read in Badger 4.9.6, shown by the tests
// in storetest/powercut):
//
// Badger writes through memory maps of sparse files. When the disk is full the
// kernel answers such a write with SIGBUS, which ends the process; the same
// happens if it cannot make its next file. So we stop in time: below
// Options.Reserve an Update is refused before it writes anything, and goes
// through again as soon as there is room. If another program eats the reserve
// in between and the process dies, nothing acknowledged is lost; it starts
// again when there is room.
//
// After a failed sync nobody can say what reached the disk, and a later sync
// would report success without having written it (Linux forgets). So the first
// failed sync of the write-ahead log ends all writing until the program is
// started again; reading goes on, and recovery then takes what is there. When
// the value log cannot be synced, Badger only logs that, and goes on to record
// the transaction with pointers to values that may be lost; it cannot be
// stopped, so we end the process there and then, as PostgreSQL does: see logger.
//
// A process that is killed, or a power cut, between making and sizing a file,
// or between emptying and removing it, leaves it empty, and Badger refuses to
// open such a folder: see prepareDir. And write-ahead logs that were being
// recovered must be gone for good before anyone reads: see settle.

// roomToOpen is what opening may write: the tables of the memory that was not
// written out before, and new files.
const roomToOpen = 32 << 20

// mayWrite says whether an Update may begin.
func (d *DB) mayWrite() error {
	if err := d.brokenError(); err != nil {
		return err
	}
	return d.checkRoom("badger.Update", d.opts.Reserve)
}

func (d *DB) checkRoom(op string, want int64) error {
	free, err := freeBytes(d.opts.Dir)
	if err != nil {
		return diskError(op, d.opts.Dir, err)
	}
	if free >= want {
		return nil
	}
	const mb = 1 << 20
	return protocol.Errorf(op, protocol.Unavailable, d.opts.Dir,
		"the disk is full: %d MB are free and %d MB are needed; nothing is lost, make room and try again", free/mb, (want-1)/mb+1)
}

// breakDown ends all writing because of err.
func (d *DB) breakDown(err error) {
	failure := diskError("badger.Update", d.opts.Dir, err)
	if d.broken.CompareAndSwap(nil, &failure) {
		d.log.Error("writing stops until the program is started again", "error", err)
	}
}

func (d *DB) brokenError() error {
	if err := d.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// diskError says what to do about a failure of the disk. Badger's errors are
// text, without a chain.
func diskError(op, dir string, err error) error {
	var known *protocol.Error
	if errors.As(err, &known) {
		return err
	}
	if strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		return protocol.Errorf(op, protocol.Unavailable, dir, "the disk is full; nothing acknowledged is lost: make room and start waypost again (%w)", err)
	}
	return protocol.Errorf(op, protocol.Unavailable, dir, "the disk failed; nothing acknowledged is lost: check the disk and start waypost again (%w)", err)
}

func errClosed(dir string) error {
	return protocol.Errorf("badger", protocol.Unavailable, dir, "the store is closed; try again when the node is back")
}

func errInUse(dir string) error {
	return protocol.Errorf("badger.Open", protocol.Conflict, dir, "another waypost is using this folder; stop it, or talk to it")
}

// removeEmptyLogs removes empty memory and value logs. Nothing was in them.
func removeEmptyLogs(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || info.Size() > 0 {
				continue
			}
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("remove empty %s: %w", file, err)
			}
		}
	}
	return nil
}

// syncFile makes durable what was written to the file through any map or handle.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// settle waits until the write-ahead logs that were recovered have become
// tables and are removed, newest last, and makes that durable. A reader who
// began before would hold on to them, and when it ends Badger removes the
// newest first; interrupted in between, the next recovery would read an older
// log without the newer one that deletes what is in the older, and if the
// tables have been merged meanwhile, deleted keys would be back.
func (d *DB) settle() error {
	for begin := time.Now(); time.Since(begin) < settleWithin; time.Sleep(time.Millisecond) {
		logs, err := filepath.Glob(filepath.Join(d.opts.Dir, "*.mem"))
		if err != nil {
			return err
		}
		if len(logs) <= 1 { // the new one
			return syncFile(d.opts.Dir)
		}
	}
	d.log.Warn("the store is slow to write out what it recovered", "waited", settleWithin)
	return nil
}

// settleWithin bounds the wait of settle, which takes some 50 ms after a crash
// and nothing otherwise: a disk that is full may never get there.
const settleWithin = 10 * time.Second

// logger hands Badger's messages on. It is also the only way to learn of a
// failed write of the collector before the next transaction is answered, and
// of a failed sync of the value log, which Badger logs but does not return:
// both messages are logged on Badger's writing goroutine, the latter before
// anything points to the values concerned.
type logger struct{ db *DB }

func (l *logger) Errorf(format string, args ...any) {
	message := strings.TrimSpace(fmt.Sprintf(format, args...))
	l.db.log.Error(message)
	switch {
	case strings.HasPrefix(format, "Error while curlf sync"):
		panic(diskError("badger.Update", l.db.opts.Dir, errors.New(message)))
	case strings.HasPrefix(format, "writeRequests:"):
		l.db.breakDown(errors.New(message))
	}
}

func (l *logger) Warningf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }
func (l *logger) Infof(format string, args ...any)    { l.log(slog.LevelDebug, format, args) }
func (l *logger) Debugf(string, ...any)               {}

func (l *logger) log(level slog.Level, format string, args []any) {
	if ctx := context.Background(); l.db.log.Enabled(ctx, level) {
		l.db.log.Log(ctx, level, strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
