package redisstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkWriteLog writes batches of 500 entries, into a log that grows and into
// one that has all it may have.
func BenchmarkWriteLog(b *testing.B) {
	body := `{"name":"` + strings.Repeat("x", 4096-len(`{"name":""}`)) + `"}`
	for _, row := range []struct {
		name, body string
		filled     int
	}{{"plain", "", 250_000}, {"bodies", body, 10_000}} {
		for _, full := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/full=%t", row.name, full), func(b *testing.B) {
				client, opts, rows := shared(b), keepAll, 0
				if full {
					opts.MaxBytes = 64 << 20
				}
				store := newLog(b, client, opts)
				const batch = 500
				for full && rows < row.filled {
					require.NoError(b, store.WriteLog(b.Context(), logEntries(rows, rows+batch, row.body)))
					rows += batch
				}
				written := 0
				for b.Loop() {
					b.StopTimer()
					entries := logEntries(rows, rows+batch, row.body)
					b.StartTimer()
					require.NoError(b, store.WriteLog(b.Context(), entries))
					rows, written = rows+batch, written+batch
				}
				b.ReportMetric(float64(written)/b.Elapsed().Seconds(), "rows/s")
				b.StopTimer()
				size, err := client.HGet(b.Context(), store.bodies, "size").Int64()
				require.NoError(b, err)
				b.Logf("%d entries count for %d and take %d + %d", client.ZCard(b.Context(), store.log).Val(), size,
					memory(b, client, store.log), memory(b, client, store.bodies))
			})
		}
	}
}
