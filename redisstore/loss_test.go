package redisstore

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// requireLost checks that every call fails with ErrLost, and none with a sentinel
// that would be taken for an answer.
func requireLost(t *testing.T, store *Store) {
	t.Helper()
	ctx := t.Context()
	key := newKey("k")
	_, lookupErr := store.Lookup(ctx, apikey.DigestOf("k"))
	_, missErr := store.Lookup(ctx, apikey.DigestOf("unknown"))
	_, getErr := store.Get(ctx, "k")
	_, listErr := store.List(ctx, apikey.Query{Limit: 1})
	_, markerErr := store.Marker(ctx)
	for call, err := range map[string]error{
		"Lookup":            lookupErr,
		"Lookup of unknown": missErr,
		"Get":               getErr,
		"List":              listErr,
		"Create":            store.Create(ctx, newKey("new")),
		"Update":            store.Update(ctx, key),
		"Delete":            store.Delete(ctx, "k"),
		"RecordUses":        store.RecordUses(ctx, []apikey.Use{{KeyID: "k", At: time.Now()}}),
		"Marker":            markerErr,
		"SwapMarker":        store.SwapMarker(ctx, nil, []byte("marker")),
		"Watch":             store.Watch(ctx, func(string) { t.Error("Watch told of a change") }),
	} {
		require.ErrorIs(t, err, ErrLost, call)
		for _, answer := range answers {
			if !errors.Is(answer, ErrLost) {
				require.NotErrorIs(t, err, answer, call)
			}
		}
	}
}

func TestFlushedStoreIsLost(t *testing.T) {
	for name, client := range map[string]redis.UniversalClient{
		"one server": connect(t, startServer(t).addr),
		"a Cluster":  startCluster(t),
	} {
		t.Run(name, func(t *testing.T) {
			store := storeAt(t, client, "keys")
			require.NoError(t, store.Create(t.Context(), newKey("k")))
			require.NoError(t, client.FlushAll(t.Context()).Err())
			requireLost(t, store)
			require.Zero(t, client.DBSize(t.Context()).Val(), "something was written to what is lost")
		})
	}
}

func TestStoreIsLostInRestartWithoutPersistence(t *testing.T) {
	s := startServer(t)
	store := storeAt(t, connect(t, s.addr), "keys")
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	s.restart(t)
	requireLost(t, store)
}

func TestStoreOutlivesRestartWithPersistence(t *testing.T) {
	s := startServer(t, "--appendonly", "yes", "--appendfsync", "always")
	store := storeAt(t, connect(t, s.addr), "keys")
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	s.restart(t)
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	require.NoError(t, store.Create(t.Context(), newKey("new")))
}

// Another process is restarted after the loss and begins a new store. Those that
// still run must not accept its keys, nor take theirs for unknown.
func TestNewStoreIsAnotherStore(t *testing.T) {
	client := connect(t, startServer(t).addr)
	before := storeAt(t, client, "keys")
	require.NoError(t, before.Create(t.Context(), newKey("k")))
	require.NoError(t, client.FlushAll(t.Context()).Err())
	after := storeAt(t, client, "keys")
	require.NoError(t, after.Create(t.Context(), newKey("k")))

	requireLost(t, before)
	_, err := before.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorContains(t, err, "another process has begun a new one in its place")
	_, err = after.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
}

func TestRestoredStoreIsFoundAgain(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	dumps := map[string]string{}
	for _, name := range []string{store.keys, store.ids} {
		dump, err := client.Dump(t.Context(), name).Result()
		require.NoError(t, err)
		dumps[name] = dump
	}
	require.NoError(t, client.FlushAll(t.Context()).Err())
	requireLost(t, store)
	for name, dump := range dumps {
		require.NoError(t, client.Restore(t.Context(), name, 0, dump).Err())
	}
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	page, err := store.List(t.Context(), apikey.Query{Limit: 2})
	require.NoError(t, err)
	require.Len(t, page, 1)
}

// Without the order of IDs, List would show an empty store.
func TestHalfAStoreIsLost(t *testing.T) {
	client := shared(t)
	for name, half := range map[string]func(*Store) string{
		"the keys": func(s *Store) string { return s.keys },
		"the IDs":  func(s *Store) string { return s.ids },
	} {
		t.Run(name+" are gone", func(t *testing.T) {
			prefix := newPrefix(t, client)
			store := storeAt(t, client, prefix)
			require.NoError(t, store.Create(t.Context(), newKey("k")))
			require.NoError(t, client.Del(t.Context(), half(store)).Err())
			_, listErr := store.List(t.Context(), apikey.Query{Limit: 1})
			require.ErrorIs(t, listErr, ErrLost)
			require.ErrorIs(t, store.Create(t.Context(), newKey("new")), ErrLost)
			_, err := New(t.Context(), client, &Options{Prefix: prefix})
			require.ErrorIs(t, err, ErrLost, "New must not begin a store over the rest of one")
		})
	}
}

