package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

// job asks for the fixture's own route, and returns the status.
func (f *fixture) job(key, id, body string) int { return f.jobAt(key, "/jobs/"+id, body) }

func (f *fixture) jobAt(key, path, body string) int {
	f.t.Helper()
	req, err := http.NewRequest("POST", f.host+path, strings.NewReader(body))
	require.NoError(f.t, err)
	req.Header.Set("X-ApiKey", key)
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(f.t, err)
	require.NoError(f.t, resp.Body.Close())
	return resp.StatusCode
}

// waitForEntries waits until the access log has n entries of that path.
func (f *fixture) waitForEntries(path string, n int) []apikey.LogEntry {
	f.t.Helper()
	var entries []apikey.LogEntry
	require.Eventually(f.t, func() (ok bool) {
		var err error
		entries, _, err = f.auth.AccessLog(context.Background(), apikey.LogQuery{Path: path, Limit: 1000})
		return err == nil && len(entries) >= n
	}, 5*time.Second, 10*time.Millisecond)
	return entries
}

func (a answer) entries() (found []map[string]any) {
	for _, e := range a.body["entries"].([]any) {
		found = append(found, e.(map[string]any))
	}
	return found
}

// TestAccessLogs: each parameter selects, and an entry says all that there is.
func TestAccessLogs(t *testing.T) {
	f := newFixture(t)
	worker := f.issue("worker-text-1", apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsView}, Logging: apikey.LogBoth})
	require.Equal(t, 202, f.job("worker-text-1", "7", "do it"))
	require.Equal(t, 403, f.job("reader", "8", "no"))
	require.Equal(t, 401, f.job("nobody", "9", "no"))
	require.Equal(t, 200, f.call("full", "GET", "?q=x", "").StatusCode)
	f.waitForEntries("/jobs/", 3)
	f.waitForEntries("/deep/", 1)

	got := f.call("reader", "GET", "/access-logs?keyId="+worker.ID+"&status=202", "")
	require.Equal(t, 200, got.StatusCode, got.text)
	require.NotContains(t, got.body, "next")
	require.Len(t, got.entries(), 1)
	e := got.entries()[0]
	for name, want := range map[string]any{
		"keyId": worker.ID, "outcome": "allowed", "reason": "", "method": "POST", "path": "/jobs/7", "route": "/jobs/{id}", "query": "",
		"permission": "jobs:view", "status": 202.0, "requestBytes": 5.0, "responseBytes": 5.0, "client": "127.0.0.1",
		"requestBody": "do it", "responseBody": "job 7", "requestTruncated": false, "responseTruncated": false,
		"requestType": "text/plain", "responseType": "text/plain",
	} {
		assert.Equal(t, want, e[name], name)
	}
	for _, name := range []string{"id", "time", "requestId", "durationMicros"} {
		assert.NotEmpty(t, e[name], name)
	}
	for _, name := range []string{"actor", "action", "detail", "lost", "fingerprint", "requestOmitted", "responseOmitted"} {
		assert.NotContains(t, e, name, "it belongs to other entries")
	}

	change := f.call("reader", "GET", "/access-logs?keyId="+worker.ID+"&outcome=change", "").entries()
	require.Len(t, change, 1)
	assert.Equal(t, "code", change[0]["actor"])
	assert.Equal(t, "create", change[0]["action"])
	assert.NotEmpty(t, change[0]["detail"])

	at, err := time.Parse(time.RFC3339, e["time"].(string))
	require.NoError(t, err)
	before, after := at.Add(-time.Minute).Format(time.RFC3339), at.Add(time.Minute).Format(time.RFC3339)
	for query, want := range map[string]int{
		"outcome=denied&path=/jobs/": 2, "outcome=denied&method=GET": 0, "path=/jobs/7": 1, "path=jobs": 0, "status=401": 1,
		"path=/jobs/&from=" + before: 3, "path=/jobs/&to=" + before: 0, "path=/jobs/&from=" + before + "&to=" + after: 3,
		"method=POST&path=/jobs/": 3, "method=post": 0, "path=/jobs/&limit=&status=&outcome=&from=": 3,
	} {
		assert.Len(t, f.call("reader", "GET", "/access-logs?"+query, "").entries(), want, query)
	}
	require.Equal(t, 200, f.call("reader", "HEAD", "/access-logs/", "").StatusCode)
}

