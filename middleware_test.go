package apikey_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func TestPermissions(t *testing.T) {
	catalog := append(apikey.OtterCatalog(),
		apikey.Entry{Permission: "orders:read"}, apikey.Entry{Permission: "orders:write"}, apikey.Entry{Permission: "ordersx:read"},
		apikey.Entry{Permission: "root", Full: true})
	auth := newAuthority(t, &apikey.Options{Catalog: catalog})
	type perms = []apikey.Permission
	rows := []struct {
		name string
		held perms
		need apikey.Need
		want bool
	}{
		{"the permission itself", perms{"orders:read"}, apikey.AllOf("orders:read"), true},
		{"none", nil, apikey.AllOf("orders:read"), false},
		{"another action", perms{"orders:write"}, apikey.AllOf("orders:read"), false},
		{"the category covers its actions", perms{"orders"}, apikey.AllOf("orders:read", "orders:write"), true},
		{"the category covers no longer name", perms{"orders"}, apikey.AllOf("ordersx:read"), false},
		{"actions do not add up to their category", perms{"orders:read", "orders:write"}, apikey.AllOf("orders"), false},
		{"full control covers all", perms{"native"}, apikey.AllOf("orders:read", "keys:manage", "root"), true},
		{"any full entry does", perms{"root"}, apikey.AllOf("native"), true},
		{"no other entry implies anything", perms{"keys:manage"}, apikey.AllOf("logs:view"), false},
		{"all of, one lacking", perms{"orders:read"}, apikey.AllOf("orders:read", "orders:write"), false},
		{"any of, one held", perms{"orders:read"}, apikey.AnyOf("orders:write", "orders:read"), true},
		{"any of, none held", perms{"variables"}, apikey.AnyOf("orders:write", "orders:read"), false},
		{"any key", nil, apikey.AnyKey(), true},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			text := fmt.Sprint("text ", i)
			issueCustom(t, auth, text, row.held...)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-ApiKey", text)
			_, err := auth.Check(nil, r, row.need)
			require.Equal(t, row.want, err == nil)

			grants := func(need apikey.Permission) bool { return auth.Catalog().Grants(row.held, need) }
			if needed := row.need.Permissions(); len(needed) == 1 {
				require.Equal(t, row.want, grants(needed[0]))
			}
			require.False(t, grants("unknown:action"), "nor may full control do what the catalog does not know")
			require.False(t, grants(""))
		})
	}
}

// TestLostPermission: a stored permission that the catalog has dropped grants
// nothing, full control included; the key's others go on working.
func TestLostPermission(t *testing.T) {
	store := apikey.NewMemoryStore()
	old, err := apikey.New(t.Context(), store, &apikey.Options{Catalog: apikey.Catalog{
		{Permission: "super", Full: true}, {Permission: "orders"}, {Permission: "orders:read"}, {Permission: "other"},
	}})
	require.NoError(t, err)
	key := issueCustom(t, old, "good", "super", "orders", "other")
	auth, err := apikey.New(t.Context(), store, &apikey.Options{Catalog: apikey.Catalog{
		{Permission: "other"}, {Permission: "billing"},
	}})
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-ApiKey", "good")
	_, err = auth.Check(nil, r, apikey.AllOf("other"))
	require.NoError(t, err)
	_, err = auth.Check(nil, r, apikey.AllOf("billing"))
	require.ErrorIs(t, err, apikey.ErrForbidden)

	spec := key.Spec()
	spec.Name = "renamed"
	_, err = auth.Update(t.Context(), key.ID, key.Version, spec)
	require.NoError(t, err, "what the key has may stay")
}

func TestRequirePanics(t *testing.T) {
	auth := newAuthority(t, nil)
	require.PanicsWithValue(t, "apikey: Require: no permission is named; to accept any valid key, use RequireKey or AnyKey",
		func() { auth.Require() })
	require.PanicsWithValue(t, `apikey: RequireAny: unknown permission ["jobs:fly"]; the catalog has: native, jobs:trigger, jobs:view, `+
		"infrastructure:view, infrastructure:update, infrastructure:usage, variables, configuration, keys:manage, logs:view",
		func() { auth.RequireAny(apikey.JobsView, "jobs:fly") })
	require.NotPanics(t, func() { auth.Require("jobs") }, "the category of an entry")
	require.Panics(t, func() { auth.With(apikey.Overrides{Sources: []apikey.Source{}}) })
	require.Panics(t, func() { auth.With(apikey.Overrides{Realm: "a\"b"}) })
}

