package benchmarks

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // makes and drops a database

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
	"github.com/seed-be062aaa/apikey/sqlstore/postgres"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

// BenchmarkStore is a lookup that hands out a copy of the key, in MemoryStore and
// in a map that nobody may change meanwhile.
func BenchmarkStore(b *testing.B) {
	for _, n := range sizes() {
		b.Run(fmt.Sprint("keys=", n), func(b *testing.B) {
			store, plain := apikey.NewMemoryStore(), map[apikey.Digest]*apikey.Key{}
			for i := range n {
				key := peers.NewKey(i)
				if err := store.Create(b.Context(), key); err != nil {
					b.Fatal(err)
				}
				plain[key.Credentials[0].Digest] = key
			}
			var digests []apikey.Digest
			for _, text := range probesOf(n) {
				digests = append(digests, apikey.DigestOf(text))
			}
			lookup := func(find func(ctx context.Context, d apikey.Digest) (*apikey.Key, error)) caller {
				return func(n int) func() {
					return func() {
						if key, err := find(b.Context(), digests[n%len(digests)]); err != nil || key == nil {
							panic(err)
						}
						n++
					}
				}
			}
			inModes(
				b,
				subject{impl: "memory", call: lookup(store.Lookup)},
				subject{impl: "map", call: lookup(func(_ context.Context, d apikey.Digest) (*apikey.Key, error) {
					return plain[d].Clone(), nil
				})},
			)
		})
	}
}

// BenchmarkMemory is how many bytes a key takes, itself included: in MemoryStore,
// which can also list and change keys, and in a map from digest to key.
func BenchmarkMemory(b *testing.B) {
	filled := map[string]func(n int) any{
		"memory": func(n int) any {
			store := apikey.NewMemoryStore()
			fill(b, store, n, apikey.LogNone)
			return store
		},
		"map": func(n int) any {
			keys := map[apikey.Digest]*apikey.Key{}
			for i := range n {
				key := peers.NewKey(i).Clone() // as a store has to
				keys[key.Credentials[0].Digest] = key
			}
			return keys
		},
	}
	for _, n := range sizes() {
		for impl, filled := range filled {
			b.Run(fmt.Sprintf("keys=%d/impl=%s", n, impl), func(b *testing.B) {
				var held any
				before, began := heap(), time.Now()
				for range b.N {
					held = filled(n)
				}
				b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(n*b.N), "ns/key")
				b.ReportMetric(float64(heap()-before)/float64(n), "B/key")
				runtime.KeepAlive(held)
			})
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkCached is a request that is let through on a key which the cache has,
// beside one on a key in memory, and the same uncached.
func BenchmarkCached(b *testing.B) {
	const n = 1_000
	set := keysOf(b, n)
	var all []subject
	add := func(impl string, store apikey.Store, cache apikey.CacheOptions) {
		opts := kept()
		opts.Cache = cache
		handler := newAuthority(b, store, opts).Require(peers.Need)(silent)
		call := byHeader(handler, "X-ApiKey", set.probes, false)
		for warm, i := call(0), 0; i < n; i++ {
			warm()
		}
		all = append(all, subject{impl: impl, call: call})
	}
	add("memory", set.store, apikey.CacheOptions{})
	long := apikey.CacheOptions{On: true, TTL: time.Hour}
	stores := map[string]apikey.ManagedStore{"sqlite": openSQLite(b), "postgres": openPostgres(b)}
	for impl, store := range stores {
		if store == nil {
			continue
		}
		fill(b, store, n, apikey.LogNone)
		add(impl, store, long)
		add(impl+"-uncached", store, apikey.CacheOptions{Off: true})
	}
	all = append(all, subject{impl: "floor", call: byHeader(peers.Floor(set.keys, peers.Need, silent), "X-ApiKey", set.probes, false)})
	inModes(b, all...)
}

func openSQLite(b *testing.B) *sqlite.Store {
	b.Helper()
	store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "keys.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	return store
}

// openPostgres returns a store in a database of its own, or nil where no server
// answers at APIKEY_POSTGRES.
func openPostgres(b *testing.B) apikey.ManagedStore {
	b.Helper()
	url := os.Getenv("APIKEY_POSTGRES")
	if url == "" {
		b.Log("APIKEY_POSTGRES is not set: nothing is measured with PostgreSQL")
		return nil
	}
	server, err := sql.Open("pgx", url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Close() })
	name := "apikey_bench_" + strings.ToLower(rand.Text())
	if _, err := server.ExecContext(b.Context(), "CREATE DATABASE "+name); err != nil {
		b.Logf("nothing is measured with PostgreSQL: %v", err)
		return nil
	}
	b.Cleanup(func() { _, _ = server.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)") })
	store, err := postgres.Open(b.Context(), onDatabase(url, name), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	return store
}

// onDatabase returns the URL of another database on the same server.
func onDatabase(url, name string) string {
	base, params, _ := strings.Cut(url, "?")
	return base[:strings.LastIndexByte(base, '/')+1] + name + "?" + params
}
