package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// gatewayHost: the backend is told who asks, and never with what.
func gatewayHost(auth *apikey.Authority, backend *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		key, _ := apikey.FromContext(r.In.Context())
		r.SetURL(backend)
		r.Out.Header.Set("X-Caller", key.Name)
	}}
	return auth.Require(apikey.JobsView)(proxy)
}

func parsed(t *testing.T, base string) *url.URL {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	return u
}

// TestGateway: behind a proxy that is inside Require, no backend ever sees a key.
func TestGateway(t *testing.T) {
	backend := parsed(t, serving(t, http.HandlerFunc(show)))
	base := serving(t, gatewayHost(embedded(t, nil), backend))
	for _, w := range ways(canary) {
		for _, chunk := range []bool{false, true} {
			t.Run(fmt.Sprintf("key in the %s, chunked %v", w.name, chunk), func(t *testing.T) {
				w.ask.chunk = chunk
				w.ask.header = append(w.ask.header, "X-Caller", "forged")
				a := w.ask.do(t, base+"/p"+w.query)
				w.check(t, a)
				s := seen(t, a)
				assert.Equal(t, []string{"caller"}, s.Header["X-Caller"])
				if chunk {
					assert.Equal(t, []string{"chunked"}, s.Coding)
				} else {
					assert.Equal(t, fmt.Sprint(len(w.wantDoc)), s.Header.Get("Content-Length"))
				}
			})
		}
	}
	t.Run("a form of the key alone becomes an empty body", func(t *testing.T) {
		s := seen(t, ask{kind: formType, body: "key=" + canary}.do(t, base+"/p"))
		assert.Empty(t, s.Body)
		assert.Zero(t, s.Length)
	})
	t.Run("a backend that is to have the key", func(t *testing.T) {
		keep := serving(t, gatewayHost(embedded(t, &apikey.Options{KeepCredential: true}), backend))
		for _, w := range ways(canary) {
			assert.Contains(t, w.ask.do(t, keep+"/p"+w.query).body, canary)
		}
	})
	t.Run("without a key the backend is not asked", func(t *testing.T) {
		assert.Equal(t, 401, ask{}.do(t, base+"/p").status)
	})
}

// TestGatewayTrailers: those of answers pass. Those of requests are as without
// Require: ReverseProxy passes on what is known when it starts, which is all of
// them where the body was searched.
func TestGatewayTrailers(t *testing.T) {
	backend := parsed(t, serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Total")
		show(w, r)
		w.Header().Set("X-Total", "7")
	})))
	bare := serving(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }})
	guarded := serving(t, gatewayHost(embedded(t, nil), backend))
	for _, w := range ways(canary) {
		w.ask.chunk = true
		want := http.Header{"X-Sum": {"42"}}
		if w.name == "header" || w.name == "query" {
			want = seen(t, w.ask.do(t, bare+"/p"+w.query)).Trailer
		}
		assert.Equal(t, want, seen(t, w.ask.do(t, guarded+"/p"+w.query)).Trailer, w.name)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", guarded, nil)
	require.NoError(t, err)
	req.Header.Set("X-ApiKey", canary)
	resp, err := once.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.Header{"X-Total": {"7"}}, resp.Trailer)
}

// TestGatewayStreams: with the key in the header, the backend has the body's
// first part before the client has written the second, and no bound applies.
func TestGatewayStreams(t *testing.T) {
	first, length := make(chan string, 1), make(chan int64, 1)
	backend := parsed(t, serving(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		part := make([]byte, 4)
		_, err := io.ReadFull(r.Body, part)
		assert.NoError(t, err)
		first <- string(part)
		n, err := io.Copy(io.Discard, r.Body)
		assert.NoError(t, err)
		length <- n
	})))
	auth := embedded(t, &apikey.Options{BodyTimeout: 50 * time.Millisecond, MaxBody: 1000})
	base := serving(t, gatewayHost(auth, backend))
	reader, writer := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", base, reader)
	require.NoError(t, err)
	req.Header.Set("Content-Type", jsonType)
	req.Header.Set("X-ApiKey", canary)
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := once.Do(req)
		if assert.NoError(t, err) {
			resp.Body.Close()
			assert.Equal(t, 200, resp.StatusCode)
		}
	}()
	defer func() {
		writer.Close()
		<-done // what reports to the test must not outlive it; the client has a timeout
	}()
	_, err = io.WriteString(writer, "[1, ")
	require.NoError(t, err)
	require.Equal(t, "[1, ", within(t, first))
	time.Sleep(100 * time.Millisecond) // longer than a searched body may take
	_, err = io.WriteString(writer, strings.Repeat("2", 2000))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.Equal(t, int64(2000), within(t, length))
}

// within returns what comes out of a channel, and fails the test where nothing does
// in time.
func within[T any](t *testing.T, c <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(waitTime):
		require.Fail(t, "nothing has come in time")
	}
	return value
}

// TestProxyInFront: all ways lead through a proxy, and its caches are told what
// they must not keep.
func TestProxyInFront(t *testing.T) {
	gin.SetMode(gin.TestMode)
	for _, host := range hosts {
		server := parsed(t, serving(t, host.build(embedded(t, nil))))
		front := serving(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) }})
		for _, w := range ways(canary) {
			for _, chunk := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, key in the %s, chunked %v", host.name, w.name, chunk), func(t *testing.T) {
					w.ask.chunk = chunk
					a := w.ask.do(t, front+"/jobs/7"+w.query)
					w.check(t, a)
					assert.Equal(t, "private, no-store", a.header.Get("Cache-Control"))
					assert.Equal(t, []string{"X-Apikey"}, a.header.Values("Vary"))
				})
			}
		}
		refused := ask{}.do(t, front+"/jobs/7")
		assert.Equal(t, 401, refused.status)
		assert.Equal(t, "no-store", refused.header.Get("Cache-Control"))
	}
}

