package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/domain"
)

// npmFeed is a running server, seen from its npm feed.
type npmFeed struct {
	url   string // with the slash that npm wants at the end
	valid string // a key without any permission
	dead  string // a revoked one
}

func startNPMFeed(t *testing.T, style apikey.ErrorHandler) npmFeed {
	t.Helper()
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Prefix: "otter"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, auth.Shutdown(context.WithoutCancel(t.Context()))) })
	_, valid, err := auth.Issue(t.Context(), apikey.KeySpec{Name: "valid"})
	require.NoError(t, err)
	full := []apikey.Permission{apikey.Native}
	key, dead, err := auth.Issue(t.Context(), apikey.KeySpec{Name: "dead", Permissions: full})
	require.NoError(t, err)
	_, err = auth.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	handler, err := newHandler(auth, style, domain.Seeded())
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return npmFeed{server.URL + "/feeds/npm/", valid.Reveal(), dead.Reveal()}
}

// npmStyles are both values of the flag -errors: package clients need the
// challenges in either.
var npmStyles = map[string]apikey.ErrorHandler{"otter": apikey.OtterErrors, "problem": apikey.ProblemErrors}

func basicAuth(key string) string {
	return base64.StdEncoding.EncodeToString([]byte("api:" + key))
}

func TestNPMInstalls(t *testing.T) {
	requireNPM(t)
	for style, handler := range npmStyles {
		feed := startNPMFeed(t, handler)
		for name, setting := range map[string]string{
			"with Bearer": "_authToken=" + feed.valid,
			"with Basic":  "_auth=" + basicAuth(feed.valid),
		} {
			t.Run(style+" errors, "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				output, err := runNPM(t, dir, feed.url, setting)
				require.NoError(t, err, output)
				installed := filepath.Join(dir, "node_modules", "hello")
				for file, content := range map[string]string{
					"index.js":     "module.exports = () => \"Hello from Otter\";\n",
					"package.json": "{\n  \"name\": \"hello\",\n  \"version\": \"1.0.0\",\n  \"description\": \"Says hello\"\n}\n",
					"README.md":    "# hello\n\n`require(\"hello\")()` returns a greeting.\n",
				} {
					got, err := os.ReadFile(filepath.Join(installed, file))
					require.NoError(t, err)
					assert.Equal(t, content, string(got), file)
				}
				lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
				require.NoError(t, err)
				assert.Contains(t, string(lock), feed.url+"hello/-/hello-1.0.0.tgz", "where the tarball came from")
				assert.Contains(t, string(lock), `"integrity": "sha512-`, "npm has verified the digest")
			})
		}
	}
}

func TestNPMIsRefused(t *testing.T) {
	requireNPM(t)
	for style, handler := range npmStyles {
		feed := startNPMFeed(t, handler)
		for name, setting := range map[string]string{
			"without a key":                       "",
			"with a wrong key":                    "_authToken=otter_" + strings.Repeat("x", 49),
			"with a wrong key by Basic":           "_auth=" + basicAuth("wrong"),
			"with a revoked key":                  "_authToken=" + feed.dead,
			"with a revoked key by Basic":         "_auth=" + basicAuth(feed.dead),
			"with a valid key under another user": "_auth=" + base64.StdEncoding.EncodeToString([]byte("root:"+feed.valid)),
		} {
			t.Run(style+" errors, "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				output, err := runNPM(t, dir, feed.url, setting)
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit, output)
				assert.Contains(t, output, "E401")
				assert.NoDirExists(t, filepath.Join(dir, "node_modules", "hello"))
			})
		}
	}
}

// requireNPM skips the test where there is no npm, unless APIKEY_REQUIRE, a list
// with commas, says that there must be.
func requireNPM(t *testing.T) {
	t.Helper()
	for _, program := range []string{"npm", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			if slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), "npm") {
				t.Fatalf("%s is not on PATH, and APIKEY_REQUIRE asks for npm", program)
			}
			t.Skipf("%s is not on PATH; APIKEY_REQUIRE=npm makes that a failure", program)
		}
	}
}

