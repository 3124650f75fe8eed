package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the CPU time that this thread has had. The caller has locked it.
// getrusage(2) would not count what came since the last tick of the scheduler.
func threadCPU() (time.Duration, error) { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// ownCPU is the CPU time that this process has had.
func ownCPU() (time.Duration, error) { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// processCPU is the CPU time that another process has had, in user space and
// in the kernel, without its children. The number of its clock is made as
// clock_getcpuclockid(3) makes it: /proc/PID/stat counts in steps of 10 ms.
func processCPU(pid int) (time.Duration, error) {
	const sched = 2
	return clock(^int32(pid)<<3 | sched)
}

func clock(id int32) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// processMemory is the anonymous memory of a process in bytes: what it needs
// besides the files that it has mapped, which the kernel may drop.
func processMemory(pid int) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("read memory: /proc does not tell RssAnon")
}
