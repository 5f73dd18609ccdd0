package e2e

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// chiHost: the permission stands at the route, or at a group of routes.
func chiHost(auth *apikey.Authority) http.Handler {
	r := chi.NewRouter()
	r.Get("/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r.Route("/jobs", func(r chi.Router) {
		r.Use(auth.Require(apikey.JobsView))
		r.HandleFunc("/{id}", show)
	})
	r.With(auth.Require(apikey.Native)).HandleFunc("/native/{method}", show)
	return r
}

func muxHost(auth *apikey.Authority) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("/jobs/{id}", auth.Require(apikey.JobsView)(http.HandlerFunc(show)))
	mux.Handle("/native/{method}", auth.Require(apikey.Native)(http.HandlerFunc(show)))
	return mux
}

func echoHost(auth *apikey.Authority) http.Handler {
	e := echo.New()
	e.GET("/health", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })
	jobs := e.Group("/jobs", echo.WrapMiddleware(auth.Require(apikey.JobsView)))
	jobs.Any("/:id", func(c *echo.Context) error {
		show(c.Response(), c.Request()) // FromContext(c.Request().Context()) is the key
		return nil
	})
	e.Any("/native/:method", echo.WrapHandler(auth.Require(apikey.Native)(http.HandlerFunc(show))))
	return e
}

// forGin makes gin middleware of net/http middleware.
func forGin(m func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		served, writer := false, c.Writer
		defer func() { c.Writer = writer }()
		m(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served, c.Request = true, r
			c.Writer = &throughWriter{writer, w}
			c.Next()
		})).ServeHTTP(writer, c.Request)
		if !served {
			c.Abort()
		}
	}
}

// A throughWriter writes by way of the writer that the middleware hands on.
type throughWriter struct {
	gin.ResponseWriter
	next http.ResponseWriter
}

func (w *throughWriter) Unwrap() http.ResponseWriter       { return w.next }
func (w *throughWriter) Write(p []byte) (int, error)       { return w.next.Write(p) }
func (w *throughWriter) WriteString(s string) (int, error) { return io.WriteString(w.next, s) }
func (w *throughWriter) Flush()                            { _ = http.NewResponseController(w.next).Flush() }

func (w *throughWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.next).Hijack()
}

func (w *throughWriter) WriteHeader(status int) {
	if status > 0 { // gin has -1 for "none"
		w.next.WriteHeader(status)
	}
}

