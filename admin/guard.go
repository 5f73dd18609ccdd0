package admin

import (
	"errors"
	"net/http"

	"github.com/seed-be062aaa/apikey"
)

// A refuser answers a request that the Authorizer refused.
type refuser func(w http.ResponseWriter, r *http.Request, err error)

// require returns middleware that serves only those whom the Authorizer lets
// pass, as the actor that it names.
func (o *office) require(need apikey.Permission, refuse refuser) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return &guard{o.authorize, need, refuse, next}
	}
}

type guard struct {
	authorize Authorizer
	need      apikey.Permission
	refuse    refuser
	next      http.Handler
}

// Need returns what the guard asks for. It is exported for apikeytest.Routes.
func (g *guard) Need() apikey.Need { return apikey.AllOf(g.need) }

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	actor, authorized, err := g.authorize(w, r, g.need)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	if authorized != nil {
		r = authorized
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	g.next.ServeHTTP(w, r.WithContext(apikey.WithActor(r.Context(), actor)))
}

// asRefusal returns the refusal that err is or wraps, or that of the reason that it is.
func asRefusal(err error) (*apikey.Error, bool) {
	if refusal, ok := errors.AsType[*apikey.Error](err); ok {
		return refusal, true
	}
	reason, ok := errors.AsType[apikey.Reason](err)
	return apikey.NewError(reason), ok
}
