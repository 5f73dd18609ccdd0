package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

// spell returns a text in the forms in which it may turn up.
func spell(text string) map[string]string {
	quoted := func(text string) string {
		q, _ := json.Marshal(text)
		return strings.Trim(string(q), `"`)
	}
	var units, references strings.Builder
	for _, r := range text {
		fmt.Fprintf(&units, `\u%04x`, r)
		fmt.Fprintf(&references, "&#%d;", r)
	}
	digits := func(text string) string {
		return strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "=")
	}
	return map[string]string{
		"raw":              text,
		"query":            url.QueryEscape(text),
		"query, twice":     url.QueryEscape(url.QueryEscape(text)),
		"path":             url.PathEscape(text),
		"path of a URL":    (&url.URL{Path: text}).EscapedPath(),
		"all percent":      "%" + strings.Join(strings.Fields(fmt.Sprintf("% x", text)), "%"),
		"JSON":             quoted(text),
		"JSON in JSON":     quoted(quoted(text)),
		"all JSON":         units.String(),
		"HTML":             html.EscapeString(text),
		"HTML in JSON":     quoted(html.EscapeString(text)),
		"all HTML":         references.String(),
		"base64":           digits(text),
		"base64 for URLs":  base64.RawURLEncoding.EncodeToString([]byte(text)),
		"Basic":            digits("api:" + text),
		"base64 in more":   digits("a=" + text + " and more"),
		"hex":              hex.EncodeToString([]byte(text)),
		"hex, in capitals": strings.ToUpper(hex.EncodeToString([]byte(text))),
	}
}

// pieces returns what is searched for of a form: all of it, and either end, in case
// it was cut.
func pieces(form string) []string {
	const end = 20
	if len(form) <= end {
		return []string{form}
	}
	return []string{form, form[:end], form[len(form)-end:]}
}

// A lockedBuffer is what a process has printed.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// A spiller is a server that does with keys what careless handlers do, and the texts
// that must turn up nowhere.
type spiller struct {
	*httptest.Server
	auth   *apikey.Authority
	output *lockedBuffer
	dir    string
	down   atomic.Bool // the store
	keys   map[string]string
}

// brittle is a store that fails when told to.
type brittle struct {
	apikey.ManagedStore
	down *atomic.Bool
}

func (s brittle) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	if s.down.Load() {
		return nil, errors.New("the disk is gone")
	}
	return s.ManagedStore.Lookup(ctx, d)
}

// sinks are all the places in which an access log can be.
var sinks = map[string]func(t *testing.T, c *spiller) apikey.LogSink{
	"slog as text": func(_ *testing.T, c *spiller) apikey.LogSink {
		return apikey.NewSlogLog(slog.New(slog.NewTextHandler(c.output, nil)))
	},
	"slog as JSON": func(_ *testing.T, c *spiller) apikey.LogSink {
		return apikey.NewSlogLog(slog.New(slog.NewJSONHandler(c.output, nil)))
	},
	"memory": func(*testing.T, *spiller) apikey.LogSink { return apikey.NewMemoryLog(10_000) },
	"SQLite": func(t *testing.T, c *spiller) apikey.LogSink {
		t.Helper()
		l, err := sqlite.OpenLog(t.Context(), filepath.Join(c.dir, "log.db"), nil)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, l.Close()) })
		return l
	},
}

func newSpiller(t *testing.T, sink func(*testing.T, *spiller) apikey.LogSink, pepper apikey.Pepper) *spiller {
	t.Helper()
	c := &spiller{output: &lockedBuffer{}, dir: t.TempDir(), keys: map[string]string{}}
	store, err := sqlite.Open(t.Context(), filepath.Join(c.dir, "keys.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, store.Close()) })
	c.auth, err = apikey.New(t.Context(), brittle{store, &c.down}, &apikey.Options{
		Logger:      slog.New(slog.NewTextHandler(c.output, nil)),
		Peppers:     []apikey.Pepper{pepper},
		Log:         apikey.LogOptions{Sink: sink(t, c)},
		BodyTimeout: time.Second,
	})
	require.NoError(t, err)
	c.issue(t)
	c.Server = httptest.NewUnstartedServer(c.handler())
	c.Config.ErrorLog = log.New(c.output, "", 0)
	c.Start()
	t.Cleanup(c.Close)
	return c
}

// issue makes a generated key and a custom one that needs escaping everywhere, and
// names two that do not exist.
func (c *spiller) issue(t *testing.T) {
	t.Helper()
	spec := apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsView}, Logging: apikey.LogBoth}
	_, secret, err := c.auth.Issue(t.Context(), spec)
	require.NoError(t, err)
	c.keys["generated"] = secret.Reveal()
	c.keys["custom"] = `canary & "co" <ö> /%41\u0043&amp;\ + x`
	_, err = c.auth.IssueCustom(t.Context(), spec, c.keys["custom"])
	require.NoError(t, err)
	other, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(t, err)
	_, secret, err = other.Issue(t.Context(), spec)
	require.NoError(t, err)
	c.keys["unknown generated"] = secret.Reveal()
	c.keys["unknown custom"] = `sparrow & "co" <ü> /%42\u0044&lt;\ + y`
}

