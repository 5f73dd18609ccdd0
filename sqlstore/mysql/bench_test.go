package mysql

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

const benchmarkKeys = 100_000

// BenchmarkLookup looks up among 100,000 keys, with a context that can end, as
// a request's can.
func BenchmarkLookup(b *testing.B) {
	store := filled(b, benchmarkKeys)
	b.Run("serial", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			lookUp(ctx, b, store, n*7919%benchmarkKeys)
		}
	})
	b.Run("parallel", func(b *testing.B) {
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

// BenchmarkRecordUses records the uses of 5,000 keys at once.
func BenchmarkRecordUses(b *testing.B) {
	const n = 5000
	store := filled(b, n)
	uses := make([]apikey.Use, n)
	for b.Loop() {
		for i := range uses {
			uses[i] = apikey.Use{KeyID: idOf(i), At: time.Now()}
		}
		require.NoError(b, store.RecordUses(b.Context(), uses))
	}
}

// BenchmarkSearch reads 100,000 keys in vain.
func BenchmarkSearch(b *testing.B) {
	store := filled(b, benchmarkKeys)
	for b.Loop() {
		keys, err := store.List(b.Context(), apikey.Query{Search: "Nowhere", Limit: 50})
		require.NoError(b, err)
		require.Empty(b, keys)
	}
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

// filled returns a store of n keys, of which every tenth is being rotated. It
// writes them past the store, in one transaction.
func filled(b *testing.B, n int) *Store {
	b.Helper()
	dsn := newDatabase(b)
	store := openStore(b, dsn)
	db := hostHandle(b, dsn)
	tx, err := db.BeginTx(b.Context(), nil)
	require.NoError(b, err)
	defer tx.Rollback()
	now := time.Now().UnixMicro()
	key, err := tx.Prepare(`INSERT INTO apikey_keys VALUES (?, ?, 'nightly build of the main branch', 'ci@example.org',
		'["jobs:trigger","jobs:view","variables"]', 1, '{"team":"build"}', FALSE, ?, ?, ?, NULL, ?, ?)`)
	require.NoError(b, err)
	defer key.Close()
	credential, err := tx.Prepare(`INSERT INTO apikey_credentials VALUES (?, ?, ?, 'abcd', FALSE, ?, NULL)`)
	require.NoError(b, err)
	defer credential.Close()
	for i := range n {
		_, err := key.Exec(idOf(i), fmt.Sprint("build ", i), now, now, now, now, i)
		require.NoError(b, err)
		for position := range 1 + min(1, i%10/9) {
			digest := digestOf(i + position*n*10)
			_, err := credential.Exec(idOf(i), position, digest[:], now)
			require.NoError(b, err)
		}
	}
	require.NoError(b, tx.Commit())
	analyze(b, db)
	return store
}