// TestNewReportsEverything: all mistakes at once, each with what is legal.
func TestNewReportsEverything(t *testing.T) {
	_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{
		Catalog:      apikey.Catalog{{Permission: "A B"}, {Permission: "a"}, {Permission: "a"}},
		Sources:      []apikey.Source{{}, apikey.FromHeader("Authorization"), apikey.FromQuery("a b"), apikey.FromJSON("a"), apikey.FromJSON("b"), apikey.FromBasic("a:b")},
		Realm:        "\"",
		Prefix:       "TOOLONG",
		Peppers:      []apikey.Pepper{apikey.NewPepper([]byte("short")), {}},
		MaxBody:      -1,
		BodyTimeout:  -2,
		StoreTimeout: -1,
		MaxLookups:   -1,
	})
	require.Error(t, err)
	for _, part := range []string{
		`permission "A B" is not of the form`, `lists "a" twice`, "zero Source", `FromHeader("Authorization")`,
		`"query parameter a b"`, "more than one JSON property", `FromBasic("a:b")`, `realm "\""`, `prefix "TOOLONG"`,
		"a pepper of 5 bytes; at least 16", "zero Pepper", "MaxBody is -1", "BodyTimeout is -2", "StoreTimeout is -1", "MaxLookups is -1",
	} {
		require.ErrorContains(t, err, part)
	}
	_, err = apikey.New(t.Context(), nil, nil)
	require.ErrorContains(t, err, "without a store")
	_, err = apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Catalog: apikey.Catalog{}, Sources: []apikey.Source{}, Peppers: []apikey.Pepper{}})
	require.ErrorContains(t, err, "empty Catalog")
	require.ErrorContains(t, err, "no sources")
	require.ErrorContains(t, err, "empty Peppers")
}

// TestOptionsAreCopied: what the caller does with them afterwards changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	opts := &apikey.Options{Catalog: apikey.OtterCatalog(), Sources: apikey.OtterSources()}
	auth := newAuthority(t, opts)
	issueCustom(t, auth, "good", apikey.JobsView)
	opts.Catalog[2].Full = true // jobs:view
	opts.Sources[0] = apikey.FromHeader("X-Other")
	sources := []apikey.Source{apikey.FromHeader("X-ApiKey")}
	view := auth.With(apikey.Overrides{Sources: sources})
	sources[0] = apikey.FromHeader("X-Other")
	auth.Catalog()[2].Full = true
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-ApiKey", "good")
	_, err := auth.Check(nil, r, apikey.AllOf(apikey.JobsTrigger))
	require.ErrorIs(t, err, apikey.ErrForbidden)
	_, err = view.Check(nil, r, apikey.AnyKey())
	require.NoError(t, err)
}

func TestNested(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	issueCustom(t, auth, "better", apikey.JobsView, apikey.JobsTrigger)
	var got seen
	get := func(h http.Handler, header ...string) int {
		got = seen{}
		resp, _ := do(t, newRequest(t, "GET", serve(t, h), "", header...))
		return resp.StatusCode
	}
	inner := auth.Require(apikey.JobsTrigger)(probe(&got))
	nested := auth.Require(apikey.JobsView)(inner)
	require.Equal(t, 403, get(nested, "X-ApiKey", "good"), "the inner need counts")
	require.Equal(t, 200, get(nested, "X-ApiKey", "better"))
	require.NotContains(t, got.header, "X-Apikey")
	require.Equal(t, 401, get(nested))

	bearer := auth.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromBearer(), apikey.FromHeader("X-ApiKey")}})
	strict := bearer.RequireKey()(auth.RequireKey()(probe(&got)))
	require.Equal(t, 200, get(strict, "X-ApiKey", "good"))
	require.Equal(t, 401, get(strict, "Authorization", "Bearer good"), "the inner one does not take Bearer")
	require.False(t, got.served)
	require.Equal(t, 200, get(strict, "Authorization", "Bearer good", "X-ApiKey", "good"), "one of the two is enough")

	another := newAuthority(t, &apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Other")}})
	issueCustom(t, another, "theirs")
	both := auth.RequireKey()(another.RequireKey()(probe(&got)))
	require.Equal(t, 401, get(both, "X-ApiKey", "good"), "another Authority wants its own key")
	require.Equal(t, 200, get(both, "X-ApiKey", "good", "X-Other", "theirs"))
	require.Empty(t, got.key.Permissions, "the innermost key is the one in the context")
	require.NotContains(t, got.header, "X-Other")
}

