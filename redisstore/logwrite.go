package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// What one script writes at most, so that Redis, which does nothing else
// meanwhile, answers lookups again within a few milliseconds. It has room for what
// an [apikey.Authority] writes at once, if its bodies are not long.
const (
	maxLogRows  = 500
	maxLogBytes = 1 << 20
)

// WriteLog implements [apikey.LogSink]. Up to 500 entries, or 1 MiB, are written by
// one script, which is applied as a whole or not at all, more by several: after an
// error some of these may be kept.
//
// An ID that is not of the form of an [apikey.Authority]'s is an error, and
// nothing is kept then.
func (s *Store) WriteLog(ctx context.Context, entries []apikey.LogEntry) error {
	const doing = "writing the log"
	rows := make([]logRow, len(entries))
	for i := range entries {
		id, err := parseLogID(entries[i].ID)
		if err != nil {
			return fmt.Errorf("redisstore: %s: entry %d: %w", doing, i, err)
		}
		rows[i] = logRow{id, &entries[i]}
	}
	slices.SortStableFunc(rows, func(a, b logRow) int { return cmp.Compare(a.id, b.id) })
	rows = slices.CompactFunc(rows, func(a, b logRow) bool { return a.id == b.id })
	for len(rows) > 0 {
		args, n := s.logBatch(rows)
		if err := logScript.Run(ctx, s.client, []string{s.log, s.bodies}, args...).Err(); err != nil {
			return failed(doing, err)
		}
		rows = rows[n:]
	}
	return nil
}

// A logRow is an entry on its way to Redis.
type logRow struct {
	id    logID
	entry *apikey.LogEntry
}

// logBatch returns the arguments of a script that writes the first n of the rows.
func (s *Store) logBatch(rows []logRow) (args []any, n int) {
	keepFrom := firstLogID(time.Time{})
	if s.logs.MaxAge >= 0 {
		keepFrom = firstLogID(time.Now().Add(-s.logs.MaxAge))
	}
	args = append(make([]any, 0, 2+2*min(len(rows), maxLogRows)), s.logs.MaxBytes, string(keepFrom))
	for bytes := 0; n < len(rows) && n < maxLogRows && bytes < maxLogBytes; n++ {
		member, texts := encodeLog(rows[n].id, rows[n].entry)
		args = append(args, member, texts)
		bytes += len(member) + len(texts)
	}
	return args, n
}
