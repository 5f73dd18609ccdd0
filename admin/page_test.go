package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

// pageFixture is a server with the page under a prefix.
type pageFixture struct {
	*fixture
}

func newPageFixture(t *testing.T) *pageFixture {
	t.Helper()
	f := newFixture(t)
	page, err := admin.NewPage(f.auth, admin.ByKey(f.auth), nil)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount("/deep/page", page)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	f.base = server.URL + "/deep/page"
	return &pageFixture{f}
}

// reply is an answer of the page.
type reply struct {
	*http.Response
	text string
	page *node // nil where the answer is no page
}

var noRedirects = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends a request with the key as password. A form makes it a POST.
func (f *pageFixture) ask(key, path string, form url.Values, header ...string) reply {
	f.t.Helper()
	method, body := "GET", ""
	if form != nil {
		method, body = "POST", form.Encode()
	}
	req, err := http.NewRequestWithContext(context.Background(), method, f.base+path, strings.NewReader(body))
	require.NoError(f.t, err)
	if key != "" {
		req.SetBasicAuth("api", key)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "method" {
			req.Method = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := noRedirects.Do(req)
	require.NoError(f.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	r := reply{Response: resp, text: string(text)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && len(text) > 0 {
		r.page = parseMarkup(f.t, r.text)
	}
	return r
}

// value returns what a field of a form holds.
func (r reply) value(t *testing.T, id string) string {
	t.Helper()
	if areas := r.page.all("textarea", "id", id); len(areas) == 1 {
		return strings.TrimPrefix(areas[0].own.String(), "\n")
	}
	return r.page.one(t, "input", "id", id).attrs["value"]
}

// version returns the version that a form carries.
func (r reply) version(t *testing.T) string {
	t.Helper()
	return r.page.all("input", "name", "version")[0].attrs["value"]
}

// checked returns the values of the check boxes that are checked.
func (r reply) checked(name string) (values []string) {
	for _, box := range r.page.all("input", "type", "checkbox", "name", name) {
		if box.hasAttr("checked") {
			values = append(values, box.attrs["value"])
		}
	}
	return values
}

// paths are the addresses of the page, from the prefix on.
func (f *pageFixture) paths() []string {
	id := f.issue("some key", apikey.KeySpec{}).ID
	f.waitForEntries("", 1)
	entries, _, err := f.auth.AccessLog(context.Background(), apikey.LogQuery{Limit: 1})
	require.NoError(f.t, err)
	return []string{
		"", "/", "/new", "/keys/" + id, "/keys/" + id + "/rotate", "/keys/" + id + "/revoke", "/keys/" + id + "/delete",
		"/logs", "/logs/", "/logs/" + entries[0].ID,
	}
}

// TestPageSignIn: nothing answers without a key, and the browser asks for one.
func TestPageSignIn(t *testing.T) {
	f := newPageFixture(t)
	for _, path := range append(f.paths(), "/nowhere", "/keys", "/assets/none.css") {
		for name, key := range map[string]string{"no key": "", "unknown key": "nobody"} {
			t.Run(path+", "+name, func(t *testing.T) {
				f := pageFixture{&fixture{t: t, auth: f.auth, base: f.base}}
				got := f.ask(key, path, nil)
				require.Equal(t, 401, got.StatusCode)
				require.Equal(t, []string{`Basic realm="API", charset="UTF-8"`}, got.Header.Values("WWW-Authenticate"))
				require.Equal(t, "Sign in with an API key", got.page.one(t, "h1").text())
				require.Empty(t, got.page.all("nav"))
				got = f.ask(key, path, url.Values{"name": {"x"}})
				require.Equal(t, 401, got.StatusCode)
			})
		}
	}
	got := f.ask("", "", nil, "X-ApiKey", "full")
	require.Equal(t, 401, got.StatusCode, "browsers send the password and nothing else")
	got = f.ask("", "?key=full", nil)
	require.Equal(t, 401, got.StatusCode)
}

// TestPageTabs: who may do the one or the other sees that, and no more.
func TestPageTabs(t *testing.T) {
	f := newPageFixture(t)
	id := f.issue("some key", apikey.KeySpec{Name: "Somebody's"}).ID
	require.Equal(t, 200, f.ask("full", "", nil).StatusCode)
	f.waitForEntries("/deep/", 1)
	for _, row := range []struct {
		key, path string
		status    int
		tabs      []string
	}{
		{"full", "", 200, []string{"Keys", "Access log"}},
		{"full", "/logs", 200, []string{"Keys", "Access log"}},
		{"manager", "", 200, []string{"Keys"}},
		{"manager", "/logs", 403, nil},
		{"manager", "/logs/x", 403, nil},
		{"reader", "", 403, nil},
		{"reader", "/nowhere", 403, nil},
		{"reader", "/new", 403, nil},
		{"reader", "/keys/" + id, 403, nil},
		{"reader", "/logs", 200, []string{"Access log"}},
		{"viewer", "", 403, nil},
		{"viewer", "/logs", 403, nil},
	} {
		t.Run(row.key+" "+row.path, func(t *testing.T) {
			f := pageFixture{&fixture{t: t, auth: f.auth, base: f.base}}
			got := f.ask(row.key, row.path, nil)
			require.Equal(t, row.status, got.StatusCode)
			var tabs []string
			for _, nav := range got.page.all("nav", "aria-label", "Sections") {
				for _, a := range nav.all("a") {
					tabs = append(tabs, a.text())
				}
			}
			require.Equal(t, row.tabs, tabs)
		})
	}
	require.Contains(t, f.ask("viewer", "", nil).page.text(), "keys:manage", "it says what is missing")
	f.waitForEntries("", 5)
	require.NotContains(t, f.ask("reader", "/logs", nil).text, "keys/"+id, "keys are for those who manage keys")
	require.Contains(t, f.ask("full", "/logs", nil).text, "keys/"+id)
}

// TestPageHeaders: what protects a page is on every answer.
func TestPageHeaders(t *testing.T) {
	f := newPageFixture(t)
	replies := map[string]reply{
		"sign-in":           f.ask("", "", nil),
		"forbidden":         f.ask("viewer", "", nil),
		"missing":           f.ask("full", "/nowhere", nil),
		"not allowed":       f.ask("full", "/logs", url.Values{}),
		"wrong type":        f.ask("full", "/new", url.Values{}, "Content-Type", "text/plain"),
		"cross-site":        f.ask("full", "/new", url.Values{}, "Sec-Fetch-Site", "cross-site"),
		"cross-site, asset": f.ask("full", "/assets/x.css", url.Values{}, "Sec-Fetch-Site", "cross-site"),
		"bad cursor":        f.ask("full", "/?cursor=*", nil),
		"created":           f.ask("full", "/new", url.Values{}),
		"field error":       f.ask("full", "/new", url.Values{"expires": {"soon"}}),
		"head":              f.ask("full", "", nil, "method", "HEAD"),
	}
	for _, path := range f.paths() {
		replies[path] = f.ask("full", path, nil)
		require.Equal(t, 200, replies[path].StatusCode, path)
	}
	style := replies["sign-in"].page.one(t, "link", "rel", "stylesheet").attrs["href"]
	script := replies["sign-in"].page.one(t, "script").attrs["src"]
	icon := replies["sign-in"].page.one(t, "link", "rel", "icon").attrs["href"]
	for name, path := range map[string]string{"text/css; charset=utf-8": style, "text/javascript; charset=utf-8": script, "image/svg+xml": icon} {
		got := f.ask("", strings.TrimPrefix(path, "./page"), nil)
		require.Equal(t, 200, got.StatusCode, path)
		require.Equal(t, name, got.Header.Get("Content-Type"))
		require.Equal(t, "public, max-age=31536000, immutable", got.Header.Get("Cache-Control"))
		require.Regexp(t, `-[0-9a-f]{12}\.`, path, "its name changes with it")
		got.Header.Set("Cache-Control", "no-store")
		replies[path] = got
	}
	for name, got := range replies {
		h := got.Header
		assert.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "+
			"base-uri 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"), name)
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), name)
		assert.Equal(t, "same-origin", h.Get("Referrer-Policy"), name)
		assert.Equal(t, "no-store", h.Get("Cache-Control"), name)
		if got.page == nil {
			continue
		}
		assert.NotRegexp(t, `(?i) on[a-z]+=| style=|<style|javascript:|//[a-z]`, got.text, name)
		assert.Len(t, got.page.all("script"), 1, name)
	}
	require.Equal(t, "GET, HEAD", replies["not allowed"].Header.Get("Allow"))
	require.Equal(t, 405, replies["not allowed"].StatusCode)
	require.Empty(t, replies["head"].text)
}

