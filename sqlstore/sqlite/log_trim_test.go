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
)

func TestTrimByAge(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &sqlstore.LogOptions{MaxAge: 30 * time.Minute})
	entries := withBodies(newEntries(0, 2600), "a request", "")
	for i := range entries { // some more than half are too old
		entries[i].Time = time.Now().UTC().Add(-time.Hour + time.Duration(i)*1200*time.Millisecond).Truncate(time.Microsecond)
		entries[i].ID = entryID(entries[i].Time, i)
		entries[i].RequestID = entries[i].ID
	}
	require.NoError(t, log.WriteLog(t.Context(), entries))
	require.NoError(t, log.Trim(t.Context()))
	got := readAll(t, log, apikey.LogQuery{Bodies: true})
	require.InDelta(t, 1100, len(got), 20)
	assert.Equal(t, reversed(entries)[:len(got)], got)
	assert.Equal(t, got, readAll(t, log, apikey.LogQuery{Bodies: true, Status: 200}), "by the index")
	requireConsistent(t, log.writes)
	var slots int
	require.NoError(t, log.reads.QueryRow("SELECT COUNT(DISTINCT slot) FROM apikey_log_slots").Scan(&slots))
	assert.LessOrEqual(t, slots, len(got)+1)
}

func TestTrimByBytes(t *testing.T) {
	for name, keep := range map[string]int{"much": 3000, "little": 700, "one": 1, "nothing": 0} {
		t.Run(name, func(t *testing.T) {
			entries := withBodies(newEntries(1000, 5000), strings.Repeat("x", 300), "") // all of one length
			each := bytesOf(t, entries[0])
			opts := keepAll
			opts.MaxBytes = int64(keep)*each + each/2
			log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
			require.NoError(t, log.WriteLog(t.Context(), entries))
			require.NoError(t, log.Trim(t.Context()))
			assert.Equal(t, reversed(entries)[:keep], append([]apikey.LogEntry{}, readAll(t, log, apikey.LogQuery{Bodies: true})...))
			requireConsistent(t, log.writes)
		})
	}
}

// bytesOf returns what an entry counts for.
func bytesOf(t *testing.T, e apikey.LogEntry) (n int64) {
	t.Helper()
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
	require.NoError(t, log.reads.QueryRow("SELECT bytes FROM apikey_log_size").Scan(&n))
	return n
}

func TestTrimKeepsAllWhereToldTo(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &keepAll)
	entries := newEntries(0, 100)
	entries[0].ID = entryID(time.Unix(1, 0), 0)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	require.NoError(t, log.Trim(t.Context()))
	assert.Len(t, readAll(t, log, apikey.LogQuery{}), 100)
}

// Whoever deletes entries by hand does not tell the total. It is found out before
// all entries to come are taken for too many.
func TestTrimForgivesDeletions(t *testing.T) {
	opts := keepAll
	opts.MaxBytes = 100_000
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 300)))
	_, err := log.writes.ExecContext(t.Context(), "UPDATE apikey_log_size SET bytes = 1000000000")
	require.NoError(t, err)
	for range 2 {
		_, err := log.writes.ExecContext(t.Context(), "DELETE FROM apikey_log")
		require.NoError(t, err)
		_, err = log.writes.ExecContext(t.Context(), "DELETE FROM apikey_log_bodies")
		require.NoError(t, err)
		require.NoError(t, log.Trim(t.Context()))
		requireConsistent(t, log.writes)
		require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 100)))
		require.NoError(t, log.Trim(t.Context()))
		assert.Len(t, readAll(t, log, apikey.LogQuery{}), 100)
	}
}

