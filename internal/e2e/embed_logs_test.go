package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httplog/v3"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// A logger is a host's request log around or inside Require.
type logger func(auth *apikey.Authority, inside bool, out io.Writer) http.Handler

// stacked makes a logger of net/http middleware.
func stacked(m func(out io.Writer) func(http.Handler) http.Handler) logger {
	return func(auth *apikey.Authority, inside bool, out io.Writer) http.Handler {
		h := http.Handler(http.HandlerFunc(show))
		if inside {
			return auth.Require(apikey.JobsView)(m(out)(h))
		}
		return m(out)(auth.Require(apikey.JobsView)(h))
	}
}

func byPath(out io.Writer) func(http.Handler) http.Handler {
	logger := slog.New(slog.NewTextHandler(out, nil))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			logger.InfoContext(r.Context(), "served", "method", r.Method, "path", r.URL.Path)
		})
	}
}

func byChi(out io.Writer) func(http.Handler) http.Handler {
	return middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: log.New(out, "", 0), NoColor: true})
}

func byHTTPLog(out io.Writer) func(http.Handler) http.Handler {
	return httplog.RequestLogger(slog.New(slog.NewJSONHandler(out, nil)), nil)
}

// byHTTPLogAll logs all that httplog can.
func byHTTPLogAll(out io.Writer) func(http.Handler) http.Handler {
	return httplog.RequestLogger(slog.New(slog.NewJSONHandler(out, nil)), &httplog.Options{
		LogRequestHeaders: []string{"X-ApiKey"},
		LogRequestBody:    func(*http.Request) bool { return true },
	})
}

func byEcho(auth *apikey.Authority, inside bool, out io.Writer) http.Handler {
	e := echo.New()
	e.Logger = slog.New(slog.NewTextHandler(out, nil))
	guard, logger := echo.WrapMiddleware(auth.Require(apikey.JobsView)), echomw.RequestLogger()
	if inside {
		e.Use(guard, logger)
	} else {
		e.Use(logger, guard)
	}
	e.Any("/p", echo.WrapHandler(http.HandlerFunc(show)))
	return e
}

func byGin(auth *apikey.Authority, inside bool, out io.Writer) http.Handler {
	g := gin.New()
	guard, logger := forGin(auth.Require(apikey.JobsView)), gin.LoggerWithWriter(out)
	if inside {
		g.Use(guard, logger)
	} else {
		g.Use(logger, guard)
	}
	g.Any("/p", gin.WrapF(show))
	return g
}

// TestLoggers: what a log outside Require gets to see, and one inside does not.
func TestLoggers(t *testing.T) {
	gin.SetMode(gin.TestMode)
	rows := []struct {
		name    string
		logger  logger
		outside []string // the ways whose key is in the log
	}{
		{"a logger of paths", stacked(byPath), nil},
		{"chi's Logger", stacked(byChi), []string{"query"}},
		{"httplog", stacked(byHTTPLog), []string{"query"}},
		{"httplog with bodies and that header", stacked(byHTTPLogAll), []string{"header", "query", "form", "JSON"}},
		{"echo's RequestLogger", byEcho, []string{"query"}},
		{"gin's Logger", byGin, []string{"query"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, inside := range []bool{false, true} {
				var leaks []string
				for _, w := range ways(canary) {
					text := printed(t, w, func(out io.Writer) http.Handler {
						return row.logger(embedded(t, nil), inside, out)
					})
					require.Contains(t, text, "/p", "it logs the request")
					if bytes.Contains([]byte(text), []byte(canary)) {
						leaks = append(leaks, w.name)
					}
				}
				if inside {
					assert.Empty(t, leaks, "inside")
				} else {
					assert.Equal(t, row.outside, leaks, "outside")
				}
			}
		})
	}
}

// printed sends one request that is served, and returns what was logged.
func printed(t *testing.T, w way, build func(io.Writer) http.Handler) string {
	t.Helper()
	var out bytes.Buffer
	server := httptest.NewServer(build(&out))
	w.check(t, w.ask.do(t, server.URL+"/p"+w.query))
	server.Close()
	return out.String()
}

