package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

func backupOf(t testing.TB, rows ...string) []byte {
	t.Helper()
	s := storetest.Open(t)
	for _, row := range rows {
		key, value, _ := strings.Cut(row, "=")
		storetest.Put(t, s, key, value)
	}
	var stream bytes.Buffer
	if err := store.Backup(t.Context(), s, &stream); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// damaged are ways in which a stream can be wrong.
func damaged(good []byte) map[string][]byte {
	cases := map[string][]byte{
		"empty":          {},
		"another file":   []byte("PK\x03\x04 this is some other archive, long enough to look like something"),
		"newer format":   bytes.Replace(bytes.Clone(good), []byte("\n\x01"), []byte("\n\x02"), 1),
		"something more": append(bytes.Clone(good), 'x'),
		"lying length":   append([]byte("waypost backup\n\x01"), 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
	}
	for i := range good {
		cases["cut short at "+string(rune('0'+i%10))+strings.Repeat("+", i/10)] = good[:i]
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		cases["flipped at "+string(rune('0'+i%10))+strings.Repeat("+", i/10)] = flipped
	}
	return cases
}

func TestRestore_DamagedBackupIsRefusedAndNothingIsStored(t *testing.T) {
	s := storetest.Open(t)
	for name, stream := range damaged(backupOf(t, "a=1", "b=2", "c=")) {
		if err := store.Restore(t.Context(), s, bytes.NewReader(stream)); protocol.KindOf(err) != protocol.Invalid {
			t.Errorf("%s: %v, want kind invalid", name, err)
		}
		if got := storetest.Dump(t, s); len(got) != 0 {
			t.Fatalf("%s: stored %v", name, got)
		}
	}
}

func TestRestore_ReadsFromAPipe(t *testing.T) {
	s := storetest.Open(t)
	pipe := io.MultiReader(bytes.NewReader(backupOf(t, "a=1", "b=2"))) // cannot seek
	if err := store.Restore(t.Context(), s, pipe); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, s); !maps.Equal(got, map[string]string{"a": "1", "b": "2"}) {
		t.Errorf("restored %v", got)
	}
}

func TestRestore_RefusesAStoreWithData(t *testing.T) {
	s := storetest.Open(t)
	storetest.Put(t, s, "mine", "1")
	err := store.Restore(t.Context(), s, bytes.NewReader(backupOf(t, "a=1")))
	if protocol.KindOf(err) != protocol.Conflict {
		t.Errorf("Restore over data: %v, want kind conflict", err)
	}
	if got := storetest.Dump(t, s); !maps.Equal(got, map[string]string{"mine": "1"}) {
		t.Errorf("the data became %v", got)
	}
}

// interrupted fails for good after some Updates.
type interrupted struct {
	store.Store
	left int
}

var errInterrupted = errors.New("killed")

func (s *interrupted) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.left--; s.left < 0 {
		return errInterrupted
	}
	return s.Store.Update(ctx, fn)
}

func TestRestore_InterruptedRestoreIsNoticed(t *testing.T) {
	var rows []string
	for i := range 2000 {
		rows = append(rows, strings.Repeat("k", i%7+1)+string(rune('a'+i%26))+strings.Repeat("x", i/26))
	}
	stream := backupOf(t, rows[:700]...)
	s := storetest.Open(t)
	if err := store.Restore(t.Context(), &interrupted{s, 2}, bytes.NewReader(stream)); !errors.Is(err, errInterrupted) {
		t.Fatalf("an interrupted restore: %v", err)
	}
	for name, err := range map[string]error{
		"Migrate": store.Migrate(t.Context(), s, nil),
		"Restore": store.Restore(t.Context(), s, bytes.NewReader(stream)),
		"Backup":  store.Backup(t.Context(), s, io.Discard),
	} {
		if protocol.KindOf(err) != protocol.Conflict || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%s of a half-restored store: %v, want kind conflict", name, err)
		}
	}
}

func FuzzRestore_StoresAllOrNothing(f *testing.F) {
	good := backupOf(f, "a=1", "b=2")
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("waypost backup\n\x01\x00"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		s := storetest.Open(t)
		if err := store.Restore(t.Context(), s, bytes.NewReader(stream)); err != nil {
			if got := storetest.Dump(t, s); len(got) != 0 {
				t.Errorf("refused (%v) but stored %v", err, got)
			}
			return
		}
		var again bytes.Buffer
		if err := store.Backup(t.Context(), s, &again); err != nil || !bytes.Equal(again.Bytes(), stream) {
			t.Errorf("accepted %x but backs up as %x (%v)", stream, again.Bytes(), err)
		}
	})
}
