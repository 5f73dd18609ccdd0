package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A transaction that reads before it writes fails at once where another handle
// has written in between, whatever its busy_timeout.
func TestWritersInTwoHandles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	host, err := New(t.Context(), hostHandle(t, path), nil)
	require.NoError(t, err)
	closeAfter(t, host)
	stores := []interface {
		apikey.ManagedStore
		apikey.UseRecorder
	}{openFile(t, path), openFile(t, path), host}

	var wg sync.WaitGroup
	for i, store := range stores {
		for n := range 4 {
			wg.Go(func() {
				key := newKey(fmt.Sprint("key-", i, "-", n))
				assert.NoError(t, store.Create(t.Context(), key))
				for range 15 {
					assert.NoError(t, store.Update(t.Context(), key))
					key.Version++
					assert.NoError(t, store.RecordUses(t.Context(), []apikey.Use{{KeyID: key.ID, At: time.Now()}}))
				}
				assert.NoError(t, store.Delete(t.Context(), key.ID))
			})
		}
	}
	wg.Wait()
}

func TestNewerTablesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	store, err := Open(t.Context(), path)
	require.NoError(t, err)
	_, err = store.writes.ExecContext(t.Context(), "INSERT INTO apikey_schema VALUES (2, 0)")
	require.NoError(t, err)
	require.NoError(t, store.Close())
	_, err = Open(t.Context(), path)
	require.ErrorContains(t, err, "the tables are of version 2, and this program knows no version after 1")
}

func TestPrefixIsValidated(t *testing.T) {
	db := hostHandle(t, filepath.Join(t.TempDir(), "host.db"))
	for _, prefix := range []string{"Keys_", "1_", "_", "a b", "a;", "a-", "é", strings.Repeat("a", 31)} {
		_, err := New(t.Context(), db, &sqlstore.Options{Prefix: prefix})
		require.ErrorContains(t, err, fmt.Sprintf("%q", prefix))
	}
}

// A full disk refuses new keys, loses none, and needs nobody to recover.
func TestFullDisk(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	limit := func(pages int) {
		_, err := store.writes.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages))
		require.NoError(t, err)
	}
	limit(1) // which SQLite takes for the present size
	big := newKey("big")
	big.Description = strings.Repeat("x", 1<<20)
	require.ErrorContains(t, store.Create(t.Context(), big), "full")
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	_, err = store.Get(t.Context(), "big")
	require.ErrorIs(t, err, apikey.ErrNotFound)
	limit(1 << 30)
	require.NoError(t, store.Create(t.Context(), big))
	requireSound(t, store.writes)
}

// A revocation and a late batch of uses meet in either order.
func TestUsesNeverUndoRevocation(t *testing.T) {
	store := openFile(t, filepath.Join(t.TempDir(), "keys.db"))
	for i := range 50 {
		key := newKey(fmt.Sprint("key", i))
		require.NoError(t, store.Create(t.Context(), key))
		key.RevokedAt = time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, store.Update(t.Context(), key)) })
		wg.Go(func() {
			assert.NoError(t, store.RecordUses(t.Context(), []apikey.Use{{
				KeyID: key.ID, At: time.Now(), From: key.Credentials[0].Digest, To: apikey.DigestOf("moved " + key.ID),
			}}))
		})
		wg.Wait()
		got, err := store.Get(t.Context(), key.ID)
		require.NoError(t, err)
		require.False(t, got.RevokedAt.IsZero())
		require.Len(t, got.Credentials, 1)
	}
}

// A spy notes the statements that a handle prepares.
type spy struct {
	driver.Connector
	mu         sync.Mutex
	statements []string
}

func (s *spy) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	return spyConn{conn, s}, err
}

// A spyConn is of the least kind, by which every statement is prepared first.
type spyConn struct {
	driver.Conn
	spy *spy
}

func (c spyConn) Prepare(query string) (driver.Stmt, error) {
	c.spy.mu.Lock()
	defer c.spy.mu.Unlock()
	c.spy.statements = append(c.spy.statements, query)
	return c.Conn.Prepare(query)
}

func TestStatementsUseIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	connector, err := sqlite.NewConnector(path)
	require.NoError(t, err)
	watched := &spy{Connector: connector}
	db := sql.OpenDB(watched)
	closeAfter(t, db)
	store, err := New(t.Context(), db, nil)
	require.NoError(t, err)
	closeAfter(t, store)
	use := apikey.Use{KeyID: "k", At: time.Now(), From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")}
	_, getErr := store.Get(t.Context(), "k")
	_, listErr := store.List(t.Context(), apikey.Query{After: "z", Limit: 10})
	require.ErrorIs(t, getErr, apikey.ErrNotFound)
	require.NoError(t, listErr)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	require.NoError(t, store.Update(t.Context(), newKey("k")))
	require.NoError(t, store.RecordUses(t.Context(), []apikey.Use{use}))
	require.NoError(t, store.Delete(t.Context(), "k"))

	lookups := 0
	for _, statement := range watched.statements {
		if !strings.Contains(statement, "WHERE") {
			continue
		}
		plan := explain(t, db, statement)
		assert.NotContains(t, plan, "SCAN apikey", statement)
		if strings.Contains(statement, "asked.digest") {
			lookups++
			assert.Equal(t, "SEARCH asked USING COVERING INDEX apikey_credentials_digest (digest=?); "+
				"SEARCH k USING PRIMARY KEY (id=?); "+
				"SEARCH c USING PRIMARY KEY (key_id=?)", plan)
		}
	}
	assert.Equal(t, 1, lookups)
}

// explain returns the steps of a statement's query plan.
func explain(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	args := make([]any, strings.Count(statement, "?"))
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement, args...)
	require.NoError(t, err)
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		steps = append(steps, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(steps, "; ")
}
