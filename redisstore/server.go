package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// checkClient refuses clients whose answers may be out of date, where it knows
// how to tell.
func checkClient(client redis.UniversalClient) error {
	switch c := client.(type) {
	case nil:
		return errors.New("redisstore: New without a client")
	case *redis.Ring:
		return errors.New("redisstore: a Ring looks for the store on another server when its own is down; " +
			"use Sentinel or a Cluster")
	case *redis.ClusterClient:
		if o := c.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			return errors.New("redisstore: the client reads from replicas, which would open revoked keys; " +
				"it must have none of ReadOnly, RouteByLatency and RouteRandomly")
		}
	case *redis.Client:
		if o := c.Options(); o.ClientSideCache != nil || o.ClientSideCacheConfig != nil {
			return errors.New("redisstore: the client has a cache of its own, which would open revoked keys; " +
				"it must have neither ClientSideCache nor ClientSideCacheConfig")
		}
	}
	return nil
}

// checkServer refuses a server that is a replica, and one that may drop the store
// to make room for other data. It returns what INFO does, as far as that is told.
func (s *Store) checkServer(ctx context.Context, allowEviction bool) (info string, err error) {
	server, err := s.server(ctx)
	if err != nil {
		return "", failed("finding the store's server", err)
	}
	info, err = server.Info(ctx).Result()
	if err != nil && !refused(err) {
		return "", failed("asking for the server's state", err)
	}
	if field(info, "role") == "slave" {
		return "", errors.New("redisstore: the server is a replica, whose answers lag behind; connect to its primary")
	}
	if allowEviction {
		return info, nil
	}
	policy := field(info, "maxmemory_policy")
	if policy == "" {
		config, err := server.ConfigGet(ctx, "maxmemory-policy").Result()
		if err != nil && !refused(err) {
			return "", failed("asking for the server's maxmemory-policy", err)
		}
		policy = config["maxmemory-policy"]
	}
	return info, checkPolicy(policy)
}

// checkPolicy judges the policy also where maxmemory is unlimited, since whoever
// limits it one day will not think of API keys. The volatile policies drop only
// keys that expire, and the store has none.
func checkPolicy(policy string) error {
	switch {
	case policy == "noeviction", strings.HasPrefix(policy, "volatile-"):
		return nil
	case policy == "":
		return errors.New("redisstore: the server tells its maxmemory-policy neither by INFO nor by CONFIG GET, " +
			"so that it may evict API keys; make sure that it is noeviction and set Options.AllowEviction")
	}
	return fmt.Errorf("redisstore: the server's maxmemory-policy is %q, by which it may evict API keys; "+
		"set it to noeviction, or Options.AllowEviction", policy)
}

// server returns a client of the server that holds the store.
func (s *Store) server(ctx context.Context) (redis.Cmdable, error) {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, s.keys)
	}
	return s.client, nil
}

// refused reports whether the server does not know the command, or not allow it.
func refused(err error) bool {
	return redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command")
}

// field returns the value of a field in the text that INFO returns, or nothing.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
