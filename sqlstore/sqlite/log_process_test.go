package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

const roleBatch = 50

// logRole writes batches, as many as its name says or for ever, and says so once
// each is acknowledged.
func logRole(ctx context.Context, path, name string) error {
	var first, batches int
	if _, err := fmt.Sscan(name, &first, &batches); err != nil {
		return err
	}
	log, err := OpenLog(ctx, path, nil)
	if err != nil {
		return err
	}
	for b := first; b < first+batches; b++ {
		if err := log.WriteLog(ctx, roleEntries(b)); err != nil {
			return err
		}
		fmt.Println(b)
	}
	return log.Close()
}

// roleEntries are of routes of their own, so that each batch adds series too.
func roleEntries(b int) []apikey.LogEntry {
	entries := withBodies(newEntries(b*roleBatch, (b+1)*roleBatch), "a request", "a response")
	for i := range entries {
		entries[i].Detail = fmt.Sprint(b)
		entries[i].Permission = fmt.Sprint("permission ", b/2)
	}
	return entries
}

func TestLogSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	acknowledged := 0
	for round := range 6 {
		p := start(t, "log", path, fmt.Sprint(round*1_000_000, " 1000000"))
		require.Equal(t, strconv.Itoa(round*1_000_000), p.line(t))
		time.AfterFunc(time.Duration(10+31*round)*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		last := round * 1_000_000
		for p.lines.Scan() {
			var err error
			last, err = strconv.Atoi(p.lines.Text())
			require.NoError(t, err, p.lines.Text())
		}
		require.Error(t, p.cmd.Wait(), "killed")
		acknowledged += last - round*1_000_000 + 1

		log, err := OpenLog(t.Context(), path, &keepAll)
		require.NoError(t, err)
		requireWhole(t, log.writes, round, last)
		require.NoError(t, log.Close())
	}
	t.Logf("%d batches were acknowledged in 6 rounds", acknowledged)
}

// requireWhole checks that the batches of a round are all there up to the last
// acknowledged, and none in part.
func requireWhole(t *testing.T, db *sql.DB, round, last int) {
	t.Helper()
	requireSound(t, db)
	requireConsistent(t, db)
	rows, err := db.QueryContext(t.Context(), "SELECT CAST(detail AS INTEGER), COUNT(*) FROM apikey_log GROUP BY detail")
	require.NoError(t, err)
	defer rows.Close()
	has := map[int]bool{}
	for rows.Next() {
		var batch, n int
		require.NoError(t, rows.Scan(&batch, &n))
		require.Equal(t, roleBatch, n, "of batch %d", batch)
		has[batch] = true
	}
	require.NoError(t, rows.Err())
	for b := round * 1_000_000; b <= last; b++ {
		require.True(t, has[b], "batch %d was acknowledged", b)
	}
}

// requireConsistent checks what the tables say of each other.
func requireConsistent(t testing.TB, db *sql.DB) {
	t.Helper()
	for what, query := range map[string]string{
		"the total is off":            `SELECT bytes - (SELECT COALESCE(SUM(bytes), 0) FROM apikey_log) FROM apikey_log_size`,
		"bodies without an entry":     `SELECT COUNT(*) FROM apikey_log_bodies WHERE id NOT IN (SELECT id FROM apikey_log)`,
		"entries without a series":    `SELECT COUNT(*) FROM apikey_log WHERE series NOT IN (SELECT id FROM apikey_log_series)`,
		"series that are there twice": `SELECT COUNT(*) - (SELECT COUNT(*) FROM (SELECT DISTINCT outcome, reason, status, method, route, permission, action FROM apikey_log_series)) FROM apikey_log_series`,
		"gaps in the IDs of series":   `SELECT COALESCE(MAX(id), 0) - COUNT(*) FROM apikey_log_series`,
	} {
		var n int
		require.NoError(t, db.QueryRow(query).Scan(&n))
		require.Zero(t, n, what)
	}
}

func TestTwoProcessesWriteOneLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	const batches = 40
	a, b := start(t, "log", path, fmt.Sprint("0 ", batches)), start(t, "log", path, fmt.Sprint("20 ", batches))
	for _, p := range []*process{a, b} {
		for range batches {
			require.NotContains(t, p.line(t), "error")
		}
		require.NoError(t, p.cmd.Wait())
	}
	log := openLogFile(t, path, nil)
	requireConsistent(t, log.writes)
	var want []apikey.LogEntry
	for b := range batches + 20 { // of which 20 were written by both
		want = append(want, roleEntries(b)...)
	}
	assert.Equal(t, reversed(want), readAll(t, log, apikey.LogQuery{Bodies: true}))
}

func TestLogWaitsForAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	log := openLogFile(t, path, nil)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 10)))
	p := start(t, "lock", path, "")
	require.Equal(t, "locked", p.line(t))

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorIs(t, log.WriteLog(ctx, newEntries(5, 20)), context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 2*time.Second)
	assert.Len(t, readAll(t, log, apikey.LogQuery{}), 10, "while the lock is held")

	time.AfterFunc(200*time.Millisecond, func() { _ = p.stdin.Close() })
	require.NoError(t, log.WriteLog(t.Context(), newEntries(5, 20)))
	assert.Equal(t, reversed(newEntries(0, 20)), readAll(t, log, apikey.LogQuery{}))
	requireConsistent(t, log.writes)
}

func TestLogLockedTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(50)")
	require.NoError(t, err)
	closeAfter(t, db)
	log, err := NewLog(t.Context(), db, nil)
	require.NoError(t, err)
	closeAfter(t, log)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 1)))
	p := start(t, "lock", path, "")
	require.Equal(t, "locked", p.line(t))
	err = log.WriteLog(t.Context(), newEntries(0, 10))
	require.True(t, isBusy(err), "got %v", err)
	require.NoError(t, p.stdin.Close())
	require.Eventually(t, func() bool { return log.WriteLog(t.Context(), newEntries(0, 10)) == nil }, 5*time.Second, time.Millisecond)
	assert.Equal(t, reversed(newEntries(0, 10)), readAll(t, log, apikey.LogQuery{}))
}
