package postgres

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// terminateWatches ends the connections of all watches in the handle's database.
func terminateWatches(t testing.TB, db *sql.DB) {
	t.Helper()
	ended := sqltest.Count(t, db, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE '%apikey_changes%' AND pid <> pg_backend_pid()`)
	require.Equal(t, 1, ended, "connections ended")
}

func TestWatchEndsWithItsConnection(t *testing.T) {
	dsn := newDatabase(t)
	store := database.Store(t, dsn)
	w := sqltest.StartWatch(t, store)
	time.Sleep(50 * time.Millisecond) // it waits for notifications
	terminateWatches(t, database.Handle(t, dsn))
	_ = w.End(t, time.Second)
	w = sqltest.StartWatch(t, store)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	w.Expect(t, "k")
}

// Notifications make the feed fast: far below the interval at which it polls.
func TestNotificationsWakeTheWatch(t *testing.T) {
	dsn := newDatabase(t)
	w := sqltest.StartWatch(t, database.Store(t, dsn))
	elsewhere := database.Store(t, dsn)
	const rounds = 20
	var total time.Duration
	for range rounds {
		require.NoError(t, elsewhere.Create(t.Context(), storetest.NewKey("k")))
		began := time.Now()
		w.Expect(t, "k")
		total += time.Since(began)
		require.NoError(t, elsewhere.Delete(t.Context(), "k"))
		w.Expect(t, "k")
	}
	t.Logf("a change arrives after %v on average", total/rounds)
	assert.Less(t, total/rounds, 100*time.Millisecond)
}

// A pooler may accept LISTEN and hand over no notification, nor tell of that.
func TestWatchNeedsNoNotifications(t *testing.T) {
	d, err := dialect()
	require.NoError(t, err)
	d.Feed.Listen = "SELECT 1"
	store, err := sqlstore.New(t.Context(), database.Handle(t, newDatabase(t)), d, nil)
	require.NoError(t, err)
	storetest.CloseAfter(t, store)
	w := sqltest.StartWatch(t, &Store{Store: store})
	for range 5 {
		require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
		w.Expect(t, "k")
		require.NoError(t, store.Delete(t.Context(), "k"))
		w.Expect(t, "k")
	}
}

// A connection of a pgxpool.Pool does not return there with notifications on.
func TestWatchDoesNotReturnItsConnectionToAPool(t *testing.T) {
	pool := newPool(t, newDatabase(t), 2)
	db := stdlib.OpenDBFromPool(pool)
	storetest.CloseAfter(t, db)
	store := database.StoreOver(t, db, nil)
	w := sqltest.StartWatch(t, store)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	w.Expect(t, "k")
	w.Stop()
	require.ErrorIs(t, w.End(t, time.Second), context.Canceled)
	for _, conn := range []*pgxpool.Conn{acquire(t, pool), acquire(t, pool)} {
		var channels int
		err := conn.QueryRow(t.Context(), "SELECT COUNT(*) FROM pg_listening_channels()").Scan(&channels)
		require.NoError(t, err)
		assert.Zero(t, channels)
	}
}

func acquire(t testing.TB, pool *pgxpool.Pool) *pgxpool.Conn {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	t.Cleanup(conn.Release)
	return conn
}

func TestOpenConnectsToServersThatTakeWrites(t *testing.T) {
	dsn := newDatabase(t)
	database.Store(t, dsn)
	_, err := Open(t.Context(), dsn+"?default_transaction_read_only=on", nil)
	require.ErrorContains(t, err, "read only connection")
	store := database.Store(t, dsn+"?default_transaction_read_only=on&target_session_attrs=any")
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorIs(t, err, apikey.ErrNotFound)
}
