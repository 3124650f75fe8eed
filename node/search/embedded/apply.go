package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

type writeStatements struct {
	listing, facts, text, dropListing, dropText, flush, cursor, hit *sql.Stmt
}

func (w *writeStatements) prepare(ctx context.Context, db *sql.DB) error {
	return prepare(ctx, db, map[**sql.Stmt]string{
		&w.listing:     "INSERT OR REPLACE INTO listings (id, facts, hit) VALUES (?, ?, ?)",
		&w.facts:       "UPDATE listings SET facts = ? WHERE id = ?",
		&w.text:        "INSERT OR REPLACE INTO fulltext (rowid, title, summary, words, place, body) VALUES (?, ?, ?, ?, ?, ?)",
		&w.dropListing: "DELETE FROM listings WHERE id = ?",
		&w.dropText:    "DELETE FROM fulltext WHERE rowid = ?",
		&w.flush:       "INSERT INTO fulltext (fulltext) VALUES ('flush')",
		&w.cursor:      "UPDATE meta SET value = ? WHERE name = 'cursor'",
		&w.hit:         "SELECT hit FROM listings WHERE id = ?",
	})
}

func prepare(ctx context.Context, db *sql.DB, statements map[**sql.Stmt]string) error {
	for at, text := range statements {
		s, err := db.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		*at = s
	}
	return nil
}

// step is one listing's part of a transaction.
type step struct {
	id     uint32
	remove bool
	rec    record
	hit    []byte // nil leaves the hit and the text as they are
	text   search.Text
}

// Apply makes all changes in one transaction together with the cursor.
// Searches see them all at once.
func (x *Index) Apply(ctx context.Context, changes []search.Change, cursor uint64) error {
	const op = "update search index"
	x.applying.Lock()
	defer x.applying.Unlock()
	now := x.config.Now()
	steps, fresh, err := x.plan(changes, now)
	if err != nil {
		return &protocol.Error{Op: op, Kind: protocol.Invalid, Err: err}
	}
	tx, err := x.writer.BeginTx(ctx, nil)
	if err != nil {
		return x.failure(ctx, op, err)
	}
	defer tx.Rollback()
	stale, err := x.stale(ctx, tx, steps, now)
	if err != nil {
		return x.failure(ctx, op, err)
	}
	steps = append(steps, stale...)
	if err := x.write(ctx, tx, steps, cursor); err != nil {
		return x.failure(ctx, op, err)
	}
	if err := x.commit(tx, steps, fresh, cursor); err != nil {
		return x.failure(ctx, op, err)
	}
	x.checkpoint(ctx, len(steps))
	return nil
}

// plan turns changes into steps, the last change of a listing only, and gives
// ids to the listings that are new; fresh is how many.
func (x *Index) plan(changes []search.Change, now time.Time) (steps []step, fresh int, err error) {
	type name struct{ cid, uid string }
	last := make(map[name]int, len(changes))
	for i, c := range changes {
		last[name{c.CID, c.UID}] = i
	}
	ids := x.columns.newIDs(len(last))
	for i, c := range changes {
		if last[name{c.CID, c.UID}] != i {
			continue
		}
		id := x.columns.find(c.CID, c.UID)
		if !c.Visible() {
			if id != 0 {
				steps = append(steps, step{id: id, remove: true})
			}
			continue
		}
		if id == 0 {
			id = ids[fresh]
			fresh++
		}
		s, err := x.put(c, id, now)
		if err != nil {
			return nil, 0, err
		}
		steps = append(steps, s)
	}
	return steps, fresh, nil
}

func (x *Index) put(c search.Change, id uint32, now time.Time) (step, error) {
	var community protocol.Community
	if x.config.Communities != nil {
		community, _ = x.config.Communities.Community(c.CID)
	}
	hit := search.NewHit(c.Doc)
	hit.UID, hit.Community.CID = c.UID, c.CID
	raw, err := json.Marshal(hit)
	return step{id: id, rec: recordOf(c, community, now), hit: raw, text: search.TextOf(&c.Doc.Listing, community.Name)}, err
}

// How recurring listings are kept expanded while nobody edits them: every
// Apply sees to some that were last expanded a month ago or longer.
const (
	seriesAge    = 30 * 24 * time.Hour
	seriesAtOnce = 50
	seriesCheck  = time.Hour
)

