package feed

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
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

const npmAccept = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"

// mounted is a feed with a scoped package too, under a prefix.
func mounted(t *testing.T) http.Handler {
	t.Helper()
	f, err := New(
		Package{
			Name: "hello", Version: "1.0.0", Description: "Says hello",
			Files: map[string]string{"README.md": "# hello\n"},
		},
		Package{Name: "@otter/hello", Version: "2.0.0-rc.1"},
	)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount("/feeds/npm", f)
	return r
}

func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8626"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

func TestProtocol(t *testing.T) {
	const tarball = "application/octet-stream"
	h := mounted(t)
	for name, row := range map[string]struct {
		path, accept string
		status       int
		contentType  string
		says         string
	}{
		"index":                           {"/", "", 200, fullType, `"name":"hello"`},
		"index, without the slash":        {"", "", 200, fullType, `"description":"Says hello"`},
		"ping":                            {"/-/ping", "", 200, fullType, `{}`},
		"ping as npm sends it":            {"/-/ping?write=true", "", 200, fullType, `{}`},
		"metadata":                        {"/hello", "", 200, fullType, `"readme":"# hello\n"`},
		"metadata for anything":           {"/hello", "*/*", 200, fullType, `"_id":"hello"`},
		"metadata as npm asks":            {"/hello", npmAccept, 200, abbreviatedType, `"modified":`},
		"abbreviated, behind another":     {"/hello", "text/html, " + abbreviatedType, 200, abbreviatedType, `"modified":`},
		"abbreviated, in upper case":      {"/hello", strings.ToUpper(abbreviatedType), 200, abbreviatedType, `"modified":`},
		"abbreviated, but not wanted":     {"/hello", abbreviatedType + ";q=0", 200, fullType, `"_id":"hello"`},
		"a longer type is another":        {"/hello", abbreviatedType + "x", 200, fullType, `"_id":"hello"`},
		"needlessly escaped":              {"/%68ello", "", 200, fullType, `:8626/feeds/npm/hello/-/hello-1`},
		"tarball":                         {"/hello/-/hello-1.0.0.tgz", "", 200, tarball, "\x1f\x8b"},
		"scoped, as npm asks":             {"/@otter%2fhello", npmAccept, 200, abbreviatedType, `"name":"@otter/hello"`},
		"scoped, with a capital escape":   {"/@otter%2Fhello", "", 200, fullType, `"name":"@otter/hello"`},
		"scoped, all escaped":             {"/%40otter%2Fhello", "", 200, fullType, `"name":"@otter/hello"`},
		"scoped, with a slash":            {"/@otter/hello", "", 200, fullType, `"name":"@otter/hello"`},
		"scoped tarball":                  {"/@otter/hello/-/hello-2.0.0-rc.1.tgz", "", 200, tarball, "\x1f\x8b"},
		"scoped tarball, escaped":         {"/@otter%2fhello/-/hello-2.0.0-rc.1.tgz", "", 200, tarball, "\x1f\x8b"},
		"unknown":                         {"/none", npmAccept, 404, fullType, `{"error":"This feed has no package`},
		"unknown, scoped":                 {"/@scope%2fhello", npmAccept, 404, fullType, `no package`},
		"unknown, scoped with a slash":    {"/@scope/hello", "", 404, fullType, `no package`},
		"no name behind the scope":        {"/@otter%2f", "", 404, fullType, `no package`},
		"in another case":                 {"/Hello", "", 404, fullType, `no package`},
		"escaped twice":                   {"/%2568ello", "", 404, fullType, `no package`},
		"a percent sign":                  {"/100%25", "", 404, fullType, `no package`},
		"markup is not repeated":          {"/%3Cscript%3E", "", 404, fullType, `{"error":"This feed has no package`},
		"tarball of another version":      {"/hello/-/hello-1.0.1.tgz", "", 404, fullType, `no such tarball`},
		"tarball of another package":      {"/hello/-/none-1.0.0.tgz", "", 404, fullType, `no such tarball`},
		"tarball under another scope":     {"/@scope/hello/-/hello-1.0.0.tgz", "", 404, fullType, `no such tarball`},
		"a path out of the package":       {"/hello/-/..%2fhello-1.0.0.tgz", "", 404, fullType, `no such tarball`},
		"a call that this feed lacks":     {"/-/whoami", "", 404, fullType, `nothing here`},
		"a path below the metadata":       {"/hello/1.0.0/x", "", 404, fullType, `nothing here`},
		"metadata with a slash behind it": {"/hello/", "", 404, fullType, `nothing here`},
	} {
		t.Run(name, func(t *testing.T) {
			res := ask(h, "GET", "/feeds/npm"+row.path, "Accept", row.accept)
			body := text(t, res)
			assert.Equal(t, row.status, res.StatusCode, body)
			assert.Equal(t, row.contentType, res.Header.Get("Content-Type"))
			assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
			assert.Contains(t, body, row.says)
			if row.contentType != tarball {
				assert.True(t, json.Valid([]byte(body)), body)
			}

			head := ask(h, "HEAD", "/feeds/npm"+row.path, "Accept", row.accept)
			assert.Equal(t, res.StatusCode, head.StatusCode)
			assert.Equal(t, res.Header, head.Header, "HEAD has the headers of GET")
		})
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	h := mounted(t)
	for _, path := range []string{"/", "/-/ping", "/hello", "/@otter%2fhello", "/hello/-/hello-1.0.0.tgz"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			res := ask(h, method, "/feeds/npm"+path)
			assert.Equal(t, 405, res.StatusCode, "%s %s", method, path)
			assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
			assert.Equal(t, `{"error":"This feed can only be read."}`, text(t, res))
		}
	}
}

