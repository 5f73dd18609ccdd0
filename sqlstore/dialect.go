package sqlstore

import (
	"context"
	"database/sql"
	"io/fs"
	"strings"
)

// A Dialect is what one kind of database does in a way of its own. The packages
// below this one each have one; every field but Placeholder is required.
//
// What the statements ask of a database: texts compare and sort by their bytes;
// a statement sees one state of the database; and the number of rows affected
// counts every row that a statement changed.
type Dialect struct {
	// Name is the database's name, for messages.
	Name string
	// Placeholder spells the nth parameter of a statement, counted from 1.
	// Nil: a question mark.
	Placeholder func(n int) string
	// Contains returns a condition: the text in column, its ASCII capitals and
	// no other letters made small, contains the text in parameter, byte for byte.
	Contains func(column, parameter string) string
	// IsUnique reports whether err says that a row would have broken a primary
	// key or a unique index.
	IsUnique func(err error) bool
	// Migrations holds the files 0001_name.sql, 0002_name.sql and so on, which
	// lead from an empty database to the tables that this package expects. A
	// statement ends with a semicolon at the end of a line. Names begin with
	// apikey_, in place of which a store writes its own prefix. Released files
	// never change. Where a database commits some statements at once, as MySQL
	// does with definitions, a file must bear being run again after it was cut
	// short.
	Migrations fs.FS
	// Exclusive runs step, which works on conn, while no other connection to
	// the database runs one: it waits for its turn until ctx is done. Where
	// the database can, all that step did takes effect if it returns nil, and
	// nothing of it otherwise.
	Exclusive func(ctx context.Context, conn *sql.Conn, step func() error) error
}

// spell returns a statement as this store sends it: with its own table names and
// its dialect's parameters. The statements in this package hold no question mark
// but for those.
func (s *Store) spell(statement string) string {
	statement = strings.ReplaceAll(statement, defaultPrefix, s.prefix)
	if s.dialect.Placeholder == nil {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(s.dialect.Placeholder(n))
		statement = after
	}
}
