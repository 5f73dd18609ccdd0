package apikeytest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

func ExampleTestStore() {
	t := new(testing.T) // the parameter of func TestMyStore(t *testing.T)

	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return apikey.NewMemoryStore() // yours: empty, another for each rule, closed in t.Cleanup
	})
}

// A legacyTable is a store that only looks up, such as a table that a host has
// already: from digests to the IDs of clients.
type legacyTable map[apikey.Digest]string

func (table legacyTable) Lookup(_ context.Context, digest apikey.Digest) (*apikey.Key, error) {
	id, ok := table[digest]
	if !ok {
		return nil, apikey.ErrNotFound
	}
	return &apikey.Key{ID: id, Credentials: []apikey.Credential{{Digest: digest}}}, nil
}

func ExampleTestLookup() {
	t := new(testing.T) // the parameter of func TestLegacyTable(t *testing.T)

	known := apikey.DigestOf("night-owl")
	apikeytest.TestLookup(t, legacyTable{known: "client 17"}, known)
}

// newRouter is what a host tests: all of its routes, as it serves them.
func newRouter(auth *apikey.Authority) chi.Router {
	r := chi.NewRouter()
	r.Get("/health", func(http.ResponseWriter, *http.Request) {})
	r.With(auth.Require(apikey.JobsTrigger)).Post("/jobs/trigger", trigger)
	return r
}

func trigger(w http.ResponseWriter, r *http.Request) {
	key, _ := apikey.FromContext(r.Context())
	fmt.Fprintf(w, "triggered %s for %v", r.URL.Query().Get("template"), key.Permissions)
}

func ExampleRoutes() {
	t := new(testing.T) // the parameter of func TestEveryRouteIsGuarded(t *testing.T)

	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	if err != nil {
		t.Fatal(err)
	}
	apikeytest.Routes(t, newRouter(auth), "/health") // all but this one require something
}

func ExampleWithKey() {
	req := httptest.NewRequest(http.MethodPost, "/jobs/trigger?template=nightly", nil)
	req = apikeytest.WithKey(req, apikey.JobsTrigger)
	w := httptest.NewRecorder()
	trigger(w, req)
	fmt.Println(w.Code, w.Body)
	// Output: 200 triggered nightly for [jobs:trigger]
}
