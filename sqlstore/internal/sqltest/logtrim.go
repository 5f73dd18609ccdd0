package sqltest

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

func (d *Database) logIsTrimmedByAge(t *testing.T) {
	dsn := d.Make(t)
	log, db := d.Log(t, dsn, &sqlstore.LogOptions{MaxAge: 30 * time.Minute}), d.Handle(t, dsn)
	entries := WithBodies(NewEntries(0, 2400), "a request", "")
	for i := range entries { // some more than half are too old
		entries[i].Time = time.Now().UTC().Add(-time.Hour + time.Duration(i)*1300*time.Millisecond).Truncate(time.Microsecond)
		entries[i].ID = EntryID(entries[i].Time, i)
		entries[i].RequestID = entries[i].ID
	}
	require.NoError(t, log.WriteLog(t.Context(), entries))
	require.NoError(t, log.Trim(t.Context()))
	got := ReadAll(t, log, apikey.LogQuery{Bodies: true})
	require.InDelta(t, 1015, len(got), 50)
	assert.Equal(t, Reversed(entries)[:len(got)], got)
	assert.Equal(t, got, ReadAll(t, log, apikey.LogQuery{Bodies: true, Status: 200}), "by the index")
	d.RequireConsistent(t, db)
	assert.LessOrEqual(t, Count(t, db, "SELECT COUNT(DISTINCT slot) FROM apikey_log_slots"), len(got)+1)
}

func (d *Database) logIsTrimmedByBytes(t *testing.T) {
	dsn := d.Make(t)
	db := d.Handle(t, dsn)
	entries := WithBodies(NewEntries(1000, 4000), strings.Repeat("x", 300), "") // all of one length
	require.NoError(t, d.Log(t, dsn, &KeepAll).WriteLog(t.Context(), entries))
	each := int64(Count(t, db, "SELECT bytes FROM apikey_log_size")) / int64(len(entries))
	for _, keep := range []int{1700, 700, 1, 0} {
		opts := KeepAll
		opts.MaxBytes = int64(keep)*each + each/2
		log := d.Log(t, dsn, &opts)
		require.NoError(t, log.Trim(t.Context()))
		assert.Equal(t, Reversed(entries)[:keep], append([]apikey.LogEntry{}, ReadAll(t, log, apikey.LogQuery{Bodies: true})...))
		d.RequireConsistent(t, db)
	}
}

// The bound holds by itself while entries come.
func (d *Database) logTrimsItself(t *testing.T) {
	dsn := d.Make(t)
	db := d.Handle(t, dsn)
	opts := KeepAll
	opts.MaxBytes = 256 << 10
	log := d.Log(t, dsn, &opts)
	for n := range 30 {
		require.NoError(t, log.WriteLog(t.Context(), WithBodies(NewEntries(n*50, n*50+50), strings.Repeat("x", 1000), "")))
	}
	require.Eventually(t, func() bool {
		return int64(Count(t, db, "SELECT bytes FROM apikey_log_size")) <= opts.MaxBytes
	}, 30*time.Second, 10*time.Millisecond)
	d.RequireConsistent(t, db)
	got := ReadAll(t, log, apikey.LogQuery{})
	require.NotEmpty(t, got)
	assert.Equal(t, NewEntry(1499).ID, got[0].ID)
}

// Ten nodes write, each among the others' times, while three of them remove what
// is too much, up to what is just being written: none loses an entry but to that.
func (d *Database) manyWriteAndTrim(t *testing.T) {
	const nodes, trimming, batches, batch = 10, 3, 8, 20
	dsn := d.Make(t)
	db := d.Handle(t, dsn)
	opts := KeepAll
	opts.MaxBytes = 20_000 // some 70 entries
	var logs [nodes]Log
	for i := range logs {
		logs[i] = d.Log(t, dsn, &KeepAll)
		if i < trimming {
			logs[i] = d.Log(t, dsn, &opts)
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
					entries[j] = NewEntry((n*batch+j)*nodes + i)
					entries[j].Detail = fmt.Sprint("node ", i)
				}
				assert.NoError(t, log.WriteLog(t.Context(), WithBodies(entries, "a request", "a response")))
			}
		})
		if i < trimming {
			removing.Go(func() {
				for ctx.Err() == nil {
					err := log.Trim(ctx)
					assert.True(t, err == nil || ctx.Err() != nil || d.Dialect.IsRetryable(err), "%v", err)
				}
			})
		}
	}
	writing.Wait()
	stop()
	removing.Wait()
	d.RequireConsistent(t, db)
	require.NoError(t, logs[0].Trim(t.Context()))
	d.RequireConsistent(t, db)
	got := ReadAll(t, logs[0], apikey.LogQuery{})
	kept := Count(t, db, "SELECT bytes FROM apikey_log_size")
	assert.LessOrEqual(t, int64(kept), opts.MaxBytes)
	assert.Greater(t, int64(kept), opts.MaxBytes-1000)
	assert.Equal(t, NewEntry(nodes*batches*batch-1).ID, got[0].ID)
	assert.Equal(t, got, ReadAll(t, logs[9], apikey.LogQuery{Status: 200}), "by the index")
}
