package embedded

import "context"

// Purge takes the words of removed listings out of the file: FTS5 keeps them
// in its older pieces until it merges those, SQLite in pages that it has given
// up. Searches and changes wait meanwhile, about a second for 100,000 listings.
func (x *Index) Purge(ctx context.Context) error {
	const op = "purge search index"
	x.applying.Lock()
	defer x.applying.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, step := range []string{
		"INSERT INTO fulltext (fulltext) VALUES ('optimize')",
		"VACUUM",
		"PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		if _, err := x.writer.ExecContext(ctx, step); err != nil {
			return x.failure(ctx, op, err)
		}
	}
	return nil
}
