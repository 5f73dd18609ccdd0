package sqlstore

import (
	"context"
	"database/sql"
	"io/fs"
	"strings"
)

// A Dialect is what one kind of database does in a way of its own. The packages
// below this one each have one. What may be nil or zero says so; all else is
// required.
//
// What the statements ask of a database: texts compare and sort by their bytes;
// a statement sees one state of the database, a later one all that was committed
// before it; the number of rows affected counts every row that a statement
// changed; and substr counts what length counts, characters or bytes.
type Dialect struct {
	// Name is the database's name, for messages.
	Name string
	// Placeholder spells the nth parameter of a statement, counted from 1.
	// Nil: a question mark.
	Placeholder func(n int) string
	// Contains returns a condition: the text in column, its ASCII capitals and
	// no other letters made small, contains the text in parameter, byte for byte.
	Contains func(column, parameter string) string
	// Prepares says that the driver itself prepares what it sends and keeps that,
	// and need not be asked to.
	Prepares bool
	// Isolation is what transactions ask for. Read committed is enough, and
	// least in each other's way. Zero: the database's default.
	Isolation sql.IsolationLevel

	// Begin is a statement with which each transaction begins, by which the server ends
	// it where nothing comes for some seconds: a process that is stopped in the middle
	// of one must not keep all others from writing. Empty: none.
	Begin string

	// BatchRows is how many rows of the access log one INSERT has, at most. It is
	// worth its longer statements where each is a round trip. Zero: one.
	BatchRows int

	// IsUnique reports whether err says that a row would have broken a primary
	// key or a unique index.
	IsUnique func(err error) bool
	// IsRetryable reports whether err says that a transaction was undone for no
	// fault of its own, as after a deadlock: it is then run again, a few times.
	// Nil: none is.
	IsRetryable func(err error) bool
	// IsReadOnly reports whether err says that the server takes no writes, as one
	// that has lost its role in a failover. The connection is then closed, for a
	// new one may lead to another server. Nil: no error says so.
	IsReadOnly func(err error) bool
	// Sever ends a connection of the driver that must not be used again, where
	// the driver's Close would not. Nil: it does.
	Sever func(driverConn any)

	// Migrations holds the files 0001_name.sql, 0002_name.sql and so on, which
	// lead from an empty database to the tables that this package expects. A
	// statement ends with a semicolon at the end of a line. Names begin with
	// apikey_, in place of which a store writes its own prefix. Released files
	// never change. Where a database commits some statements at once, as MySQL
	// does with definitions, a file must bear being run again after it was cut
	// short.
	Migrations fs.FS
	// LogMigrations is the same for the tables of the access log, which may be in
	// another database. Nil: this dialect keeps no access log.
	LogMigrations fs.FS
	// Exclusive runs step, which works on conn, while no other connection to
	// the database runs one: it waits for its turn until ctx is done. Where
	// the database can, all that step did takes effect if it returns nil, and
	// nothing of it otherwise.
	Exclusive func(ctx context.Context, conn *sql.Conn, step func() error) error

	// Feed says how a store tells of changes, for [Watch]. Nil: it keeps none.
	Feed *Feed
}

// spell returns a statement as it is sent: with its own table names and its
// dialect's parameters. The statements in this package hold no question mark but
// for those.
func (d Dialect) spell(prefix, statement string) string {
	statement = strings.ReplaceAll(statement, defaultPrefix, prefix)
	if d.Placeholder == nil {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(d.Placeholder(n))
		statement = after
	}
}
