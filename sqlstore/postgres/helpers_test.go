package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// driverName is that under which database/sql knows the driver.
const driverName = "pgx"

// serverURL is that of a database on a server on which the tests may create
// others, each named apikey_test_ and something random.
func serverURL() string {
	return cmp.Or(os.Getenv("APIKEY_POSTGRES"), "postgres://postgres@127.0.0.1:5432/postgres")
}

// connectServer returns a handle to the server, or skips the test where there is
// none, unless APIKEY_REQUIRE, a list with commas, says that there must be.
func connectServer(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(driverName, serverURL())
	require.NoError(t, err)
	closeAfter(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		if slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), "postgres") {
			t.Fatalf("no PostgreSQL answers, and APIKEY_REQUIRE asks for postgres: %v", err)
		}
		t.Skip("no PostgreSQL answers; APIKEY_POSTGRES is the URL of another, APIKEY_REQUIRE=postgres makes this a failure")
	}
	return db
}

// newDatabase returns the DSN of an empty database, which is there until the test
// ends. Its language sorts otherwise than bytes do.
func newDatabase(t testing.TB) string {
	t.Helper()
	server := connectServer(t)
	name := "apikey_test_" + strings.ToLower(rand.Text())
	_, err := server.ExecContext(t.Context(), "CREATE DATABASE "+name+
		" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
	})
	if _, ok := t.(*testing.T); ok {
		// No test here cuts the server's power; benchmarks wait for the disk.
		execute(t, server, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	}
	u, err := url.Parse(serverURL())
	require.NoError(t, err)
	u.Path = name
	return u.String()
}

func openStore(t testing.TB, dsn string) *Store {
	t.Helper()
	store, err := Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	closeAfter(t, store)
	return store
}

// hostHandle returns a handle as a host may have it.
func hostHandle(t testing.TB, dsn string, configure ...func(*pgx.ConnConfig)) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	for _, f := range configure {
		f(config)
	}
	db := stdlib.OpenDB(*config)
	closeAfter(t, db)
	return db
}

func newStore(t testing.TB, db *sql.DB, opts *sqlstore.Options) *Store {
	t.Helper()
	store, err := New(t.Context(), db, opts)
	require.NoError(t, err)
	closeAfter(t, store)
	return store
}

func closeAfter(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, c.Close()) })
}

func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err, statement)
}

func count(t testing.TB, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n), query)
	return n
}

func newKey(id string) *apikey.Key {
	return &apikey.Key{ID: id, Version: 1, Credentials: []apikey.Credential{{Digest: apikey.DigestOf(id)}}}
}

// connector returns that of the driver.
func connector(t testing.TB, dsn string) driver.Connector {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	return stdlib.GetConnector(*config)
}

// readOnly lets a connection take no more writes.
const readOnly = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"

// patient returns the DSN of connections that look for deadlocks once they have
// waited for two seconds.
func patient(dsn string) string { return dsn + "?deadlock_timeout=2s" }

// weigh lets the server choose another transaction than tx to end a deadlock: this
// one does not look for any.
func weigh(t testing.TB, tx *sql.Tx) {
	t.Helper()
	_, err := tx.ExecContext(t.Context(), "SET LOCAL deadlock_timeout = '1h'")
	require.NoError(t, err)
}

func binaryLiteral(b []byte) string { return fmt.Sprintf(`'\x%x'`, b) }
