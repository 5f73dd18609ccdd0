package redisstore

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// logEntry returns the nth of entries such as a server has, 5,000 in a second, of
// 50 keys on 20 routes.
func logEntry(n int) apikey.LogEntry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * 200 * time.Microsecond)
	var id [logIDBytes]byte
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixNano()))
	binary.BigEndian.PutUint64(id[8:], 0x123456789abcdef)
	text := logID(id[:]).String()
	route := n * 7919 % 20
	return apikey.LogEntry{
		ID: text, Time: at, RequestID: text, KeyID: fmt.Sprintf("0123456789abcdefghijklmn%02d", n*7907%50),
		Outcome: apikey.OutcomeAllowed, Method: "GET",
		Path:  fmt.Sprintf("/api/infrastructure/resource%02d/server-%d", route, n%1000),
		Route: fmt.Sprintf("/api/infrastructure/resource%02d/{name}", route), Permission: "infrastructure:view",
		Status: 200, ResponseBytes: 1234, Duration: 2345 * time.Microsecond, Client: "203.0.113.77",
	}
}

func logEntries(first, n int, body string) []apikey.LogEntry {
	entries := make([]apikey.LogEntry, n)
	for i := range entries {
		entries[i] = logEntry(first + i)
		if body != "" {
			entries[i].Request = apikey.LogBody{Text: body, Type: "application/json"}
			entries[i].Response = entries[i].Request
		}
	}
	return entries
}

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
					require.NoError(b, store.WriteLog(b.Context(), logEntries(rows, batch, row.body)))
					rows += batch
				}
				written := 0
				for b.Loop() {
					b.StopTimer()
					entries := logEntries(rows, batch, row.body)
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

var _ = base32.StdEncoding
