package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

func TestEvictionPolicies(t *testing.T) {
	client := connect(t, startServer(t).addr)
	for _, row := range []struct {
		policy string
		legal  bool
	}{
		{"noeviction", true},
		{"volatile-lru", true}, // nothing here expires
		{"volatile-lfu", true},
		{"volatile-ttl", true},
		{"volatile-random", true},
		{"allkeys-lru", false},
		{"allkeys-lfu", false},
		{"allkeys-random", false},
	} {
		t.Run(row.policy, func(t *testing.T) {
			configSet(t, client, "maxmemory-policy", row.policy) // maxmemory is unlimited as yet
			_, err := New(t.Context(), client, nil)
			if row.legal {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, fmt.Sprintf("maxmemory-policy is %q", row.policy))
			_, err = New(t.Context(), client, &Options{AllowEviction: true})
			require.NoError(t, err)
		})
	}
}

// Managed services forbid CONFIG, and some forbid INFO.
func TestEvictionPolicyOfServersThatTellLittle(t *testing.T) {
	addr := startServer(t).addr
	admin := connect(t, addr)
	for _, row := range []struct {
		name   string
		rules  []string
		policy string
		want   string // a part of the error; empty: none
	}{
		{"INFO alone", []string{"-config"}, "noeviction", ""},
		{"INFO alone, evicting", []string{"-config"}, "allkeys-lru", `maxmemory-policy is "allkeys-lru"`},
		{"CONFIG alone", []string{"-info"}, "noeviction", ""},
		{"CONFIG alone, evicting", []string{"-info"}, "allkeys-lru", `maxmemory-policy is "allkeys-lru"`},
		{"neither", []string{"-info", "-config"}, "noeviction", "neither by INFO nor by CONFIG GET"},
	} {
		t.Run(row.name, func(t *testing.T) {
			configSet(t, admin, "maxmemory-policy", row.policy)
			client := userOf(t, admin, append([]string{"~*", "&*", "+@all"}, row.rules...)...)
			_, err := New(t.Context(), client, nil)
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.want)
			_, err = New(t.Context(), client, &Options{AllowEviction: true})
			require.NoError(t, err)
		})
	}
}

// userOf returns a client of a user with these rules and no others.
func userOf(t *testing.T, admin *redis.Client, rules ...string) *redis.Client {
	t.Helper()
	args := []any{"acl", "setuser", "user", "reset", "on", ">secret"}
	for _, rule := range rules {
		args = append(args, rule)
	}
	require.NoError(t, admin.Do(t.Context(), args...).Err())
	client := redis.NewClient(&redis.Options{
		Addr: admin.Options().Addr, Username: "user", Password: "secret", DisableIdentity: true,
	})
	closeAfter(t, client)
	return client
}

// The rights that the package's documentation lists are enough.
func TestDocumentedRightsSuffice(t *testing.T) {
	admin := connect(t, startServer(t).addr)
	client := userOf(t, admin, strings.Fields(`~{apikey}:* &{apikey}:* +hello +ping +info +eval +evalsha +exists +hmget
		+hget +hset +hdel +zadd +zrem +zscore +zrevrangebylex +publish +subscribe +zcard +zrange +unlink`)...)
	store, err := New(t.Context(), client, nil)
	require.NoError(t, err)
	watch := storetest.StartWatch(t, store)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	watch.Expect(t, "k")
	key, err := store.Get(t.Context(), "k")
	require.NoError(t, err)
	require.NoError(t, store.Update(t.Context(), key))
	_, err = store.List(t.Context(), apikey.Query{Limit: 1})
	require.NoError(t, err)
	require.NoError(t, store.RecordUses(t.Context(), []apikey.Use{{KeyID: "k", At: time.Now()}}))
	require.NoError(t, store.SwapMarker(t.Context(), nil, []byte("marker")))
	require.NoError(t, store.Delete(t.Context(), "k"))

	store.logs = LogOptions{MaxAge: -1, MaxBytes: 10_000}
	require.NoError(t, store.WriteLog(t.Context(), logEntries(0, 100, "body"))) // for some of which there is room
	require.NotEmpty(t, logOf(t, store))
	require.NoError(t, admin.Del(t.Context(), store.bodies).Err())
	require.NoError(t, store.WriteLog(t.Context(), logEntries(100, 101, "body")))
	require.Equal(t, logEntries(100, 101, "body"), logOf(t, store))
}

