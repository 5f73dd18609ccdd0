package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

// fixture is a server with the API under a prefix, and keys to use it with.
type fixture struct {
	t     *testing.T
	store *apikey.MemoryStore
	auth  *apikey.Authority
	base  string
	host  string // of the server with the API
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store := apikey.NewMemoryStore()
	auth, err := apikey.New(t.Context(), store, &apikey.Options{
		Logger: slog.New(slog.DiscardHandler), Log: apikey.LogOptions{Sink: apikey.NewMemoryLog(1000)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, auth.Shutdown(context.Background())) })
	f := &fixture{t: t, store: store, auth: auth}
	f.issue("full", apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}})
	f.issue("manager", apikey.KeySpec{Permissions: []apikey.Permission{apikey.KeysManage, apikey.JobsView}, Subject: "mia"})
	f.issue("viewer", apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsView}})
	f.issue("reader", apikey.KeySpec{Permissions: []apikey.Permission{apikey.LogsView}})
	api, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount("/deep/keys", api)
	r.With(auth.Require(apikey.JobsView)).Post("/jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(202)
		_, _ = io.WriteString(w, "job "+chi.URLParam(r, "id"))
	})
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	f.host, f.base = server.URL, server.URL+"/deep/keys"
	return f
}

func (f *fixture) issue(text string, spec apikey.KeySpec) *apikey.Key {
	f.t.Helper()
	key, err := f.auth.IssueCustom(f.t.Context(), spec, text)
	require.NoError(f.t, err)
	return key
}

// answer is an HTTP answer with its JSON body.
type answer struct {
	*http.Response
	text string
	body map[string]any
}

func (a answer) key() map[string]any { return a.body["key"].(map[string]any) }

// fields returns the names of the fields that a problem complains of.
func (a answer) fields() (names []string) {
	problems, _ := a.body["errors"].([]any)
	for _, p := range problems {
		names = append(names, p.(map[string]any)["field"].(string))
	}
	return names
}

