package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"io/fs"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

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
		Name:          "SQLite",
		Contains:      contains,
		IsUnique:      isUnique,
		Migrations:    keys,
		LogMigrations: log,
		Exclusive:     exclusive,
	}, err
}

// contains avoids LIKE, which has wildcards to escape and whose letter case is a
// setting of the connection. SQLite's lower knows ASCII only.
func contains(column, parameter string) string {
	return "instr(lower(" + column + "), " + parameter + ") > 0"
}

func isUnique(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// exclusive runs step in a transaction that has the write lock from its start:
// definitions are part of transactions in SQLite. It waits for that however short the
// handle's busy_timeout is.
func exclusive(ctx context.Context, conn *sql.Conn, step func() error) error {
	err := whileBusy(ctx, func() error {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	})
	if err != nil {
		return err
	}
	err = step()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Closing the connection rolls back, whatever state it is in.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}
