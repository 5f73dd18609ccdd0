package sqlstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

var errLogCursor = &apikey.FieldError{Field: "cursor", Problem: "is not one that a page of the access log has named"}

// logRange returns the first ID that may be selected and the first one behind
// all of them.
func logRange(q *apikey.LogQuery) (lo, hi logID, err error) {
	if q.Limit < 1 {
		return lo, hi, fmt.Errorf("the limit is %d; legal is 1 or more", q.Limit)
	}
	for i := range hi {
		hi[i] = 0xff
	}
	before := func(id logID) {
		if id.compare(hi) < 0 {
			hi = id
		}
	}
	if q.Cursor != "" {
		cursor, err := parseLogID(q.Cursor)
		if err != nil {
			return lo, hi, errLogCursor // which may be a key that was put in the wrong place
		}
		before(cursor)
	}
	if !q.From.IsZero() {
		lo = firstLogID(q.From)
	}
	if !q.To.IsZero() {
		before(firstLogID(q.To))
	}
	if q.ID == "" {
		return lo, hi, nil
	}
	id, err := parseLogID(q.ID)
	if err != nil {
		return lo, lo, nil //nolint:nilerr // no entry has such an ID
	}
	if id.compare(lo) >= 0 {
		lo = id
		before(id.next())
	} else {
		hi = lo
	}
	return lo, hi, nil
}

// logConditions returns what a row must meet, apart from its ID, to be worth
// reading. What it leaves open, matches decides. Nil series are all of them.
func logConditions(q *apikey.LogQuery, series []int64) (where string, args []any) {
	if series != nil {
		where += " AND l.series IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(series)), ", ") + ")"
		for _, id := range series {
			args = append(args, id)
		}
	}
	if q.KeyID != "" {
		where += " AND l.key_id = ?"
		args = append(args, q.KeyID)
	}
	if q.Method != "" && !slices.Contains(seriesMethods, q.Method) {
		where += " AND l.method = ?"
		args = append(args, storable(q.Method))
	}
	if q.Path != "" {
		// The database counts, some characters and some bytes; and no LIKE, which has
		// wildcards and, in some, no eye for letter case.
		prefix, _, _ := strings.Cut(storable(q.Path), "\uFFFD")
		where += " AND substr(l.path, 1, length(?)) = ?"
		args = append(args, prefix, prefix)
	}
	return where, args
}

// statement selects rows from an ID on and before another, the newest first. The
// limit is part of the text: SQLite plans a statement anew each time that a limit
// is bound to it.
func (r *logReader) statement() string {
	selection := logSelection
	if r.q.Bodies {
		selection += bodySelection
	}
	return "SELECT " + selection + " FROM apikey_log l LEFT JOIN apikey_log_bodies b ON b.id = l.id" +
		" WHERE l.id >= ? AND l.id < ?" + r.where + " ORDER BY l.id DESC LIMIT " + strconv.Itoa(r.limit())
}