func (f *fixture) call(key, method, path, body string, header ...string) answer {
	f.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, f.base+path, strings.NewReader(body))
	require.NoError(f.t, err)
	if key != "" {
		req.Header.Set("X-ApiKey", key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(f.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	a := answer{Response: resp, text: string(text)}
	if len(text) > 0 {
		require.NoError(f.t, json.Unmarshal(text, &a.body), "%s", text)
	}
	return a
}

// TestLifecycle is the life of a key through the API alone.
func TestLifecycle(t *testing.T) {
	f := newFixture(t)
	created := f.call("full", "POST", "", `{"name":"nightly","description":"builds","permissions":["jobs:trigger"],
		"logging":"both","expiresAt":"2999-01-01T02:00:00+02:00","metadata":{"team":"ops"}}`)
	require.Equal(t, 201, created.StatusCode, created.text)
	require.Equal(t, "no-store", created.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", created.Header.Get("X-Content-Type-Options"))
	require.Equal(t, `"1"`, created.Header.Get("ETag"))
	id, secret := created.key()["id"].(string), created.body["secret"].(string)
	require.Equal(t, "/deep/keys/"+id, created.Header.Get("Location"))
	key, err := f.auth.Authenticate(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, id, key.ID)

	read := f.call("full", "GET", "/"+id, "")
	require.Equal(t, 200, read.StatusCode)
	for name, want := range map[string]any{
		"name": "nightly", "description": "builds", "subject": "", "permissions": []any{"jobs:trigger"}, "logging": "both",
		"metadata": map[string]any{"team": "ops"}, "disabled": false, "weak": false, "hints": []any{secret[len(secret)-4:]},
		"expiresAt": "2999-01-01T00:00:00Z", "version": 1.0,
	} {
		assert.Equal(t, want, read.body[name], name)
	}
	require.NotContains(t, read.text, secret)

	patched := f.call("full", "PATCH", "/"+id, `{"name":"weekly","expiresAt":null,"metadata":{"team":null,"room":"1"}}`,
		"If-Match", read.Header.Get("ETag"), "Content-Type", "application/merge-patch+json")
	require.Equal(t, 200, patched.StatusCode, patched.text)
	require.Equal(t, "weekly", patched.body["name"])
	require.Equal(t, "builds", patched.body["description"], "what is absent stays")
	require.Equal(t, map[string]any{"room": "1"}, patched.body["metadata"])
	require.NotContains(t, patched.body, "expiresAt")
	require.Equal(t, `"2"`, patched.Header.Get("ETag"))

	rotated := f.call("full", "POST", "/"+id+"/rotate", `{"overlap":"1d"}`)
	require.Equal(t, 200, rotated.StatusCode, rotated.text)
	require.Len(t, rotated.key()["hints"], 2)
	for _, text := range []string{secret, rotated.body["secret"].(string)} {
		_, err = f.auth.Authenticate(t.Context(), text)
		require.NoError(t, err)
	}
	custom := f.call("full", "POST", "/"+id+"/rotate", `{"overlap":"0s","key":"secure123"}`)
	require.Equal(t, 200, custom.StatusCode)
	require.NotContains(t, custom.body, "secret")
	require.Equal(t, true, custom.key()["weak"])
	require.Empty(t, custom.key()["hints"])

	revoked := f.call("full", "POST", "/"+id+"/revoke", "")
	require.Equal(t, 200, revoked.StatusCode)
	require.Contains(t, revoked.body, "revokedAt")
	require.Equal(t, revoked.text, f.call("full", "POST", "/"+id+"/revoke", `{}`).text, "again changes nothing")
	require.Equal(t, 409, f.call("full", "POST", "/"+id+"/rotate", `{"overlap":"0s"}`).StatusCode)
	require.Equal(t, 409, f.call("full", "POST", "", `{"key":"secure123"}`).StatusCode, "a revoked key's text stays in use")

	require.Equal(t, 204, f.call("full", "DELETE", "/"+id, "").StatusCode)
	require.Equal(t, 204, f.call("full", "DELETE", "/"+id, "").StatusCode)
	require.Equal(t, 404, f.call("full", "GET", "/"+id, "").StatusCode)
	require.Equal(t, 201, f.call("full", "POST", "/", `{"key":"secure123"}`).StatusCode, "a deleted key's text is free")
}

// TestCallsRefused: each row is one refusal, with the fields it complains of.
func TestCallsRefused(t *testing.T) {
	f := newFixture(t)
	id := f.issue("victim", apikey.KeySpec{}).ID
	merge := []string{"If-Match", `"1"`}
	rows := []struct {
		name, key, method, path, body string
		header                        []string
		status                        int
		fields                        []string
	}{
		{name: "no key", method: "GET", status: 401},
		{name: "unknown key", key: "nobody", method: "GET", status: 401},
		{name: "weaker key", key: "viewer", method: "GET", status: 403},
		{name: "weaker key, path that is not there", key: "viewer", method: "GET", path: "/a/b/c", status: 403},
		{name: "path that is not there", key: "full", method: "GET", path: "/a/b/c", status: 404},
		{name: "method that is not there", key: "full", method: "PUT", status: 405},
		{name: "key that is not there", key: "full", method: "GET", path: "/nope", status: 404},
		{name: "rotating one that is not there", key: "full", method: "POST", path: "/nope/rotate", body: `{"overlap":"0s"}`, status: 404},
		{name: "cross-site", key: "full", method: "POST", body: `{}`, header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		{name: "cross-site, method that is not there", key: "full", method: "PUT", body: `{}`, header: []string{"Sec-Fetch-Site", "same-site"}, status: 403},

		{name: "limit 0", key: "full", method: "GET", path: "?limit=0", status: 400},
		{name: "limit 201", key: "full", method: "GET", path: "?limit=201", status: 400},
		{name: "limit in words", key: "full", method: "GET", path: "?limit=ten", status: 400},
		{name: "limit twice", key: "full", method: "GET", path: "?limit=1&limit=1", status: 400},
		{name: "made-up cursor", key: "full", method: "GET", path: "?cursor=*", status: 400},
		{name: "cursor that is no text", key: "full", method: "GET", path: "?cursor=_w", status: 400},
		{name: "cursor with a NUL", key: "full", method: "GET", path: "?cursor=AA", status: 400},
		{name: "ID that is no text", key: "full", method: "GET", path: "/%ff", status: 404},
		{name: "unknown parameter", key: "full", method: "GET", path: "?page=2", status: 400},

		{name: "form", key: "full", method: "POST", body: "name=a", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415},
		{name: "not JSON", key: "full", method: "POST", body: `{"name":`, status: 400},
		{name: "bad UTF-8", key: "full", method: "POST", body: "{\"key\":\"aaaa\xffbbbb\"}", status: 400},
		{name: "half a surrogate pair", key: "full", method: "POST", body: `{"key":"x\ud800y-1"}`, status: 400},
		{name: "the other half", key: "full", method: "POST", body: `{"key":"x\udc00y-1"}`, status: 400},
		{name: "UTF-16", key: "full", method: "POST", body: `{}`, header: []string{"Content-Type", "application/json; charset=utf-16"}, status: 415},
		{name: "metadata with a name twice", key: "full", method: "POST", body: `{"metadata":{"a":"1","a":"2"}}`, status: 422, fields: []string{"metadata"}},
		{name: "the zero time is not never", key: "full", method: "POST", body: `{"expiresAt":"0001-01-01T00:00:00Z"}`, status: 422, fields: []string{"expiresAt"}},
		{name: "rotation of a stale version", key: "full", method: "POST", path: "/" + id + "/rotate", body: `{"overlap":"0s"}`, header: []string{"If-Match", `"7"`}, status: 412},
		{name: "revocation of a stale version", key: "full", method: "POST", path: "/" + id + "/revoke", header: []string{"If-Match", `"7"`}, status: 412},
		{name: "deletion of a stale version", key: "full", method: "DELETE", path: "/" + id, header: []string{"If-Match", `"7"`}, status: 412},
		{name: "array", key: "full", method: "POST", body: `[]`, status: 400},
		{name: "more behind it", key: "full", method: "POST", body: `{} {}`, status: 400},
		{name: "100 KiB", key: "full", method: "POST", body: `{"name":"` + strings.Repeat("a", 100<<10) + `"}`, status: 413},
		{name: "unknown fields", key: "full", method: "POST", body: `{"nam":"a","Name":"b"}`, status: 422, fields: []string{"Name", "nam"}},
		{name: "field twice", key: "full", method: "POST", body: `{"name":"a","name":"b"}`, status: 422, fields: []string{"name"}},
		{name: "read-only at creation", key: "full", method: "POST", body: `{"id":"a","version":3}`, status: 422, fields: []string{"id", "version"}},
		{
			name: "wrong types, all told", key: "full", method: "POST", body: `{"name":1,"permissions":"jobs:view","logging":true,"disabled":"no","expiresAt":"tomorrow","metadata":{"a":1},"key":5}`,
			status: 422, fields: []string{"disabled", "expiresAt", "key", "logging", "metadata", "name", "permissions"},
		},
		{
			name: "illegal values, all told", key: "full", method: "POST",
			body:   `{"name":"` + strings.Repeat("n", 201) + `","description":"` + strings.Repeat("d", 2001) + `","permissions":["jobs:fly"],"expiresAt":"2001-01-01T00:00:00Z","metadata":{"a":"` + strings.Repeat("m", 5000) + `"}}`,
			status: 422, fields: []string{"description", "expiresAt", "metadata", "name", "permissions"},
		},
		{name: "unknown logging", key: "full", method: "POST", body: `{"logging":"all"}`, status: 422, fields: []string{"logging"}},
		{name: "permission twice", key: "full", method: "POST", body: `{"permissions":["jobs:view","jobs:view"]}`, status: 422, fields: []string{"permissions"}},
		{name: "empty custom key", key: "full", method: "POST", body: `{"key":""}`, status: 422, fields: []string{"key"}},
		{name: "custom key with a space at its end", key: "full", method: "POST", body: `{"key":"abc ","name":"` + strings.Repeat("n", 201) + `"}`, status: 422, fields: []string{"key", "name"}},
		{name: "custom key in use", key: "full", method: "POST", body: `{"key":"viewer"}`, status: 409, fields: []string{"key"}},

		{name: "patch without If-Match", key: "full", method: "PATCH", path: "/" + id, body: `{}`, status: 428},
		{name: "patch of a stale version", key: "full", method: "PATCH", path: "/" + id, body: `{}`, header: []string{"If-Match", `"7"`}, status: 412},
		{name: "patch of whatever version", key: "full", method: "PATCH", path: "/" + id, body: `{}`, header: []string{"If-Match", "*"}, status: 412},
		{name: "patch by a weak tag", key: "full", method: "PATCH", path: "/" + id, body: `{}`, header: []string{"If-Match", `W/"1"`}, status: 412},
		{
			name: "patch of read-only fields", key: "full", method: "PATCH", path: "/" + id, header: merge,
			body: `{"id":"a","weak":true,"hints":[],"createdAt":null,"updatedAt":null,"revokedAt":null,"lastUsedAt":null,"version":1,"key":"x"}`, status: 422,
			fields: []string{"createdAt", "hints", "id", "key", "lastUsedAt", "revokedAt", "updatedAt", "version", "weak"},
		},
		{name: "patch as text", key: "full", method: "PATCH", path: "/" + id, body: `{}`, header: append(merge, "Content-Type", "text/plain"), status: 415},

		{name: "rotation without an overlap", key: "full", method: "POST", path: "/" + id + "/rotate", body: `{}`, status: 422, fields: []string{"overlap"}},
		{name: "rotation with a null overlap", key: "full", method: "POST", path: "/" + id + "/rotate", body: `{"overlap":null}`, status: 422, fields: []string{"overlap"}},
		{name: "rotation with too long an overlap", key: "full", method: "POST", path: "/" + id + "/rotate", body: `{"overlap":"31d"}`, status: 422, fields: []string{"overlap"}},
		{name: "rotation with a negative overlap", key: "full", method: "POST", path: "/" + id + "/rotate", body: `{"overlap":"-1s"}`, status: 422, fields: []string{"overlap"}},
		{name: "rotation with a number", key: "full", method: "POST", path: "/" + id + "/rotate", body: `{"overlap":5}`, status: 422, fields: []string{"overlap"}},
		{name: "rotation without a body", key: "full", method: "POST", path: "/" + id + "/rotate", status: 415},

		{name: "granting what one lacks", key: "manager", method: "POST", body: `{"permissions":["variables"]}`, status: 403},
		{name: "granting full control", key: "manager", method: "POST", body: `{"permissions":["native"]}`, status: 403},
		{name: "another's subject", key: "manager", method: "POST", body: `{"subject":"noah"}`, status: 403},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f := *f
			f.t = t
			got := f.call(row.key, row.method, row.path, row.body, row.header...)
			require.Equal(t, row.status, got.StatusCode, got.text)
			require.Equal(t, "application/problem+json", got.Header.Get("Content-Type"))
			require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
			require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
			require.Equal(t, float64(row.status), got.body["status"])
			require.NotEmpty(t, got.body["detail"])
			fields := got.fields()
			slices.Sort(fields)
			require.Equal(t, row.fields, fields)
			require.NotContains(t, got.text, "victim")
		})
	}
	key, err := f.auth.Key(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, int64(1), key.Version, "nothing above has changed the key")
}

// TestAllow: a method that is not there is answered with those that are.
func TestAllow(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]string{
		"":                     "GET, HEAD, POST",
		"/":                    "GET, HEAD, POST",
		"/some-id":             "GET, HEAD, PATCH, DELETE",
		"/permissions":         "GET, HEAD, PATCH, DELETE", // as an ID it could be one
		"/some-id/rotate":      "POST",
		"/with%2Fslash/revoke": "POST",
		"/openapi.json":        "GET, HEAD, PATCH, DELETE", // likewise
	} {
		got := f.call("full", "PUT", path, "")
		require.Equal(t, 405, got.StatusCode, path)
		require.Equal(t, want, got.Header.Get("Allow"), path)
		require.Contains(t, got.body["detail"], want)
	}
}

// TestIDsInPaths: IDs of other makers hold what a path does only when escaped.
func TestIDsInPaths(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{"a/b", "a/../b", "a//b", "a b", "a+b", "100%", "%2F", "a/b%2Fc", "?limit=1", "#1", "a;b=c", "größe"} {
		t.Run(id, func(t *testing.T) {
			f := *f
			f.t = t
			require.NoError(t, f.store.Create(t.Context(), &apikey.Key{ID: id, Version: 1}))
			path := "/" + url.PathEscape(id)
			read := f.call("full", "GET", path, "")
			require.Equal(t, 200, read.StatusCode, read.text)
			require.Equal(t, id, read.body["id"])
			for _, c := range [][3]string{
				{"PATCH", path, `{"name":"found"}`},
				{"POST", path + "/rotate", `{"overlap":"0s"}`},
				{"POST", path + "/revoke", ""},
			} {
				tag := f.call("full", "GET", path, "").Header.Get("ETag")
				got := f.call("full", c[0], c[1], c[2], "If-Match", tag)
				require.Equal(t, 200, got.StatusCode, "%v: %s", c, got.text)
			}
			key, err := f.store.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, "found", key.Name)
			require.Len(t, key.Credentials, 1)
			require.NotZero(t, key.RevokedAt)
			require.Equal(t, 204, f.call("full", "DELETE", path, "").StatusCode)
			_, err = f.store.Get(t.Context(), id)
			require.ErrorIs(t, err, apikey.ErrNotFound)
		})
	}
}

