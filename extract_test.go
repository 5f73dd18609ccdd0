package apikey_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

const (
	form  = "application/x-www-form-urlencoded"
	jsonT = "application/json"
)

// TestWaysIn sends requests to a real server, each row one rule of extraction.
// The store holds the keys good, other and "sp ace".
func TestWaysIn(t *testing.T) {
	gzipped := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		return b.String()
	}
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }

	rows := []struct {
		name   string
		method string // default POST
		query  string
		header []string
		body   string
		want   int
		reason apikey.Reason // where it is refused
	}{
		// Header.
		{name: "header", header: []string{"X-ApiKey", "good"}, want: 200},
		{name: "header in another case", header: []string{"x-aPIkEY", "good"}, want: 200},
		{name: "a header of another name", header: []string{"X_ApiKey", "good"}, want: 401, reason: apikey.ErrNoKey},
		{name: "header on a GET", method: "GET", header: []string{"X-ApiKey", "good"}, want: 200},
		{name: "no key", want: 401, reason: apikey.ErrNoKey},
		{name: "empty header", header: []string{"X-ApiKey", ""}, want: 401, reason: apikey.ErrNoKey},
		{name: "empty header beside a query", query: "key=good", header: []string{"X-ApiKey", ""}, want: 200},
		{name: "unknown key", header: []string{"X-ApiKey", "bad"}, want: 401, reason: apikey.ErrUnknownKey},
		{name: "header twice, equal", header: []string{"X-ApiKey", "good", "X-ApiKey", "good"}, want: 200},
		{name: "header twice, one empty", header: []string{"X-ApiKey", "", "X-ApiKey", "good"}, want: 200},
		{name: "header twice, differing", header: []string{"X-ApiKey", "good", "X-ApiKey", "other"}, want: 400, reason: apikey.ErrConflictingKeys},
		{name: "two keys on one header line are one unknown key", header: []string{"X-ApiKey", "good, other"}, want: 401, reason: apikey.ErrUnknownKey},
		{name: "a key is not looked for in part", header: []string{"X-ApiKey", "goo"}, want: 401, reason: apikey.ErrUnknownKey},
		{name: "a key's case counts", header: []string{"X-ApiKey", "GOOD"}, want: 401, reason: apikey.ErrUnknownKey},
		{name: "a space inside a key", header: []string{"X-ApiKey", "sp ace"}, want: 200},
		{name: "Latin-1 is not UTF-8", header: []string{"X-ApiKey", "g\xf6\xf6d"}, want: 401, reason: apikey.ErrMalformedKey},
		{name: "a header of 200,000 bytes", header: []string{"X-ApiKey", strings.Repeat("k", 200_000)}, want: 401, reason: apikey.ErrMalformedKey},

		// Query.
		{name: "query", query: "key=good", want: 200},
		{name: "query on a GET", method: "GET", query: "key=good", want: 200},
		{name: "query behind others", query: "a=1&b=2&key=good", want: 200},
		{name: "escaped name", query: "k%65y=good", want: 200},
		{name: "escaped value", query: "key=g%6Fod", want: 200},
		{name: "plus is a space", query: "key=sp+ace", want: 200},
		{name: "wrong-case name", query: "Key=good&KEY=good", want: 401, reason: apikey.ErrNoKey},
		{name: "array name", query: "key[]=good", want: 401, reason: apikey.ErrNoKey},
		{name: "name with a space", query: "key+=good", want: 401, reason: apikey.ErrNoKey},
		{name: "no value", query: "key", want: 401, reason: apikey.ErrNoKey},
		{name: "empty value beside a key", query: "key=&key=good", want: 200},
		{name: "query twice, equal", query: "key=good&key=go%6fd", want: 200},
		{name: "query twice, differing", query: "key=good&key=other", want: 400, reason: apikey.ErrConflictingKeys},
		{name: "semicolon in the key's value", query: "key=good;b", want: 400, reason: apikey.ErrMalformedRequest},
		{name: "a semicolon does not separate", query: "a=1;key=good", want: 401, reason: apikey.ErrNoKey},
		{name: "broken pairs of others are ignored", query: "a=%zz&b;c=1&key=good", want: 200},
		{name: "a broken escape in the name is another name", query: "k%6=good", want: 401, reason: apikey.ErrNoKey},
		{name: "a broken escape in the value", query: "key=good%zz", want: 400, reason: apikey.ErrMalformedRequest},
		{name: "NUL in the value", query: "key=good%00", want: 401, reason: apikey.ErrMalformedKey},
		{name: "bad UTF-8 in the value", query: "key=%FF", want: 401, reason: apikey.ErrMalformedKey},
		{name: "white space is not trimmed", query: "key=good%20", want: 401, reason: apikey.ErrMalformedKey},
		{name: "a key behind 10,001 parameters", query: strings.Repeat("a=1&", 10_001) + "key=good", want: 200},
		{name: "the key of the fragment sign", query: "key=%23", want: 401, reason: apikey.ErrUnknownKey},

		// Two places outside the body.
		{name: "header and query agree", query: "key=good", header: []string{"X-ApiKey", "good"}, want: 200},
		{name: "header and query disagree", query: "key=other", header: []string{"X-ApiKey", "good"}, want: 400, reason: apikey.ErrConflictingKeys},
		{name: "an invalid header is not replaced by a valid query", query: "key=good", header: []string{"X-ApiKey", "bad"}, want: 400, reason: apikey.ErrConflictingKeys},
		{name: "Basic is not asked for here", header: []string{"Authorization", basic("api:good")}, want: 401, reason: apikey.ErrNoKey},
		{name: "Bearer is not asked for here", header: []string{"Authorization", "Bearer good"}, want: 401, reason: apikey.ErrNoKey},

		// Form.
		{name: "form", header: []string{"Content-Type", form}, body: "key=good", want: 200},
		{name: "form with a charset", header: []string{"Content-Type", form + "; charset=UTF-8"}, body: "key=good", want: 200},
		{name: "form on a DELETE", method: "DELETE", header: []string{"Content-Type", form}, body: "a=1&key=good", want: 200},
		{name: "form on a GET", method: "GET", header: []string{"Content-Type", form}, body: "key=good", want: 200},
		{name: "form type in another case", header: []string{"Content-Type", "Application/X-WWW-Form-URLEncoded"}, body: "key=good", want: 200},
		{name: "form twice, differing", header: []string{"Content-Type", form}, body: "key=good&key=other", want: 400, reason: apikey.ErrConflictingKeys},
		{name: "form with a bad escape", header: []string{"Content-Type", form}, body: "key=%", want: 400, reason: apikey.ErrMalformedRequest},
		{name: "a byte-order mark belongs to the first name", header: []string{"Content-Type", form}, body: "\ufeffkey=good", want: 401, reason: apikey.ErrNoKey},
		{name: "a line end belongs to the last value", header: []string{"Content-Type", form}, body: "key=good\r\n", want: 401, reason: apikey.ErrMalformedKey},
		{name: "form without its type", header: []string{"Content-Type", "text/plain"}, body: "key=good", want: 401, reason: apikey.ErrNoKey},
		{name: "no type at all", body: "key=good", want: 401, reason: apikey.ErrNoKey},
		{name: "multipart is not searched", header: []string{"Content-Type", "multipart/form-data; boundary=x"}, body: "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\ngood\r\n--x--\r\n", want: 401, reason: apikey.ErrNoKey},
		{name: "raw body labelled a form, key in the header", header: []string{"Content-Type", form, "X-ApiKey", "good"}, body: "100%; key=other", want: 200},

		// JSON.
		{name: "JSON", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good"}`, want: 200},
		{name: "JSON with a charset", header: []string{"Content-Type", jsonT + `; charset="utf-8"`}, body: `{"API_Key":"good"}`, want: 200},
		{name: "JSON on a DELETE", method: "DELETE", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good"}`, want: 200},
		{name: "JSON with an escaped name", header: []string{"Content-Type", jsonT}, body: `{"API_\u004bey":"good"}`, want: 200},
		{name: "JSON with an escaped value", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"g\u006fod"}`, want: 200},
		{name: "JSON wrong-case name", header: []string{"Content-Type", jsonT}, body: `{"api_key":"good","API_KEY":"good"}`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON name with the Kelvin sign", header: []string{"Content-Type", jsonT}, body: `{"API_\u212aey":"good"}`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON nested name", header: []string{"Content-Type", jsonT}, body: `{"a":{"API_Key":"good"}}`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON root array", header: []string{"Content-Type", jsonT}, body: `[{"API_Key":"good"}]`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON root array, key in the header", header: []string{"Content-Type", jsonT, "X-ApiKey", "good"}, body: `[{"API_Key":"good"}]`, want: 200},
		{name: "JSON root scalar", header: []string{"Content-Type", jsonT}, body: `"API_Key"`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON duplicate, equal", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good","API_Key":"good"}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON duplicate, one escaped", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good","API\u005fKey":null}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON duplicates of others are not ours", header: []string{"Content-Type", jsonT}, body: `{"a":1,"a":2,"API_Key":"good"}`, want: 200},
		{name: "JSON null", header: []string{"Content-Type", jsonT}, body: `{"API_Key":null}`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON empty text", header: []string{"Content-Type", jsonT}, body: `{"API_Key":""}`, want: 401, reason: apikey.ErrNoKey},
		{name: "JSON number", header: []string{"Content-Type", jsonT}, body: `{"API_Key":1}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON boolean", header: []string{"Content-Type", jsonT}, body: `{"API_Key":true}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON array", header: []string{"Content-Type", jsonT}, body: `{"API_Key":["good"]}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON object", header: []string{"Content-Type", jsonT}, body: `{"API_Key":{"a":"good"}}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON cut short", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good"`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON invalid after the key", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good","a":tru}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON with trailing data", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good"} {}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON with a byte-order mark", header: []string{"Content-Type", jsonT}, body: "\ufeff" + `{"API_Key":"good"}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON with bad UTF-8", header: []string{"Content-Type", jsonT}, body: "{\"API_Key\":\"good\",\"a\":\"\xff\"}", want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON 100,000 deep", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good","a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, want: 400, reason: apikey.ErrMalformedRequest},
		{name: "JSON with a control character in the key", header: []string{"Content-Type", jsonT}, body: `{"API_Key":"good\n"}`, want: 401, reason: apikey.ErrMalformedKey},
		{name: "invalid JSON is none of ours when the header has the key", header: []string{"Content-Type", jsonT, "X-ApiKey", "good"}, body: `{"API_Key":"other"`, want: 200},
		{name: "JSON of another type", header: []string{"Content-Type", "application/merge-patch+json"}, body: `{"API_Key":"good"}`, want: 401, reason: apikey.ErrNoKey},

		// Rules for bodies that are searched.
		{name: "UTF-16", header: []string{"Content-Type", jsonT + "; charset=utf-16"}, body: `{"API_Key":"good"}`, want: 415, reason: apikey.ErrMediaType},
		{name: "gzip", header: []string{"Content-Type", jsonT, "Content-Encoding", "gzip"}, body: gzipped(`{"API_Key":"good"}`), want: 415, reason: apikey.ErrMediaType},
		{name: "identity coding", header: []string{"Content-Type", jsonT, "Content-Encoding", "identity"}, body: `{"API_Key":"good"}`, want: 200},
		{name: "gzip, key in the header", header: []string{"Content-Type", jsonT, "Content-Encoding", "gzip", "X-ApiKey", "good"}, body: gzipped(`{}`), want: 200},
		{name: "gzip of a type not searched", header: []string{"Content-Type", "text/plain", "Content-Encoding", "gzip"}, body: gzipped(`{}`), want: 401, reason: apikey.ErrNoKey},
		{name: "two types", header: []string{"Content-Type", "text/plain", "Content-Type", jsonT}, body: `{"API_Key":"good"}`, want: 415, reason: apikey.ErrMediaType},
		{name: "one line of two types", header: []string{"Content-Type", jsonT + ", text/plain"}, body: `{"API_Key":"good"}`, want: 415, reason: apikey.ErrMediaType},
		{name: "malformed parameter", header: []string{"Content-Type", jsonT + "; charset"}, body: `{"API_Key":"good"}`, want: 415, reason: apikey.ErrMediaType},
		{name: "parameter twice", header: []string{"Content-Type", jsonT + "; a=b; a=c"}, body: `{"API_Key":"good"}`, want: 415, reason: apikey.ErrMediaType},
		{name: "malformed form type", header: []string{"Content-Type", form + ";;"}, body: "key=good", want: 415, reason: apikey.ErrMediaType},
		{name: "3 MiB", header: []string{"Content-Type", form}, body: "key=good&a=" + strings.Repeat("x", 3<<20), want: 413, reason: apikey.ErrBodyTooLong},
		{name: "3 MiB, key in the header", header: []string{"Content-Type", form, "X-ApiKey", "good"}, body: strings.Repeat("x", 3<<20), want: 200},
		{name: "1 MiB to the byte", header: []string{"Content-Type", form}, body: "key=good&a=" + strings.Repeat("x", 1<<20-11), want: 200},
	}

	auth := newAuthority(t, nil)
	for _, text := range []string{"good", "other", "sp ace"} {
		issueCustom(t, auth, text, apikey.JobsView)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var reason apikey.Reason
			var got seen
			noting := auth.With(apikey.Overrides{Errors: func(w http.ResponseWriter, r *http.Request, err *apikey.Error) {
				reason = err.Reason
				apikey.ProblemErrors(w, r, err)
			}})
			base := serve(t, noting.Require(apikey.JobsView)(probe(&got)))
			method := row.method
			if method == "" {
				method = http.MethodPost
			}
			resp, body := do(t, newRequest(t, method, base+"/p?"+row.query, row.body, row.header...))
			require.Equal(t, row.want, resp.StatusCode, body)
			require.Equal(t, row.reason, reason)
			require.Equal(t, row.want == 200, got.served)
			require.NotContains(t, body, "good")
		})
	}
}

