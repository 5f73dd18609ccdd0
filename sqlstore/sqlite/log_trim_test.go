package sqlite

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// bytesOf returns what an entry counts for.
func bytesOf(t *testing.T, e apikey.LogEntry) (n int64) {
	t.Helper()
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
	require.NoError(t, log.reads.QueryRow("SELECT bytes FROM apikey_log_size").Scan(&n))
	return n
}

func TestTrimKeepsAllWhereToldTo(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &sqltest.KeepAll)
	entries := sqltest.NewEntries(0, 100)
	entries[0].ID = sqltest.EntryID(time.Unix(1, 0), 0)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	require.NoError(t, log.Trim(t.Context()))
	assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{}), 100)
}

// Whoever deletes entries by hand does not tell the total. It is found out before
// all entries to come are taken for too many.
func TestTrimForgivesDeletions(t *testing.T) {
	opts := sqltest.KeepAll
	opts.MaxBytes = 100_000
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 300)))
	_, err := log.writes.ExecContext(t.Context(), "UPDATE apikey_log_size SET bytes = 1000000000")
	require.NoError(t, err)
	for range 2 {
		_, err := log.writes.ExecContext(t.Context(), "DELETE FROM apikey_log")
		require.NoError(t, err)
		_, err = log.writes.ExecContext(t.Context(), "DELETE FROM apikey_log_bodies")
		require.NoError(t, err)
		require.NoError(t, log.Trim(t.Context()))
		database.RequireConsistent(t, log.writes)
		require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 100)))
		require.NoError(t, log.Trim(t.Context()))
		assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{}), 100)
	}
}

// Who only reads a log may have been told other bounds, or none.
func TestReadingTrimsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	require.NoError(t, openLogFile(t, path, &sqltest.KeepAll).WriteLog(t.Context(), sqltest.NewEntries(0, 100)))
	reader := openLogFile(t, path, &sqlstore.LogOptions{MaxAge: 1, MaxBytes: 1})
	for range 3 {
		assert.Len(t, sqltest.ReadAll(t, reader, apikey.LogQuery{}), 100)
		time.Sleep(10 * time.Millisecond)
	}
}

// While much is removed, writers of this process and of others wait for one step
// at most.
func TestTrimHoldsNobodyUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	full := openLogFile(t, path, &sqltest.KeepAll)
	const backlog = 10_000
	for n := 0; n < backlog; n += 1000 {
		require.NoError(t, full.WriteLog(t.Context(), sqltest.WithBodies(sqltest.NewEntries(n, n+1000), strings.Repeat("x", 2000), "")))
	}
	opts := sqltest.KeepAll
	opts.MaxBytes = 1 << 20
	trimming, beside := openLogFile(t, path, &opts), openLogFile(t, path, &sqltest.KeepAll)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	wg.Go(func() {
		defer stop()
		assert.NoError(t, trimming.Trim(ctx))
	})
	waited := map[string]time.Duration{}
	for n := backlog; ctx.Err() == nil; n += 10 {
		for name, log := range map[string]*Log{"in the process": trimming, "in another": beside} {
			began := time.Now()
			require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(n, n+10)))
			waited[name] = max(waited[name], time.Since(began))
			n += 10
		}
		time.Sleep(5 * time.Millisecond)
	}
	wg.Wait()
	for name, longest := range waited {
		assert.Less(t, longest, 2*time.Second, name)
		t.Logf("a writer %s waited for %v at most", name, longest.Round(time.Millisecond))
	}
	database.RequireConsistent(t, full.writes)
}

func TestTrimTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	opts := sqltest.KeepAll
	opts.MaxBytes = 100_000
	logs := []*Log{openLogFile(t, path, &opts), openLogFile(t, path, &opts), openLogFile(t, path, &sqltest.KeepAll)}
	for n := 0; n < 10_000; n += 1000 {
		require.NoError(t, logs[2].WriteLog(t.Context(), sqltest.NewEntries(n, n+1000)))
	}
	var wg sync.WaitGroup
	for _, log := range logs[:2] {
		wg.Go(func() { assert.NoError(t, log.Trim(t.Context())) })
	}
	wg.Go(func() {
		for n := 10_000; n < 11_000; n += 100 {
			assert.NoError(t, logs[2].WriteLog(t.Context(), sqltest.NewEntries(n, n+100)))
		}
	})
	wg.Wait()
	require.NoError(t, logs[0].Trim(t.Context()))
	database.RequireConsistent(t, logs[0].writes)
	got := sqltest.ReadAll(t, logs[0], apikey.LogQuery{})
	assert.InDelta(t, 100_000/bytesOf(t, sqltest.NewEntry(10_500)), len(got), 2)
	assert.Equal(t, sqltest.NewEntry(10_999).ID, got[0].ID)
}

func TestTrimEndsWithItsContext(t *testing.T) {
	opts := sqltest.KeepAll
	opts.MaxBytes = 1
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, log.Trim(ctx), context.Canceled)
}

// What cannot be removed is told, and tried again.
func TestLogTellsOfFailedTrims(t *testing.T) {
	told := make(chan string, 10)
	opts := sqltest.KeepAll
	opts.MaxBytes = 1000
	opts.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) { told <- string(p) }), nil))
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	_, err := log.writes.ExecContext(t.Context(), "CREATE TRIGGER t BEFORE DELETE ON apikey_log BEGIN SELECT RAISE(ABORT, 'no'); END")
	require.NoError(t, err)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 100)))
	select {
	case text := <-told:
		assert.Contains(t, text, "old entries of the access log could not be removed")
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
	}
	assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{}), 100)
	database.RequireConsistent(t, log.writes)
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
