package apikey_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestOmitBodies: what a handler keeps out of the log is in none, and the entry is
// otherwise as always.
func TestOmitBodies(t *testing.T) {
	newLogged := func(text string) (*apikey.Authority, *apikey.MemoryLog) {
		log := apikey.NewMemoryLog(10)
		auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{
			Log: apikey.LogOptions{Sink: log}, Sources: []apikey.Source{apikey.FromHeader("X-" + text)},
		})
		require.NoError(t, err)
		_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{Logging: apikey.LogBoth}, text+"-text-of-a-key")
		require.NoError(t, err)
		return auth, log
	}
	outer, outerLog := newLogged("outer")
	inner, innerLog := newLogged("inner")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(body)
		if r.URL.Path == "/private" {
			apikey.OmitBodies(r.Context())
		}
	})
	served := outer.RequireKey()(outer.Record()(inner.RequireKey()(handler)))
	for _, path := range []string{"/private", "/public"} {
		r := httptest.NewRequest("POST", path, strings.NewReader("a secret"))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("X-Outer", "outer-text-of-a-key")
		r.Header.Set("X-Inner", "inner-text-of-a-key")
		served.ServeHTTP(httptest.NewRecorder(), r)
	}
	for name, log := range map[string]*apikey.MemoryLog{"outer": outerLog, "inner": innerLog} {
		entries := map[string]apikey.LogEntry{}
		require.Eventually(t, func() bool {
			found, _, err := log.ReadLog(t.Context(), apikey.LogQuery{Limit: 10, Path: "/p", Bodies: true})
			require.NoError(t, err)
			for _, e := range found {
				entries[e.Path] = e
			}
			return len(entries) == 2
		}, 5*time.Second, time.Millisecond)
		public, private := entries["/public"], entries["/private"]
		require.Equal(t, "a secret", public.Request.Text, name)
		require.Equal(t, "a secret", public.Response.Text)
		want := apikey.LogBody{Type: "text/plain", Omitted: "the handler keeps it out of the log"}
		require.Equal(t, want, private.Request)
		require.Equal(t, want, private.Response)
		require.Equal(t, public.RequestBytes, private.RequestBytes)
		require.Equal(t, public.ResponseBytes, private.ResponseBytes)
	}
	apikey.OmitBodies(t.Context()) // no request: nothing to do
}
