package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

var database = &sqltest.Database{
	Dialect: sqltest.Must(dialect()),
	Open:    func(ctx context.Context, dsn string) (sqltest.Store, error) { return Open(ctx, dsn, nil) },
	New: func(ctx context.Context, db *sql.DB, opts *sqlstore.Options) (sqltest.Store, error) {
		return New(ctx, db, opts)
	},
	OpenLog: func(ctx context.Context, dsn string, opts *sqlstore.LogOptions) (sqltest.Log, error) {
		return OpenLog(ctx, dsn, opts)
	},
	NewLog:    NewLog,
	Make:      newDatabase,
	Connector: stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector,
	Analyze:   "VACUUM ANALYZE", // as the server would by itself a minute later
	Server: &sqltest.Server{
		Proxied:  proxied,
		ReadOnly: "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
		Blocked: `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`,
		Poll: 5 * time.Millisecond,
		// The server ends the transaction that finds the deadlock, and this one looks
		// for none.
		Outlive: "SET LOCAL deadlock_timeout = '1h'",
		Patient: "?deadlock_timeout=2s",
	},
}

// serverURL is that of a database on a server on which the tests may create
// others, each named apikey_test_ and something random.
func serverURL() string {
	return cmp.Or(os.Getenv("APIKEY_POSTGRES"), "postgres://postgres@127.0.0.1:5432/postgres")
}

func connectServer(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", serverURL())
	require.NoError(t, err)
	storetest.CloseAfter(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	storetest.Need(t, "postgres", "no PostgreSQL answers; APIKEY_POSTGRES is the URL of another", db.PingContext(ctx))
	return db
}

// newDatabase returns the DSN of an empty database, which is there until the test
// ends. Its language sorts otherwise than bytes do.
func newDatabase(t testing.TB) string {
	t.Helper()
	server := connectServer(t)
	name := "apikey_test_" + strings.ToLower(rand.Text())
	sqltest.Execute(t, server, "CREATE DATABASE "+name+
		" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	t.Cleanup(func() {
		_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
	})
	if _, ok := t.(*testing.T); ok {
		// No test here cuts the server's power; benchmarks wait for the disk.
		sqltest.Execute(t, server, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	}
	u, err := url.Parse(serverURL())
	require.NoError(t, err)
	u.Path = name
	return u.String()
}

// proxied turns encryption off, for the proxy reads along.
func proxied(t testing.TB, dsn string) (string, *storetest.Proxy) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	p := storetest.StartProxy(t, u.Host)
	u.Host, u.RawQuery = p.Addr, "sslmode=disable"
	return u.String(), p
}

// configured returns a handle as a host may have configured it.
func configured(t testing.TB, dsn string, configure func(*pgx.ConnConfig)) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	configure(config)
	db := stdlib.OpenDB(*config)
	storetest.CloseAfter(t, db)
	return db
}
