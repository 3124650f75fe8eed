package web_test

import (
	"flag"
	"net"
	"net/http"
	"os"
	"os/signal"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/peer"
	"github.com/waypost-directory/waypost/node/web"
)

var serve = flag.String("serve", "", "serve sample pages at this address, such as 127.0.0.1:8099, until Ctrl-C")

// TestServe shows the pages over sample listings, to look at them by eye:
//
//	go test ./node/web -run TestServe -serve 127.0.0.1:8099 -timeout 0
func TestServe(t *testing.T) {
	if *serve == "" {
		return
	}
	w := open(t, "http://"+*serve, func(c *web.Config) {
		c.Logger = nil
	})
	w.peers.list = []peer.Peer{
		{Host: "salford.example", Follow: "accepted", Heard: w.now.Add(-3 * time.Minute)},
		{Host: "leeds.example", Follow: "accepted", Heard: w.now.Add(-72 * time.Hour), Failed: w.now.Add(-time.Hour), Fails: 4, Problem: "it does not answer (connection refused)"},
	}
	w.now = w.now.Add(-72 * time.Hour)
	w.publish(samples(t, "bexley.json")...)
	w.learn(samples(t, "salford.json")...)
	w.now = w.now.Add(72 * time.Hour)
	link, err := w.web.SignInLink(t.Context(), "Ada Steward")
	must(t, err)
	t.Log("sign in at", link.URL)
	os.Stdout.WriteString(link.URL + "\n")
	l, err := net.Listen("tcp", *serve)
	must(t, err)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	go func() { _ = http.Serve(l, w.handler) }()
	<-stop
}
