package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A Log keeps the access log in a PostgreSQL database, over connections that it
// has opened. See [sqlstore.Log] for its methods.
type Log struct {
	*sqlstore.Log
	owned *sql.DB
}

var _ apikey.LogStore = (*Log)(nil)

// OpenLog returns a log over the database that dsn names, which may be that of a
// [Store], having brought its tables up to date. A nil opts is the default. Close
// the log after the [apikey.Authority] that writes it.
//
// It opens up to 4 connections; what else [Open] says of the DSN and of
// connections holds here too. One log, opened with what it is to keep, is enough
// for all of a process. Of several over one database, each removes for all what it
// keeps no longer.
func OpenLog(ctx context.Context, dsn string, opts *sqlstore.LogOptions) (*Log, error) {
	db, err := connect(dsn, maxLogConns)
	if err != nil {
		return nil, err
	}
	log, err := NewLog(ctx, db, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: opening the log: %w", err), db.Close())
	}
	return &Log{log, db}, nil
}

// NewLog returns a log over a handle of the host's own, as [New] returns a store.
func NewLog(ctx context.Context, db *sql.DB, opts *sqlstore.LogOptions) (*sqlstore.Log, error) {
	d, err := dialect()
	if err != nil {
		return nil, err
	}
	return sqlstore.NewLog(ctx, db, d, opts)
}

// Close ends the removal of entries and closes the connections.
func (l *Log) Close() error {
	return errors.Join(l.Log.Close(), l.owned.Close())
}
