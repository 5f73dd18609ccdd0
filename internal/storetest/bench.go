package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// BenchmarkLookup looks up keys in a store of n, each of which [KeyID] and
// [DigestOf] tell, and whose version is its number. The context can end, as a
// request's can.
func BenchmarkLookup(b *testing.B, store apikey.Store, n int) {
	b.Helper()
	b.Run("serial", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			lookUp(ctx, b, store, i*7919%n)
		}
	})
	b.Run("parallel", func(b *testing.B) { // 16 goroutines on 2 processors
		ctx := b.Context()
		var next atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for i := int(next.Add(1)) * 1009; pb.Next(); i += 7919 {
				lookUp(ctx, b, store, i%n)
			}
		})
	})
	b.Run("unknown", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, err := store.Lookup(ctx, DigestOf(-i-1))
			require.ErrorIs(b, err, apikey.ErrNotFound)
		}
	})
}

func lookUp(ctx context.Context, b *testing.B, store apikey.Store, n int) {
	b.Helper()
	key, err := store.Lookup(ctx, DigestOf(n))
	if err != nil || key.Version != int64(n) {
		b.Errorf("Lookup of key %d: %v, %v", n, key, err)
	}
}

// KeyID is that of the nth key.
func KeyID(n int) string { return fmt.Sprintf("01%010d", n) }

// DigestOf is that of the nth key.
func DigestOf(n int) apikey.Digest { return apikey.DigestOf(fmt.Sprint("benchmark ", n)) }
