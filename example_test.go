package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

// exampleAuthority returns an Authority over a store that holds one key, of the
// text night-owl, that may trigger jobs.
func exampleAuthority() *apikey.Authority {
	ctx := context.Background()
	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), nil)
	if err != nil {
		panic(err)
	}
	_, err = auth.IssueCustom(ctx, apikey.KeySpec{
		Name:        "nightly",
		Permissions: []apikey.Permission{apikey.JobsTrigger},
	}, "night-owl")
	if err != nil {
		panic(err)
	}
	return auth
}

// get sends a request with the key night-owl to h, and prints the answer.
func get(h http.Handler, target string) {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("X-ApiKey", "night-owl")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
}

func greet(w http.ResponseWriter, r *http.Request) {
	key, _ := apikey.FromContext(r.Context())
	fmt.Fprintf(w, "hello, %s", key.DisplayName())
}

func ExampleNew() {
	// One permission more than Otter has.
	auth, err := apikey.New(context.Background(), apikey.NewMemoryStore(), &apikey.Options{
		Catalog: append(apikey.OtterCatalog(), apikey.Entry{Permission: "orders:read", Label: "Orders"}),
		Prefix:  "shop",
	})
	if err != nil {
		panic(err)
	}
	key, secret, err := auth.Issue(context.Background(), apikey.KeySpec{
		Permissions: []apikey.Permission{"orders:read"},
	})
	fmt.Println(key.Permissions, secret, strings.HasPrefix(secret.Reveal(), "shop_"), err)
	// Output: [orders:read] [redacted] true <nil>
}

func ExampleNew_mistakes() {
	_, err := apikey.New(context.Background(), apikey.NewMemoryStore(), &apikey.Options{
		Prefix:  "Shop!",
		Sources: []apikey.Source{apikey.FromHeader("Authorization")},
	})
	fmt.Println(err)
	// Output:
	// apikey: FromHeader("Authorization"): not a header name that can carry a key
	// apikey: prefix "Shop!" is not a lower-case letter followed by up to 4 lower-case letters and digits
}

func ExampleAuthority_Require() {
	auth := exampleAuthority()
	r := chi.NewRouter()
	r.Route("/api/jobs", func(r chi.Router) {
		r.With(auth.Require(apikey.JobsTrigger)).HandleFunc("/trigger", greet)
		r.With(auth.Require(apikey.JobsView)).HandleFunc("/status", greet)
	})
	get(r, "/api/jobs/trigger")
	get(r, "/api/jobs/status")
	// Output:
	// 200 hello, nightly
	// 403 {"title":"Forbidden","status":403,"detail":"The API key lacks what this action needs: jobs:view.","missing":["jobs:view"]}
}

// Asking for any key authenticates, and authorizes nothing: whoever holds a key
// of whatever permission gets through. Nor does the method of a request tell
// whether it changes something: many APIs trigger jobs by GET.
func ExampleAuthority_RequireKey_incorrect() {
	auth := exampleAuthority()
	r := chi.NewRouter()
	r.Use(auth.RequireKey())
	r.Get("/api/variables", greet) // should be behind Require(apikey.Variables)
	get(r, "/api/variables")
	// Output: 200 hello, nightly
}

func ExampleAuthority_RequireAny() {
	auth := exampleAuthority()
	h := auth.RequireAny(apikey.JobsTrigger, apikey.JobsView)(http.HandlerFunc(greet))
	get(h, "/")
	// Output: 200 hello, nightly
}

func ExampleAuthority_With() {
	auth := exampleAuthority()
	feed := auth.With(apikey.Overrides{
		Sources: []apikey.Source{apikey.FromBasic("api"), apikey.FromBearer()},
		Errors:  apikey.OtterErrors,
	})
	h := feed.RequireKey()(http.HandlerFunc(greet))

	r := httptest.NewRequest(http.MethodGet, "/feeds/npm/", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Values("WWW-Authenticate"))

	r.SetBasicAuth("api", "night-owl")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 401 [Basic realm="API", charset="UTF-8" Bearer realm="API"]
	// 200 hello, nightly
}

func ExampleAuthority_Check() {
	auth := exampleAuthority()
	r := httptest.NewRequest(http.MethodGet, "/?key=night-owl&page=2", nil)
	next, err := auth.Check(nil, r, apikey.AllOf(apikey.JobsTrigger))
	fmt.Println(next.URL, err)

	_, err = auth.Check(nil, r, apikey.AllOf(apikey.Variables))
	fmt.Println(errors.Is(err, apikey.ErrForbidden), err)
	// Output:
	// /?page=2 <nil>
	// true apikey: the API key lacks a permission
}

func ExampleAuthority_Update() {
	auth, ctx := exampleAuthority(), context.Background()
	keys, _ := auth.Keys(ctx, apikey.Query{})
	spec := keys[0].Spec()
	spec.Disabled = true
	key, err := auth.Update(ctx, keys[0].ID, keys[0].Version, spec)
	fmt.Println(key.Disabled, key.Version, err)

	_, err = auth.Update(ctx, keys[0].ID, keys[0].Version, spec)
	fmt.Println(err)
	// Output:
	// true 2 <nil>
	// apikey: the key has changed since it was read
}

func ExampleAuthority_Rotate() {
	auth, ctx := exampleAuthority(), context.Background()
	keys, _ := auth.Keys(ctx, apikey.Query{})
	_, secret, err := auth.Rotate(ctx, keys[0].ID, 24*time.Hour)
	if err != nil {
		panic(err)
	}
	before, _ := auth.Authenticate(ctx, "night-owl")
	after, _ := auth.Authenticate(ctx, secret.Reveal())
	fmt.Println(before.ID == after.ID)
	// Output: true
}

