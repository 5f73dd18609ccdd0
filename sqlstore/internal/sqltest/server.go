package sqltest

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// TestServer tests a store beside others that hold its locks, and on a server that
// takes no writes.
func (d *Database) TestServer(t *testing.T) {
	t.Run("a server without writes is left", d.readOnlyServerIsLeft)
	t.Run("a deadlock is tried again", d.deadlockIsTriedAgain)
	t.Run("a credential's move is overtaken", d.moveIsOvertaken)
	t.Run("newer tables are refused", d.newerTablesAreRefused)
}

func (d *Database) readOnlyServerIsLeft(t *testing.T) {
	db := d.Handle(t, d.Make(t))
	db.SetMaxOpenConns(1)
	store := d.StoreOver(t, db, nil)
	Execute(t, db, d.Server.ReadOnly)
	require.ErrorContains(t, store.Create(t.Context(), storetest.NewKey("k")), "the server takes no writes")
	_, err := store.Get(t.Context(), "k")
	require.ErrorIs(t, err, apikey.ErrNotFound)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")), "over a new connection")
}

// The store's transaction holds one key and waits for the other, and the host's
// the other way round: the server ends one of them.
func (d *Database) deadlockIsTriedAgain(t *testing.T) {
	dsn := d.Make(t)
	db, store := d.Handle(t, dsn), d.Store(t, dsn+d.Server.Patient)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, store.Create(t.Context(), storetest.NewKey(id)))
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	Execute(t, tx, d.Server.Outlive)
	Execute(t, tx, "UPDATE apikey_keys SET name = 'b' WHERE id = 'b'")
	at := time.Now().UTC().Truncate(time.Microsecond)
	recorded := make(chan error, 1)
	go func() {
		recorded <- store.RecordUses(t.Context(), []apikey.Use{{KeyID: "a", At: at}, {KeyID: "b", At: at}})
	}()
	d.awaitBlocked(t, db)
	_, err = db.ExecContext(t.Context(), "SELECT id FROM apikey_keys WHERE id = 'a' FOR UPDATE NOWAIT")
	require.Error(t, err, "the store holds no key that the host waits for")
	Execute(t, tx, "UPDATE apikey_keys SET name = 'a' WHERE id = 'a'")
	require.NoError(t, tx.Commit())
	require.NoError(t, <-recorded)
	for _, id := range []string{"a", "b"} {
		key, err := store.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, id, key.Name)
		assert.Equal(t, at, key.LastUsedAt)
	}
}

// A credential moves to a digest that was free when the store looked.
func (d *Database) moveIsOvertaken(t *testing.T) {
	db := d.Handle(t, d.Make(t))
	store := d.StoreOver(t, db, nil)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, store.Create(t.Context(), storetest.NewKey(id)))
	}
	to := apikey.DigestOf("to")
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	d.execute(t, tx, "UPDATE apikey_credentials SET digest = ? WHERE key_id = 'b'", to[:])
	at := time.Now().UTC().Truncate(time.Microsecond)
	recorded := make(chan error, 1)
	go func() {
		recorded <- store.RecordUses(t.Context(), []apikey.Use{{KeyID: "a", At: at, From: apikey.DigestOf("a"), To: to}})
	}()
	d.awaitBlocked(t, db)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-recorded)
	key, err := store.Lookup(t.Context(), apikey.DigestOf("a"))
	require.NoError(t, err)
	assert.Equal(t, at, key.LastUsedAt, "the use counts all the same")
	key, err = store.Lookup(t.Context(), to)
	require.NoError(t, err)
	assert.Equal(t, "b", key.ID)
}

// awaitBlocked waits until a transaction in the handle's database waits for
// another one's lock.
func (d *Database) awaitBlocked(t testing.TB, db *sql.DB) {
	t.Helper()
	require.Eventually(t, func() bool { return Count(t, db, d.Server.Blocked) > 0 }, 5*time.Second, d.Server.Poll)
}

func (d *Database) newerTablesAreRefused(t *testing.T) {
	dsn := d.Make(t)
	d.Store(t, dsn)
	Execute(t, d.Handle(t, dsn), "INSERT INTO apikey_schema VALUES (2, 0)")
	_, err := d.Open(t.Context(), dsn)
	require.ErrorContains(t, err, "the tables are of version 2, and this program knows no version after 1")
}
