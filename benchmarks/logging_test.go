package benchmarks

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-chi/httplog/v3"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

// echoing reads all of a request and answers with as much JSON.
func echoing(body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != int64(len(body)) {
			panic(fmt.Sprint("read ", n, ": ", err))
		}
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(body)
	})
}

// bodyKeys have requests with bodies in turn, so that no log can make use of what it
// knows of the last one.
const bodyKeys = 1_000

// withBodies returns a store of them, of whose requests those bodies are kept.
func withBodies(b *testing.B, logging apikey.Logging) *apikey.MemoryStore {
	b.Helper()
	store := apikey.NewMemoryStore()
	fill(b, store, bodyKeys, logging)
	return store
}

// nullHandler is enabled, so that loggers do their work, and drops it.
type nullHandler struct{}

func (nullHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (nullHandler) Handle(context.Context, slog.Record) error { return nil }
func (h nullHandler) WithAttrs([]slog.Attr) slog.Handler      { return h }
func (h nullHandler) WithGroup(string) slog.Handler           { return h }

// httplogged is what httplog does for bodies of up to 16 KiB, which is what the
// library keeps too.
func httplogged(next http.Handler) http.Handler {
	all := func(*http.Request) bool { return true }
	return httplog.RequestLogger(slog.New(nullHandler{}), &httplog.Options{
		LogRequestBody: all, LogResponseBody: all, LogBodyMaxLen: 16 << 10,
	})(next)
}

// BenchmarkBodies is a request and an answer with a body each, both logged.
// "bare" is the handler, "guarded" authenticates and records nothing, "entry" logs
// no bodies, and "bodies" logs both. httplog does not authenticate.
//
// The library masks what it has kept in a goroutine of its own, so cpu-ns/op is
// what the work costs in all, and ns/op how long the request takes.
func BenchmarkBodies(b *testing.B) {
	keys := peers.Texts(0, bodyKeys, peers.Text)
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4kB", 4 << 10}, {"1MB", 1 << 20}} {
		b.Run("size="+size.name, func(b *testing.B) {
			body := []byte(peers.JSON(size.bytes))
			handler := echoing(body)
			call := func(h http.Handler) caller { return posted(h, "application/json", body, keys...) }
			guard := func(logging apikey.Logging, opts *apikey.Options) (*apikey.Authority, caller) {
				auth := newAuthority(b, withBodies(b, logging), opts)
				return auth, call(auth.Require(peers.Need)(handler))
			}
			off := shipped()
			off.Log.Off = true
			_, guarded := guard(apikey.LogBoth, off)
			entryAuth, entry := guard(apikey.LogNone, shipped())
			bodiesAuth, bodies := guard(apikey.LogBoth, shipped())
			inModes(
				b,
				subject{impl: "bare", call: call(handler)},
				subject{impl: "guarded", call: guarded},
				recorded("entry", entryAuth, entry),
				subject{"bodies", bodies, bodiesAuth, 512}, // as many as 32 MiB hold
				subject{impl: "httplog", call: call(httplogged(handler))},
			)
		})
	}
}

// BenchmarkSQLiteLog is how quickly the SQLite log writes rows, in batches as the
// recorder makes them.
func BenchmarkSQLiteLog(b *testing.B) {
	for _, row := range []struct {
		name  string
		bytes int
	}{{"none", 0}, {"4kB", 4 << 10}} {
		b.Run("bodies="+row.name, func(b *testing.B) {
			log, err := sqlite.OpenLog(b.Context(), filepath.Join(b.TempDir(), "log.db"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close()
			text, rows := "", 0
			if row.bytes > 0 {
				text = peers.JSON(row.bytes)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				batch := logBatch(rows, text)
				b.StartTimer()
				if err := log.WriteLog(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				rows += batchRows
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

const batchRows = 500

// logBatch returns entries a fifth of a millisecond apart, the first one the nth
// of all.
func logBatch(n int, body string) []apikey.LogEntry {
	entries := make([]apikey.LogEntry, batchRows)
	for i := range entries {
		at := logStart.Add(time.Duration(n+i) * 200 * time.Microsecond)
		id := logID(at)
		entries[i] = apikey.LogEntry{
			ID: id, RequestID: id, Time: at, KeyID: fmt.Sprintf("%026d", i%50), Outcome: apikey.OutcomeAllowed,
			Method: http.MethodGet, Path: fmt.Sprint("/api/infrastructure/servers/", i%1000),
			Route: "/api/infrastructure/servers/{name}", Permission: string(apikey.InfrastructureView),
			Status: http.StatusOK, ResponseBytes: 512, Duration: time.Millisecond, Client: "192.0.2.1",
		}
		if body != "" {
			kept := apikey.LogBody{Text: body, Type: "application/json"}
			entries[i].Request, entries[i].Response = kept, kept
		}
	}
	return entries
}

// logID returns an ID as the library makes them.
func logID(at time.Time) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(at.UnixNano()))
	return logIDs.EncodeToString(id[:])
}

var logIDs = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

var logStart = time.Now().Add(-time.Hour).Truncate(time.Microsecond)
