package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func TestMapLogKeepsTheContract(t *testing.T) {
	TestLog(t, func(*testing.T) apikey.LogStore { return &mapLog{} })
}

func TestMemoryLogKeepsTheContract(t *testing.T) {
	TestLog(t, func(*testing.T) apikey.LogStore { return apikey.NewMemoryLog(10_000) })
}

func TestLogRulesQuoteTheContract(t *testing.T) {
	for _, r := range logRules {
		assert.True(t, strings.HasSuffix(r.says, "."), "the rule %q quotes no full sentence: %q", r.name, r.says)
	}
}

// A mapLog keeps the contract in the plainest way, so that a rule that it breaks
// is a wrong rule.
type mapLog struct {
	mu      sync.Mutex
	entries map[string]apikey.LogEntry
}

func (l *mapLog) WriteLog(_ context.Context, entries []apikey.LogEntry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = map[string]apikey.LogEntry{}
	}
	for _, e := range entries {
		l.entries[e.ID] = e
	}
	return nil
}

func (l *mapLog) ReadLog(_ context.Context, q apikey.LogQuery) (page []apikey.LogEntry, next string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.Cursor != "" && len(q.Cursor) != len(logEntry(0).ID) || strings.Contains(q.Cursor, "z") {
		return nil, "", &apikey.FieldError{Field: "cursor", Problem: "no page has named this one"}
	}
	for id, e := range l.entries {
		if (q.Cursor == "" || id < q.Cursor) && selected(q, e) {
			page = append(page, e)
		}
	}
	slices.SortFunc(page, func(a, b apikey.LogEntry) int { return strings.Compare(b.ID, a.ID) })
	if len(page) > q.Limit {
		page, next = page[:q.Limit], page[q.Limit-1].ID
	}
	for i := range page {
		if !q.Bodies {
			page[i].Request.Text, page[i].Response.Text = "", ""
		}
	}
	return page, next, nil
}

// A logFault changes what a correct log does; nil functions change nothing.
type logFault struct {
	mapLog
	write func(log *mapLog, ctx context.Context, entries []apikey.LogEntry) error
	read  func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error)
}

func (f *logFault) WriteLog(ctx context.Context, entries []apikey.LogEntry) error {
	if f.write == nil {
		return f.mapLog.WriteLog(ctx, entries)
	}
	return f.write(&f.mapLog, ctx, entries)
}

func (f *logFault) ReadLog(ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	if f.read == nil {
		return f.mapLog.ReadLog(ctx, q)
	}
	return f.read(&f.mapLog, ctx, q)
}

// asks lets a log read what another query selects.
func asks(change func(q *apikey.LogQuery)) func() *logFault {
	return func() *logFault {
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			change(&q)
			return log.ReadLog(ctx, q)
		}}
	}
}

// keeps lets a log keep other entries than it is given.
func keeps(change func(n int, e *apikey.LogEntry)) func() *logFault {
	return func() *logFault {
		return &logFault{write: func(log *mapLog, ctx context.Context, entries []apikey.LogEntry) error {
			entries = slices.Clone(entries)
			for n := range entries {
				change(n, &entries[n])
			}
			return log.WriteLog(ctx, entries)
		}}
	}
}

// answers lets a log return other pages than it should.
func answers(change func(q apikey.LogQuery, page []apikey.LogEntry, next string) ([]apikey.LogEntry, string)) func() *logFault {
	return func() *logFault {
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			page, next, err := log.ReadLog(ctx, q)
			page, next = change(q, page, next)
			return page, next, err
		}}
	}
}

// A logFaultRow is one way to break the contract, and rules that notice.
type logFaultRow struct {
	fault string
	rules []string
	with  func() *logFault
}

