package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

func (d *Database) logCommitWhoseAnswerWasLost(t *testing.T) {
	dsn := d.Make(t)
	connector, err := d.Connector(dsn)
	require.NoError(t, err)
	losing := &lossy{Connector: connector}
	db := sql.OpenDB(losing)
	storetest.CloseAfter(t, db)
	log := d.LogOver(t, db, &KeepAll)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(0, 1))) // the series, too, is in a transaction
	entries := WithBodies(NewEntries(1, 1500), "a request", "")
	losing.lose.Store(true)
	for range 3 { // of 1000 and 499, one more each time
		require.ErrorIs(t, log.WriteLog(t.Context(), entries), errLost)
	}
	losing.lose.Store(false)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	assert.Equal(t, append(Reversed(entries), NewEntry(0)), ReadAll(t, log, apikey.LogQuery{Bodies: true}))
	d.RequireConsistent(t, d.Handle(t, dsn))
}

// Wherever a write is interrupted, what was kept is whole and kept once.
func (d *Database) logWriteInterrupted(t *testing.T) {
	dsn := d.Make(t)
	log, db := d.Log(t, dsn, &KeepAll), d.Handle(t, dsn)
	entries := WithBodies(NewEntries(0, 2000), strings.Repeat("x", 500), "")
	interrupted := 0
	for i := range 15 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*300*time.Microsecond)
		err := log.WriteLog(ctx, entries)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			interrupted++
		}
		require.Zero(t, Count(t, db, "SELECT COUNT(*) FROM apikey_log")%1000)
		d.RequireConsistent(t, db)
	}
	require.Positive(t, interrupted)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	assert.Equal(t, Reversed(entries), ReadAll(t, log, apikey.LogQuery{Bodies: true}))
	d.RequireConsistent(t, db)
}

// A network that says nothing any more holds a write up for as long as its context
// allows, and then the next one goes through.
func (d *Database) logWritesAgainAfterSilence(t *testing.T) {
	dsn := d.Make(t)
	proxied, p := d.Server.Proxied(t, dsn)
	log := d.Log(t, proxied, &KeepAll)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(0, 10)))
	p.Silence(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, log.WriteLog(ctx, NewEntries(5, 20)), context.DeadlineExceeded)
	p.Silence(false)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(5, 20)))
	assert.Equal(t, Reversed(NewEntries(0, 20)), ReadAll(t, log, apikey.LogQuery{}))
}

// Many writers that start at once meet the same new series.
func (d *Database) logsAddSeriesAtOnce(t *testing.T) {
	dsn := d.Make(t)
	const writers = 6
	var logs [writers]Log
	for i := range logs {
		logs[i] = d.Log(t, dsn, &KeepAll)
	}
	var wg sync.WaitGroup
	for i, log := range logs {
		wg.Go(func() {
			for n := range 5 {
				entries := NewEntries(1000*i+10*n, 1000*i+10*n+10)
				for j := range entries {
					entries[j].Status = 200 + n
					entries[j].Route = fmt.Sprint("/api/infrastructure/", strings.Repeat("s", j%2), "{x}")
				}
				assert.NoError(t, log.WriteLog(t.Context(), entries))
			}
		})
	}
	wg.Wait()
	d.RequireConsistent(t, d.Handle(t, dsn))
	for n := range 5 {
		assert.Len(t, ReadAll(t, logs[1], apikey.LogQuery{Status: 200 + n}), writers*10)
	}
}

// A replica that takes over may lack a series that was the last, and others may
// have given its number to another one since.
func (d *Database) logNoticesAnotherHistory(t *testing.T) {
	dsn := d.Make(t)
	db := d.Handle(t, dsn)
	of := func(status, from, to int) []apikey.LogEntry {
		entries := NewEntries(from, to)
		for i := range entries {
			entries[i].Status = status
		}
		return entries
	}
	log, reader := d.Log(t, dsn, &KeepAll), d.Log(t, dsn, &KeepAll)
	require.NoError(t, log.WriteLog(t.Context(), append(of(200, 0, 10), of(404, 10, 20)...)))
	assert.Len(t, ReadAll(t, reader, apikey.LogQuery{Status: 404}), 10)
	Execute(t, db, "DELETE FROM apikey_log WHERE series = 2")
	Execute(t, db, "DELETE FROM apikey_log_series WHERE id = 2")
	require.NoError(t, d.Log(t, dsn, &KeepAll).WriteLog(t.Context(), of(500, 20, 30)))

	assert.Equal(t, Reversed(of(500, 20, 30)), ReadAll(t, reader, apikey.LogQuery{Status: 500}))
	require.NoError(t, log.WriteLog(t.Context(), of(404, 30, 40)))
	want := append(append(of(200, 0, 10), of(500, 20, 30)...), of(404, 30, 40)...)
	for _, l := range []Log{log, reader} {
		assert.Equal(t, Reversed(want), ReadAll(t, l, apikey.LogQuery{}))
	}
}

// A server that takes no writes any more is left, and the one found that does.
func (d *Database) logLeavesReadOnlyServer(t *testing.T) {
	db := d.Handle(t, d.Make(t))
	db.SetMaxOpenConns(1)
	log := d.LogOver(t, db, &KeepAll)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(0, 10)))
	Execute(t, db, d.Server.ReadOnly)
	require.ErrorContains(t, log.WriteLog(t.Context(), NewEntries(5, 20)), "the server takes no writes")
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(5, 20)), "over a new connection")
	assert.Equal(t, Reversed(NewEntries(0, 20)), ReadAll(t, log, apikey.LogQuery{}))
}

// Of two that write entries of the same IDs in another order, each may hold one
// and wait for the other's.
func (d *Database) logDeadlockIsTriedAgain(t *testing.T) {
	dsn := d.Make(t)
	db, log := d.Handle(t, dsn), d.Log(t, dsn+d.Server.Patient, &KeepAll)
	require.NoError(t, log.WriteLog(t.Context(), NewEntries(0, 10)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	Execute(t, tx, "UPDATE apikey_log_size SET bytes = bytes + 1000")
	Execute(t, tx, d.Server.Outlive)
	written := make(chan error, 1)
	go func() { written <- log.WriteLog(t.Context(), NewEntries(10, 20)) }()
	d.awaitBlocked(t, db)
	d.execute(t, tx, `INSERT INTO apikey_log (id, series, path, client, request_bytes, response_bytes, duration, bytes)
		VALUES (?, 1, '', '', 0, 0, 0, 1000)`, IDBytes(t, NewEntry(15).ID))
	require.NoError(t, tx.Commit())
	require.NoError(t, <-written)
	assert.Len(t, ReadAll(t, log, apikey.LogQuery{}), 20)
	d.RequireConsistent(t, db)
}
