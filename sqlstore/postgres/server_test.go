package postgres

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// inOne executes statements in one transaction.
func inOne(t testing.TB, db *sql.DB, statements string) {
	t.Helper()
	execute(t, db, statements) // which PostgreSQL does by itself
}

func addressOf(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	return u.Host
}

// through returns the DSN of the same database behind a proxy, which reads along.
func through(t testing.TB, dsn string, p *proxy) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Host, u.RawQuery = p.addr, "sslmode=disable"
	return u.String()
}

// terminateWatches ends the connections of all watches in the handle's database.
func terminateWatches(t testing.TB, db *sql.DB) {
	t.Helper()
	ended := count(t, db, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE '%apikey_changes%' AND pid <> pg_backend_pid()`)
	require.Equal(t, 1, ended, "connections ended")
}

func TestWatchEndsWithItsConnection(t *testing.T) {
	dsn := newDatabase(t)
	store := openStore(t, dsn)
	w := startWatch(t, store)
	time.Sleep(50 * time.Millisecond) // it waits for notifications
	terminateWatches(t, hostHandle(t, dsn))
	_ = w.end(t, time.Second)
	w = startWatch(t, store)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
}

// Notifications make the feed fast: far below the interval at which it polls.
func TestNotificationsWakeTheWatch(t *testing.T) {
	dsn := newDatabase(t)
	w := startWatch(t, openStore(t, dsn))
	elsewhere := openStore(t, dsn)
	const rounds = 20
	var total time.Duration
	for range rounds {
		require.NoError(t, elsewhere.Create(t.Context(), newKey("k")))
		began := time.Now()
		w.expect(t, "k")
		total += time.Since(began)
		require.NoError(t, elsewhere.Delete(t.Context(), "k"))
		w.expect(t, "k")
	}
	t.Logf("a change arrives after %v on average", total/rounds)
	assert.Less(t, total/rounds, 100*time.Millisecond)
}

// A pooler may accept LISTEN and hand over no notification, nor tell of that.
func TestWatchNeedsNoNotifications(t *testing.T) {
	d, err := dialect()
	require.NoError(t, err)
	d.Feed.Listen = "SELECT 1"
	store, err := sqlstore.New(t.Context(), hostHandle(t, newDatabase(t)), d, nil)
	require.NoError(t, err)
	closeAfter(t, store)
	w := startWatch(t, &Store{Store: store})
	for range 5 {
		require.NoError(t, store.Create(t.Context(), newKey("k")))
		w.expect(t, "k")
		require.NoError(t, store.Delete(t.Context(), "k"))
		w.expect(t, "k")
	}
}

// A connection of a pgxpool.Pool does not return there with notifications on.
func TestWatchDoesNotReturnItsConnectionToAPool(t *testing.T) {
	pool := newPool(t, newDatabase(t), 2)
	db := stdlib.OpenDBFromPool(pool)
	closeAfter(t, db)
	store := newStore(t, db, nil)
	w := startWatch(t, store)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
	w.stop()
	require.ErrorIs(t, w.end(t, time.Second), context.Canceled)
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

func TestReadOnlyServerIsLeft(t *testing.T) {
	store := openStore(t, newDatabase(t))
	store.owned.SetMaxOpenConns(1)
	execute(t, store.owned, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
	err := store.Create(t.Context(), newKey("k"))
	require.ErrorContains(t, err, "the server takes no writes")
	_, err = store.Get(t.Context(), "k")
	require.ErrorIs(t, err, apikey.ErrNotFound)
	require.NoError(t, store.Create(t.Context(), newKey("k")), "over a new connection")
}

func TestOpenConnectsToServersThatTakeWrites(t *testing.T) {
	dsn := newDatabase(t)
	openStore(t, dsn)
	_, err := Open(t.Context(), dsn+"?default_transaction_read_only=on", nil)
	require.ErrorContains(t, err, "read only connection")
	store := openStore(t, dsn+"?default_transaction_read_only=on&target_session_attrs=any")
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorIs(t, err, apikey.ErrNotFound)
}

// The store's transaction holds one key and waits for the other, and the host's
// the other way round: the server ends one of them.
func TestDeadlockIsTriedAgain(t *testing.T) {
	dsn := newDatabase(t)
	db := hostHandle(t, dsn)
	store := newStore(t, hostHandle(t, patient(dsn)), nil)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, store.Create(t.Context(), newKey(id)))
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	weigh(t, tx)
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_keys SET name = 'b' WHERE id = 'b'")
	require.NoError(t, err)
	at := time.Now().UTC().Truncate(time.Microsecond)
	recorded := make(chan error, 1)
	go func() {
		recorded <- store.RecordUses(t.Context(), []apikey.Use{{KeyID: "a", At: at}, {KeyID: "b", At: at}})
	}()
	awaitBlocked(t, db)
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_keys SET name = 'a' WHERE id = 'a'")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-recorded)
	for _, id := range []string{"a", "b"} {
		key, err := store.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, id, key.Name)
		assert.Equal(t, at, key.LastUsedAt)
	}
	assert.Positive(t, count(t, db, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
}

// A credential moves to a digest that was free when the store looked.
func TestMoveIsOvertaken(t *testing.T) {
	db := hostHandle(t, newDatabase(t))
	store := newStore(t, db, nil)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, store.Create(t.Context(), newKey(id)))
	}
	to := apikey.DigestOf("to")
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_credentials SET digest = $1 WHERE key_id = 'b'", to[:])
	require.NoError(t, err)
	at := time.Now().UTC().Truncate(time.Microsecond)
	recorded := make(chan error, 1)
	go func() {
		recorded <- store.RecordUses(t.Context(), []apikey.Use{{KeyID: "a", At: at, From: apikey.DigestOf("a"), To: to}})
	}()
	awaitBlocked(t, db)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-recorded)
	key, err := store.Lookup(t.Context(), apikey.DigestOf("a"))
	require.NoError(t, err)
	assert.Equal(t, at, key.LastUsedAt, "the use counts all the same")
	key, err = store.Lookup(t.Context(), to)
	require.NoError(t, err)
	assert.Equal(t, "b", key.ID)
}

// awaitBlocked waits until a connection waits for another one's lock.
func awaitBlocked(t testing.TB, db *sql.DB) {
	t.Helper()
	require.Eventually(t, func() bool {
		return count(t, db, `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
	}, 5*time.Second, 5*time.Millisecond)
}

