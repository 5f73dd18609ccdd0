package redisstore

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func TestPrefixIsValidated(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	closeAfter(t, client)
	for _, prefix := range []string{" ", "{a}", "a}b", "a b", "a\n", "é", "a*", strings.Repeat("a", 65)} {
		_, err := New(t.Context(), client, &Options{Prefix: prefix})
		require.ErrorContains(t, err, "is not 1 to 64 letters")
	}
}

func TestPrefixesAreStoresApart(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	removeAfter(t, client, prefix+":2")
	a, b := storeAt(t, client, prefix), storeAt(t, client, prefix+":2")
	require.NoError(t, a.Create(t.Context(), newKey("k")))
	_, err := b.Get(t.Context(), "k")
	require.ErrorIs(t, err, apikey.ErrNotFound)
	require.NoError(t, b.Create(t.Context(), newKey("k")))
}

func TestUnsafeClientsAreRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		client redis.UniversalClient
		want   string
	}{
		{"none", nil, "without a client"},
		{"a Ring", redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}}), "a Ring"},
		{"ReadOnly", redis.NewClusterClient(&redis.ClusterOptions{ReadOnly: true}), "reads from replicas"},
		{"RouteByLatency", redis.NewClusterClient(&redis.ClusterOptions{RouteByLatency: true}), "reads from replicas"},
		{"RouteRandomly", redis.NewClusterClient(&redis.ClusterOptions{RouteRandomly: true}), "reads from replicas"},
		{"a cache", redis.NewClient(&redis.Options{ClientSideCacheConfig: &redis.ClientSideCacheConfig{}}), "a cache of its own"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.client != nil {
				closeAfter(t, row.client)
			}
			_, err := New(t.Context(), row.client, nil)
			require.ErrorContains(t, err, row.want)
		})
	}
	t.Run("and the prefix is judged too", func(t *testing.T) {
		_, err := New(t.Context(), nil, &Options{Prefix: "{}"})
		require.ErrorContains(t, err, "without a client")
		require.ErrorContains(t, err, `"{}"`)
	})
}

func TestOpen(t *testing.T) {
	addr := shared(t).Options().Addr
	s := startServer(t, "--requirepass", "s3cret/?#@")
	store, err := Open(t.Context(), "redis://:"+url.QueryEscape("s3cret/?#@")+"@"+s.addr+"/2?pool_size=3", &Options{Prefix: "of-my-own"})
	require.NoError(t, err)
	require.Equal(t, "{of-my-own}:keys", store.keys)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	require.NoError(t, store.Close())
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.ErrorIs(t, err, redis.ErrClosed)

	// A client that was passed in stays open.
	client := connect(t, addr)
	require.NoError(t, newStore(t, client).Close())
	require.NoError(t, client.Ping(t.Context()).Err())
}

// Passwords end up in URLs without being encoded, and then in odd places of what
// a parser makes of them.
func TestErrorsOfOpenHoldNoPassword(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, at := range []string{ // none of which leads to a Redis
		"redis://user:PW@host:port", "redis://PW@:1", "http://user:PW@host", "redis://user:PW@host/db",
		"redis://user:PW@host/0/1", "redis://user:PW@host?unknown=1", "redis://user:PW@host?db=x", "://user:PW@host",
		"redis://user:PW@" + closed.Addr().String() + "?max_retries=-1", "unix://user:PW@", "PW", "",
	} {
		for _, password := range []string{"hunter2", "hunter2/hunter2", "hunter2?hunter2", "hunter2#hunter2", "hunter2%zz", "hunter2:hunter2@"} {
			_, err := Open(t.Context(), strings.ReplaceAll(at, "PW", password), nil)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2", at)
		}
	}
}

func TestErrorsAreDiscreet(t *testing.T) {
	digest := apikey.DigestOf("k")
	for _, err := range []error{
		proxyError("ERR unknown command 'HMGET', with args beginning with: '{apikey}:keys' 'd:" + string(digest[:]) + "'"),
		proxyError(`redis: can't parse "` + string(digest[:]) + `"`),
	} {
		require.NotContains(t, failed("looking a key up", err).Error(), string(digest[:]))
	}
	require.ErrorIs(t, failed("looking a key up", redis.ErrPoolTimeout), redis.ErrPoolTimeout)
}

type proxyError string

func (e proxyError) Error() string { return string(e) }
func (e proxyError) RedisError()   {}
