package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A Log keeps the access log in tables of a SQL database, that of the keys or
// another. It is safe for concurrent use, by any number of processes on one
// database too.
//
// What WriteLog reports as done is committed, and as durable as the database
// commits. An entry's time is that in its ID, in microseconds. Errors wrap the
// driver's. Each method ends soon after its context does, as far as the driver heeds
// it.
//
// From the first call of WriteLog until Close, entries that [LogOptions] keep no
// longer are removed in the background. A log that is only read loses nothing.
// The tables are the log's alone: of rows that others remove it would not know.
type Log struct {
	db      *sql.DB
	reads   *sql.DB
	dialect Dialect
	prefix  string
	text    logStatements
	series  seriesTable
	trimmer trimmer
}

var _ apikey.LogStore = (*Log)(nil)

// LogOptions changes how a [Log] uses its database. The zero value is the
// default.
type LogOptions struct {
	// Prefix is that of [Options].
	Prefix string
	// MaxAge is how long entries are kept, give or take two minutes. -1: for
	// ever. Default: 30 days.
	MaxAge time.Duration
	// MaxBytes is how much is kept, the oldest entries going first: the lengths
	// of an entry's texts and bodies, and 100 bytes for the rest of it. In the
	// database they take up to twice as much, and as bodies hardly more; in InnoDB,
	// where a long text has pages to itself, up to four times as much. Each process
	// that writes may exceed it by a 64th before the oldest are removed. -1: no bound.
	// Default: 1 GiB.
	MaxBytes int64
	// Reads is a second handle to the same database, for ReadLog. Nil: the first
	// handle does everything.
	Reads *sql.DB
	// Logger is told where entries that should go cannot be removed, once a
	// minute at most. Default: slog.Default().
	Logger *slog.Logger
}

func (o *LogOptions) withDefaults(db *sql.DB) {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.MaxAge == 0 {
		o.MaxAge = 30 * 24 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.Reads == nil {
		o.Reads = db
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// validate reports every mistake.
func (o *LogOptions) validate() error {
	var errs []error
	if !validPrefix.MatchString(o.Prefix) {
		errs = append(errs, fmt.Errorf("sqlstore: the prefix %q is not of at most 30 lower-case letters, digits and "+
			"underscores, the first a letter", o.Prefix))
	}
	if o.MaxAge < -1 {
		errs = append(errs, fmt.Errorf("sqlstore: LogOptions.MaxAge is %v; legal is a positive time, 0 for the default "+
			"or -1 for ever", o.MaxAge))
	}
	if o.MaxBytes < -1 {
		errs = append(errs, fmt.Errorf("sqlstore: LogOptions.MaxBytes is %d; legal is a positive number, 0 for the "+
			"default or -1 for no bound", o.MaxBytes))
	}
	return errors.Join(errs...)
}

// NewLog returns a log over db, having brought its tables up to date, as [New]
// does those of keys. A nil opts is the default.
//
// Handles stay the caller's, who closes them after the log.
func NewLog(ctx context.Context, db *sql.DB, dialect Dialect, opts *LogOptions) (*Log, error) {
	var o LogOptions
	if opts != nil {
		o = *opts
	}
	o.withDefaults(db)
	if err := o.validate(); err != nil {
		return nil, err
	}
	if dialect.LogMigrations == nil {
		return nil, fmt.Errorf("sqlstore: in %s, this package keeps no access log", dialect.Name)
	}
	m := migrator{db: db, dialect: dialect, prefix: o.Prefix, series: "log", files: dialect.LogMigrations}
	if err := m.migrate(ctx); err != nil {
		return nil, err
	}
	l := &Log{db: db, reads: o.Reads, dialect: dialect, prefix: o.Prefix}
	l.trimmer.maxAge, l.trimmer.maxBytes, l.trimmer.logger = o.MaxAge, o.MaxBytes, o.Logger
	l.trimmer.look = make(chan struct{}, 1)
	l.text = l.statements()
	return l, nil
}

// Close ends the removal of entries in the background, having waited for a step
// that is in progress. WriteLog fails afterwards. It does not close the handles.
func (l *Log) Close() error {
	l.trimmer.close()
	return nil
}

func (l *Log) spell(statement string) string { return l.dialect.spell(l.prefix, statement) }

// logStatements are the texts of what a log sends, spelt in its dialect, but for
// those that depend on what is written or asked for.
type logStatements struct {
	series, insertSeries                string
	has, grow                           string
	total, oldest                       string
	dropBodies, dropEntries, dropPlaces string
	nth                                 string
}

func (l *Log) statements() logStatements {
	return logStatements{
		series: l.spell(`SELECT id, outcome, reason, status, method, route, permission, action
			FROM apikey_log_series WHERE id >= ? ORDER BY id`),
		insertSeries: l.spell(`INSERT INTO apikey_log_series (
			id, outcome, reason, status, method, route, permission, action) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),

		has:  l.spell(`SELECT 1 FROM apikey_log WHERE id = ?`),
		grow: l.spell(`UPDATE apikey_log_size SET bytes = bytes + ? WHERE id = 1`),

		total:       l.spell(`SELECT bytes FROM apikey_log_size`),
		oldest:      l.spell(`SELECT id, bytes FROM apikey_log ORDER BY id LIMIT ?`),
		dropBodies:  l.spell(`DELETE FROM apikey_log_bodies WHERE id <= ?`),
		dropEntries: l.spell(`DELETE FROM apikey_log WHERE id <= ?`),
		dropPlaces:  l.spell(`DELETE FROM apikey_log_slots WHERE slot < ?`),

		nth: l.spell(`SELECT id FROM apikey_log WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?`),
	}
}
