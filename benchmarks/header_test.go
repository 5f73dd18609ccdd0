// Package benchmarks measures apikey beside the least code that could do its work.
package benchmarks

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// The floor is what authentication by a header must cost in net/http: index the
// header, hash the key in a stack buffer, look it up in a map, read the clock for
// the expiry, check the permission, put the key into a context, copy the request.
type floorKey struct {
	id          string
	permissions []apikey.Permission
	expires     time.Time
}

type floorContext struct {
	context.Context
	key *floorKey
}

type floorContextKey struct{}

func (c *floorContext) Value(key any) any {
	if key == (floorContextKey{}) {
		return c.key
	}
	return c.Context.Value(key)
}

func floor(keys map[[32]byte]*floorKey, need apikey.Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := r.Header["X-Apikey"]
		if len(values) != 1 || len(values[0]) > 256 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var buf [256]byte
		key := keys[sha256.Sum256(buf[:copy(buf[:], values[0])])]
		if key == nil || !key.expires.IsZero() && !time.Now().Before(key.expires) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !slices.Contains(key.permissions, need) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r.WithContext(&floorContext{r.Context(), key}))
	})
}

// subject is a handler, and the text of one key that it accepts.
type subject struct {
	name    string
	handler http.Handler
}

// subjects returns the floor and the library in its two shapes, each with the
// same n keys, and the text of one in the middle.
func subjects(b *testing.B, n int) ([]subject, string) {
	b.Helper()
	ctx := context.Background()
	store := apikey.NewMemoryStore()
	keys := make(map[[32]byte]*floorKey, n)
	probe := ""
	far := time.Now().Add(1000 * time.Hour)
	perms := []apikey.Permission{apikey.JobsView}
	for i := range n {
		text := fmt.Sprintf("apik_%049d", i)
		digest := apikey.DigestOf(text + "!") // one byte more: not of a generated key's shape
		keys[digest] = &floorKey{fmt.Sprint(i), perms, far}
		if err := store.Create(ctx, &apikey.Key{
			ID: fmt.Sprintf("%026d", i), Version: 1, Permissions: perms, ExpiresAt: far,
			Credentials: []apikey.Credential{{Digest: digest}},
		}); err != nil {
			b.Fatal(err)
		}
		if i == n/2 {
			probe = text + "!"
		}
	}
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	guard := func(opts *apikey.Options) http.Handler {
		auth, err := apikey.New(ctx, store, opts)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = auth.Shutdown(ctx) })
		return auth.Require(apikey.JobsView)(silent)
	}
	return []subject{
		{"floor", floor(keys, apikey.JobsView, silent)},
		{"kept", guard(&apikey.Options{KeepCredential: true, NoCacheHeaders: true})},
		{"shipped", guard(nil)},
	}, probe
}

// newRequest returns a request with five other headers, as browsers and command
// line clients send.
func newRequest(text string) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "http://host/api/jobs/status?token=1", nil)
	for _, name := range []string{"Accept", "Accept-Encoding", "User-Agent", "X-Request-Id", "Traceparent"} {
		r.Header.Set(name, "some value")
	}
	r.Header.Set("X-ApiKey", text)
	return r
}

// discard is a ResponseWriter whose cost is that of its header map.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { panic(fmt.Sprint("refused: ", status)) }

// BenchmarkHeader is a request that is let through on a key in its header.
// "kept" is the library with KeepCredential and NoCacheHeaders, which does what
// the floor does; "shipped" is the library as it comes.
func BenchmarkHeader(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		all, probe := subjects(b, n)
		for _, s := range all {
			b.Run(fmt.Sprintf("keys=%d/impl=%s", n, s.name), func(b *testing.B) {
				r, w := newRequest(probe), &discard{http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					s.handler.ServeHTTP(w, r)
				}
			})
		}
	}
}

// BenchmarkWrongChecksum is a mistyped key, refused before any store is asked.
func BenchmarkWrongChecksum(b *testing.B) {
	auth, err := apikey.New(context.Background(), apikey.NewMemoryStore(), nil)
	if err != nil {
		b.Fatal(err)
	}
	r := newRequest(fmt.Sprintf("apik_%049d", 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.Check(nil, r, apikey.AnyKey()); err == nil {
			b.Fatal("let through")
		}
	}
}
