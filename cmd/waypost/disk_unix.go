package main

import (
	"fmt"
	"syscall"
)

// lowDisk is when to warn, in bytes.
const lowDisk = 500 << 20

func disk(dir string) finding {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return finding{"disk", false, "cannot look at " + dir + ": " + err.Error()}
	}
	free := st.Bavail * uint64(st.Bsize)
	if free < lowDisk {
		return finding{"disk", false, fmt.Sprintf("only %d MB are free in %s; make room", free>>20, dir)}
	}
	return finding{"disk", true, fmt.Sprintf("%d MB free", free>>20)}
}
