package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/protocol"
)

const barVisible = 1_000 // ms, p50

// visible measures how long it takes from publishing a listing on one node
// until a search on another finds it.
func (b *bench) visible(ctx context.Context) ([]Result, error) {
	b.say("publishing %d listings and looking for them on another node", b.Sizes.Publications)
	from, err := b.newNode(ctx, "publisher", nil)
	if err != nil {
		return nil, err
	}
	to, err := b.newNode(ctx, "neighbour", nil)
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	err = from.run(ctx, func() error {
		return to.run(ctx, func() error {
			if err := to.followAndWait(ctx, from); err != nil {
				return err
			}
			g := rand.New(rand.NewPCG(3, 0x62656e6368))
			for range b.Sizes.Publications {
				t, err := publishAndFind(ctx, from, to, uniqueWord(g))
				if err != nil {
					return err
				}
				took = append(took, t)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(took)
	return []Result{
		row("publish to findable on a peer p50", millis(quantile(took, 0.50)), "ms").under(barVisible),
		row("publish to findable on a peer p95", millis(quantile(took, 0.95)), "ms"),
	}, nil
}

// follow makes one node follow another.
func (p *process) follow(ctx context.Context, base string) error {
	return p.command(ctx, http.MethodPost, "/peers", map[string]string{"url": base}, nil)
}

// followAndWait waits until the other has accepted.
func (p *process) followAndWait(ctx context.Context, other *process) error {
	if err := p.follow(ctx, other.base); err != nil {
		return err
	}
	return p.until(ctx, "the other node accepted its follow", 20*time.Millisecond, func() (bool, error) {
		s, err := p.status(ctx)
		return err == nil && len(s.Peers) == 1 && s.Peers[0].Follow == directory.FollowAccepted, err
	})
}

// uniqueWord is one that no listing holds yet.
func uniqueWord(g *rand.Rand) string {
	word := []byte("zq")
	for range 10 {
		word = append(word, 'a'+byte(g.IntN(26)))
	}
	return string(word)
}

// publishAndFind counts from before the request to publish.
func publishAndFind(ctx context.Context, from, to *process, word string) (time.Duration, error) {
	l := protocol.Listing{Kind: protocol.KindOffer, Title: "Help with tablets and " + word, Categories: []string{"quick-tips"},
		Summary: "A patient neighbour sits beside you.", Description: "Bring your own device or use one of ours; there is tea."}
	began := time.Now()
	if err := from.command(ctx, http.MethodPost, "/listings", l, nil); err != nil {
		return 0, err
	}
	err := to.until(ctx, fmt.Sprintf("%q was found", word), 3*time.Millisecond, func() (bool, error) {
		total, err := to.find(ctx, "q="+word)
		return total > 0, err
	})
	return time.Since(began), err
}
