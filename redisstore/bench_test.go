package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

const benchmarkKeys = 100_000

// BenchmarkLookup looks up among 100,000 keys.
func BenchmarkLookup(b *testing.B) {
	storetest.BenchmarkLookup(b, filled(b, benchmarkKeys), benchmarkKeys)
}

// BenchmarkManage measures what administrators wait for, and what Redis is busy
// with meanwhile.
func BenchmarkManage(b *testing.B) {
	store := filled(b, benchmarkKeys)
	ctx := b.Context()
	b.Run("list 50", func(b *testing.B) {
		for b.Loop() {
			page, err := store.List(ctx, apikey.Query{Limit: 50})
			require.NoError(b, err)
			require.Len(b, page, 50)
		}
	})
	b.Run("search all in vain", func(b *testing.B) {
		for b.Loop() {
			page, err := store.List(ctx, apikey.Query{Limit: 50, Search: "nowhere"})
			require.NoError(b, err)
			require.Empty(b, page)
		}
	})
	b.Run("create and delete", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, store.Create(ctx, newKey("benchmark")))
			require.NoError(b, store.Delete(ctx, "benchmark"))
		}
	})
	b.Run("record 250 uses", func(b *testing.B) {
		uses := make([]apikey.Use, 250)
		for b.Loop() {
			for i := range uses {
				uses[i] = apikey.Use{KeyID: storetest.KeyID(i), At: time.Now()}
			}
			require.NoError(b, store.RecordUses(ctx, uses))
		}
	})
}

// filled returns a store of n keys, which it writes in pipelines.
func filled(b *testing.B, n int) *Store {
	b.Helper()
	client := shared(b)
	store := newStore(b, client)
	now := time.Now()
	const batch = 1000
	for first := 0; first < n; first += batch {
		_, err := client.Pipelined(b.Context(), func(pipe redis.Pipeliner) error {
			for i := first; i < first+batch; i++ {
				record, err := encode(&apikey.Key{
					ID: storetest.KeyID(i), Name: fmt.Sprint("build ", i), Description: "nightly build of the main branch",
					Subject: "ci@example.org", Permissions: []apikey.Permission{"jobs:trigger", "jobs:view", "variables"},
					Logging: apikey.LogRequest, Metadata: map[string]string{"team": "build"},
					CreatedAt: now, UpdatedAt: now, ExpiresAt: now.AddDate(1, 0, 0), Version: int64(i),
					Credentials: []apikey.Credential{{Digest: storetest.DigestOf(i), Hint: "abcd", CreatedAt: now}},
				})
				require.NoError(b, err)
				digest := storetest.DigestOf(i)
				pipe.HSet(b.Context(), store.keys, "k:"+storetest.KeyID(i), record, "d:"+string(digest[:]), record)
				pipe.ZAdd(b.Context(), store.ids, redis.Z{Member: storetest.KeyID(i)})
			}
			return nil
		})
		require.NoError(b, err)
	}
	b.Logf("%d keys take %.1f MB", n, float64(memory(b, client, store.keys)+memory(b, client, store.ids))/1e6)
	return store
}

func memory(b *testing.B, client *redis.Client, name string) int64 {
	b.Helper()
	bytes, err := client.MemoryUsage(b.Context(), name, 0).Result()
	require.NoError(b, err)
	return bytes
}
