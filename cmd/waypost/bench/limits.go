package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// limits are what no server of this kind can do without: one RSA-2048
// operation for each request that is signed or checked.
type limits struct {
	key       *rsa.PrivateKey
	digest    [sha256.Size]byte
	signature []byte
}

func newLimits() (*limits, error) {
	l := &limits{digest: sha256.Sum256([]byte("waypost"))}
	var err error
	if l.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	l.signature, err = rsa.SignPKCS1v15(rand.Reader, l.key, crypto.SHA256, l.digest[:])
	return l, err
}

// operation is one that a CPU time is held against.
type operation struct {
	name  string
	burst int // so many take some 2 ms
	once  func() error
}

func (l *limits) sign() operation {
	return operation{"RSA-2048 signature", 2, func() error {
		_, err := rsa.SignPKCS1v15(rand.Reader, l.key, crypto.SHA256, l.digest[:])
		return err
	}}
}

func (l *limits) verify() operation {
	return operation{"RSA-2048 verification", 50, func() error {
		return rsa.VerifyPKCS1v15(&l.key.PublicKey, crypto.SHA256, l.digest[:], l.signature)
	}}
}

// held is a CPU time held against a limit.
type held struct {
	value, limit time.Duration
	ratio        float64
	name         string // of the limit
}

// hold runs a measure in parts and times the operation all the while, in short
// bursts on a thread of its own: a processor that is shared with others changes
// its speed from second to second, by half and more. Each part is held against
// the bursts made during it; what counts is the median of the parts.
func (o operation) hold(parts int, run func(i int) (time.Duration, error)) (held, error) {
	var values, times []time.Duration
	var ratios []float64
	for i := range parts {
		stop := o.watch()
		value, err := run(i)
		w, watching := stop()
		if err := errors.Join(err, watching); err != nil {
			return held{}, err
		}
		values, times = append(values, value), append(times, w.once())
		ratios = append(ratios, float64(value)/float64(w.once()))
	}
	return held{median(values), median(times), median(ratios), o.name}, nil
}

// holdOwn is hold for n calls in this process, the collector's work included.
func (o operation) holdOwn(n int, call func(i int) error) (held, error) {
	before, err := ownCPU()
	if err != nil {
		return held{}, err
	}
	stop := o.watch()
	for i := 0; i < n && err == nil; i++ {
		err = call(i)
	}
	w, watching := stop()
	after, reading := ownCPU()
	if err := errors.Join(err, watching, reading); err != nil {
		return held{}, err
	}
	value := (after - before - w.total) / time.Duration(n)
	return held{value, w.once(), float64(value) / float64(w.once()), o.name}, nil
}

// watched is how often the operation was made, and the CPU time of that.
type watched struct {
	total time.Duration
	calls int
}

func (w watched) once() time.Duration { return w.total / time.Duration(max(w.calls, 1)) }

// pause is the time between two bursts. They take some tenth of a core.
const pause = 20 * time.Millisecond

// watch times the operation until stop is called.
func (o operation) watch() (stop func() (watched, error)) {
	end, done := make(chan struct{}), make(chan struct{})
	var w watched
	var failed error
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			took, err := o.time()
			if err != nil {
				failed = err
				return
			}
			w.total, w.calls = w.total+took, w.calls+o.burst
			select {
			case <-end:
				return
			case <-time.After(pause):
			}
		}
	}()
	return func() (watched, error) {
		close(end)
		<-done
		return w, failed
	}
}

// time is the CPU time of one burst on this thread.
func (o operation) time() (time.Duration, error) {
	before, err := threadCPU()
	if err != nil {
		return 0, err
	}
	for range o.burst {
		if err := o.once(); err != nil {
			return 0, err
		}
	}
	after, err := threadCPU()
	return after - before, err
}

// against sets what a result is held against.
func (r Result) against(h held) Result {
	r.Against, r.Ratio = fmt.Sprintf("%s, %.1f µs", h.name, micros(h.limit)), &h.ratio
	return r
}

// share is a part of what was held, known by its ratio alone: it was measured
// at another time, when the processor may have had another speed.
func (h held) share(ratio float64) held {
	return held{time.Duration(ratio * float64(h.limit)), h.limit, ratio, h.name}
}

func median[T time.Duration | float64](list []T) T {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}
