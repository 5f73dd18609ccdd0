package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// trimRows is the most entries that one transaction removes.
	trimRows = 1000
	// trimPause is the least time between two transactions of a Trim. SQLite's
	// writers in other processes look for their turn every few milliseconds.
	trimPause = 10 * time.Millisecond
)

// Trim removes the entries that [LogOptions] keep no longer, up to 1,000 in each
// transaction, and pauses after each for as long as it took: writers wait for
// one of them at most. It ends when nothing is left to remove, or with ctx.
//
// The space that entries leave is used by later ones. A file of SQLite's does not
// shrink; it is as large as the log was at most.
func (l *Log) Trim(ctx context.Context) error {
	for {
		began := time.Now()
		more, err := l.trimStep(ctx)
		if err != nil {
			return fmt.Errorf("sqlstore: trimming the log: %w", err)
		}
		if !more {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sqlstore: trimming the log: %w", ctx.Err())
		case <-time.After(max(time.Since(began), trimPause)):
		}
	}
}

// trimStep removes some entries, and reports whether there may be more to remove.
func (l *Log) trimStep(ctx context.Context) (more bool, err error) {
	// Most of the time there is nothing to do, and that needs no lock.
	due, err := l.expired(ctx, l.db, 1)
	if err != nil || due.nothing() {
		return false, err
	}
	err = l.dialect.inTx(ctx, l.db, func(tx *sql.Tx) error {
		// Others who trim wait here, and so do commits of who writes: nothing comes
		// or goes between what is counted now and what is deleted.
		if _, err := tx.ExecContext(ctx, l.text.grow, 0); err != nil {
			return err
		}
		var err error
		if due, err = l.expired(ctx, tx, trimRows); err != nil || due.nothing() {
			return err
		}
		return l.drop(ctx, tx, due)
	})
	return due.entries == trimRows, err
}

// An expiry is what has to go: the oldest entries, up to last.
type expiry struct {
	entries int
	bytes   int64
	last    logID
}

func (e expiry) nothing() bool { return e.entries == 0 && e.bytes == 0 }

// expired returns what has to go of the most oldest entries.
func (l *Log) expired(ctx context.Context, db querier, most int) (due expiry, err error) {
	total, err := l.total(ctx, db)
	if err != nil {
		return due, err
	}
	rows, err := db.QueryContext(ctx, l.text.oldest, most)
	if err != nil {
		return due, err
	}
	defer rows.Close()
	keepFrom, kept := l.trimmer.keepFrom(time.Now()), false
	for rows.Next() && !kept {
		var id sql.RawBytes
		var bytes int64
		if err := rows.Scan(&id, &bytes); err != nil {
			return due, err
		}
		var at logID
		copy(at[:], id)
		if kept = at.compare(keepFrom) >= 0 && !l.trimmer.tooMuch(total-due.bytes); !kept {
			due = expiry{due.entries + 1, due.bytes + bytes, at}
		}
	}
	if !kept && due.entries < most {
		// The log will be empty. Where others have deleted from it, the total was
		// not told, and without this every entry would be one too many for ever.
		due.bytes = total
	}
	return due, rows.Err()
}

// total returns what all entries count for.
func (l *Log) total(ctx context.Context, db querier) (total int64, err error) {
	rows, err := db.QueryContext(ctx, l.text.total)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&total); err != nil {
			return 0, err
		}
	}
	return total, rows.Err()
}

func (l *Log) drop(ctx context.Context, tx *sql.Tx, due expiry) error {
	for _, step := range []struct {
		statement string
		parameter any
	}{
		{l.text.dropBodies, due.last[:]},
		{l.text.dropEntries, due.last[:]},
		{l.text.dropPlaces, due.last.slot()}, // its own slot may have later ones
		{l.text.grow, -due.bytes},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.parameter); err != nil {
			return err
		}
	}
	return nil
}
