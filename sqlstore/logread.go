package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// How long ReadLog looks for entries before it returns a page that is not full:
// at least so often, and then until so much time has passed.
const (
	minLooks = 4
	readFor  = 100 * time.Millisecond
)

// A querier is a [sql.DB], a [sql.Conn] or a [sql.Tx].
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// ReadLog implements [apikey.LogStore]. It ends its search after some hundred
// thousand entries, or a tenth of a second if that is more, and says where to go
// on.
//
// Entries have the order of their times, and are committed a moment later, those of
// several processes in any order. Pages that follow each other have what was
// committed before they were read: an entry that comes in late among those of
// earlier pages is seen when these are read again.
//
// A selection by key, outcome, status, method or path, as far as that tells the route,
// only looks where in time such entries are. Parts of the log that have them all,
// though in no entry together, are searched entry by entry, and so are those that match
// the path's route and not its rest.
func (l *Log) ReadLog(ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	entries, next, err := l.readLog(ctx, q)
	if err != nil {
		return nil, "", fmt.Errorf("sqlstore: reading the log: %w", err)
	}
	return entries, next, nil
}

func (l *Log) readLog(ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	lo, hi, err := logRange(&q)
	if err != nil {
		return nil, "", err
	}
	if lo.compare(hi) >= 0 || q.KeyID != storable(q.KeyID) {
		return nil, "", nil
	}
	// One connection for all: a prepared statement is one connection's.
	conn, err := l.reads.Conn(ctx)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = conn.Close() }() // it returns to the pool, or is discarded already
	if err := l.loadSeries(ctx, conn); err != nil {
		return nil, "", err
	}
	series, all := l.series.holding(&q)
	if len(series) == 0 && !all {
		return nil, "", nil
	}
	if all {
		series = nil
	}
	r := &logReader{log: l, conn: conn, q: q, lo: lo, hi: hi}
	r.where, r.args = logConditions(&q, series)
	r.finder = l.finder(conn, &q, series)
	defer r.finder.close()
	return r.page(ctx)
}

// A logReader makes one page.
type logReader struct {
	log    *Log
	conn   *sql.Conn
	q      apikey.LogQuery
	finder *slotFinder // nil: nothing tells where to look

	lo, hi logID // what has still to be looked at: from lo on, and before hi
	where  string
	args   []any
	look   *prepared

	entries []apikey.LogEntry
}

// page looks at one part of the log after the other, from the newest on, until
// the page is full.
func (r *logReader) page(ctx context.Context) ([]apikey.LogEntry, string, error) {
	text := r.log.spell(r.statement())
	var err error
	if r.look, err = r.log.dialect.prepare(ctx, r.conn, text); err != nil {
		return nil, "", err
	}
	defer func() { _ = r.look.close() }() // the connection's end ends it too
	began := time.Now()
	for looks := 0; r.lo.compare(r.hi) < 0; looks++ {
		if looks >= minLooks && time.Since(began) > readFor {
			return r.entries, r.hi.String(), nil
		}
		from, to, err := r.part(ctx)
		if err != nil {
			return nil, "", err
		}
		full, err := r.read(ctx, from, to)
		if err != nil {
			return nil, "", err
		}
		if full {
			return r.entries, r.entries[len(r.entries)-1].ID, nil
		}
		r.hi = from
	}
	return r.entries, "", nil
}

// partRows is how many entries are looked at in one go where nothing tells which.
const partRows = 5000

// part returns the next part of the log to look at.
func (r *logReader) part(ctx context.Context) (from, to logID, err error) {
	if r.finder != nil {
		return r.finder.part(ctx, r.lo, r.hi)
	}
	if r.where == "" {
		return r.lo, r.hi, nil
	}
	from = r.lo
	var nth sql.RawBytes
	rows, err := r.conn.QueryContext(ctx, r.log.text.nth, r.lo[:], r.hi[:], partRows-1)
	if err != nil {
		return from, to, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&nth); err != nil {
			return from, to, err
		}
		copy(from[:], nth)
	}
	return from, r.hi, rows.Err()
}

// read adds the entries from an ID on and before another to the page, and
// reports whether there are more than it holds.
func (r *logReader) read(ctx context.Context, from, to logID) (full bool, err error) {
	for from.compare(to) < 0 {
		rows, err := r.query(ctx, from, to)
		if err != nil {
			return false, err
		}
		for i := range rows {
			if !r.q.Matches(rows[i].entry) {
				continue
			}
			if len(r.entries) == r.q.Limit {
				return true, nil
			}
			r.entries = append(r.entries, *rows[i].entry)
		}
		if len(rows) < r.limit() {
			break
		}
		to = rows[len(rows)-1].id
	}
	return false, nil
}

// limit returns how many rows to ask for: one tells whether there is a next page.
func (r *logReader) limit() int { return r.q.Limit + 1 }

// query returns up to limit rows of which the database says that they match.
func (r *logReader) query(ctx context.Context, from, to logID) ([]logRow, error) {
	rows, err := r.look.query(ctx, append([]any{from[:], to[:]}, r.args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []logRow
	for rows.Next() {
		row, err := scanEntry(rows, r.q.Bodies)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return list, r.log.fillSeries(ctx, r.conn, list)
}