// TestPageCrossSite: forms of other sites change nothing, whatever they ask for.
func TestPageCrossSite(t *testing.T) {
	f := newPageFixture(t)
	key := f.issue("some key", apikey.KeySpec{})
	own, err := url.Parse(f.base)
	require.NoError(t, err)
	rows := map[string]struct {
		header []string
		ok     bool
	}{
		"another site":              {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"another host of this site": {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"another origin":            {[]string{"Origin", "https://evil.example"}, false},
		"an origin that hides":      {[]string{"Origin", "null"}, false},
		"the page itself":           {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"the page, over plain HTTP": {[]string{"Origin", "http://" + own.Host}, true},
		"no browser":                {nil, true},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			f := pageFixture{&fixture{t: t, auth: f.auth, base: f.base}}
			for _, path := range []string{"/new", "/keys/" + key.ID, "/keys/" + key.ID + "/state", "/keys/" + key.ID + "/rotate", "/keys/" + key.ID + "/delete", "/nowhere", "/logs"} {
				got := f.ask("full", path, url.Values{"version": {"none"}}, row.header...)
				refused := got.StatusCode == 403 && strings.Contains(got.page.text(), "another site")
				require.Equal(t, !row.ok, refused, "%s: %d", path, got.StatusCode)
			}
		})
	}
	after, err := f.auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, key.Version, after.Version)
}

