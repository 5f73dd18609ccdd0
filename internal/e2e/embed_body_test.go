package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// timeoutHost: the body is read under Require's deadline, the handler runs under
// TimeoutHandler's, and ReadTimeout is the net under all of it.
func timeoutHost(auth *apikey.Authority, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:     auth.Require(apikey.JobsView)(http.TimeoutHandler(handler, 30*time.Second, "too slow\n")),
		ReadTimeout: time.Minute,
	}
}

// TestTimeoutHandler: its writer offers no read deadline, and it cannot answer
// while a body is being read. So it belongs inside Require.
func TestTimeoutHandler(t *testing.T) {
	auth := embedded(t, &apikey.Options{BodyTimeout: 250 * time.Millisecond, MaxBody: 1000})
	guard := auth.Require(apikey.JobsView)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return
		}
		show(w, r)
	})
	// What is to be served gets ample time, for busy machines; what is to be cut off is waited for.
	const ample, short = 2 * time.Second, 400 * time.Millisecond
	outside := func(limit time.Duration) http.Handler {
		return http.TimeoutHandler(guard(handler), limit, "too slow\n")
	}
	inside := func(limit time.Duration) http.Handler {
		return guard(http.TimeoutHandler(handler, limit, "too slow\n"))
	}
	key := []string{"X-ApiKey", canary}
	large := ask{kind: formType, body: "key=" + canary + "&a=" + strings.Repeat("x", 1000), chunk: true}
	for name, build := range map[string]func(time.Duration) http.Handler{"outside": outside, "inside": inside} {
		t.Run(name, func(t *testing.T) {
			base := serving(t, build(ample))
			for _, w := range ways(canary) {
				w.check(t, w.ask.do(t, base+"/p"+w.query))
			}
			assert.Equal(t, 401, ask{}.do(t, base+"/p").status)
			assert.Equal(t, 413, large.do(t, base+"/p").status, "size bounds the search in either case")
			assert.Equal(t, 503, ask{header: key}.do(t, serving(t, build(short))+"/slow").status, "a slow handler")
		})
	}
	t.Run("inside, a slow body", func(t *testing.T) {
		assert.Equal(t, 408, slowPost(t, serving(t, inside(ample)), "/p", 5*time.Second))
	})
	t.Run("outside, a slow body: no answer until the server stops reading", func(t *testing.T) {
		assert.Zero(t, slowPost(t, serving(t, outside(short)), "/p", 2*short))
		server := httptest.NewUnstartedServer(outside(short))
		server.Config.ReadTimeout = 2 * short
		server.Start()
		defer server.Close()
		assert.Equal(t, 503, slowPost(t, server.URL, "/p", 5*time.Second))
	})
	t.Run("as documented", func(t *testing.T) {
		server := httptest.NewUnstartedServer(nil)
		server.Config = timeoutHost(auth, handler)
		server.Start()
		defer server.Close()
		assert.Equal(t, 408, slowPost(t, server.URL, "/p", 5*time.Second))
		assert.Equal(t, 200, ask{header: key}.do(t, server.URL+"/p").status)
	})
}

// TestDeadlineReachesThrough: middleware outside whose writer has Unwrap, as that
// of chi's and httplog's loggers, leaves the deadline for bodies in force.
func TestDeadlineReachesThrough(t *testing.T) {
	gin.SetMode(gin.TestMode)
	auth := embedded(t, &apikey.Options{BodyTimeout: 100 * time.Millisecond})
	guarded := auth.Require(apikey.JobsView)(http.HandlerFunc(show))
	e := echo.New()
	e.Use(echomw.RequestLoggerWithConfig(echomw.RequestLoggerConfig{
		LogValuesFunc: func(*echo.Context, echomw.RequestLoggerValues) error { return nil },
	}))
	e.Any("/p", echo.WrapHandler(guarded))
	for name, h := range map[string]http.Handler{
		"chi's Logger":         byChi(io.Discard)(guarded),
		"httplog, with bodies": byHTTPLogAll(io.Discard)(guarded),
		"chi's Compress":       middleware.Compress(5)(guarded),
		"MaxBytesHandler":      http.MaxBytesHandler(guarded, 1000),
		"echo":                 e,
		"gin":                  ginHost(auth),
	} {
		path := "/p"
		if name == "gin" {
			path = "/jobs/7"
		}
		assert.Equal(t, 408, slowPost(t, serving(t, h), path, 5*time.Second), name)
	}
}

// swallow reads the body to its end.
var swallow = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "by the handler", http.StatusRequestEntityTooLarge)
	}
})

