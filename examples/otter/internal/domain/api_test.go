package domain

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	formType   = "application/x-www-form-urlencoded"
	objectType = "application/json"
	textType   = "text/plain; charset=utf-8"
)

// routes is the whole API as a program mounts it, but open to everybody.
func routes(o *Otter) http.Handler {
	r := chi.NewRouter()
	r.Route("/api/jobs", func(r chi.Router) {
		getOrPost(r, "/trigger", o.TriggerJob)
		getOrPost(r, "/status", o.JobStatus)
		getOrPost(r, "/logs", o.JobLogs)
	})
	r.Route("/api/infrastructure/{entries}", func(r chi.Router) {
		r.Post("/list", o.ListEntries)
		r.Post("/create/{name}", o.CreateEntry)
		r.Post("/update/{name}", o.UpdateEntry)
		r.Post("/delete/{name}", o.DeleteEntry)
	})
	r.Route("/api/variables", func(r chi.Router) {
		r.Route("/scoped", func(r chi.Router) {
			r.Get("/all", o.ScopedVariables)
			postOrPut(r, "/all", o.SetScopedVariables)
			postOrPut(r, "/single", o.SetScopedVariable)
			r.Delete("/single", o.DeleteScopedVariable)
		})
		for _, scope := range []string{"/global", "/{type}/{entity}"} {
			r.Route(scope, func(r chi.Router) {
				r.Get("/", o.Variables)
				postOrPut(r, "/", o.SetVariables)
				r.Get("/{variable}", o.Variable)
				postOrPut(r, "/{variable}", o.SetVariable)
				r.Delete("/{variable}", o.DeleteVariable)
			})
		}
	})
	r.Route("/api/configuration", func(r chi.Router) {
		getOrPost(r, "/status", o.ConfigurationStatus)
		getOrPost(r, "/check", o.CheckConfiguration)
		getOrPost(r, "/remediate/status", o.RemediationStatus)
		getOrPost(r, "/remediate/{type}/{name}", o.Remediate)
		getOrPost(r, "/server/{name}", o.ServerConfiguration)
	})
	getOrPost(r, "/api/json/{method}", o.Native)
	return r
}

func getOrPost(r chi.Router, pattern string, h http.HandlerFunc) {
	r.Get(pattern, h)
	r.Post(pattern, h)
}

func postOrPut(r chi.Router, pattern string, h http.HandlerFunc) {
	r.Post(pattern, h)
	r.Put(pattern, h)
}

// api is a client of one running server.
type api struct {
	t   *testing.T
	url string
}

// answer is what came back.
type answer struct {
	status      int
	contentType string
	body        string
}

// seeded starts a server of the seeded Otter.
func seeded(t *testing.T) api {
	t.Helper()
	server := httptest.NewServer(routes(Seeded()))
	t.Cleanup(server.Close)
	return api{t, server.URL}
}

