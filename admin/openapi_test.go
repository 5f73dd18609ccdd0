package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/admin"
)

// TestOpenAPIServer: the document names the path under which it was found.
func TestOpenAPIServer(t *testing.T) {
	f := newFixture(t)
	got := f.call("manager", "GET", "/openapi.json", "")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, "3.1.0", got.body["openapi"])
	server := func(a answer) any { return a.body["servers"].([]any)[0].(map[string]any)["url"] }
	require.Equal(t, "/deep/keys", server(got))
	require.Equal(t, 401, f.call("", "GET", "/openapi.json", "").StatusCode)

	for path, want := range map[string]string{"": "/", "/out/": "/out"} {
		api, err := admin.NewAPI(f.auth, admin.ByKey(f.auth), &admin.Options{BasePath: path})
		require.NoError(t, err)
		server := httptest.NewServer(api)
		f.base = server.URL
		got := f.call("full", http.MethodGet, "/openapi.json", "")
		require.Equal(t, want, got.body["servers"].([]any)[0].(map[string]any)["url"])
		server.Close()
	}
}
