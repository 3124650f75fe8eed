package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// barFanOut is the most RSA-2048 signatures that one delivery may cost in CPU
// time. One of them it must make.
const barFanOut = 1.3

// fanOut measures what a delivery costs a node whose community is followed from
// many hosts: one post a shared inbox, signed.
func (b *bench) fanOut(ctx context.Context) (rows []Result, err error) {
	b.say("%d hosts with %d followers each begin to follow", b.Sizes.Hosts, b.Sizes.Followers)
	p, err := b.newNode(ctx, "hub", nil)
	if err != nil {
		return nil, err
	}
	all, err := gather(b.limits.key, b.Sizes.Hosts, b.Sizes.Followers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	var cpu held
	var waited time.Duration
	listings := b.Sizes.Fanned / b.Sizes.Parts
	deliveries := b.Sizes.Hosts * listings
	err = p.run(ctx, func() error {
		if err := all.follow(ctx, p); err != nil {
			return err
		}
		b.say("publishing %d listings to them", b.Sizes.Parts*listings)
		cpu, err = b.limits.sign().hold(b.Sizes.Parts, func(i int) (time.Duration, error) {
			cpu, took, err := p.deliver(ctx, all, i*listings, listings)
			waited += took
			return cpu / time.Duration(deliveries), err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := all.check(b.Sizes.Parts * listings); err != nil {
		return nil, err
	}
	return []Result{
		row("fan-out: CPU a delivery", micros(cpu.value), "µs").against(cpu).under(barFanOut),
		row("fan-out: rate", float64(b.Sizes.Parts*deliveries)/waited.Seconds(), "deliveries/s"),
	}, nil
}

// deliver publishes listings, after those from an earlier part, and waits until
// nothing is left to deliver.
func (p *process) deliver(ctx context.Context, all *crowd, from, listings int) (cpu, took time.Duration, err error) {
	cpu, err = p.spent(ctx, "nothing was left to deliver", func() error {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		for i := range listings {
			l := protocol.Listing{Kind: protocol.KindOffer, Title: fmt.Sprintf("Help with tablets, table %d", from+i+1), Categories: []string{"quick-tips"},
				Summary: "A patient neighbour sits beside you.", Description: "Bring your own device or use one of ours; there is tea."}
			if err := p.command(ctx, http.MethodPost, "/listings", l, nil); err != nil {
				return err
			}
		}
		return p.until(ctx, "all hosts had received everything", 5*time.Millisecond, func() (bool, error) {
			return all.received.Load() >= int64((from+listings)*len(all.hosts)), nil
		})
	}, func() (bool, error) {
		s, err := p.status(ctx)
		return s.Waiting == 0, err
	})
	return cpu, took, err
}
