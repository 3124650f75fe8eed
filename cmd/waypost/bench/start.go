package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The bars of design: Measures.
const (
	barStart  = 300 // ms to the first answer
	barMemory = 60  // MB of RssAnon when idle
)

// manyListingsNode is the node with many listings, made once in a run.
func (b *bench) manyListingsNode(ctx context.Context) (*process, error) {
	if b.filled != nil {
		return b.filled, nil
	}
	b.say("publishing %d listings", b.Sizes.Listings)
	list, err := manyListings(b.Sizes.Listings)
	if err != nil {
		return nil, err
	}
	b.filled, err = b.newNode(ctx, "filled", list)
	return b.filled, err
}

// start measures how long a node needs from its start to its first answer, and
// how much memory it takes when it has nothing to do.
func (b *bench) start(ctx context.Context) ([]Result, error) {
	p, err := b.manyListingsNode(ctx)
	if err != nil {
		return nil, err
	}
	b.say("starting it %d times", b.Sizes.Starts)
	var took []time.Duration
	var memory int64
	for i := range b.Sizes.Starts {
		t, m, err := p.startOnce(ctx, i == b.Sizes.Starts-1, b.Sizes.Idle)
		if err != nil {
			return nil, err
		}
		took, memory = append(took, t), m
	}
	return []Result{
		row("start to first answer", millis(median(took)), "ms").under(barStart),
		row("memory when idle", float64(memory)/1e6, "MB RssAnon").under(barMemory),
	}, nil
}

// startOnce starts the node, and looks at its memory after a while when asked to.
func (p *process) startOnce(ctx context.Context, look bool, idle time.Duration) (took time.Duration, memory int64, err error) {
	began := time.Now()
	if err := p.start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		if stopping := p.stop(); err == nil {
			err = stopping
		}
	}()
	if err := p.waitReady(ctx, p.base+"/search?q=help", 2*time.Millisecond); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	if !look {
		return took, 0, nil
	}
	if total, err := p.find(ctx, "q=help"); err != nil || total == 0 {
		return 0, 0, errors.Join(err, fmt.Errorf("a search for help found %d listings; the node answered before it had its index", total))
	}
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(idle):
	}
	memory, err = processMemory(p.cmd.Process.Pid)
	return took, memory, err
}