// TestDigestIsNoCredential presents what a store holds, in every spelling.
func TestDigestIsNoCredential(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.Native)
	sum := sha256.Sum256([]byte("good"))
	for name, text := range map[string]string{
		"raw":        string(sum[:]),
		"hex":        hex.EncodeToString(sum[:]),
		"upper hex":  strings.ToUpper(hex.EncodeToString(sum[:])),
		"base64":     base64.StdEncoding.EncodeToString(sum[:]),
		"base64url":  base64.RawURLEncoding.EncodeToString(sum[:]),
		"algorithm":  "sha256:" + hex.EncodeToString(sum[:]),
		"redaction":  apikey.DigestOf("good").String(),
		"empty hash": "",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := auth.Authenticate(t.Context(), text)
			require.Error(t, err)
			req := newRequest(t, "GET", "http://host/?key="+url.QueryEscape(text), "")
			_, err = auth.Check(nil, req, apikey.AnyKey())
			require.Error(t, err)
		})
	}
}

// TestFeedSources is about groups that take HTTP authentication.
func TestFeedSources(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	issueCustom(t, auth, "other", apikey.JobsView)
	feed := auth.With(apikey.Overrides{Sources: []apikey.Source{
		apikey.FromBasic("api"), apikey.FromBearer(), apikey.FromHeader("X-ApiKey"),
	}})
	b64 := base64.StdEncoding.EncodeToString
	rows := []struct {
		name   string
		header []string
		want   int
		reason apikey.Reason
	}{
		{"Basic", []string{"Authorization", "Basic " + b64([]byte("api:good"))}, 200, ""},
		{"Basic in another case", []string{"Authorization", "bASIC " + b64([]byte("api:good"))}, 200, ""},
		{"two spaces", []string{"Authorization", "Basic  " + b64([]byte("api:good"))}, 200, ""},
		{"no padding", []string{"Authorization", "Basic " + strings.TrimRight(b64([]byte("api:other")), "=")}, 200, ""},
		{"another user", []string{"Authorization", "Basic " + b64([]byte("bob:good"))}, 401, apikey.ErrNoKey},
		{"another user beside a header", []string{"Authorization", "Basic " + b64([]byte("bob:secret")), "X-ApiKey", "good"}, 200, ""},
		{"no user", []string{"Authorization", "Basic " + b64([]byte(":good"))}, 401, apikey.ErrNoKey},
		{"no password", []string{"Authorization", "Basic " + b64([]byte("api:"))}, 401, apikey.ErrNoKey},
		{"no colon", []string{"Authorization", "Basic " + b64([]byte("good"))}, 401, apikey.ErrNoKey},
		{"not base64", []string{"Authorization", "Basic good!"}, 401, apikey.ErrMalformedKey},
		{"base64 that others read differently", []string{"Authorization", "Basic YXBpOmdvb2R="}, 401, apikey.ErrMalformedKey},
		{"wrong password", []string{"Authorization", "Basic " + b64([]byte("api:bad"))}, 401, apikey.ErrUnknownKey},
		{"Bearer", []string{"Authorization", "Bearer good"}, 200, ""},
		{"bearer in another case", []string{"Authorization", "bearer good"}, 200, ""},
		{"Bearer without a token", []string{"Authorization", "Bearer"}, 401, apikey.ErrNoKey},
		{"Digest", []string{"Authorization", "Digest good"}, 401, apikey.ErrNoKey},
		{"Bearer and header agree", []string{"Authorization", "Bearer good", "X-ApiKey", "good"}, 200, ""},
		{"Bearer and header disagree", []string{"Authorization", "Bearer good", "X-ApiKey", "other"}, 400, apikey.ErrConflictingKeys},
		{"Basic and Bearer disagree", []string{"Authorization", "Bearer good", "Authorization", "Basic " + b64([]byte("api:other"))}, 400, apikey.ErrConflictingKeys},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var got seen
			base := serve(t, feed.RequireKey()(probe(&got)))
			resp, _ := do(t, newRequest(t, "GET", base, "", row.header...))
			require.Equal(t, row.want, resp.StatusCode)
			if row.want == 401 {
				assert.Equal(t, []string{`Basic realm="API", charset="UTF-8"`, `Bearer realm="API"`}, resp.Header.Values("WWW-Authenticate"))
			}
			if got.served {
				for name, values := range got.header {
					assert.NotContains(t, fmt.Sprint(values), "good", name)
				}
			}
		})
	}
}

