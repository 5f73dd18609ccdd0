package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/domain"
)

// endpoints says what every call of Otter's API needs. It is copied by hand from
// Inedo's documentation, and on purpose from nothing in this program.
var endpoints = []struct {
	methods, path string
	needs         apikey.Permission
}{
	{"GET POST", "/api/jobs/trigger?template=hdars", "jobs:trigger"},
	{"GET POST", "/api/jobs/status?token=1", "jobs:view"},
	{"GET POST", "/api/jobs/logs?token=1", "jobs:view"},

	{"POST", "/api/infrastructure/servers/list", "infrastructure:view"},
	{"POST", "/api/infrastructure/servers/list?name=mdapxsv", "infrastructure:view"},
	{"POST", "/api/infrastructure/servers/create/new1", "infrastructure:update"},
	{"POST", "/api/infrastructure/servers/update/mdapxsv", "infrastructure:update"},
	{"POST", "/api/infrastructure/servers/delete/new1", "infrastructure:update"},
	{"POST", "/api/infrastructure/roles/list", "infrastructure:view"},
	{"POST", "/api/infrastructure/roles/create/new2", "infrastructure:update"},
	{"POST", "/api/infrastructure/roles/update/hdars", "infrastructure:update"},
	{"POST", "/api/infrastructure/roles/delete/new2", "infrastructure:update"},
	{"POST", "/api/infrastructure/environments/list", "infrastructure:view"},
	{"POST", "/api/infrastructure/environments/create/new3", "infrastructure:update"},
	{"POST", "/api/infrastructure/environments/update/testing", "infrastructure:update"},
	{"POST", "/api/infrastructure/environments/delete/new3", "infrastructure:update"},

	{"GET POST PUT", "/api/variables/server/mdapxsv", "variables"},
	{"GET POST PUT DELETE", "/api/variables/server/mdapxsv/disk-path", "variables"},
	{"GET POST PUT", "/api/variables/role/hdars", "variables"},
	{"GET POST PUT DELETE", "/api/variables/role/hdars/some%20name", "variables"},
	{"GET POST PUT", "/api/variables/environment/production", "variables"},
	{"GET POST PUT DELETE", "/api/variables/environment/production/key", "variables"},
	{"GET POST PUT", "/api/variables/global", "variables"},
	{"GET POST PUT DELETE", "/api/variables/global/organization", "variables"},
	{"GET POST PUT", "/api/variables/scoped/all", "variables"},
	{"POST PUT DELETE", "/api/variables/scoped/single", "variables"},

	{"GET POST", "/api/configuration/status?server=mdapxsv", "configuration"},
	{"GET POST", "/api/configuration/status?role=web", "configuration"},
	{"GET POST", "/api/configuration/check", "configuration"},
	{"GET POST", "/api/configuration/remediate/server/hdarsintsv1?simulate=true", "configuration"},
	{"GET POST", "/api/configuration/remediate/role/web?job=auto", "configuration"},
	{"GET POST", "/api/configuration/remediate/environment/testing", "configuration"},
	{"GET POST", "/api/configuration/remediate/status?token=1", "configuration"},
	{"GET POST", "/api/configuration/server/mdapxsv", "configuration"},

	{"GET POST", "/api/json/Servers_GetServers", "native"},
	{"GET POST", "/api/json/Roles_GetRoles", "native"},
	{"GET POST", "/api/json/Variables_GetAll", "native"},
}

// holders are those who ask: whoever holds each of Otter's permissions, and whoever
// has no valid key. With native comes all the rest; nothing else implies anything.
var holders = []struct {
	name    string
	holds   apikey.Permission
	invalid bool
}{
	{name: "native", holds: "native"},
	{name: "jobs:trigger", holds: "jobs:trigger"},
	{name: "jobs:view", holds: "jobs:view"},
	{name: "infrastructure:view", holds: "infrastructure:view"},
	{name: "infrastructure:update", holds: "infrastructure:update"},
	{name: "infrastructure:usage", holds: "infrastructure:usage"},
	{name: "variables", holds: "variables"},
	{name: "configuration", holds: "configuration"},
	{name: "keys:manage", holds: "keys:manage"},
	{name: "logs:view", holds: "logs:view"},
	{name: "nothing", holds: ""},
	{name: "native, but disabled", holds: "native", invalid: true},
	{name: "native, but revoked", holds: "native", invalid: true},
	{name: "native, but rotated away", holds: "native", invalid: true},
	{name: "unknown", invalid: true},
	{name: "no key", invalid: true},
}

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// A way puts a key into a request to path.
type way struct {
	name string
	make func(method, path, key string) *http.Request
}

