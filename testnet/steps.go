package testnet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/federation"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
)

// steps are all the sorts of lines, as docs/implementers/scenarios.md lists
// them.
var steps = []step{
	{form: "node NAME", run: addNode},
	{form: "stop NODE", run: each((*Node).Stop)},
	{form: "crash NODE", run: each((*Node).Crash)},
	{form: "wipe NODE", run: each((*Node).Wipe)},
	{form: "restart NODE", run: func(ctx context.Context, _ *scenario, a args) error { return a.nodes[0].Start(ctx) }},

	{form: "cut NODE NODE", run: func(_ context.Context, s *scenario, a args) error { s.world.Cut(a.nodes[0], a.nodes[1]); return nil }},
	{form: "cut NODE to NODE", run: wired(func(n *Network, from, to string, _ args) { n.Cut(from, to) })},
	{form: "heal NODE NODE", run: func(_ context.Context, s *scenario, a args) error { s.world.Heal(a.nodes[0], a.nodes[1]); return nil }},
	{form: "lag NODE to NODE DURATION", run: wired(func(n *Network, from, to string, a args) { n.Lag(from, to, a.duration) })},
	{form: "lose NUMBER percent NODE to NODE", run: wired(func(n *Network, from, to string, a args) { n.Lose(from, to, float64(a.numbers[0])/100) })},
	{form: "advance DURATION", run: func(_ context.Context, s *scenario, a args) error { s.world.Advance(a.duration); return nil }},
	{form: "wait DURATION", run: pause},

	{form: "NODE follows NODE", run: func(ctx context.Context, _ *scenario, a args) error { return a.nodes[0].Follow(ctx, a.nodes[1]) }},
	{form: "NODE unfollows NODE", run: func(ctx context.Context, _ *scenario, a args) error { return a.nodes[0].Unfollow(ctx, a.nodes[1]) }},
	{form: "NODE pulls from NODE", run: pull},
	{form: "NODE publishes FILE", run: publish},
	{form: "NODE publishes NUMBER like FILE", run: publishMany},
	{form: "NODE removes UID", run: func(ctx context.Context, _ *scenario, a args) error { return a.nodes[0].Remove(ctx, a.names[0], false) }},
	{form: "NODE erases UID", run: func(ctx context.Context, _ *scenario, a args) error { return a.nodes[0].Remove(ctx, a.names[0], true) }},

	{form: "NODE finds TEXT", check: true, run: finds},
	{form: "NODE does not find TEXT", check: true, run: doesNotFind},
	{form: "NODE is accepted by NODE", check: true, run: isAccepted},
	{form: "NODE agrees with NODE", check: true, run: func(ctx context.Context, _ *scenario, a args) error { return Agree(ctx, a.nodes[1], a.nodes[0]) }},
	{form: "NODE shows NUMBER of NODE", check: true, run: shows},
	{form: "NODE is idle", check: true, run: isIdle},
	{form: "NODE forgot UID", check: true, run: forgot},
	{form: "NODE gave up NODE", check: true, run: gaveUp},
	{form: "NODE reaches NODE", check: true, run: reaches},
}

func addNode(ctx context.Context, s *scenario, a args) error {
	_, err := s.world.AddNode(ctx, a.names[0])
	return err
}

func each(f func(*Node) error) func(context.Context, *scenario, args) error {
	return func(_ context.Context, _ *scenario, a args) error { return f(a.nodes[0]) }
}

func wired(f func(n *Network, from, to string, a args)) func(context.Context, *scenario, args) error {
	return func(_ context.Context, s *scenario, a args) error {
		f(s.world.Network, a.nodes[0].host(), a.nodes[1].host(), a)
		return nil
	}
}

func pause(ctx context.Context, _ *scenario, a args) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(a.duration):
		return nil
	}
}

func pull(ctx context.Context, _ *scenario, a args) error {
	x, err := a.nodes[0].Running()
	if err != nil {
		return err
	}
	return x.Peers.Sync(ctx, a.nodes[1].host())
}

func publish(ctx context.Context, s *scenario, a args) error {
	l, err := s.listing(a.names[0])
	if err != nil {
		return err
	}
	_, err = a.nodes[0].Publish(ctx, l)
	return err
}