// The bound holds by itself while entries come.
func TestLogTrimsItself(t *testing.T) {
	opts := keepAll
	opts.MaxBytes = 1 << 20
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	body := strings.Repeat("x", 1000)
	largest := 0
	for n := range 100 {
		require.NoError(t, log.WriteLog(t.Context(), withBodies(newEntries(n*50, n*50+50), body, "")))
		var pages int
		require.NoError(t, log.reads.QueryRow("PRAGMA page_count").Scan(&pages))
		largest = max(largest, pages)
	}
	require.Eventually(t, func() bool {
		var total int64
		require.NoError(t, log.reads.QueryRow("SELECT bytes FROM apikey_log_size").Scan(&total))
		return total <= opts.MaxBytes
	}, 30*time.Second, 10*time.Millisecond)
	requireConsistent(t, log.writes)
	got := readAll(t, log, apikey.LogQuery{})
	require.NotEmpty(t, got)
	assert.Equal(t, newEntry(4999).ID, got[0].ID)
	t.Logf("of 6 MB written to a log of 1 MB, %d KB were in the file at most", largest*4)
}

// Who only reads a log may have been told other bounds, or none.
func TestReadingTrimsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	require.NoError(t, openLogFile(t, path, &keepAll).WriteLog(t.Context(), newEntries(0, 100)))
	reader := openLogFile(t, path, &sqlstore.LogOptions{MaxAge: 1, MaxBytes: 1})
	for range 3 {
		assert.Len(t, readAll(t, reader, apikey.LogQuery{}), 100)
		time.Sleep(10 * time.Millisecond)
	}
}

// While much is removed, writers of this process and of others wait for one step
// at most.
func TestTrimHoldsNobodyUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	full := openLogFile(t, path, &keepAll)
	const backlog = 10_000
	for n := 0; n < backlog; n += 1000 {
		require.NoError(t, full.WriteLog(t.Context(), withBodies(newEntries(n, n+1000), strings.Repeat("x", 2000), "")))
	}
	opts := keepAll
	opts.MaxBytes = 1 << 20
	trimming, beside := openLogFile(t, path, &opts), openLogFile(t, path, &keepAll)
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
			require.NoError(t, log.WriteLog(t.Context(), newEntries(n, n+10)))
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
	requireConsistent(t, full.writes)
}

func TestTrimTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	opts := keepAll
	opts.MaxBytes = 100_000
	logs := []*Log{openLogFile(t, path, &opts), openLogFile(t, path, &opts), openLogFile(t, path, &keepAll)}
	for n := 0; n < 10_000; n += 1000 {
		require.NoError(t, logs[2].WriteLog(t.Context(), newEntries(n, n+1000)))
	}
	var wg sync.WaitGroup
	for _, log := range logs[:2] {
		wg.Go(func() { assert.NoError(t, log.Trim(t.Context())) })
	}
	wg.Go(func() {
		for n := 10_000; n < 11_000; n += 100 {
			assert.NoError(t, logs[2].WriteLog(t.Context(), newEntries(n, n+100)))
		}
	})
	wg.Wait()
	require.NoError(t, logs[0].Trim(t.Context()))
	requireConsistent(t, logs[0].writes)
	got := readAll(t, logs[0], apikey.LogQuery{})
	assert.InDelta(t, 100_000/bytesOf(t, newEntry(10_500)), len(got), 2)
	assert.Equal(t, newEntry(10_999).ID, got[0].ID)
}

func TestTrimEndsWithItsContext(t *testing.T) {
	opts := keepAll
	opts.MaxBytes = 1
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, log.Trim(ctx), context.Canceled)
}

// What cannot be removed is told, and tried again.
func TestLogTellsOfFailedTrims(t *testing.T) {
	told := make(chan string, 10)
	opts := keepAll
	opts.MaxBytes = 1000
	opts.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) { told <- string(p) }), nil))
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &opts)
	_, err := log.writes.ExecContext(t.Context(), "CREATE TRIGGER t BEFORE DELETE ON apikey_log BEGIN SELECT RAISE(ABORT, 'no'); END")
	require.NoError(t, err)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 100)))
	select {
	case text := <-told:
		assert.Contains(t, text, "old entries of the access log could not be removed")
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
	}
	assert.Len(t, readAll(t, log, apikey.LogQuery{}), 100)
	requireConsistent(t, log.writes)
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
