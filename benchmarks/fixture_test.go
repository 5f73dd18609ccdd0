package benchmarks

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// TestMain holds what servers do while the benchmarks run.
func TestMain(m *testing.M) {
	held := peers.Hold(peers.Held)
	m.Run()
	runtime.KeepAlive(held)
}

// large says that the benchmarks which take minutes and many gigabytes run too.
var large = os.Getenv("APIKEY_LARGE") != ""

// sizes are the numbers of keys to measure with.
func sizes() []int {
	if large {
		return []int{1_000, 100_000, 1_000_000, 10_000_000}
	}
	return []int{1_000, 100_000}
}

// A keySet is n keys, in the library's store and in a map.
type keySet struct {
	store  *apikey.MemoryStore
	keys   peers.Keys
	probes []string // the texts of some of the keys, in no order
}

var (
	keySetsMu sync.Mutex
	keySets   = map[int]*keySet{}
)

// keysOf returns a set of n keys. The large ones are not kept, so that no benchmark
// runs beside the keys of another.
func keysOf(b *testing.B, n int) *keySet {
	b.Helper()
	keySetsMu.Lock()
	defer keySetsMu.Unlock()
	set := keySets[n]
	if set == nil {
		set = newKeySet(b, n)
		if n <= 1_000 {
			keySets[n] = set
		}
	}
	return set
}

func newKeySet(b *testing.B, n int) *keySet {
	b.Helper()
	set := &keySet{store: apikey.NewMemoryStore(), keys: make(peers.Keys, n), probes: probesOf(n)}
	for i := range n {
		key := peers.NewKey(i)
		if err := set.store.Create(b.Context(), key); err != nil {
			b.Fatal(err)
		}
		set.keys.Add(key)
	}
	return set
}

// fill stores n keys.
func fill(b *testing.B, store apikey.ManagedStore, n int, logging apikey.Logging) {
	b.Helper()
	if err := peers.Fill(b.Context(), store, 0, n, logging); err != nil {
		b.Fatal(err)
	}
}

// probesOf returns the texts of those keys that the requests of one benchmark carry:
// enough that the caches of the processor do not hold what belongs to them all, where
// they do not hold what belongs to n.
func probesOf(n int) []string {
	most := 1 << 14
	if n >= 1_000_000 {
		most = 1 << 18
	}
	probes := make([]string, min(n, most))
	order := rand.New(rand.NewPCG(uint64(n), 2)).Perm(n)
	for i := range probes {
		probes[i] = peers.Text(order[i])
	}
	return probes
}

// mistyped returns as many texts with a wrong checksum, and unknown as many that
// are the key of nobody.
func mistyped(n int) []string { return peers.Texts(0, n, peers.Mistyped) }

func unknown(n int) []string { return peers.Texts(1<<30, n, peers.Text) }

// kept are the options with which the library does what the floor does, wherever the
// key stands; shipped are the defaults, and an access log.
func kept() *apikey.Options {
	return &apikey.Options{
		KeepCredential: true, NoCacheHeaders: true,
		Log: apikey.LogOptions{Off: true}, Cache: apikey.CacheOptions{Off: true},
	}
}

// onePlace are those with which it looks where the floor does, and nowhere else.
func onePlace() *apikey.Options {
	opts := kept()
	opts.Sources = []apikey.Source{apikey.FromHeader("X-ApiKey")}
	return opts
}

func shipped() *apikey.Options {
	return &apikey.Options{Log: apikey.LogOptions{Sink: peers.NullSink{}}}
}

func newAuthority(b *testing.B, store apikey.Store, opts *apikey.Options) *apikey.Authority {
	b.Helper()
	auth, err := apikey.New(b.Context(), store, opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := auth.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return auth
}

// silent answers nothing.
var silent = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
