package benchmarks

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// The floor is what authentication by a header must cost in net/http: index the
// header, hash the key in a stack buffer, look it up in a map, read the clock for
// the expiry, check the permission, put the key into a context, copy the request.
// These last two are its only allocations.
type floorContext struct {
	context.Context
	key *peers.Key
}

type floorContextKey struct{}

func (c *floorContext) Value(key any) any {
	if key == (floorContextKey{}) {
		return c.key
	}
	return c.Context.Value(key)
}

func floor(keys peers.Keys, need apikey.Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := r.Header["X-Apikey"]
		if len(values) != 1 || len(values[0]) > peers.MaxText {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var buf [peers.MaxText]byte
		key := keys[sha256.Sum256(buf[:copy(buf[:], values[0])])]
		if key == nil || !key.Expires.IsZero() && !time.Now().Before(key.Expires) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !slices.Contains(key.Permissions, need) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r.WithContext(&floorContext{r.Context(), key}))
	})
}