// hunter is a secret of a client's that is no key.
const hunter = "hunter-2-9F3kQ7"

// whichKey is the header that names the key that a handler is to spill.
const whichKey = "X-Which-Key"

// handler routes to handlers each of which spills the presented key in all forms.
func (c *spiller) handler() http.Handler {
	spill := func(w io.Writer, r *http.Request) {
		for name, text := range spell(c.keys[r.Header.Get(whichKey)]) {
			_, _ = fmt.Fprintf(w, "%s is %s\n", name, text)
		}
		_, _ = fmt.Fprintln(w, "and others are", c.keys["generated"], c.keys["unknown generated"])
		dump, _ := httputil.DumpRequest(r, false)
		_, _ = w.Write(dump)
	}
	answer := func(status int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			spill(w, r)
		}
	}
	r := chi.NewRouter()
	r.Group(func(r chi.Router) {
		r.Use(c.auth.Require(apikey.JobsView))
		r.HandleFunc("/ok/*", answer(200, "text/plain"))
		r.HandleFunc("/json/*", answer(200, "application/json"))
		r.HandleFunc("/bad/*", answer(400, "text/html"))
		r.HandleFunc("/missing/*", answer(404, "application/problem+json"))
		r.HandleFunc("/method/*", answer(405, "text/plain"))
		r.HandleFunc("/redirect/*", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/ok/?key="+url.QueryEscape(c.keys["custom"])+"&key="+c.keys["generated"], http.StatusFound)
		})
		r.HandleFunc("/panic/*", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			spill(w, r)
			panic("spilt")
		})
		r.HandleFunc("/large/*", func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 10))
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			spill(w, r)
			fmt.Fprintln(w, err)
		})
		r.Handle("/slow/*", http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			spill(w, r)
			<-r.Context().Done()
		}), 20*time.Millisecond, "too slow"))
	})
	r.With(c.auth.Require(apikey.JobsTrigger)).HandleFunc("/forbidden/*", answer(200, "text/plain"))
	feed := c.auth.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromBasic("api"), apikey.FromBearer()}})
	r.With(feed.Require(apikey.JobsView)).HandleFunc("/feed/*", answer(200, "text/plain"))
	return r
}

