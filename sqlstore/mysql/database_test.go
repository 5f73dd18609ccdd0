package mysql

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
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
	Connector: mysql.MySQLDriver{}.OpenConnector,
	Analyze:   "ANALYZE TABLE apikey_keys, apikey_credentials",
	Server: &sqltest.Server{
		Proxied:  proxied,
		ReadOnly: "SET SESSION TRANSACTION READ ONLY",
		Blocked: `SELECT COUNT(*) FROM information_schema.innodb_trx t
			JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
			WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()`,
		Poll: 150 * time.Millisecond, // InnoDB refreshes that table ten times a second, unless it is asked more often
		// InnoDB ends the transaction that has changed less.
		Outlive: `INSERT INTO apikey_log_slots
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, 1, 1 FROM n`,
	},
}

// serverDSN is that of a server on which the tests may create databases, each
// named apikey_test_ and something random.
func serverDSN() string { return cmp.Or(os.Getenv("APIKEY_MYSQL"), "root@tcp(127.0.0.1:3306)/") }

func connectServer(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", serverDSN())
	require.NoError(t, err)
	storetest.CloseAfter(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	storetest.Need(t, "mysql", "no MariaDB or MySQL answers; APIKEY_MYSQL is the DSN of another", db.PingContext(ctx))
	return db
}

// newDatabase returns the DSN of an empty database, which is there until the test
// ends.
func newDatabase(t testing.TB) string {
	t.Helper()
	server := connectServer(t)
	name := "apikey_test_" + strings.ToLower(rand.Text())
	sqltest.Execute(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name)
		require.NoError(t, err)
	})
	config, err := mysql.ParseDSN(serverDSN())
	require.NoError(t, err)
	config.DBName = name
	return config.FormatDSN()
}

func proxied(t testing.TB, dsn string) (string, *storetest.Proxy) {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	p := storetest.StartProxy(t, config.Addr)
	config.Addr = p.Addr
	return config.FormatDSN(), p
}

// openStore returns a store whose handle the test can reach.
func openStore(t testing.TB, dsn string) *Store {
	t.Helper()
	return database.Store(t, dsn).(*Store)
}
