//go:build race

package embedded_test

// The race detector's own bookkeeping is not the index's memory.
const raceDetector = true
