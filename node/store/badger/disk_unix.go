//go:build unix

package badger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/waypost-directory/waypost/protocol"
)

// freeBytes returns how much an ordinary user may still write.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// prepareDir clears away what an interrupted process left, provided that no
// other has the folder open. It uses Badger's own lock, a flock of the folder,
// and gives it back for Badger to take.
func prepareDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return protocol.Errorf("badger.Open", protocol.Unavailable, dir, "cannot open the data folder: %w", err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errInUse(dir)
	}
	if err == nil {
		err = removeEmptyLogs(dir)
	}
	if err != nil {
		return diskError("badger.Open", dir, err)
	}
	return nil
}