// TestFromScheme: a key behind a scheme of the host's choice, and gone from the request
// that the handler gets.
func TestFromScheme(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{Sources: []apikey.Source{apikey.FromScheme("Token"), apikey.FromScheme("ApiKey")}})
	issueCustom(t, auth, "good")
	for _, row := range []struct {
		name   string
		header []string
		want   int
		left   []string
	}{
		{"one scheme", []string{"Token good"}, 200, nil},
		{"another", []string{"ApiKey good"}, 200, nil},
		{"in another case", []string{"tOKEN  good"}, 200, nil},
		{"beside a foreign one", []string{"Bearer else", "Token good"}, 200, []string{"Bearer else"}},
		{"a foreign one", []string{"Bearer good"}, 401, nil},
		{"no scheme", []string{"good"}, 401, nil},
		{"two keys", []string{"Token good", "ApiKey other"}, 400, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = row.header
			auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				assert.Equal(t, row.left, r.Header["Authorization"])
			})).ServeHTTP(w, r)
			assert.Equal(t, row.want, w.Code)
			if row.want == 401 {
				assert.Equal(t, []string{`Token realm="API"`, `ApiKey realm="API"`}, w.Header()["Www-Authenticate"])
			}
		})
	}
	for _, scheme := range []string{"", "basic", "Basic", "two words", "a=b", "größe"} {
		_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Sources: []apikey.Source{apikey.FromScheme(scheme)}})
		assert.ErrorContains(t, err, "FromScheme(", scheme)
	}
}

