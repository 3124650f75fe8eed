package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/waypost-directory/waypost/protocol"
)

// A backup is a line, a version, the records in key order, and a trailer:
//
//	"waypost backup\n" 0x01
//	{ uvarint length of key ≥ 1, key, uvarint length of value, value }
//	0x00, 8 bytes big-endian number of records, 32 bytes SHA-256 of all before
//
// It is the same whichever driver wrote it, so it also moves a node from one
// driver to another.
const (
	backupMagic   = "waypost backup\n"
	backupVersion = 1
)

// restoreBatch bounds what Restore writes in one transaction.
const (
	restoreOps   = 512
	restoreBytes = 512 << 10
)

// Backup writes everything in s to w, as one consistent snapshot, while s
// stays in use. The stream holds secret keys and contact details in the
// clear: whoever calls this seals it.
func Backup(ctx context.Context, s Store, w io.Writer) error {
	out := &backupWriter{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
	return s.View(ctx, func(tx Tx) error {
		if err := checkRestored(tx); err != nil {
			return err
		}
		out.write([]byte(backupMagic), []byte{backupVersion})
		var count uint64
		for item, err := range tx.Scan(Range{}) {
			if err != nil {
				return err
			}
			count++
			out.record(item)
			if out.err != nil {
				return fmt.Errorf("write backup: %w", out.err)
			}
		}
		out.write(binary.BigEndian.AppendUint64([]byte{0}, count))
		out.write(out.sum.Sum(nil))
		if err := errors.Join(out.err, out.w.Flush()); err != nil {
			return fmt.Errorf("write backup: %w", err)
		}
		return nil
	})
}

// Restore fills the empty store s from a stream that [Backup] wrote. The whole
// stream is verified before the first write: a truncated or changed one is
// refused, kind Invalid, and s stays empty. If r cannot seek, it is first
// copied to a temporary file, readable by this user only. An interrupted
// restore is noticed by [Migrate] and by Restore, which refuse the store.
func Restore(ctx context.Context, s Store, r io.Reader) error {
	in, done, err := seekable(r)
	if err != nil {
		return err
	}
	defer done()
	start, err := in.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	if err := readBackup(ctx, in, func(Item) error { return nil }); err != nil {
		return err
	}
	if _, err := in.Seek(start, io.SeekStart); err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	if err := beginRestore(ctx, s); err != nil {
		return err
	}
	var batch []Item
	size := 0
	flush := func() error {
		err := putItems(ctx, s, batch)
		batch, size = batch[:0], 0
		return err
	}
	err = readBackup(ctx, in, func(item Item) error {
		batch = append(batch, item)
		size += len(item.Key) + len(item.Value)
		if len(batch) < restoreOps && size < restoreBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return s.Update(ctx, func(tx Tx) error { return tx.Delete(metaRestoring()) })
}

// beginRestore marks s, which must be empty, as half restored.
func beginRestore(ctx context.Context, s Store) error {
	return s.Update(ctx, func(tx Tx) error {
		if err := checkRestored(tx); err != nil {
			return err
		}
		empty, err := isEmpty(tx)
		if err != nil {
			return err
		}
		if !empty {
			return protocol.Errorf("store.Restore", protocol.Conflict, "", "there is data here already; restore into an empty folder")
		}
		return tx.Put(metaRestoring(), nil)
	})
}

// checkRestored refuses a store whose restore was interrupted.
func checkRestored(tx Tx) error {
	_, err := tx.Get(metaRestoring())
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return protocol.Errorf("store.Restore", protocol.Conflict, "",
		"a restore into this folder was interrupted; delete the folder and restore again")
}

// putItems halves what does not fit into one transaction.
func putItems(ctx context.Context, s Store, items []Item) error {
	err := s.Update(ctx, func(tx Tx) error {
		for _, item := range items {
			if err := tx.Put(item.Key, item.Value); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrTooBig) || len(items) < 2 {
		return err
	}
	if err := putItems(ctx, s, items[:len(items)/2]); err != nil {
		return err
	}
	return putItems(ctx, s, items[len(items)/2:])
}

// readBackup yields every record of a backup, then checks the trailer.
func readBackup(ctx context.Context, r io.Reader, yield func(Item) error) error {
	in := &backupReader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	head := make([]byte, len(backupMagic)+1)
	if err := in.full(head); err != nil || string(head[:len(backupMagic)]) != backupMagic {
		return badBackup("it does not begin like a waypost backup; is it still sealed, or another file?")
	}
	if v := head[len(backupMagic)]; v != backupVersion {
		return badBackup(fmt.Sprintf("its format is %d and this program reads %d; upgrade the program", v, backupVersion))
	}
	var count uint64
	var last []byte
	for {
		item, err := in.record()
		if err != nil {
			return err
		}
		if item.Key == nil {
			return in.trailer(count)
		}
		if bytes.Compare(item.Key, last) <= 0 {
			return badBackup("its records are out of order; use another copy")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := yield(item); err != nil {
			return err
		}
		last = item.Key
		count++
	}
}

func badBackup(problem string) error {
	return protocol.Errorf("store.Restore", protocol.Invalid, "", "this backup cannot be used: %s", problem)
}

func truncatedBackup() error {
	return badBackup("it ends too early; fetch it again, or use another copy")
}

func metaRestoring() []byte { return MetaKey("restoring") }

// seekable returns r itself when it can seek, else a temporary copy of it.
func seekable(r io.Reader) (in io.ReadSeeker, done func(), err error) {
	if s, ok := r.(io.ReadSeeker); ok {
		if _, err := s.Seek(0, io.SeekCurrent); err == nil {
			return s, func() {}, nil
		}
	}
	f, err := os.CreateTemp("", "waypost-restore-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make room to check the backup: %w", err)
	}
	done = func() {
		f.Close()
		os.Remove(f.Name())
	}
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("make room to check the backup: %w", err)
	}
	return f, done, nil
}

// backupWriter remembers the first error, so that records read plainly.
type backupWriter struct {
	w   *bufio.Writer
	sum hash.Hash
	buf []byte
	err error
}

func (b *backupWriter) write(parts ...[]byte) {
	for _, p := range parts {
		b.sum.Write(p)
		if b.err == nil {
			_, b.err = b.w.Write(p)
		}
	}
}

func (b *backupWriter) record(item Item) {
	b.buf = binary.AppendUvarint(b.buf[:0], uint64(len(item.Key)))
	b.write(b.buf, item.Key)
	b.buf = binary.AppendUvarint(b.buf[:0], uint64(len(item.Value)))
	b.write(b.buf, item.Value)
}

// backupReader sums what it reads.
type backupReader struct {
	r   *bufio.Reader
	sum hash.Hash
}

// ReadByte serves binary.ReadUvarint.
func (b *backupReader) ReadByte() (byte, error) {
	c, err := b.r.ReadByte()
	if err == nil {
		b.sum.Write([]byte{c})
	}
	return c, err
}

func (b *backupReader) full(p []byte) error {
	if _, err := io.ReadFull(b.r, p); err != nil {
		return truncatedBackup()
	}
	b.sum.Write(p)
	return nil
}

// record reads one record; a nil key is the mark of the trailer.
func (b *backupReader) record() (Item, error) {
	key, err := b.bytes(MaxKey)
	if err != nil || len(key) == 0 {
		return Item{}, err
	}
	value, err := b.bytes(MaxValue)
	return Item{Key: key, Value: value}, err
}

func (b *backupReader) bytes(limit uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(b)
	if err != nil {
		return nil, truncatedBackup()
	}
	if n > limit {
		return nil, badBackup("a record in it is longer than any can be; use another copy")
	}
	// Grow with what is really there: a lying length costs no memory.
	p := make([]byte, 0, min(n, 64<<10))
	for uint64(len(p)) < n {
		step := min(n-uint64(len(p)), 64<<10)
		p = append(p, make([]byte, step)...)
		if err := b.full(p[uint64(len(p))-step:]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (b *backupReader) trailer(count uint64) error {
	var n [8]byte
	if err := b.full(n[:]); err != nil {
		return err
	}
	want := b.sum.Sum(nil)
	var got [sha256.Size]byte
	if err := b.full(got[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint64(n[:]) != count || !bytes.Equal(got[:], want) {
		return badBackup("its checksum does not match, so it was damaged or changed; use another copy")
	}
	if _, err := b.r.ReadByte(); !errors.Is(err, io.EOF) {
		return badBackup("something follows its end; use another copy")
	}
	return nil
}
