package sqltest

import (
	"context"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// KeepAll keeps entries of whatever time.
var KeepAll = sqlstore.LogOptions{MaxAge: -1, MaxBytes: -1}

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// EntryID returns the ID of the nth entry, which was at that time.
func EntryID(at time.Time, n int) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixNano()))
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return idEncoding.EncodeToString(id[:])
}

// IDBytes returns an ID as the database has it.
func IDBytes(t testing.TB, id string) []byte {
	t.Helper()
	b, err := idEncoding.DecodeString(id)
	require.NoError(t, err)
	return b
}

// Recently is when the tests' entries begin, in the processes that they start
// too: retention must not take them for old.
var Recently = func() time.Time {
	const name = "STORE_TEST_RECENTLY"
	if at, err := time.Parse(time.RFC3339Nano, os.Getenv(name)); err == nil {
		return at
	}
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	_ = os.Setenv(name, at.Format(time.RFC3339Nano))
	return at
}()

// NewEntry returns the nth entry, a millisecond behind the one before.
func NewEntry(n int) apikey.LogEntry {
	at := Recently.Add(time.Duration(n) * time.Millisecond)
	id := EntryID(at, n)
	return apikey.LogEntry{
		ID: id, Time: at, RequestID: id, KeyID: fmt.Sprintf("0123456789abcdefghijklmn%02d", n%50),
		Outcome: apikey.OutcomeAllowed, Method: "GET", Path: fmt.Sprint("/api/infrastructure/servers/", n),
		Route: "/api/infrastructure/servers/{name}", Query: "name=hdars&count=20", Permission: "infrastructure:view",
		Status: 200, RequestBytes: 512, ResponseBytes: 4096, Duration: 1234 * time.Microsecond, Client: "192.0.2.17",
	}
}

// NewEntries returns the entries from one number on and before another.
func NewEntries(from, to int) []apikey.LogEntry {
	entries := make([]apikey.LogEntry, 0, to-from)
	for n := from; n < to; n++ {
		entries = append(entries, NewEntry(n))
	}
	return entries
}

// WithBodies gives all entries the same bodies, and returns them.
func WithBodies(entries []apikey.LogEntry, request, response string) []apikey.LogEntry {
	for i := range entries {
		entries[i].Request = apikey.LogBody{Text: request, Type: "application/json"}
		entries[i].Response = apikey.LogBody{Text: response, Type: "application/json"}
	}
	return entries
}

// Reversed returns the entries as a log hands them out, the newest first.
func Reversed(entries []apikey.LogEntry) []apikey.LogEntry {
	entries = slices.Clone(entries)
	slices.Reverse(entries)
	return entries
}

// ReadAll returns the entries of all pages.
func ReadAll(t testing.TB, log apikey.LogStore, q apikey.LogQuery) []apikey.LogEntry {
	t.Helper()
	q.Limit = 10_000
	var all []apikey.LogEntry
	for {
		page, next, err := log.ReadLog(context.WithoutCancel(t.Context()), q)
		require.NoError(t, err)
		all = append(all, page...)
		if next == "" {
			return all
		}
		q.Cursor = next
	}
}

// RequireConsistent checks what the tables say of each other.
func (d *Database) RequireConsistent(t testing.TB, db *sql.DB) {
	t.Helper()
	for what, query := range map[string]string{
		"the total is off":            `SELECT bytes - (SELECT COALESCE(SUM(bytes), 0) FROM apikey_log) FROM apikey_log_size`,
		"bodies without an entry":     `SELECT COUNT(*) FROM apikey_log_bodies WHERE id NOT IN (SELECT id FROM apikey_log)`,
		"entries without a series":    `SELECT COUNT(*) FROM apikey_log WHERE series NOT IN (SELECT id FROM apikey_log_series)`,
		"series that are there twice": `SELECT COUNT(*) - (SELECT COUNT(*) FROM (SELECT DISTINCT outcome, reason, status, method, route, permission, action FROM apikey_log_series) d) FROM apikey_log_series`,
		"gaps in the IDs of series":   `SELECT COALESCE(MAX(id), 0) - COUNT(*) FROM apikey_log_series`,
	} {
		require.Zero(t, Count(t, db, query), what)
	}
}
