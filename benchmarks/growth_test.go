package benchmarks

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// BenchmarkHeaders is a hit among so many headers, all of which scrubbing copies.
func BenchmarkHeaders(b *testing.B) {
	set := keysOf(b, 1_000)
	for _, n := range []int{1, 6, 16, 64} {
		b.Run(fmt.Sprint("headers=", n), func(b *testing.B) {
			inOrder(b, 1, guarded(b, set.store, func(h http.Handler) caller {
				return func(first int) func() {
					r := newRequest(http.MethodGet)
					clear(r.Header)
					for i := range n - 1 {
						r.Header[fmt.Sprint("X-Header-", i)] = []string{"some value"}
					}
					return inHeader(h, r, "X-ApiKey", set.probes, first, false)
				}
			})...)
		})
	}
}

// BenchmarkPermissions is a hit on a key that holds so many permissions, the one
// that is needed last.
func BenchmarkPermissions(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("permissions=", n), func(b *testing.B) {
			var catalog apikey.Catalog
			var perms []apikey.Permission
			for i := range n - 1 {
				p := apikey.Permission(fmt.Sprint("category", i, ":view"))
				perms = append(perms, p)
				catalog = append(catalog, apikey.Entry{Permission: p, Label: string(p)})
			}
			perms = append(perms, peers.Need)
			opts := kept()
			opts.Catalog = slices.Concat(catalog, apikey.OtterCatalog())
			store := apikey.NewMemoryStore()
			key := peers.NewKey(0)
			key.Permissions = perms
			if err := store.Create(b.Context(), key); err != nil {
				b.Fatal(err)
			}
			handler := newAuthority(b, store, opts).Require(peers.Need)(silent)
			inOrder(b, 1, subject{impl: "kept", call: byHeader(handler, "X-ApiKey", []string{peers.Text(0)}, false)})
		})
	}
}

// BenchmarkConcurrent is a hit while so many goroutines make requests at a time.
func BenchmarkConcurrent(b *testing.B) {
	set := keysOf(b, 1_000)
	for n := 1; n <= 256; n *= 4 {
		b.Run(fmt.Sprint("requests=", n), func(b *testing.B) {
			call := func(h http.Handler) caller { return byHeader(h, "X-ApiKey", set.probes, false) }
			inOrder(b, n, append(guarded(b, set.store, call),
				subject{impl: "floor", call: call(peers.Floor(set.keys, peers.Need, silent))})...)
		})
	}
}

// BenchmarkRequestMemory is how many bytes are held by each of so many requests
// whose handlers are at work, the requests themselves and their stacks not
// included.
func BenchmarkRequestMemory(b *testing.B) {
	set := keysOf(b, 1_000)
	held := newHeldRequests()
	auth := newAuthority(b, set.store, shipped())
	held.measure(set.probes, silentUntil(held)) // so that there are enough goroutines to use again
	for impl, handler := range map[string]http.Handler{
		"floor":   peers.Floor(set.keys, peers.Need, silentUntil(held)),
		"kept":    newAuthority(b, set.store, kept()).Require(peers.Need)(silentUntil(held)),
		"shipped": auth.Require(peers.Need)(silentUntil(held)),
	} {
		b.Run("impl="+impl, func(b *testing.B) {
			for range b.N {
				b.ReportMetric(held.measure(set.probes, handler), "B/request")
				finish(auth)
			}
		})
	}
}

// heldRequests are requests whose handlers wait.
type heldRequests struct{ arrived, leave chan struct{} }

const heldCount = 10_000

func newHeldRequests() heldRequests {
	return heldRequests{make(chan struct{}, heldCount), make(chan struct{})}
}

func silentUntil(held heldRequests) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held.arrived <- struct{}{}
		<-held.leave
		runtime.KeepAlive(w) // a handler that waits has yet to answer
		runtime.KeepAlive(r)
	})
}

// measure returns the bytes for each of them.
func (held heldRequests) measure(probes []string, handler http.Handler) float64 {
	calls := make([]func(), heldCount)
	for i := range calls {
		calls[i] = byHeader(handler, "X-ApiKey", probes, false)(i)
	}
	before := heap()
	var group sync.WaitGroup
	for _, call := range calls {
		group.Go(call)
	}
	for range calls {
		<-held.arrived
	}
	bytes := float64(heap()-before) / heldCount
	for range calls {
		held.leave <- struct{}{}
	}
	group.Wait()
	runtime.KeepAlive(calls)
	return bytes
}
