package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

const apiPath = "/api/api-keys"

// A described server answers by the JSON API, and holds each answer against the
// document that it gives of itself.
type described struct {
	t      *testing.T
	auth   *apikey.Authority
	base   string
	router routers.Router
	doc    *openapi3.T
	store  *moody

	mu   sync.Mutex
	seen map[string]bool // operations and statuses
}

// A moody store fails, or is always busy, when told to.
type moody struct {
	*apikey.MemoryStore
	down, busy atomic.Bool
}

func (m *moody) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	if m.down.Load() {
		return nil, errors.New("down")
	}
	return m.MemoryStore.Lookup(ctx, d)
}

func (m *moody) Update(ctx context.Context, key *apikey.Key) error {
	if m.busy.Load() {
		return apikey.ErrConflict
	}
	return m.MemoryStore.Update(ctx, key)
}

func newDescribed(t *testing.T, log apikey.LogSink) *described {
	t.Helper()
	d := &described{t: t, store: &moody{MemoryStore: apikey.NewMemoryStore()}, seen: map[string]bool{}}
	var err error
	d.auth, err = apikey.New(t.Context(), d.store, &apikey.Options{
		BodyTimeout: 50 * time.Millisecond, Log: apikey.LogOptions{Sink: log}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.auth.Shutdown(context.Background())) })
	for text, held := range map[string]apikey.Permission{fullKey: apikey.Native, weakling: apikey.JobsView} {
		_, err = d.auth.IssueCustom(t.Context(), apikey.KeySpec{Name: "caller", Permissions: []apikey.Permission{held}, ExpiresAt: time.Now().Add(time.Hour)}, text)
		require.NoError(t, err)
	}
	api, err := admin.NewAPI(d.auth, admin.ByKey(d.auth), nil)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount(apiPath, api)
	r.With(d.auth.Require(apikey.JobsView)).HandleFunc("/job", show)
	d.base = serving(t, r)

	text := with(fullKey).do(t, d.base+apiPath+"/openapi.json")
	require.Equal(t, 200, text.status, text.body)
	d.doc, err = openapi3.NewLoader().LoadFromData([]byte(text.body))
	require.NoError(t, err)
	require.NoError(t, d.doc.Validate(t.Context()))
	d.router, err = legacy.NewRouter(d.doc)
	require.NoError(t, err)
	return d
}

// RoundTrip sends a request and checks the answer.
func (d *described) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	relative := r.Clone(r.Context())
	relative.URL.Scheme, relative.URL.Host = "", "" // the document names a path
	route, params, err := d.router.FindRoute(relative)
	if err != nil {
		return nil, err
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		return nil, fmt.Errorf("%s %s answers %d %s: %w", r.Method, r.URL, resp.StatusCode, body, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[fmt.Sprint(route.Operation.OperationID, " ", resp.StatusCode)] = true
	return resp, nil
}

func (d *described) client() *http.Client { return &http.Client{Transport: d} }

// send makes a request to a path of the API, and returns the status and the answer.
func (d *described) send(method, path, body string, header ...string) (int, map[string]any) {
	d.t.Helper()
	a := ask{method: method, body: body, header: header, client: d.client()}
	got := a.do(d.t, d.base+apiPath+path)
	var answer map[string]any
	if got.body != "" {
		require.NoError(d.t, json.Unmarshal([]byte(got.body), &answer), got.body)
	}
	return got.status, answer
}

// An operation is one of the document, and a legal request for it.
type operation struct{ id, method, path, body string }

// operations returns one request for each operation of the document.
func (d *described) operations(keyID string) (all []operation) {
	bodies := map[string]string{"createKey": "{}", "updateKey": "{}", "rotateKey": `{"overlap":"0s"}`, "revokeKey": "{}"}
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{op.OperationID, method, strings.ReplaceAll(path, "{id}", keyID), bodies[op.OperationID]})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
}

// TestOpenAPI: every answer of the API, and every refusal of every call, is as its
// document says; and the document says of none that cannot be.
func TestOpenAPI(t *testing.T) {
	d := newDescribed(t, apikey.NewMemoryLog(100))
	id := d.successes()
	path := "/" + id
	d.mistakes(path)
	d.refusals(id)
	d.expect(200, "POST", path+"/revoke", "")
	d.expect(409, "POST", path+"/rotate", `{"overlap":"0s"}`)
	d.expect(204, "DELETE", path, "")

	silent := newDescribed(t, nil)
	silent.seen = d.seen
	silent.expect(501, "GET", "/access-logs", "")
	require.ElementsMatch(t, d.documented(), slices.Collect(maps.Keys(d.seen)))
}

// expect makes a request with full control, whose answer must have that status.
func (d *described) expect(want int, method, path, body string, header ...string) map[string]any {
	d.t.Helper()
	header = append([]string{"X-ApiKey", fullKey, "Content-Type", jsonType}, header...)
	status, answer := d.send(method, path, body, header...)
	require.Equal(d.t, want, status, "%v", answer)
	return answer
}

