package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"
	"github.com/go-chi/httprate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// corsHost: browsers ask first, without a key, whether they may ask with one.
func corsHost(auth *apikey.Authority) http.Handler {
	r := chi.NewRouter()
	options := cors.Options{AllowedOrigins: []string{"https://app.example"}, AllowedHeaders: []string{"X-ApiKey"}}
	r.Use(cors.Handler(options))
	r.With(auth.Require(apikey.JobsView)).Get("/jobs", show)
	return r
}

// TestCORS: outside Require, preflights pass and pages can read refusals; inside,
// they are refused, since no preflight carries a key.
func TestCORS(t *testing.T) {
	allow := func(headers ...string) func(http.Handler) http.Handler {
		return cors.Handler(cors.Options{AllowedOrigins: []string{"https://app.example"}, AllowedHeaders: headers})
	}
	inside := func(auth *apikey.Authority) http.Handler {
		return auth.Require(apikey.JobsView)(allow("X-ApiKey")(http.HandlerFunc(show)))
	}
	unnamed := func(auth *apikey.Authority) http.Handler {
		return allow("Content-Type")(auth.Require(apikey.JobsView)(http.HandlerFunc(show)))
	}
	preflight := ask{method: "OPTIONS", header: []string{
		"Origin", "https://app.example",
		"Access-Control-Request-Method", "GET",
		"Access-Control-Request-Headers", "x-apikey",
	}}
	with := func(key string) ask { return ask{header: []string{"Origin", "https://app.example", "X-ApiKey", key}} }
	rows := []struct {
		name   string
		build  func(*apikey.Authority) http.Handler
		ask    ask
		want   int
		origin string // Access-Control-Allow-Origin, without which the page gets no answer
	}{
		{"outside, a preflight passes", corsHost, preflight, 200, "https://app.example"},
		{"outside, the request is served", corsHost, with(canary), 200, "https://app.example"},
		{"outside, a page can read a refusal", corsHost, with("unknown"), 401, "https://app.example"},
		{"outside, but X-ApiKey is not an allowed header", unnamed, preflight, 200, ""},
		{"inside, a preflight is refused", inside, preflight, 401, ""},
		{"inside, a page cannot read a refusal", inside, with("unknown"), 401, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a := row.ask.do(t, serving(t, row.build(embedded(t, nil)))+"/jobs")
			assert.Equal(t, row.want, a.status)
			assert.Equal(t, row.origin, a.header.Get("Access-Control-Allow-Origin"))
		})
	}
	t.Run("Vary names both", func(t *testing.T) {
		a := with(canary).do(t, serving(t, corsHost(embedded(t, nil)))+"/jobs")
		assert.Equal(t, []string{"Origin", "X-Apikey"}, a.header.Values("Vary"))
	})
}

// limitHost: guesses are counted by address outside, calls by key inside.
func limitHost(auth *apikey.Authority) http.Handler {
	byAddress := httprate.LimitBy(5, time.Minute, func(r *http.Request) (string, error) {
		return r.RemoteAddr[:strings.LastIndexByte(r.RemoteAddr, ':')], nil
	})
	byKey := httprate.LimitBy(2, time.Minute, func(r *http.Request) (string, error) {
		key, _ := apikey.FromContext(r.Context())
		return key.ID, nil
	})
	r := chi.NewRouter()
	r.Use(byAddress, auth.RequireKey(), byKey)
	r.Get("/jobs", show)
	return r
}

func TestRateLimiters(t *testing.T) {
	base := serving(t, limitHost(embedded(t, nil)))
	for _, row := range []struct {
		name, key string
		want      int
	}{
		{"first call of a key", canary, 200},
		{"second call of it", canary, 200},
		{"third call of it is one too many", canary, 429},
		{"another key has its own share", weakling, 200},
		{"a guess counts for the address", "guess", 401},
		{"the next guess is not even judged", "guess", 429},
		{"nor is anything else from there", weakling, 429},
	} {
		a := with(row.key).do(t, base+"/jobs")
		assert.Equal(t, row.want, a.status, row.name)
	}
}