// TestAccessLogPages: each entry is there once, the newest first.
func TestAccessLogPages(t *testing.T) {
	f := newFixture(t)
	for range 25 {
		require.Equal(t, 202, f.job("viewer", "1", ""))
	}
	f.waitForEntries("/jobs/", 25)
	var ids []string
	query := "?path=/jobs/&limit=10"
	for cursor, pages := "", 1; ; pages++ {
		got := f.call("reader", "GET", "/access-logs"+query+cursor, "")
		require.Equal(t, 200, got.StatusCode, got.text)
		for _, e := range got.entries() {
			ids = append(ids, e["id"].(string))
		}
		next, more := got.body["next"].(string)
		if !more {
			require.Equal(t, 3, pages)
			break
		}
		cursor = "&cursor=" + next
	}
	require.Len(t, ids, 25)
	require.True(t, slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }))
	require.Len(t, slices.Compact(ids), 25)
}

// TestPageLogPages: the page leads through all entries that the filter lets through,
// each there once, and back to the newest.
func TestPageLogPages(t *testing.T) {
	f := newPageFixture(t)
	const n = 120
	for i := range n {
		require.Equal(t, 202, f.job("viewer", fmt.Sprint("a&b=", i), ""))
	}
	f.waitForEntries("/jobs/", n)
	first := "/logs?" + url.Values{"method": {"POST"}, "path": {"/jobs/a&b="}}.Encode()
	seen := map[string]bool{}
	path, pages := first, 0
	var last reply
	for ; path != ""; pages++ {
		last = f.ask("reader", path, nil)
		require.Equal(t, 200, last.StatusCode)
		require.Equal(t, "/jobs/a&b=", last.value(t, "path"), "the filter stays")
		for _, row := range last.page.one(t, "tbody").all("tr") {
			what := strings.ReplaceAll(row.one(t, "td", "data-label", "What").text(), " ", "")
			require.Contains(t, what, "POST/jobs/a&b=")
			require.False(t, seen[what], "%s is there twice", what)
			seen[what] = true
		}
		path = ""
		for _, next := range last.page.all("a", "rel", "next") {
			path = strings.TrimPrefix(next.attrs["href"], ".")
		}
	}
	require.Len(t, seen, n)
	require.Equal(t, 3, pages)
	newest := last.page.one(t, "nav", "aria-label", "Pages").one(t, "a").attrs["href"]
	require.Equal(t, first, strings.TrimPrefix(newest, "."))
}

// TestAccessLogsRefused: each row is one refusal.
func TestAccessLogsRefused(t *testing.T) {
	f := newFixture(t)
	for _, row := range []struct {
		name, key, method, path string
		status                  int
		detail                  string
	}{
		{"no key", "", "GET", "", 401, "X-ApiKey"},
		{"who may manage keys only", "manager", "GET", "", 403, "logs:view"},
		{"who may read the log only, and asks for keys", "reader", "GET", "/..", 403, "keys:manage"},
		{"no status", "reader", "GET", "?status=0", 400, "status must be a number from 100 to 599"},
		{"a status in words", "reader", "GET", "?status=ok", 400, "status must be a number from 100 to 599"},
		{"limit 0", "reader", "GET", "?limit=0", 400, "limit must be a number from 1 to 200"},
		{"limit 201", "reader", "GET", "?limit=201", 400, "limit must be a number from 1 to 200"},
		{"unknown outcome", "reader", "GET", "?outcome=fine", 400, "outcome must be one of allowed, denied, error, change, gap"},
		{"no method", "reader", "GET", "?method=GET%20x", 400, "method must be an HTTP method"},
		{"no time", "reader", "GET", "?from=yesterday", 400, "from must be a time as in RFC 3339"},
		{"the end before the start", "reader", "GET", "?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", 400, "to must not lie before from"},
		{"no UTF-8", "reader", "GET", "?path=%ff", 400, "path must be UTF-8"},
		{"made-up cursor", "reader", "GET", "?cursor=abc", 400, "cursor must be the next of another page"},
		{"cursor of a list of keys", "reader", "GET", "?cursor=MzNsZjlobDczOHMxa2praDVqNDU4OWdpc2M", 400, "cursor must be the next of another page"},
		{"parameter twice", "reader", "GET", "?status=200&status=201", 400, "status may be there once"},
		{"unknown parameter", "reader", "GET", "?page=2", 400, "keyId, outcome, status, method, path, from, to, limit, cursor"},
		{"malformed query", "reader", "GET", "?a;b", 400, "malformed"},
		{"path that is not there", "reader", "GET", "/1/2", 404, "nothing"},
		{"method that is not there", "reader", "POST", "", 405, "Allowed here: GET, HEAD."},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := *f
			f.t = t
			path := "/access-logs" + row.path
			if row.path == "/.." {
				path = ""
			}
			got := f.call(row.key, row.method, path, "")
			require.Equal(t, row.status, got.StatusCode, got.text)
			require.Equal(t, "application/problem+json", got.Header.Get("Content-Type"))
			require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			require.Contains(t, got.body["detail"], row.detail)
		})
	}
	all := f.call("reader", "GET", "/access-logs?status=1&limit=0&outcome=fine", "")
	require.ElementsMatch(t, []string{"status", "limit", "outcome"}, all.fields(), "all are told")
}