// stale returns steps that expand some of the oldest series anew, other than
// those of listings that are being written anyway.
func (x *Index) stale(ctx context.Context, tx *sql.Tx, steps []step, now time.Time) ([]step, error) {
	if now.Before(x.refreshAt) {
		return nil, nil
	}
	busy := make(map[uint32]bool, len(steps))
	for _, s := range steps {
		busy[s.id] = true
	}
	var out []step
	for id, s := range x.columns.series {
		if len(out) == seriesAtOnce {
			return out, nil // the next Apply goes on
		}
		if busy[id] || s.Expanded > now.Add(-seriesAge).Unix() {
			continue
		}
		var raw []byte
		if err := tx.StmtContext(ctx, x.writes.hit).QueryRowContext(ctx, id).Scan(&raw); err != nil {
			return nil, err
		}
		var h search.Hit
		if err := json.Unmarshal(raw, &h); err != nil {
			return nil, err
		}
		l := protocol.Listing{Kind: h.Kind, Start: h.Start, End: h.End, Timezone: h.Timezone, Recurrence: h.Recurrence}
		rec := x.columns.record(id)
		rec.Series = expand(&l, now)
		out = append(out, step{id: id, rec: rec})
	}
	x.refreshAt = now.Add(seriesCheck)
	return out, nil
}

// record is the stored form of a row.
func (c *columns) record(id uint32) record {
	r := &c.rows[id-1]
	words := make([]string, len(r.words))
	for i, w := range r.words {
		words[i] = c.words.texts[w]
	}
	return record{facts: r.facts, CID: c.cids.texts[r.community], Words: words, Series: c.series[id]}
}

func (x *Index) write(ctx context.Context, tx *sql.Tx, steps []step, cursor uint64) error {
	w := &x.writes
	listing, text := tx.StmtContext(ctx, w.listing), tx.StmtContext(ctx, w.text)
	dropListing, dropText := tx.StmtContext(ctx, w.dropListing), tx.StmtContext(ctx, w.dropText)
	for i := range steps {
		s := &steps[i]
		var err error
		switch {
		case s.remove:
			if _, err = dropListing.ExecContext(ctx, s.id); err == nil {
				_, err = dropText.ExecContext(ctx, s.id)
			}
		case s.hit == nil:
			_, err = tx.StmtContext(ctx, w.facts).ExecContext(ctx, s.rec.encode(), s.id)
		default:
			if _, err = listing.ExecContext(ctx, s.id, s.rec.encode(), s.hit); err == nil {
				t := &s.text
				_, err = text.ExecContext(ctx, s.id, t.Title, t.Summary, t.Words, t.Place, t.Body)
			}
		}
		if err != nil {
			return err
		}
	}
	// FTS5 gathers the words in memory and writes them when the transaction
	// commits, which is while searches wait; so have it do that now.
	if _, err := tx.StmtContext(ctx, w.flush).ExecContext(ctx); err != nil {
		return err
	}
	_, err := tx.StmtContext(ctx, w.cursor).ExecContext(ctx, int64(cursor))
	return err
}

// commit makes the transaction and the columns visible together.
func (x *Index) commit(tx *sql.Tx, steps []step, fresh int, cursor uint64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := tx.Commit(); err != nil {
		return err
	}
	x.columns.take(fresh)
	for i := range steps {
		if s := &steps[i]; s.remove {
			x.columns.remove(s.id)
		} else {
			x.columns.put(s.id, s.rec)
		}
	}
	x.cursor = cursor
	return nil
}

// checkpointAfter is how much is written, in listings, before the write-ahead
// log is moved into the file: about 4 MB. Every search looks into that log.
const checkpointAfter = 500

// checkpoint moves a long write-ahead log into the file, without waiting for
// searches under way. It is only housekeeping: when it fails or cannot move
// everything, a later Apply does.
func (x *Index) checkpoint(ctx context.Context, written int) {
	const commit = 4 // what a transaction costs by itself
	if x.written += written + commit; x.written < checkpointAfter {
		return
	}
	x.written = 0
	if _, err := x.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil && ctx.Err() == nil {
		x.config.Log.Warn("the search index could not be tidied up; check that the disk has room", "file", x.path, "error", err)
	}
}

// Reset empties the index and the file.
func (x *Index) Reset(ctx context.Context) error {
	const op = "empty search index"
	x.applying.Lock()
	defer x.applying.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	tx, err := x.writer.BeginTx(ctx, nil)
	if err != nil {
		return x.failure(ctx, op, err)
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `DELETE FROM listings; INSERT INTO fulltext (fulltext) VALUES ('delete-all');
		UPDATE meta SET value = 0 WHERE name = 'cursor';`)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return x.failure(ctx, op, err)
	}
	x.columns, x.cursor = newColumns(), 0
	// The pages still hold the old words; give them back and overwrite the log.
	if _, err := x.writer.ExecContext(ctx, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return x.failure(ctx, op, err)
	}
	return nil
}
