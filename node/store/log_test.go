package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
	"github.com/waypost-directory/waypost/protocol"
)

// sample is an entry with every field set, as long as real ones are.
func sample() store.Entry {
	return store.Entry{
		Type:    "Create",
		ID:      "https://digital-champions.example/ap/c/bexley/activities/0190b6a2-7c1e-7d5a-9d6e-2f1f0c3b4a5d",
		Actor:   "https://digital-champions.example/ap/c/bexley",
		Object:  "https://digital-champions.example/ap/c/bexley/listings/5c6f1d1e-98d4-4a39-8a0b-0f9c7f6c1f52",
		CID:     "k5zq3m2u7q4yz6p3n2v4b5c6d7e2f3g4h5j6k7l2m3n4o5p6q7ra",
		UID:     "5c6f1d1e-98d4-4a39-8a0b-0f9c7f6c1f52",
		Kind:    "event",
		Version: 42,
		Via:     store.ViaInbox,
		From:    "digital-champions.example",
		At:      time.Date(2027, 3, 2, 10, 0, 0, 123456789, time.UTC),
		Outcome: store.Stored,
	}
}

func appendEntry(t testing.TB, s store.Store, log *store.Log, e store.Entry, body string) store.Entry {
	t.Helper()
	err := s.Update(context.Background(), func(tx store.Tx) error { return log.Append(tx, &e, []byte(body)) })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLog_EntriesComeBackAsTheyWere(t *testing.T) {
	s := storetest.Open(t)
	log := store.NewLog(s)
	want := appendEntry(t, s, log, sample(), "the signed bytes")
	bare := appendEntry(t, s, log, store.Entry{Type: "Follow"}, "")
	got, err := log.Read(t.Context(), 0, 10)
	if err != nil || len(got) != 2 {
		t.Fatalf("Read: %d entries, %v", len(got), err)
	}
	if got[0] != want {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
	if got[1] != bare || bare.Seq != 2 || !bare.Digest.IsZero() {
		t.Errorf("got  %+v\nwant %+v", got[1], bare)
	}
	for _, want := range got {
		if e, err := log.Entry(t.Context(), want.Seq); err != nil || e != want {
			t.Errorf("Entry(%d) = %+v, %v", want.Seq, e, err)
		}
	}
	if _, err := log.Entry(t.Context(), 3); protocol.KindOf(err) != protocol.NotFound {
		t.Errorf("Entry of a number that was never given: %v", err)
	}
}

func TestLog_FailedTransactionLeavesNoGap(t *testing.T) {
	s := storetest.Open(t)
	log := store.NewLog(s)
	appendEntry(t, s, log, sample(), "1")
	boom := errors.New("boom")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		e := sample()
		if err := log.Append(tx, &e, []byte("2")); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if e := appendEntry(t, s, log, sample(), "3"); e.Seq != 2 {
		t.Errorf("the entry after a failed one has number %d, want 2", e.Seq)
	}
	if last, err := log.Last(t.Context()); err != nil || last != 2 {
		t.Errorf("Last = %d, %v; want 2", last, err)
	}
}

func TestLog_ErasedBodyStaysErased(t *testing.T) {
	s := storetest.Open(t)
	log := store.NewLog(s)
	const body = "a volunteer's record"
	e := appendEntry(t, s, log, sample(), body)
	if got, err := log.Body(t.Context(), e.Digest); err != nil || string(got) != body {
		t.Fatalf("Body = %q, %v", got, err)
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return log.EraseBody(tx, e.Digest) }); err != nil {
		t.Fatal(err)
	}
	again := appendEntry(t, s, log, sample(), body) // a replay, or an old peer
	if again.Digest != e.Digest {
		t.Errorf("the digest of the same body changed from %s to %s", e.Digest, again.Digest)
	}
	if _, err := log.Body(t.Context(), e.Digest); protocol.KindOf(err) != protocol.Gone {
		t.Errorf("Body of an erased body: %v, want kind gone", err)
	}
	if _, err := log.Body(t.Context(), store.DigestOf([]byte("other"))); protocol.KindOf(err) != protocol.NotFound {
		t.Errorf("Body of an unknown body: %v, want kind not found", err)
	}
}

func TestLog_WaitWakesWithinMillisecondsOfACommit(t *testing.T) {
	s := storetest.Open(t)
	log := store.NewLog(s)
	c := store.NewCommitter(store.CommitterConfig{Store: s, OnCommit: log.Notify})
	defer c.Close()
	woke := make(chan time.Time, 1)
	go func() {
		if err := log.Wait(context.Background(), 0); err != nil {
			t.Error(err)
		}
		woke <- time.Now()
	}()
	time.Sleep(5 * time.Millisecond)
	err := c.Do(t.Context(), store.Op{Apply: func(tx store.Tx) error {
		e := sample()
		return log.Append(tx, &e, nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	committed := time.Now()
	if late := (<-woke).Sub(committed); late > 500*time.Millisecond {
		t.Errorf("Wait returned %s after the commit", late)
	}
	if err := log.Wait(t.Context(), 0); err != nil {
		t.Errorf("Wait for an entry that is there: %v", err)
	}
}

func TestLog_WaitEndsWithItsContext(t *testing.T) {
	log := store.NewLog(storetest.Open(t))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := log.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait: %v", err)
	}
}
