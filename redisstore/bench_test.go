package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

const benchmarkKeys = 100_000

// BenchmarkLookup looks up among 100,000 keys, with a context that can end, as a
// request's can.
func BenchmarkLookup(b *testing.B) {
	store := filled(b, benchmarkKeys)
	b.Run("serial", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			lookUp(ctx, b, store, n*7919%benchmarkKeys)
		}
	})
	b.Run("parallel", func(b *testing.B) { // 16 goroutines on 2 processors
		ctx := b.Context()
		var next atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for n := int(next.Add(1)) * 1009; pb.Next(); n += 7919 {
				lookUp(ctx, b, store, n%benchmarkKeys)
			}
		})
	})
	b.Run("unknown", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			_, err := store.Lookup(ctx, digestOf(-n-1))
			require.ErrorIs(b, err, apikey.ErrNotFound)
		}
	})
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
				uses[i] = apikey.Use{KeyID: idOf(i), At: time.Now()}
			}
			require.NoError(b, store.RecordUses(ctx, uses))
		}
	})
}

func lookUp(ctx context.Context, b *testing.B, store apikey.Store, n int) {
	b.Helper()
	key, err := store.Lookup(ctx, digestOf(n))
	if err != nil || key.Version != int64(n) {
		b.Errorf("Lookup of key %d: %v, %v", n, key, err)
	}
}

func idOf(n int) string { return fmt.Sprintf("01%010d", n) }

func digestOf(n int) apikey.Digest { return apikey.DigestOf(fmt.Sprint("benchmark ", n)) }

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
					ID: idOf(i), Name: fmt.Sprint("build ", i), Description: "nightly build of the main branch",
					Subject: "ci@example.org", Permissions: []apikey.Permission{"jobs:trigger", "jobs:view", "variables"},
					Logging: apikey.LogRequest, Metadata: map[string]string{"team": "build"},
					CreatedAt: now, UpdatedAt: now, ExpiresAt: now.AddDate(1, 0, 0), Version: int64(i),
					Credentials: []apikey.Credential{{Digest: digestOf(i), Hint: "abcd", CreatedAt: now}},
				})
				require.NoError(b, err)
				digest := digestOf(i)
				pipe.HSet(b.Context(), store.keys, "k:"+idOf(i), record, "d:"+string(digest[:]), record)
				pipe.ZAdd(b.Context(), store.ids, redis.Z{Member: idOf(i)})
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
