//go:build !linux

package bench

import (
	"errors"
	"time"
)

var errLinuxOnly = errors.New("CPU time and memory can be measured on Linux only")

func threadCPU() (time.Duration, error)         { return 0, errLinuxOnly }
func ownCPU() (time.Duration, error)            { return 0, errLinuxOnly }
func processCPU(pid int) (time.Duration, error) { return 0, errLinuxOnly }
func processMemory(pid int) (int64, error)      { return 0, errLinuxOnly }