func TestForeignDataIsRefused(t *testing.T) {
	client := shared(t)
	t.Run("before New", func(t *testing.T) {
		prefix := newPrefix(t, client)
		require.NoError(t, client.Set(t.Context(), "{"+prefix+"}:keys", "text", 0).Err())
		_, err := New(t.Context(), client, &Options{Prefix: prefix})
		require.ErrorContains(t, err, "WRONGTYPE")
	})
	t.Run("after New", func(t *testing.T) {
		store := newStore(t, client)
		require.NoError(t, client.Set(t.Context(), store.ids, "text", 0).Err())
		require.ErrorContains(t, store.Create(t.Context(), newKey("k")), "WRONGTYPE")
		_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
		require.ErrorIs(t, err, apikey.ErrNotFound, "Create was half done")
	})
	t.Run("a layout from the future", func(t *testing.T) {
		prefix := newPrefix(t, client)
		store := storeAt(t, client, prefix)
		require.NoError(t, client.HSet(t.Context(), store.keys, "store", "2:FUTURE").Err())
		_, err := New(t.Context(), client, &Options{Prefix: prefix})
		require.ErrorContains(t, err, `the store is of layout "2:FUTURE", and this program knows only "1:"`)
		_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
		require.ErrorIs(t, err, ErrLost)
	})
	t.Run("a damaged record", func(t *testing.T) {
		store := newStore(t, client)
		require.NoError(t, store.Create(t.Context(), newKey("k")))
		digest := apikey.DigestOf("k")
		require.NoError(t, client.HSet(t.Context(), store.keys, "k:k", "x", "d:"+string(digest[:]), "x").Err())
		_, lookupErr := store.Lookup(t.Context(), digest)
		require.ErrorIs(t, lookupErr, errDamaged)
		_, listErr := store.List(t.Context(), apikey.Query{Limit: 1})
		require.ErrorIs(t, listErr, errDamaged)
	})
}

func TestMustExist(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	_, err := New(t.Context(), client, &Options{Prefix: prefix, MustExist: true})
	require.ErrorIs(t, err, ErrLost)
	require.ErrorContains(t, err, "there is no {"+prefix+"}:keys")
	require.Zero(t, client.Exists(t.Context(), "{"+prefix+"}:keys", "{"+prefix+"}:ids").Val())

	store := storeAt(t, client, prefix)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	store, err = New(t.Context(), client, &Options{Prefix: prefix, MustExist: true})
	require.NoError(t, err)
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
}

func TestManyBeginOneStore(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	const n = 10
	stores := make([]*Store, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		own := connect(t, client.Options().Addr)
		wg.Go(func() {
			<-start
			var err error
			stores[i], err = New(t.Context(), own, &Options{Prefix: prefix})
			assert.NoError(t, err)
		})
	}
	close(start)
	wg.Wait()
	for i, store := range stores {
		require.NotNil(t, store)
		require.Equal(t, stores[0].identity, store.identity, "store %d", i)
		require.NoError(t, store.Create(t.Context(), newKey(string(rune('a'+i)))))
	}
}

// What an Authority does over a store that is lost: its requests are refused with
// 503, and no first key is made.
func TestAuthorityOverLostStore(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	auth := authority(t, store)
	spec := apikey.KeySpec{Name: "first", Permissions: []apikey.Permission{apikey.Native}}
	_, secret, err := auth.Bootstrap(t.Context(), spec, "")
	require.NoError(t, err)
	require.NoError(t, client.FlushAll(t.Context()).Err())

	_, err = auth.Authenticate(t.Context(), secret.Reveal())
	var refusal *apikey.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 503, refusal.Status)
	require.ErrorIs(t, err, apikey.ErrStoreFailed)
	_, _, err = auth.Bootstrap(t.Context(), spec, "")
	require.ErrorIs(t, err, ErrLost)
	_, _, err = auth.Issue(t.Context(), spec)
	require.ErrorIs(t, err, ErrLost)
	require.Zero(t, client.Exists(t.Context(), store.keys, store.ids).Val())
}
