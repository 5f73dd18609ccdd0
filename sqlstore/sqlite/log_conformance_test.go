package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// keepAll keeps entries of whatever time.
var keepAll = sqlstore.LogOptions{MaxAge: -1, MaxBytes: -1}

func TestLogKeepsTheContract(t *testing.T) {
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &keepAll)
	})
}

// One pool for all, transactions that begin deferred, a prefix, and beside it
// another log in the same database.
func TestLogOverHostHandleKeepsTheContract(t *testing.T) {
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		db := hostHandle(t, filepath.Join(t.TempDir(), "host.db"))
		other, err := NewLog(t.Context(), db, &keepAll)
		require.NoError(t, err)
		closeAfter(t, other)
		require.NoError(t, other.WriteLog(t.Context(), newEntries(0, 10)))
		opts := keepAll
		opts.Prefix = "host_"
		log, err := NewLog(t.Context(), db, &opts)
		require.NoError(t, err)
		closeAfter(t, log)
		return log
	})
}

// The store of keys keeps the log in its file.
func TestStoreKeepsALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	store := openFile(t, path)
	entries := newEntries(0, 20)
	require.NoError(t, store.WriteLog(t.Context(), entries))
	require.Equal(t, reversed(entries), readAll(t, store, apikey.LogQuery{Bodies: true}))
	beside := openLogFile(t, path, nil)
	require.Equal(t, reversed(entries), readAll(t, beside, apikey.LogQuery{Bodies: true}))
}
