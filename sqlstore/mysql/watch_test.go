package mysql

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// A watcher runs one Watch.
type watcher struct {
	told  chan string
	ended chan error
	stop  context.CancelFunc
}

// startWatch returns once the watch has told that it is on.
func startWatch(t testing.TB, store apikey.ChangeFeed) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{told: make(chan string, 10_000), ended: make(chan error, 1), stop: cancel}
	var over atomic.Bool
	go func() {
		err := store.Watch(ctx, func(id string) {
			if over.Load() {
				t.Errorf("Watch told of %q after it returned", id)
			}
			w.told <- id
		})
		over.Store(true)
		w.ended <- err
	}()
	t.Cleanup(cancel)
	w.expect(t, "")
	return w
}

// expect waits until the watch has told of these IDs, in this order and of no
// others.
func (w *watcher) expect(t testing.TB, ids ...string) {
	t.Helper()
	for _, want := range ids {
		select {
		case id := <-w.told:
			require.Equal(t, want, id)
		case err := <-w.ended:
			t.Fatalf("Watch ended before it told of %q: %v", want, err)
		case <-time.After(time.Second):
			t.Fatalf("Watch did not tell of %q within a second", want)
		}
	}
}

// end waits until Watch returns, and returns its error.
func (w *watcher) end(t testing.TB, limit time.Duration) error {
	t.Helper()
	select {
	case err := <-w.ended:
		require.Error(t, err)
		return err
	case <-time.After(limit):
		t.Fatalf("Watch did not return within %v", limit)
		return nil
	}
}

func TestWatchTellsOfChangesElsewhere(t *testing.T) {
	dsn := newDatabase(t)
	here, elsewhere := openStore(t, dsn), openStore(t, dsn)
	require.NoError(t, elsewhere.Create(t.Context(), newKey("before")))
	w := startWatch(t, here)
	key := newKey("k")
	require.NoError(t, elsewhere.Create(t.Context(), key))
	w.expect(t, "k")
	require.NoError(t, elsewhere.Update(t.Context(), key))
	w.expect(t, "k")
	require.NoError(t, here.Create(t.Context(), newKey("own")))
	w.expect(t, "own")
	require.NoError(t, elsewhere.Delete(t.Context(), "k"))
	w.expect(t, "k")

	// None of these changes a key.
	require.ErrorIs(t, elsewhere.Create(t.Context(), newKey("own")), apikey.ErrExists)
	require.ErrorIs(t, elsewhere.Update(t.Context(), newKey("missing")), apikey.ErrNotFound)
	require.NoError(t, elsewhere.Delete(t.Context(), "missing"))
	require.NoError(t, elsewhere.RecordUses(t.Context(), []apikey.Use{{KeyID: "own", At: time.Now()}}))
	require.NoError(t, elsewhere.SwapMarker(t.Context(), nil, []byte("marker")))
	require.NoError(t, elsewhere.Create(t.Context(), newKey("last")))
	w.expect(t, "last")

	w.stop()
	require.ErrorIs(t, w.end(t, time.Second), context.Canceled)
}

// Stores with different prefixes share a database, not their changes.
func TestWatchKeepsToItsPrefix(t *testing.T) {
	db := hostHandle(t, newDatabase(t))
	one := newStore(t, db, nil)
	other := newStore(t, db, &sqlstore.Options{Prefix: "other_"})
	w := startWatch(t, one)
	require.NoError(t, other.Create(t.Context(), newKey("other")))
	require.NoError(t, one.Create(t.Context(), newKey("one")))
	w.expect(t, "one")
}