// TestRedirects: a redirect repeats the query, so it must be made of a request
// that has no key any more.
func TestRedirects(t *testing.T) {
	auth := embedded(t, nil)
	guard := auth.RequireKey()
	mux := func(m func(http.Handler) http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/jobs/{id}", m(http.HandlerFunc(show)))
		mux.Handle("/feed/", m(http.HandlerFunc(show)))
		return mux
	}
	slashes := func(outer, inner func(http.Handler) http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(outer, inner)
		r.Get("/jobs", show)
		return r
	}
	none := func(h http.Handler) http.Handler { return h }
	const key = "?a=1&key=" + canary
	rows := []struct {
		name    string
		handler http.Handler
		path    string
		want    string // Location
	}{
		{"mux outside, path cleaned", mux(guard), "/jobs//7", "/jobs/7" + key},
		{"mux outside, slash added", mux(guard), "/feed", "/feed/" + key},
		{"mux inside, path cleaned", guard(mux(none)), "/jobs//7", "/jobs/7?a=1"},
		{"mux inside, slash added", guard(mux(none)), "/feed", "/feed/?a=1"},
		{"RedirectSlashes outside", slashes(middleware.RedirectSlashes, guard), "/jobs/", "/jobs" + key},
		{"RedirectSlashes inside", slashes(guard, middleware.RedirectSlashes), "/jobs/", "/jobs?a=1"},
		{"FileServer inside", guard(http.FileServer(http.Dir("."))), "/index.html", "./?a=1"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a := ask{}.do(t, serving(t, row.handler)+row.path+key)
			require.Equal(t, 3, a.status/100, a.body)
			location := a.header.Get("Location")
			assert.True(t, strings.HasSuffix(location, row.want), location)
			assert.Equal(t, strings.Contains(row.want, canary), strings.Contains(a.body+location, canary))
		})
	}
	t.Run("a client that follows has its key in the header still, and in the query no more", func(t *testing.T) {
		base := serving(t, guard(mux(none)))
		follow := &http.Client{Transport: once.Transport}
		assert.Equal(t, 200, ask{client: follow, header: []string{"X-ApiKey", canary}}.do(t, base+"/jobs//7").status)
		assert.Equal(t, 401, ask{client: follow}.do(t, base+"/jobs//7"+key).status)
	})
}

// TestChiMiddleware: these work on either side.
func TestChiMiddleware(t *testing.T) {
	auth := embedded(t, nil)
	all := []func(http.Handler) http.Handler{
		middleware.RequestID, middleware.Recoverer, middleware.StripSlashes, middleware.GetHead, middleware.NoCache,
	}
	guard := auth.Require(apikey.JobsView)
	route := func(stack ...func(http.Handler) http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(stack...)
		r.Get("/p", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Id", middleware.GetReqID(r.Context()))
			show(w, r)
		})
		r.Post("/p", show)
		return r
	}
	for name, h := range map[string]http.Handler{
		"outside": route(append(all, guard)...),
		"inside":  route(append([]func(http.Handler) http.Handler{guard}, all...)...),
	} {
		t.Run(name, func(t *testing.T) {
			base := serving(t, h)
			for _, w := range ways(canary) {
				w.check(t, w.ask.do(t, base+"/p/"+w.query))
			}
			a := with(canary).do(t, base+"/p")
			assert.NotEmpty(t, a.header.Get("X-Id"))
			assert.Equal(t, 200, ask{method: "HEAD", header: []string{"X-ApiKey", canary}}.do(t, base+"/p").status)
			assert.Equal(t, 401, ask{method: "HEAD"}.do(t, base+"/p").status)
		})
	}
}

// TestStripPrefix: it works on either side.
func TestStripPrefix(t *testing.T) {
	guard := embedded(t, nil).Require(apikey.JobsView)
	for name, h := range map[string]http.Handler{
		"outside": http.StripPrefix("/app", guard(http.HandlerFunc(show))),
		"inside":  guard(http.StripPrefix("/app", http.HandlerFunc(show))),
	} {
		t.Run(name, func(t *testing.T) {
			base := serving(t, h)
			for _, w := range ways(canary) {
				a := w.ask.do(t, base+"/app/p"+w.query)
				w.check(t, a)
				assert.Equal(t, "/p"+w.wantQuery, seen(t, a).URL)
				assert.Equal(t, "/app/p"+w.wantQuery, seen(t, a).URI)
			}
		})
	}
}

