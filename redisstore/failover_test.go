package redisstore

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// The primary dies, Sentinel makes its replica the primary, and the store goes on
// there by itself.
func TestFailover(t *testing.T) {
	primary, replica := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	follow(t, connect(t, replica.addr), primary)
	sentinel := startSentinel(t, primary)
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "main", SentinelAddrs: []string{sentinel.addr}, ContextTimeoutEnabled: true,
	})
	closeAfter(t, client)
	knowsReplica(t, connect(t, sentinel.addr))
	store := storeAt(t, client, "keys")
	require.NoError(t, store.Create(t.Context(), newKey("before")))
	require.Equal(t, int64(1), client.Wait(t.Context(), 1, 5*time.Second).Val())
	w := storetest.StartWatch(t, store)

	died := time.Now()
	primary.kill()
	_ = w.End(t, 5*time.Second)
	require.Eventually(t, func() bool {
		return store.Create(t.Context(), newKey("after")) == nil
	}, 15*time.Second, 10*time.Millisecond)
	t.Logf("writes succeed again after %v", time.Since(died).Round(time.Millisecond))
	for _, id := range []string{"before", "after"} {
		_, err := store.Lookup(t.Context(), apikey.DigestOf(id))
		require.NoError(t, err, id)
	}
	w = storetest.StartWatch(t, store)
	require.NoError(t, store.Delete(t.Context(), "before"))
	w.Expect(t, "before")
}

// A failover to a server without the data is no fresh start.
func TestFailoverToEmptyServerLosesTheStore(t *testing.T) {
	primary, empty := startServer(t), startServer(t)
	p := storetest.StartProxy(t, primary.addr)
	store := storeAt(t, connect(t, p.Addr), "keys")
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	p.Redirect(empty.addr)
	requireLost(t, store)
}

// follow makes the server of client a replica, and waits until it has the data.
func follow(t *testing.T, client *redis.Client, primary *server) {
	t.Helper()
	host, port, _ := strings.Cut(primary.addr, ":")
	require.NoError(t, client.ReplicaOf(t.Context(), host, port).Err())
	require.Eventually(t, func() bool {
		return field(client.Info(t.Context(), "replication").Val(), "master_link_status") == "up"
	}, 20*time.Second, 20*time.Millisecond)
}

// knowsReplica waits until Sentinel has found the replica.
func knowsReplica(t *testing.T, sentinel *redis.Client) {
	t.Helper()
	require.Eventually(t, func() bool {
		replicas, err := sentinel.Do(t.Context(), "sentinel", "replicas", "main").Slice()
		return err == nil && len(replicas) == 1
	}, 20*time.Second, 20*time.Millisecond)
}
