package sqltest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// TestWatch tests how a server's store tells of changes.
func (d *Database) TestWatch(t *testing.T) {
	t.Run("changes elsewhere are told", d.watchTellsOfChangesElsewhere)
	t.Run("those under another prefix are not", d.watchKeepsToItsPrefix)
	t.Run("none is missed beside writers", d.watchMissesNothingBesideWriters)
	t.Run("what was missed is noticed", d.watchNoticesWhatItMissed)
	t.Run("the table of changes is trimmed", d.changesAreTrimmed)
	t.Run("the only connection is left alone", d.watchLeavesTheOnlyConnectionAlone)
	t.Run("silence is noticed", d.watchNoticesSilence)
}

// StartWatch is [storetest.StartWatch] of a store that tells of changes.
func StartWatch(t testing.TB, store Store) *storetest.Watcher {
	t.Helper()
	return storetest.StartWatch(t, store.(apikey.ChangeFeed))
}

func (d *Database) watchTellsOfChangesElsewhere(t *testing.T) {
	dsn := d.Make(t)
	here, elsewhere := d.Store(t, dsn), d.Store(t, dsn)
	require.NoError(t, elsewhere.Create(t.Context(), storetest.NewKey("before")))
	w := StartWatch(t, here)
	key := storetest.NewKey("k")
	require.NoError(t, elsewhere.Create(t.Context(), key))
	w.Expect(t, "k")
	require.NoError(t, elsewhere.Update(t.Context(), key))
	w.Expect(t, "k")
	require.NoError(t, here.Create(t.Context(), storetest.NewKey("own")))
	w.Expect(t, "own")
	require.NoError(t, elsewhere.Delete(t.Context(), "k"))
	w.Expect(t, "k")

	// None of these changes a key.
	require.ErrorIs(t, elsewhere.Create(t.Context(), storetest.NewKey("own")), apikey.ErrExists)
	require.ErrorIs(t, elsewhere.Update(t.Context(), storetest.NewKey("missing")), apikey.ErrNotFound)
	require.NoError(t, elsewhere.Delete(t.Context(), "missing"))
	require.NoError(t, elsewhere.RecordUses(t.Context(), []apikey.Use{{KeyID: "own", At: time.Now()}}))
	require.NoError(t, elsewhere.SwapMarker(t.Context(), nil, []byte("marker")))
	require.NoError(t, elsewhere.Create(t.Context(), storetest.NewKey("last")))
	w.Expect(t, "last")

	w.Stop()
	require.ErrorIs(t, w.End(t, time.Second), context.Canceled)
}

// Stores with different prefixes share a database, not their changes.
func (d *Database) watchKeepsToItsPrefix(t *testing.T) {
	db := d.Handle(t, d.Make(t))
	one := d.StoreOver(t, db, nil)
	other := d.StoreOver(t, db, &sqlstore.Options{Prefix: "other_"})
	w := StartWatch(t, one)
	require.NoError(t, other.Create(t.Context(), storetest.NewKey("other")))
	require.NoError(t, one.Create(t.Context(), storetest.NewKey("one")))
	w.Expect(t, "one")
}

// Each change is told once, and each key's in the order in which they were made.
func (d *Database) watchMissesNothingBesideWriters(t *testing.T) {
	const writers, changes = 8, 500
	dsn := d.Make(t)
	w := StartWatch(t, d.Store(t, dsn))
	stores := []Store{d.Store(t, dsn), d.Store(t, dsn)}
	var wg sync.WaitGroup
	began := time.Now()
	for n := range writers {
		wg.Go(func() {
			store := stores[n%len(stores)]
			for i := n; i < changes; i += writers {
				assert.NoError(t, store.Create(t.Context(), storetest.NewKey(fmt.Sprintf("key%03d", i))))
			}
		})
	}
	wg.Wait()
	t.Logf("%d changes by %d writers in %v", changes, writers, time.Since(began))
	got := make([]string, 0, changes)
	for range changes {
		select {
		case id := <-w.Told:
			got = append(got, id)
		case <-time.After(time.Second):
			t.Fatalf("%d of %d changes were told within a second of the last", len(got), changes)
		}
	}
	slices.Sort(got)
	for i, id := range got {
		require.Equal(t, fmt.Sprintf("key%03d", i), id)
	}
	require.NoError(t, stores[0].Delete(t.Context(), "key000"))
	w.Expect(t, "key000")
}