// TestPageRefusals: each row is a request that is refused, and how.
func TestPageRefusals(t *testing.T) {
	f := newPageFixture(t)
	id := f.issue("victim", apikey.KeySpec{}).ID
	strong := f.issue("strong", apikey.KeySpec{Permissions: []apikey.Permission{apikey.Variables}}).ID
	revoked := f.issue("revoked", apikey.KeySpec{}).ID
	_, err := f.auth.Revoke(t.Context(), revoked)
	require.NoError(t, err)
	v := func(more ...string) url.Values {
		form := url.Values{"version": {"1"}}
		for i := 0; i < len(more); i += 2 {
			form.Add(more[i], more[i+1])
		}
		return form
	}
	stale := url.Values{"version": {"7"}, "overlap": {"0s"}, "to": {"disabled"}}
	for _, row := range []struct {
		name, key, path string
		form            url.Values
		header          []string
		status          int
		text            string
	}{
		{"address that is not there", "full", "/nowhere", nil, nil, 404, "nothing at this address"},
		{"key that is not there", "full", "/keys/none", nil, nil, 404, "no such key"},
		{"saving one that is not there", "full", "/keys/none", v(), nil, 404, "no such key"},
		{"rotating one that is not there", "full", "/keys/none/rotate", v("overlap", "0s"), nil, 404, "no such key"},
		{"deleting one that is not there", "full", "/keys/none/delete", v(), nil, 404, "no such key"},
		{"entry that is not there", "full", "/logs/none", nil, nil, 404, "does not have this entry"},
		{"method that is not there", "full", "/keys/" + id, nil, []string{"method", "DELETE"}, 405, "does not take that"},
		{"no form", "full", "/new", v(), []string{"Content-Type", "application/json"}, 415, "takes a form"},
		{"malformed form", "full", "/new", v(), []string{"Content-Type", "application/x-www-form-urlencoded; a"}, 415, "takes a form"},
		{"100 KiB", "full", "/new", v("name", strings.Repeat("a", 100<<10)), nil, 413, "64 KiB"},
		{"made-up cursor", "full", "/?cursor=*", nil, nil, 400, "cursor"},
		{"made-up cursor of the log", "full", "/logs?cursor=abc", nil, nil, 400, "cursor"},
		{"made-up filter", "full", "/?show=all", nil, nil, 400, "no such filter"},
		{"neither enabled nor disabled", "full", "/keys/" + id + "/state", v("to", "gone"), nil, 400, "enabled or disabled"},

		{"disabling a stale version", "full", "/keys/" + id + "/state", stale, nil, 409, "Somebody has changed this key"},
		{"saving a stale version", "full", "/keys/" + id, stale, nil, 409, "Somebody has changed this key"},
		{"saving no version", "full", "/keys/" + id, url.Values{}, nil, 409, "Somebody has changed this key"},
		{"rotating a stale version", "full", "/keys/" + id + "/rotate", stale, nil, 409, "Somebody has changed this key"},
		{"revoking a stale version", "full", "/keys/" + id + "/revoke", stale, nil, 409, "Somebody has changed this key"},
		{"deleting a stale version", "full", "/keys/" + id + "/delete", stale, nil, 409, "Somebody has changed this key"},

		{"rotation to a text in use", "full", "/keys/" + id + "/rotate", v("overlap", "0s", "text", "viewer"), nil, 409, "in use"},
		{"rotation without an overlap", "full", "/keys/" + id + "/rotate", v(), nil, 422, "Must be a duration"},
		{"rotation with too long an overlap", "full", "/keys/" + id + "/rotate", v("overlap", "31d"), nil, 422, "720 hours"},
		{"rotation of a revoked key", "full", "/keys/" + revoked + "/rotate", url.Values{"version": {"2"}, "overlap": {"0s"}}, nil, 409, "was revoked"},

		{"granting what one lacks", "manager", "/new", v("permission", "variables"), nil, 403, "You are not allowed to do this: permissions that you do not hold: variables."},
		{"another's subject", "manager", "/new", v("subject", "noah"), nil, 403, "subject must be"},
		{"saving a stronger key", "manager", "/keys/" + strong, v(), nil, 403, "that you do not hold: variables."},
		{"disabling a stronger key", "manager", "/keys/" + strong + "/state", v("to", "disabled"), nil, 403, "that you do not hold: variables."},
		{"rotating a stronger key", "manager", "/keys/" + strong + "/rotate", v("overlap", "0s"), nil, 403, "that you do not hold: variables."},
		{"revoking a stronger key", "manager", "/keys/" + strong + "/revoke", v(), nil, 403, "that you do not hold: variables."},
		{"deleting a stronger key", "manager", "/keys/" + strong + "/delete", v(), nil, 403, "that you do not hold: variables."},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := pageFixture{&fixture{t: t, auth: f.auth, base: f.base}}
			got := f.ask(row.key, row.path, row.form, row.header...)
			require.Equal(t, row.status, got.StatusCode, got.text)
			require.Contains(t, got.page.text(), row.text)
			require.Len(t, got.page.all("h1"), 1)
			require.NotContains(t, got.text, "victim")
		})
	}
	key, err := f.auth.Key(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, int64(1), key.Version, "nothing above has changed the key")
}

