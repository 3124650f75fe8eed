package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// rusageThread is RUSAGE_THREAD of getrusage(2), which package syscall lacks.
const rusageThread = 1

// tick is the unit of the times in /proc/PID/stat. sysconf(_SC_CLK_TCK) is 100
// on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// threadCPU is the CPU time that this thread has had. The caller has locked it.
func threadCPU() (time.Duration, error) { return rusage(rusageThread) }

// ownCPU is the CPU time that this process has had.
func ownCPU() (time.Duration, error) { return rusage(syscall.RUSAGE_SELF) }

func rusage(who int) (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// processCPU is the CPU time that a process has had, in user space and in the
// kernel, without its children: fields 14 and 15 of /proc/PID/stat (proc(5)).
func processCPU(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return parseStat(string(raw))
}

func parseStat(stat string) (time.Duration, error) {
	_, rest, ok := strings.Cut(stat, ") ") // the name of the program may hold spaces
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: /proc has another form than proc(5) says")
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	if errUser != nil || errSystem != nil {
		return 0, fmt.Errorf("read CPU time: /proc has another form than proc(5) says")
	}
	return time.Duration(user+system) * tick, nil
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
