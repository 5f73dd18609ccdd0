// Package postgres keeps API keys and their access log in a PostgreSQL database,
// through the driver github.com/jackc/pgx/v5.
//
//	store, err := postgres.Open(ctx, "postgres://app@db.example.org/app", nil)
//
// Any number of servers may share one database. It must be encoded in UTF8, in
// which texts have no NUL; the tables are made in the first schema of the
// search path.
//
// # Poolers
//
// A pooler such as PgBouncer that hands out a server for a transaction at a time
// must take prepared statements along (PgBouncer 1.21 and later do, with
// max_prepared_statements above 0), or the driver must send none: with
// default_query_exec_mode=exec in the DSN. Notifications get lost there; [Store.Watch]
// then tells of changes a quarter of a second later, and misses none.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A Store keeps keys, and the access log, in a PostgreSQL database. See
// [sqlstore.Store] and [sqlstore.Log] for its methods.
type Store struct {
	*sqlstore.Store
	log             *sqlstore.Log
	owned, ownedLog *sql.DB // nil: the handle is the host's
}

var (
	_ apikey.ChangeFeed = (*Store)(nil)
	_ apikey.LogStore   = (*Store)(nil)
)

// Open returns a store over the database that dsn names, having brought its
// tables up to date. A nil opts means the defaults. Close the store after the
// [apikey.Authority] that uses it.
//
// The DSN is a URL or a list of key=value pairs, as psql takes them; what it leaves
// out comes from the environment (PGHOST, PGPASSWORD and so on) and from the
// password file. No error quotes it.
//
// The store keeps the access log too, as [OpenLog] does with its defaults, for all
// servers that share the database. Where the log is to keep more or less, or to
// have a database of its own, pass one to [apikey.New].
//
// The store opens up to 16 connections, of which [Store.Watch] takes one, and up to
// 4 for the log, so that who reads it holds up no lookup. Where the DSN does not say
// otherwise, they lead to a server that takes writes (target_session_attrs=read-write),
// which among several hosts is the primary, and connecting ends after 5 seconds. A
// connection is replaced within a minute, and at once where a write shows that its
// server takes none any more: so a server that has lost its role in a failover but
// stays up answers no lookup a minute later. For any other configuration, pass a
// handle to [New].
func Open(ctx context.Context, dsn string, opts *sqlstore.Options) (*Store, error) {
	db, err := connect(dsn, maxConns)
	if err != nil {
		return nil, err
	}
	logDB, err := connect(dsn, maxLogConns)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	store, err := storeOver(ctx, db, logDB, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: opening the store: %w", err), logDB.Close(), db.Close())
	}
	store.owned, store.ownedLog = db, logDB
	return store, nil
}

// New returns a store over a handle of the host's own, opened with the
// database/sql adapter of pgx, also that of a pgxpool.Pool. The host closes it
// after the store. The log's statements use it too.
//
// [Store.Watch] takes one of its connections, so it must allow two or more. A limit
// to the life of connections is advisable, such as the minute that [Open] sets.
func New(ctx context.Context, db *sql.DB, opts *sqlstore.Options) (*Store, error) {
	return storeOver(ctx, db, db, opts)
}

func storeOver(ctx context.Context, db, logDB *sql.DB, opts *sqlstore.Options) (*Store, error) {
	d, err := dialect()
	if err != nil {
		return nil, err
	}
	keys, err := sqlstore.New(ctx, db, d, opts)
	if err != nil {
		return nil, err
	}
	var o sqlstore.LogOptions
	if opts != nil {
		o.Prefix, o.Reads = opts.Prefix, opts.Reads
	}
	log, err := sqlstore.NewLog(ctx, logDB, d, &o)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return &Store{Store: keys, log: log}, nil
}

// WriteLog implements [apikey.LogSink].
func (s *Store) WriteLog(ctx context.Context, entries []apikey.LogEntry) error {
	return s.log.WriteLog(ctx, entries)
}

// ReadLog implements [apikey.LogStore].
func (s *Store) ReadLog(ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	return s.log.ReadLog(ctx, q)
}

// Watch implements [apikey.ChangeFeed]. It reads from a table what has changed, as
// soon as PostgreSQL notifies it of a change, and four times a second whether it
// does or not: a pooler in between may drop notifications, and a Watch cannot tell.
// It notices within 5 seconds that its connection is dead, also where nobody closed
// it. For the rest see [sqlstore.Watch].
func (s *Store) Watch(ctx context.Context, changed func(id string)) error {
	return sqlstore.Watch(ctx, s.Store, changed)
}

// Close closes the store, and the connections that [Open] made.
func (s *Store) Close() error {
	err := errors.Join(s.Store.Close(), s.log.Close())
	if s.owned != nil {
		err = errors.Join(err, s.ownedLog.Close(), s.owned.Close())
	}
	return err
}
