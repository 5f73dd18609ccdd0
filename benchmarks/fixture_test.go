package benchmarks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

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

// keysOf returns a set of n keys, of which the large ones are not kept.
func keysOf(b *testing.B, n int) *keySet {
	b.Helper()
	keySetsMu.Lock()
	defer keySetsMu.Unlock()
	set := keySets[n]
	if set == nil {
		set = newKeySet(b, n)
		if n <= 100_000 {
			keySets[n] = set
		}
	}
	return set
}

func newKeySet(b *testing.B, n int) *keySet {
	b.Helper()
	set := &keySet{store: apikey.NewMemoryStore(), keys: make(peers.Keys, n)}
	far := time.Now().Add(1000 * time.Hour)
	perms := []apikey.Permission{peers.Need}
	for i := range n {
		key := newKey(i, far, perms)
		if err := set.store.Create(b.Context(), key); err != nil {
			b.Fatal(err)
		}
		set.keys[key.Credentials[0].Digest] = &peers.Key{ID: key.ID, Permissions: perms, Expires: far}
	}
	set.probes = probesOf(n)
	return set
}

func newKey(i int, expires time.Time, perms []apikey.Permission) *apikey.Key {
	return &apikey.Key{
		ID: fmt.Sprintf("%026d", i), Version: 1, Permissions: perms, ExpiresAt: expires,
		Credentials: []apikey.Credential{{Digest: apikey.DigestOf(peers.Text(i))}},
	}
}

// maxProbes bounds how many keys the requests of one benchmark carry: enough that
// the caches of the processor do not hold what belongs to them all.
const maxProbes = 1 << 14

func probesOf(n int) []string {
	probes := make([]string, min(n, maxProbes))
	order := rand.New(rand.NewPCG(uint64(n), 2)).Perm(n)
	for i := range probes {
		probes[i] = peers.Text(order[i])
	}
	return probes
}

// mistyped returns as many texts with a wrong checksum, and unknown as many that
// are the key of nobody.
func mistyped(n int) []string { return texts(n, peers.Mistyped) }

func unknown(n int) []string { return texts(n, func(i int) string { return peers.Text(1<<30 + i) }) }

func texts(n int, text func(int) string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = text(i)
	}
	return all
}

// nullSink takes entries and keeps none.
type nullSink struct{}

func (nullSink) WriteLog(context.Context, []apikey.LogEntry) error { return nil }

// kept are the options with which the library does what the floor does, and no
// more; shipped are the defaults, and an access log.
func kept() *apikey.Options {
	return &apikey.Options{
		KeepCredential: true, NoCacheHeaders: true,
		Log: apikey.LogOptions{Off: true}, Cache: apikey.CacheOptions{Off: true},
	}
}

func shipped() *apikey.Options { return &apikey.Options{Log: apikey.LogOptions{Sink: nullSink{}}} }

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
