package transport

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// deliver measures the CPU time of n deliveries of 2.4 kB, the server's share
// (the same in all) included.
func deliver(b *testing.B, post func(url string, body []byte) error) {
	site := serve(b, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	body := bytes.Repeat([]byte("{\"a\":1} "), 300)
	for range 20 {
		post(site, body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuTime()
	for b.Loop() {
		if err := post(site, body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/1e3, "cpu-µs/op")
}

// BenchmarkPost compares one delivery with what it cannot do without: the bare
// RSA signature, and a bare http.Client posting a request signed in the same
// way. The bar for "Post, RSA" is 150 µs of CPU time over "bare client, RSA".
func BenchmarkPost(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("signature alone", func(b *testing.B) {
		req, _ := http.NewRequest(http.MethodPost, "https://riverside.example/inbox", nil)
		start := cpuTime()
		for b.Loop() {
			rsaSigner{key}.SignCavage(req, make([]byte, 2400), time.Unix(0, 0))
		}
		b.ReportMetric(float64(cpuTime()-start)/float64(b.N)/1e3, "cpu-µs/op")
	})
	for name, s := range map[string]Signer{"bare client, unsigned": nil, "bare client, RSA": rsaSigner{key}} {
		b.Run(name, func(b *testing.B) {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			deliver(b, func(url string, body []byte) error { return barePost(c, url, body, s) })
		})
	}
	for name, s := range map[string]Signer{"Post, unsigned": nil, "Post, RSA": rsaSigner{key}} {
		b.Run(name, func(b *testing.B) {
			c := newClient(b, Config{Dev: true})
			deliver(b, func(url string, body []byte) error {
				_, err := c.Post(context.Background(), url, body, ActivityType, s)
				return err
			})
		})
	}
}

func barePost(c *http.Client, url string, body []byte, s Signer) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", ActivityType)
	if s != nil {
		if err := s.SignCavage(req, body, time.Now()); err != nil {
			return err
		}
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	io.Copy(io.Discard, res.Body)
	return res.Body.Close()
}
