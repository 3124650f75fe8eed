package federation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/waypost-directory/waypost/node/directory"
	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/protocol"
	"github.com/waypost-directory/waypost/protocol/vocab"
)

// form says what is sent to an inbox for a log entry.
type form uint8

const (
	formActivity form = iota // the entry's own bytes, signed by its actor
	formAnnounce             // an Announce of its object by the Application
	formAccept               // an Accept of the Follow that the entry is
)

// Delivery is one thing to post to one inbox. Its row is on disk before the
// deliverer's cursor moves on, so none is lost.
type Delivery struct {
	Inbox string    `json:"inbox"`
	Actor string    `json:"actor"` // ours, who signs
	Seq   uint64    `json:"seq"`   // the log entry
	Form  form      `json:"form"`
	Since time.Time `json:"since"`
}

// number orders the deliveries of an inbox as the log orders their entries.
func (d Delivery) number() uint64 { return d.Seq<<2 | uint64(d.Form) }

// Deliverer follows the log and fills the delivery rows; its workers empty
// them. One inbox receives one thing at a time, in the order of the log, so
// that an Update never overtakes its Create.
type Deliverer struct {
	cfg    DeliverConfig
	cursor store.StoreCursor
	queue  *inboxQueue

	troubled troubled
}

// DeliverConfig says what a [Deliverer] works with.
type DeliverConfig struct {
	Store     store.Store
	Log       *store.Log
	Committer *store.Committer
	Directory *directory.Directory
	Actors    *Actors
	Post      Poster
	Now       func() time.Time
	Logger    *slog.Logger
	Workers   int           // posts at once; 8 when 0
	Backoff   time.Duration // wait after a first failure; a minute when 0
	GiveUp    time.Duration // how long an inbox may fail before its rows are dropped; 7 days when 0
}

// Poster posts a signed activity to an inbox.
type Poster interface {
	Post(ctx context.Context, inbox string, body []byte, signer *directory.Identity) error
}

// NewDeliverer prepares a deliverer; it works while Run runs and while the
// log's follower loop feeds it.
func NewDeliverer(cfg DeliverConfig) *Deliverer {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Workers == 0 {
		cfg.Workers = 8
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Minute
	}
	if cfg.GiveUp == 0 {
		cfg.GiveUp = 7 * 24 * time.Hour
	}
	return &Deliverer{cfg: cfg, cursor: "deliver", queue: newInboxQueue(cfg.Now)}
}

// Name implements store.Follower.
func (d *Deliverer) Name() string { return "deliver" }

// Cursor implements store.Follower.
func (d *Deliverer) Cursor(ctx context.Context) (uint64, error) {
	return d.cursor.Load(ctx, d.cfg.Store)
}

