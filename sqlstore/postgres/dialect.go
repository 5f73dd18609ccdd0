package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"strconv"

	"github.com/seed-be062aaa/apikey/sqlstore"
)

//go:embed migrations
var migrations embed.FS

func dialect() (sqlstore.Dialect, error) {
	keys, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return sqlstore.Dialect{}, err
	}
	log, err := fs.Sub(migrations, "migrations/log")
	return sqlstore.Dialect{
		Name:          "PostgreSQL",
		Placeholder:   func(n int) string { return "$" + strconv.Itoa(n) },
		Contains:      contains,
		Prepares:      true,
		Isolation:     sql.LevelReadCommitted,
		Begin:         "SET LOCAL idle_in_transaction_session_timeout = '5s'",
		BatchRows:     64, // a third of the time of rows one by one, and more are hardly quicker
		IsUnique:      isUnique,
		IsRetryable:   isRetryable,
		IsReadOnly:    isReadOnly,
		Sever:         sever,
		Migrations:    keys,
		LogMigrations: log,
		Exclusive:     exclusive,
		Feed:          &sqlstore.Feed{Notify: "NOTIFY apikey_changes", Listen: "LISTEN apikey_changes", Wait: wait},
	}, err
}

// contains avoids LIKE, which has wildcards to escape. In the collation "C", which
// the columns have, lower knows ASCII only.
func contains(column, parameter string) string {
	return "strpos(lower(" + column + "), " + parameter + ") > 0"
}

func isUnique(err error) bool { return hasState(err, "23505") }

func isRetryable(err error) bool {
	return hasState(err, "40001") || // serialization_failure, where the host's handle asks for more than we do
		hasState(err, "40P01") // deadlock_detected
}

func isReadOnly(err error) bool { return hasState(err, "25006") }

// hasState reports whether err comes from the server and has that SQLSTATE.
func hasState(err error, state string) bool {
	var e interface{ SQLState() string }
	return errors.As(err, &e) && e.SQLState() == state
}

// migrationLock is the advisory lock that a migration holds: "apikey" in ASCII.
const migrationLock = 0x6170696b6579

// exclusive runs step in a transaction: definitions are part of it, and the lock
// ends with it, also where a pooler gives the next one to another server process.
// Read committed, for each statement must see what was committed while the
// first one waited.
func exclusive(ctx context.Context, conn *sql.Conn, step func() error) error {
	tx := []string{
		"BEGIN ISOLATION LEVEL READ COMMITTED",
		"SELECT pg_advisory_xact_lock(" + strconv.Itoa(migrationLock) + ")",
	}
	for _, statement := range tx {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			discard(conn)
			return err
		}
	}
	err := step()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		discard(conn) // which rolls back
	}
	return err
}
