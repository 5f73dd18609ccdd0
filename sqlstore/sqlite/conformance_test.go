package sqlite

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

func TestStoreKeepsTheContract(t *testing.T) {
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	})
}

// A handle as a host may have it: one pool for all, transactions that begin
// deferred, foreign keys not enforced, a prefix, and beside it another store in
// the same database.
func TestStoreOverHostHandleKeepsTheContract(t *testing.T) {
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		db := hostHandle(t, filepath.Join(t.TempDir(), "host.db"))
		other, err := New(t.Context(), db, nil)
		require.NoError(t, err)
		closeAfter(t, other)
		require.NoError(t, other.Create(t.Context(), newKey("other")))
		store, err := New(t.Context(), db, &sqlstore.Options{Prefix: "host_keys_"})
		require.NoError(t, err)
		closeAfter(t, store)
		return store
	})
}

// SQLite takes numbered parameters too, which other databases demand.
func TestStoreWithNumberedParametersKeepsTheContract(t *testing.T) {
	d, err := dialect()
	require.NoError(t, err)
	d.Placeholder = func(n int) string { return fmt.Sprint("?", n) }
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		db := hostHandle(t, filepath.Join(t.TempDir(), "host.db"))
		store, err := sqlstore.New(t.Context(), db, d, nil)
		require.NoError(t, err)
		closeAfter(t, store)
		return store
	})
}

func openFile(t testing.TB, path string) *Store {
	t.Helper()
	store, err := Open(t.Context(), path)
	require.NoError(t, err)
	closeAfter(t, store)
	return store
}

func hostHandle(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(30000)")
	require.NoError(t, err)
	closeAfter(t, db)
	return db
}

func closeAfter(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, c.Close()) })
}

func newKey(id string) *apikey.Key {
	return &apikey.Key{ID: id, Version: 1, Credentials: []apikey.Credential{{Digest: apikey.DigestOf(id)}}}
}