// rawExchange writes bytes to a server and returns all it answers.
func rawExchange(t *testing.T, base, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}

// TestRawRequests sends what no client library would.
func TestRawRequests(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	issueCustom(t, auth, "go od", apikey.JobsView)
	var got seen
	base := serve(t, auth.Require(apikey.JobsView)(probe(&got)))
	const host = "Host: h\r\nConnection: close\r\n"
	rows := []struct{ name, request, want string }{
		{"white space around a value", "GET / HTTP/1.1\r\n" + host + "X-ApiKey: \t good \t \r\n\r\n", "200"},
		{"white space before the colon", "GET / HTTP/1.1\r\n" + host + "X-ApiKey : good\r\n\r\n", "400"},
		{"NUL in a header", "GET / HTTP/1.1\r\n" + host + "X-ApiKey: good\x00\r\n\r\n", "400"},
		{"a bare CR in a header", "GET / HTTP/1.1\r\n" + host + "X-ApiKey: go\rod\r\n\r\n", "400"},
		{"a folded header line is one line with a space", "GET / HTTP/1.1\r\n" + host + "X-ApiKey: go\r\n od\r\n\r\n", "200"},
		{"a number sign in the path", "GET /a#x?key=good HTTP/1.1\r\n" + host + "\r\n", "200"},
		{"absolute form", "GET http://elsewhere/?key=good HTTP/1.1\r\n" + host + "\r\n", "200"},
		{"10 GB declared", "POST / HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n", "413"},
		{"10 GB declared, key in the header, no body", "POST / HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 0\r\nX-ApiKey: good\r\n\r\n", "200"},
		{"unknown expectation", "POST / HTTP/1.1\r\n" + host + "Expect: tea\r\nX-ApiKey: good\r\n\r\n", "417"},
		{"transfer coding gzip", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\nX-ApiKey: good\r\n\r\n0\r\n\r\n", "501"},
		{"more than a mebibyte of headers", "GET / HTTP/1.1\r\n" + host + "X-ApiKey: " + strings.Repeat("k", 1<<20+16<<10) + "\r\n\r\n", "431"},
		{"two lengths that differ", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\nX-ApiKey: good\r\n\r\nab", "400"},
		{"a length beside chunks: the chunks count", "POST / HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 2\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n12\r\n{\"API_Key\":\"good\"}\r\n0\r\n\r\n", "200"},
		{"body cut short", "POST / HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"API\r\nzz\r\n", "400"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got = seen{}
			answer := rawExchange(t, base, row.request)
			require.True(t, strings.HasPrefix(answer, "HTTP/1.1 "+row.want+" "), "%.80q", answer)
			require.Equal(t, row.want == "200", got.served)
		})
	}
}

func TestExpectContinue(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	var got seen
	base := serve(t, auth.Require(apikey.JobsView)(probe(&got)))
	exchange := func(header, body string) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n%s\r\n", len(body), header)
		answers := bufio.NewReader(conn)
		line, err := answers.ReadString('\n')
		require.NoError(t, err)
		if strings.Contains(line, " 100 ") {
			_, _ = answers.ReadString('\n')
			_, _ = io.WriteString(conn, body)
			final, err := answers.ReadString('\n')
			require.NoError(t, err)
			return "100, " + final[9:12]
		}
		return line[9:12]
	}
	body := `{"API_Key":"good"}`
	require.Equal(t, "100, 200", exchange("Content-Type: application/json\r\n", body), "the body is wanted, and found to hold the key")
	require.Equal(t, "401", exchange("Content-Type: application/json\r\nX-ApiKey: bad\r\n", body), "the body is not wanted")
	require.Equal(t, "100, 200", exchange("X-ApiKey: good\r\n", body), "the handler wants it")
}