// runNPM installs hello in dir, with that setting for the registry, by an npm
// that knows nothing of the machine's settings and keeps everything in dir.
func runNPM(t *testing.T, dir, registry, setting string) (string, error) {
	t.Helper()
	home := filepath.Join(dir, "home")
	require.NoError(t, os.Mkdir(home, 0o700))
	if setting != "" {
		setting = strings.TrimPrefix(registry, "http:") + ":" + setting + "\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(home, "npmrc"), []byte(setting), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o600))
	install := exec.CommandContext(t.Context(), "npm", "install", "hello", "--registry", registry,
		"--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0")
	install.Dir = dir
	install.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"npm_config_cache=" + filepath.Join(home, "cache"),
		"npm_config_prefix=" + filepath.Join(home, "prefix"),
		"npm_config_userconfig=" + filepath.Join(home, "npmrc"),
		"npm_config_globalconfig=" + filepath.Join(home, "none"),
		"npm_config_update_notifier=false", // it would ask for news of npm itself
	}
	output, err := install.CombinedOutput()
	return string(output), err
}

// npmGet asks the feed for a path; a header is a name and a value.
func npmGet(t *testing.T, feed npmFeed, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", feed.url+path, nil)
	require.NoError(t, err)
	if len(header) > 0 {
		req.Header.Set(header[0], header[1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

func TestFeedChallengesWhoeverHasNoKey(t *testing.T) {
	for style, handler := range npmStyles {
		feed := startNPMFeed(t, handler)
		for _, path := range []string{"", "-/ping", "hello", "hello/-/hello-1.0.0.tgz", "none", "@scope%2fnone", "a/b/c"} {
			for name, header := range map[string][]string{
				"no key":                  nil,
				"a wrong key":             {"Authorization", "Bearer wrong"},
				"a revoked key":           {"Authorization", "Bearer " + feed.dead},
				"a revoked key in Basic":  {"Authorization", "Basic " + basicAuth(feed.dead)},
				"a revoked key in header": {"X-ApiKey", feed.dead},
			} {
				res, body := npmGet(t, feed, path, header...)
				about := style + ", " + path + ", " + name
				assert.Equal(t, 401, res.StatusCode, about)
				assert.Equal(t, []string{`Basic realm="API", charset="UTF-8"`, `Bearer realm="API"`},
					res.Header.Values("WWW-Authenticate"), about)
				assert.NotContains(t, body, "hello", about)
			}
		}
	}
}

func TestFeedTakesAnyValidKey(t *testing.T) {
	feed := startNPMFeed(t, apikey.OtterErrors)
	for name, header := range map[string][]string{
		"Bearer":                {"Authorization", "Bearer " + feed.valid},
		"Basic":                 {"Authorization", "Basic " + basicAuth(feed.valid)},
		"Basic without padding": {"Authorization", "Basic " + strings.TrimRight(basicAuth(feed.valid), "=")},
		"header":                {"X-ApiKey", feed.valid},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := npmGet(t, feed, "", header...)
			require.Equal(t, 200, res.StatusCode, body)
			assert.Equal(t, "private, no-store", res.Header.Get("Cache-Control"))
			var index []map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &index))
			require.Len(t, index, 1)
			assert.Equal(t, "hello", index[0]["name"])

			_, body = npmGet(t, feed, "hello", header...)
			assert.Contains(t, body, `"tarball":"`+feed.url+`hello/-/hello-1.0.0.tgz"`)
			res, _ = npmGet(t, feed, "@scope%2fnone", header...)
			assert.Equal(t, 404, res.StatusCode)
			assert.Equal(t, "application/json", res.Header.Get("Content-Type"))
		})
	}
	res, _ := npmGet(t, feed, "?key="+feed.valid)
	assert.Equal(t, 401, res.StatusCode, "a feed takes no key from the query")
}