// do sends one request. A content type of "" leaves the header out.
func (a api) do(method, path, contentType, body string) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	require.NoError(a.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(a.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(a.t, err)
	return answer{res.StatusCode, res.Header.Get("Content-Type"), string(text)}
}

func (a api) get(path string) answer {
	a.t.Helper()
	return a.do("GET", path, "", "")
}

func (a api) post(path, body string) answer {
	a.t.Helper()
	return a.do("POST", path, objectType, body)
}

// ok sends a request that must be answered 200, and returns the body.
func (a api) ok(method, path, body string) string {
	a.t.Helper()
	got := a.do(method, path, objectType, body)
	require.Equal(a.t, 200, got.status, "%s %s: %s", method, path, got.body)
	return got.body
}

// refused asserts that got is one line of plain text that says what want says.
func refused(t *testing.T, got answer, status int, want string) {
	t.Helper()
	assert.Equal(t, status, got.status, got.body)
	assert.Equal(t, textType, got.contentType)
	assert.Contains(t, got.body, want)
	assert.Equal(t, 1, strings.Count(got.body, "\n"), "a refusal is one line: %q", got.body)
	for _, leak := range []string{"domain.", "json:", "Go ", "goroutine"} {
		assert.NotContains(t, got.body, leak)
	}
}

// decoded returns the JSON in an answer.
func decoded[T any](t *testing.T, got answer) T {
	t.Helper()
	var value T
	assert.Equal(t, objectType, got.contentType)
	require.NoError(t, json.Unmarshal([]byte(got.body), &value), got.body)
	return value
}

func TestOnlyTheDocumentedMethodsAreRouted(t *testing.T) {
	a := seeded(t)
	for path, allowed := range map[string]string{
		"/api/jobs/trigger":                     "GET POST",
		"/api/jobs/status":                      "GET POST",
		"/api/jobs/logs":                        "GET POST",
		"/api/infrastructure/servers/list":      "POST",
		"/api/infrastructure/roles/create/x":    "POST",
		"/api/infrastructure/roles/update/x":    "POST",
		"/api/infrastructure/roles/delete/x":    "POST",
		"/api/variables/global":                 "GET POST PUT",
		"/api/variables/global/x":               "GET POST PUT DELETE",
		"/api/variables/server/x":               "GET POST PUT",
		"/api/variables/server/x/y":             "GET POST PUT DELETE",
		"/api/variables/scoped/all":             "GET POST PUT",
		"/api/variables/scoped/single":          "POST PUT DELETE",
		"/api/configuration/status":             "GET POST",
		"/api/configuration/check":              "GET POST",
		"/api/configuration/remediate/server/x": "GET POST",
		"/api/configuration/remediate/status":   "GET POST",
		"/api/configuration/server/x":           "GET POST",
		"/api/json/Servers_GetServers":          "GET POST",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			got := a.do(method, path, "", "").status
			if strings.Contains(" "+allowed+" ", " "+method+" ") {
				assert.NotEqual(t, 405, got, "%s %s", method, path)
			} else {
				assert.Equal(t, 405, got, "%s %s", method, path)
			}
		}
	}
}

func TestParameters(t *testing.T) {
	for name, row := range map[string]struct {
		query, contentType, form string
		status                   int
		says                     string
	}{
		"from the query":                        {query: "?template=hdars", status: 200},
		"from the form":                         {contentType: formType, form: "template=hdars", status: 200},
		"from a form with a charset":            {contentType: formType + "; charset=utf-8", form: "template=hdars", status: 200},
		"in both, the query wins":               {"?template=hdars", formType, "template=none", 200, ""},
		"in both, the form loses":               {"?template=none", formType, "template=hdars", 404, `"none"`},
		"a form under another type is no form":  {contentType: objectType, form: "template=hdars", status: 400, says: `"template" is missing`},
		"a form under no type is no form":       {form: "template=hdars", status: 400, says: `"template" is missing`},
		"missing":                               {status: 400, says: `"template" is missing`},
		"empty":                                 {query: "?template=", status: 400, says: `"template" is missing`},
		"repeated in the query":                 {query: "?template=hdars&template=hdars", status: 400, says: `"template" is repeated`},
		"repeated in the form":                  {contentType: formType, form: "template=hdars&template=x", status: 400, says: "repeated"},
		"another one repeated":                  {query: "?template=hdars&a=1&a=1", status: 400, says: `"a" is repeated`},
		"without a name":                        {query: "?template=hdars&=1", status: 400, says: "has no name"},
		"a broken escape in the query":          {query: "?template=%zz", status: 400, says: "percent-encoded"},
		"a broken escape in the form":           {contentType: formType, form: "template=%zz", status: 400, says: "percent-encoded"},
		"a semicolon between pairs":             {query: "?template=hdars;a=1", status: 400, says: "percent-encoded"},
		"a form of more than 1 MiB":             {contentType: formType, form: "a=" + strings.Repeat("x", maxBody), status: 413, says: "1048576"},
		"a line feed in a name stays in a line": {query: "?template=hdars&a%0Ab=1&a%0Ab=2", status: 400, says: `a\nb`},
	} {
		t.Run(name, func(t *testing.T) {
			got := seeded(t).do("POST", "/api/jobs/trigger"+row.query, row.contentType, row.form)
			if row.status == 200 {
				assert.Equal(t, answer{200, textType, "1"}, got)
				return
			}
			refused(t, got, row.status, row.says)
		})
	}
}
