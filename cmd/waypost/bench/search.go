package bench

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

const barSearch = 20 // ms, p99

// queries are what people ask: mostly a word or two, often near somewhere,
// sometimes only filters, and the next pages.
func queries() []string {
	list := []string{
		"q=help", "q=tablet", "q=spreadsheets", "q=online safety", "q=blue badge", "q=video calls with family", "q=podcast",
		"q=help with my phone", "q=volunteer", "q=digital champion", "q=repair", "q=bookkeeping charity", "q=job applications",
		"q=scam", "q=smartphone&kind=event", "q=website&kind=offer", "q=help&category=hands-on", "q=tablets&near=51.456,0.146&within=10",
		"q=email&near=53.479,-2.245&within=25&sort=distance", "near=51.454,-2.588&within=5", "near=53.8,-1.549&within=50&kind=event&sort=date",
		"kind=event&sort=date", "kind=volunteer", "kind=venue&near=51.5,-0.1&within=20", "category=skills-support", "category=quick-tips&mode=centre-drop-in",
		"mode=home-visit&area=E09000004", "topic=spreadsheets", "audience=older-people&free=true", "access=step-free&kind=event",
		"q=help&page=2", "q=event&page=3&per_page=50", "kind=offer&page=5", "", "q=nosuchwordanywhere", "q=tablte",
	}
	for _, t := range towns() {
		list = append(list, "q="+t.name, "q=help in "+t.name)
	}
	for i, q := range list {
		list[i] = escape(q)
	}
	return list
}

// escape makes a legible query one that can be sent.
func escape(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if key, value, ok := strings.Cut(part, "="); ok {
			parts[i] = key + "=" + url.QueryEscape(value)
		}
	}
	return strings.Join(parts, "&")
}

// search measures how long one visitor waits for an answer.
func (b *bench) search(ctx context.Context) ([]Result, error) {
	p, err := b.manyListingsNode(ctx)
	if err != nil {
		return nil, err
	}
	b.say("searching %d times", b.Sizes.Searches)
	var rounds [][]time.Duration
	var cpu time.Duration
	err = p.run(ctx, func() error {
		mix := queries()
		for _, q := range mix { // once each, unmeasured: pages of files come into memory
			if _, err := p.find(ctx, q); err != nil {
				return err
			}
		}
		cpu, err = p.spent(ctx, "all searches were answered", func() error {
			rounds, err = p.findAll(ctx, mix, b.Sizes.Searches)
			return err
		}, func() (bool, error) { return true, nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	var p50, p99 []time.Duration
	for _, took := range rounds {
		slices.Sort(took)
		p50, p99 = append(p50, quantile(took, 0.50)), append(p99, quantile(took, 0.99))
	}
	return []Result{
		row("search p50", millis(median(p50)), "ms"),
		row("search p99", millis(median(p99)), "ms").under(barSearch),
		row("search CPU", millis(cpu/time.Duration(b.Sizes.Searches)), "ms"),
	}, nil
}

// findAll searches n times in five rounds. The median of the rounds is not
// moved by somebody else's second of work on the machine.
func (p *process) findAll(ctx context.Context, mix []string, n int) ([][]time.Duration, error) {
	rounds := make([][]time.Duration, 5)
	for i := range n {
		began := time.Now()
		if _, err := p.find(ctx, mix[i%len(mix)]); err != nil {
			return nil, err
		}
		round := i * len(rounds) / n
		rounds[round] = append(rounds[round], time.Since(began))
	}
	return rounds, nil
}