var generated = regexp.MustCompile(`apik_[0-9A-Za-z]{49}`)

// TestPageShowsSecretOnce: in the answer to the form, and nowhere else.
func TestPageShowsSecretOnce(t *testing.T) {
	f := newPageFixture(t)
	made := f.ask("full", "/new", url.Values{"name": {"fresh"}, "permission": {"jobs:view"}})
	require.Equal(t, 200, made.StatusCode)
	require.Empty(t, made.Header.Get("Location"))
	secret := made.page.one(t, "code", "id", "secret").text()
	require.Regexp(t, generated, secret)
	own, err := url.Parse(f.base)
	require.NoError(t, err)
	require.Equal(t, "curl -H 'X-ApiKey: "+secret+"' http://"+own.Host+"/", made.page.one(t, "code", "id", "try").text())
	key, err := f.auth.Authenticate(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, []apikey.Permission{apikey.JobsView}, key.Permissions)

	path := "/keys/" + key.ID
	for _, at := range []string{"", path, path + "/rotate", path + "/delete", "/logs", "/?q=" + secret} {
		got := f.ask("full", at, nil)
		require.Equal(t, at == "/?q="+secret, strings.Contains(got.text, secret), at)
	}
	rotated := f.ask("full", path+"/rotate", url.Values{"version": {"1"}, "overlap": {"1h"}})
	next := rotated.page.one(t, "code", "id", "secret").text()
	require.NotEqual(t, secret, next)
	for _, text := range []string{secret, next} {
		_, err = f.auth.Authenticate(t.Context(), text)
		require.NoError(t, err)
	}
	again := f.ask("full", path+"/rotate", url.Values{"version": {"1"}, "overlap": {"1h"}})
	require.Equal(t, 409, again.StatusCode, "sending the form again rotates nothing")
	require.Contains(t, f.ask("full", path, nil).page.text(), "…"+next[len(next)-4:])

	const chosen = "Chosen-Text-1"
	for _, got := range []reply{
		f.ask("full", "/new", url.Values{"text": {chosen}, "name": {"chosen"}}),
		f.ask("full", "/new", url.Values{"text": {chosen}, "name": {"again"}}),
		f.ask("full", "/new", url.Values{"text": {chosen + " "}}),
		f.ask("full", path+"/rotate", url.Values{"version": {"2"}, "text": {chosen}, "overlap": {"0s"}}),
		f.ask("full", path+"/rotate", url.Values{"version": {"2"}, "text": {chosen + "-2"}, "overlap": {"0s"}}),
	} {
		require.NotContains(t, got.text, "Chosen-Text", "whoever chose a text knows it")
		require.Empty(t, got.page.all("code", "id", "secret"))
	}
	key, err = f.auth.Authenticate(t.Context(), chosen)
	require.NoError(t, err)
	require.Equal(t, "chosen", key.Name)
	_, err = f.auth.Authenticate(t.Context(), chosen+"-2")
	require.NoError(t, err)
}

