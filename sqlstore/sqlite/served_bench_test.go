package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

// BenchmarkServed is requests over loopback that are logged into SQLite, with 4 KB
// both ways: as many as there can be, or 5,000 a second. Drops stand beside the
// figure, since a full queue makes requests look quick.
func BenchmarkServed(b *testing.B) {
	body := []byte(`{"items":[` + strings.TrimSuffix(strings.Repeat(`{"name":"web-01","roles":["a","b"],"active":true},`, 80), ",") + `]}`)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	for _, row := range []struct {
		level apikey.Logging
		rate  int // requests a second; 0: no limit
	}{{apikey.LogNone, 0}, {apikey.LogBoth, 0}, {apikey.LogBoth, 5000}} {
		b.Run(fmt.Sprintf("bodies=%s/rate=%d", row.level, row.rate), func(b *testing.B) {
			ctx := context.Background()
			sink, err := sqlite.OpenLog(ctx, filepath.Join(b.TempDir(), "log.db"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer sink.Close()
			auth, err := apikey.New(ctx, apikey.NewMemoryStore(), &apikey.Options{
				Log: apikey.LogOptions{Sink: sink}, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			spec := apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsView}, Logging: row.level}
			_, secret, err := auth.Issue(ctx, spec)
			if err != nil {
				b.Fatal(err)
			}
			server := httptest.NewServer(auth.Require(apikey.JobsView)(handler))
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.SetParallelism(32)
			var begun atomic.Int64
			start := time.Now()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if row.rate > 0 {
						time.Sleep(time.Until(start.Add(time.Duration(begun.Add(1)) * time.Second / time.Duration(row.rate))))
					}
					r, _ := http.NewRequest(http.MethodPost, server.URL, bytes.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("X-ApiKey", secret.Reveal())
					resp, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
			requests := float64(b.N) / b.Elapsed().Seconds()
			if err := auth.Shutdown(ctx); err != nil {
				b.Fatal(err)
			}
			stats := auth.LogStats()
			if stats.Stored+stats.Dropped != stats.Accepted {
				b.Error("entries are neither stored nor dropped: ", fmt.Sprintf("%+v", stats))
			}
			b.ReportMetric(requests, "requests/s")
			b.ReportMetric(float64(stats.Dropped), "drops")
		})
	}
}
