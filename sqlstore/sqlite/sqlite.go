// Package sqlite keeps API keys and their access log in an SQLite database,
// through the pure Go driver modernc.org/sqlite.
//
//	store, err := sqlite.Open(ctx, "keys.db")
//
// Any number of processes on one machine may open one file.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// busyTimeout is how long a write waits for other processes' writes, unless its
// context ends sooner.
const busyTimeout = 5 * time.Second

// A Store keeps keys, and the access log, in an SQLite file that it has opened.
// See [sqlstore.Store] and [sqlstore.Log] for its methods.
type Store struct {
	*sqlstore.Store
	log                 *sqlstore.Log
	reads, writes       *sql.DB
	logReads, logWrites *sql.DB
}

var _ apikey.LogStore = (*Store)(nil)

// Open returns a store over the database file at path, which it creates where
// there is none, readable by its owner alone. The directory must exist. Close
// the store after the [apikey.Authority] that uses it.
//
// The path is a plain one: no character in it has a meaning of its own. Databases
// in memory are refused, since each connection would have one to itself;
// [apikey.NewMemoryStore] is what that asks for.
//
// The file is in WAL mode, so that lookups never wait for writers, and each
// commit reaches the disk before it is acknowledged (synchronous=FULL): a key
// that was issued survives the loss of power. WAL needs shared memory, which
// network file systems do not have. Writes are made one at a time; one that
// waits for another process's transaction fails after 5 seconds.
//
// The store keeps the access log too, as [OpenLog] does with its defaults. A log
// in a file of its own does not fill the disk that new keys need, and its batches
// hold up no change to a key.
//
// While the store is open, never delete or replace the file: SQLite goes on with
// the deleted one and reports nothing. Nor copy it alone: the newest keys are in
// the file beside it that ends in -wal. "VACUUM INTO" makes a copy that is whole.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := prepare(path)
	if err != nil {
		return nil, err
	}
	store, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: opening %s: %w", path, err)
	}
	return store, nil
}

// New returns a store over a handle of the host's own, opened with
// modernc.org/sqlite, which the host closes after the store. Unlike that of [Open] it
// keeps no access log: make one by [NewLog] or [OpenLog], and pass it as the Sink of
// [apikey.LogOptions].
//
// How the handle is configured is the host's choice. Advisable are WAL mode;
// busy_timeout, without which a write fails at once while another is in progress;
// synchronous=FULL, without which the loss of power may undo what was
// acknowledged; and in place of a database in memory, of which each connection
// would have one to itself, [apikey.NewMemoryStore].
func New(ctx context.Context, db *sql.DB, opts *sqlstore.Options) (*sqlstore.Store, error) {
	d, err := dialect()
	if err != nil {
		return nil, err
	}
	return sqlstore.New(ctx, db, d, opts)
}

func open(ctx context.Context, path string) (_ *Store, err error) {
	s := &Store{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	// One connection for writes: they wait for each other in Go, in turn and
	// heeding their contexts, instead of polling for SQLite's lock.
	s.writes, err = pool(path, 1, "_txlock=immediate", "_pragma=foreign_keys(1)", "_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	if err := useWAL(ctx, s.writes); err != nil {
		return nil, err
	}
	if s.reads, err = readPool(path); err != nil {
		return nil, err
	}
	s.Store, err = New(ctx, s.writes, &sqlstore.Options{Reads: s.reads})
	if err != nil {
		return nil, err
	}
	// A search of the log takes a connection for as long as it lasts.
	if s.logReads, err = readPool(path); err != nil {
		return nil, err
	}
	s.logWrites, s.log, err = openLog(ctx, path, &sqlstore.LogOptions{Reads: s.logReads})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// WriteLog implements [apikey.LogSink].
func (s *Store) WriteLog(ctx context.Context, entries []apikey.LogEntry) error {
	return s.log.WriteLog(ctx, entries)
}

// ReadLog implements [apikey.LogStore].
func (s *Store) ReadLog(ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	return s.log.ReadLog(ctx, q)
}

// Close closes the database.
func (s *Store) Close() error {
	var errs []error
	if s.Store != nil {
		errs = append(errs, s.Store.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	return errors.Join(append(errs, closeAll(s.reads, s.logReads, s.logWrites, s.writes))...)
}

// closeAll closes those that are there, in order. The last connection to close
// empties the WAL into the file, which those for reading may not.
func closeAll(handles ...*sql.DB) error {
	var errs []error
	for _, db := range handles {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// readPool returns a handle for reading. A connection has a cache of up to 8 MB:
// connections take turns at one lock to replace pages in theirs.
func readPool(path string) (*sql.DB, error) {
	return pool(path, max(4, 2*runtime.GOMAXPROCS(0)), "_pragma=query_only(1)", "_pragma=cache_size(-8000)")
}

// pool returns a handle of up to n connections, which stay open.
func pool(path string, n int, params ...string) (*sql.DB, error) {
	params = append(params, fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout.Milliseconds()))
	db, err := sql.Open("sqlite", dsn(path, params))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// dsn returns the URI of an absolute path, in which SQLite decodes what url.URL
// encodes.
func dsn(path string, params []string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/keys.db
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(params, "&")}).String()
}

// useWAL puts the file into WAL mode, where it stays. SQLite does not wait here
// for another process that does the same, so this asks again.
func useWAL(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	var mode string
	err := whileBusy(ctx, func() error {
		return db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
	})
	if err == nil && mode != "wal" {
		return fmt.Errorf("its journal mode stays %q: the file system or the file does not allow WAL", mode)
	}
	return err
}

// whileBusy calls do until ctx is done, as long as somebody else has the lock it needs.
func whileBusy(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY // whatever its extended code
}
