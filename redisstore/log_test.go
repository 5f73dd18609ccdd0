package redisstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/redis/go-redis/v9"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

var keepAll = LogOptions{MaxAge: -1, MaxBytes: -1}

// newLog returns a store with an empty log.
func newLog(t testing.TB, client redis.UniversalClient, opts LogOptions) *Store {
	t.Helper()
	store, err := New(t.Context(), client, &Options{Prefix: newPrefix(t, client), Log: opts})
	require.NoError(t, err)
	return store
}

func TestLogKeepsTheContract(t *testing.T) {
	client := shared(t)
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return newLog(t, client, keepAll)
	})
}