// TestMethodOverride: outside Require, so that routing sees the method; and by a
// header, since a form that was parsed as another method's is not looked at.
func TestMethodOverride(t *testing.T) {
	override := func(method func(*http.Request) string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if m := method(r); r.Method == "POST" && (m == "PUT" || m == "DELETE") {
				r.Method = m
			}
			next.ServeHTTP(w, r)
		})
	}
	byHeader := func(r *http.Request) string { return r.Header.Get("X-HTTP-Method-Override") }
	byForm := func(r *http.Request) string { return r.FormValue("_method") }
	const form = "_method=DELETE&b=2"
	rows := []struct {
		name   string
		method func(*http.Request) string
		ask    ask
		want   int
	}{
		{"by header, key in the header", byHeader, ask{header: []string{"X-ApiKey", canary}}, 200},
		{"by header, key in the form", byHeader, ask{body: form + "&key=" + canary}, 200},
		{"by form, key in the header", byForm, ask{body: form, header: []string{"X-ApiKey", canary}}, 200},
		{"by form, key in the form", byForm, ask{body: form + "&key=" + canary}, 200},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			base := serving(t, override(row.method, embedded(t, nil).RequireKey()(http.HandlerFunc(show))))
			row.ask.kind = formType
			row.ask.header = append(row.ask.header, "X-HTTP-Method-Override", "DELETE")
			a := row.ask.do(t, base+"/p")
			require.Equal(t, row.want, a.status)
			if row.want == 200 {
				assert.Equal(t, "DELETE", seen(t, a).Method)
				assert.NotContains(t, a.body, canary)
			}
		})
	}
}

// counting is metrics middleware: it notes route and status of each request.
type counting struct {
	mu     sync.Mutex
	labels []string
}

func (c *counting) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		route := r.Pattern
		if ctx := chi.RouteContext(r.Context()); ctx != nil {
			route = ctx.RoutePattern()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.labels = append(c.labels, fmt.Sprint(route, " ", ww.Status()))
	})
}

// TestMetrics: a counter outside counts refusals too. It knows the route where
// Require stands at the route. Around a ServeMux, Require hands it another
// request, and r.Pattern of the counter's own stays empty.
func TestMetrics(t *testing.T) {
	guard := embedded(t, nil).RequireKey()
	mux := func(route func(http.Handler) http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /jobs/{id}", route(http.HandlerFunc(show)))
		return mux
	}
	none := func(h http.Handler) http.Handler { return h }
	router := func(around, route func(http.Handler) http.Handler) func(*counting) http.Handler {
		return func(c *counting) http.Handler {
			r := chi.NewRouter()
			r.Use(c.around, around)
			r.With(route).Get("/jobs/{id}", show)
			return r
		}
	}
	rows := []struct {
		name  string
		build func(*counting) http.Handler
		want  []string
	}{
		{
			"net/http, at the route", func(c *counting) http.Handler { return c.around(mux(guard)) },
			[]string{"GET /jobs/{id} 200", "GET /jobs/{id} 401"},
		},
		{
			"net/http, around the mux", func(c *counting) http.Handler { return c.around(guard(mux(none))) },
			[]string{" 200", " 401"},
		},
		{"chi, at the route", router(none, guard), []string{"/jobs/{id} 200", "/jobs/{id} 401"}},
		{"chi, around the routes", router(guard, none), []string{"/jobs/{id} 200", " 401"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var c counting
			server := httptest.NewServer(row.build(&c))
			with(canary).do(t, server.URL+"/jobs/7")
			ask{}.do(t, server.URL+"/jobs/7")
			server.Close()
			assert.Equal(t, row.want, c.labels)
		})
	}
}
