package apikeytest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

// guarded is what the middleware of packages apikey and admin makes.
type guarded interface {
	http.Handler
	Need() apikey.Need
}

// Routes checks that no route of a chi router was left open by mistake: each has
// a Require, RequireAny or RequireKey among its middleware, and refuses a request
// without a key; or its pattern is in public, as in "/health". The routes of
// mounted routers are looked at too, those of package admin among them. A
// mounted handler that is no chi router counts as one route, whose middleware is
// what stands before it. A pattern in public that the router does not have is a
// mistake too.
//
// It sends each route one request without a key. A route that was left open
// therefore runs its handler.
func Routes(t testing.TB, router chi.Routes, public ...string) {
	t.Helper()
	handler, ok := router.(http.Handler)
	if !ok {
		t.Errorf("apikeytest: Routes: a %T serves no requests", router)
		return
	}
	seen := map[string]bool{}
	walk := func(method, pattern string, h http.Handler, middlewares ...func(http.Handler) http.Handler) error {
		seen[pattern] = true
		switch {
		case slices.Contains(public, pattern):
		case !isGuarded(h, middlewares):
			t.Errorf("%s %s neither requires a permission nor is declared public", method, pattern)
		default:
			refuses(t, router, handler, method, pattern)
		}
		return nil
	}
	if err := chi.Walk(router, walk); err != nil {
		t.Errorf("apikeytest: Routes: %v", err)
	}
	for _, pattern := range public {
		if !seen[pattern] {
			t.Errorf("%s is declared public, and is no route", pattern)
		}
	}
}

func isGuarded(h http.Handler, middlewares []func(http.Handler) http.Handler) bool {
	if _, ok := h.(guarded); ok {
		return true
	}
	return slices.ContainsFunc(middlewares, func(m func(http.Handler) http.Handler) bool {
		_, ok := m(http.NotFoundHandler()).(guarded)
		return ok
	})
}

// refuses checks that the route answers 401 or 403 to a request without a key.
func refuses(t testing.TB, router chi.Routes, handler http.Handler, method, pattern string) {
	t.Helper()
	path, ok := pathFor(router, method, pattern)
	if !ok {
		t.Logf("%s %s was not tried: no path was found that leads there", method, pattern)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	if w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden {
		t.Errorf("%s %s answers %d to a request without a key", method, pattern, w.Code)
	}
}

var parameter = regexp.MustCompile(`\{[^{}]*(\{[^{}]*\}[^{}]*)*\}`)

// pathFor returns a path that leads to the route of that pattern. Parameters may
// be bound to a regular expression, so it tries several texts.
func pathFor(router chi.Routes, method, pattern string) (string, bool) {
	for _, text := range []string{"x", "1", "a1", "2026-01-31", "00000000-0000-4000-8000-000000000000"} {
		path := parameter.ReplaceAllString(pattern, text)
		path = strings.ReplaceAll(path, "*", text)
		if path != "" && router.Match(chi.NewRouteContext(), method, path) {
			return path, true
		}
	}
	return "", false
}