// Each change is told once, and each key's in the order in which they were made.
func TestWatchMissesNothingBesideWriters(t *testing.T) {
	const writers, changes = 8, 500
	dsn := newDatabase(t)
	w := startWatch(t, openStore(t, dsn))
	stores := []*Store{openStore(t, dsn), openStore(t, dsn)}
	var wg sync.WaitGroup
	began := time.Now()
	for n := range writers {
		wg.Go(func() {
			store := stores[n%len(stores)]
			for i := n; i < changes; i += writers {
				assert.NoError(t, store.Create(t.Context(), newKey(fmt.Sprintf("key%03d", i))))
			}
		})
	}
	wg.Wait()
	t.Logf("%d changes by %d writers in %v", changes, writers, time.Since(began))
	got := make([]string, 0, changes)
	for range changes {
		select {
		case id := <-w.told:
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
	w.expect(t, "key000")
}

// A watch may find that what it told of last is gone or another: it was too slow,
// or the database is another one, restored or failed over to.
func TestWatchNoticesWhatItMissed(t *testing.T) {
	db := hostHandle(t, newDatabase(t))
	store := newStore(t, db, nil)
	w := startWatch(t, store)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
	for _, row := range []struct{ what, statement string }{
		{"the last change was trimmed", "INSERT INTO apikey_changes VALUES (20, 'later', 1); DELETE FROM apikey_changes WHERE seq < 20"},
		{"the table went back", "INSERT INTO apikey_changes VALUES (3, 'earlier', 1); DELETE FROM apikey_changes WHERE seq > 3"},
		{"changes are missing in between", "INSERT INTO apikey_changes VALUES (5, 'fifth', 1)"},
		{"the same number is another change", "UPDATE apikey_changes SET changed_at = 2 WHERE seq = 5"},
		{"the same number is another key's", "UPDATE apikey_changes SET key_id = 'other' WHERE seq = 5"},
	} {
		inOne(t, db, row.statement)
		select {
		case id := <-w.told:
			require.Empty(t, id, row.what)
		case <-time.After(time.Second):
			t.Fatalf("Watch did not notice that %s", row.what)
		}
	}
	execute(t, db, "UPDATE apikey_sequence SET seq = 5 WHERE id = 1")
	require.NoError(t, store.Delete(t.Context(), "k"))
	w.expect(t, "k")
	execute(t, db, "DELETE FROM apikey_changes")
	require.ErrorContains(t, w.end(t, time.Second), "the table of changes is empty")
}

func TestChangesAreTrimmed(t *testing.T) {
	const kept = 10_000
	db := hostHandle(t, newDatabase(t))
	store := newStore(t, db, nil)
	execute(t, db, "UPDATE apikey_sequence SET seq = ? WHERE id = 1", kept-1)
	for i := range 3 {
		require.NoError(t, store.Create(t.Context(), newKey(fmt.Sprint("k", i))))
	}
	assert.Equal(t, 3, count(t, db, "SELECT COUNT(*) FROM apikey_changes"))
	assert.Equal(t, kept, count(t, db, "SELECT MIN(seq) FROM apikey_changes"), "the row 0 went when %d came", kept)
	execute(t, db, "UPDATE apikey_sequence SET seq = ? WHERE id = 1", 2*kept)
	require.NoError(t, store.Create(t.Context(), newKey("last")))
	assert.Equal(t, kept+2, count(t, db, "SELECT MIN(seq) FROM apikey_changes"))
}

func TestWatchLeavesTheOnlyConnectionAlone(t *testing.T) {
	db := hostHandle(t, newDatabase(t))
	db.SetMaxOpenConns(1)
	store := newStore(t, db, nil)
	err := store.Watch(t.Context(), func(string) { t.Error("it told of a change") })
	require.ErrorContains(t, err, "the handle allows no second one")
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorIs(t, err, apikey.ErrNotFound)
}

// A server or a network that says nothing any more closes no connection.
func TestWatchNoticesSilence(t *testing.T) {
	dsn := newDatabase(t)
	p := startProxy(t, addressOf(t, dsn))
	store := openStore(t, through(t, dsn, p))
	w := startWatch(t, store)
	p.silence(true)
	began := time.Now()
	err := w.end(t, 6*time.Second)
	assert.Less(t, time.Since(began), 5*time.Second)
	require.NotErrorIs(t, err, context.Canceled)
	p.silence(false)
	w = startWatch(t, store)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
}
