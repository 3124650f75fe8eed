package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// barInbox is the most RSA-2048 verifications that receiving one activity may
// cost in CPU time.
const barInbox = 30

// warmUp is how many activities are posted before anything is measured, so
// that keys, files and connections are there.
const warmUp = 100

// inbox measures what it costs a node to take an activity from another one:
// to read it, check its signature and its proof, write it to disk before the
// 202 goes out, and make it findable.
func (b *bench) inbox(ctx context.Context) (rows []Result, err error) {
	n := b.Sizes.Activities
	b.say("preparing %d activities", n)
	from, err := b.newSender(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	bodies, err := from.creates(ctx, n+warmUp)
	if err != nil {
		return nil, err
	}
	to, err := b.newNode(ctx, "receiver", nil)
	if err != nil {
		return nil, err
	}
	cpu, rate, err := b.receive(ctx, from, to, bodies)
	if err != nil {
		return nil, err
	}
	rows = []Result{
		row("inbox: CPU an activity", micros(cpu.value), "µs").against(cpu).under(barInbox),
		row("inbox: rate", rate, "activities/s"),
	}
	parts, err := b.parts(ctx, from, bodies[warmUp:])
	if err != nil {
		return nil, err
	}
	return append(rows, breakdown(parts, cpu)...), nil
}

// receive posts the activities to the node.
func (b *bench) receive(ctx context.Context, from *sender, to *process, bodies [][]byte) (cpu held, rate float64, err error) {
	var waited time.Duration // for answers
	size := (len(bodies) - warmUp) / b.Sizes.Parts
	post := func(some [][]byte, total int) (time.Duration, error) {
		requests, err := from.signed(ctx, to.base+"/ap/inbox", some)
		if err != nil {
			return 0, err
		}
		return to.spent(ctx, "all activities were indexed", func() error {
			began := time.Now()
			defer func() { waited += time.Since(began) }()
			return sendAll(requests, b.Sizes.Connections)
		}, func() (bool, error) {
			found, err := to.find(ctx, "kind=event&per_page=1")
			return found >= total, err
		})
	}
	err = to.run(ctx, func() error {
		if err := to.follow(ctx, from.base); err != nil {
			return err
		}
		if _, err := post(bodies[:warmUp], warmUp); err != nil {
			return err
		}
		b.say("posting them over %d connections", b.Sizes.Connections)
		waited = 0
		cpu, err = b.limits.verify().hold(b.Sizes.Parts, func(i int) (time.Duration, error) {
			done := warmUp + i*size
			spent, err := post(bodies[done:done+size], done+size)
			return spent / time.Duration(size), err
		})
		rate = float64(b.Sizes.Parts*size) / waited.Seconds()
		return err
	})
	return cpu, rate, err
}

// breakdown names what an activity's CPU time goes to, and which of the steps
// takes the most. Under load, caches are colder than when a step is made alone:
// that is in the rest.
func breakdown(parts []part, whole held) []Result {
	most, rest := 0, whole.ratio
	for i, p := range parts {
		rest -= p.ratio
		if p.ratio > parts[most].ratio {
			most = i
		}
	}
	parts[most].name += " (the most)"
	var rows []Result
	for _, p := range append(parts, part{"HTTP server, load, the rest", rest}) {
		share := whole.share(p.ratio)
		rows = append(rows, row("inbox: of this, "+p.name, micros(share.value), "µs").against(share))
	}
	return rows
}

// sendAll sends requests over so many connections, each kept open, and wants
// 202 for all.
func sendAll(requests []*http.Request, connections int) error {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	queue := make(chan *http.Request)
	failed := make([]error, connections)
	var workers sync.WaitGroup
	for i := range connections {
		workers.Go(func() {
			for req := range queue {
				if failed[i] == nil {
					failed[i] = send(client, req)
				}
			}
		})
	}
	for _, req := range requests {
		queue <- req
	}
	close(queue)
	workers.Wait()
	return errors.Join(failed...)
}

func send(client *http.Client, req *http.Request) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("%s answered %s: %s", req.URL, resp.Status, raw)
	}
	return err
}