func TestIndexIsInTheOrderOfNames(t *testing.T) {
	assert.Equal(t, `[{"name":"@otter/hello","version":"2.0.0-rc.1"},`+
		`{"name":"hello","version":"1.0.0","description":"Says hello"}]`, text(t, ask(mounted(t), "GET", "/feeds/npm/")))
	empty, err := New()
	require.NoError(t, err)
	assert.Equal(t, "[]", text(t, ask(empty, "GET", "/")))
}

// metadataOf decodes what the handler says of a package.
func metadataOf(t *testing.T, h http.Handler, target, accept string) metadata {
	t.Helper()
	var m metadata
	require.NoError(t, json.Unmarshal([]byte(text(t, ask(h, "GET", target, "Accept", accept))), &m))
	return m
}

func TestMetadataDescribesTheTarball(t *testing.T) {
	h := mounted(t)
	for name, version := range map[string]string{"hello": "1.0.0", "@otter/hello": "2.0.0-rc.1"} {
		for _, accept := range []string{npmAccept, "*/*"} {
			m := metadataOf(t, h, "/feeds/npm/"+name, accept)
			assert.Equal(t, name, m.Name)
			assert.Equal(t, map[string]string{"latest": version}, m.DistTags)
			require.Contains(t, m.Versions, version)
			about := m.Versions[version]
			assert.Equal(t, name, about.Name)
			assert.Equal(t, version, about.Version)

			path, ours := strings.CutPrefix(about.Dist.Tarball, "http://127.0.0.1:8626")
			require.True(t, ours, about.Dist.Tarball)
			tarball := text(t, ask(h, "GET", path))
			short, long := sha1.Sum([]byte(tarball)), sha512.Sum512([]byte(tarball))
			assert.Equal(t, hex.EncodeToString(short[:]), about.Dist.Shasum)
			assert.Equal(t, "sha512-"+base64.StdEncoding.EncodeToString(long[:]), about.Dist.Integrity)
		}
	}
}

