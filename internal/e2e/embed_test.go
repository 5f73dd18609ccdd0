// Package e2e holds the library against other people's software.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// The claims of docs/embedding.md are held by the tests of this file and of the
// files embed_*_test.go; the code blocks there are functions here.
func TestEmbeddingIsTested(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repo, "docs", "embedding.md"))
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		code.Write(text)
	}
	blocks := goBlocks.FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		assert.Contains(t, code.String(), strings.TrimSpace(block[1]))
	}
	tests := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	require.NotEmpty(t, tests)
	for _, test := range tests {
		assert.Contains(t, code.String(), "func "+test[1]+"(t ")
	}
}

const (
	canary   = "canary-9F3kQ7" // the text of the key: it must show up nowhere behind Require
	weakling = "weakling-2b7X" // a key without permissions

	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// embedded returns an Authority whose store holds the two keys. It logs both bodies
// of all requests, and the test fails if the log has the key in it at the end.
func embedded(t *testing.T, opts *apikey.Options) *apikey.Authority {
	t.Helper()
	logging := apikey.Options{}
	if opts != nil {
		logging = *opts
	}
	logging.Log.Sink = apikey.NewMemoryLog(10_000)
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &logging)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, auth.Shutdown(context.Background()))
		if !logging.Log.Off {
			assert.NotContains(t, fmt.Sprintf("%+v", logged(t, auth)), canary)
		}
	})
	spec := apikey.KeySpec{Name: "caller", Permissions: []apikey.Permission{apikey.JobsView}, Logging: apikey.LogBoth}
	_, err = auth.IssueCustom(t.Context(), spec, canary)
	require.NoError(t, err)
	_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{Name: "weakling"}, weakling)
	require.NoError(t, err)
	return auth
}

// logged returns what the log has of requests, the oldest first.
func logged(t *testing.T, auth *apikey.Authority) []apikey.LogEntry {
	t.Helper()
	var entries []apikey.LogEntry
	q := apikey.LogQuery{Limit: 1000, Bodies: true}
	for begun := false; !begun || q.Cursor != ""; begun = true {
		page, next, err := auth.AccessLog(context.Background(), q)
		require.NoError(t, err)
		entries, q.Cursor = append(entries, page...), next
	}
	slices.Reverse(entries)
	return slices.DeleteFunc(entries, func(e apikey.LogEntry) bool { return e.Outcome == apikey.OutcomeChange })
}

// A sight is all that a handler sees of a request.
type sight struct {
	Key     string // the name of the key in the context
	Method  string
	URL     string
	URI     string // RequestURI
	Header  http.Header
	Body    string
	BodyErr string
	Length  int64 // ContentLength
	Coding  []string
	Trailer http.Header
}

// show answers with what it sees, as JSON.
func show(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	key, _ := apikey.FromContext(r.Context())
	s := sight{
		Key: key.Name, Method: r.Method, URL: r.URL.String(), URI: r.RequestURI, Header: r.Header,
		Body: string(body), Length: r.ContentLength, Coding: r.TransferEncoding, Trailer: r.Trailer,
	}
	if err != nil {
		s.BodyErr = err.Error()
	}
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(s)
}

// seen reads what show answered.
func seen(t *testing.T, a answer) sight {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	var s sight
	require.NoError(t, json.Unmarshal([]byte(a.body), &s), a.body)
	return s
}

// serving starts a server for the length of the test.
func serving(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// An ask is a request to make; the zero value is a GET without a key.
type ask struct {
	method string // default: POST with a Content-Type, else GET
	header []string
	kind   string // Content-Type
	body   string
	chunk  bool // send the body chunked
	client *http.Client
}

// with returns an ask with the key in the header.
func with(key string) ask { return ask{header: []string{"X-ApiKey", key}} }

// An answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	proto  int
	body   string
}

var once = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       10 * time.Second,
}

// do makes the request, and fails the test where that is not answered.
func (a ask) do(t *testing.T, url string) answer {
	t.Helper()
	got, err := a.send(t.Context(), url)
	require.NoError(t, err)
	return got
}

// send is do for other goroutines than the test's, which must not end it.
func (a ask) send(ctx context.Context, url string) (answer, error) {
	method := a.method
	switch {
	case method != "":
	case a.kind != "":
		method = "POST"
	default:
		method = "GET"
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(a.body))
	if err != nil {
		return answer{}, err
	}
	if a.chunk {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(a.body)), -1
		req.Trailer = http.Header{"X-Sum": {"42"}}
	}
	for i := 0; i < len(a.header); i += 2 {
		req.Header.Add(a.header[i], a.header[i+1])
	}
	if a.kind != "" {
		req.Header.Set("Content-Type", a.kind)
	}
	client := a.client
	if client == nil {
		client = once
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, resp.ProtoMajor, string(body)}, err
}

// A way is a request that carries a key in one place, and what is left of it.
type way struct {
	name               string
	query              string
	ask                ask
	wantQuery, wantDoc string
}

// ways returns the four ways of Otter, each carrying key.
func ways(key string) []way {
	return []way{
		{
			name: "header", query: "?a=1", ask: ask{kind: jsonType, body: `{"a":1}`, header: []string{"X-ApiKey", key}},
			wantQuery: "?a=1", wantDoc: `{"a":1}`,
		},
		{
			name: "query", query: "?a=1&key=" + key, ask: ask{kind: jsonType, body: `{"a":1}`},
			wantQuery: "?a=1", wantDoc: `{"a":1}`,
		},
		{
			name: "form", query: "?a=1", ask: ask{kind: formType, body: "b=2&key=" + key + "&c=3"},
			wantQuery: "?a=1", wantDoc: "b=2&c=3",
		},
		{
			name: "JSON", query: "?a=1", ask: ask{kind: jsonType, body: `{"API_Key":"` + key + `","a":1}`},
			wantQuery: "?a=1", wantDoc: `{"a":1}`,
		},
	}
}

// check asserts that the handler saw the request of w without its key, and
// nothing else amiss.
func (w way) check(t *testing.T, a answer) {
	t.Helper()
	s := seen(t, a)
	assert.NotContains(t, a.body, canary)
	assert.True(t, strings.HasSuffix(s.URL, w.wantQuery), s.URL)
	assert.True(t, strings.HasSuffix(s.URI, w.wantQuery), s.URI)
	assert.Equal(t, w.wantDoc, s.Body)
	assert.Empty(t, s.BodyErr)
	if w.ask.chunk {
		assert.Equal(t, int64(-1), s.Length)
	} else {
		assert.Equal(t, int64(len(w.wantDoc)), s.Length)
	}
}

// slowPost sends a POST whose body never comes to its end, and returns the
// status of the answer, or 0 where none comes in time.
func slowPost(t *testing.T, base, path string, wait time.Duration) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	const head = "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: 50\r\n\r\nkey="
	_, err = fmt.Fprintf(conn, head, path, formType)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(wait)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
