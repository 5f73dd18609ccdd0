package peers

import (
	"context"
	"net/http"

	"github.com/seed-be062aaa/apikey"
)

// Floor is what authentication by a header must cost in net/http: index the header,
// hash the key in a stack buffer, look it up in a map, read the clock for the expiry,
// check the permission, put the key into a context, copy the request. These last two
// are its only allocations.
func Floor(keys Keys, need apikey.Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, status := keys.judgeHeader(r, need)
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		next.ServeHTTP(w, r.WithContext(&floorContext{r.Context(), key}))
	})
}

func (k Keys) judgeHeader(r *http.Request, need apikey.Permission) (*Key, int) {
	values := r.Header["X-Apikey"]
	if len(values) != 1 {
		return nil, http.StatusUnauthorized
	}
	return k.judge(values[0], need)
}

type floorContext struct {
	context.Context
	key *Key
}

type floorContextKey struct{}

// Value implements [context.Context].
func (c *floorContext) Value(key any) any {
	if key == (floorContextKey{}) {
		return c.key
	}
	return c.Context.Value(key)
}
