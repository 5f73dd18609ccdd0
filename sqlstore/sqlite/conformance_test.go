package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	})
}

// A handle as a host may have it: one pool for all, transactions that begin
// deferred, foreign keys not enforced.
func TestStoreOverHostHandleKeepsTheContract(t *testing.T) {
	database.TestStoreOver(t, database.Handle(t, database.Make(t)))
}

// SQLite takes numbered parameters too, which other databases demand.
func TestStoreWithNumberedParametersKeepsTheContract(t *testing.T) {
	storetest.SkipUnderRaceDetector(t)
	d, err := dialect()
	require.NoError(t, err)
	d.Placeholder = func(n int) string { return fmt.Sprint("?", n) }
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		db := database.Handle(t, filepath.Join(t.TempDir(), "host.db"))
		store, err := sqlstore.New(t.Context(), db, d, nil)
		require.NoError(t, err)
		storetest.CloseAfter(t, store)
		return store
	})
}

func TestLogKeepsTheContract(t *testing.T) {
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &sqltest.KeepAll)
	})
}

func TestLogOverHostHandleKeepsTheContract(t *testing.T) {
	database.TestLogOver(t, database.Handle(t, database.Make(t)))
}

// The store of keys keeps the log in its file.
func TestStoreKeepsALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	store := openFile(t, path)
	entries := sqltest.NewEntries(0, 20)
	require.NoError(t, store.WriteLog(t.Context(), entries))
	require.Equal(t, sqltest.Reversed(entries), sqltest.ReadAll(t, store, apikey.LogQuery{Bodies: true}))
	beside := openLogFile(t, path, nil)
	require.Equal(t, sqltest.Reversed(entries), sqltest.ReadAll(t, beside, apikey.LogQuery{Bodies: true}))
}
