package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

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
		Name:          "MySQL",
		Contains:      contains,
		Isolation:     sql.LevelReadCommitted,
		BatchRows:     64, // a third of the time of rows one by one, and more are hardly quicker
		IsUnique:      isUnique,
		IsRetryable:   isRetryable,
		IsReadOnly:    isReadOnly,
		Migrations:    keys,
		LogMigrations: log,
		Exclusive:     exclusive,
		Feed:          &sqlstore.Feed{Live: live},
	}, err
}

// contains makes the capitals small one by one. LOWER leaves binary texts as they
// are, and in any character set makes more letters small than those of ASCII.
func contains(column, parameter string) string {
	for capital := 'A'; capital <= 'Z'; capital++ {
		column = fmt.Sprintf("REPLACE(%s, '%c', '%c')", column, capital, capital-'A'+'a')
	}
	return "LOCATE(" + parameter + ", " + column + ") > 0"
}

// live holds on a server that takes writes. Its variable is a number in one version
// and a word in another.
const live = "CAST(@@global.read_only AS CHAR) IN ('0', 'OFF') AND NOT @@global.innodb_read_only"

func isUnique(err error) bool {
	return hasNumber(err, 1062, 1586) // ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME
}

func isRetryable(err error) bool {
	return hasNumber(
		err,
		1213, // ER_LOCK_DEADLOCK, and in a cluster a write elsewhere to the same row
		1020, // ER_CHECKREAD, by which MariaDB's innodb_snapshot_isolation says so
		3101, // ER_TRANSACTION_ROLLBACK_DURING_COMMIT, from MySQL's group replication
	)
}

func isReadOnly(err error) bool {
	return hasNumber(
		err,
		1290, // ER_OPTION_PREVENTS_STATEMENT: --read-only
		1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
		1836, // ER_READ_ONLY_MODE
	)
}

func hasNumber(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(numbers, e.Number)
}

const (
	// lockName is that of the lock that a migration holds. Names are the whole
	// server's, and at most 64 characters long.
	lockName    = "CONCAT('apikey_', SHA1(LOWER(DATABASE())))"
	unlockLimit = 5 * time.Second
)

// exclusive runs step while this connection holds the lock. Definitions are
// committed one by one, so step is not undone where it fails.
func exclusive(ctx context.Context, conn *sql.Conn, step func() error) error {
	err := lock(ctx, conn)
	if err == nil {
		err = step()
	}
	if err == nil {
		// Whatever becomes of ctx, no other process is to wait for this lock.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockLimit)
		defer cancel()
		_, err = conn.ExecContext(ctx, "DO RELEASE_LOCK("+lockName+")")
	}
	if err != nil {
		// The lock ends with its connection.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

// lock waits for the lock, a second at a time: a server may not notice that a
// client has gone that waits for longer.
func lock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got sql.NullInt64
		err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+lockName+", 1)").Scan(&got)
		switch {
		case err != nil:
			return err
		case !got.Valid:
			return errors.New("the server refuses the lock for migrations: is a database selected?")
		case got.Int64 == 1:
			return nil
		}
	}
}
