package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// testLogWithPrefixes gives each rule a prefix of its own in one database.
func testLogWithPrefixes(t *testing.T, db *sql.DB) {
	t.Helper()
	other := newLog(t, db, &keepAll)
	require.NoError(t, other.WriteLog(t.Context(), newEntries(0, 10)))
	prefixes := 0
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		prefixes++
		opts := keepAll
		opts.Prefix = fmt.Sprintf("host%d_log_", prefixes)
		return newLog(t, db, &opts)
	})
}

// What an authority over the store records is in the database, for all to read.
func TestStoreKeepsALog(t *testing.T) {
	dsn := newDatabase(t)
	store := openStore(t, dsn)
	auth, err := apikey.New(t.Context(), store, nil)
	require.NoError(t, err)
	key, secret, err := auth.Issue(t.Context(), apikey.KeySpec{Name: "k", Permissions: []apikey.Permission{apikey.JobsView}})
	require.NoError(t, err)
	handler := auth.Require(apikey.JobsView)(http.NotFoundHandler())
	r := httptest.NewRequest(http.MethodGet, "/jobs", nil)
	r.Header.Set("X-ApiKey", secret.Reveal())
	handler.ServeHTTP(httptest.NewRecorder(), r)
	require.NoError(t, auth.Shutdown(t.Context()))

	for name, log := range map[string]apikey.LogStore{
		"the store":            store,
		"a store elsewhere":    openStore(t, dsn),
		"one of a host":        newStore(t, hostHandle(t, dsn), nil),
		"a log":                openLog(t, dsn, nil),
		"one of a host's, too": newLog(t, hostHandle(t, dsn), nil),
		"one that reads aside": newStore(t, hostHandle(t, dsn), &sqlstore.Options{Reads: hostHandle(t, dsn)}),
	} {
		got := readAll(t, log, apikey.LogQuery{KeyID: key.ID})
		require.Len(t, got, 2, name)
		assert.Equal(t, []any{apikey.OutcomeAllowed, 404, "/jobs"}, []any{got[0].Outcome, got[0].Status, got[0].Path}, name)
		assert.Equal(t, apikey.ActionCreate, got[1].Action, name)
	}
	elsewhere := newStore(t, hostHandle(t, dsn), &sqlstore.Options{Prefix: "other_"})
	assert.Empty(t, readAll(t, elsewhere, apikey.LogQuery{}))
}

// What no database takes must not come back for ever.
func TestLogMendsTexts(t *testing.T) {
	log := openLog(t, newDatabase(t), &keepAll)
	e := newEntry(0)
	e.Path, e.KeyID, e.Reason, e.Request.Text = "/a\xffb", "k\x00", "\xfe", "x\x00\xffy"
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
	got := readAll(t, log, apikey.LogQuery{Bodies: true})
	require.Len(t, got, 1)
	assert.Equal(t, []string{"/a\uFFFDb", "k\uFFFD", "\uFFFD", "x\uFFFD\uFFFDy"},
		[]string{got[0].Path, got[0].KeyID, got[0].Reason, got[0].Request.Text})
}

// Nor must what is longer than others.
func TestLogTakesLongTexts(t *testing.T) {
	log := openLog(t, newDatabase(t), &keepAll)
	long := "/" + strings.Repeat("größer ", 15_000)
	e := newEntry(0)
	for _, text := range []*string{
		&e.RequestID, &e.KeyID, &e.Reason, &e.Fingerprint, &e.Method, &e.Path, &e.Route, &e.Query, &e.Permission, &e.Client,
		&e.Request.Type, &e.Request.Omitted, &e.Response.Type, &e.Response.Omitted, &e.Actor, &e.Detail,
	} {
		*text = long
	}
	e.Outcome, e.Action = apikey.Outcome(long), apikey.Action(long)
	e.Request.Text, e.Response.Text = strings.Repeat(long, 30), strings.Repeat("x", 1<<20)
	want := append([]apikey.LogEntry{e}, newEntries(1, 10)...)
	require.NoError(t, log.WriteLog(t.Context(), want))
	assert.Equal(t, reversed(want), readAll(t, log, apikey.LogQuery{Bodies: true}))
	assert.Equal(t, want[:1], readAll(t, log, apikey.LogQuery{Bodies: true, KeyID: long, Path: long[:len(long)-1], Method: long}))
}

// Entries have the order of their times, and readers wait for nobody: what is
// committed late is found where its time is.
func TestReadersDoNotWaitForWriters(t *testing.T) {
	dsn := newDatabase(t)
	log, db := openLog(t, dsn, &keepAll), hostHandle(t, dsn)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(50, 100)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_log_size SET bytes = bytes + 0")
	require.NoError(t, err)
	written := make(chan error, 1)
	go func() { written <- log.WriteLog(t.Context(), newEntries(0, 50)) }()
	awaitBlocked(t, db)

	q := apikey.LogQuery{Limit: 30, KeyID: "", Path: "/api/"}
	page, next, err := log.ReadLog(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, reversed(newEntries(70, 100)), page)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-written)
	q.Cursor = next
	assert.Equal(t, reversed(newEntries(0, 70)), readAll(t, log, q))
}

// A waiting writer ends with its context.
func TestWritersHeedTheirContexts(t *testing.T) {
	dsn := newDatabase(t)
	log, db := openLog(t, dsn, &keepAll), hostHandle(t, dsn)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 10)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_log_size SET bytes = bytes + 0")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorIs(t, log.WriteLog(ctx, newEntries(5, 20)), context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 3*time.Second)
	require.NoError(t, tx.Rollback())
	require.NoError(t, log.WriteLog(t.Context(), newEntries(5, 20)))
	assert.Equal(t, reversed(newEntries(0, 20)), readAll(t, log, apikey.LogQuery{}))
	requireConsistent(t, db)
}