func ginHost(auth *apikey.Authority) http.Handler {
	g := gin.New()
	g.GET("/health", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	jobs := g.Group("/jobs", forGin(auth.Require(apikey.JobsView)))
	jobs.Any("/:id", func(c *gin.Context) {
		show(c.Writer, c.Request) // FromContext(c.Request.Context()) is the key
	})
	g.Any("/native/:method", gin.WrapH(auth.Require(apikey.Native)(http.HandlerFunc(show))))
	return g
}

// checkHost is the other idiom, for hosts that answer refusals themselves.
func checkHost(auth *apikey.Authority) http.Handler {
	need := apikey.AllOf(apikey.JobsView)
	g := gin.New()
	g.Any("/jobs/:id", func(c *gin.Context) {
		next, err := auth.Check(c.Writer, c.Request, need)
		if err != nil {
			refusal, _ := errors.AsType[*apikey.Error](err) // it always is one
			refusal.SetHeaders(c.Writer.Header())
			c.AbortWithStatusJSON(refusal.Status, gin.H{"error": refusal.Detail})
			return
		}
		c.Request = next
		c.Header("Cache-Control", "private, no-store")
		c.Header("Vary", "X-ApiKey")
	}, func(c *gin.Context) {
		show(c.Writer, c.Request)
	})
	return g
}

var hosts = []struct {
	name  string
	build func(*apikey.Authority) http.Handler
}{
	{"chi", chiHost},
	{"net/http", muxHost},
	{"echo", echoHost},
	{"gin", ginHost},
}

// TestHosts: in each framework the handler gets the request without the key,
// and does not run without permission.
func TestHosts(t *testing.T) {
	gin.SetMode(gin.TestMode)
	rows := []struct {
		name, path string
		ask        ask
		want       int
	}{
		{name: "an open route needs no key", path: "/health", want: 204},
		{name: "no key", path: "/jobs/7", want: 401},
		{name: "no key, with a form", path: "/jobs/7", ask: ask{kind: formType, body: "a=1"}, want: 401},
		{name: "an unknown key", path: "/jobs/7", ask: with("unknown"), want: 401},
		{name: "a key that lacks the permission", path: "/jobs/7", ask: with(weakling), want: 403},
		{name: "a key that lacks that of another route", path: "/native/x", ask: with(canary), want: 403},
		{name: "malformed JSON where the key is looked for", path: "/jobs/7", ask: ask{kind: jsonType, body: "{"}, want: 400},
	}
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			base := serving(t, host.build(embedded(t, nil)))
			for _, w := range ways(canary) {
				t.Run("key in the "+w.name, func(t *testing.T) {
					a := w.ask.do(t, base+"/jobs/7"+w.query)
					w.check(t, a)
					assert.Equal(t, "caller", seen(t, a).Key)
					assert.Equal(t, "private, no-store", a.header.Get("Cache-Control"))
					assert.Equal(t, []string{"X-Apikey"}, a.header.Values("Vary"))
				})
			}
			for _, row := range rows {
				t.Run(row.name, func(t *testing.T) {
					a := row.ask.do(t, base+row.path)
					assert.Equal(t, row.want, a.status, a.body)
					if row.want >= 400 {
						assert.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
						assert.NotContains(t, a.body, `"Key"`, "the handler did not run")
					}
				})
			}
		})
	}
}

// TestHostsAreLogged: in each framework the log has of a request what its client
// does.
func TestHostsAreLogged(t *testing.T) {
	gin.SetMode(gin.TestMode)
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			auth := embedded(t, nil)
			server := httptest.NewServer(host.build(auth))
			served := ask{kind: jsonType, body: `{"a":1}`, header: []string{"X-ApiKey", canary}}.do(t, server.URL+"/jobs/7")
			refused := ask{}.do(t, server.URL+"/jobs/7")
			server.Close()
			require.NoError(t, auth.Shutdown(t.Context()))
			entries := logged(t, auth)
			require.Len(t, entries, 2)
			assert.Equal(t, []int{served.status, refused.status}, []int{entries[0].Status, entries[1].Status})
			assert.Equal(t, []int{200, 401}, []int{entries[0].Status, entries[1].Status})
			assert.Equal(t, apikey.LogBody{Text: `{"a":1}`, Type: jsonType}, entries[0].Request)
			assert.Equal(t, apikey.LogBody{Text: served.body, Type: jsonType}, entries[0].Response)
			assert.EqualValues(t, len(refused.body), entries[1].ResponseBytes)
		})
	}
}

// TestCheckIdiom: a host that answers refusals in its own style.
func TestCheckIdiom(t *testing.T) {
	gin.SetMode(gin.TestMode)
	base := serving(t, checkHost(embedded(t, nil)))
	for _, w := range ways(canary) {
		w.check(t, w.ask.do(t, base+"/jobs/7"+w.query))
	}
	a := ask{}.do(t, base+"/jobs/7")
	require.Equal(t, 401, a.status)
	require.Equal(t, `ApiKey realm="API"`, a.header.Get("Www-Authenticate"))
	require.JSONEq(t, `{"error":"No API key was given. Pass it as header X-ApiKey, or query parameter key, `+
		`or form value key, or JSON root property API_Key."}`, a.body)
}