func TestTarballAddressIsTheClientsOwn(t *testing.T) {
	routed := mounted(t)
	seeded := Seeded()
	const (
		host    = "http://127.0.0.1:8626"
		tlsHost = "https://127.0.0.1:8626"
		below   = "hello/-/hello-1.0.0.tgz"
	)
	for name, row := range map[string]struct {
		handler      http.Handler
		target, want string
	}{
		"under a prefix":            {routed, "/feeds/npm/hello", host + "/feeds/npm/" + below},
		"at the root":               {seeded, "/hello", host + "/" + below},
		"prefix stripped":           {http.StripPrefix("/a b", seeded), "/a%20b/hello", host + "/a%20b/" + below},
		"query left out":            {routed, "/feeds/npm/hello?x=/hello", host + "/feeds/npm/" + below},
		"over TLS":                  {routed, tlsHost + "/feeds/npm/hello", tlsHost + "/feeds/npm/" + below},
		"target in absolute form":   {routed, host + "/feeds/npm/hello", host + "/feeds/npm/" + below},
		"name repeated in the path": {http.StripPrefix("/hello", seeded), "/hello/hello", host + "/hello/" + below},
	} {
		t.Run(name, func(t *testing.T) {
			m := metadataOf(t, row.handler, row.target, npmAccept)
			assert.Equal(t, row.want, m.Versions["1.0.0"].Dist.Tarball)
		})
	}
	forwarded := ask(routed, "GET", "/feeds/npm/hello", "X-Forwarded-Host", "example.com", "X-Forwarded-Proto", "https")
	assert.Contains(t, text(t, forwarded), `"http://127.0.0.1:8626/feeds/npm/`, "anybody can send those headers")
}

func TestTarballHoldsThePackage(t *testing.T) {
	body := text(t, ask(Seeded(), "GET", "/hello/-/hello-1.0.0.tgz"))
	unpacked, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	files := tar.NewReader(unpacked)
	for _, want := range []struct{ name, says string }{
		{"package/README.md", "# hello\n"},
		{"package/index.js", "module.exports"},
		{"package/package.json", `"version": "1.0.0"`},
	} {
		header, err := files.Next()
		require.NoError(t, err)
		assert.Equal(t, want.name, header.Name)
		assert.Equal(t, int64(0o644), header.Mode)
		assert.True(t, header.ModTime.Equal(published))
		content, err := io.ReadAll(files)
		require.NoError(t, err)
		assert.Contains(t, string(content), want.says)
	}
	_, err = files.Next()
	require.ErrorIs(t, err, io.EOF)
	again := text(t, ask(Seeded(), "GET", "/hello/-/hello-1.0.0.tgz"))
	assert.Equal(t, body, again, "the same files make the same tarball")
}

func TestTarballCanBeAskedForInPart(t *testing.T) {
	h := Seeded()
	whole := ask(h, "GET", "/hello/-/hello-1.0.0.tgz")
	etag := whole.Header.Get("ETag")
	assert.NotEmpty(t, etag)
	assert.Equal(t, 304, ask(h, "GET", "/hello/-/hello-1.0.0.tgz", "If-None-Match", etag).StatusCode)
	part := ask(h, "GET", "/hello/-/hello-1.0.0.tgz", "Range", "bytes=2-", "If-Range", etag)
	assert.Equal(t, 206, part.StatusCode)
	assert.Equal(t, text(t, whole)[2:], text(t, part))
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := New(
		Package{Name: "hello", Version: "1.0.0"},
		Package{Name: "hello", Version: "1.0.1"},
		Package{Name: "Hello", Version: "v1"},
		Package{Name: "@otter", Version: "1.0"},
		Package{Name: "../hello", Version: "1.0.0/.."},
		Package{Name: "json", Version: "1.0.0", Files: map[string]string{"package.json": "{}"}},
	)
	require.Error(t, err)
	for _, want := range []string{
		`package "hello" is there twice`,
		`package "Hello": legal are name and @scope/name`, `version "v1" of package "Hello": legal are 1.2.3`,
		`package "@otter"`, `version "1.0" of`, `package "../hello"`, `version "1.0.0/.."`,
		`package "json": package.json is made`,
	} {
		assert.Contains(t, err.Error(), want)
	}
}
