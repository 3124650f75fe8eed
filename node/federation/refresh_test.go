package federation

import (
	"testing"
	"time"
)

// A request may still hold the entry that another one replaced; what it may
// fetch is decided by the one that is there now.
func TestActors_AReplacedEntryDoesNotAllowAnotherRefresh(t *testing.T) {
	const iri = "https://elmford.example/users/robin"
	var a Actors
	now := time.Now()
	first, second := &cachedActor{}, &cachedActor{}
	a.keep(iri, first)
	a.keep(iri, second)
	if !a.mayRefresh(iri, first, now) {
		t.Error("the first forced fetch is refused")
	}
	if a.mayRefresh(iri, second, now) {
		t.Error("a second forced fetch is allowed at once")
	}
	a.keep(iri, &cachedActor{})
	if a.mayRefresh(iri, a.inMemory(iri), now) {
		t.Error("replacing the entry allows another fetch")
	}
	if !a.mayRefresh(iri, a.inMemory(iri), now.Add(refreshEvery)) {
		t.Error("it is never fetched again")
	}
}
