package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A full disk refuses new entries, loses none, and needs nobody to recover.
func TestLogOnFullDisk(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 10)))
	limit := func(pages int) {
		_, err := log.writes.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
		require.NoError(t, err)
	}
	limit(1) // which SQLite takes for the present size
	more := withBodies(newEntries(5, 200), strings.Repeat("x", 4096), "")
	for range 3 {
		require.ErrorContains(t, log.WriteLog(t.Context(), more), "full")
	}
	assert.Equal(t, reversed(newEntries(0, 10)), readAll(t, log, apikey.LogQuery{Bodies: true}))
	require.NoError(t, log.Trim(t.Context()))
	limit(1 << 30)
	require.NoError(t, log.WriteLog(t.Context(), more))
	assert.Equal(t, reversed(append(newEntries(0, 10), more[5:]...)), readAll(t, log, apikey.LogQuery{Bodies: true}))
	requireSound(t, log.writes)
	requireConsistent(t, log.writes)
}

// A lossy connector's transactions are committed, and the answer is lost.
type lossy struct {
	driver.Connector
	lose atomic.Bool
}

var errLost = errors.New("the connection was lost")

func (l *lossy) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := l.Connector.Connect(ctx)
	return lossyConn{conn, l}, err
}

type lossyConn struct {
	driver.Conn
	of *lossy
}

func (c lossyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	return lossyTx{tx, c.of}, err
}

type lossyTx struct {
	driver.Tx
	of *lossy
}

func (tx lossyTx) Commit() error {
	if err := tx.Tx.Commit(); err != nil || !tx.of.lose.Load() {
		return err
	}
	return errLost
}

func TestLogCommitWhoseAnswerWasLost(t *testing.T) {
	connector, err := sqlite.NewConnector("file:" + filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	losing := &lossy{Connector: connector}
	db := sql.OpenDB(losing)
	closeAfter(t, db)
	log, err := NewLog(t.Context(), db, &keepAll)
	require.NoError(t, err)
	closeAfter(t, log)

	entries := withBodies(newEntries(0, 2500), "a request", "")
	losing.lose.Store(true)
	for range 4 { // of 1000, 1000 and 500, one more each time
		require.ErrorIs(t, log.WriteLog(t.Context(), entries), errLost)
	}
	losing.lose.Store(false)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	assert.Equal(t, reversed(entries), readAll(t, log, apikey.LogQuery{Bodies: true}))
	assert.Equal(t, reversed(entries), readAll(t, log, apikey.LogQuery{Bodies: true, Outcome: apikey.OutcomeAllowed, Status: 200}))
	requireConsistent(t, db)
}

// Wherever a write is interrupted, what was kept is whole and kept once.
func TestLogWriteInterrupted(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	entries := withBodies(newEntries(0, 3000), strings.Repeat("x", 1000), "")
	interrupted := 0
	for i := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*50*time.Microsecond)
		err := log.WriteLog(ctx, entries)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			interrupted++
		}
		var kept int
		require.NoError(t, log.reads.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM apikey_log").Scan(&kept))
		require.Zero(t, kept%1000)
		requireConsistent(t, log.writes)
	}
	require.Positive(t, interrupted)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	assert.Equal(t, reversed(entries), readAll(t, log, apikey.LogQuery{Bodies: true}))
}

func TestLogRefusesOtherIDs(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	for _, id := range []string{
		"", "7", strings.Repeat("z", 26), strings.Repeat("0", 25), strings.Repeat("0", 27), strings.Repeat("0", 25) + "1",
		strings.ToUpper(newEntry(1).ID), "\x00",
	} {
		entries := newEntries(0, 3)
		entries[2].ID = id
		require.ErrorContains(t, log.WriteLog(t.Context(), entries), "entry 2: the text is not the ID of an entry", "%q", id)
	}
	assert.Empty(t, readAll(t, log, apikey.LogQuery{}))
}

// What no database takes must not come back for ever.
func TestLogMendsTexts(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	e := newEntry(0)
	e.Path, e.KeyID, e.Reason, e.Request.Text = "/a\xffb", "k\x00", "\xfe", "x\x00\xffy"
	require.NoError(t, log.WriteLog(t.Context(), []apikey.LogEntry{e}))
	got := readAll(t, log, apikey.LogQuery{Bodies: true})
	require.Len(t, got, 1)
	assert.Equal(t, []string{"/a\uFFFDb", "k\uFFFD", "\uFFFD", "x\uFFFD\uFFFDy"},
		[]string{got[0].Path, got[0].KeyID, got[0].Reason, got[0].Request.Text})
}

