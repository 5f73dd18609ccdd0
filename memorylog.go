package apikey

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// A MemoryLog is a [LogStore] that keeps the newest entries in memory: for tests,
// and for servers that keep their keys there too. [NewMemoryLog] makes one, which is safe
// for concurrent use.
type MemoryLog struct {
	most int

	mu      sync.RWMutex
	entries []LogEntry // by ID
}

var _ LogStore = (*MemoryLog)(nil)

// NewMemoryLog returns an empty log that keeps up to n entries, the newest ones.
// It panics if n is less than 1.
func NewMemoryLog(n int) *MemoryLog {
	if n < 1 {
		panic("apikey: NewMemoryLog: room for at least one entry is needed")
	}
	return &MemoryLog{most: n}
}

// WriteLog implements [LogSink].
func (l *MemoryLog) WriteLog(ctx context.Context, entries []LogEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entries...)
	slices.SortStableFunc(l.entries, func(a, b LogEntry) int { return strings.Compare(a.ID, b.ID) })
	l.entries = slices.CompactFunc(l.entries, func(a, b LogEntry) bool { return a.ID == b.ID })
	l.entries = slices.Delete(l.entries, 0, max(0, len(l.entries)-l.most))
	return nil
}

// ReadLog implements [LogStore].
func (l *MemoryLog) ReadLog(ctx context.Context, q LogQuery) (entries []LogEntry, next string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if q.Cursor != "" && !isLogID(q.Cursor) {
		return nil, "", &FieldError{Field: "cursor", Problem: "is not one that a page of the access log has named"}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	limit := max(q.Limit, 1)
	for _, e := range slices.Backward(l.entries) {
		if q.Cursor != "" && e.ID >= q.Cursor || !q.Matches(&e) {
			continue
		}
		if len(entries) == limit {
			return entries, entries[limit-1].ID, nil
		}
		if !q.Bodies {
			e.Request.Text, e.Response.Text = "", ""
		}
		entries = append(entries, e)
	}
	return entries, "", nil
}

// isLogID reports whether a text has the form of an entry's ID.
func isLogID(text string) bool {
	_, err := idEncoding.DecodeString(text)
	return err == nil && len(text) == len(bootstrapID)
}