var logFieldFaults = []logFaultRow{
	{"the reason is lost", []string{"Log keeps every field"}, keeps(func(_ int, e *apikey.LogEntry) { e.Reason = "" })},
	{"the time loses what is below a millisecond", []string{"Log keeps every field"}, keeps(func(_ int, e *apikey.LogEntry) { e.Time = e.Time.Truncate(time.Millisecond) })},
	{"an unknown length becomes none", []string{"Log keeps every field"}, keeps(func(_ int, e *apikey.LogEntry) { e.RequestBytes = max(0, e.RequestBytes) })},
	{"long texts are cut", []string{"Log keeps long texts and large batches"}, keeps(func(_ int, e *apikey.LogEntry) { e.Query = e.Query[:min(len(e.Query), 1000)] })},
	{"the request is the entry itself", []string{"Log keeps every field"}, keeps(func(_ int, e *apikey.LogEntry) { e.RequestID = e.ID })},
	{"of a large batch the end is lost", []string{"Log keeps long texts and large batches"}, func() *logFault {
		return &logFault{write: func(log *mapLog, ctx context.Context, entries []apikey.LogEntry) error {
			return log.WriteLog(ctx, entries[:min(len(entries), 1000)])
		}}
	}},
	{"an ID is kept twice", []string{"Log keeps each ID once"}, func() *logFault {
		return &logFault{write: func(log *mapLog, ctx context.Context, entries []apikey.LogEntry) error {
			entries = slices.Clone(entries)
			for n := range entries {
				if _, has := log.entries[entries[n].ID]; has {
					entries[n].ID = logID(entries[n].Time, 1_000_000+n)
				}
			}
			return log.WriteLog(ctx, entries)
		}}
	}},
	{"an ID that is there is an error", []string{"Log keeps each ID once"}, func() *logFault {
		return &logFault{write: func(log *mapLog, ctx context.Context, entries []apikey.LogEntry) error {
			for _, e := range entries {
				if _, has := log.entries[e.ID]; has {
					return fmt.Errorf("%s is there", e.ID)
				}
			}
			return log.WriteLog(ctx, entries)
		}}
	}},
	{"the batch is sorted in place", []string{"Log leaves entries alone"}, func() *logFault {
		return &logFault{write: func(log *mapLog, ctx context.Context, entries []apikey.LogEntry) error {
			slices.SortFunc(entries, func(a, b apikey.LogEntry) int { return strings.Compare(a.ID, b.ID) })
			return log.WriteLog(ctx, entries)
		}}
	}},
	{"the batch is kept for later", []string{"Log leaves entries alone"}, func() *logFault {
		var waiting [][]apikey.LogEntry
		return &logFault{
			write: func(_ *mapLog, _ context.Context, entries []apikey.LogEntry) error {
				waiting = append(waiting, entries)
				return nil
			},
			read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
				for _, entries := range waiting {
					_ = log.WriteLog(ctx, entries)
				}
				return log.ReadLog(ctx, q)
			},
		}
	}},
}

var logReadFaults = []logFaultRow{
	{"the oldest come first", []string{"Log is read newest first"}, answers(func(_ apikey.LogQuery, page []apikey.LogEntry, next string) ([]apikey.LogEntry, string) {
		slices.Reverse(page)
		return page, next
	})},
	{"of one moment, they come as they were written", []string{"Log is read newest first"}, answers(func(_ apikey.LogQuery, page []apikey.LogEntry, next string) ([]apikey.LogEntry, string) {
		slices.SortStableFunc(page, func(a, b apikey.LogEntry) int {
			if c := b.Time.Compare(a.Time); c != 0 {
				return c
			}
			return strings.Compare(a.ID, b.ID)
		})
		return page, next
	})},
	{"nothing is an error", []string{"Log of nothing is empty"}, func() *logFault {
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			page, next, err := log.ReadLog(ctx, q)
			if len(page) == 0 && err == nil {
				err = apikey.ErrNotFound
			}
			return page, next, err
		}}
	}},
	{"the ID is not looked at", []string{"Log selects by ID"}, asks(func(q *apikey.LogQuery) { q.ID = "" })},
	{"with an ID nothing else is looked at", []string{"Log selects by ID"}, asks(func(q *apikey.LogQuery) {
		if q.ID != "" {
			*q = apikey.LogQuery{ID: q.ID, Limit: q.Limit, Bodies: q.Bodies}
		}
	})},
	{"keys are trimmed", []string{"Log selects by key"}, asks(func(q *apikey.LogQuery) { q.KeyID = strings.TrimSpace(q.KeyID) })},
	{"outcomes are folded", []string{"Log selects by outcome"}, asks(func(q *apikey.LogQuery) { q.Outcome = apikey.Outcome(strings.ToLower(string(q.Outcome))) })},
	{"a negative status is none", []string{"Log selects by status"}, asks(func(q *apikey.LogQuery) { q.Status = max(0, q.Status) })},
	{"methods are folded", []string{"Log selects by method"}, asks(func(q *apikey.LogQuery) { q.Method = strings.ToUpper(q.Method) })},
	{"a path is a directory", []string{"Log selects by path"}, asks(func(q *apikey.LogQuery) {
		if q.Path != "" && q.Path != "/" {
			q.Path = strings.TrimSuffix(q.Path, "/") + "/"
		}
	})},
	{"% in a path is a wildcard", []string{"Log takes nothing in a path for a wildcard"}, asks(func(q *apikey.LogQuery) { q.Path, _, _ = strings.Cut(q.Path, "%") })},
	{"paths are mended", []string{"Log takes nothing in a path for a wildcard"}, asks(func(q *apikey.LogQuery) { q.Path = strings.ToValidUTF8(q.Path, "") })},
	{"From is the last moment before", []string{"Log selects by time"}, asks(func(q *apikey.LogQuery) {
		if !q.From.IsZero() {
			q.From = q.From.Add(time.Nanosecond)
		}
	})},
	{"To is included", []string{"Log selects by time"}, asks(func(q *apikey.LogQuery) {
		if !q.To.IsZero() {
			q.To = q.To.Add(time.Nanosecond)
		}
	})},
	{"times are of another place", []string{"Log selects by time"}, asks(func(q *apikey.LogQuery) {
		q.From = time.Date(q.From.Year(), q.From.Month(), q.From.Day(), q.From.Hour(), q.From.Minute(), q.From.Second(), q.From.Nanosecond(), time.UTC)
	})},
	{"one field is enough", []string{"Log selects by all fields at once"}, asks(func(q *apikey.LogQuery) {
		if q.KeyID != "" {
			*q = apikey.LogQuery{KeyID: q.KeyID, Limit: q.Limit, Cursor: q.Cursor}
		}
	})},
	{"bodies come unasked", []string{"Log leaves the texts of bodies out"}, asks(func(q *apikey.LogQuery) { q.Bodies = true })},
	{"bodies are left out altogether", []string{"Log leaves the texts of bodies out"}, answers(func(q apikey.LogQuery, page []apikey.LogEntry, next string) ([]apikey.LogEntry, string) {
		for i := range page {
			if !q.Bodies {
				page[i].Request, page[i].Response = apikey.LogBody{}, apikey.LogBody{}
			}
		}
		return page, next
	})},
}

