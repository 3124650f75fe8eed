// Package embedded is the search index of a node that needs nothing beside
// itself: one file, search.db, that SQLite's FTS5 keeps (modernc.org/sqlite,
// pure Go), and the facts of every listing in memory.
//
// SQLite finds words; everything else – filters, counts, distances, order –
// runs over about 150 bytes a listing in memory ([columns]), which is loaded
// when the index is opened. The text table is contentless: it holds which
// words stand where, not the text itself. What a hit shows is kept beside it
// as JSON and read for one page of hits only.
//
// The file can be rebuilt from the log. So it is written without waiting for
// the disk, and a file that is damaged or of another format is dropped and
// begun anew at cursor 0.
//
// What bounds a search: finding words costs about 0.3 µs a match and ranking
// 2 µs, so only up to rankLimit matches are ranked and no more than
// matchLimit are looked at; filters and counts cost under 0.1 µs a listing.
package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/waypost-directory/waypost/node/search"
	"github.com/waypost-directory/waypost/protocol"
)

// Config says how to open an index.
type Config struct {
	Dir         string             // folder of search.db; made if need be
	Communities search.Communities // may be nil: then communities have no names nor places
	Places      search.Places      // asked first for a place's name; may be nil
	Now         func() time.Time   // time.Now when nil
	Log         *slog.Logger       // slog.Default when nil
}

// Index is a [search.Index] in a file. One process at a time may open it.
type Index struct {
	config  Config
	path    string
	writer  *sql.DB // one connection
	readers *sql.DB // two, as each takes its own memory

	writes writeStatements
	reads  readStatements

	applying  sync.Mutex // held by Apply, Reset and Close; guards the next two
	refreshAt time.Time  // when to look for series to expand anew
	written   int        // since the last checkpoint

	// mu is write-locked while a transaction commits and columns follow it,
	// and read-locked for the whole of a search, so that words and columns
	// are always of the same moment. A search that takes long therefore holds
	// up Apply, and with it the searches that come after.
	mu      sync.RWMutex
	columns *columns // guarded by mu
	cursor  uint64   // guarded by mu
}

var _ search.Index = (*Index)(nil)
var _ search.Places = (*Index)(nil)

// format is the version of the file; raise it whenever the tables, the facts
// or the words that are indexed change, and every index is built anew.
const format = 1

