package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed-be062aaa/apikey"
)

// An Authorizer decides whether who sent r holds the permission need, and returns who
// that is. The request it returns, r where it is nil, is the one that is served. Several
// requests may be decided on at once.
//
// An error that is or wraps an [*apikey.Error], or an [apikey.Reason] such as
// [apikey.ErrForbidden], is answered as that says, by the API with
// application/problem+json and by the page in HTML; any other with 403, and its text
// is not shown. The Authorizer writes nothing to w.
type Authorizer func(w http.ResponseWriter, r *http.Request, need apikey.Permission) (
	actor apikey.Actor, authorized *http.Request, err error,
)

// ByKey returns the Authorizer under which keys manage keys: a request needs one
// that holds the permission.
//
// To the API it is passed as auth's sources say. A browser can pass it to the page
// only as the password of HTTP authentication, so that the page takes it from HTTP
// Basic, user "api", and from nowhere else; unless auth, or its With, has Basic or
// Bearer among its sources: then it does as they say.
func ByKey(auth *apikey.Authority) Authorizer {
	forBrowsers := sync.OnceValue(func() *apikey.Authority { return httpAuth(auth) })
	return func(w http.ResponseWriter, r *http.Request, need apikey.Permission) (apikey.Actor, *http.Request, error) {
		view := auth
		if isForBrowsers(r.Context()) {
			view = forBrowsers()
		}
		next, err := view.Check(w, r, apikey.AllOf(need))
		if err != nil {
			return apikey.Actor{}, r, err
		}
		key, _ := apikey.FromContext(next.Context())
		return apikey.ActorOf(key), next, nil
	}
}

// httpAuth returns the view of auth that makes browsers ask for a key. A challenge
// tells whether auth does so by itself.
func httpAuth(auth *apikey.Authority) *apikey.Authority {
	anonymous, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", http.NoBody)
	if err == nil {
		_, err = auth.Check(nil, anonymous, apikey.AnyKey())
	}
	if refusal, ok := asRefusal(err); ok && slices.ContainsFunc(refusal.Challenges, isHTTPAuth) {
		return auth
	}
	return auth.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromBasic("api")}})
}

func isHTTPAuth(challenge string) bool {
	return strings.HasPrefix(challenge, "Basic ") || strings.HasPrefix(challenge, "Bearer ")
}

// forBrowsersKey marks the context of requests to the page.
type forBrowsersKey struct{}

func forBrowsers(ctx context.Context) context.Context {
	return context.WithValue(ctx, forBrowsersKey{}, true)
}

func isForBrowsers(ctx context.Context) bool { return ctx.Value(forBrowsersKey{}) != nil }
