package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

const maxLogPage = 1000

// AccessLog returns the entries of the access log that q selects, the newest
// first, and where the next page begins, empty at the end. A zero Limit means 50, and
// the most is 1,000. The error wraps [errors.ErrUnsupported] where the log cannot be
// read, or is a [FieldError]. An entry is there within 200 milliseconds of the end of its
// request, or later where the sink is slow or fails, see [Authority.LogStats].
//
// Whoever may call this sees what all keys have done: the Authority does not
// judge the reader.
func (a *Authority) AccessLog(ctx context.Context, q LogQuery) (entries []LogEntry, next string, err error) {
	logs, ok := a.opts.Log.Sink.(LogStore)
	if !ok {
		return nil, "", fmt.Errorf("apikey: there is no access log that can be read: %w", errors.ErrUnsupported)
	}
	setDefault(&q.Limit, defaultPage)
	if q.Limit < 0 || q.Limit > maxLogPage {
		problem := fmt.Sprintf("must be from 1 to %d, or 0 for the default", maxLogPage)
		return nil, "", &FieldError{Field: "limit", Problem: problem}
	}
	if q.Outcome != "" && !slices.Contains(Outcomes(), q.Outcome) {
		return nil, "", &FieldError{Field: "outcome", Problem: fmt.Sprintf("must be one of %q", Outcomes())}
	}
	return logs.ReadLog(ctx, q)
}

// LogStats are counts since the Authority was made. Stored and Dropped and
// Waiting together are Accepted.
type LogStats struct {
	Accepted int64 // entries that were to be kept
	Stored   int64 // entries that the sink has acknowledged
	Dropped  int64 // entries lost, since what waited was too much
	Waiting  int64 // entries not yet acknowledged
	// WaitingBytes is what those that wait hold in memory.
	WaitingBytes int64
	// Failing says that the last write failed and will be tried again.
	Failing bool
}

// LogStats returns how the access log fares.
func (a *Authority) LogStats() LogStats {
	if a.recorder == nil {
		return LogStats{}
	}
	return a.recorder.statistics()
}
