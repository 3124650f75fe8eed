package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/waypost-directory/waypost/protocol"
)

// Follower builds something out of the log: an index, a list of deliveries.
// It can stop and be killed anywhere: [Run] goes on at its cursor, and
// because the cursor is saved together with the effect, each entry takes
// effect exactly once.
type Follower interface {
	// Name is short, unique in the node and never changes.
	Name() string
	// Cursor returns the number of the last entry whose effect is whole in
	// the follower's own store; 0 when it is empty.
	Cursor(ctx context.Context) (uint64, error)
	// Follow applies entries, which follow directly upon Cursor, and saves
	// cursor, the number of the last of them, all in ONE transaction of the
	// store that it writes. On error nothing has happened, or everything.
	Follow(ctx context.Context, entries []Entry, cursor uint64) error
}

// FollowOptions configures [Run]; the zero value works.
type FollowOptions struct {
	Batch   int           // entries a Follow; 256 when 0
	Poll    time.Duration // looks for news at least so often, for logs that another process appends to; 5 s when 0
	Backoff time.Duration // longest pause after errors, which starts at 10 ms and doubles; 30 s when 0
	Logger  *slog.Logger  // slog.Default when nil
}

// Run keeps f up with the log until ctx ends, and returns nil then. It never
// gives up: a failure or panic is logged with its reason and tried again,
// ever more slowly. Run one loop a follower.
func Run(ctx context.Context, log *Log, f Follower, opts FollowOptions) error {
	if opts.Batch <= 0 {
		opts.Batch = 256
	}
	if opts.Poll <= 0 {
		opts.Poll = 5 * time.Second
	}
	if opts.Backoff <= 0 {
		opts.Backoff = 30 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	pause := time.Duration(0)
	for ctx.Err() == nil {
		progress, err := followFromCursor(ctx, log, f, opts)
		if ctx.Err() != nil {
			return nil
		}
		if progress {
			pause = 0
		}
		pause = min(max(2*pause, 10*time.Millisecond), opts.Backoff)
		opts.Logger.Error("a follower of the log failed and will try again", "follower", f.Name(), "in", pause, "error", err)
		sleep(ctx, pause)
	}
	return nil
}

// followFromCursor follows from f's own cursor until something fails. It
// reports whether anything was followed.
func followFromCursor(ctx context.Context, log *Log, f Follower, opts FollowOptions) (progress bool, err error) {
	cursor, err := cursorOf(ctx, f)
	for err == nil {
		changed := log.Changed() // before Read, so that no news falls between
		var entries []Entry
		if entries, err = log.Read(ctx, cursor, opts.Batch); err != nil {
			return progress, err
		}
		if len(entries) == 0 {
			waitFor(ctx, changed, opts.Poll)
			err = ctx.Err()
			continue
		}
		last := entries[len(entries)-1].Seq
		if err = follow(ctx, f, entries, last); err == nil {
			cursor, progress = last, true
		}
	}
	return progress, err
}

// follow turns a panic into an error: one bad entry must not take the node down.
func follow(ctx context.Context, f Follower, entries []Entry, cursor uint64) (err error) {
	defer recovered(&err)
	if err := f.Follow(ctx, entries, cursor); err != nil {
		return fmt.Errorf("follow entries %d to %d: %w", entries[0].Seq, cursor, err)
	}
	return nil
}

func cursorOf(ctx context.Context, f Follower) (cursor uint64, err error) {
	defer recovered(&err)
	if cursor, err = f.Cursor(ctx); err != nil {
		return 0, fmt.Errorf("read cursor: %w", err)
	}
	return cursor, nil
}

func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
	}
}

func waitFor(ctx context.Context, changed <-chan struct{}, poll time.Duration) {
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) { waitFor(ctx, nil, d) }

// StoreCursor is the cursor of the follower of that name, for followers that
// write to the Store in which the log is, too.
type StoreCursor string

// Load returns the saved position, 0 if there is none. It serves as
// [Follower.Cursor].
func (c StoreCursor) Load(ctx context.Context, s Store) (cursor uint64, err error) {
	err = s.View(ctx, func(tx Tx) error {
		cursor, err = c.Get(tx)
		return err
	})
	return cursor, err
}

// Get returns the saved position, 0 if there is none.
func (c StoreCursor) Get(tx Tx) (uint64, error) {
	v, err := tx.Get(CursorKey(string(c)))
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return KeyNumber(v), nil
}

// Advance saves cursor, the last of entries, in the transaction that applies
// them. It fails with kind Conflict, and so undoes that transaction, if the
// entries do not follow directly upon the saved position: somebody else has
// followed them already.
func (c StoreCursor) Advance(tx Tx, entries []Entry, cursor uint64) error {
	at, err := c.Get(tx)
	if err != nil {
		return err
	}
	if len(entries) == 0 || entries[0].Seq != at+1 {
		return protocol.Errorf("store.Advance", protocol.Conflict, string(c), "the follower is at entry %d already; going on from there", at)
	}
	return c.Set(tx, cursor)
}

// Set saves any position; 0 makes the follower begin again.
func (c StoreCursor) Set(tx Tx, cursor uint64) error {
	return tx.Put(CursorKey(string(c)), binary.BigEndian.AppendUint64(nil, cursor))
}

// Position says how far a follower has come.
type Position struct {
	Name   string
	Cursor uint64 // last entry that it has whole
	Last   uint64 // newest entry of the log
	Err    error  // why Cursor is not known
}

// Lag is how many entries the follower has yet to follow.
func (p Position) Lag() uint64 { return p.Last - min(p.Cursor, p.Last) }

// Positions reports how far each follower has come, for pages that tell an
// operator how the node is doing.
func Positions(ctx context.Context, log *Log, followers ...Follower) ([]Position, error) {
	last, err := log.Last(ctx)
	if err != nil {
		return nil, err
	}
	positions := make([]Position, 0, len(followers))
	for _, f := range followers {
		cursor, err := cursorOf(ctx, f)
		positions = append(positions, Position{Name: f.Name(), Cursor: cursor, Last: last, Err: err})
	}
	return positions, nil
}