// publishMany publishes copies with uids of their own and numbered titles.
func publishMany(ctx context.Context, s *scenario, a args) error {
	l, err := s.listing(a.names[0])
	if err != nil {
		return err
	}
	x, err := a.nodes[0].Running()
	if err != nil {
		return err
	}
	list := make([]protocol.Listing, a.numbers[0])
	for i := range list {
		list[i] = l
		list[i].UID, list[i].Title = "", fmt.Sprintf("%s %d", l.Title, i+1)
	}
	var errs []error
	for _, p := range x.Directory.PublishAll(ctx, a.nodes[0].CID, list) {
		errs = append(errs, p.Err)
	}
	return errors.Join(errs...)
}

func finds(ctx context.Context, _ *scenario, a args) error {
	titles, err := a.nodes[0].Finds(ctx, a.texts[0])
	if err == nil && len(titles) == 0 {
		err = fmt.Errorf("nothing is found")
	}
	return err
}

func doesNotFind(ctx context.Context, _ *scenario, a args) error {
	titles, err := a.nodes[0].Finds(ctx, a.texts[0])
	if err == nil && len(titles) > 0 {
		err = fmt.Errorf("it finds %q", titles)
	}
	return err
}

func isAccepted(ctx context.Context, _ *scenario, a args) error {
	p, err := a.nodes[0].Peer(ctx, a.nodes[1])
	if err == nil && p.Follow != directory.FollowAccepted {
		err = fmt.Errorf("its follow is %q", p.Follow)
	}
	return err
}

func shows(ctx context.Context, _ *scenario, a args) error {
	got, err := a.nodes[0].versions(ctx, a.nodes[1].CID)
	if err == nil && len(got) != a.numbers[0] {
		err = fmt.Errorf("it has %d", len(got))
	}
	return err
}

func isIdle(ctx context.Context, _ *scenario, a args) error {
	idle, err := a.nodes[0].Idle(ctx)
	if err == nil && !idle {
		err = fmt.Errorf("it still works")
	}
	return err
}

// forgot looks through the whole log: no edit of the listing may have a body
// any more, the deletion that says so apart.
func forgot(ctx context.Context, _ *scenario, a args) error {
	x, err := a.nodes[0].Running()
	if err != nil {
		return err
	}
	for after := uint64(0); ; {
		entries, err := x.Log.Read(ctx, after, 500)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			after = e.Seq
			if e.UID != a.names[0] || e.Type == "Delete" {
				continue
			}
			if err := bodyGone(ctx, x.Log, e); err != nil {
				return err
			}
		}
	}
}

func bodyGone(ctx context.Context, log *store.Log, e store.Entry) error {
	_, err := log.Body(ctx, e.Digest)
	switch {
	case err == nil:
		return fmt.Errorf("log entry %d still has its body", e.Seq)
	case protocol.KindOf(err) == protocol.Gone:
		return nil
	}
	return err
}

// inboxOf is how deliveries to another node are doing; ok is false when they
// have never failed.
func inboxOf(ctx context.Context, a args) (s federation.InboxState, ok bool, err error) {
	x, err := a.nodes[0].Running()
	if err != nil {
		return s, false, err
	}
	list, err := x.Deliverer.Inboxes(ctx)
	for _, s := range list {
		if u, parseErr := url.Parse(s.Inbox); parseErr == nil && u.Host == a.nodes[1].host() {
			return s, true, err
		}
	}
	return s, false, err
}

func gaveUp(ctx context.Context, _ *scenario, a args) error {
	s, _, err := inboxOf(ctx, a)
	if err == nil && s.Dead.IsZero() {
		err = fmt.Errorf("it goes on trying: %d failures", s.Fails)
	}
	return err
}

func reaches(ctx context.Context, _ *scenario, a args) error {
	s, ok, err := inboxOf(ctx, a)
	if err == nil && ok && s.Fails > 0 {
		err = fmt.Errorf("%d deliveries failed: %s", s.Fails, s.Reason)
	}
	return err
}

// Forms lists the forms of all steps.
func Forms() []string {
	list := make([]string, len(steps))
	for i, st := range steps {
		list[i] = st.form
	}
	return list
}