// waysIn are the four documented ones.
var waysIn = []way{
	{"header", func(method, path, key string) *http.Request {
		r := newRequest(method, path, "", "")
		r.Header.Set("X-ApiKey", key)
		return r
	}},
	{"query", func(method, path, key string) *http.Request {
		return newRequest(method, withParam(path, "key", key), "", "")
	}},
	{"form", func(method, path, key string) *http.Request {
		return newRequest(method, path, typeForm, url.Values{"key": {key}}.Encode())
	}},
	{"JSON", func(method, path, key string) *http.Request {
		body, _ := json.Marshal(map[string]string{"API_Key": key})
		return newRequest(method, path, typeJSON, string(body))
	}},
}

func withParam(path, name, value string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + url.Values{name: {value}}.Encode()
}

func newRequest(method, path, contentType, body string) *http.Request {
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// A client talks to one server, and knows the text of the key of each holder.
type client struct {
	base   string
	texts  map[string]string
	client *http.Client
}

var styles = map[string]apikey.ErrorHandler{"otter": apikey.OtterErrors, "problem": apikey.ProblemErrors}

func newServer(t *testing.T, style string) (http.Handler, client) {
	t.Helper()
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Prefix: "otter"})
	require.NoError(t, err)
	handler, err := newHandler(auth, styles[style], domain.Seeded())
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return handler, client{server.URL, issueAll(t, auth), &http.Client{Transport: transport}}
}

// issueAll makes the key of each holder.
func issueAll(t *testing.T, auth *apikey.Authority) map[string]string {
	t.Helper()
	texts := map[string]string{"no key": ""}
	ctx := t.Context()
	for _, h := range holders {
		spec := apikey.KeySpec{Name: h.name, Disabled: h.name == "native, but disabled"}
		if h.holds != "" {
			spec.Permissions = []apikey.Permission{h.holds}
		}
		if h.name == "no key" {
			continue
		}
		key, secret, err := auth.Issue(ctx, spec)
		require.NoError(t, err)
		texts[h.name] = secret.Reveal()
		switch h.name {
		case "native, but revoked":
			_, err = auth.Revoke(ctx, key.ID)
		case "native, but rotated away":
			_, _, err = auth.Rotate(ctx, key.ID, 0)
		case "unknown":
			err = auth.Delete(ctx, key.ID)
		}
		require.NoError(t, err)
	}
	return texts
}

// An answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends r, whose URL is a path, to the server.
func (c client) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	base, err := url.Parse(c.base)
	require.NoError(t, err)
	r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
	resp, err := c.client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// TestMatrix: key and route alone decide, whichever way the key came.
func TestMatrix(t *testing.T) {
	for style := range styles {
		_, c := newServer(t, style)
		t.Run(style, func(t *testing.T) {
			for _, way := range waysIn {
				t.Run(way.name, func(t *testing.T) {
					t.Parallel()
					c.tryAll(t, style, way)
				})
			}
		})
	}
}

func (c client) tryAll(t *testing.T, style string, way way) {
	t.Helper()
	for _, e := range endpoints {
		for _, h := range holders {
			for method := range strings.FieldsSeq(e.methods) {
				got := c.send(t, way.make(method, e.path, c.texts[h.name]))
				want := expected(style, h.holds, h.invalid, e.needs)
				if why := want.differs(got); why != "" {
					t.Errorf("%s %s, which needs %s, by %s: %s\n%d %s",
						method, e.path, e.needs, h.name, why, got.status, got.body)
				}
				if text := c.texts[h.name]; text != "" && strings.Contains(got.body, text) {
					t.Errorf("%s %s by %s: the answer repeats the key", method, e.path, h.name)
				}
			}
		}
	}
}

// A verdict is what the documentation says of a request.
type verdict struct {
	allowed bool
	status  int // of a refusal
	body    string
	missing apikey.Permission
}

const otterRefusal = "The specified API key does not have the proper permissions to perform this action.\n"

func expected(style string, holds apikey.Permission, invalid bool, needs apikey.Permission) verdict {
	allowed := !invalid && (holds == needs || holds == "native")
	switch {
	case allowed:
		return verdict{allowed: true}
	case style == "otter":
		return verdict{status: 403, body: otterRefusal}
	case invalid:
		return verdict{status: 401}
	}
	return verdict{status: 403, missing: needs}
}

// differs says in what got is not as v has it; empty if it is.
func (v verdict) differs(got answer) string {
	challenge := got.header.Get("WWW-Authenticate")
	switch {
	case v.allowed && slices.Contains([]int{401, 403, 405}, got.status), v.allowed && got.status >= 500:
		return "want it handled"
	case v.allowed:
		return ""
	case got.status != v.status:
		return "want it refused"
	case v.body != "" && got.body != v.body:
		return "want Otter's sentence"
	case (challenge != "") != (v.status == 401):
		return "a challenge comes with 401 alone, not: " + challenge
	case got.header.Get("Cache-Control") != "no-store":
		return "a refusal must not be cached"
	case v.body == "":
		return v.problemDiffers(got)
	}
	return ""
}