// TestOddKeys: a key that no JSON can hold is the store's fault, and no panic.
func TestOddKeys(t *testing.T) {
	store := apikey.NewMemoryStore()
	auth, err := apikey.New(t.Context(), store, &apikey.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}}, "full")
	require.NoError(t, err)
	require.NoError(t, store.Create(t.Context(), &apikey.Key{ID: "odd", Version: 1, Logging: 8}))
	api, err := admin.NewAPI(auth, admin.ByKey(auth), &admin.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-ApiKey", "full")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	require.Equal(t, 503, w.Code)
}

// TestRevokeWithoutABody: of unknown length, and empty.
func TestRevokeWithoutABody(t *testing.T) {
	f := newFixture(t)
	id := f.issue("chunked", apikey.KeySpec{}).ID
	req, err := http.NewRequestWithContext(t.Context(), "POST", f.base+"/"+id+"/revoke", io.NopCloser(strings.NewReader("")))
	require.NoError(t, err)
	req.ContentLength = -1
	req.Header.Set("X-ApiKey", "full")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
}

// TestDelegation: a manager handles keys that are no stronger than its own.
func TestDelegation(t *testing.T) {
	f := newFixture(t)
	created := f.call("manager", "POST", "", `{"permissions":["jobs:view"],"subject":"mia"}`)
	require.Equal(t, 201, created.StatusCode, created.text)

	strong := f.issue("strong", apikey.KeySpec{Permissions: []apikey.Permission{apikey.Variables}})
	for _, c := range [][3]string{
		{"PATCH", "/" + strong.ID, `{"name":"mine"}`},
		{"POST", "/" + strong.ID + "/rotate", `{"overlap":"0s"}`},
		{"POST", "/" + strong.ID + "/revoke", ""},
		{"DELETE", "/" + strong.ID, ""},
	} {
		got := f.call("manager", c[0], c[1], c[2], "If-Match", `"1"`)
		require.Equal(t, 403, got.StatusCode, "%v: %s", c, got.text)
	}
	_, err := f.auth.Authenticate(t.Context(), "strong")
	require.NoError(t, err)
}

