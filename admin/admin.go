// Package admin is the administration of API keys over HTTP: a JSON API that any
// server mounts under a prefix of its choice.
//
//	api, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
//	…
//	r.Mount("/api/api-keys", api)                                            // chi
//
//	mux.Handle("/api/api-keys", http.StripPrefix("/api/api-keys", api))      // net/http:
//	mux.Handle("/api/api-keys/", http.StripPrefix("/api/api-keys", api))     // both, or it redirects
//
// There is no open default: every handler is made with an [Authorizer], which
// says who asks and what they may do. The rules at [apikey.Actor] then keep an
// administrator from handing out more than they hold.
package admin

import (
	"log/slog"
	"net/http"

	"github.com/seed-be062aaa/apikey"
)

// An Authorizer decides whether r may do what needs need, and returns who asks.
// The request it returns, r where it is nil, is the one that is served.
//
// An error that is or wraps an [*apikey.Error] is answered as that says, with
// application/problem+json; any other with 403, and its text is not shown. The
// Authorizer writes nothing to w.
type Authorizer func(w http.ResponseWriter, r *http.Request, need apikey.Permission) (
	actor apikey.Actor, authorized *http.Request, err error,
)

// ByKey returns the Authorizer under which keys manage keys: a request needs one
// that holds the permission, passed as auth's sources say.
func ByKey(auth *apikey.Authority) Authorizer {
	return func(w http.ResponseWriter, r *http.Request, need apikey.Permission) (apikey.Actor, *http.Request, error) {
		next, err := auth.Check(w, r, apikey.AllOf(need))
		if err != nil {
			return apikey.Actor{}, r, err
		}
		key, _ := apikey.FromContext(next.Context())
		return apikey.ActorOf(key), next, nil
	}
}

// Options are the choices of the handlers here. The zero value is the default.
type Options struct {
	// BasePath is the path, without a slash at its end, under which clients reach
	// the handler. Default: what the request line says; set it behind a proxy
	// that rewrites paths.
	BasePath string
	// Logger is told of stores that fail. Default: slog.Default().
	Logger *slog.Logger
}