func (v verdict) problemDiffers(got answer) string {
	var body struct {
		Status  int                 `json:"status"`
		Missing []apikey.Permission `json:"missing"`
	}
	want := slices.DeleteFunc([]apikey.Permission{v.missing}, func(p apikey.Permission) bool { return p == "" })
	switch err := json.Unmarshal([]byte(got.body), &body); {
	case err != nil:
		return err.Error()
	case got.header.Get("Content-Type") != "application/problem+json" || body.Status != v.status:
		return "want a problem detail"
	case !slices.Equal(want, body.Missing):
		return "want the missing permission named"
	}
	return ""
}

// TestEveryRouteIsInTheTable: a route that is added without a line in the table
// fails here, and so does a line that no route serves.
func TestEveryRouteIsInTheTable(t *testing.T) {
	handler, _ := newServer(t, "otter")
	router, ok := handler.(chi.Routes)
	require.True(t, ok)
	listed := map[string]bool{}
	for _, e := range endpoints {
		path, _, _ := strings.Cut(e.path, "?")
		for method := range strings.FieldsSeq(e.methods) {
			pattern := router.Find(chi.NewRouteContext(), method, path)
			require.NotEmpty(t, pattern, "no route serves %s %s", method, path)
			listed[method+" "+strings.TrimSuffix(pattern, "/")] = true
		}
	}
	routed := map[string]bool{}
	note := func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !isElsewhere(pattern) {
			routed[method+" "+strings.TrimSuffix(pattern, "/")] = true
		}
		return nil
	}
	require.NoError(t, chi.Walk(router, note))
	assert.Equal(t, listed, routed)
}

// isElsewhere reports whether a route is not part of Otter's API. What guards
// those has tests of its own.
func isElsewhere(pattern string) bool {
	for _, mount := range []string{"/api/api-keys", "/administration/api-keys", "/feeds"} {
		if pattern == mount || strings.HasPrefix(pattern, mount+"/") {
			return true
		}
	}
	return pattern == "/health"
}

// TestOtherMethods: a method that the documentation does not list does nothing,
// whoever asks.
func TestOtherMethods(t *testing.T) {
	_, c := newServer(t, "otter")
	for _, e := range endpoints {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(strings.Fields(e.methods), method) {
				continue
			}
			header := waysIn[0]
			got := c.send(t, header.make(method, e.path, c.texts["native"]))
			assert.Equal(t, 405, got.status, "%s %s", method, e.path)
			got = c.send(t, header.make(method, e.path, ""))
			assert.Contains(t, []int{403, 405}, got.status, "%s %s without a key", method, e.path)
		}
	}
}

// TestNoPathAroundTheGuard: no other spelling of a path is served without a key.
func TestNoPathAroundTheGuard(t *testing.T) {
	_, c := newServer(t, "otter")
	for _, e := range endpoints {
		path, query, _ := strings.Cut(e.path, "?")
		for _, spelling := range []string{
			path + "/", path + "//", "/" + path, strings.Replace(path, "/api/", "/api//", 1),
			strings.Replace(path, "/api/", "/%61pi/", 1), strings.Replace(path, "/api/", "/API/", 1),
			"/health/.." + path, "/health/%2e%2e" + path, "/health%2f.." + path, "/api/x/.." + path[len("/api"):],
			path + "/.", path + "/x/..", path + ";x", path + "%00", path + ".json", path + "/health", path + "%3f",
			"http://otter.invalid" + path, "http://otter.invalid/health/.." + path,
		} {
			for method := range strings.FieldsSeq(e.methods) {
				r := newRequest(method, "/", "", "")
				r.URL = &url.URL{Opaque: spelling, RawQuery: query}
				got := c.send(t, r)
				assert.Contains(t, []int{400, 403, 404, 405}, got.status, "%s %s", method, spelling)
			}
		}
	}
}

// TestManagementOfKeys: Otter's permissions do not open it, save full control, and
// its refusals are the same in either style.
func TestManagementOfKeys(t *testing.T) {
	for style := range styles {
		_, c := newServer(t, style)
		for _, h := range holders {
			for _, way := range waysIn {
				got := c.send(t, way.make("GET", "/api/api-keys?limit=1", c.texts[h.name]))
				want := expected("problem", h.holds, h.invalid, "keys:manage")
				assert.Empty(t, want.differs(got), "%s, %s, by %s: %d %s", style, way.name, h.name, got.status, got.body)
			}
		}
		got := c.send(t, newRequest("GET", "/health", "", ""))
		assert.Equal(t, 200, got.status, "health is open")
	}
}