// TestNestedAuthorities: what stands inside a guard gets the key that this guard
// judged, whoever else has guarded in between.
func TestNestedAuthorities(t *testing.T) {
	a := newAuthority(t, nil)
	b := newAuthority(t, &apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Other")}})
	ours := issueCustom(t, a, "ours", apikey.JobsView)
	issueCustom(t, b, "theirs", apikey.Native)
	var got seen
	base := serve(t, a.RequireKey()(b.RequireKey()(a.Require(apikey.JobsView)(probe(&got)))))
	resp, _ := do(t, newRequest(t, "GET", base, "", "X-ApiKey", "ours", "X-Other", "theirs"))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, ours.ID, got.key.ID)
}

// TestRequestsActAsTheirKey: a handler that manages keys in the context of its
// request may do what the request's key may, and no more.
func TestRequestsActAsTheirKey(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "manager", apikey.KeysManage)
	var asRequest, asHost, asActor error
	base := serve(t, auth.Require(apikey.KeysManage)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		spec := apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}}
		_, _, asRequest = auth.Issue(r.Context(), spec)
		_, _, asHost = auth.Issue(context.Background(), spec)
		full := apikey.Actor{Permissions: []apikey.Permission{apikey.Native}}
		_, _, asActor = auth.Issue(apikey.WithActor(r.Context(), full), spec)
	})))
	resp, _ := do(t, newRequest(t, "GET", base, "", "X-ApiKey", "manager"))
	require.Equal(t, 200, resp.StatusCode)
	require.ErrorIs(t, asRequest, apikey.ErrNotDelegated)
	require.NoError(t, asHost)
	require.NoError(t, asActor, "whom the host has put into the context acts")
}

// TestErrorsAreTheHandlersOwn: what an error handler does to its error changes
// nothing for the requests after it.
func TestErrorsAreTheHandlersOwn(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	issueCustom(t, auth, "weak", apikey.Variables)
	rude := auth.With(apikey.Overrides{
		Sources: []apikey.Source{apikey.FromHeader("X-ApiKey"), apikey.FromBasic("a"), apikey.FromBasic("b"), apikey.FromBearer()},
		Errors: func(w http.ResponseWriter, r *http.Request, err *apikey.Error) {
			for i := range err.Missing {
				err.Missing[i] = "changed"
			}
			err.SetHeaders(w.Header())
			w.Header().Add("WWW-Authenticate", "Other "+r.URL.RawQuery)
			w.WriteHeader(err.Status)
			for i := range err.Challenges {
				err.Challenges[i] = "changed"
			}
		},
	})
	guarded := rude.RequireAny(apikey.JobsView, apikey.JobsTrigger)(http.NotFoundHandler())
	ask := func(key, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/?"+query, nil)
		r.Header.Set("X-ApiKey", key)
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		return w
	}
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			assert.Equal(t, 403, ask("weak", "").Code)
			query := fmt.Sprint("n=", i)
			assert.Equal(t, []string{`Basic realm="API", charset="UTF-8"`, `Bearer realm="API"`, "Other " + query},
				ask("", query).Result().Header.Values("WWW-Authenticate"))
		})
	}
	group.Wait()
	require.Equal(t, 404, ask("good", "").Code, "the need is as it was declared")
}

func TestFromContext(t *testing.T) {
	key, ok := apikey.FromContext(context.Background())
	require.False(t, ok)
	require.Zero(t, key)

	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-ApiKey", "good")
	next, err := auth.Check(nil, r, apikey.AnyKey())
	require.NoError(t, err)
	key, ok = apikey.FromContext(next.Context())
	require.True(t, ok)
	require.Empty(t, key.Credentials)
	key.Permissions[0] = apikey.Native
	again, err := auth.Check(nil, r, apikey.AllOf(apikey.JobsTrigger))
	require.ErrorIs(t, err, apikey.ErrForbidden, "the copy is the caller's own")
	_, ok = apikey.FromContext(again.Context())
	require.False(t, ok, "a refused request carries no key")
}