// TestMaxBytes: a limit outside counts for the search too, one inside for what
// the handler reads. Options.MaxBody bounds the search alone.
func TestMaxBytes(t *testing.T) {
	const limit = 100
	guard := embedded(t, &apikey.Options{MaxBody: 1000}).RequireKey()
	bases := map[string]string{
		"none":    serving(t, guard(swallow)),
		"outside": serving(t, http.MaxBytesHandler(guard(swallow), limit)),
		"inside":  serving(t, guard(http.MaxBytesHandler(swallow, limit))),
	}
	type statuses = map[string]string
	const library, host = "413 by Require", "413 by the handler"
	rows := []struct {
		name string
		size int
		key  []string // in the header
		want statuses
	}{
		{"a small form", limit, nil, statuses{"none": "200", "outside": "200", "inside": "200"}},
		{"the key is not counted inside", limit + 10, nil, statuses{"none": "200", "outside": library, "inside": "200"}},
		{"a form over the host's limit", 900, nil, statuses{"none": "200", "outside": library, "inside": host}},
		{"a form over MaxBody", 1100, nil, statuses{"none": library, "outside": library, "inside": library}},
		{
			"MaxBody is not for bodies that need no search", 1100,
			[]string{"X-ApiKey", canary},
			statuses{"none": "200", "outside": host, "inside": host},
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			body := "key=" + canary + "&a="
			body += strings.Repeat("x", row.size-len(body))
			for name, want := range row.want {
				for _, chunk := range []bool{false, true} {
					a := ask{kind: formType, body: body, header: row.key, chunk: chunk}.do(t, bases[name])
					got := fmt.Sprint(a.status)
					switch {
					case a.header.Get("Content-Type") == "application/problem+json":
						got += " by Require"
					case a.body != "":
						got += " " + strings.TrimSpace(a.body)
					}
					assert.Equal(t, want, got, "limit %s, chunked %v", name, chunk)
				}
			}
		})
	}
}

// TestCompressedAnswers: compression works on either side, and caches are told of
// both headers that the answer depends on.
func TestCompressedAnswers(t *testing.T) {
	guard := embedded(t, nil).RequireKey()
	compress := middleware.Compress(5)
	for name, h := range map[string]http.Handler{
		"outside": compress(guard(http.HandlerFunc(show))),
		"inside":  guard(compress(http.HandlerFunc(show))),
	} {
		t.Run(name, func(t *testing.T) {
			base := serving(t, h)
			for _, w := range ways(canary) {
				w.ask.header = append(w.ask.header, "Accept-Encoding", "gzip")
				a := w.ask.do(t, base+"/p"+w.query)
				require.Equal(t, "gzip", a.header.Get("Content-Encoding"))
				assert.ElementsMatch(t, []string{"X-Apikey", "Accept-Encoding"}, a.header.Values("Vary"))
				reader, err := gzip.NewReader(strings.NewReader(a.body))
				require.NoError(t, err)
				plain, err := io.ReadAll(reader)
				require.NoError(t, err)
				a.body = string(plain)
				w.check(t, a)
			}
		})
	}
}

// inflate undoes a request's gzip coding, and says so in the headers.
func inflate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, err := gzip.NewReader(r.Body)
			if err != nil {
				http.Error(w, "not gzip", http.StatusBadRequest)
				return
			}
			r = r.Clone(r.Context())
			r.Body, r.ContentLength = body, -1
			r.Header.Del("Content-Encoding")
			r.Header.Del("Content-Length")
		}
		next.ServeHTTP(w, r)
	})
}

// TestCompressedRequests: a coded body is not searched, so it needs the key in
// another place, or a decoder outside that removes Content-Encoding.
func TestCompressedRequests(t *testing.T) {
	auth := embedded(t, nil)
	guarded := auth.RequireKey()(http.HandlerFunc(show))
	e := echo.New() // its Decompress leaves Content-Encoding in place
	e.Use(echomw.Decompress())
	e.Any("/", echo.WrapHandler(guarded))
	inHeader := []string{"X-ApiKey", canary}
	rows := []struct {
		name    string
		handler http.Handler
		header  []string
		want    int
	}{
		{"key inside, no decoder", guarded, nil, 415},
		{"key in the header, no decoder", guarded, inHeader, 200},
		{"key inside, decoder outside", inflate(guarded), nil, 200},
		{"key in the header, decoder outside", inflate(guarded), inHeader, 200},
		{"key inside, echo's Decompress outside", e, nil, 415},
		{"key in the header, echo's Decompress outside", e, inHeader, 200},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var coded bytes.Buffer
			writer := gzip.NewWriter(&coded)
			_, _ = io.WriteString(writer, `{"API_Key":"`+canary+`","a":1}`)
			require.NoError(t, writer.Close())
			request := ask{kind: jsonType, body: coded.String(), header: append(row.header, "Content-Encoding", "gzip")}
			a := request.do(t, serving(t, row.handler)+"/")
			require.Equal(t, row.want, a.status, a.body)
			if row.want == 200 && row.header == nil {
				assert.Equal(t, `{"a":1}`, seen(t, a).Body)
				assert.NotContains(t, a.body, canary)
			}
		})
	}
}