var logPageFaults = []logFaultRow{
	{"a page begins with the last entry of the one before", []string{"Log turns pages while entries come"}, asks(func(q *apikey.LogQuery) {
		if len(q.Cursor) == 26 && q.Limit > 1 {
			q.Cursor = q.Cursor[:25] + "s"
		}
	})},
	{"a page skips one", []string{"Log turns pages while entries come"}, answers(func(_ apikey.LogQuery, page []apikey.LogEntry, next string) ([]apikey.LogEntry, string) {
		if next == "" || len(page) < 2 {
			return page, next
		}
		return page[:len(page)-1], next
	})},
	{"pages are counted from the newest", []string{"Log turns pages while entries come"}, func() *logFault {
		seen := map[string]int{}
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			skip := seen[q.Cursor]
			limit := q.Limit
			q.Cursor, q.Limit = "", skip+q.Limit
			page, next, err := log.ReadLog(ctx, q)
			if next != "" {
				seen[next] = skip + limit
			}
			return page[min(skip, len(page)):], next, err
		}}
	}},
	{"a page is filtered when it is full", []string{"Log turns pages of a selection"}, func() *logFault {
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			page, next, err := log.ReadLog(ctx, apikey.LogQuery{Limit: q.Limit, Cursor: q.Cursor, Bodies: q.Bodies})
			matching := slices.DeleteFunc(page, func(e apikey.LogEntry) bool { return !selected(q, e) })
			if len(matching) == 0 {
				next = ""
			}
			return matching, next, err
		}}
	}},
	{"an unknown cursor is none", []string{"Log refuses cursors that no page has named"}, asks(func(q *apikey.LogQuery) {
		if len(q.Cursor) != 26 {
			q.Cursor = ""
		}
	})},
	{"an unknown cursor is quoted", []string{"Log refuses cursors that no page has named"}, func() *logFault {
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			page, next, err := log.ReadLog(ctx, q)
			if err != nil {
				err = fmt.Errorf("the cursor %s: %w", q.Cursor, err)
			}
			return page, next, err
		}}
	}},
	{"an unknown cursor is any error", []string{"Log refuses cursors that no page has named"}, func() *logFault {
		return &logFault{read: func(log *mapLog, ctx context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
			page, next, err := log.ReadLog(ctx, q)
			if err != nil {
				err = errors.New("no page has named this cursor")
			}
			return page, next, err
		}}
	}},
	{"a limit is at most 100", []string{"Log heeds the limit"}, asks(func(q *apikey.LogQuery) { q.Limit = min(q.Limit, 100) })},
	{"a page has one more", []string{"Log heeds the limit"}, asks(func(q *apikey.LogQuery) { q.Limit++ })},
	{"a page mixes keys while others write", []string{"Log is written and read at once"}, asks(func(q *apikey.LogQuery) { q.KeyID = "" })},
}

func TestLogFaultsBreakTheirRules(t *testing.T) {
	var names, guarded []string
	for _, r := range logRules {
		names = append(names, r.name)
	}
	for _, row := range slices.Concat(logFieldFaults, logReadFaults, logPageFaults) {
		guarded = append(guarded, row.rules...)
		t.Run(row.fault, func(t *testing.T) {
			require.Subset(t, names, row.rules)
			assert.Equal(t, row.rules, failing(t, logRules, row.rules, func() apikey.LogStore { return row.with() }))
		})
	}
	assert.Subset(t, guarded, names, "a rule that no fault breaks may guard nothing")
}
