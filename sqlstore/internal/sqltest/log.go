package sqltest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// TestLog tests what a log keeps, and for how long.
func (d *Database) TestLog(t *testing.T) {
	t.Run("texts are mended", d.logMendsTexts)
	t.Run("long texts are taken", d.logTakesLongTexts)
	t.Run("the answer to a commit is lost", d.logCommitWhoseAnswerWasLost)
	t.Run("a write is interrupted", d.logWriteInterrupted)
	t.Run("many add series at once", d.logsAddSeriesAtOnce)
	t.Run("old entries are removed", d.logIsTrimmedByAge)
	t.Run("entries beyond the bytes are removed", d.logIsTrimmedByBytes)
	t.Run("they are removed while others come", d.logTrimsItself)
}

// TestLogOnServer tests a log that servers share.
func (d *Database) TestLogOnServer(t *testing.T) {
	t.Run("a store keeps one", d.storeKeepsALog)
	t.Run("readers do not wait for writers", d.readersDoNotWaitForWriters)
	t.Run("writers heed their contexts", d.writersHeedTheirContexts)
	t.Run("many write and trim", d.manyWriteAndTrim)
	t.Run("it is written again after silence", d.logWritesAgainAfterSilence)
	t.Run("another history is noticed", d.logNoticesAnotherHistory)
	t.Run("a server without writes is left", d.logLeavesReadOnlyServer)
	t.Run("a deadlock is tried again", d.logDeadlockIsTriedAgain)
}

// What an authority over the store records is in the database, for all to read.
func (d *Database) storeKeepsALog(t *testing.T) {
	dsn := d.Make(t)
	store := d.Store(t, dsn)
	auth, err := apikey.New(t.Context(), store, nil)
	require.NoError(t, err)
	key, secret, err := auth.Issue(t.Context(), apikey.KeySpec{Name: "k", Permissions: []apikey.Permission{apikey.JobsView}})
	require.NoError(t, err)
	handler := auth.Require(apikey.JobsView)(http.NotFoundHandler())
	r := httptest.NewRequest(http.MethodGet, "/jobs", nil)
	r.Header.Set("X-ApiKey", secret.Reveal())
	handler.ServeHTTP(httptest.NewRecorder(), r)
	require.NoError(t, auth.Shutdown(t.Context()))

	for name, log := range map[string]any{
		"the store":            store,
		"a store elsewhere":    d.Store(t, dsn),
		"one of a host":        d.StoreOver(t, d.Handle(t, dsn), nil),
		"a log":                d.Log(t, dsn, nil),
		"one of a host's, too": d.LogOver(t, d.Handle(t, dsn), nil),
		"one that reads aside": d.StoreOver(t, d.Handle(t, dsn), &sqlstore.Options{Reads: d.Handle(t, dsn)}),
	} {
		got := ReadAll(t, log.(apikey.LogStore), apikey.LogQuery{KeyID: key.ID})
		require.Len(t, got, 2, name)
		assert.Equal(t, []any{apikey.OutcomeAllowed, 404, "/jobs"}, []any{got[0].Outcome, got[0].Status, got[0].Path}, name)
		assert.Equal(t, apikey.ActionCreate, got[1].Action, name)
	}
	elsewhere := d.StoreOver(t, d.Handle(t, dsn), &sqlstore.Options{Prefix: "other_"})
	assert.Empty(t, ReadAll(t, elsewhere.(apikey.LogStore), apikey.LogQuery{}))
}

// What no database takes must not come back for ever.
func (d *Database) logMendsTexts(t *testing.T) {
	log := d.Log(t, d.Make(t), &KeepAll)
	e := NewEntry(0)
	e.Path, e.KeyID, e.Reason, e.Request.Text = "/a\xffb", "k\x00", "\xfe", "x\x00\xffy"
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
	got := ReadAll(t, log, apikey.LogQuery{Bodies: true})
	require.Len(t, got, 1)
	assert.Equal(t, []string{"/a\uFFFDb", "k\uFFFD", "\uFFFD", "x\uFFFD\uFFFDy"},
		[]string{got[0].Path, got[0].KeyID, got[0].Reason, got[0].Request.Text})
}

// Nor must what is longer than others.
func (d *Database) logTakesLongTexts(t *testing.T) {
	log := d.Log(t, d.Make(t), &KeepAll)
	long := "/" + strings.Repeat("größer ", 15_000)
	e := NewEntry(0)
	for _, text := range []*string{
		&e.RequestID, &e.KeyID, &e.Reason, &e.Fingerprint, &e.Method, &e.Path, &e.Route, &e.Query, &e.Permission, &e.Client,
		&e.Request.Type, &e.Request.Omitted, &e.Response.Type, &e.Response.Omitted, &e.Actor, &e.Detail,
	} {
		*text = long
	}
	e.Outcome, e.Action = apikey.Outcome(long), apikey.Action(long)
	e.Request.Text, e.Response.Text = strings.Repeat(long, 30), strings.Repeat("x", 1<<20)
	want := append([]apikey.LogEntry{e}, NewEntries(1, 10)...)
	require.NoError(t, log.WriteLog(t.Context(), want))
	assert.Equal(t, Reversed(want), ReadAll(t, log, apikey.LogQuery{Bodies: true}))
	assert.Equal(t, want[:1], ReadAll(t, log, apikey.LogQuery{Bodies: true, KeyID: long, Path: long[:len(long)-1], Method: long}))
}

// Entries have the order of their times, and readers wait for nobody: what is
// committed late is found where its time is.
func (d *Database) readersDoNotWaitForWriters(t *testing.T) {
	dsn := d.Make(t)
	log, db := d.Log(t, dsn, &KeepAll), d.Handle(t, dsn)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(50, 100)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	Execute(t, tx, "UPDATE apikey_log_size SET bytes = bytes + 0")
	written := make(chan error, 1)
	go func() { written <- log.WriteLog(t.Context(), NewEntries(0, 50)) }()
	d.awaitBlocked(t, db)

	q := apikey.LogQuery{Limit: 30, KeyID: "", Path: "/api/"}
	page, next, err := log.ReadLog(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, Reversed(NewEntries(70, 100)), page)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-written)
	q.Cursor = next
	assert.Equal(t, Reversed(NewEntries(0, 70)), ReadAll(t, log, q))
}

// A waiting writer ends with its context.
func (d *Database) writersHeedTheirContexts(t *testing.T) {
	dsn := d.Make(t)
	log, db := d.Log(t, dsn, &KeepAll), d.Handle(t, dsn)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(0, 10)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	Execute(t, tx, "UPDATE apikey_log_size SET bytes = bytes + 0")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorIs(t, log.WriteLog(ctx, NewEntries(5, 20)), context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 3*time.Second)
	require.NoError(t, tx.Rollback())
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(5, 20)))
	assert.Equal(t, Reversed(NewEntries(0, 20)), ReadAll(t, log, apikey.LogQuery{}))
	d.RequireConsistent(t, db)
}
