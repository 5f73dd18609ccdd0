package apikey_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestScrub: what the handler sees is what was sent, less the credential.
func TestScrub(t *testing.T) {
	rows := []struct {
		name   string
		query  string
		header []string
		body   string

		wantURL  string // path and query
		wantBody string
	}{
		{name: "header", header: []string{"X-ApiKey", "good", "X-Other", "good"}, wantURL: "/p"},
		{name: "query alone", query: "?key=good", wantURL: "/p"},
		{name: "query first", query: "?key=good&a=1", wantURL: "/p?a=1"},
		{name: "query last", query: "?a=1&key=good", wantURL: "/p?a=1"},
		{name: "query between", query: "?a=1&key=good&b=2", wantURL: "/p?a=1&b=2"},
		{name: "query twice", query: "?key=good&a=1&key=good", wantURL: "/p?a=1"},
		{name: "query twice at the end", query: "?a=1&key=good&key=good", wantURL: "/p?a=1"},
		{name: "an empty pair of the name goes too", query: "?key=&a=1&key=good", wantURL: "/p?a=1"},
		{name: "query with escapes", query: "?a=%20%2F&%6bey=g%6fod&b=+", wantURL: "/p?a=%20%2F&b=+"},
		{name: "broken pairs stay", query: "?%zz&a;b=1&key=good&&x", wantURL: "/p?%zz&a;b=1&&x"},
		{name: "like-named pairs stay", query: "?Key=1&key[]=2&monkey=3&keys=4&key=good", wantURL: "/p?Key=1&key[]=2&monkey=3&keys=4"},
		{name: "header and query", query: "?key=good&a=1", header: []string{"X-ApiKey", "good"}, wantURL: "/p?a=1"},
		{
			name: "form", header: []string{"Content-Type", form}, body: "a=1&key=good&b=%zz;&c",
			wantURL: "/p", wantBody: "a=1&b=%zz;&c",
		},
		{name: "form of nothing else", header: []string{"Content-Type", form}, body: "key=good", wantURL: "/p"},
		{
			name: "JSON first", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good", "a":1.0e0}`,
			wantURL: "/p", wantBody: `{ "a":1.0e0}`,
		},
		{
			name: "JSON last", header: []string{"Content-Type", jsonT}, body: " {\"a\":1 ,\n\"API_Key\" : \"good\" }\n",
			wantURL: "/p", wantBody: " {\"a\":1  }\n",
		},
		{
			name: "JSON between, with its likes", header: []string{"Content-Type", jsonT},
			body:    `{"api_key":"good","a":{"API_Key":"x"},"API_\u004bey":"good","b":[{"API_Key":1}]}`,
			wantURL: "/p", wantBody: `{"api_key":"good","a":{"API_Key":"x"},"b":[{"API_Key":1}]}`,
		},
		{name: "JSON of nothing else", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good"}`, wantURL: "/p", wantBody: `{}`},
		{
			name: "a body that was not searched stays", header: []string{"Content-Type", jsonT, "X-ApiKey", "good"},
			body: `{"API_Key":"x"}`, wantURL: "/p", wantBody: `{"API_Key":"x"}`,
		},
		{
			name: "a form that was not searched stays", query: "?key=good", header: []string{"Content-Type", form},
			body: "key=x", wantURL: "/p", wantBody: "key=x",
		},
		{
			name: "key is a data name elsewhere", query: "?key=good&apikey=1", header: []string{"Key", "v", "Cookie", "key=1"},
			body: "key=v", wantURL: "/p?apikey=1", wantBody: "key=v",
		},
	}
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Variables)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var got seen
			base := serve(t, auth.Require(apikey.Variables)(probe(&got)))
			req := newRequest(t, "POST", base+"/p"+row.query, row.body, row.header...)
			resp, body := do(t, req)
			require.Equal(t, 200, resp.StatusCode, body)
			assert.Equal(t, row.wantURL, got.url)
			assert.Equal(t, row.wantURL, got.uri)
			assert.Equal(t, row.wantBody, got.body)
			assert.Equal(t, int64(len(row.wantBody)), got.contentLength)
			if row.body != "" {
				assert.Equal(t, []string{strconv.Itoa(len(row.wantBody))}, got.header["Content-Length"])
			}
			for i := 0; i < len(row.header); i += 2 {
				if row.header[i] == "X-ApiKey" {
					assert.NotContains(t, got.header, "X-Apikey")
				} else {
					assert.Equal(t, row.header[i+1], got.header.Get(row.header[i]))
				}
			}
		})
	}
}