func TestSlowBody(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{BodyTimeout: 300 * time.Millisecond})
	issueCustom(t, auth, "good", apikey.JobsView)
	var got seen
	base := serve(t, auth.Require(apikey.JobsView)(probe(&got)))
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
	go func() {
		for range 1000 {
			if _, err := io.WriteString(conn, " "); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
	require.True(t, resp.Close, "the connection cannot be used again")
	require.False(t, got.served)
}

// deadlineWriter is a writer that notes the deadlines set for reading.
type deadlineWriter struct {
	http.ResponseWriter
	set []time.Time
}

func (w *deadlineWriter) SetReadDeadline(deadline time.Time) error {
	w.set = append(w.set, deadline)
	return nil
}

func TestBodyTimeout(t *testing.T) {
	rows := []struct {
		name          string
		limit, server time.Duration // the server's is its ReadTimeout
		want          time.Duration // 0: no deadline is set
	}{
		{"five seconds unless told", 0, 0, 5 * time.Second},
		{"as told", time.Minute, 0, time.Minute},
		{"the server allows more", time.Minute, time.Hour, time.Minute},
		{"the server allows less", time.Minute, time.Second, time.Second},
		{"taken off", -1, 0, 0},
		{"taken off, and what the server has set is left alone", -1, time.Second, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				auth := newAuthority(t, &apikey.Options{BodyTimeout: row.limit})
				issueCustom(t, auth, "good")
				server := &http.Server{ReadTimeout: row.server}
				ctx := context.WithValue(t.Context(), http.ServerContextKey, server)
				r := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader("key=good"))
				r.Header.Set("Content-Type", form)
				w := &deadlineWriter{ResponseWriter: httptest.NewRecorder()}
				_, err := auth.Check(w, r, apikey.AnyKey())
				require.NoError(t, err)
				if row.want == 0 {
					require.Empty(t, w.set)
					return
				}
				require.Equal(t, []time.Time{time.Now().Add(row.want), {}}, w.set, "set, and lifted once the body is read")
			})
		})
	}
}

