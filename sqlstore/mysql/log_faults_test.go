package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

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
	dsn := newDatabase(t)
	losing := &lossy{Connector: connector(t, dsn)}
	db := sql.OpenDB(losing)
	closeAfter(t, db)
	log := newLog(t, db, &keepAll)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 1))) // the series, too, is in a transaction
	entries := withBodies(newEntries(1, 1500), "a request", "")
	losing.lose.Store(true)
	for range 3 { // of 1000 and 499, one more each time
		require.ErrorIs(t, log.WriteLog(t.Context(), entries), errLost)
	}
	losing.lose.Store(false)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	assert.Equal(t, append(reversed(entries), newEntry(0)), readAll(t, log, apikey.LogQuery{Bodies: true}))
	requireConsistent(t, hostHandle(t, dsn))
}

// Wherever a write is interrupted, what was kept is whole and kept once.
func TestLogWriteInterrupted(t *testing.T) {
	dsn := newDatabase(t)
	log, db := openLog(t, dsn, &keepAll), hostHandle(t, dsn)
	entries := withBodies(newEntries(0, 2000), strings.Repeat("x", 500), "")
	interrupted := 0
	for i := range 15 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*300*time.Microsecond)
		err := log.WriteLog(ctx, entries)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			interrupted++
		}
		require.Zero(t, count(t, db, "SELECT COUNT(*) FROM apikey_log")%1000)
		requireConsistent(t, db)
	}
	require.Positive(t, interrupted)
	require.NoError(t, log.WriteLog(t.Context(), entries))
	assert.Equal(t, reversed(entries), readAll(t, log, apikey.LogQuery{Bodies: true}))
	requireConsistent(t, db)
}

// A network that says nothing any more holds a write up for as long as its context
// allows, and then the next one goes through.
func TestLogWritesAgainAfterSilence(t *testing.T) {
	dsn := newDatabase(t)
	p := startProxy(t, addressOf(t, dsn))
	log := openLog(t, through(t, dsn, p), &keepAll)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 10)))
	p.silence(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, log.WriteLog(ctx, newEntries(5, 20)), context.DeadlineExceeded)
	p.silence(false)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(5, 20)))
	assert.Equal(t, reversed(newEntries(0, 20)), readAll(t, log, apikey.LogQuery{}))
}

// Many writers that start at once meet the same new series.
func TestLogsAddSeriesAtOnce(t *testing.T) {
	dsn := newDatabase(t)
	const writers = 6
	var logs [writers]*Log
	for i := range logs {
		logs[i] = openLog(t, dsn, &keepAll)
	}
	var wg sync.WaitGroup
	for i, log := range logs {
		wg.Go(func() {
			for n := range 5 {
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
	requireConsistent(t, hostHandle(t, dsn))
	for n := range 5 {
		assert.Len(t, readAll(t, logs[1], apikey.LogQuery{Status: 200 + n}), writers*10)
	}
}

// A replica that takes over may lack a series that was the last, and others may
// have given its number to another one since.
func TestLogNoticesAnotherHistory(t *testing.T) {
	dsn := newDatabase(t)
	db := hostHandle(t, dsn)
	of := func(status, from, to int) []apikey.LogEntry {
		entries := newEntries(from, to)
		for i := range entries {
			entries[i].Status = status
		}
		return entries
	}
	log, reader := openLog(t, dsn, &keepAll), openLog(t, dsn, &keepAll)
	require.NoError(t, log.WriteLog(t.Context(), append(of(200, 0, 10), of(404, 10, 20)...)))
	assert.Len(t, readAll(t, reader, apikey.LogQuery{Status: 404}), 10)
	execute(t, db, "DELETE FROM apikey_log WHERE series = 2")
	execute(t, db, "DELETE FROM apikey_log_series WHERE id = 2")
	require.NoError(t, openLog(t, dsn, &keepAll).WriteLog(t.Context(), of(500, 20, 30)))

	assert.Equal(t, reversed(of(500, 20, 30)), readAll(t, reader, apikey.LogQuery{Status: 500}))
	require.NoError(t, log.WriteLog(t.Context(), of(404, 30, 40)))
	want := append(append(of(200, 0, 10), of(500, 20, 30)...), of(404, 30, 40)...)
	for _, l := range []*Log{log, reader} {
		assert.Equal(t, reversed(want), readAll(t, l, apikey.LogQuery{}))
	}
}

// A server that takes no writes any more is left, and the one found that does.
func TestLogLeavesReadOnlyServer(t *testing.T) {
	log := openLog(t, newDatabase(t), &keepAll)
	log.owned.SetMaxOpenConns(1)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 10)))
	execute(t, log.owned, readOnly)
	require.ErrorContains(t, log.WriteLog(t.Context(), newEntries(5, 20)), "the server takes no writes")
	require.NoError(t, log.WriteLog(t.Context(), newEntries(5, 20)), "over a new connection")
	assert.Equal(t, reversed(newEntries(0, 20)), readAll(t, log, apikey.LogQuery{}))
}

// Of two that write entries of the same IDs in another order, each may hold one
// and wait for the other's.
func TestLogDeadlockIsTriedAgain(t *testing.T) {
	dsn := newDatabase(t)
	db, log := hostHandle(t, dsn), openLog(t, patient(dsn), &keepAll)
	require.NoError(t, log.WriteLog(t.Context(), newEntries(0, 10)))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_log_size SET bytes = bytes + 1000")
	require.NoError(t, err)
	weigh(t, tx)
	written := make(chan error, 1)
	go func() { written <- log.WriteLog(t.Context(), newEntries(10, 20)) }()
	awaitBlocked(t, db)
	const insert = `INSERT INTO apikey_log (id, series, path, client, request_bytes, response_bytes, duration, bytes)
		VALUES (%s, 1, '', '', 0, 0, 0, 1000)`
	_, err = tx.ExecContext(t.Context(), fmt.Sprintf(insert, binaryLiteral(idBytes(t, newEntry(15).ID))))
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-written)
	assert.Len(t, readAll(t, log, apikey.LogQuery{}), 20)
	requireConsistent(t, db)
}
