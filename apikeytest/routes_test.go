package apikeytest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

// recorder is a TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

// open guards nothing and says that it does.
type open struct{}

func (open) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
func (open) Need() apikey.Need                                { return apikey.AnyKey() }

func TestRoutes(t *testing.T) {
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(t, err)
	keys, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	jobs := auth.Require(apikey.JobsView)

	rows := []struct {
		name   string
		build  func(r chi.Router)
		public []string
		want   []string
	}{
		{"every route asks for something", func(r chi.Router) {
			r.Get("/health", ok)
			r.With(jobs).Get("/with", ok)
			r.With(jobs).Get("/params/{id}/{n:[0-9]{1,3}}/{day:\\d{4}-\\d\\d-\\d\\d}", ok)
			r.With(jobs).Handle("/all/*", http.HandlerFunc(ok))
			r.Group(func(r chi.Router) {
				r.Use(auth.RequireKey())
				r.Get("/group", ok)
				r.Route("/route", func(r chi.Router) { r.Post("/", ok) })
			})
			r.Mount("/keys", keys)
			r.With(auth.With(apikey.Overrides{Errors: apikey.OtterErrors}).RequireAny(apikey.Native)).Get("/otter", ok)
		}, []string{"/health"}, nil},
		{"one route was forgotten", func(r chi.Router) {
			r.With(jobs).Get("/jobs", ok)
			r.Post("/jobs", ok)
		}, nil, []string{"POST /jobs neither requires a permission nor is declared public"}},
		{"a mounted handler guards nothing", func(r chi.Router) {
			r.Method("GET", "/files", http.HandlerFunc(ok))
		}, nil, []string{"GET /files neither requires a permission nor is declared public"}},
		{"a route answers without a key all the same", func(r chi.Router) {
			r.Method("GET", "/open", open{})
		}, nil, []string{"GET /open answers 200 to a request without a key"}},
		{"middleware outside answers before the guard", func(r chi.Router) {
			r.Use(func(http.Handler) http.Handler { return http.HandlerFunc(ok) })
			r.With(jobs).Get("/jobs", ok)
		}, nil, []string{"GET /jobs answers 200 to a request without a key"}},
		{"a public route that is not there", func(r chi.Router) {
			r.With(jobs).Get("/jobs", ok)
		}, []string{"/healthz"}, []string{"/healthz is declared public, and is no route"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := chi.NewRouter()
			row.build(r)
			got := &recorder{TB: t}
			apikeytest.Routes(got, r, row.public...)
			require.Equal(t, row.want, got.failures)
		})
	}
}

func TestWithKey(t *testing.T) {
	r := httptest.NewRequest("POST", "/p?key=data", strings.NewReader("key=data"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	keyed := apikeytest.WithKey(r, apikey.JobsTrigger, "orders:read")
	key, ok := apikey.FromContext(keyed.Context())
	require.True(t, ok)
	require.Equal(t, []apikey.Permission{apikey.JobsTrigger, "orders:read"}, key.Permissions)
	require.Equal(t, r.Header, keyed.Header, "nothing is added for the handler to see")
	require.Equal(t, "/p?key=data", keyed.URL.String())
	require.Equal(t, "data", keyed.PostFormValue("key"))

	_, ok = apikey.FromContext(r.Context())
	require.False(t, ok, "the request passed in is not changed")
	require.PanicsWithValue(t, `apikeytest: apikey: permission "A b" is not of the form category or category:action, `+
		`each a lower-case letter followed by lower-case letters, digits, '-', '_' or '.'`, func() { apikeytest.WithKey(r, "A b") })
}

// TestWithKeyActs: a handler that changes keys may do what the key may, and no more.
func TestWithKeyActs(t *testing.T) {
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(t, err)
	spec := apikey.KeySpec{Subject: "user:17", Permissions: []apikey.Permission{apikey.JobsView}}
	r := apikeytest.WithSpec(apikeytest.WithKey(httptest.NewRequest("GET", "/", nil)), spec)
	key, ok := apikey.FromContext(r.Context())
	require.True(t, ok)
	require.Equal(t, "user:17", key.Subject)

	_, _, err = auth.Issue(r.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}})
	require.ErrorIs(t, err, apikey.ErrNotDelegated)
	_, _, err = auth.Issue(r.Context(), apikey.KeySpec{Subject: "user:18", Permissions: spec.Permissions})
	require.ErrorIs(t, err, apikey.ErrNotDelegated)
	_, _, err = auth.Issue(r.Context(), spec)
	require.NoError(t, err)
}