// successes makes every call that can succeed while a key lives, and returns the ID of
// a key, whose version is 4 then.
func (d *described) successes() (id string) {
	d.t.Helper()
	made := d.expect(201, "POST", "", `{"name":"n","description":"d","subject":"s","permissions":["jobs:view"],"logging":"both",`+
		`"disabled":false,"expiresAt":"2999-01-01T00:00:00Z","metadata":{"a":"b"}}`)
	id = made["key"].(map[string]any)["id"].(string)
	path := "/" + id
	asked := with(made["secret"].(string))
	asked.kind, asked.body = jsonType, `{"a":1}`
	require.Equal(d.t, 200, asked.do(d.t, d.base+"/job").status)
	d.expect(201, "POST", "", `{"key":"chosen-text","name":null,"expiresAt":null,"metadata":null}`)
	d.expect(200, "GET", "?limit=1&q=n", "")
	d.expect(200, "GET", path, "")
	d.expect(200, "PATCH", path, `{"name":"m","expiresAt":null,"metadata":{"a":null}}`, "If-Match", `"1"`)
	d.expect(200, "POST", path+"/rotate", `{"overlap":"1h"}`)
	d.expect(200, "POST", path+"/rotate", `{"overlap":"0s","key":"chosen-text-2"}`)
	d.expect(200, "GET", "/permissions", "")
	d.expect(200, "GET", "/openapi.json", "")
	eventually(d.t, func() bool {
		return len(d.expect(200, "GET", "/access-logs?status=200&path=/job", "")["entries"].([]any)) > 0
	})
	d.expect(200, "GET", "/access-logs?limit=3", "")
	return id
}

// mistakes makes the calls that are refused for what they ask for. The path is that of
// a key of version 4.
func (d *described) mistakes(path string) {
	d.t.Helper()
	d.expect(409, "POST", "", `{"key":"chosen-text"}`)
	d.expect(422, "POST", "", `{"nam":1,"expiresAt":"2001-01-01T00:00:00Z","permissions":["no:such"]}`)
	d.expect(422, "PATCH", path, `{"id":"x"}`, "If-Match", `"4"`)
	d.expect(412, "PATCH", path, `{}`, "If-Match", `"1"`)
	d.expect(428, "PATCH", path, `{}`)
	d.expect(412, "POST", path+"/rotate", `{"overlap":"0s"}`, "If-Match", `"1"`)
	d.expect(412, "POST", path+"/revoke", "", "If-Match", `"1"`)
	d.expect(412, "DELETE", path, "", "If-Match", `"1"`)
	d.expect(422, "POST", path+"/rotate", `{}`)
	d.expect(422, "POST", path+"/revoke", `{"why":"x"}`)
	d.store.busy.Store(true)
	d.expect(409, "POST", path+"/rotate", `{"overlap":"0s"}`)
	d.expect(409, "POST", path+"/revoke", "")
	d.store.busy.Store(false)
	for _, op := range d.operations("none") {
		if strings.Contains(op.path, "none") && op.method != "DELETE" {
			d.expect(404, op.method, op.path, op.body, "If-Match", `"1"`)
		}
	}
	d.expect(404, "DELETE", "/none", "", "If-Match", `"1"`)
	d.expect(400, "GET", "/access-logs?status=ok&limit=0", "")
}

// documented lists the operations and statuses of the document.
func (d *described) documented() (all []string) {
	for _, item := range d.doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				all = append(all, op.OperationID+" "+status)
			}
		}
	}
	return all
}

// refusals provokes what every call can answer before it is known what it asks for.
func (d *described) refusals(id string) {
	d.t.Helper()
	for _, op := range d.operations(id) {
		expect := func(want int, header []string, body string) {
			d.t.Helper()
			status, answer := d.send(op.method, op.path, body, header...)
			require.Equal(d.t, want, status, "%s: %v", op.id, answer)
		}
		expect(400, []string{"X-ApiKey", fullKey, "X-Apikey", weakling}, "")
		expect(401, nil, "")
		expect(403, []string{"X-ApiKey", weakling}, "")
		expect(413, []string{"Content-Type", jsonType}, `{"a":"`+strings.Repeat("a", 2<<20)+`"}`)
		expect(415, []string{"Content-Type", jsonType, "Content-Encoding", "gzip"}, "{}")
		d.store.down.Store(true)
		expect(503, []string{"X-ApiKey", fullKey}, "")
		d.store.down.Store(false)

		body, hold := io.Pipe()
		req, err := http.NewRequestWithContext(d.t.Context(), op.method, d.base+apiPath+op.path, body)
		require.NoError(d.t, err)
		req.Header.Set("Content-Type", jsonType)
		resp, err := d.client().Do(req)
		require.NoError(d.t, err)
		resp.Body.Close()
		hold.Close()
		require.Equal(d.t, 408, resp.StatusCode, op.id)
	}
}