// TestList: newest first, page by page, each key once; search is literal.
func TestList(t *testing.T) {
	f := newFixture(t)
	for i := range 25 {
		f.issue(fmt.Sprint("listed ", i), apikey.KeySpec{Name: fmt.Sprintf("Build %d%%", i)})
	}
	var names []string
	cursor := ""
	for pages := 1; ; pages++ {
		got := f.call("full", "GET", "?limit=10&q=bUILD&cursor="+cursor, "")
		if pages == 1 {
			got = f.call("full", "GET", "/?limit=10&q=bUILD", "")
		}
		require.Equal(t, 200, got.StatusCode, got.text)
		for _, k := range got.body["keys"].([]any) {
			names = append(names, k.(map[string]any)["name"].(string))
		}
		next, more := got.body["next"].(string)
		if !more {
			require.Equal(t, 3, pages)
			break
		}
		cursor = next
	}
	require.Len(t, names, 25)
	require.Equal(t, "Build 24%", names[0])
	require.Equal(t, "Build 0%", names[24])
	require.Len(t, f.call("full", "GET", "?q=4%25", "").body["keys"], 3, "4%, 14%, 24%")
	require.Empty(t, f.call("full", "GET", "?q=%5F", "").body["keys"])
	require.NotNil(t, f.call("full", "GET", "?q=nothing", "").body["keys"])

	head := f.call("full", "HEAD", "", "")
	require.Equal(t, 200, head.StatusCode)
}

