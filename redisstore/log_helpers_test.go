package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

var keepAll = LogOptions{MaxAge: -1, MaxBytes: -1}

// newLog returns a store with an empty log.
func newLog(t testing.TB, client redis.UniversalClient, opts LogOptions) *Store {
	t.Helper()
	return logAt(t, client, newPrefix(t, client), opts)
}

// logAt returns the store under the prefix, as another process would open it.
func logAt(t testing.TB, client redis.UniversalClient, prefix string, opts LogOptions) *Store {
	t.Helper()
	store, err := New(t.Context(), client, &Options{Prefix: prefix, Log: opts})
	require.NoError(t, err)
	return store
}

// logEpoch is the time of the first of logEntry's entries.
var logEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// logEntryAt returns the nth of entries such as a server has, of 50 keys on 20
// routes, with a time of its own.
func logEntryAt(at time.Time, n int) apikey.LogEntry {
	id := make([]byte, logIDBytes)
	binary.BigEndian.PutUint64(id, uint64(at.UnixNano()))
	binary.BigEndian.PutUint64(id[8:], uint64(n)<<32)
	text, route := logID(id).String(), n*7919%20
	return apikey.LogEntry{
		ID: text, Time: at, RequestID: text, KeyID: fmt.Sprintf("0123456789abcdefghijklmn%02d", n*7907%50),
		Outcome: apikey.OutcomeAllowed, Method: "GET",
		Path:  fmt.Sprintf("/api/infrastructure/resource%02d/server-%d", route, n%1000),
		Route: fmt.Sprintf("/api/infrastructure/resource%02d/{name}", route), Permission: "infrastructure:view",
		Status: 200, ResponseBytes: 1234, Duration: 2345 * time.Microsecond, Client: "203.0.113.77",
	}
}

// logEntries returns entries from the first to before the last, a millisecond
// apart, with that text as both bodies.
func logEntries(first, last int, body string) []apikey.LogEntry {
	entries := make([]apikey.LogEntry, last-first)
	for i := range entries {
		n := first + i
		entries[i] = logEntryAt(logEpoch.Add(time.Duration(n)*time.Millisecond), n)
		if body != "" {
			entries[i].Request = apikey.LogBody{Text: body, Type: "text/plain"}
			entries[i].Response = entries[i].Request
		}
	}
	return entries
}

// logOf returns all that is in the log, the oldest first.
func logOf(t testing.TB, store *Store) []apikey.LogEntry {
	t.Helper()
	entries, next, err := store.ReadLog(context.Background(), apikey.LogQuery{Limit: 1_000_000, Bodies: true})
	require.NoError(t, err)
	require.Empty(t, next)
	slices.Reverse(entries)
	return entries
}

// requireLog checks what is in the log, and that Redis has nothing else of it.
func requireLog(t testing.TB, store *Store, want []apikey.LogEntry) {
	t.Helper()
	got := logOf(t, store)
	require.Len(t, got, len(want))
	bodies, size := 0, int64(0)
	for i := range want {
		require.Equal(t, want[i], got[i])
		if want[i].Request.Text != "" || want[i].Response.Text != "" {
			bodies++
		}
		size += countOf(t, &want[i])
	}
	fields := store.client.HLen(t.Context(), store.bodies).Val()
	if fields > 0 {
		fields--
	}
	require.Equal(t, int64(bodies), fields, "texts of bodies")
	require.Equal(t, size, sizeOf(t, store), "the size of the log")
}

// countOf returns what an entry counts for.
func countOf(t testing.TB, e *apikey.LogEntry) int64 {
	t.Helper()
	id, err := parseLogID(e.ID)
	require.NoError(t, err)
	member, _ := encodeLog(id, e)
	return int64(binary.BigEndian.Uint32(member[logIDBytes:]))
}

// sizeOf returns what all entries count for, as the log has it.
func sizeOf(t testing.TB, store *Store) int64 {
	t.Helper()
	size, err := store.client.HGet(context.Background(), store.bodies, "size").Int64()
	if !errors.Is(err, redis.Nil) {
		require.NoError(t, err)
	}
	return size
}
