package redisstore

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	client := shared(t)
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return newStore(t, client)
	})
}

// A client as a host may have it: of the older protocol, without deadlines of
// contexts, with few connections, to another database.
func TestStoreOverHostClientKeepsTheContract(t *testing.T) {
	o := *shared(t).Options()
	client := redis.NewClient(&redis.Options{Addr: o.Addr, Protocol: 2, DB: 9, PoolSize: 3})
	closeAfter(t, client)
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return newStore(t, client)
	})
}

func TestStoreInClusterKeepsTheContract(t *testing.T) {
	client := startCluster(t)
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return newStore(t, client)
	})
}
