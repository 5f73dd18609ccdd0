package apikeytest

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// TestLog checks that a log keeps the contract of [apikey.LogStore].
//
// Each rule is a subtest with a log of its own, which open must return empty and
// may close in t.Cleanup; it must have room for 5,000 entries and 8 MiB, and keep
// entries however old they are. A failure quotes the rule. The entries that the
// suite writes are such as an [apikey.Authority] writes: an ID of its form, which
// has the entry's time, and texts that are valid UTF-8 without NUL.
//
// Run it with the race detector: some rules are about concurrent use.
func TestLog(t *testing.T, open func(t *testing.T) apikey.LogStore) {
	t.Helper()
	run(t, logRules, open)
}

// logIDs is how an authority spells the IDs of entries.
var logIDs = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// logID returns the nth ID of the entries at a time.
func logID(at time.Time, n int) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixNano()))
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return logIDs.EncodeToString(id[:])
}

// logEntry returns the nth of a series of entries that are a millisecond apart:
// requests that were allowed.
func logEntry(n int) apikey.LogEntry {
	return logEntryAt(epoch.Add(time.Duration(n)*time.Millisecond), n)
}

func logEntryAt(at time.Time, n int) apikey.LogEntry {
	id := logID(at, n)
	return apikey.LogEntry{
		ID: id, Time: at, RequestID: id, KeyID: "key1", Outcome: apikey.OutcomeAllowed,
		Method: "GET", Path: fmt.Sprint("/api/jobs/", n), Route: "/api/jobs/{id}", Query: "count=2",
		Permission: "jobs:view", Status: 200, RequestBytes: 0, ResponseBytes: int64(n), Duration: 1234 * time.Microsecond,
		Client: "192.0.2.1",
	}
}

// fullLogEntry returns an entry in which every field is set.
func fullLogEntry(n int) apikey.LogEntry {
	e := logEntry(n)
	e.RequestID = logID(epoch.Add(-time.Hour), n)
	e.Outcome, e.Reason = apikey.OutcomeDenied, string(apikey.ErrForbidden)
	e.Fingerprint = "0123456789abcdef"
	e.RequestBytes, e.ResponseBytes = 1<<40, 1<<41
	e.Request = apikey.LogBody{Text: "{\n\t\"a\": 1}", Type: "application/json", Truncated: true, Omitted: "the rest"}
	e.Response = apikey.LogBody{Text: "größer\n", Type: "text/plain", Truncated: true, Omitted: "something"}
	e.Actor, e.Action, e.Detail, e.Lost = "key2", apikey.ActionUpdate, "name, permissions", 17
	return e
}

// writeLog writes entries in batches of so many.
func writeLog(ctx context.Context, log apikey.LogStore, batch int, entries ...apikey.LogEntry) error {
	for len(entries) > 0 {
		n := min(batch, len(entries))
		if err := log.WriteLog(ctx, entries[:n]); err != nil {
			return fmt.Errorf("WriteLog of %d entries: %w", n, err)
		}
		entries = entries[n:]
	}
	return nil
}

// readPage returns a page, of which it checks the length.
func readPage(ctx context.Context, log apikey.LogStore, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	page, next, err := log.ReadLog(ctx, q)
	if err != nil {
		return nil, "", fmt.Errorf("ReadLog of %s: %w", queryText(q), err)
	}
	if len(page) > q.Limit {
		return nil, "", fmt.Errorf("ReadLog of %s returned %d entries", queryText(q), len(page))
	}
	return page, next, nil
}

// maxPages is far above what a log has that makes progress.
const maxPages = 1000

// readPages returns the entries of all pages.
func readPages(ctx context.Context, log apikey.LogStore, q apikey.LogQuery) ([]apikey.LogEntry, error) {
	var all []apikey.LogEntry
	for range maxPages {
		page, next, err := readPage(ctx, log, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		q.Cursor = next
	}
	return nil, fmt.Errorf("ReadLog of %s has a next page after %d pages", queryText(q), maxPages)
}

// selects checks which entries a query selects. What is wanted is in the order of
// time.
func selects(ctx context.Context, log apikey.LogStore, q apikey.LogQuery, want []apikey.LogEntry) error {
	got, err := readPages(ctx, log, q)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("ReadLog of %s returned %d entries in all, want %d", queryText(q), len(got), len(want))
	}
	for i := range got {
		w := want[len(want)-1-i]
		if !q.Bodies {
			w.Request.Text, w.Response.Text = "", ""
		}
		if err := sameLogEntry(&got[i], &w); err != nil {
			return fmt.Errorf("ReadLog of %s, entry %d: %w", queryText(q), i, err)
		}
	}
	return nil
}

// sameLogEntry returns an error for each field in which two entries differ.
func sameLogEntry(got, want *apikey.LogEntry) error {
	if *got == *want {
		return nil
	}
	var errs []error
	for _, f := range []struct {
		name      string
		got, want any
	}{
		{"ID", got.ID, want.ID},
		{"RequestID", got.RequestID, want.RequestID},
		{"KeyID", got.KeyID, want.KeyID},
		{"Outcome", got.Outcome, want.Outcome},
		{"Reason", got.Reason, want.Reason},
		{"Fingerprint", got.Fingerprint, want.Fingerprint},
		{"Method", got.Method, want.Method},
		{"Path", got.Path, want.Path},
		{"Route", got.Route, want.Route},
		{"Query", got.Query, want.Query},
		{"Permission", got.Permission, want.Permission},
		{"Status", got.Status, want.Status},
		{"RequestBytes", got.RequestBytes, want.RequestBytes},
		{"ResponseBytes", got.ResponseBytes, want.ResponseBytes},
		{"Duration", got.Duration, want.Duration},
		{"Client", got.Client, want.Client},
		{"Request", got.Request, want.Request},
		{"Response", got.Response, want.Response},
		{"Actor", got.Actor, want.Actor},
		{"Action", got.Action, want.Action},
		{"Detail", got.Detail, want.Detail},
		{"Lost", got.Lost, want.Lost},
	} {
		if f.got != f.want {
			errs = append(errs, fmt.Errorf("%s is %.100q, want %.100q", f.name, fmt.Sprint(f.got), fmt.Sprint(f.want)))
		}
	}
	if !sameTime(got.Time, want.Time) {
		errs = append(errs, fmt.Errorf("the time is %v, want %v", got.Time, want.Time))
	}
	return errors.Join(errs...)
}

// queryText names the fields of a query that are set.
func queryText(q apikey.LogQuery) string {
	text := ""
	add := func(name string, value any, set bool) {
		if set {
			text += fmt.Sprintf("%s %.100q, ", name, fmt.Sprint(value))
		}
	}
	add("ID", q.ID, q.ID != "")
	add("key", q.KeyID, q.KeyID != "")
	add("outcome", q.Outcome, q.Outcome != "")
	add("status", q.Status, q.Status != 0)
	add("method", q.Method, q.Method != "")
	add("path", q.Path, q.Path != "")
	add("from", q.From, !q.From.IsZero())
	add("to", q.To, !q.To.IsZero())
	add("cursor", q.Cursor, q.Cursor != "")
	add("bodies", q.Bodies, q.Bodies)
	return text + fmt.Sprint("limit ", q.Limit)
}