func TestNewerTablesAreRefused(t *testing.T) {
	dsn := newDatabase(t)
	openStore(t, dsn)
	execute(t, hostHandle(t, dsn), "INSERT INTO apikey_schema VALUES (2, 0)")
	_, err := Open(t.Context(), dsn, nil)
	require.ErrorContains(t, err, "the tables are of version 2, and this program knows no version after 1")
}

func TestLookupTakesOneRoundTrip(t *testing.T) {
	dsn := newDatabase(t)
	p := startProxy(t, addressOf(t, dsn))
	store := openStore(t, through(t, dsn, p))
	store.owned.SetMaxOpenConns(1)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	const lookups = 50
	for _, text := range []string{"k", "unknown"} {
		_, _ = store.Lookup(t.Context(), apikey.DigestOf(text)) // the first one on a connection prepares
		before := p.asked.Load()
		for range lookups {
			_, _ = store.Lookup(t.Context(), apikey.DigestOf(text))
		}
		assert.EqualValues(t, lookups, p.asked.Load()-before)
	}
}

// A spy notes the statements that a handle sends.
type spy struct {
	mu   sync.Mutex
	sent []pgx.TraceQueryStartData
}

func (s *spy) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, data)
	return ctx
}

func (*spy) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	watched := &spy{}
	store := newStore(t, hostHandle(t, dsn, func(config *pgx.ConnConfig) { config.Tracer = watched }), nil)
	key := newKey("k")
	use := apikey.Use{KeyID: "k", At: time.Now(), From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")}
	require.NoError(t, store.Create(t.Context(), key))
	require.NoError(t, store.Update(t.Context(), key))
	require.NoError(t, store.RecordUses(t.Context(), []apikey.Use{use}))
	_, lookupErr := store.Lookup(t.Context(), use.To)
	_, getErr := store.Get(t.Context(), "k")
	_, listErr := store.List(t.Context(), apikey.Query{After: "z", Limit: 10})
	require.NoError(t, errors.Join(lookupErr, getErr, listErr))
	require.NoError(t, store.Delete(t.Context(), "k"))

	db := hostHandle(t, dsn+"?enable_seqscan=off") // else it is cheaper for a few rows
	explained := 0
	for _, statement := range watched.sent {
		if !strings.Contains(statement.SQL, "WHERE") {
			continue
		}
		explained++
		assert.NotContains(t, explain(t, db, statement), "Seq Scan", statement.SQL)
	}
	assert.Greater(t, explained, 10)
}

func explain(t testing.TB, db *sql.DB, statement pgx.TraceQueryStartData) string {
	t.Helper()
	args := statement.Args
	if len(args) > 0 {
		if _, ok := args[0].(pgx.QueryResultFormatsByOID); ok {
			args = args[1:]
		}
	}
	rows, err := db.QueryContext(t.Context(), "EXPLAIN "+statement.SQL, args...)
	require.NoError(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan = append(plan, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "\n")
}

// analyze lets the server know how many rows there are, as it would by itself a
// minute later.
func analyze(t testing.TB, db *sql.DB) {
	t.Helper()
	execute(t, db, "VACUUM ANALYZE")
}
