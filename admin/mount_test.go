package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
	"github.com/seed-be062aaa/apikey/apikeytest"
)

// TestPageMounting walks through the page wherever a host may have put it, as a
// browser does: every link and every form of a page leads to one.
func TestPageMounting(t *testing.T) {
	f := newPageFixture(t)
	plain := func(opts *admin.Options) http.Handler {
		page, err := admin.NewPage(f.auth, admin.ByKey(f.auth), opts)
		require.NoError(t, err)
		return page
	}
	page := plain(nil)
	behind := func(inside http.Handler, cut string) http.Handler { return http.StripPrefix(cut, proxyTo(t, inside)) }
	router := func(build func(r chi.Router)) http.Handler {
		r := chi.NewRouter()
		build(r)
		return r
	}
	mux := func(patterns map[string]http.Handler) http.Handler {
		m := http.NewServeMux()
		for pattern, h := range patterns {
			m.Handle(pattern, h)
		}
		return m
	}
	for name, row := range map[string]struct {
		handler http.Handler
		at      []string
	}{
		"alone":                      {page, []string{"/"}},
		"chi, Mount":                 {router(func(r chi.Router) { r.Mount("/a/keys", page) }), []string{"/a/keys", "/a/keys/"}},
		"chi, Mount at the root":     {router(func(r chi.Router) { r.Mount("/", page) }), []string{"/"}},
		"chi, Route":                 {router(func(r chi.Router) { r.Route("/a", func(r chi.Router) { r.Mount("/logs", page) }) }), []string{"/a/logs", "/a/logs/"}},
		"chi, Route and root":        {router(func(r chi.Router) { r.Route("/a", func(r chi.Router) { r.Mount("/", page) }) }), []string{"/a", "/a/"}},
		"chi, with a parameter":      {router(func(r chi.Router) { r.Mount("/{tenant}/keys", page) }), []string{"/b/keys", "/b/keys/", "/b%20c/keys"}},
		"chi, Handle":                {router(func(r chi.Router) { r.Handle("/keys/*", page); r.Handle("/keys", page) }), []string{"/keys", "/keys/"}},
		"chi, StripPrefix":           {router(func(r chi.Router) { r.Mount("/keys", http.StripPrefix("/keys", page)) }), []string{"/keys", "/keys/"}},
		"chi, two of them":           {router(func(r chi.Router) { r.Mount("/one", plain(nil)); r.Mount("/two", page) }), []string{"/one", "/two/"}},
		"net/http":                   {mux(map[string]http.Handler{"/a/keys": page, "/a/keys/": page}), []string{"/a/keys", "/a/keys/"}},
		"net/http at the root":       {mux(map[string]http.Handler{"/": page}), []string{"/"}},
		"net/http, StripPrefix":      {mux(map[string]http.Handler{"/keys": http.StripPrefix("/keys", page), "/keys/": http.StripPrefix("/keys", page)}), []string{"/keys", "/keys/"}},
		"net/http, with a parameter": {mux(map[string]http.Handler{"/{tenant}/keys/": page}), []string{"/b/keys/", "/keys/keys/"}},
		"net/http, rest":             {mux(map[string]http.Handler{"/keys/{rest...}": page}), []string{"/keys/"}},
		"net/http, methods": {
			mux(map[string]http.Handler{"GET /keys/": page, "POST /keys/": page, "GET /keys/{$}": page}), []string{"/keys/"},
		},
		"net/http, mux in mux": {
			mux(map[string]http.Handler{"/a/": http.StripPrefix("/a", mux(map[string]http.Handler{"/keys/": page, "/keys": page}))}), []string{"/a/keys", "/a/keys/"},
		},
		"net/http in chi": {
			router(func(r chi.Router) { r.Mount("/a", http.StripPrefix("/a", mux(map[string]http.Handler{"/": page}))) }), []string{"/a/"},
		},
		"a proxy that cuts the prefix": {mux(map[string]http.Handler{"/out/": behind(page, "/out")}), []string{"/out/"}},
		"a proxy that rewrites it": {
			mux(map[string]http.Handler{"/out/": behind(router(func(r chi.Router) { r.Mount("/", plain(&admin.Options{BasePath: "/out"})) }), "/out"), "/out": behind(plain(&admin.Options{BasePath: "/out/"}), "/out")}),
			[]string{"/out", "/out/"},
		},
		"BasePath at the root": {plain(&admin.Options{BasePath: "/"}), []string{"/"}},
	} {
		server := httptest.NewServer(row.handler)
		t.Cleanup(server.Close)
		for _, at := range row.at {
			t.Run(name+", "+at, func(t *testing.T) { walkThrough(t, f, server.URL+at) })
		}
	}
}

