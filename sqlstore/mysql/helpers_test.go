package mysql

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// driverName is that under which database/sql knows the driver.
const driverName = "mysql"

// serverDSN is that of a server on which the tests may create databases, each
// named apikey_test_ and something random.
func serverDSN() string { return cmp.Or(os.Getenv("APIKEY_MYSQL"), "root@tcp(127.0.0.1:3306)/") }

// connectServer returns a handle to the server, or skips the test where there is
// none, unless APIKEY_REQUIRE, a list with commas, says that there must be.
func connectServer(t testing.TB) *sql.DB {
	t.Helper()
	db := hostHandle(t, serverDSN())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		if required("mysql") {
			t.Fatalf("no MariaDB or MySQL answers, and APIKEY_REQUIRE asks for mysql: %v", err)
		}
		t.Skip("no MariaDB or MySQL answers; APIKEY_MYSQL is the DSN of another, APIKEY_REQUIRE=mysql makes this a failure")
	}
	return db
}

func required(name string) bool {
	return slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), name)
}

// newDatabase returns the DSN of an empty database, which is there until the test
// ends.
func newDatabase(t testing.TB) string {
	t.Helper()
	server := connectServer(t)
	name := "apikey_test_" + strings.ToLower(rand.Text())
	execute(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name)
		require.NoError(t, err)
	})
	config, err := mysql.ParseDSN(serverDSN())
	require.NoError(t, err)
	config.DBName = name
	return config.FormatDSN()
}

func openStore(t testing.TB, dsn string) *Store {
	t.Helper()
	store, err := Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	closeAfter(t, store)
	return store
}

// hostHandle returns a handle as a host may have it.
func hostHandle(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driverName, dsn)
	require.NoError(t, err)
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
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	c, err := mysql.NewConnector(config)
	require.NoError(t, err)
	return c
}

// readOnly lets a connection take no more writes.
const readOnly = "SET SESSION TRANSACTION READ ONLY"

// patient returns the DSN: this server finds deadlocks at once.
func patient(dsn string) string { return dsn }

// weigh lets the server choose another transaction than tx to end a deadlock: one
// that has changed less.
func weigh(t testing.TB, tx *sql.Tx) {
	t.Helper()
	for n := range 100 {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO apikey_log_slots VALUES (?, 1, 1)", n)
		require.NoError(t, err)
	}
}

func binaryLiteral(b []byte) string { return fmt.Sprintf("x'%x'", b) }
