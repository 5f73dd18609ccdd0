package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// A full disk refuses new entries, loses none, and needs nobody to recover.
func TestLogOnFullDisk(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 10)))
	limit := func(pages int) {
		_, err := log.writes.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
		require.NoError(t, err)
	}
	limit(1) // which SQLite takes for the present size
	more := sqltest.WithBodies(sqltest.NewEntries(5, 200), strings.Repeat("x", 4096), "")
	for range 3 {
		require.ErrorContains(t, log.WriteLog(t.Context(), more), "full")
	}
	assert.Equal(t, sqltest.Reversed(sqltest.NewEntries(0, 10)), sqltest.ReadAll(t, log, apikey.LogQuery{Bodies: true}))
	require.NoError(t, log.Trim(t.Context()))
	limit(1 << 30)
	require.NoError(t, log.WriteLog(t.Context(), more))
	assert.Equal(t, sqltest.Reversed(append(sqltest.NewEntries(0, 10), more[5:]...)), sqltest.ReadAll(t, log, apikey.LogQuery{Bodies: true}))
	requireSound(t, log.writes)
	database.RequireConsistent(t, log.writes)
}

func TestLogRefusesOtherIDs(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), nil)
	for _, id := range []string{
		"", "7", strings.Repeat("z", 26), strings.Repeat("0", 25), strings.Repeat("0", 27), strings.Repeat("0", 25) + "1",
		strings.ToUpper(sqltest.NewEntry(1).ID), "\x00",
	} {
		entries := sqltest.NewEntries(0, 3)
		entries[2].ID = id
		require.ErrorContains(t, log.WriteLog(t.Context(), entries), "entry 2: the text is not the ID of an entry", "%q", id)
	}
	assert.Empty(t, sqltest.ReadAll(t, log, apikey.LogQuery{}))
}

// A server that makes up routes as it goes does not fill the table of series.
func TestLogBoundsSeries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	first := openLogFile(t, path, &sqltest.KeepAll)
	require.NoError(t, first.WriteLog(t.Context(), sqltest.NewEntries(0, 1)))
	_, err := first.writes.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO apikey_log_series SELECT i, 'allowed', '', 200, 'GET', '/made/up/' || i, '', '' FROM n`)
	require.NoError(t, err)
	log := openLogFile(t, path, &sqltest.KeepAll)
	entries := sqltest.NewEntries(1, 1000)
	for i := range entries {
		entries[i].Route, entries[i].Permission = entries[i].Path, fmt.Sprint("permission ", i)
	}
	for _, batch := range [][]apikey.LogEntry{entries[:300], entries[300:]} {
		require.NoError(t, log.WriteLog(t.Context(), batch))
	}
	assert.Equal(t, sqltest.Reversed(append(sqltest.NewEntries(0, 1), entries...)), sqltest.ReadAll(t, first, apikey.LogQuery{}))
	assert.Equal(t, entries[76:77], sqltest.ReadAll(t, log, apikey.LogQuery{Path: entries[76].Path, Status: 200, ID: entries[76].ID}))
	var series int
	require.NoError(t, log.reads.QueryRow("SELECT COUNT(*) FROM apikey_log_series").Scan(&series))
	assert.Less(t, series, 10_010)
}

func TestLogKeepsKeysWritable(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range 20 {
			entries := sqltest.WithBodies(sqltest.NewEntries(n*500, n*500+500), strings.Repeat("x", 2000), "")
			assert.NoError(t, store.WriteLog(t.Context(), entries))
		}
	})
	for n := range 20 {
		require.NoError(t, store.Create(t.Context(), storetest.NewKey(fmt.Sprint("key", n))))
	}
	wg.Wait()
	assert.Len(t, sqltest.ReadAll(t, store, apikey.LogQuery{}), 10_000)
}

func TestLogIsClosed(t *testing.T) {
	db := database.Handle(t, filepath.Join(t.TempDir(), "host.db"))
	log, err := NewLog(t.Context(), db, nil)
	require.NoError(t, err)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 1)))
	require.NoError(t, log.Close())
	require.NoError(t, log.Close())
	require.ErrorContains(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 1)), "closed")
}

func TestLogOptionsAreValidated(t *testing.T) {
	db := database.Handle(t, filepath.Join(t.TempDir(), "host.db"))
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
