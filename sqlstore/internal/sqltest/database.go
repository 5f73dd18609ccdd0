// Package sqltest tests the stores over SQL databases, beyond the contract in package
// apikeytest that all stores keep. A [Database] says what is its own. Only tests
// import it.
package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A Database is what its store's package has, and how the tests handle it.
type Database struct {
	Dialect sqlstore.Dialect
	Open    func(ctx context.Context, dsn string) (Store, error)
	New     func(ctx context.Context, db *sql.DB, opts *sqlstore.Options) (Store, error)
	OpenLog func(ctx context.Context, dsn string, opts *sqlstore.LogOptions) (Log, error)
	NewLog  func(ctx context.Context, db *sql.DB, opts *sqlstore.LogOptions) (*sqlstore.Log, error)

	// Make returns the DSN of an empty database, which is there until the test ends.
	Make func(t testing.TB) string
	// Connector is that of a handle as a host may have it.
	Connector func(dsn string) (driver.Connector, error)
	// Analyze lets the database know how many rows there are. Empty: it need not.
	Analyze string
	// Check looks for damage. Nil: there can be none that the tests would not see.
	Check func(t testing.TB, db *sql.DB)

	// Server is nil for a database without one.
	Server *Server
}

// A Server is what is a server's own.
type Server struct {
	// Proxied returns the DSN of the same database behind a proxy, which reads along.
	Proxied func(t testing.TB, dsn string) (string, *storetest.Proxy)
	// ReadOnly lets a connection take no more writes.
	ReadOnly string
	// Blocked counts the transactions in the database that wait for another one's
	// lock. It is asked once in each Poll.
	Blocked string
	Poll    time.Duration
	// Outlive lets the server choose another transaction than this one to end a
	// deadlock.
	Outlive string
	// Patient is the end of a DSN whose connections are slow to look for deadlocks.
	Patient string
}

// Must returns the dialect, which tests take to be valid.
func Must(d sqlstore.Dialect, err error) sqlstore.Dialect {
	if err != nil {
		panic(err)
	}
	return d
}

// A Store is that of a database's package. One that Open opened is an
// [apikey.LogStore] too, and on a server an [apikey.ChangeFeed].
type Store interface {
	apikey.ManagedStore
	apikey.UseRecorder
	apikey.MarkerStore
	Close() error
}

// A Log is that of a database's package.
type Log interface {
	apikey.LogStore
	Trim(ctx context.Context) error
	Close() error
}

// Store returns the store that Open opens.
func (d *Database) Store(t testing.TB, dsn string) Store {
	t.Helper()
	store, err := d.Open(t.Context(), dsn)
	require.NoError(t, err)
	storetest.CloseAfter(t, store)
	return store
}

// StoreOver returns the store that New makes.
func (d *Database) StoreOver(t testing.TB, db *sql.DB, opts *sqlstore.Options) Store {
	t.Helper()
	store, err := d.New(t.Context(), db, opts)
	require.NoError(t, err)
	storetest.CloseAfter(t, store)
	return store
}

// Log returns the log that OpenLog opens.
func (d *Database) Log(t testing.TB, dsn string, opts *sqlstore.LogOptions) Log {
	t.Helper()
	log, err := d.OpenLog(t.Context(), dsn, opts)
	require.NoError(t, err)
	storetest.CloseAfter(t, log)
	return log
}

// LogOver returns the log that NewLog makes.
func (d *Database) LogOver(t testing.TB, db *sql.DB, opts *sqlstore.LogOptions) Log {
	t.Helper()
	log, err := d.NewLog(t.Context(), db, opts)
	require.NoError(t, err)
	storetest.CloseAfter(t, log)
	return log
}

// Handle returns a handle as a host may have it.
func (d *Database) Handle(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	connector, err := d.Connector(dsn)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	storetest.CloseAfter(t, db)
	return db
}

// execute is [Execute] of a statement whose parameters are question marks.
func (d *Database) execute(t testing.TB, db handle, statement string, args ...any) {
	t.Helper()
	Execute(t, db, d.spell(statement), args...)
}

func (d *Database) spell(statement string) string {
	for n := 1; d.Dialect.Placeholder != nil && strings.Contains(statement, "?"); n++ {
		statement = strings.Replace(statement, "?", d.Dialect.Placeholder(n), 1)
	}
	return statement
}

// A handle is a database, or a transaction in it.
type handle interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Execute executes a statement.
func Execute(t testing.TB, db handle, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err, statement)
}

// Count returns the number that a query is for.
func Count(t testing.TB, db handle, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n), query)
	return n
}
