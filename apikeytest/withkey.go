package apikeytest

import (
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
// r is not changed. To a Require inside the handler the key is a stranger's. It
// panics where a permission is not well-formed or is there twice.
func WithKey(r *http.Request, perms ...apikey.Permission) *http.Request {
	catalog := apikey.OtterCatalog()
	for _, p := range perms {
		if !slices.ContainsFunc(catalog, func(e apikey.Entry) bool { return e.Permission == p }) {
			catalog = append(catalog, apikey.Entry{Permission: p})
		}
	}
	auth, err := apikey.New(r.Context(), apikey.NewMemoryStore(), &apikey.Options{
		Catalog: catalog,
		Sources: []apikey.Source{apikey.FromHeader(header)},
	})
	if err != nil {
		panic("apikeytest: WithKey: " + err.Error())
	}
	_, secret, err := auth.Issue(r.Context(), apikey.KeySpec{Name: "test", Permissions: perms})
	if err != nil {
		panic("apikeytest: WithKey: " + err.Error())
	}
	keyed := r.Clone(r.Context())
	keyed.Body = r.Body
	keyed.Header.Set(header, secret.Reveal())
	next, err := auth.Check(nil, keyed, apikey.AnyKey())
	if err != nil {
		panic("apikeytest: WithKey: " + err.Error())
	}
	return next
}
