// Package mysql keeps API keys and their access log in a MariaDB or MySQL database,
// through the driver github.com/go-sql-driver/mysql.
//
//	store, err := mysql.Open(ctx, "mysql://app:secret@db.example.org/app", nil)
//
// It is for MariaDB 10.6 and MySQL 8.0 or later. Any number of servers may share
// one database. The tables are InnoDB's, and their texts in binary columns, so that
// neither the database's character set nor its collation matters.
//
// Transactions run as READ COMMITTED, which a server with a binary log of
// statements (binlog_format=STATEMENT) refuses; MIXED and ROW, the defaults,
// are fine.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A Store keeps keys, and the access log, in a MariaDB or MySQL database. See
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
// The DSN is a URL, mysql://user:password@host:3306/database?tls=true with all but
// letters and digits of the password written as %XX, or in the driver's own form,
// user:password@tcp(host:3306)/database?tls=true. Both take the driver's parameters.
// No error quotes it.
//
// The store keeps the access log too, as [OpenLog] does with its defaults, for all
// servers that share the database. Where the log is to keep more or less, or to
// have a database of its own, pass one to [apikey.New].
//
// The store opens up to 16 connections, of which [Store.Watch] takes one, and up to
// 4 for the log, so that who reads it holds up no lookup. Connecting ends after 5
// seconds unless the DSN has a timeout. A connection is replaced within a minute,
// and at once where a write shows that its server takes none any more: so a server
// that has lost its role in a failover but stays up answers no lookup a minute
// later. For any other configuration, pass a handle to [New].
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
		return nil, errors.Join(fmt.Errorf("mysql: opening the store: %w", err), logDB.Close(), db.Close())
	}
	store.owned, store.ownedLog = db, logDB
	return store, nil
}

// New returns a store over a handle of the host's own, opened with
// github.com/go-sql-driver/mysql, which the host closes after the store. The log's
// statements use it too.
//
// [Store.Watch] takes one of its connections, so it must allow two or more. A limit
// to the life of connections is advisable, such as the minute that [Open] sets, and
// a strict SQL mode, the servers' default: others cut an ID or a hint of more than
// 255 bytes. The parameter interpolateParams is not: it puts digests into the texts
// of statements, which servers log. MariaDB's idle_transaction_timeout, which [Open] sets
// to 5 seconds, keeps a process that is stopped in the middle of a change from holding up
// those of all others; MySQL has nothing like it, but for TCP's keepalive.
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

// Watch implements [apikey.ChangeFeed]. It reads from a table what has changed,
// four times a second. It notices within 5 seconds that its connection is dead,
// also where nobody closed it, and that the server has become read-only. For the
// rest see [sqlstore.Watch].
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