func TestPermissionsCall(t *testing.T) {
	f := newFixture(t)
	got := f.call("manager", "GET", "/permissions", "")
	require.Equal(t, 200, got.StatusCode)
	require.Len(t, got.body["permissions"], len(apikey.OtterCatalog()))
	require.Equal(t, map[string]any{"permission": "native", "label": "Native API", "description": "Full control", "full": true},
		got.body["permissions"].([]any)[0])
}

// TestLostUpdates: of 32 editors who read the same version, one wins each round.
func TestLostUpdates(t *testing.T) {
	f := newFixture(t)
	id := f.issue("edited", apikey.KeySpec{}).ID
	var wins sync.Map
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			req, _ := http.NewRequest("PATCH", f.base+"/"+id, strings.NewReader(fmt.Sprintf(`{"name":"editor %d"}`, i)))
			req.Header.Set("X-ApiKey", "full")
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("If-Match", `"1"`)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode == 200 {
				wins.Store(i, true)
			} else {
				assert.Equal(t, 412, resp.StatusCode)
			}
		})
	}
	group.Wait()
	won := 0
	wins.Range(func(any, any) bool { won++; return true })
	require.Equal(t, 1, won)
}

// TestWaysIn: the key may stand in the body of a call, and is not part of it.
func TestWaysIn(t *testing.T) {
	f := newFixture(t)
	got := f.call("", "POST", "", `{"API_Key":"full","name":"by body"}`)
	require.Equal(t, 201, got.StatusCode, got.text)
	require.Equal(t, 200, f.call("", "GET", "?key=full&limit=1", "").StatusCode)
}

