package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// mayUse refuses a data folder of another user, root's commands included: the
// files that they would leave could not be read by the service.
func mayUse(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", dir, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	owner := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return fmt.Errorf("%s belongs to %s; run this as that user: sudo -u %s waypost …", dir, owner, owner)
}