// TestChi: path tricks change neither the route nor the permission it needs.
func TestChi(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "viewer", apikey.JobsView)
	issueCustom(t, auth, "native", apikey.Native)
	r := chi.NewRouter()
	served := ""
	note := func(name string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { served = name + " " + chi.URLParam(r, "id") }
	}
	r.Route("/jobs", func(r chi.Router) {
		r.Use(auth.Require(apikey.JobsView))
		r.Get("/{id}", note("jobs"))
	})
	r.With(auth.Require(apikey.Native)).Get("/native/*", note("native"))
	base := serve(t, r)
	for _, method := range []string{"get", "PURGE", "HEAD", "OPTIONS"} {
		answer := rawExchange(t, base, method+" /native/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-ApiKey: native\r\n\r\n")
		require.Equal(t, "405", answer[9:12], "%s is no route, even for those who may all", method)
		require.Empty(t, served)
	}
	for _, row := range []struct {
		target, key, want, served string
	}{
		{"/jobs/a", "viewer", "200", "jobs a"},
		{"/native/x", "viewer", "403", ""},
		{"/jobs/a%2F..%2F..%2Fnative", "viewer", "200", "jobs a%2F..%2F..%2Fnative"},
		{"/jobs/../native/x", "viewer", "404", ""},
		{"/native/../jobs/a", "viewer", "403", ""},
		{"/native/%2e%2e/jobs/a", "viewer", "403", ""},
		{"/%6eative/x", "viewer", "404", ""},
		{"//native/x", "viewer", "404", ""},
		{"/NATIVE/x", "viewer", "404", ""},
		{"/native/x", "native", "200", "native "},
		{"/jobs/nope/nope", "none", "401", ""},
	} {
		t.Run(row.target+" "+row.key, func(t *testing.T) {
			served = ""
			answer := rawExchange(t, base, "GET "+row.target+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-ApiKey: "+row.key+"\r\n\r\n")
			require.Equal(t, row.want, answer[9:12])
			require.Equal(t, row.served, served)
		})
	}
}

// TestNoMixUp: under load nobody ever gets another's key.
func TestNoMixUp(t *testing.T) {
	auth := newAuthority(t, nil)
	const keys = 50
	all := []apikey.Permission{apikey.JobsView, apikey.JobsTrigger, apikey.Variables, apikey.Configuration}
	ids := make([]string, keys)
	for i := range keys {
		ids[i] = issueCustom(t, auth, fmt.Sprint("text-", i), all[i%len(all)]).ID
	}
	routes := map[apikey.Permission]http.Handler{}
	for _, p := range all {
		routes[p] = auth.Require(p)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key, _ := apikey.FromContext(r.Context())
			_, _ = fmt.Fprint(w, key.ID)
		}))
	}
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 200 {
				i, p := rand.IntN(keys), all[rand.IntN(len(all))]
				r := httptest.NewRequest("GET", "/", nil)
				if rand.IntN(2) == 0 {
					r.Header.Set("X-ApiKey", fmt.Sprint("text-", i))
				} else {
					r.URL.RawQuery = fmt.Sprint("key=text-", i)
				}
				w := httptest.NewRecorder()
				routes[p].ServeHTTP(w, r)
				if allowed := all[i%len(all)] == p; allowed {
					assert.Equal(t, ids[i], w.Body.String())
				} else {
					assert.Equal(t, 403, w.Code)
				}
			}
		})
	}
	group.Wait()
}

// What is remembered of a need is that it was found declared, never that it was asked for.
func TestANeedThatNobodyDeclaredIsRefusedEachTime(t *testing.T) {
	auth := newAuthority(t, nil)
	need := apikey.AllOf("no:such")
	for range 2 {
		_, err := auth.Check(nil, httptest.NewRequest("GET", "/", http.NoBody), need)
		require.ErrorIs(t, err, apikey.ErrUndeclared)
	}
}