func ExampleWithActor() {
	auth := exampleAuthority()
	ctx := apikey.WithActor(context.Background(), apikey.Actor{
		ID:          "user:17",
		Permissions: []apikey.Permission{apikey.KeysManage, apikey.JobsView},
	})
	_, _, err := auth.Issue(ctx, apikey.KeySpec{Permissions: []apikey.Permission{apikey.Variables}})
	fmt.Println(errors.Is(err, apikey.ErrNotDelegated), err)
	// Output: true apikey: not allowed to this actor: permissions that the actor does not hold: variables
}

func ExampleDigestOf() {
	// The digest column of a table of plain keys.
	digest := apikey.DigestOf("night-owl")
	fmt.Printf("%d bytes, printed as %v\n", len(digest[:]), digest)
	// Output: 32 bytes, printed as [redacted]
}

func ExampleAuthority_Issue() {
	auth := exampleAuthority()
	key, secret, err := auth.Issue(context.Background(), apikey.KeySpec{Name: "dashboard"})
	if err != nil {
		panic(err)
	}
	text := secret.Reveal() // to be shown once, to whoever will use it
	fmt.Println(key.Name, secret, len(text))
	// Output: dashboard [redacted] 54
}

func ExampleAuthority_IssueCustom() {
	auth := exampleAuthority()
	key, err := auth.IssueCustom(context.Background(), apikey.KeySpec{Name: "cron"}, "secure123")
	fmt.Println(key.Weak(), err)

	_, err = auth.IssueCustom(context.Background(), apikey.KeySpec{Name: "another"}, "secure123")
	fmt.Println(err)
	// Output:
	// true <nil>
	// apikey: this key text is in use
}

func ExampleAuthority_Bootstrap() {
	ctx := context.Background()
	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), nil)
	if err != nil {
		panic(err)
	}
	first := apikey.KeySpec{Name: "first key", Permissions: []apikey.Permission{apikey.Native}}
	key, _, err := auth.Bootstrap(ctx, first, "")
	fmt.Println(key.Name, err)

	_, _, err = auth.Bootstrap(ctx, first, "")
	fmt.Println(errors.Is(err, apikey.ErrBootstrapped))
	// Output:
	// first key <nil>
	// true
}

func ExampleAuthority_Revoke() {
	auth, ctx := exampleAuthority(), context.Background()
	keys, _ := auth.Keys(ctx, apikey.Query{})
	_, err := auth.Revoke(ctx, keys[0].ID)
	_, refusal := auth.Authenticate(ctx, "night-owl")
	fmt.Println(err, errors.Is(refusal, apikey.ErrKeyRevoked))
	// Output: <nil> true
}

// A handler that shows more to some keys than to others asks the catalog.
func ExampleCatalog_Grants() {
	auth := exampleAuthority()
	catalog := auth.Catalog()
	h := auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := apikey.FromContext(r.Context())
		fmt.Fprintf(w, "view: %t, trigger: %t",
			catalog.Grants(key.Permissions, apikey.JobsView), catalog.Grants(key.Permissions, apikey.JobsTrigger))
	}))
	get(h, "/")
	// Output: 200 view: false, trigger: true
}

// An ErrorHandler sees every refusal with its true reason, which the client is not told:
// here is where to count them.
func ExampleErrorHandler() {
	refused := map[string]int{} // a counter of your metrics, by reason
	auth := exampleAuthority().With(apikey.Overrides{
		Errors: func(w http.ResponseWriter, r *http.Request, err *apikey.Error) {
			refused[string(err.Reason)]++
			apikey.ProblemErrors(w, r, err)
		},
	})
	get(auth.Require(apikey.Variables)(http.HandlerFunc(greet)), "/")
	fmt.Println(refused)
	// Output:
	// 403 {"title":"Forbidden","status":403,"detail":"The API key lacks what this action needs: variables.","missing":["variables"]}
	// map[forbidden:1]
}

func ExampleFromContext() {
	auth := exampleAuthority()
	h := auth.Require(apikey.JobsTrigger)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := apikey.FromContext(r.Context()) // always there behind Require
		fmt.Fprintf(w, "%s may %v", key.DisplayName(), key.Permissions)
	}))
	get(h, "/")
	// Output: 200 nightly may [jobs:trigger]
}

func ExampleAuthority_AccessLog() {
	ctx := context.Background()
	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), &apikey.Options{
		Log: apikey.LogOptions{Sink: apikey.NewMemoryLog(1000)},
	})
	if err != nil {
		panic(err)
	}
	key, err := auth.IssueCustom(ctx, apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsTrigger}}, "night-owl")
	if err != nil {
		panic(err)
	}
	h := auth.Require(apikey.JobsTrigger)(http.HandlerFunc(greet))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/jobs?key=night-owl&page=2", nil))

	if err := auth.Shutdown(ctx); err != nil { // writes what waits; a server waits 200 milliseconds
		panic(err)
	}
	entries, _, err := auth.AccessLog(ctx, apikey.LogQuery{KeyID: key.ID, Outcome: apikey.OutcomeAllowed})
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		fmt.Println(e.Status, e.Path, e.Query, e.Permission)
	}
	// Output: 200 /jobs key=[redacted]&page=2 jobs:trigger
}

// Under a pepper, which is kept outside the store, chosen keys cannot be found from their
// digests either.
func ExampleNewPepper() {
	pepper := apikey.NewPepper([]byte("32 random bytes from a secret store")) // not a constant
	auth, err := apikey.New(context.Background(), apikey.NewMemoryStore(), &apikey.Options{
		Peppers: []apikey.Pepper{pepper},
	})
	fmt.Println(auth != nil, err)
	// Output: true <nil>
}