// Many writers that start at once meet the same new series.
func TestLogsAddSeriesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	const writers = 6
	var logs [writers]*Log
	for i := range logs {
		logs[i] = openLogFile(t, path, &keepAll)
	}
	var wg sync.WaitGroup
	for i, log := range logs {
		wg.Go(func() {
			for n := range 10 {
				entries := newEntries(1000*i+10*n, 1000*i+10*n+10)
				for j := range entries {
					entries[j].Status = 200 + n
					entries[j].Route = fmt.Sprint("/api/infrastructure/", strings.Repeat("s", j%2), "{x}")
				}
				assert.NoError(t, log.WriteLog(t.Context(), entries))
			}
		})
	}
	wg.Wait()
	requireConsistent(t, logs[0].writes)
	for n := range 10 {
		assert.Len(t, readAll(t, logs[1], apikey.LogQuery{Status: 200 + n}), writers*10)
	}
}

// A server that makes up routes as it goes does not fill the table of series.
func TestLogBoundsSeries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	first := openLogFile(t, path, &keepAll)
	require.NoError(t, first.WriteLog(t.Context(), newEntries(0, 1)))
	_, err := first.writes.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO apikey_log_series SELECT i, 'allowed', '', 200, 'GET', '/made/up/' || i, '', '' FROM n`)
	require.NoError(t, err)
	log := openLogFile(t, path, &keepAll)
	entries := newEntries(1, 1000)
	for i := range entries {
		entries[i].Route, entries[i].Permission = entries[i].Path, fmt.Sprint("permission ", i)
	}
	for _, batch := range [][]apikey.LogEntry{entries[:300], entries[300:]} {
		require.NoError(t, log.WriteLog(t.Context(), batch))
	}
	assert.Equal(t, reversed(append(newEntries(0, 1), entries...)), readAll(t, first, apikey.LogQuery{}))
	assert.Equal(t, entries[76:77], readAll(t, log, apikey.LogQuery{Path: entries[76].Path, Status: 200, ID: entries[76].ID}))
	var series int
	require.NoError(t, log.reads.QueryRow("SELECT COUNT(*) FROM apikey_log_series").Scan(&series))
	assert.Less(t, series, 10_010)
}

func TestLogKeepsKeysWritable(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range 20 {
			entries := withBodies(newEntries(n*500, n*500+500), strings.Repeat("x", 2000), "")
			assert.NoError(t, store.WriteLog(t.Context(), entries))
		}
	})
	for n := range 20 {
		require.NoError(t, store.Create(t.Context(), newKey(fmt.Sprint("key", n))))
	}
	wg.Wait()
	assert.Len(t, readAll(t, store, apikey.LogQuery{}), 10_000)
}

func TestLogIsClosed(t *testing.T) {
	db := hostHandle(t, filepath.Join(t.TempDir(), "host.db"))
	log, err := NewLog(t.Context(), db, nil)
	require.NoError(t, err)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 1)))
	require.NoError(t, log.Close())
	require.NoError(t, log.Close())
	require.ErrorContains(t, log.WriteLog(t.Context(), newEntries(0, 1)), "closed")
}

func TestLogOptionsAreValidated(t *testing.T) {
	db := hostHandle(t, filepath.Join(t.TempDir(), "host.db"))
	_, err := NewLog(t.Context(), db, &sqlstore.LogOptions{Prefix: "Log_", MaxAge: -2, MaxBytes: -3})
	for _, part := range []string{`"Log_"`, "MaxAge is -2ns", "MaxBytes is -3"} {
		require.ErrorContains(t, err, part)
	}
	d, err := dialect()
	require.NoError(t, err)
	d.LogMigrations = nil
	_, err = sqlstore.NewLog(t.Context(), db, d, nil)
	require.ErrorContains(t, err, "keeps no access log")
	log, err := NewLog(t.Context(), db, nil)
	require.NoError(t, err)
	for _, limit := range []int{0, -1} {
		_, _, err = log.ReadLog(t.Context(), apikey.LogQuery{Limit: limit})
		require.ErrorContains(t, err, "1 or more")
	}
}

func TestOpenLogRefuses(t *testing.T) {
	for _, path := range []string{"", ":memory:", filepath.Join(t.TempDir(), "missing", "log.db"), t.TempDir()} {
		log, err := OpenLog(t.Context(), path, nil)
		require.Error(t, err)
		require.Nil(t, log)
	}
	path := filepath.Join(t.TempDir(), "log.db")
	log, err := OpenLog(t.Context(), path, nil)
	require.NoError(t, err)
	_, err = log.writes.ExecContext(t.Context(), "INSERT INTO apikey_log_schema VALUES (2, 0)")
	require.NoError(t, err)
	require.NoError(t, log.Close())
	for _, open := range []func() error{
		func() error { _, err := OpenLog(t.Context(), path, nil); return err },
		func() error { _, err := Open(t.Context(), path); return err },
	} {
		require.ErrorContains(t, open(), "this program knows no version after 1")
	}
}
