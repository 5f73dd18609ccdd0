package apikey_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func TestMain(m *testing.M) {
	// Alarms of tests that provoke them are not this package's output.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// newAuthority returns an Authority over an empty MemoryStore.
func newAuthority(t testing.TB, opts *apikey.Options) *apikey.Authority {
	t.Helper()
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), opts)
	require.NoError(t, err)
	return auth
}

// issueCustom makes a key with that text and those permissions.
func issueCustom(t testing.TB, auth *apikey.Authority, text string, perms ...apikey.Permission) *apikey.Key {
	t.Helper()
	key, err := auth.IssueCustom(t.Context(), apikey.KeySpec{Permissions: perms}, text)
	require.NoError(t, err)
	return key
}

// seen is what a handler behind the middleware saw of a request.
type seen struct {
	served        bool
	key           apikey.Key
	url           string
	uri           string
	header        http.Header
	body          string
	contentLength int64
	trailer       http.Header
	form          map[string][]string
}

// probe is a handler that notes what it sees.
func probe(got *seen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		key, _ := apikey.FromContext(r.Context())
		*got = seen{
			served: true, key: key, url: r.URL.String(), uri: r.RequestURI, header: r.Header,
			body: string(body), contentLength: r.ContentLength, trailer: r.Trailer, form: r.Form,
		}
		_, _ = fmt.Fprint(w, "ok")
	})
}

// serve starts a server on loopback and returns its URL.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// do sends a request and returns the answer and its body.
func do(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func newRequest(t testing.TB, method, url, body string, header ...string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, reader)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return req
}