// TestServersReadTimeoutCounts: a server that allows less time is not overruled.
func TestServersReadTimeoutCounts(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{BodyTimeout: time.Minute})
	server := httptest.NewUnstartedServer(auth.RequireKey()(http.NotFoundHandler()))
	server.Config.ReadTimeout = 300 * time.Millisecond
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
}

// TestDeadlineIsLifted: the deadline for a body must not end a slow handler, be the
// body the server's or one that an outer handler has read and put back.
func TestDeadlineIsLifted(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{BodyTimeout: 100 * time.Millisecond})
	issueCustom(t, auth, "good", apikey.JobsView)
	guarded := auth.Require(apikey.JobsView)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusInternalServerError)
		case <-time.After(400 * time.Millisecond):
		}
	}))
	buffered := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		guarded.ServeHTTP(w, r)
	})
	for name, handler := range map[string]http.Handler{"as it came": guarded, "put back": buffered} {
		t.Run(name, func(t *testing.T) {
			base := serve(t, handler)
			for range 2 { // the second on the same connection
				resp, _ := do(t, newRequest(t, "POST", base, `{"API_Key":"good"}`, "Content-Type", jsonT))
				require.Equal(t, 200, resp.StatusCode)
			}
		})
	}
}

// TestBodyBudget: bytes that wait for a key are bounded over all requests.
func TestBodyBudget(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{BodyBudget: 100_000})
	issueCustom(t, auth, "good", apikey.JobsView)
	var got seen
	base := serve(t, auth.Require(apikey.JobsView)(probe(&got)))
	resp, _ := do(t, newRequest(t, "POST", base, "a="+strings.Repeat("x", 200_000), "Content-Type", form))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	for range 5 { // what was taken is given back, whatever became of the request
		resp, _ = do(t, newRequest(t, "POST", base, "a="+strings.Repeat("x", 90_000), "Content-Type", form))
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		resp, _ = do(t, newRequest(t, "POST", base, "key=good&a="+strings.Repeat("x", 90_000), "Content-Type", form))
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
}