// requests are the ways in which a client passes or spills a key.
func (c *spiller) requests(path, key string) map[string]*http.Request {
	forms := spell(key)
	requests := map[string]*http.Request{}
	add := func(name, query, contentType, body string, header ...string) {
		target := c.URL + path + forms["path"]
		if strings.HasPrefix(name, "a body") || path == "/feed/" && (name == "form" || name == "JSON") {
			target = c.URL + path // nobody can know which text is the key where a body is not read
		}
		r, err := http.NewRequest(http.MethodPost, target+"?"+query, strings.NewReader(body))
		if err != nil {
			panic("a request that is not legal: " + name)
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Referer", c.URL+"/?key="+forms["query"])
		r.Header.Set("Cookie", "a="+forms["query"])
		r.Header.Set("User-Agent", forms["query"])
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		requests[name] = r
	}
	everything := strings.Builder{}
	for name, text := range forms {
		fmt.Fprintf(&everything, "%s=%s\n", name, text)
	}
	add("header", "a="+forms["query"]+"&b="+forms["base64 for URLs"], "text/plain", everything.String(), "X-ApiKey", key)
	add("query", "key="+forms["query"]+"&b="+forms["hex"], "text/plain", everything.String())
	add("query, all escaped", "k%65y="+forms["all percent"], "application/json", `{"a":"`+forms["JSON"]+`"}`)
	add("form", "", "application/x-www-form-urlencoded", "a="+forms["query"]+"&key="+forms["query"]+"&c="+forms["all percent"])
	add("JSON", "", "application/json", `{"a":["`+forms["JSON"]+`"],"API_Key":"`+forms["JSON"]+`","b":"`+spell(forms["HTML"])["JSON"]+`"}`)
	add("header, and JSON beside it", "", "application/json", `{"API_Key":"`+forms["JSON"]+`","token":"x"}`, "X-ApiKey", key)
	add("two keys", "key="+forms["query"], "text/plain", everything.String(), "X-ApiKey", "another key")
	add("other secrets", "password="+hunter, "application/json", `{"a":{"clientSecret":"`+hunter+`"}}`, "X-ApiKey", key)
	add("Basic", "", "text/plain", everything.String(), "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("api:"+key)))
	add("Bearer", "", "text/plain", everything.String(), "Authorization", "Bearer "+key)
	add("a body that is no JSON", "", "application/json", `{"API_Key":"`+forms["JSON"])
	add("a body too large", "", "application/json", `{"API_Key":"`+forms["JSON"]+`","b":"`+strings.Repeat("x", 2<<20)+`"}`)
	if path == "/ok/" {
		for name, text := range forms {
			add(name+", across the cut", "", "text/plain", strings.Repeat(".", 16<<10-len(text)+1)+text+everything.String(), "X-ApiKey", key)
		}
	}
	return requests
}

// outcomes are the paths of requests, and the statuses of their answers: 0 where none
// came to its end.
var outcomes = map[string][]int{
	"/ok/":        {200, 400, 401, 413},
	"/json/":      {200},
	"/bad/":       {400, 503},
	"/missing/":   {404},
	"/method/":    {405},
	"/redirect/":  {302},
	"/panic/":     {0},
	"/large/":     {413},
	"/slow/":      {503},
	"/forbidden/": {403},
	"/feed/":      {200, 401},
}

// TestCanary: through every outcome and into every sink, no key in any form.
func TestCanary(t *testing.T) {
	for name, sink := range sinks {
		for peppered, pepper := range map[string]apikey.Pepper{
			"no pepper": apikey.NoPepper(), "pepper": apikey.NewPepper([]byte("sixteen bytes or more of pepper")),
		} {
			t.Run(name+", "+peppered, func(t *testing.T) {
				t.Parallel()
				c := newSpiller(t, sink, pepper)
				requests := 0
				for path, statuses := range outcomes {
					seen := c.drive(t, path)
					for _, status := range statuses {
						assert.Positive(t, seen[status], "no request to %s was answered with %d", path, status)
					}
					for _, n := range seen {
						requests += n
					}
				}
				require.NoError(t, c.auth.Shutdown(t.Context()))
				stats := c.auth.LogStats()
				require.Equal(t, stats.Accepted, stats.Stored)
				require.Equal(t, int64(requests+2), stats.Stored, "each request has its entry, and the two keys that were made")
				c.search(t, name)
			})
		}
	}
}

// drive makes all requests to a path, and counts the statuses of the answers.
func (c *spiller) drive(t *testing.T, path string) (seen map[int]int) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	seen = map[int]int{}
	for kind, key := range c.keys {
		for name, r := range c.requests(path, key) {
			r.Header.Set(whichKey, kind)
			c.down.Store(path == "/bad/" && name == "query")
			resp, err := client.Do(r)
			if err != nil {
				seen[0]++
				continue
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				resp.StatusCode = 0
			}
			require.NoError(t, resp.Body.Close())
			seen[resp.StatusCode]++
		}
	}
	return seen
}

// search looks for each key, in each form, in all that the process has written.
func (c *spiller) search(t *testing.T, name string) {
	t.Helper()
	places := map[string][]byte{"output": c.output.Bytes()}
	files, err := filepath.Glob(filepath.Join(c.dir, "*"))
	require.NoError(t, err)
	for _, file := range files {
		places[filepath.Base(file)], err = os.ReadFile(file)
		require.NoError(t, err)
	}
	require.NotEmpty(t, places["keys.db-wal"], "what is not yet in the database is searched too")
	if name == "SQLite" {
		require.NotEmpty(t, places["log.db-wal"])
	}
	places["entries"] = c.entries(t)
	searched := 0
	c.keys["other"] = hunter
	for place, content := range places {
		searched += len(content)
		for kind, key := range c.keys {
			for form, text := range spell(key) {
				for _, piece := range pieces(text) {
					if at := bytes.Index(content, []byte(piece)); at >= 0 {
						t.Errorf("the %s key, as %s, at byte %d of %s of %s", kind, form, at, place, name)
					}
				}
			}
		}
	}
	require.Greater(t, searched, 100<<10, "there is something to search")
}

// entries returns all of the log, where that can be read.
func (c *spiller) entries(t *testing.T) (all []byte) {
	t.Helper()
	q := apikey.LogQuery{Limit: 1000, Bodies: true}
	for {
		entries, next, err := c.auth.AccessLog(t.Context(), q)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		require.NoError(t, err)
		if all = fmt.Appendf(all, "%+v", entries); next == "" {
			return all
		}
		q.Cursor = next
	}
}
