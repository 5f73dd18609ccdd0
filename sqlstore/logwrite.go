package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

// What one transaction writes at most, so that others who write to the database
// do not wait long.
const (
	maxBatchRows  = 1000
	maxBatchBytes = 8 << 20
)

// WriteLog implements [apikey.LogSink]. Up to 1,000 entries are written in one
// transaction, more in several: after an error some of these may be kept.
//
// An ID that is not of the form of an [apikey.Authority]'s is an error, and
// nothing is kept then.
func (l *Log) WriteLog(ctx context.Context, entries []apikey.LogEntry) error {
	err := l.writeLog(ctx, entries)
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err) // a transaction that is undone beneath a statement says what it sees
	}
	return fmt.Errorf("sqlstore: writing the log: %w", err)
}

func (l *Log) writeLog(ctx context.Context, entries []apikey.LogEntry) error {
	if err := l.trimmer.start(l); err != nil {
		return err
	}
	rows := make([]logRow, len(entries))
	for i := range entries {
		id, err := parseLogID(entries[i].ID)
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		rows[i] = logRow{id: id, entry: &entries[i]}
	}
	// What is known of the series may be of a database that another has replaced.
	if err := l.loadSeries(ctx, l.db); err != nil {
		return err
	}
	for i := range rows {
		var err error
		if rows[i].series, rows[i].rest, err = l.seriesFor(ctx, rows[i].entry); err != nil {
			return err
		}
	}
	for len(rows) > 0 {
		n, bytes := firstBatch(rows)
		if err := l.writeBatch(ctx, rows[:n]); err != nil {
			return err
		}
		l.trimmer.wrote(bytes)
		rows = rows[n:]
	}
	return nil
}

// firstBatch returns how many of the rows go into one transaction, and what they
// count for.
func firstBatch(rows []logRow) (n int, bytes int64) {
	for n < len(rows) && n < maxBatchRows && bytes < maxBatchBytes {
		bytes += rows[n].bytes()
		n++
	}
	return n, bytes
}

// writeBatch writes the rows whose IDs are not there yet: the transaction of an
// earlier call may have been committed though the call failed.
func (l *Log) writeBatch(ctx context.Context, rows []logRow) error {
	repeated := false
	return l.dialect.inTx(ctx, l.db, func(tx *sql.Tx) error {
		rows := rows
		if repeated {
			var err error
			if rows, err = l.missing(ctx, tx, rows); err != nil {
				return err
			}
		}
		err := l.insertBatch(ctx, tx, rows)
		if err != nil && l.dialect.IsUnique(err) {
			repeated = true
			return errOvertaken
		}
		return err
	})
}

func (l *Log) insertBatch(ctx context.Context, tx *sql.Tx, rows []logRow) error {
	entries := l.inserter(tx, "apikey_log", logColumns)
	bodies := l.inserter(tx, "apikey_log_bodies", bodyColumns)
	slots := l.inserter(tx, "apikey_log_slots", slotColumns)
	defer entries.close()
	defer bodies.close()
	defer slots.close()
	bytes := int64(0)
	for i := range rows {
		bytes += rows[i].bytes()
		if err := entries.add(ctx, rows[i].values); err != nil {
			return err
		}
	}
	for i := range rows {
		if !rows[i].hasBodies() {
			continue
		}
		if err := bodies.add(ctx, rows[i].bodies); err != nil {
			return err
		}
	}
	batch := rand.Int64N(math.MaxInt32) //nolint:gosec // tells rows apart; no secret
	for _, place := range places(rows) {
		values := func(to []any) []any { return append(to, place.slot, place.term, batch) }
		if err := slots.add(ctx, values); err != nil {
			return err
		}
	}
	for _, in := range []*inserter{entries, bodies, slots} {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	// Last, for all who write wait for this row.
	_, err := tx.ExecContext(ctx, l.text.grow, bytes)
	return err
}

// missing returns those rows whose IDs are not in the log, each once.
func (l *Log) missing(ctx context.Context, tx *sql.Tx, rows []logRow) ([]logRow, error) {
	// A statement that writes comes first, see inTx.
	if _, err := tx.ExecContext(ctx, l.text.grow, 0); err != nil {
		return nil, err
	}
	has, err := tx.PrepareContext(ctx, l.text.has)
	if err != nil {
		return nil, err
	}
	defer func() { _ = has.Close() }() // the transaction closes it too
	var absent []logRow
	seen := make(map[logID]bool, len(rows))
	for _, row := range rows {
		if seen[row.id] {
			continue
		}
		seen[row.id] = true
		var one int
		err := has.QueryRowContext(ctx, row.id[:]).Scan(&one)
		if missing(err) {
			absent = append(absent, row)
		} else if err != nil {
			return nil, err
		}
	}
	return absent, nil
}

// places returns where the rows' series and keys occur.
func places(rows []logRow) []place {
	set := map[place]struct{}{}
	terms := map[string]int64{}
	for i := range rows {
		slot, keyID := rows[i].id.slot(), storable(rows[i].entry.KeyID)
		set[place{slot, rows[i].series}] = struct{}{}
		if keyID == "" {
			continue
		}
		term, known := terms[keyID]
		if !known {
			term = keyTerm(keyID)
			terms[keyID] = term
		}
		set[place{slot, term}] = struct{}{}
	}
	list := make([]place, 0, len(set))
	for p := range set {
		list = append(list, p)
	}
	// In the order of the table, for which databases are quicker.
	slices.SortFunc(list, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.slot, b.slot), cmp.Compare(a.term, b.term))
	})
	return list
}