// TestMounting: any prefix, in chi and in net/http; links follow it.
func TestMounting(t *testing.T) {
	f := newFixture(t)
	api, err := admin.NewAPI(f.auth, admin.ByKey(f.auth), nil)
	require.NoError(t, err)
	proxied, err := admin.NewAPI(f.auth, admin.ByKey(f.auth), &admin.Options{BasePath: "/outside/"})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/a/keys/", http.StripPrefix("/a/keys", api))
	mux.Handle("/a/keys", http.StripPrefix("/a/keys", api))
	mux.Handle("/inside/", http.StripPrefix("/inside", proxied))
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, location := range map[string]string{"/a/keys": "/a/keys/", "/a/keys/": "/a/keys/", "/inside/": "/outside/"} {
		f.base = server.URL + path
		created := f.call("full", "POST", "", `{}`)
		require.Equal(t, 201, created.StatusCode, created.text)
		id := created.key()["id"].(string)
		require.Equal(t, location+id, created.Header.Get("Location"))
		require.Equal(t, 200, f.call("full", "GET", "", "").StatusCode)
		f.base = server.URL + strings.TrimSuffix(path, "/")
		require.Equal(t, 200, f.call("full", "GET", "/"+id, "").StatusCode)
	}
}

// TestLocationStaysOnTheHost: a path of two slashes would name another.
func TestLocationStaysOnTheHost(t *testing.T) {
	f := newFixture(t)
	api, err := admin.NewAPI(f.auth, admin.ByKey(f.auth), nil)
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{}`))
	r.RequestURI = "//evil.example/../keys/"
	r.Header.Set("X-ApiKey", "full")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	require.Equal(t, 201, w.Code)
	require.Regexp(t, `^/[^/]`, w.Header().Get("Location"))
}

// brokenStore fails every call once its key is needed.
type brokenStore struct{ *apikey.MemoryStore }

func (brokenStore) List(context.Context, apikey.Query) ([]*apikey.Key, error) {
	return nil, errors.New("disk on fire at /var/lib/db")
}

func TestStoreFails(t *testing.T) {
	auth, err := apikey.New(t.Context(), brokenStore{apikey.NewMemoryStore()}, nil)
	require.NoError(t, err)
	_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}}, "full")
	require.NoError(t, err)
	var log strings.Builder
	api, err := admin.NewAPI(auth, admin.ByKey(auth), &admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-ApiKey", "full")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	require.Equal(t, 503, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.NotContains(t, w.Body.String(), "fire")
	require.Contains(t, log.String(), "disk on fire")
}

// busyStore is one in which somebody else is always quicker.
type busyStore struct{ *apikey.MemoryStore }

func (busyStore) Update(context.Context, *apikey.Key) error {
	return fmt.Errorf("busy: %w", apikey.ErrConflict)
}

// TestConflict: a change that others have forestalled is one to read again for,
// whether the client or the store was the one to notice.
func TestConflict(t *testing.T) {
	f := newFixture(t)
	auth, err := apikey.New(t.Context(), busyStore{f.store}, nil)
	require.NoError(t, err)
	var log strings.Builder
	api, err := admin.NewAPI(auth, admin.ByKey(auth), &admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	server := httptest.NewServer(api)
	defer server.Close()
	f.base = server.URL
	path := "/" + f.issue("contested", apikey.KeySpec{}).ID
	const stale, busy = "The key has changed since you read it. Read it again.", "Others keep changing this key. Try again."
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		detail                   string
	}{
		{"a patch", "PATCH", path, `{"name":"mine"}`, []string{"If-Match", `"1"`}, 412, stale},
		{"a rotation of what was read", "POST", path + "/rotate", `{"overlap":"0s"}`, []string{"If-Match", `"1"`}, 412, stale},
		{"a revocation of what was read", "POST", path + "/revoke", "", []string{"If-Match", `"1"`}, 412, stale},
		{"a rotation of whatever is there", "POST", path + "/rotate", `{"overlap":"0s"}`, nil, 409, busy},
		{"a revocation of whatever is there", "POST", path + "/revoke", "", nil, 409, busy},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := *f
			f.t = t
			got := f.call("full", c.method, c.path, c.body, c.header...)
			require.Equal(t, c.status, got.StatusCode, got.text)
			require.Equal(t, "application/problem+json", got.Header.Get("Content-Type"))
			require.Equal(t, c.detail, got.body["detail"])
			require.Empty(t, got.fields())
		})
	}
	require.Empty(t, log.String(), "nothing has failed")
}

// TestAuthorizer: a host's own authorization decides who acts, and how far.
func TestAuthorizer(t *testing.T) {
	f := newFixture(t)
	var actor apikey.Actor
	var refusal error
	api, err := admin.NewAPI(f.auth, func(_ http.ResponseWriter, _ *http.Request, need apikey.Permission) (apikey.Actor, *http.Request, error) {
		require.Equal(t, apikey.KeysManage, need)
		return actor, nil, refusal
	}, nil)
	require.NoError(t, err)
	server := httptest.NewServer(api)
	defer server.Close()
	f.base = server.URL

	require.Equal(t, 403, f.call("", "POST", "", `{"permissions":["jobs:view"]}`).StatusCode, "the zero Actor holds nothing")
	actor = apikey.Actor{ID: "user:1", Permissions: []apikey.Permission{apikey.Native}}
	require.Equal(t, 201, f.call("", "POST", "", `{"permissions":["jobs:view"]}`).StatusCode)
	refusal = errors.New("session 4711 has ended")
	got := f.call("", "GET", "", "")
	require.Equal(t, 403, got.StatusCode)
	require.NotContains(t, got.text, "4711")
	for _, row := range refusals {
		refusal = row.err
		got := f.call("", "GET", "", "")
		require.Equal(t, row.status, got.StatusCode, row.err)
		require.Contains(t, got.text, row.text)
	}
}

// refusals are errors by which an Authorizer can say why.
var refusals = []struct {
	err    error
	status int
	text   string
}{
	{apikey.ErrForbidden, 403, "does not have the permission"},
	{fmt.Errorf("no session: %w", apikey.ErrNoKey), 401, "No API key was given."},
	{&apikey.Error{Reason: apikey.ErrStoreFailed}, 503, "cannot be checked at the moment"},
	{&apikey.Error{Reason: apikey.ErrNoKey, Detail: "Sign in first."}, 401, "Sign in first."},
	{&apikey.Error{Reason: apikey.ErrForbidden, Status: 404, Detail: "Not here."}, 404, "Not here."},
	{&apikey.Error{}, 500, "not set up for this request"},
}

type lookupOnly struct{}

func (lookupOnly) Lookup(context.Context, apikey.Digest) (*apikey.Key, error) {
	return nil, apikey.ErrNotFound
}

func TestNewAPIRefuses(t *testing.T) {
	f := newFixture(t)
	_, err := admin.NewAPI(f.auth, nil, nil)
	require.ErrorContains(t, err, "Authorizer")
	plain, err := apikey.New(t.Context(), lookupOnly{}, nil)
	require.NoError(t, err)
	_, err = admin.NewAPI(plain, admin.ByKey(plain), nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	other, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Catalog: apikey.Catalog{{Permission: "orders"}}})
	require.NoError(t, err)
	_, err = admin.NewAPI(other, admin.ByKey(other), nil)
	require.ErrorContains(t, err, "keys:manage")
}

// TestNoSecretInAnswers: what is stored of a text is in no answer.
func TestNoSecretInAnswers(t *testing.T) {
	f := newFixture(t)
	created := f.call("full", "POST", "", `{"key":"Very-Secret-Text-1"}`)
	id := created.key()["id"].(string)
	sum := apikey.DigestOf("Very-Secret-Text-1")
	digest := fmt.Sprintf("%x", sum[:])
	for _, got := range []answer{
		created, f.call("full", "GET", "", ""), f.call("full", "GET", "/"+id, ""),
		f.call("full", "POST", "", `{"key":"Very-Secret-Text-1"}`),
		f.call("full", "POST", "", `{"key":"Very-Secret-Text-1 "}`),
		f.call("full", "POST", "/"+id+"/rotate", `{"overlap":"0s","key":"Very-Secret-Text-1"}`),
	} {
		require.NotContains(t, got.text, "Very-Secret")
		require.NotContains(t, got.text, digest)
		for _, values := range got.Header {
			require.NotContains(t, strings.Join(values, " "), "Very-Secret")
		}
	}
}