// A watch may find that what it told of last is gone or another: it was too slow,
// or the database is another one, restored or failed over to.
func (d *Database) watchNoticesWhatItMissed(t *testing.T) {
	db := d.Handle(t, d.Make(t))
	store := d.StoreOver(t, db, nil)
	w := StartWatch(t, store)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	w.Expect(t, "k")
	for _, row := range []struct{ what, statements string }{
		{"the last change was trimmed", "INSERT INTO apikey_changes VALUES (20, 'later', 1); DELETE FROM apikey_changes WHERE seq < 20"},
		{"the table went back", "INSERT INTO apikey_changes VALUES (3, 'earlier', 1); DELETE FROM apikey_changes WHERE seq > 3"},
		{"changes are missing in between", "INSERT INTO apikey_changes VALUES (5, 'fifth', 1)"},
		{"the same number is another change", "UPDATE apikey_changes SET changed_at = 2 WHERE seq = 5"},
		{"the same number is another key's", "UPDATE apikey_changes SET key_id = 'other' WHERE seq = 5"},
	} {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		for statement := range strings.SplitSeq(row.statements, "; ") {
			Execute(t, tx, statement)
		}
		require.NoError(t, tx.Commit())
		select {
		case id := <-w.Told:
			require.Empty(t, id, row.what)
		case <-time.After(time.Second):
			t.Fatalf("Watch did not notice that %s", row.what)
		}
	}
	Execute(t, db, "UPDATE apikey_sequence SET seq = 5 WHERE id = 1")
	require.NoError(t, store.Delete(t.Context(), "k"))
	w.Expect(t, "k")
	Execute(t, db, "DELETE FROM apikey_changes")
	require.ErrorContains(t, w.End(t, time.Second), "the table of changes is empty")
}

func (d *Database) changesAreTrimmed(t *testing.T) {
	const kept = 10_000
	db := d.Handle(t, d.Make(t))
	store := d.StoreOver(t, db, nil)
	d.execute(t, db, "UPDATE apikey_sequence SET seq = ? WHERE id = 1", kept-1)
	for i := range 3 {
		require.NoError(t, store.Create(t.Context(), storetest.NewKey(fmt.Sprint("k", i))))
	}
	assert.Equal(t, 3, Count(t, db, "SELECT COUNT(*) FROM apikey_changes"))
	assert.Equal(t, kept, Count(t, db, "SELECT MIN(seq) FROM apikey_changes"), "the row 0 went when %d came", kept)
	d.execute(t, db, "UPDATE apikey_sequence SET seq = ? WHERE id = 1", 2*kept)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("last")))
	assert.Equal(t, kept+2, Count(t, db, "SELECT MIN(seq) FROM apikey_changes"))
}

func (d *Database) watchLeavesTheOnlyConnectionAlone(t *testing.T) {
	db := d.Handle(t, d.Make(t))
	db.SetMaxOpenConns(1)
	store := d.StoreOver(t, db, nil)
	err := store.(apikey.ChangeFeed).Watch(t.Context(), func(string) { t.Error("it told of a change") })
	require.ErrorContains(t, err, "the handle allows no second one")
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorIs(t, err, apikey.ErrNotFound)
}

// A server or a network that says nothing any more closes no connection.
func (d *Database) watchNoticesSilence(t *testing.T) {
	dsn := d.Make(t)
	proxied, p := d.Server.Proxied(t, dsn)
	store := d.Store(t, proxied)
	w := StartWatch(t, store)
	p.Silence(true)
	began := time.Now()
	err := w.End(t, 6*time.Second)
	assert.Less(t, time.Since(began), 5*time.Second)
	require.NotErrorIs(t, err, context.Canceled)
	p.Silence(false)
	w = StartWatch(t, store)
	require.NoError(t, store.Create(t.Context(), storetest.NewKey("k")))
	w.Expect(t, "k")
}