// TestLoggerInsideSeesNoRefusals is what a place inside Require costs.
func TestLoggerInsideSeesNoRefusals(t *testing.T) {
	for _, inside := range []bool{false, true} {
		var out bytes.Buffer
		server := httptest.NewServer(stacked(byChi)(embedded(t, nil), inside, &out))
		require.Equal(t, 401, ask{}.do(t, server.URL+"/p").status)
		server.Close()
		assert.Equal(t, inside, out.Len() == 0)
	}
}

// TestReferer: what a browser repeats of an address it opened before is data of
// this request, and stays.
func TestReferer(t *testing.T) {
	base := serving(t, muxHost(embedded(t, nil)))
	page := base + "/jobs/7?key=" + canary
	a := ask{header: []string{"X-ApiKey", canary, "Referer", page}}.do(t, base+"/jobs/8")
	assert.Equal(t, page, seen(t, a).Header.Get("Referer"))
}

// panics answers with a panic that tells what the handler knows of the request.
func panics(_ http.ResponseWriter, r *http.Request) {
	panic(fmt.Sprint("lost: ", r.URL, r.Header))
}

// chiPanics is a log entry of chi's Recoverer.
type chiPanics struct {
	middleware.LogEntry
	out io.Writer
}

func (e chiPanics) Panic(v any, _ []byte) { _, _ = fmt.Fprintln(e.out, "panic:", v) }

// TestRecoverers: around Require they turn a panic of the handler into a 500,
// and what the handler may have put into it is without the key.
func TestRecoverers(t *testing.T) {
	gin.SetMode(gin.TestMode)
	byChi := func(auth *apikey.Authority, out io.Writer) http.Handler {
		h := middleware.Recoverer(auth.RequireKey()(http.HandlerFunc(panics)))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, middleware.WithLogEntry(r, chiPanics{out: out}))
		})
	}
	byEcho := func(auth *apikey.Authority, out io.Writer) http.Handler {
		e := echo.New()
		e.Logger = slog.New(slog.NewTextHandler(out, nil))
		e.Use(echomw.Recover(), echo.WrapMiddleware(auth.RequireKey()))
		e.Any("/p", echo.WrapHandler(http.HandlerFunc(panics)))
		return e
	}
	byGin := func(auth *apikey.Authority, out io.Writer) http.Handler {
		g := gin.New()
		g.Use(gin.RecoveryWithWriter(out), forGin(auth.RequireKey()))
		g.Any("/p", gin.WrapF(panics))
		return g
	}
	for name, build := range map[string]func(*apikey.Authority, io.Writer) http.Handler{
		"chi": byChi, "echo": byEcho, "gin": byGin,
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range ways(canary) {
				var out bytes.Buffer
				server := httptest.NewServer(build(embedded(t, nil), &out))
				assert.Equal(t, 500, w.ask.do(t, server.URL+"/p"+w.query).status)
				server.Close()
				if name != "echo" { // whose Recover makes an error of it, which other middleware may log
					assert.Contains(t, out.String(), "lost")
				}
				assert.NotContains(t, out.String(), canary)
			}
		})
	}
}

// TestDumpOfGin: gin's Recovery prints the request when a connection breaks. By
// then forGin has put the scrubbed one in place; on a route without Require, the
// dump shows what came.
func TestDumpOfGin(t *testing.T) {
	gin.SetMode(gin.TestMode)
	var out bytes.Buffer
	g := gin.New()
	g.Use(gin.RecoveryWithWriter(&out))
	abort := func(*gin.Context) { panic(http.ErrAbortHandler) }
	g.GET("/guarded", forGin(embedded(t, nil).RequireKey()), abort)
	g.GET("/open", abort)
	for path, leaks := range map[string]bool{"/guarded": false, "/open": true} {
		out.Reset()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(context.Background(), "GET", path+"?key="+canary, nil)
		r.Header.Set("X-ApiKey", canary)
		g.ServeHTTP(w, r)
		assert.Contains(t, out.String(), path)
		assert.Equal(t, leaks, bytes.Contains(out.Bytes(), []byte(canary)))
	}
}
