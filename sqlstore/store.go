// Package sqlstore keeps API keys in a SQL database, through database/sql.
//
// A host opens a store through the package of its database, such as
// sqlstore/sqlite. This one holds what they have in common: the statements, the
// migrations and what a [Dialect] must know. It imports no driver.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"

	"github.com/seed-be062aaa/apikey"
)

// A Store keeps keys in tables of a SQL database. It is safe for concurrent use,
// by any number of processes on one database too.
//
// Lookups come first: all else that is done to keys takes at most half of the
// connections that the handle allows, so that nothing an administrator does keeps
// requests waiting for one.
//
// What a method reports as done is committed, and as durable as the database
// commits. Errors wrap the driver's, but for violations of uniqueness, whose
// text may quote a digest. Each method ends soon after its context does, as far
// as the driver heeds it.
type Store struct {
	db      *sql.DB
	reads   *sql.DB
	dialect Dialect
	prefix  string
	text    statements
	lookup  *prepared
	turns   turns
}

var (
	_ apikey.ManagedStore = (*Store)(nil)
	_ apikey.UseRecorder  = (*Store)(nil)
	_ apikey.MarkerStore  = (*Store)(nil)
)

// Options changes how a [Store] uses its database. The zero value is the
// default.
type Options struct {
	// Prefix begins the names of all tables and indexes: at most 30 lower-case
	// ASCII letters, digits and underscores, the first a letter. Empty:
	// "apikey_".
	Prefix string
	// Reads is a second handle to the same database, for statements that only
	// read. It must see each commit at once: a replica that lags behind opens
	// the door to revoked keys. Nil: the first handle does everything.
	Reads *sql.DB
}

const defaultPrefix = "apikey_"

var validPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)

// New returns a store over db, having brought its tables up to date. Any number
// of processes may do so at once: one migrates while the others wait. It refuses
// a database that a newer version of this package has migrated.
//
// Handles stay the caller's, who closes them after the store.
func New(ctx context.Context, db *sql.DB, dialect Dialect, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Store{db: db, reads: opts.Reads, dialect: dialect, prefix: opts.Prefix}
	if s.reads == nil {
		s.reads = db
	}
	if s.prefix == "" {
		s.prefix = defaultPrefix
	}
	if !validPrefix.MatchString(s.prefix) {
		return nil, fmt.Errorf("sqlstore: the prefix %q is not of at most 30 lower-case letters, digits and underscores, "+
			"the first a letter", s.prefix)
	}
	m := migrator{db: db, dialect: dialect, prefix: s.prefix, files: dialect.Migrations}
	if err := m.migrate(ctx); err != nil {
		return nil, err
	}
	s.text, s.turns = s.statements(), newTurns(s.reads)
	var err error
	if s.lookup, err = dialect.prepare(ctx, s.reads, s.text.lookup); err != nil {
		return nil, fmt.Errorf("sqlstore: preparing the lookup: %w", err)
	}
	return s, nil
}

func (s *Store) spell(statement string) string { return s.dialect.spell(s.prefix, statement) }

// Close releases the store's prepared statements. The store must not be used
// afterwards. It does not close the handles.
func (s *Store) Close() error { return s.lookup.close() }

// inTx runs do in a transaction.
func (s *Store) inTx(ctx context.Context, doing string, do func(tx *sql.Tx) error) error {
	write := func() error { return s.dialect.inTx(ctx, s.db, do) }
	var err error
	if s.db == s.reads {
		err = s.inTurn(ctx, write)
	} else {
		err = write()
	}
	if err != nil {
		return fmt.Errorf("sqlstore: %s: %w", doing, err)
	}
	return nil
}

// inTurn does what takes a connection from the handle that lookups use.
func (s *Store) inTurn(ctx context.Context, do func() error) error {
	if err := s.turns.take(ctx); err != nil {
		return err
	}
	defer s.turns.give()
	return do()
}

// insert runs a statement whose one possible violation of uniqueness means
// taken. The driver's error is dropped then, since it may quote the row.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, taken error, statement string, args ...any) error {
	_, err := tx.ExecContext(ctx, statement, args...)
	if err != nil && s.dialect.IsUnique(err) {
		return taken
	}
	return err
}

// changed reports whether a statement changed a row.
func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// missing reports whether a query found no row.
func missing(err error) bool { return errors.Is(err, sql.ErrNoRows) }
