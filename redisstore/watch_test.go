package redisstore

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

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
			w := storetest.StartWatch(t, store)
			tellsOfChanges(t, other, w)
		})
	}
}

func tellsOfChanges(t *testing.T, store *Store, w *storetest.Watcher) {
	t.Helper()
	ctx := t.Context()
	key := newKey("k")
	require.NoError(t, store.Create(ctx, key))
	w.Expect(t, "k")
	require.NoError(t, store.Update(ctx, key))
	w.Expect(t, "k")
	move := apikey.Use{KeyID: "k", At: time.Now(), From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")}
	require.NoError(t, store.RecordUses(ctx, []apikey.Use{move}))
	w.Expect(t, "k")

	require.NoError(t, store.RecordUses(ctx, []apikey.Use{{KeyID: "k", At: time.Now()}, move}))
	require.ErrorIs(t, store.Create(ctx, key), apikey.ErrExists)
	require.ErrorIs(t, store.Update(ctx, key), apikey.ErrConflict)
	require.NoError(t, store.Delete(ctx, "never"))
	w.ExpectNothing(t)

	require.NoError(t, store.Delete(ctx, "k"))
	w.Expect(t, "k")
	// By the time it is told, the change can be seen.
	for i := range 100 {
		id := fmt.Sprint("k", i)
		go func() { _ = store.Create(ctx, newKey(id)) }()
		w.Expect(t, id)
		_, err := store.Get(ctx, id)
		require.NoError(t, err)
	}
}

func TestWatchOfAnotherStoreIsNotTold(t *testing.T) {
	client := shared(t)
	store, other := newStore(t, client), newStore(t, client)
	w := storetest.StartWatch(t, store)
	require.NoError(t, other.Create(t.Context(), newKey("k")))
	w.ExpectNothing(t)
}

func TestWatchEndsWithItsContext(t *testing.T) {
	w := storetest.StartWatch(t, newStore(t, shared(t)))
	w.Stop()
	require.ErrorIs(t, w.End(t, time.Second), context.Canceled)

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
	w := storetest.StartWatch(t, store)
	began := time.Now()
	require.NoError(t, client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	require.NotErrorIs(t, w.End(t, time.Second), ErrLost)
	require.NoError(t, store.Create(t.Context(), newKey("missed")))
	w = storetest.StartWatch(t, store) // which begins with ""
	t.Logf("cut and on again in %v", time.Since(began).Round(time.Millisecond))
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.Expect(t, "k")
}

func TestWatchEndsWhereItsConnectionIsSilent(t *testing.T) {
	t.Run("a network that swallows everything", func(t *testing.T) {
		t.Parallel()
		p, store := storeThroughProxy(t)
		w := storetest.StartWatch(t, store)
		p.Silence(true)
		require.ErrorIs(t, w.End(t, 5*time.Second), errSilent)
		p.Silence(false)
		storetest.StartWatch(t, store)
	})
	t.Run("a server that hangs", func(t *testing.T) {
		t.Parallel()
		s := startServer(t)
		w := storetest.StartWatch(t, storeAt(t, connect(t, s.addr), "keys"))
		s.pause(t)
		require.ErrorIs(t, w.End(t, 5*time.Second), errSilent)
	})
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		p, store := storeThroughProxy(t)
		p.Silence(true)
		began := time.Now()
		require.Error(t, store.Watch(t.Context(), func(string) { t.Error("Watch told of a change") }))
		t.Logf("Watch returned after %v", time.Since(began).Round(time.Millisecond))
		require.Less(t, time.Since(began), 12*time.Second)
	})
}

func TestWatchOutlivesIdleness(t *testing.T) {
	store := newStore(t, shared(t))
	w := storetest.StartWatch(t, store)
	time.Sleep(silence + 2*pingEvery)
	w.ExpectNothing(t)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	w.Expect(t, "k")
}

func TestWatchEndsWithItsServer(t *testing.T) {
	s := startServer(t)
	store := storeAt(t, connect(t, s.addr), "keys")
	w := storetest.StartWatch(t, store)
	s.kill()
	_ = w.End(t, 5*time.Second)
	require.Error(t, store.Watch(t.Context(), func(string) { t.Error("Watch told of a change") }))
	s.start(t)
	// The store is gone, and a node without requests learns of it here.
	require.ErrorIs(t, store.Watch(t.Context(), func(string) { t.Error("Watch told of a change") }), ErrLost)
}

func TestWatchesLeaveNothingBehind(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	first := storetest.StartWatch(t, store)
	first.Stop()
	_ = first.End(t, time.Second)
	before := runtime.NumGoroutine()
	for range 20 {
		w := storetest.StartWatch(t, store)
		w.Stop()
		_ = w.End(t, time.Second)
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