// TestBinding: what the frameworks make of the request lacks the key too.
func TestBinding(t *testing.T) {
	gin.SetMode(gin.TestMode)
	auth := embedded(t, nil)
	e := echo.New()
	e.Use(echo.WrapMiddleware(auth.RequireKey()))
	e.POST("/", func(c *echo.Context) error {
		if c.Request().Header.Get("Content-Type") == jsonType {
			var doc map[string]any
			return errors.Join(c.Bind(&doc), c.JSON(200, doc))
		}
		values, err := c.FormValues()
		return errors.Join(err, c.JSON(200, []any{c.QueryParams(), values, c.FormValue("key")}))
	})
	g := gin.New()
	g.Use(forGin(auth.RequireKey()))
	g.POST("/", func(c *gin.Context) {
		if c.ContentType() == jsonType {
			var doc map[string]any
			_ = c.ShouldBindJSON(&doc)
			c.JSON(200, doc)
			return
		}
		_ = c.PostForm("b")
		c.JSON(200, []any{c.Request.URL.Query(), c.Request.Form, c.PostForm("key")})
	})
	for name, h := range map[string]http.Handler{"echo": e, "gin": g} {
		t.Run(name, func(t *testing.T) {
			base := serving(t, h)
			rows := []struct{ query, kind, body, want string }{
				{"", jsonType, `{"API_Key":"` + canary + `","a":1}`, `{"a":1}`},
				{"?a=1", formType, "key=" + canary + "&b=2", `[{"a":["1"]},{"a":["1"],"b":["2"]},""]`},
				{"?a=1&key=" + canary, formType, "b=2", `[{"a":["1"]},{"a":["1"],"b":["2"]},""]`},
			}
			for _, row := range rows {
				a := ask{kind: row.kind, body: row.body}.do(t, base+"/"+row.query)
				assert.JSONEq(t, row.want, a.body)
			}
		})
	}
}

// TestCachesOfFrameworks: echo's and gin's contexts keep what they once parsed.
// If a handler outside Require made them parse, the handlers inside get that
// from them, and not what the request holds.
func TestCachesOfFrameworks(t *testing.T) {
	gin.SetMode(gin.TestMode)
	auth := embedded(t, nil)
	look := func(c *echo.Context) error {
		return c.String(200, c.QueryParam("key")+" "+c.Request().URL.RawQuery)
	}
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if c.Path() == "/parsed" {
				_ = c.QueryParams()
			}
			return next(c)
		}
	}, echo.WrapMiddleware(auth.RequireKey()))
	e.GET("/parsed", look)
	e.GET("/", look)

	g := gin.New()
	g.Use(func(c *gin.Context) {
		if c.FullPath() == "/parsed" {
			_ = c.Query("a")
		}
	}, forGin(auth.RequireKey()))
	lookGin := func(c *gin.Context) { c.String(200, c.Query("key")+" "+c.Request.URL.RawQuery) }
	g.GET("/parsed", lookGin)
	g.GET("/", lookGin)

	for name, h := range map[string]http.Handler{"echo": e, "gin": g} {
		base := serving(t, h)
		assert.Equal(t, " a=1", ask{}.do(t, base+"/?a=1&key="+canary).body, name)
		assert.Equal(t, canary+" a=1", ask{}.do(t, base+"/parsed?a=1&key="+canary).body, name)
	}
}

// TestContextOfGin: a gin.Context hands on no values of the request's context.
func TestContextOfGin(t *testing.T) {
	gin.SetMode(gin.TestMode)
	auth := embedded(t, nil)
	for _, fallback := range []bool{false, true} {
		g := gin.New()
		g.ContextWithFallback = fallback
		g.GET("/", forGin(auth.RequireKey()), func(c *gin.Context) {
			_, fromGin := apikey.FromContext(c)
			_, fromRequest := apikey.FromContext(c.Request.Context())
			assert.Equal(t, fallback, fromGin)
			assert.True(t, fromRequest)
		})
		require.Equal(t, 200, with(canary).do(t, serving(t, g)+"/").status)
	}
}
