package badger_test

import (
	"testing"

	"github.com/waypost-directory/waypost/node/store"
	"github.com/waypost-directory/waypost/node/store/storetest"
)

func TestBadger_IsAStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB, dir string) store.Store { return storetest.OpenDir(t, dir) })
}