func TestMissingRightsAreNoticed(t *testing.T) {
	admin := connect(t, startServer(t).addr)
	t.Run("to publish, by New", func(t *testing.T) {
		_, err := New(t.Context(), userOf(t, admin, "~*", "+@all", "resetchannels"), nil)
		require.ErrorContains(t, err, "can't publish")
		require.Zero(t, admin.DBSize(t.Context()).Val())
	})
	t.Run("to publish, taken away later", func(t *testing.T) {
		store := storeAt(t, userOf(t, admin, "~*", "+@all", "&*"), "keys")
		require.NoError(t, store.Create(t.Context(), newKey("k")))
		userOf(t, admin, "~*", "+@all", "resetchannels")
		require.ErrorContains(t, store.Create(t.Context(), newKey("new")), "can't publish")
		require.ErrorContains(t, store.Delete(t.Context(), "k"), "can't publish")
		_, err := store.Get(t.Context(), "k")
		require.NoError(t, err, "Delete was half done")
		_, err = store.Get(t.Context(), "new")
		require.ErrorIs(t, err, apikey.ErrNotFound, "Create was half done")
	})
	t.Run("a wrong password", func(t *testing.T) {
		userOf(t, admin, "~*", "+@all", "&*")
		client := redis.NewClient(&redis.Options{
			Addr: admin.Options().Addr, Username: "user", Password: "a wrong one",
		})
		closeAfter(t, client)
		_, err := New(t.Context(), client, nil)
		require.ErrorContains(t, err, "WRONGPASS")
		require.NotContains(t, err.Error(), "a wrong one")
	})
}

// fill adds n keys of that many bytes, which expire if it says so, or as many as
// Redis takes.
func fill(t *testing.T, client *redis.Client, n, bytes int, expiry time.Duration) {
	t.Helper()
	value := strings.Repeat("x", bytes)
	for range n {
		err := client.Set(t.Context(), "filler:"+rand.Text(), value, expiry).Err()
		if redis.HasErrorPrefix(err, "OOM") {
			return
		}
		require.NoError(t, err)
	}
}

func TestFullMemory(t *testing.T) {
	client := connect(t, startServer(t, "--maxmemory", "10mb").addr)
	store := storeAt(t, client, "keys")
	for _, id := range []string{"revoked", "deleted", "used"} {
		require.NoError(t, store.Create(t.Context(), newKey(id)))
	}
	fill(t, client, 10_000, 10_000, 0)
	fill(t, client, 100_000, 1, 0)

	for range 3 {
		require.ErrorContains(t, store.Create(t.Context(), newKey("new")), "OOM")
	}
	_, err := store.Get(t.Context(), "new")
	require.ErrorIs(t, err, apikey.ErrNotFound)
	_, err = store.Lookup(t.Context(), apikey.DigestOf("new"))
	require.ErrorIs(t, err, apikey.ErrNotFound)
	page, err := store.List(t.Context(), apikey.Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page, 3)
	require.ErrorContains(t, store.RecordUses(t.Context(), []apikey.Use{{KeyID: "used", At: time.Now()}}), "OOM")

	// Keys can be revoked and deleted.
	key, err := store.Lookup(t.Context(), apikey.DigestOf("revoked"))
	require.NoError(t, err)
	key.RevokedAt = time.Now()
	require.NoError(t, store.Update(t.Context(), key))
	key, err = store.Lookup(t.Context(), apikey.DigestOf("revoked"))
	require.NoError(t, err)
	require.False(t, key.RevokedAt.IsZero())
	require.NoError(t, store.Delete(t.Context(), "deleted"))
	// A process can start.
	_, err = New(t.Context(), client, &Options{Prefix: "keys"})
	require.NoError(t, err)

	configSet(t, client, "maxmemory", "0")
	require.NoError(t, store.Create(t.Context(), newKey("new")))
}