// schema merges fewer, larger pieces of the text index than FTS5 would by
// itself: updates cost a fifth less, searches the same.
const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE listings (id INTEGER PRIMARY KEY, facts BLOB NOT NULL, hit BLOB NOT NULL);
CREATE VIRTUAL TABLE fulltext USING fts5(title, summary, words, place, body,
  content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
INSERT INTO meta VALUES ('cursor', 0);
INSERT INTO fulltext (fulltext, rank) VALUES ('automerge', 8);
`

// Open opens the index in config.Dir, or begins an empty one there.
func Open(ctx context.Context, config Config) (*Index, error) {
	const op = "open search index"
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	dir, err := filepath.Abs(config.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, &protocol.Error{Op: op, Kind: protocol.Unavailable, ID: config.Dir, Err: err}
	}
	path := filepath.Join(dir, "search.db")
	x, err := open(ctx, config, path)
	if err == nil {
		return x, nil
	}
	if unusable(err) {
		config.Log.Warn("the search index cannot be used and is built anew; results are incomplete until that is done", "file", path, "reason", err)
		if err = remove(path); err == nil {
			x, err = open(ctx, config, path)
		}
	}
	if err != nil {
		return nil, &protocol.Error{Op: op, Kind: protocol.Unavailable, ID: path, Err: err}
	}
	return x, nil
}

func open(ctx context.Context, config Config, path string) (*Index, error) {
	if _, err := os.Stat(damageMark(path)); err == nil {
		return nil, fmt.Errorf("%w: damage was found when it was last used", errUnusable)
	}
	x := &Index{config: config, path: path}
	if err := x.openFiles(ctx); err != nil {
		x.closeFiles()
		return nil, err
	}
	return x, nil
}

func (x *Index) openFiles(ctx context.Context) (err error) {
	if err := private(x.path); err != nil {
		return err
	}
	// Checkpoints are made by Apply once the commit is visible, so that no
	// search waits for the disk; see checkpoint.
	if x.writer, err = connect(x.path, 1, "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-1024)",
		"wal_autocheckpoint(0)", "busy_timeout(5000)"); err != nil {
		return err
	}
	if err := x.prepareFile(ctx); err != nil {
		return err
	}
	if x.readers, err = connect(x.path, 2, "query_only(1)", "cache_size(-512)", "busy_timeout(5000)"); err != nil {
		return err
	}
	if err := x.writes.prepare(ctx, x.writer); err != nil {
		return err
	}
	if err := x.reads.prepare(ctx, x.readers); err != nil {
		return err
	}
	return x.load(ctx)
}

// private makes the file, so that only its owner reads it whatever the folder
// allows, and takes the others' rights from an older one. SQLite gives the
// write-ahead log and its index the rights of the file.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// connect opens the file for up to n connections. The path goes into a URI,
// where only escaping keeps a '?' in a folder's name from being read as ours.
func connect(path string, n int, pragmas ...string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// prepareFile creates the tables in a new file and refuses one of another format.
func (x *Index) prepareFile(ctx context.Context) error {
	var version, tables int
	if err := x.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := x.writer.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if version == format {
		return nil
	}
	if version != 0 || tables > 0 {
		return fmt.Errorf("%w: it has format %d, this program writes %d", errUnusable, version, format)
	}
	tx, err := x.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA user_version = %d;", format)); err != nil {
		return err
	}
	return tx.Commit()
}

// load reads the columns of every listing into memory.
func (x *Index) load(ctx context.Context) error {
	x.columns = newColumns()
	if err := x.readers.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'cursor'").Scan(&x.cursor); err != nil {
		return err
	}
	rows, err := x.readers.QueryContext(ctx, "SELECT id, facts FROM listings ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	var raw sql.RawBytes
	var id uint32
	for rows.Next() {
		if err := rows.Scan(&id, &raw); err != nil {
			return err
		}
		r, err := decodeRecord(raw)
		if err != nil {
			return fmt.Errorf("%w: listing %d: %v", errUnusable, id, err)
		}
		x.columns.put(id, r)
	}
	x.columns.findFree()
	return rows.Err()
}

// Cursor returns the number of the last log entry that the index has seen.
func (x *Index) Cursor(context.Context) (uint64, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.cursor, nil
}

// Count returns how many listings the index holds.
func (x *Index) Count(context.Context) (int, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.columns.ids), nil
}

// Close ends all use of the file. Searches under way end first.
func (x *Index) Close() error {
	x.applying.Lock()
	defer x.applying.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.closeFiles()
}

// closeFiles closes the readers first: the last connection to close moves the
// write-ahead log into the file, and a query_only one must not.
func (x *Index) closeFiles() error {
	var errs []error
	for _, db := range []*sql.DB{x.readers, x.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// errUnusable marks a file that has to be begun anew.
var errUnusable = errors.New("not usable")

// SQLite's result codes for a file whose content makes no sense
// (sqlite.org/rescode.html).
const (
	sqliteError   = 1 // at opening: a table that should be there is not
	sqliteCorrupt = 11
	sqliteNotADB  = 26
)

// unusable reports whether err, from opening, is about what the file holds,
// rather than about the disk or the rights to it.
func unusable(err error) bool {
	if errors.Is(err, errUnusable) || errors.Is(err, sql.ErrNoRows) || corrupt(err) {
		return true
	}
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqliteError
}

func corrupt(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqliteCorrupt || e.Code()&0xff == sqliteNotADB)
}

// damageMark names the file that tells the next Open to begin anew.
func damageMark(path string) string { return path + ".damaged" }

// failure words an error of SQLite for the caller and, if the file turns out
// to be damaged, sees to it that the next start mends it.
func (x *Index) failure(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return &protocol.Error{Op: op, Kind: protocol.Unavailable, Err: ctx.Err()}
	}
	if corrupt(err) {
		if f, markErr := os.Create(damageMark(x.path)); markErr == nil {
			f.Close()
		}
		err = fmt.Errorf("the search index is damaged; restart the node and it is built anew: %w", err)
	}
	return &protocol.Error{Op: op, Kind: protocol.Internal, ID: x.path, Err: err}
}

func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(damageMark(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