// TestPageLifecycle: what the other forms do.
func TestPageLifecycle(t *testing.T) {
	f := newPageFixture(t)
	id := f.issue("living", apikey.KeySpec{Name: "living"}).ID
	path := "/keys/" + id
	state := func() string { return f.ask("full", path, nil).page.one(t, "h1").text() }
	require.Equal(t, "living active weak", state())
	send := func(to, at string, form url.Values) {
		t.Helper()
		form.Set("version", f.ask("full", path, nil).version(t))
		got := f.ask("full", at, form)
		require.Equal(t, 303, got.StatusCode, got.text)
		require.Equal(t, to, got.Header.Get("Location"))
	}
	send("../../keys/"+id+"?done=disabled", path+"/state", url.Values{"to": {"disabled"}})
	require.Equal(t, "living disabled weak", state())
	send("../../keys/"+id+"?done=enabled", path+"/state", url.Values{"to": {"enabled"}})
	require.Equal(t, "living active weak", state())
	send("../keys/"+id+"?done=saved", path, url.Values{"name": {"saved"}})
	require.Equal(t, "saved active weak", state())
	send("../../keys/"+id+"?done=revoked", path+"/revoke", url.Values{})
	require.Equal(t, "saved revoked weak", state())
	send("../../?done=deleted", path+"/delete", url.Values{})
	require.Equal(t, 404, f.ask("full", path, nil).StatusCode)
	require.Equal(t, "The key is deleted.", f.ask("full", "/?done=deleted", nil).page.one(t, "p", "role", "status").text())
	require.Empty(t, f.ask("full", "/?done=anything", nil).page.all("p", "role", "status"))
}

// TestPageIsAudited: each change is in the log, with whoever has made it.
func TestPageIsAudited(t *testing.T) {
	f := newPageFixture(t)
	by, err := f.auth.Authenticate(t.Context(), "full")
	require.NoError(t, err)
	require.Equal(t, 200, f.ask("full", "/new", url.Values{"name": {"audited"}, "text": {"audited-text-1"}}).StatusCode)
	key, err := f.auth.Authenticate(t.Context(), "audited-text-1")
	require.NoError(t, err)
	path := "/keys/" + key.ID
	for i, row := range []struct {
		at   string
		form url.Values
	}{
		{"", url.Values{"name": {"renamed"}}},
		{"/state", url.Values{"to": {"disabled"}}},
		{"/rotate", url.Values{"overlap": {"0s"}}},
		{"/revoke", url.Values{}},
		{"/delete", url.Values{}},
	} {
		row.form.Set("version", fmt.Sprint(i+1))
		require.Less(t, f.ask("full", path+row.at, row.form).StatusCode, 400, row.at)
	}
	var made []string
	require.Eventually(t, func() bool {
		entries, _, err := f.auth.AccessLog(t.Context(), apikey.LogQuery{KeyID: key.ID, Outcome: apikey.OutcomeChange, Limit: 10})
		made = nil
		for _, e := range slices.Backward(entries) {
			made = append(made, e.Actor+" "+string(e.Action))
		}
		return err == nil && len(made) == 6
	}, 5*time.Second, 10*time.Millisecond)
	actor := "key:" + by.ID
	require.Equal(t, []string{
		actor + " create", actor + " update", actor + " update", actor + " rotate", actor + " revoke", actor + " delete",
	}, made)
}

