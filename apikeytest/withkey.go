package apikeytest

import (
	"context"
	"net/http"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

// header carries the key by which WithKey makes requests authentic.
const header = "X-Apikeytest"

// WithKey returns r as a handler behind [apikey.Authority.Require] would see it:
// with a key in its context that holds perms, and that [apikey.FromContext]
// returns. It is for tests of handlers by themselves, which then need no store:
//
//	req = apikeytest.WithKey(req, apikey.JobsTrigger)
//
// r is not changed. To a Require inside the handler the key is a stranger's; where the
// handler changes keys, it acts as their [apikey.Actor] all the same. It panics where a
// permission is not well-formed or is there twice.
func WithKey(r *http.Request, perms ...apikey.Permission) *http.Request {
	return WithSpec(r, apikey.KeySpec{Name: "test", Permissions: perms})
}

// WithSpec is [WithKey] for handlers that look at more of a key than its permissions, such
// as its Subject or Metadata.
func WithSpec(r *http.Request, spec apikey.KeySpec) *http.Request {
	catalog := apikey.OtterCatalog()
	for _, p := range spec.Permissions {
		if !slices.ContainsFunc(catalog, func(e apikey.Entry) bool { return e.Permission == p }) {
			catalog = append(catalog, apikey.Entry{Permission: p})
		}
	}
	ctx := context.Background() // whoever acts in the request's makes no key here
	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), &apikey.Options{
		Catalog: catalog,
		Sources: []apikey.Source{apikey.FromHeader(header)},
	})
	if err != nil {
		panic("apikeytest: " + err.Error())
	}
	key, secret, err := auth.Issue(ctx, spec)
	if err != nil {
		panic("apikeytest: " + err.Error())
	}
	keyed := r.Clone(apikey.WithActor(r.Context(), apikey.ActorOf(*key)))
	keyed.Body = r.Body
	keyed.Header.Set(header, secret.Reveal())
	next, err := auth.Check(nil, keyed, apikey.AnyKey())
	if err != nil {
		panic("apikeytest: " + err.Error())
	}
	return next
}
