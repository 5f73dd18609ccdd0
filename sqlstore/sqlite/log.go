package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A Log keeps the access log in an SQLite file that it has opened. See
// [sqlstore.Log] for its methods.
type Log struct {
	*sqlstore.Log
	reads, writes *sql.DB
}

var _ apikey.LogStore = (*Log)(nil)

// OpenLog returns a log over the database file at path, which may be the file of
// a [Store], and is made as [Open] makes it. Close the log after the
// [apikey.Authority] that writes it.
//
// What is written survives the end of the process, however it comes. The loss of
// power may undo the last commits (synchronous=NORMAL): a log does not wait for
// the disk as keys do. The file does not shrink where entries are removed; later
// ones take their space.
//
// A nil opts is the default; Reads has no effect. One log, opened with what it is
// to keep, is enough for all of a process. Two that write to one file both remove
// what they keep no longer.
func OpenLog(ctx context.Context, path string, opts *sqlstore.LogOptions) (*Log, error) {
	path, err := prepare(path)
	if err != nil {
		return nil, err
	}
	var o sqlstore.LogOptions
	if opts != nil {
		o = *opts
	}
	l := &Log{}
	if l.reads, err = readPool(path); err == nil {
		o.Reads = l.reads
		l.writes, l.Log, err = openLog(ctx, path, &o)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite: opening %s: %w", path, errors.Join(err, closeAll(l.reads)))
	}
	return l, nil
}

// NewLog returns a log over a handle of the host's own, as [New] returns a store.
// With synchronous=NORMAL it is quicker, and the loss of power may undo the last
// commits.
func NewLog(ctx context.Context, db *sql.DB, opts *sqlstore.LogOptions) (*sqlstore.Log, error) {
	d, err := dialect()
	if err != nil {
		return nil, err
	}
	return sqlstore.NewLog(ctx, db, d, opts)
}

// openLog returns a log, and the handle for its writes: of one connection, as
// that for keys.
func openLog(ctx context.Context, path string, opts *sqlstore.LogOptions) (*sql.DB, *sqlstore.Log, error) {
	writes, err := pool(path, 1, "_txlock=immediate", "_pragma=synchronous(NORMAL)", "_pragma=cache_size(-8000)")
	if err != nil {
		return nil, nil, err
	}
	if err := useWAL(ctx, writes); err != nil {
		return nil, nil, errors.Join(err, writes.Close())
	}
	log, err := NewLog(ctx, writes, opts)
	if err != nil {
		return nil, nil, errors.Join(err, writes.Close())
	}
	return writes, log, nil
}

// Close ends the removal of entries and closes the database.
func (l *Log) Close() error {
	return errors.Join(l.Log.Close(), closeAll(l.reads, l.writes))
}