// proxyTo returns a proxy in front of a server of its own.
func proxyTo(t *testing.T, inside http.Handler) http.Handler {
	t.Helper()
	server := httptest.NewServer(inside)
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	require.NoError(t, err)
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

// walkThrough follows the page's links from its entrance, makes a key and gets rid
// of it.
func walkThrough(t *testing.T, f *pageFixture, entrance string) {
	t.Helper()
	visit := func(address string, form url.Values) reply {
		t.Helper()
		at := pageFixture{&fixture{t: t, auth: f.auth, base: address}}
		got := at.ask("full", "", form)
		require.Less(t, got.StatusCode, 400, "%s: %s", address, got.text)
		return got
	}
	home := visit(entrance, nil)
	for _, attr := range [][2]string{{"link", "href"}, {"script", "src"}} {
		for _, e := range home.page.all(attr[0]) {
			visit(resolve(t, entrance, e.attrs[attr[1]]), nil)
		}
	}
	var links []string
	for _, a := range home.page.all("a") {
		if href := a.attrs["href"]; !strings.HasPrefix(href, "#") && !strings.HasPrefix(href, "?") {
			links = append(links, resolve(t, entrance, href))
		}
	}
	for _, link := range links {
		got := visit(link, nil)
		require.NotNil(t, got.page)
		tab := got.page.one(t, "a", "aria-current", "page")
		visit(resolve(t, link, tab.attrs["href"]), nil)
	}
	newAt := resolve(t, entrance, home.page.one(t, "a", "class", "button primary").attrs["href"])
	form := visit(newAt, nil)
	made := visit(resolve(t, newAt, form.page.one(t, "form", "method", "post").attrs["action"]), url.Values{"name": {"walked"}})
	keyAt := resolve(t, newAt, made.page.one(t, "div", "class", "actions").all("a")[0].attrs["href"])
	key := visit(keyAt, nil)
	for _, name := range []string{"revoke", "delete"} {
		var to string
		for _, a := range key.page.all("a") {
			if strings.HasSuffix(a.attrs["href"], "/"+name) {
				to = resolve(t, keyAt, a.attrs["href"])
			}
		}
		ask := visit(to, nil)
		did := visit(resolve(t, to, ask.page.one(t, "form", "method", "post").attrs["action"]), url.Values{"version": {ask.version(t)}})
		require.Equal(t, 303, did.StatusCode)
		visit(resolve(t, to, did.Header.Get("Location")), nil)
	}
	keys, err := f.auth.Keys(t.Context(), apikey.Query{Search: "walked"})
	require.NoError(t, err)
	require.Empty(t, keys)
}

func resolve(t *testing.T, from, to string) string {
	t.Helper()
	u, err := url.Parse(from)
	require.NoError(t, err)
	ref, err := u.Parse(to)
	require.NoError(t, err)
	require.Equal(t, u.Host, ref.Host, "%s leads elsewhere", to)
	return ref.String()
}

// TestPageRoutes: whoever checks that all routes of a host ask for something finds
// that those of the page do.
func TestPageRoutes(t *testing.T) {
	f := newFixture(t)
	page, err := admin.NewPage(f.auth, admin.ByKey(f.auth), nil)
	require.NoError(t, err)
	api, err := admin.NewAPI(f.auth, admin.ByKey(f.auth), nil)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount("/page", page)
	r.Mount("/api", api)
	apikeytest.Routes(t, r)
	needs := map[string]string{}
	require.NoError(t, chi.Walk(r, func(method, route string, _ http.Handler, mws ...func(http.Handler) http.Handler) error {
		for _, m := range mws {
			if g, ok := m(http.NotFoundHandler()).(interface{ Need() apikey.Need }); ok {
				needs[method+" "+route] = g.Need().String()
			}
		}
		return nil
	}))
	for route, need := range map[string]string{
		"GET /page/": "keys:manage", "POST /page/new": "keys:manage", "GET /page/logs/": "logs:view", "GET /page/logs/{id}": "logs:view",
		"GET /api/": "keys:manage", "GET /api/access-logs/": "logs:view", "GET /api/openapi.json": "keys:manage",
	} {
		assert.Equal(t, need, needs[route], route)
	}
}