// TestSeveralFormSources: all of them are cut, wherever they stand.
func TestSeveralFormSources(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{Sources: []apikey.Source{apikey.FromForm("key"), apikey.FromForm("token")}})
	issueCustom(t, auth, "good")
	for body, want := range map[string]string{
		"key=good":                             "",
		"token=good":                           "",
		"key=good&token=good":                  "",
		"token=good&key=good":                  "",
		"a&key=good&token=good":                "a",
		"a&token=good&key=good":                "a",
		"a&token=good&&key=good":               "a&",
		"token=&a&key=good&&b&token=good&c&&":  "a&&b&c&&",
		"key=&token=&key=good&&token=good&key": "",
		"x&key=good&y&token=good&z":            "x&y&z",
		"&token=good&":                         "&",
		"&key=good":                            "",
	} {
		next, err := auth.Check(nil, letter{kind: form, sent: body}.request(), apikey.AnyKey())
		require.NoError(t, err, body)
		got, err := io.ReadAll(next.Body)
		require.NoError(t, err)
		assert.Equal(t, want, string(got), body)
		assert.Equal(t, int64(len(want)), next.ContentLength)
	}
}

func TestKeepCredential(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{KeepCredential: true})
	issueCustom(t, auth, "good", apikey.Variables)
	var got seen
	base := serve(t, auth.Require(apikey.Variables)(probe(&got)))
	for _, row := range []struct{ query, kind, body string }{
		{query: "?key=good"},
		{kind: form, body: "a=1&key=good"},
		{kind: jsonT, body: `{"API_Key":"good"}`},
	} {
		resp, _ := do(t, newRequest(t, "POST", base+"/p"+row.query, row.body, "Content-Type", row.kind))
		require.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, "/p"+row.query, got.url)
		assert.Equal(t, row.body, got.body)
		assert.Equal(t, int64(len(row.body)), got.contentLength)
	}
}

// TestScrubChunked: a body of unknown length stays one, and its trailer arrives.
func TestScrubChunked(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Variables)
	var got seen
	base := serve(t, auth.Require(apikey.Variables)(probe(&got)))
	req := newRequest(t, "POST", base, "", "Content-Type", jsonT)
	req.Body = io.NopCloser(strings.NewReader(`{"API_Key":"good","a":1}`))
	req.ContentLength = -1
	req.Trailer = http.Header{"X-Sum": {"42"}}
	resp, _ := do(t, req)
	require.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, `{"a":1}`, got.body)
	assert.Equal(t, int64(-1), got.contentLength)
	assert.Equal(t, http.Header{"X-Sum": {"42"}}, got.trailer)
}

// TestParsedForm: where a handler outside has called ParseForm, the key is taken
// from what it made, and gone from there.
func TestParsedForm(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Variables)
	var got seen
	guarded := auth.Require(apikey.Variables)(probe(&got))
	var outer url.Values
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		guarded.ServeHTTP(w, r)
		outer = r.Form
	}))
	rows := []struct {
		name, query, body, status string
		header                    []string
		want                      map[string][]string
	}{
		{name: "key in the form", body: "key=good&a=1", status: "200 OK", want: map[string][]string{"a": {"1"}}},
		{name: "key in the query", query: "?key=good&a=1", status: "200 OK", want: map[string][]string{"a": {"1"}}},
		{name: "key in the query, data in the form", query: "?key=good", body: "key=data", status: "200 OK", want: map[string][]string{"key": {"data"}}},
		{name: "key in the header, data in the form", body: "key=data", header: []string{"X-ApiKey", "good"}, status: "200 OK", want: map[string][]string{"key": {"data"}}},
		{name: "two keys", body: "key=good&key=bad", status: "400 Bad Request"},
		{name: "no key", body: "a=1", status: "401 Unauthorized"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got = seen{}
			resp, _ := do(t, newRequest(t, "POST", base+row.query, row.body, append(row.header, "Content-Type", form)...))
			require.Equal(t, row.status, resp.Status)
			if got.served {
				assert.Equal(t, row.want, got.form)
				assert.Contains(t, outer, "key", "the outer request is not changed")
			}
		})
	}
}

// TestRestoredForm: an outer handler that dumps the body, parses the form and puts
// the body back leaves the key in both.
func TestRestoredForm(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Variables)
	var got seen
	guarded := auth.Require(apikey.Variables)(probe(&got))
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		_ = r.ParseForm()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		guarded.ServeHTTP(w, r)
	}))
	resp, _ := do(t, newRequest(t, "POST", base, "a=1&key=good", "Content-Type", form))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "a=1", got.body)
	require.Equal(t, map[string][]string{"a": {"1"}}, got.form)
}