// TestBodyBudgetTakenOff: -1 lets through what is more than the default.
func TestBodyBudgetTakenOff(t *testing.T) {
	body := "key=good&a=" + strings.Repeat("x", 32<<20)
	for budget, want := range map[int64]error{0: apikey.ErrOverloaded, -1: nil} {
		auth := newAuthority(t, &apikey.Options{MaxBody: 64 << 20, BodyBudget: budget})
		issueCustom(t, auth, "good")
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", form)
		_, err := auth.Check(nil, r, apikey.AnyKey())
		require.ErrorIs(t, err, want, "a budget of %d", budget)
	}
}

// TestSourcesStandInDifferentPlaces: one that is listed twice is a mistake.
func TestSourcesStandInDifferentPlaces(t *testing.T) {
	rows := []struct {
		name    string
		sources []apikey.Source
		twice   string // empty: they differ
	}{
		{"a header in two spellings", []apikey.Source{apikey.FromHeader("X-Key"), apikey.FromHeader("x-kEY")}, "header x-kEY"},
		{"a query parameter", []apikey.Source{apikey.FromQuery("key"), apikey.FromForm("key"), apikey.FromQuery("key")}, "query parameter key"},
		{"a form value", []apikey.Source{apikey.FromForm("key"), apikey.FromForm("key")}, "form value key"},
		{"a JSON property", []apikey.Source{apikey.FromJSON("key"), apikey.FromJSON("key")}, "JSON root property key"},
		{"one user's password", []apikey.Source{apikey.FromBasic("api"), apikey.FromBasic("api")}, "HTTP Basic password of user api"},
		{"Bearer", []apikey.Source{apikey.FromBearer(), apikey.FromScheme("BEARER")}, "BEARER token"},
		{"one name in several places", []apikey.Source{apikey.FromHeader("key"), apikey.FromQuery("key"), apikey.FromForm("key"), apikey.FromJSON("key")}, ""},
		{"parameters whose names differ in case", []apikey.Source{apikey.FromQuery("key"), apikey.FromQuery("Key")}, ""},
		{"the passwords of two users", []apikey.Source{apikey.FromBasic("api"), apikey.FromBasic("API")}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Sources: row.sources})
			view := func() { newAuthority(t, nil).With(apikey.Overrides{Sources: row.sources}) }
			if row.twice == "" {
				require.NoError(t, err)
				require.NotPanics(t, view)
				return
			}
			require.ErrorContains(t, err, `source "`+row.twice+`" is listed twice`)
			require.PanicsWithValue(t, err.Error(), view)
		})
	}
}