// Follow implements store.Follower: it writes the delivery rows of entries.
func (d *Deliverer) Follow(ctx context.Context, entries []store.Entry, cursor uint64) error {
	plans := make([]plan, 0, len(entries))
	for _, e := range entries {
		p, err := d.plan(ctx, e)
		if err != nil {
			return fmt.Errorf("plan delivery of %s: %w", e.ID, err)
		}
		if p != nil {
			plans = append(plans, *p)
		}
	}
	var rows []Delivery
	err := d.cfg.Store.View(ctx, func(tx store.Tx) error {
		rows = nil
		for _, p := range plans {
			more, err := d.rows(tx, p)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.putRows(ctx, rows, entries, cursor)
}

// rowsATransaction bounds one transaction of rows, well under what the store
// takes.
const rowsATransaction = 1000

// putRows writes the rows and, with the last of them, the cursor. Rows have the
// same keys if they are written again, so stopping in between loses none.
func (d *Deliverer) putRows(ctx context.Context, rows []Delivery, entries []store.Entry, cursor uint64) error {
	for chunk := range slices.Chunk(rows[:len(rows)-len(rows)%rowsATransaction], rowsATransaction) {
		if err := d.cfg.Store.Update(ctx, func(tx store.Tx) error { return putChunk(tx, chunk) }); err != nil {
			return err
		}
	}
	rest := rows[len(rows)-len(rows)%rowsATransaction:]
	err := d.cfg.Store.Update(ctx, func(tx store.Tx) error {
		if err := putChunk(tx, rest); err != nil {
			return err
		}
		return d.cursor.Advance(tx, entries, cursor)
	})
	if err != nil {
		return err
	}
	inboxes := make([]string, len(rows))
	for i, row := range rows {
		inboxes[i] = row.Inbox
	}
	d.queue.add(inboxes...)
	return nil
}

func putChunk(tx store.Tx, rows []Delivery) error {
	for _, row := range rows {
		if err := putRow(tx, row); err != nil {
			return err
		}
	}
	return nil
}

func putRow(tx store.Tx, row Delivery) error {
	state, err := getInbox(tx, row.Inbox)
	if err != nil {
		return err
	}
	if !state.Dead.IsZero() {
		return nil // its host was given up; it is caught up by pulling when it comes back
	}
	raw, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return tx.Put(store.DeliveryKey(row.Inbox, row.number()), raw)
}

// plan is what an entry causes: to whom, and in which form.
type plan struct {
	entry store.Entry
	inbox string // one inbox, for relations; empty for all followers
	form  form
}

func (d *Deliverer) plan(ctx context.Context, e store.Entry) (*plan, error) {
	if e.Outcome != store.Stored {
		return nil, nil
	}
	switch {
	case e.Via == store.ViaInbox && e.Type == "Follow":
		inbox, err := d.replyInbox(ctx, e)
		if err != nil || inbox == "" {
			return nil, err
		}
		return &plan{entry: e, inbox: inbox, form: formAccept}, nil
	case e.Via != store.ViaLocal:
		return nil, nil
	case e.Type == "Follow" || e.Type == "Undo":
		who, err := d.cfg.Actors.Cached(ctx, e.Object)
		if err != nil {
			d.cfg.Logger.Warn("whom we follow is not known any more", "actor", e.Object, "error", err)
			return nil, nil
		}
		if !atHome(who) {
			d.cfg.Logger.Warn("whom we follow has its inbox on another host; nothing is posted there", "actor", e.Object)
			return nil, nil
		}
		return &plan{entry: e, inbox: who.Inbox}, nil
	}
	public, err := d.isPublic(ctx, e)
	if err != nil || !public {
		return nil, err
	}
	return &plan{entry: e}, nil
}

// isPublic reads the activity itself: the listing's state may have changed
// since.
func (d *Deliverer) isPublic(ctx context.Context, e store.Entry) (bool, error) {
	body, err := d.cfg.Log.Body(ctx, e.Digest)
	if protocol.KindOf(err) == protocol.Gone {
		return false, nil // erased before it was sent: nobody needs it any more
	}
	if err != nil {
		return false, err
	}
	a, err := vocab.ParseActivity(body)
	if err != nil {
		return false, err
	}
	return protocol.Object{To: a.To, Cc: a.Cc}.IsPublic(), nil
}

// rows lists the deliveries of a plan: one a shared inbox. Followers of the
// Application that speak Waypost get the community's own activity, the others
// an Announce of what is new, since Mobilizon lists only what its relay
// announces.
func (d *Deliverer) rows(tx store.Tx, p plan) ([]Delivery, error) {
	e := p.entry
	row := Delivery{Inbox: p.inbox, Actor: e.Actor, Seq: e.Seq, Form: p.form, Since: d.cfg.Now().UTC()}
	if p.inbox != "" {
		if p.form == formAccept {
			row.Actor = e.Object
		}
		return []Delivery{row}, nil
	}
	forms := map[string]form{}
	var order []string
	add := func(inbox string, f form) {
		if _, there := forms[inbox]; !there {
			order = append(order, inbox)
			forms[inbox] = f
		}
	}
	group, err := directory.FollowersIn(tx, e.Actor)
	if err != nil {
		return nil, err
	}
	for _, f := range group {
		add(f.Inbox, formActivity)
	}
	application := d.cfg.Directory.ApplicationIRI()
	relay, err := directory.FollowersIn(tx, application)
	if err != nil {
		return nil, err
	}
	for _, f := range relay {
		if f.Waypost || e.Type != "Create" {
			add(f.Inbox, formActivity)
			continue
		}
		add(f.Inbox, formAnnounce)
	}
	rows := make([]Delivery, len(order))
	for i, inbox := range order {
		rows[i] = row
		rows[i].Inbox, rows[i].Form = inbox, forms[inbox]
		if rows[i].Form == formAnnounce {
			rows[i].Actor = application
		}
	}
	return rows, nil
}

// body makes the bytes to post. Nothing to post any more is ok = false.
func (d *Deliverer) body(ctx context.Context, row Delivery) (raw []byte, ok bool, err error) {
	e, err := d.cfg.Log.Entry(ctx, row.Seq)
	if protocol.KindOf(err) == protocol.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if row.Form == formAnnounce {
		raw, err = vocab.Announce(row.Actor, e.Object, e.Actor, e.At)
		return raw, err == nil, err
	}
	body, err := d.cfg.Log.Body(ctx, e.Digest)
	if kind := protocol.KindOf(err); kind == protocol.Gone || kind == protocol.NotFound {
		return nil, false, nil
	}
	if err != nil || row.Form == formActivity {
		return body, err == nil, err
	}
	raw, err = vocab.Accept(e.Object+"#accept-"+e.Digest.String()[:16], e.Object, e.Actor, body)
	return raw, err == nil, err
}

// InboxState is how an inbox has been doing.
type InboxState struct {
	Inbox  string    `json:"inbox"`
	Fails  int       `json:"fails"`          // in a row
	First  time.Time `json:"first,omitzero"` // when the row of failures began
	Next   time.Time `json:"next,omitzero"`  // when it is tried again
	Dead   time.Time `json:"dead,omitzero"`  // when it was given up
	Reason string    `json:"reason,omitempty"`
	Last   time.Time `json:"last,omitzero"` // last success
}

func getInbox(tx store.Tx, inbox string) (InboxState, error) {
	s := InboxState{Inbox: inbox}
	raw, err := tx.Get(store.InboxKey(inbox))
	if errors.Is(err, store.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s)
}

func putInbox(tx store.Tx, s InboxState) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Put(store.InboxKey(s.Inbox), raw)
}
