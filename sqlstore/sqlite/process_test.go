package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// lockRole holds the write lock until its input ends.
func lockRole(ctx context.Context, path, _ string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	return exclusive(ctx, conn, func() error {
		fmt.Println("locked")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

func TestWriterElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	store := openFile(t, path)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	p := sqltest.Start(t, "lock", path, "")
	require.Equal(t, "locked", p.Line(t))

	t.Run("lookups do not wait", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 100 {
			_, err := store.Lookup(ctx, apikey.DigestOf("k"))
			require.NoError(t, err)
		}
	})
	t.Run("a server starts", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		second, err := Open(ctx, path)
		require.NoError(t, err)
		_, err = second.Lookup(ctx, apikey.DigestOf("k"))
		require.NoError(t, err)
		require.NoError(t, second.Close())
	})
	t.Run("writes end with their context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, store.Create(ctx, storetest.NewKey("late")), context.DeadlineExceeded)
		assert.Less(t, time.Since(began), 2*time.Second)
		_, err := store.Get(t.Context(), "late")
		require.ErrorIs(t, err, apikey.ErrNotFound)
	})
	t.Run("writes wait for the lock", func(t *testing.T) {
		time.AfterFunc(200*time.Millisecond, p.Release)
		began := time.Now()
		require.NoError(t, store.Create(t.Context(), storetest.NewKey("late")))
		assert.Greater(t, time.Since(began), 150*time.Millisecond, "nothing was locked")
		_, err := store.Lookup(t.Context(), apikey.DigestOf("late"))
		require.NoError(t, err)
	})
}

func TestLockHeldTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(50)")
	require.NoError(t, err)
	storetest.CloseAfter(t, db)
	store := database.StoreOver(t, db, nil)
	require.Equal(t, "locked", sqltest.Start(t, "lock", path, "").Line(t))
	err = store.Create(t.Context(), storetest.NewKey("k"))
	require.True(t, isBusy(err), "got %v", err)
	_, err = store.Get(t.Context(), "k")
	require.ErrorIs(t, err, apikey.ErrNotFound)
}

func TestLogWaitsForAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	log := openLogFile(t, path, nil)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 10)))
	p := sqltest.Start(t, "lock", path, "")
	require.Equal(t, "locked", p.Line(t))

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorIs(t, log.WriteLog(ctx, sqltest.NewEntries(5, 20)), context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 2*time.Second)
	assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{}), 10, "while the lock is held")

	time.AfterFunc(200*time.Millisecond, p.Release)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(5, 20)))
	assert.Equal(t, sqltest.Reversed(sqltest.NewEntries(0, 20)), sqltest.ReadAll(t, log, apikey.LogQuery{}))
	database.RequireConsistent(t, log.writes)
}

func TestLogLockedTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(50)")
	require.NoError(t, err)
	storetest.CloseAfter(t, db)
	log := database.LogOver(t, db, nil)
	require.NoError(t, log.WriteLog(t.Context(), sqltest.NewEntries(0, 1)))
	p := sqltest.Start(t, "lock", path, "")
	require.Equal(t, "locked", p.Line(t))
	err = log.WriteLog(t.Context(), sqltest.NewEntries(0, 10))
	require.True(t, isBusy(err), "got %v", err)
	p.Release()
	require.Eventually(t, func() bool { return log.WriteLog(t.Context(), sqltest.NewEntries(0, 10)) == nil }, 5*time.Second, time.Millisecond)
	assert.Equal(t, sqltest.Reversed(sqltest.NewEntries(0, 10)), sqltest.ReadAll(t, log, apikey.LogQuery{}))
}
