package redisstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkWriteLog writes batches of 500 entries, without bodies and with two of
// 4 KiB, into a log that grows and into one that has all it may have.
func BenchmarkWriteLog(b *testing.B) {
	body := strings.Repeat("x", 4096)
	full := LogOptions{MaxAge: -1, MaxBytes: 64 << 20}
	for _, row := range []struct {
		name, body string
		opts       LogOptions
		rows       int // that are there already
	}{
		{"growing", "", keepAll, 0},
		{"full", "", full, 220_000},
		{"growing with bodies", body, keepAll, 0},
		{"full with bodies", body, full, 7000},
	} {
		b.Run(row.name, func(b *testing.B) {
			store := newLog(b, shared(b), row.opts)
			require.NoError(b, store.WriteLog(b.Context(), logEntries(0, row.rows, row.body)))
			benchmarkWriteLog(b, store, row.rows, row.body)
		})
	}
}

func benchmarkWriteLog(b *testing.B, store *Store, first int, body string) {
	b.Helper()
	const batch = 500
	next := first
	for b.Loop() {
		b.StopTimer()
		entries := logEntries(next, next+batch, body)
		b.StartTimer()
		require.NoError(b, store.WriteLog(b.Context(), entries))
		next += batch
	}
	b.StopTimer()
	b.ReportMetric(float64(next-first)/b.Elapsed().Seconds(), "rows/s")
	client := shared(b)
	b.Logf("%d entries count for %.1f MB and take %.1f MB", client.ZCard(b.Context(), store.log).Val(),
		float64(sizeOf(b, store))/1e6, float64(memory(b, client, store.log)+memory(b, client, store.bodies))/1e6)
}
