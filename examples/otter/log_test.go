package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/domain"
)

// TestEverythingIsLogged: whatever is asked of the server but /health leaves an
// entry, and so does each change to a key, in memory and in a file.
func TestEverythingIsLogged(t *testing.T) {
	const admin = "the administrator's own key"
	rows := []struct {
		method, path, authorization, body string
		want                              []string // outcome, status, and the permission
	}{
		{"POST", "/api/jobs/trigger?template=hdars", "", "", []string{"allowed 200 jobs:trigger"}},
		{"GET", "/api/json/Roles_GetRoles", "", "", []string{"allowed 200 native"}},
		{"GET", "/api/variables/global/none", "", "", []string{"allowed 404 variables"}},
		{"GET", "/api/variables/global", "ApiKey none", "", []string{"denied 403 variables"}},
		{"GET", "/feeds/npm/", "Basic " + basicAuth(admin), "", []string{"allowed 200 any key"}},
		{"GET", "/feeds/npm/", "Bearer wrong", "", []string{"denied 401 any key"}},
		{"POST", "/api/api-keys", "", `{"key":"a text of somebody's own"}`, []string{"allowed 201 keys:manage", "change 0 "}},
		{"GET", "/administration/api-keys", "Basic " + basicAuth(admin), "", []string{"allowed 200 keys:manage"}},
		{"GET", "/health", "ApiKey none", "", nil},
	}
	for _, name := range []string{"memory:", "sqlite:" + filepath.Join(t.TempDir(), "otter.db")} {
		t.Run(strings.Split(name, ":")[0], func(t *testing.T) {
			store, closeStore, err := openStore(t.Context(), name)
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, closeStore()) })
			auth, err := apikey.New(t.Context(), store, &apikey.Options{Log: logOptions(store)})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, auth.Shutdown(context.WithoutCancel(t.Context()))) })
			full := apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}, Logging: apikey.LogBoth}
			_, err = auth.IssueCustom(t.Context(), full, admin)
			require.NoError(t, err)
			handler, err := newHandler(auth, apikey.OtterErrors, domain.Seeded())
			require.NoError(t, err)
			ask := func(method, path, authorization, body string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				if r.Header.Set("Authorization", authorization); authorization == "" {
					r.Header.Set("X-ApiKey", admin)
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w
			}
			want := []string{"change 0 "}
			for _, row := range rows {
				ask(row.method, row.path, row.authorization, row.body)
				want = append(want, row.want...)
			}
			var log struct {
				Entries []struct {
					Outcome, Permission string
					Status              int
				}
			}
			require.Eventually(t, func() bool {
				answer := ask(http.MethodGet, "/api/api-keys/access-logs?limit=200", "", "")
				require.Equal(t, 200, answer.Code, answer.Body)
				require.NotContains(t, answer.Body.String(), "somebody's own")
				require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &log))
				return len(log.Entries) >= len(want)
			}, 20*time.Second, 50*time.Millisecond)
			var got []string
			for i := len(log.Entries) - 1; i >= 0 && len(got) < len(want); i-- {
				e := log.Entries[i]
				got = append(got, fmt.Sprint(e.Outcome, " ", e.Status, " ", e.Permission))
			}
			assert.Equal(t, want, got)
		})
	}
}