// feedHost: clients of package feeds send Basic or Bearer, and wait for a 401.
func feedHost(auth *apikey.Authority, files http.Handler) http.Handler {
	feed := auth.With(apikey.Overrides{
		Sources: []apikey.Source{apikey.FromBasic("api"), apikey.FromBearer()},
		Realm:   "packages",
	})
	r := chi.NewRouter()
	r.With(feed.RequireKey()).Mount("/feeds/npm", http.StripPrefix("/feeds/npm", files))
	r.With(auth.Require(apikey.JobsView)).HandleFunc("/jobs/{id}", show)
	return r
}

func basic(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

func TestFeed(t *testing.T) {
	base := serving(t, feedHost(embedded(t, nil), http.HandlerFunc(show)))
	challenges := []string{`Basic realm="packages", charset="UTF-8"`, `Bearer realm="packages"`}
	rows := []struct {
		name, path string
		header     []string
		want       int
		challenges []string
	}{
		{"Basic", "/feeds/npm/hello", basic("api", canary), 200, nil},
		{"Bearer", "/feeds/npm/hello", bearer(canary), 200, nil},
		{"the same key twice", "/feeds/npm/hello", append(basic("api", canary), bearer(canary)...), 200, nil},
		{"no credentials: the client is told what to send", "/feeds/npm/hello", nil, 401, challenges},
		{"Basic of another user", "/feeds/npm/hello", basic("admin", canary), 401, challenges},
		{"the header is not taken here", "/feeds/npm/hello", []string{"X-ApiKey", canary}, 401, challenges},
		{"the query is not taken here", "/feeds/npm/hello?key=" + canary, nil, 401, challenges},
		{"Bearer is not taken elsewhere", "/jobs/7", bearer(canary), 401, []string{`ApiKey realm="API"`}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			a := ask{header: row.header}.do(t, base+row.path)
			require.Equal(t, row.want, a.status, a.body)
			assert.Equal(t, row.challenges, a.header["Www-Authenticate"])
			if row.want == 200 {
				s := seen(t, a)
				assert.Equal(t, "/hello", s.URL)
				assert.NotContains(t, s.Header, "Authorization")
			}
		})
	}
	t.Run("a published package is not searched, whatever its size", func(t *testing.T) {
		large := strings.Repeat("x", 2<<20)
		publish := ask{method: "PUT", kind: jsonType, body: large, header: bearer(canary), chunk: true}
		assert.Len(t, seen(t, publish.do(t, base+"/feeds/npm/hello")).Body, len(large))
	})
}

// TestFeedFiles: ranges and conditions work, and the handler decides on caching.
func TestFeedFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hello.tgz"), []byte("0123456789"), 0o600))
	files := http.FileServer(http.Dir(dir))
	base := serving(t, feedHost(embedded(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("immutable") {
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		files.ServeHTTP(w, r)
	}))) + "/feeds/npm/hello.tgz"
	ranged := ask{header: append(bearer(canary), "Range", "bytes=2-4")}.do(t, base)
	assert.Equal(t, 206, ranged.status)
	assert.Equal(t, "234", ranged.body)

	whole := ask{header: bearer(canary)}.do(t, base)
	assert.Equal(t, "private, no-store", whole.header.Get("Cache-Control"))
	assert.Equal(t, []string{"Authorization"}, whole.header.Values("Vary"))
	known := ask{header: append(bearer(canary), "If-Modified-Since", whole.header.Get("Last-Modified"))}.do(t, base)
	assert.Equal(t, 304, known.status)
	own := ask{header: bearer(canary)}.do(t, base+"?immutable")
	assert.Equal(t, "private, max-age=31536000, immutable", own.header.Get("Cache-Control"))
	assert.Equal(t, 200, ask{method: "HEAD", header: bearer(canary)}.do(t, base).status)
	assert.Equal(t, 401, ask{method: "HEAD"}.do(t, base).status)
}

// TestFeedInsideAnotherRequire: the outer one has taken the key by its sources,
// and the feed does not accept those.
func TestFeedInsideAnotherRequire(t *testing.T) {
	auth := embedded(t, nil)
	base := serving(t, auth.RequireKey()(feedHost(auth, http.HandlerFunc(show)))) + "/feeds/npm/hello"
	for name, header := range map[string][]string{"header": {"X-ApiKey", canary}, "Basic": basic("api", canary)} {
		assert.Equal(t, 401, ask{header: header}.do(t, base).status, name)
	}
}

// TestFeedOfAnUpstream: the upstream gets the host's own credentials, and never
// those of the client.
func TestFeedOfAnUpstream(t *testing.T) {
	upstream := parsed(t, serving(t, http.HandlerFunc(show)))
	for _, own := range []string{"", "upstream token"} {
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			if own != "" {
				r.Out.Header.Set("Authorization", "Bearer "+own)
			}
		}}
		base := serving(t, feedHost(embedded(t, nil), proxy))
		for _, header := range [][]string{basic("api", canary), bearer(canary)} {
			s := seen(t, ask{header: header}.do(t, base+"/feeds/npm/hello"))
			if own == "" {
				assert.NotContains(t, s.Header, "Authorization")
			} else {
				assert.Equal(t, []string{"Bearer upstream token"}, s.Header["Authorization"])
			}
		}
	}
}