// The volatile policies make room by dropping what expires, and never a store.
func TestVolatilePolicySparesTheStore(t *testing.T) {
	client := connect(t, startServer(t, "--maxmemory", "10mb", "--maxmemory-policy", "volatile-lru").addr)
	store := storeAt(t, client, "keys")
	for i := range 100 {
		require.NoError(t, store.Create(t.Context(), newKey(fmt.Sprint(i))))
	}
	fill(t, client, 2000, 10_000, time.Hour)
	require.NotEqual(t, "0", field(client.Info(t.Context(), "stats").Val(), "evicted_keys"))
	for i := range 100 {
		_, err := store.Lookup(t.Context(), apikey.DigestOf(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	require.NoError(t, store.Create(t.Context(), newKey("new")))
}

// A store that is evicted although it was allowed is lost, not empty.
func TestEvictedStoreIsLost(t *testing.T) {
	client := connect(t, startServer(t, "--maxmemory", "10mb", "--maxmemory-policy", "allkeys-random").addr)
	store, err := New(t.Context(), client, &Options{AllowEviction: true})
	require.NoError(t, err)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	require.Eventually(t, func() bool {
		fill(t, client, 50, 10_000, 0)
		return client.Exists(t.Context(), store.keys).Val() == 0
	}, 60*time.Second, time.Millisecond)
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorIs(t, err, ErrLost)
	_, err = store.List(t.Context(), apikey.Query{Limit: 1})
	require.ErrorIs(t, err, ErrLost)
}

func TestReplica(t *testing.T) {
	primary, replica := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	store := storeAt(t, connect(t, primary.addr), "keys")
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	atReplica := connect(t, replica.addr)
	follow(t, atReplica, primary)
	_, err := New(t.Context(), atReplica, &Options{Prefix: "keys"})
	require.ErrorContains(t, err, "the server is a replica")

	// One whose server was made a replica under it.
	require.NoError(t, atReplica.ReplicaOf(t.Context(), "no", "one").Err())
	promoted := storeAt(t, atReplica, "keys")
	require.Equal(t, store.identity, promoted.identity)
	follow(t, atReplica, primary)
	key, err := promoted.Get(t.Context(), "k")
	require.NoError(t, err)
	for call, err := range map[string]error{
		"Create":     promoted.Create(t.Context(), newKey("new")),
		"Update":     promoted.Update(t.Context(), key),
		"Delete":     promoted.Delete(t.Context(), "k"),
		"RecordUses": promoted.RecordUses(t.Context(), []apikey.Use{{KeyID: "k", At: time.Now()}}),
		"SwapMarker": promoted.SwapMarker(t.Context(), nil, []byte("marker")),
	} {
		require.ErrorContains(t, err, "READONLY", call)
	}
	// With its primary gone and stale data not served, it knows nothing.
	configSet(t, atReplica, "replica-serve-stale-data", "no")
	primary.kill()
	require.Eventually(t, func() bool {
		_, err := promoted.Lookup(t.Context(), apikey.DigestOf("k"))
		return redis.HasErrorPrefix(err, "MASTERDOWN")
	}, 20*time.Second, 20*time.Millisecond)
}

func TestTooFewReplicasRefuseWrites(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	configSet(t, client, "min-replicas-to-write", "1")
	require.ErrorContains(t, store.Create(t.Context(), newKey("new")), "NOREPLICAS")
	require.ErrorContains(t, store.Delete(t.Context(), "k"), "NOREPLICAS")
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	_, err = store.Lookup(t.Context(), apikey.DigestOf("new"))
	require.ErrorIs(t, err, apikey.ErrNotFound)
}

func TestScriptsAreLoadedAgain(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := storeAt(t, client, "keys")
	for _, id := range []string{"before", "after"} {
		require.NoError(t, client.ScriptFlush(t.Context()).Err())
		require.NoError(t, store.Create(t.Context(), newKey(id)))
	}
}

func TestServerDown(t *testing.T) {
	s := startServer(t)
	store := storeAt(t, connect(t, s.addr), "keys")
	s.kill()
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.Error(t, err)
	require.NotErrorIs(t, err, apikey.ErrNotFound)
	require.NotErrorIs(t, err, ErrLost)
	require.Error(t, store.Create(t.Context(), newKey("k")))
}

func TestServerHangs(t *testing.T) {
	s := startServer(t)
	store := storeAt(t, connect(t, s.addr), "keys")
	s.pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := store.Lookup(ctx, apikey.DigestOf("k"))
	require.Error(t, err)
	require.NotErrorIs(t, err, apikey.ErrNotFound)
	require.Less(t, time.Since(began), 2*time.Second)
}
