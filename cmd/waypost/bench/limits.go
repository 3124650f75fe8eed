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
		once, watching := stop()
		if err := errors.Join(err, watching); err != nil {
			return held{}, err
		}
		values, times = append(values, value), append(times, once)
		ratios = append(ratios, float64(value)/float64(once))
	}
	return held{median(values), median(times), median(ratios), o.name}, nil
}

// pause is the time between two bursts. They take some tenth of a core.
const pause = 20 * time.Millisecond

// watch times the operation until stop is called, which returns the mean CPU
// time of one.
func (o operation) watch() (stop func() (time.Duration, error)) {
	end, done := make(chan struct{}), make(chan struct{})
	var total time.Duration
	var calls int
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
			total, calls = total+took, calls+o.burst
			select {
			case <-end:
				return
			case <-time.After(pause):
			}
		}
	}()
	return func() (time.Duration, error) {
		close(end)
		<-done
		return total / time.Duration(max(calls, 1)), failed
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

// of holds another CPU time against the same limit.
func (h held) of(value time.Duration) held {
	return held{value, h.limit, float64(value) / float64(h.limit), h.name}
}

func median[T time.Duration | float64](list []T) T {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}
