package mysql

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

func TestLogIsTrimmedByAge(t *testing.T) {
	dsn := newDatabase(t)
	log, db := openLog(t, dsn, &sqlstore.LogOptions{MaxAge: 30 * time.Minute}), hostHandle(t, dsn)
	entries := withBodies(newEntries(0, 2400), "a request", "")
	for i := range entries { // some more than half are too old
		entries[i].Time = time.Now().UTC().Add(-time.Hour + time.Duration(i)*1300*time.Millisecond).Truncate(time.Microsecond)
		entries[i].ID = entryID(entries[i].Time, i)
		entries[i].RequestID = entries[i].ID
	}
	require.NoError(t, log.WriteLog(t.Context(), entries))
	require.NoError(t, log.Trim(t.Context()))
	got := readAll(t, log, apikey.LogQuery{Bodies: true})
	require.InDelta(t, 1015, len(got), 50)
	assert.Equal(t, reversed(entries)[:len(got)], got)
	assert.Equal(t, got, readAll(t, log, apikey.LogQuery{Bodies: true, Status: 200}), "by the index")
	requireConsistent(t, db)
	assert.LessOrEqual(t, count(t, db, "SELECT COUNT(DISTINCT slot) FROM apikey_log_slots"), len(got)+1)
}

func TestLogIsTrimmedByBytes(t *testing.T) {
	dsn := newDatabase(t)
	db := hostHandle(t, dsn)
	entries := withBodies(newEntries(1000, 4000), strings.Repeat("x", 300), "") // all of one length
	require.NoError(t, openLog(t, dsn, &keepAll).WriteLog(t.Context(), entries))
	each := int64(count(t, db, "SELECT bytes FROM apikey_log_size")) / int64(len(entries))
	for _, keep := range []int{1700, 700, 1, 0} {
		opts := keepAll
		opts.MaxBytes = int64(keep)*each + each/2
		log := openLog(t, dsn, &opts)
		require.NoError(t, log.Trim(t.Context()))
		assert.Equal(t, reversed(entries)[:keep], append([]apikey.LogEntry{}, readAll(t, log, apikey.LogQuery{Bodies: true})...))
		requireConsistent(t, db)
	}
}

// The bound holds by itself while entries come.
func TestLogTrimsItself(t *testing.T) {
	dsn := newDatabase(t)
	db := hostHandle(t, dsn)
	opts := keepAll
	opts.MaxBytes = 256 << 10
	log := openLog(t, dsn, &opts)
	for n := range 30 {
		require.NoError(t, log.WriteLog(t.Context(), withBodies(newEntries(n*50, n*50+50), strings.Repeat("x", 1000), "")))
	}
	require.Eventually(t, func() bool {
		return int64(count(t, db, "SELECT bytes FROM apikey_log_size")) <= opts.MaxBytes
	}, 30*time.Second, 10*time.Millisecond)
	requireConsistent(t, db)
	got := readAll(t, log, apikey.LogQuery{})
	require.NotEmpty(t, got)
	assert.Equal(t, newEntry(1499).ID, got[0].ID)
}

// Ten nodes write, each among the others' times, while three of them remove what
// is too much, up to what is just being written: none loses an entry but to that.
func TestManyWriteAndTrim(t *testing.T) {
	const nodes, trimming, batches, batch = 10, 3, 8, 20
	dsn := newDatabase(t)
	db := hostHandle(t, dsn)
	opts := keepAll
	opts.MaxBytes = 20_000 // some 70 entries
	var logs [nodes]*Log
	for i := range logs {
		logs[i] = openLog(t, dsn, &keepAll)
		if i < trimming {
			logs[i] = openLog(t, dsn, &opts)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writing, removing sync.WaitGroup
	for i, log := range logs {
		writing.Go(func() {
			for n := range batches {
				entries := make([]apikey.LogEntry, batch)
				for j := range entries {
					entries[j] = newEntry((n*batch+j)*nodes + i)
					entries[j].Detail = fmt.Sprint("node ", i)
				}
				assert.NoError(t, log.WriteLog(t.Context(), withBodies(entries, "a request", "a response")))
			}
		})
		if i < trimming {
			removing.Go(func() {
				for ctx.Err() == nil {
					err := log.Trim(ctx)
					assert.True(t, err == nil || ctx.Err() != nil || isRetryable(err), "%v", err)
				}
			})
		}
	}
	writing.Wait()
	stop()
	removing.Wait()
	requireConsistent(t, db)
	require.NoError(t, logs[0].Trim(t.Context()))
	requireConsistent(t, db)
	got := readAll(t, logs[0], apikey.LogQuery{})
	kept := count(t, db, "SELECT bytes FROM apikey_log_size")
	assert.LessOrEqual(t, int64(kept), opts.MaxBytes)
	assert.Greater(t, int64(kept), opts.MaxBytes-1000)
	assert.Equal(t, newEntry(nodes*batches*batch-1).ID, got[0].ID)
	assert.Equal(t, got, readAll(t, logs[9], apikey.LogQuery{Status: 200}), "by the index")
}
