package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// What go-redis writes to the standard error is of no use here.
func TestMain(m *testing.M) {
	logging.Disable()
	os.Exit(m.Run())
}

// shared returns a client of the Redis at APIKEY_REDIS, which others may use too.
func shared(t testing.TB) *redis.Client {
	t.Helper()
	addr := cmp.Or(os.Getenv("APIKEY_REDIS"), "127.0.0.1:6379")
	client := connect(t, addr)
	storetest.Need(t, "redis", "no Redis at "+addr+"; APIKEY_REDIS names another", client.Ping(t.Context()).Err())
	return client
}

func connect(t testing.TB, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	closeAfter(t, client)
	return client
}

func closeAfter(t testing.TB, c interface{ Close() error }) {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
}

// newPrefix returns a prefix that no other store has, and removes what is under
// it when the test ends.
func newPrefix(t testing.TB, client redis.UniversalClient) string {
	t.Helper()
	prefix := "apikeytest-" + rand.Text()
	removeAfter(t, client, prefix)
	return prefix
}

func removeAfter(t testing.TB, client redis.UniversalClient, prefix string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = client.Unlink(ctx, "{"+prefix+"}:keys", "{"+prefix+"}:ids", "{"+prefix+"}:log", "{"+prefix+"}:bodies").Err()
	})
}

// newStore returns an empty store.
func newStore(t testing.TB, client redis.UniversalClient) *Store {
	t.Helper()
	return storeAt(t, client, newPrefix(t, client))
}

// storeAt returns the store under the prefix, as another process would open it.
func storeAt(t testing.TB, client redis.UniversalClient, prefix string) *Store {
	t.Helper()
	store, err := New(t.Context(), client, &Options{Prefix: prefix})
	require.NoError(t, err)
	return store
}

// storeThroughProxy returns an empty store in the shared Redis, and what stands in
// between.
func storeThroughProxy(t *testing.T) (*storetest.Proxy, *Store) {
	t.Helper()
	client := shared(t)
	p := storetest.StartProxy(t, client.Options().Addr)
	return p, storeAt(t, connect(t, p.Addr), newPrefix(t, client))
}

// anyCommand is for [storetest.Proxy.LoseAnswer]: the next one is carried out, and
// its answer gets lost.
func anyCommand([]byte) bool { return true }

func newKey(id string) *apikey.Key { return storetest.NewKey(id) }

// A server is a redis-server of the test's own, without persistence unless its
// arguments ask for it.
type server struct {
	addr string
	args []string
	log  string
	cmd  *exec.Cmd
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	storetest.NeedProgram(t, "redis-server", "redis-server")
	dir, port := t.TempDir(), storetest.FreePort(t)
	s := &server{addr: net.JoinHostPort("127.0.0.1", port), log: filepath.Join(dir, "redis.log"), args: append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--logfile", "redis.log", "--save", "",
	}, args...)}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// startSentinel starts a Sentinel that watches over the primary as "main" and
// replaces it once it was down for half a second.
func startSentinel(t testing.TB, primary *server) *server {
	t.Helper()
	dir, port := t.TempDir(), storetest.FreePort(t)
	host, primaryPort, _ := strings.Cut(primary.addr, ":")
	config := filepath.Join(dir, "sentinel.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `port %s
bind 127.0.0.1
dir %s
logfile sentinel.log
sentinel monitor main %s %s 1
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 2000
`, port, dir, host, primaryPort), 0o600))
	s := &server{
		addr: net.JoinHostPort("127.0.0.1", port), log: filepath.Join(dir, "sentinel.log"),
		args: []string{config, "--sentinel"},
	}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	require.NoError(t, s.cmd.Start())
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	var err error
	for range 200 {
		// A server that asks for a password is up too.
		if err = client.Ping(t.Context()).Err(); err == nil || redis.HasErrorPrefix(err, "NOAUTH") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	log, _ := os.ReadFile(s.log)
	t.Fatalf("redis-server did not start: %v\n%s", err, log)
}

// kill ends the server as the loss of power would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) restart(t testing.TB) {
	t.Helper()
	s.kill()
	s.start(t)
}

// pause stops the server without closing its connections, until the test ends.
func (s *server) pause(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGSTOP))
}

// startCluster returns a client of a Cluster of one node, which has all slots.
func startCluster(t testing.TB) *redis.ClusterClient {
	t.Helper()
	s := startServer(t, "--cluster-enabled", "yes", "--cluster-port", storetest.FreePort(t))
	node := connect(t, s.addr)
	require.NoError(t, node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
	require.Eventually(t, func() bool {
		info, err := node.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	}, 10*time.Second, 20*time.Millisecond)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.addr}, ContextTimeoutEnabled: true})
	closeAfter(t, client)
	return client
}

// configSet changes a setting of the server.
func configSet(t testing.TB, client redis.Cmdable, name, value string) {
	t.Helper()
	require.NoError(t, client.ConfigSet(t.Context(), name, value).Err(), fmt.Sprint(name, " ", value))
}