// TestPageOwnKey: it says so before somebody takes away the key by which they are here.
func TestPageOwnKey(t *testing.T) {
	f := newPageFixture(t)
	own, err := f.auth.Authenticate(t.Context(), "full")
	require.NoError(t, err)
	other := f.issue("other", apikey.KeySpec{Name: "other"})
	for _, at := range []string{"", "/rotate", "/revoke", "/delete"} {
		require.Contains(t, f.ask("full", "/keys/"+own.ID+at, nil).page.text(), "You are signed in with this key", at)
		require.NotContains(t, f.ask("full", "/keys/"+other.ID+at, nil).page.text(), "You are signed in", at)
	}
}

// TestPageAuthorizer: a host's own authorization decides who acts.
func TestPageAuthorizer(t *testing.T) {
	f := newPageFixture(t)
	var actor apikey.Actor
	var refusal error
	page, err := admin.NewPage(f.auth, func(http.ResponseWriter, *http.Request, apikey.Permission) (apikey.Actor, *http.Request, error) {
		return actor, nil, refusal
	}, nil)
	require.NoError(t, err)
	server := httptest.NewServer(page)
	defer server.Close()
	f.base = server.URL
	require.Equal(t, 403, f.ask("", "/new", url.Values{"permission": {"jobs:view"}}).StatusCode, "the zero Actor holds nothing")
	actor = apikey.Actor{ID: "user:1", Name: "Ada <3", Permissions: []apikey.Permission{apikey.Native}}
	got := f.ask("", "", nil)
	require.Equal(t, 200, got.StatusCode)
	require.Contains(t, got.page.one(t, "p", "class", "actor").text(), "Ada <3")
	require.Equal(t, 200, f.ask("", "/new", url.Values{"permission": {"jobs:view"}}).StatusCode)
	refusal = errors.New("session 4711 has ended")
	got = f.ask("", "", nil)
	require.Equal(t, 403, got.StatusCode)
	require.NotContains(t, got.text, "4711")
	require.Empty(t, got.Header.Get("WWW-Authenticate"))
	for _, row := range refusals {
		refusal = row.err
		got := f.ask("", "", nil)
		require.Equal(t, row.status, got.StatusCode, row.err)
		require.Contains(t, got.text, row.text)
	}
}

// TestByKeyOfHTTPAuth: an Authority that takes HTTP authentication by itself keeps
// its own way.
func TestByKeyOfHTTPAuth(t *testing.T) {
	f := newPageFixture(t)
	basic := f.auth.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromBasic("admin")}, Realm: "Keys"})
	page, err := admin.NewPage(f.auth, admin.ByKey(basic), nil)
	require.NoError(t, err)
	server := httptest.NewServer(page)
	defer server.Close()
	f.base = server.URL
	got := f.ask("full", "", nil)
	require.Equal(t, 401, got.StatusCode, "the user is another")
	require.Equal(t, `Basic realm="Keys", charset="UTF-8"`, got.Header.Get("WWW-Authenticate"))
	req, err := http.NewRequest("GET", server.URL, nil)
	require.NoError(t, err)
	req.SetBasicAuth("admin", "full")
	resp, err := noRedirects.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
}

