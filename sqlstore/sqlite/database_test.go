package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

var database = &sqltest.Database{
	Dialect: sqltest.Must(dialect()),
	Open:    func(ctx context.Context, path string) (sqltest.Store, error) { return Open(ctx, path) },
	New: func(ctx context.Context, db *sql.DB, opts *sqlstore.Options) (sqltest.Store, error) {
		return New(ctx, db, opts)
	},
	OpenLog: func(ctx context.Context, path string, opts *sqlstore.LogOptions) (sqltest.Log, error) {
		return OpenLog(ctx, path, opts)
	},
	NewLog: NewLog,
	Make: func(t testing.TB) string {
		t.Helper()
		return filepath.Join(t.TempDir(), "keys.db")
	},
	Connector: func(path string) (driver.Connector, error) {
		return sqlite.NewConnector(path + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(30000)")
	},
	Check: requireSound,
}

func openFile(t testing.TB, path string) *Store {
	t.Helper()
	return database.Store(t, path).(*Store)
}

func openLogFile(t testing.TB, path string, opts *sqlstore.LogOptions) *Log {
	t.Helper()
	return database.Log(t, path, opts).(*Log)
}

// requireSound checks the file, and that no credential is left without its key.
func requireSound(t testing.TB, db *sql.DB) {
	t.Helper()
	var verdict string
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
	require.Equal(t, "ok", verdict)
	var orphans int
	err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM pragma_foreign_key_check").Scan(&orphans)
	require.NoError(t, err)
	require.Zero(t, orphans)
}