// brokenLog is one that cannot be read just now.
type brokenLog struct{ *apikey.MemoryLog }

func (brokenLog) ReadLog(context.Context, apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	return nil, "", errors.New("disk on fire at /var/lib/log")
}

// TestNoAccessLog: what a server answers that has none, or none at the moment.
func TestNoAccessLog(t *testing.T) {
	for name, row := range map[string]struct {
		sink   apikey.LogSink
		status int
	}{
		"none":              {nil, 501},
		"one to write only": {struct{ apikey.LogSink }{apikey.NewMemoryLog(1)}, 501},
		"one that fails":    {brokenLog{apikey.NewMemoryLog(1)}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Log: apikey.LogOptions{Sink: row.sink}})
			require.NoError(t, err)
			spec := apikey.KeySpec{Name: "reader", Permissions: []apikey.Permission{apikey.LogsView}}
			_, err = auth.IssueCustom(t.Context(), spec, "reader")
			require.NoError(t, err)
			var log strings.Builder
			opts := &admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			api, err := admin.NewAPI(auth, admin.ByKey(auth), opts)
			require.NoError(t, err)
			page, err := admin.NewPage(auth, admin.ByKey(auth), opts)
			require.NoError(t, err)
			for path, h := range map[string]http.Handler{"/access-logs": api, "/logs": page, "/logs/x": page} {
				r := httptest.NewRequest("GET", path, nil)
				r.Header.Set("X-ApiKey", "reader")
				if path != "/access-logs" {
					r.SetBasicAuth("api", "reader")
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				require.Equal(t, row.status, w.Code, path)
				require.NotContains(t, w.Body.String(), "fire")
				require.Equal(t, row.status == 503, strings.Contains(log.String(), "disk on fire"))
			}
		})
	}
}

// pausingLog stops after a bounded scan that has found nothing.
type pausingLog struct{ *apikey.MemoryLog }

func (pausingLog) ReadLog(_ context.Context, q apikey.LogQuery) ([]apikey.LogEntry, string, error) {
	if q.Cursor != "" {
		return nil, "", nil
	}
	return nil, "further on", nil
}

// TestBoundedScan: a page without entries still leads on where there may be some.
func TestBoundedScan(t *testing.T) {
	f := newPageFixture(t)
	auth, err := apikey.New(t.Context(), f.store, &apikey.Options{Log: apikey.LogOptions{Sink: pausingLog{apikey.NewMemoryLog(1)}}})
	require.NoError(t, err)
	page, err := admin.NewPage(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	api, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount("/page", page)
	r.Mount("/api", api)
	server := httptest.NewServer(r)
	defer server.Close()
	f.base = server.URL

	got := f.ask("reader", "/page/logs?path=/rare", nil)
	require.Contains(t, got.page.text(), "None among the entries that were looked at; there are older ones.")
	next := f.ask("reader", "/page"+strings.TrimPrefix(got.page.one(t, "a", "rel", "next").attrs["href"], "."), nil)
	require.Contains(t, next.page.text(), "No entry meets the filter.")
	require.Empty(t, next.page.all("a", "rel", "next"))

	first := f.call("reader", "GET", "/api/access-logs?path=/rare", "")
	require.Empty(t, first.entries())
	require.NotNil(t, first.body["entries"])
	last := f.call("reader", "GET", "/api/access-logs?path=/rare&cursor="+first.body["next"].(string), "")
	require.NotContains(t, last.body, "next")
}

// TestCatalogWithoutLogs: where nobody could be permitted to read the log, there is
// none.
func TestCatalogWithoutLogs(t *testing.T) {
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{
		Catalog: apikey.Catalog{{Permission: apikey.KeysManage}}, Log: apikey.LogOptions{Sink: apikey.NewMemoryLog(1)},
	})
	require.NoError(t, err)
	_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.KeysManage}}, "manager")
	require.NoError(t, err)
	api, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	page, err := admin.NewPage(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	for path, h := range map[string]http.Handler{"/access-logs": api, "/logs": page} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("X-ApiKey", "manager")
		if path == "/logs" {
			r.SetBasicAuth("api", "manager")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, 404, w.Code)
	}
}