func TestNewPageRefuses(t *testing.T) {
	f := newFixture(t)
	_, err := admin.NewPage(f.auth, nil, nil)
	require.ErrorContains(t, err, "Authorizer")
	plain, err := apikey.New(t.Context(), lookupOnly{}, nil)
	require.NoError(t, err)
	_, err = admin.NewPage(plain, admin.ByKey(plain), nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	for _, path := range []string{"keys", "//evil.example", `/\evil.example`} {
		_, err = admin.NewPage(f.auth, admin.ByKey(f.auth), &admin.Options{BasePath: path})
		require.ErrorContains(t, err, "BasePath")
	}
}

// TestPageStoreFails: the operator is told, and the reader that it is not them.
func TestPageStoreFails(t *testing.T) {
	auth, err := apikey.New(t.Context(), brokenStore{apikey.NewMemoryStore()}, nil)
	require.NoError(t, err)
	_, err = auth.IssueCustom(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}}, "full")
	require.NoError(t, err)
	var log strings.Builder
	page, err := admin.NewPage(auth, admin.ByKey(auth), &admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth("api", "full")
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	require.Equal(t, 503, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.NotContains(t, w.Body.String(), "fire")
	require.Contains(t, log.String(), "disk on fire")
}

// TestPageIsRecorded: who has used the page, and who has tried to, is in the log.
func TestPageIsRecorded(t *testing.T) {
	f := newPageFixture(t)
	require.Equal(t, 200, f.ask("full", "/new", url.Values{"text": {"Chosen-Text-1"}}).StatusCode)
	require.Equal(t, 401, f.ask("nobody", "", nil).StatusCode)
	require.Equal(t, 200, f.ask("", strings.TrimPrefix(f.ask("", "", nil).page.one(t, "script").attrs["src"], "./page"), nil).StatusCode)
	got := map[string]apikey.LogEntry{}
	for _, e := range f.waitForEntries("/deep/page", 3) {
		got[fmt.Sprint(e.Method, e.Path, e.Reason)] = e
	}
	require.Equal(t, []string{"GET/deep/pageno_key", "GET/deep/pageunknown_key", "POST/deep/page/new"}, slices.Sorted(maps.Keys(got)))
	e := got["POST/deep/page/new"]
	require.Equal(t, apikey.OutcomeAllowed, e.Outcome)
	require.Equal(t, "/deep/page/new", e.Route)
	require.NotEmpty(t, e.KeyID)
	require.Empty(t, e.Request.Text)
	require.Empty(t, e.Response.Text)
}

// TestPageManyKeys: a hundred thousand keys are no more trouble than a hundred.
func TestPageManyKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 100,000 keys")
	}
	f := newPageFixture(t)
	const n = 100_000
	for i := range n {
		digest := apikey.DigestOf(fmt.Sprint("key ", i))
		require.NoError(t, f.store.Create(t.Context(), &apikey.Key{
			ID: fmt.Sprintf("zz%06d", i), Version: 1, Name: fmt.Sprintf("Build %06d", i), CreatedAt: time.Now(),
			Credentials: []apikey.Credential{{Digest: digest}},
		}))
	}
	for path, want := range map[string]string{
		"":                "Build 099999",
		"/?q=build+00004": "Build 000049",
		"/?q=000007":      "Build 000007",
		"/?show=unused":   "Build 099999",
		"/?q=nothing":     "contains “nothing”",
	} {
		got := f.ask("full", path, nil)
		require.Equal(t, 200, got.StatusCode)
		require.Contains(t, got.page.text(), want, path)
	}
	require.Contains(t, f.ask("full", "", nil).page.text(), "Of the newest 1,000 keys.")
	seen := 0
	path := ""
	for range 5 {
		got := f.ask("full", path, nil)
		seen += len(got.page.one(t, "tbody").all("tr"))
		path = "/" + got.page.one(t, "a", "rel", "next").attrs["href"]
	}
	require.Equal(t, 250, seen)
}

// TestSecretsStayOutOfTheLog: also where a host has put page and API behind a Require
// of its own, and whoever makes a key logs bodies.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	f := newPageFixture(t)
	f.issue("chatty-text-1", apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native}, Logging: apikey.LogBoth})
	basic := f.auth.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromBasic("api"), apikey.FromHeader("X-ApiKey")}})
	page, err := admin.NewPage(f.auth, admin.ByKey(basic), nil)
	require.NoError(t, err)
	api, err := admin.NewAPI(f.auth, admin.ByKey(basic), nil)
	require.NoError(t, err)
	r := chi.NewRouter()
	r.With(basic.Require(apikey.Native)).Mount("/page", page)
	r.With(basic.Require(apikey.Native)).Mount("/api", api)
	server := httptest.NewServer(r)
	defer server.Close()
	f.base = server.URL
	made := f.ask("chatty-text-1", "/page/new", url.Values{})
	secrets := []string{made.page.one(t, "code", "id", "secret").text(), "Chosen-Text-1", "Chosen-Text-2"}
	require.Equal(t, 200, f.ask("chatty-text-1", "/page/new", url.Values{"text": {"Chosen-Text-1"}}).StatusCode)
	require.Equal(t, 201, f.call("chatty-text-1", "POST", "/api/", `{"key":"Chosen-Text-2"}`).StatusCode)
	secrets = append(secrets, f.call("chatty-text-1", "POST", "/api/", `{}`).body["secret"].(string))
	f.waitForEntries("/page", 2)
	f.waitForEntries("/api", 2)
	entries, _, err := f.auth.AccessLog(t.Context(), apikey.LogQuery{Bodies: true, Limit: 100})
	require.NoError(t, err)
	for _, secret := range secrets {
		require.NotContains(t, fmt.Sprintf("%+v", entries), secret)
	}
}