// TestParsedFormWithoutABody: the form counts, whatever became of the body.
func TestParsedFormWithoutABody(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Variables)
	for name, body := range map[string]io.ReadCloser{"none": nil, "empty": http.NoBody} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader("key=good&a=1"))
			r.Header.Set("Content-Type", form)
			require.NoError(t, r.ParseForm())
			r.Body, r.ContentLength = body, 0
			next, err := auth.Check(nil, r, apikey.AnyKey())
			require.NoError(t, err)
			require.Equal(t, "a=1", next.PostForm.Encode())
			require.Equal(t, "a=1", next.Form.Encode())
		})
	}
}

// TestScrubsWhatOthersMoved: places that net/http keeps twice are scrubbed twice.
func TestScrubsWhatOthersMoved(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{Sources: append(apikey.OtterSources(), apikey.FromBasic("api"))})
	issueCustom(t, auth, "good", apikey.Variables)

	r := httptest.NewRequest("GET", "/p?a=1&key=good", nil)
	r.URL.RawQuery = "a=1"
	r.Header.Set("X-ApiKey", "good")
	next, err := auth.Check(nil, r, apikey.AnyKey())
	require.NoError(t, err)
	require.Equal(t, "/p?a=1", next.RequestURI, "an outer handler has moved the key to the header")

	next, err = auth.Check(nil, httptest.NewRequest("GET", "/p?q=why?&key=good", nil), apikey.AnyKey())
	require.NoError(t, err)
	require.Equal(t, "/p?q=why?", next.RequestURI)
	require.Equal(t, "q=why?", next.URL.RawQuery)

	out, err := http.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(`{"API_Key":"good"}`))
	require.NoError(t, err)
	out.Header.Set("Content-Type", jsonT)
	next, err = auth.Check(nil, out, apikey.AnyKey())
	require.NoError(t, err)
	require.Nil(t, next.GetBody, "it would give the body with the key")

	r = httptest.NewRequest("GET", "/p", nil)
	r.SetBasicAuth("api", "good")
	r.Header.Add("Authorization", "Digest of another")
	next, err = auth.Check(nil, r, apikey.AnyKey())
	require.NoError(t, err)
	require.Equal(t, []string{"Digest of another"}, next.Header.Values("Authorization"))
}

// panickyBody breaks off after a part.
type panickyBody struct{ read bool }

func (b *panickyBody) Read(p []byte) (int, error) {
	if b.read {
		panic(http.ErrAbortHandler)
	}
	b.read = true
	return copy(p, strings.Repeat("a", 1000)), nil
}

func (*panickyBody) Close() error { return nil }

// TestBudgetSurvivesPanics: bytes of a body that panics are given back.
func TestBudgetSurvivesPanics(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{BodyBudget: 10_000})
	issueCustom(t, auth, "good", apikey.Variables)
	for range 20 {
		r := httptest.NewRequest("POST", "/", &panickyBody{})
		r.Header.Set("Content-Type", form)
		require.Panics(t, func() { _, _ = auth.Check(nil, r, apikey.AnyKey()) })
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("key=good"))
	r.Header.Set("Content-Type", form)
	_, err := auth.Check(nil, r, apikey.AnyKey())
	require.NoError(t, err)
}

// TestCheckChangesNothing: no field of the request passed in, nor anything they
// lead to, is touched; on failure the body can be read from its start.
func TestCheckChangesNothing(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Variables)
	for name, text := range map[string]string{"success": "good", "failure": "bad"} {
		t.Run(name, func(t *testing.T) {
			body := `{"API_Key":"` + text + `"}`
			r := httptest.NewRequest("POST", "/p?a=1", strings.NewReader(body))
			r.Header.Set("Content-Type", jsonT)
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			before, header, u := *r, r.Header.Clone(), *r.URL
			next, err := auth.Check(nil, r, apikey.AnyKey())
			require.Equal(t, text == "bad", err != nil)
			assert.Equal(t, header, r.Header)
			assert.Equal(t, u, *r.URL)
			assert.Equal(t, before.ContentLength, r.ContentLength)
			assert.Equal(t, before.RequestURI, r.RequestURI)
			rest, readErr := io.ReadAll(next.Body)
			require.NoError(t, readErr)
			if err != nil {
				assert.Equal(t, body, string(rest))
				assert.Equal(t, int64(len(body)), next.ContentLength)
				return
			}
			assert.Equal(t, "{}", string(rest))
		})
	}
	t.Run("a body too large to search can be read whole", func(t *testing.T) {
		body := "a=" + strings.Repeat("x", 2<<20)
		r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(body)))
		r.ContentLength = -1
		r.Header.Set("Content-Type", form)
		next, err := auth.Check(nil, r, apikey.AnyKey())
		require.ErrorIs(t, err, apikey.ErrBodyTooLong)
		rest, err := io.ReadAll(next.Body)
		require.NoError(t, err)
		require.Equal(t, body, string(rest))
	})
}
