package redisstore

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// A watcher runs one Watch.
type watcher struct {
	told  chan string
	ended chan error
	stop  context.CancelFunc
}

// startWatch returns once the watch has told that it is on.
func startWatch(t *testing.T, store *Store) *watcher {
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
func (w *watcher) expect(t *testing.T, ids ...string) {
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

func (w *watcher) expectNothing(t *testing.T) {
	t.Helper()
	select {
	case id := <-w.told:
		t.Fatalf("Watch told of %q", id)
	case err := <-w.ended:
		t.Fatalf("Watch ended: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
}

// expectEnd waits until Watch returns, and returns its error.
func (w *watcher) expectEnd(t *testing.T, within time.Duration) error {
	t.Helper()
	began := time.Now()
	select {
	case err := <-w.ended:
		require.Error(t, err)
		t.Logf("Watch returned after %v: %v", time.Since(began).Round(time.Millisecond), err)
		return err
	case <-time.After(within):
		t.Fatalf("Watch did not return within %v", within)
		return nil
	}
}

func TestWatchTellsOfChanges(t *testing.T) {
	clients := map[string]func(t *testing.T) redis.UniversalClient{
		"one server": func(t *testing.T) redis.UniversalClient { t.Helper(); return shared(t) },
		"the older protocol": func(t *testing.T) redis.UniversalClient {
			t.Helper()
			client := redis.NewClient(&redis.Options{Addr: shared(t).Options().Addr, Protocol: 2})
			closeAfter(t, client)
			return client
		},
		"a Cluster": func(t *testing.T) redis.UniversalClient { t.Helper(); return startCluster(t) },
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			client := client(t)
			prefix := newPrefix(t, client)
			store, other := storeAt(t, client, prefix), storeAt(t, client, prefix)
			w := startWatch(t, store)
			tellsOfChanges(t, other, w)
		})
	}
}

func tellsOfChanges(t *testing.T, store *Store, w *watcher) {
	t.Helper()
	ctx := t.Context()
	key := newKey("k")
	require.NoError(t, store.Create(ctx, key))
	w.expect(t, "k")
	require.NoError(t, store.Update(ctx, key))
	w.expect(t, "k")
	move := apikey.Use{KeyID: "k", At: time.Now(), From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")}
	require.NoError(t, store.RecordUses(ctx, []apikey.Use{move}))
	w.expect(t, "k")

	require.NoError(t, store.RecordUses(ctx, []apikey.Use{{KeyID: "k", At: time.Now()}, move}))
	require.ErrorIs(t, store.Create(ctx, key), apikey.ErrExists)
	require.ErrorIs(t, store.Update(ctx, key), apikey.ErrConflict)
	require.NoError(t, store.Delete(ctx, "never"))
	w.expectNothing(t)

	require.NoError(t, store.Delete(ctx, "k"))
	w.expect(t, "k")
	// By the time it is told, the change can be seen.
	for i := range 100 {
		id := fmt.Sprint("k", i)
		go func() { _ = store.Create(ctx, newKey(id)) }()
		w.expect(t, id)
		_, err := store.Get(ctx, id)
		require.NoError(t, err)
	}
}

func TestWatchOfAnotherStoreIsNotTold(t *testing.T) {
	client := shared(t)
	store, other := newStore(t, client), newStore(t, client)
	w := startWatch(t, store)
	require.NoError(t, other.Create(t.Context(), newKey("k")))
	w.expectNothing(t)
}

func TestWatchEndsWithItsContext(t *testing.T) {
	w := startWatch(t, newStore(t, shared(t)))
	w.stop()
	require.ErrorIs(t, w.expectEnd(t, time.Second), context.Canceled)

	t.Run("also before it is on", func(t *testing.T) {
		store := newStore(t, shared(t))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.Watch(ctx, func(string) {}), context.Canceled)
	})
}

func TestWatchEndsWhereItsConnectionIsCut(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	w := startWatch(t, store)
	began := time.Now()
	require.NoError(t, client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	require.NotErrorIs(t, w.expectEnd(t, time.Second), ErrLost)
	require.NoError(t, store.Create(t.Context(), newKey("missed")))
	w = startWatch(t, store) // which begins with ""
	t.Logf("cut and on again in %v", time.Since(began).Round(time.Millisecond))
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
}

func TestWatchEndsWhereItsConnectionIsSilent(t *testing.T) {
	t.Run("a network that swallows everything", func(t *testing.T) {
		t.Parallel()
		p, store := storeThroughProxy(t)
		w := startWatch(t, store)
		p.silence(true)
		require.ErrorIs(t, w.expectEnd(t, 5*time.Second), errSilent)
		p.silence(false)
		startWatch(t, store)
	})
	t.Run("a server that hangs", func(t *testing.T) {
		t.Parallel()
		s := startServer(t)
		w := startWatch(t, storeAt(t, connect(t, s.addr), "keys"))
		s.pause(t)
		require.ErrorIs(t, w.expectEnd(t, 5*time.Second), errSilent)
	})
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		p, store := storeThroughProxy(t)
		p.silence(true)
		began := time.Now()
		require.Error(t, store.Watch(t.Context(), func(string) { t.Error("Watch told of a change") }))
		t.Logf("Watch returned after %v", time.Since(began).Round(time.Millisecond))
		require.Less(t, time.Since(began), 12*time.Second)
	})
}

func TestWatchOutlivesIdleness(t *testing.T) {
	store := newStore(t, shared(t))
	w := startWatch(t, store)
	time.Sleep(silence + 2*pingEvery)
	w.expectNothing(t)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.expect(t, "k")
}

func TestWatchEndsWithItsServer(t *testing.T) {
	s := startServer(t)
	store := storeAt(t, connect(t, s.addr), "keys")
	w := startWatch(t, store)
	s.kill()
	_ = w.expectEnd(t, 5*time.Second)
	require.Error(t, store.Watch(t.Context(), func(string) { t.Error("Watch told of a change") }))
	s.start(t)
	// The store is gone, and a node without requests learns of it here.
	require.ErrorIs(t, store.Watch(t.Context(), func(string) { t.Error("Watch told of a change") }), ErrLost)
}

func TestWatchesLeaveNothingBehind(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	first := startWatch(t, store)
	first.stop()
	_ = first.expectEnd(t, time.Second)
	before := runtime.NumGoroutine()
	for range 20 {
		w := startWatch(t, store)
		w.stop()
		_ = w.expectEnd(t, time.Second)
	}
	var subscribers int64
	var after int
	for range 100 { // not Eventually, which has goroutines of its own
		subscribers = client.PubSubNumSub(t.Context(), store.channel).Val()[store.channel]
		if after = runtime.NumGoroutine(); subscribers == 0 && after <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%d subscriptions and %d goroutines are left, of which there were %d", subscribers, after, before)
}
