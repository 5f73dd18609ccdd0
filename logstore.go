package apikey

import (
	"context"
	"strings"
	"time"
)

// A LogSink keeps the access log. An [Authority] calls it from one goroutine,
// with what was recorded since the call before.
//
// WriteLog keeps all of entries, of which there are up to 500, in any order. Where it
// returns an error, some may be missing: it is called again with the same ones, and
// keeps each ID once. It neither changes entries nor uses the slice after it has
// returned. Its ctx ends after 4 seconds. A slow one makes no request wait, but fills
// memory, see [LogOptions]; where the log is required, requests are refused while a
// write takes over a second. A panic is an error.
type LogSink interface {
	WriteLog(ctx context.Context, entries []LogEntry) error
}

// A LogStore is a [LogSink] that can be read.
//
// ReadLog returns what q selects, the newest first, and where the next page
// begins: empty at the end. It may return fewer than q.Limit entries, or none,
// and yet have a next page, where it has looked at many entries and found few.
type LogStore interface {
	LogSink
	ReadLog(ctx context.Context, q LogQuery) (entries []LogEntry, next string, err error)
}

// A LogQuery selects entries from a [LogStore]. Zero fields select all; an entry
// must meet each of the others.
type LogQuery struct {
	// ID selects the one entry of that ID.
	ID      string
	KeyID   string
	Outcome Outcome
	Status  int
	Method  string
	// Path is a prefix of the entry's path, byte for byte.
	Path string
	// From is the first moment, and To the first one after.
	From, To time.Time
	// Cursor is where a page before said that this one begins. Any other is a
	// [FieldError].
	Cursor string
	// Limit is the most entries to return. Stores get at least 1; AccessLog takes 0
	// for 50.
	Limit int
	// Bodies asks for the texts of bodies, which are left out otherwise.
	Bodies bool
}

// Matches reports whether q selects the entry, whatever page it is on. It is for those
// who implement [LogStore], and has the last word where a database takes texts for
// equal that are not, byte for byte.
func (q *LogQuery) Matches(e *LogEntry) bool {
	return (q.ID == "" || e.ID == q.ID) &&
		(q.KeyID == "" || e.KeyID == q.KeyID) &&
		(q.Outcome == "" || e.Outcome == q.Outcome) &&
		(q.Status == 0 || e.Status == q.Status) &&
		(q.Method == "" || e.Method == q.Method) &&
		strings.HasPrefix(e.Path, q.Path) &&
		!e.Time.Before(q.From) &&
		(q.To.IsZero() || e.Time.Before(q.To))
}
