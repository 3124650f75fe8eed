package bench

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"time"
)

// limits are what no server of this kind can do without: one RSA-2048
// operation for each request that is signed or checked.
type limits struct {
	rounds    int
	key       *rsa.PrivateKey
	digest    [sha256.Size]byte
	signature []byte

	signing, verifying []time.Duration // CPU time of one, round by round
}

func newLimits(rounds int) (*limits, error) {
	l := &limits{rounds: rounds, digest: sha256.Sum256([]byte("waypost"))}
	var err error
	if l.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, err
	}
	l.signature, err = rsa.SignPKCS1v15(rand.Reader, l.key, crypto.SHA256, l.digest[:])
	return l, err
}

// sample adds rounds of both operations. It is called before and after what is
// held against them, since a shared machine's speed changes.
func (l *limits) sample() error {
	for range l.rounds {
		sign, err := perCall(100, func() error {
			_, err := rsa.SignPKCS1v15(rand.Reader, l.key, crypto.SHA256, l.digest[:])
			return err
		})
		if err != nil {
			return err
		}
		verify, err := perCall(2_000, func() error {
			return rsa.VerifyPKCS1v15(&l.key.PublicKey, crypto.SHA256, l.digest[:], l.signature)
		})
		if err != nil {
			return err
		}
		l.signing, l.verifying = append(l.signing, sign), append(l.verifying, verify)
	}
	return nil
}

// sign and verify are the medians of the rounds.
func (l *limits) sign() time.Duration   { return median(l.signing) }
func (l *limits) verify() time.Duration { return median(l.verifying) }

// around runs a measure between two samples of the limits.
func (l *limits) around(run func() error) error {
	l.signing, l.verifying = nil, nil
	if err := l.sample(); err != nil {
		return err
	}
	if err := run(); err != nil {
		return err
	}
	return l.sample()
}

// perCall is the CPU time of one call among n, on a thread of its own, so that
// neither a neighbour on the machine nor the collector counts.
func perCall(n int, call func() error) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadCPU()
	if err != nil {
		return 0, err
	}
	for range n {
		if err := call(); err != nil {
			return 0, err
		}
	}
	after, err := threadCPU()
	return (after - before) / time.Duration(n), err
}
