package admin_test

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// typed is a form filled in with something in every field.
func typed() url.Values {
	return url.Values{
		"name": {"Nightly"}, "description": {"one\r\ntwo"}, "subject": {"ada"}, "permission": {"jobs:view", "variables"},
		"logResponse": {"on"}, "expires": {"2999-01-31T09:30"}, "metadata": {"team=release\r\nroom = 1\r\n"},
	}
}

// TestPageCreates: every field arrives.
func TestPageCreates(t *testing.T) {
	f := newPageFixture(t)
	got := f.ask("full", "/new", typed())
	require.Equal(t, 200, got.StatusCode)
	key, err := f.auth.Authenticate(t.Context(), got.page.one(t, "code", "id", "secret").text())
	require.NoError(t, err)
	require.Equal(t, apikey.KeySpec{
		Name: "Nightly", Description: "one\ntwo", Subject: "ada", Permissions: []apikey.Permission{apikey.JobsView, apikey.Variables},
		Logging: apikey.LogResponse, ExpiresAt: time.Date(2999, 1, 31, 9, 30, 0, 0, time.UTC),
		Metadata: map[string]string{"team": "release", "room": "1"},
	}, key.Spec())
}

// TestPageFormErrors: what is wrong stands beside its field, and everything that was
// typed is still there, save the text of a key.
func TestPageFormErrors(t *testing.T) {
	f := newPageFixture(t)
	id := f.issue("victim", apikey.KeySpec{}).ID
	for _, row := range []struct {
		name, field, value string
		errorID, error     string
		status             int
	}{
		{"long name", "name", strings.Repeat("n", 201), "name-error", "Must have at most 200 characters", 422},
		{"control character in a name", "name", "a\tb", "name-error", "none of them control characters", 422},
		{"long description", "description", strings.Repeat("d", 2001), "description-error", "at most 2000 characters", 422},
		{"long subject", "subject", strings.Repeat("s", 201), "subject-error", "Must have at most 200 characters", 422},
		{"no time", "expires", "soon", "expiresAt-error", "Must be a date and a time", 422},
		{"the past", "expires", "2001-01-01T00:00", "expiresAt-error", "Must lie in the future", 422},
		{"no pair", "metadata", "a=1\nb", "metadata-error", "line 2 has not", 422},
		{"a pair without a name", "metadata", "=1", "metadata-error", "line 1 has not", 422},
		{"a name twice", "metadata", "a=1\na=2", "metadata-error", "line 2 repeats", 422},
		{"open quotes", "metadata", `a="1`, "metadata-error", "line 1 has not", 422},
		{"much metadata", "metadata", "a=" + strings.Repeat("m", 5000), "metadata-error", "at most 4096 bytes", 422},
		{"text with a space at its end", "text", "Text-That-Was-Typed ", "key-error", "is not legal", 422},
		{"text in use", "text", "viewer", "key-error", "in use", 409},
	} {
		for where, path := range map[string]string{"creating": "/new", "editing": "/keys/" + id} {
			if row.field == "text" && where == "editing" {
				continue
			}
			t.Run(where+", "+row.name, func(t *testing.T) {
				f := pageFixture{&fixture{t: t, auth: f.auth, base: f.base}}
				form := typed()
				form.Set("version", "1")
				form.Set(row.field, row.value)
				got := f.ask("full", path, form)
				require.Equal(t, row.status, got.StatusCode)
				complaint := got.page.one(t, "p", "id", row.errorID)
				require.Contains(t, strings.ToLower(complaint.text()), strings.ToLower(row.error))
				require.Len(t, got.page.all("p", "class", "error"), 1)
				field := got.page.all("input", "id", row.field)
				field = append(field, got.page.all("textarea", "id", row.field)...)
				require.Len(t, field, 1)
				require.Equal(t, "true", field[0].attrs["aria-invalid"])
				require.Contains(t, strings.Fields(field[0].attrs["aria-describedby"]), row.errorID)
				require.Equal(t, complaint.parent, field[0].parent, "it stands beside its field")
				require.Contains(t, got.page.one(t, "div", "role", "alert").text(), "Nothing was changed")

				for _, name := range []string{"name", "description", "subject", "expires", "metadata"} {
					assert.Equal(t, strings.ReplaceAll(form.Get(name), "\r\n", "\n"), got.value(t, name), name)
				}
				assert.Equal(t, form["permission"], got.checked("permission"))
				assert.Empty(t, got.checked("logRequest"))
				assert.Len(t, got.checked("logResponse"), 1)
				assert.NotContains(t, got.text, "Text-That-Was-Typed")
				if row.field == "text" {
					assert.False(t, field[0].hasAttr("value"))
				}
			})
		}
	}
	key, err := f.auth.Key(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, int64(1), key.Version, "nothing above has changed the key")

	form := url.Values{"name": {strings.Repeat("n", 201)}, "expires": {"soon"}, "metadata": {"x"}}
	require.Len(t, f.ask("full", "/new", form).page.all("p", "class", "error"), 2, "what a form cannot say is told first")
}

// TestPageKeepsWhatItShows: saving a form as it is changes nothing, not even what a
// form cannot say.
func TestPageKeepsWhatItShows(t *testing.T) {
	f := newPageFixture(t)
	const spaced = " spaced "
	odd := &apikey.Key{
		ID: "odd", Version: 1, Name: "two\nlines", Description: "\r\nfirst\r\n\nlast\n", Subject: spaced,
		Permissions: []apikey.Permission{"lost:permission", "variables", "jobs", "native"},
		Logging:     apikey.LogRequest, ExpiresAt: time.Date(2999, 1, 31, 9, 30, 15, 123456000, time.UTC),
		Metadata: map[string]string{
			"plain": "a=b", "a=b": "1", `"quoted"`: `"q"`, spaced: " v ", "lines": "1\r\n2\n", "": "nameless", "empty": "", "uni": "größe €",
		},
	}
	require.NoError(t, f.store.Create(t.Context(), odd))
	got := f.ask("full", "/keys/odd", nil)
	require.Equal(t, "2999-01-31T09:30:15", got.value(t, "expires"))
	require.Equal(t, "1", got.page.one(t, "input", "id", "expires").attrs["step"])
	require.ElementsMatch(t, []string{"lost:permission", "variables", "jobs", "native"}, got.checked("permission"))
	form := func(r reply) url.Values {
		form := url.Values{"version": {r.version(t)}, "logRequest": {"on"}, "permission": r.checked("permission")}
		for _, name := range []string{"name", "description", "subject", "expires", "metadata"} {
			form.Set(name, strings.ReplaceAll(r.value(t, name), "\n", "\r\n"))
		}
		return form
	}
	// Browsers have no line breaks in fields of one line, so this cannot come back as it was.
	sent := form(got)
	sent.Set("name", "two\nlines")
	saved := f.ask("full", "/keys/odd", sent)
	require.Equal(t, 422, saved.StatusCode, "the library would not have taken this name")
	require.Contains(t, saved.page.one(t, "p", "class", "error").text(), "control characters")

	sent.Set("name", "one line")
	saved = f.ask("full", "/keys/odd", sent)
	require.Equal(t, 303, saved.StatusCode, saved.text)
	key, err := f.auth.Key(t.Context(), "odd")
	require.NoError(t, err)
	want := odd.Spec()
	want.Name = "one line"
	require.Equal(t, want, key.Spec())

	sent = form(f.ask("full", "/keys/odd", nil))
	sent.Set("metadata", sent.Get("metadata")+"new=1\r\n")
	require.Equal(t, 303, f.ask("full", "/keys/odd", sent).StatusCode)
	key, err = f.auth.Key(t.Context(), "odd")
	require.NoError(t, err)
	want.Metadata["new"] = "1"
	require.Equal(t, want.Metadata, key.Metadata, "what is quoted comes back as it was")
}

// TestPageConflict: who comes second is told so, keeps what they typed, and sees
// what they would overwrite.
func TestPageConflict(t *testing.T) {
	f := newPageFixture(t)
	key := f.issue("contested", apikey.KeySpec{Name: "contested", Permissions: []apikey.Permission{apikey.JobsView}})
	path := "/keys/" + key.ID
	opened := f.ask("full", path, nil)
	spec := key.Spec()
	spec.Name, spec.Description, spec.Permissions = "theirs", "also <theirs>", nil
	_, err := f.auth.Update(t.Context(), key.ID, key.Version, spec)
	require.NoError(t, err)

	mine := url.Values{"version": {opened.version(t)}, "name": {"mine"}, "permission": {"jobs:view"}, "subject": {""}}
	got := f.ask("full", path, mine)
	require.Equal(t, 409, got.StatusCode)
	require.Contains(t, got.page.one(t, "div", "role", "alert").text(), "Somebody has changed this key")
	require.Equal(t, "mine", got.value(t, "name"))
	require.Equal(t, []string{"jobs:view"}, got.checked("permission"))
	var stored []string
	for _, p := range got.page.all("p", "class", "stored") {
		stored = append(stored, p.text())
	}
	require.Equal(t, []string{"Stored now: theirs", "Stored now: also <theirs>", "Stored now: nothing"}, stored)
	after, err := f.auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, "theirs", after.Name)

	mine.Set("version", got.version(t))
	require.Equal(t, 303, f.ask("full", path, mine).StatusCode, "who has seen that may overwrite it")
	after, err = f.auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, "mine", after.Name)
}

// TestPageLostUpdates: of 32 who opened the same form, one does what it is for.
func TestPageLostUpdates(t *testing.T) {
	f := newPageFixture(t)
	for _, row := range []struct {
		name, path string
		form       url.Values
		won        int
	}{
		{"editing", "", url.Values{}, 303},
		{"disabling", "/state", url.Values{"to": {"disabled"}}, 303},
		{"rotating", "/rotate", url.Values{"overlap": {"1h"}}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := "/keys/" + f.issue("edited, "+row.name, apikey.KeySpec{}).ID
			version := f.ask("full", path, nil).version(t)
			statuses := make([]int, 32)
			var group sync.WaitGroup
			for i := range statuses {
				group.Go(func() {
					form := url.Values{"version": {version}, "name": {fmt.Sprint("editor ", i)}}
					maps.Copy(form, row.form)
					statuses[i] = f.ask("full", path+row.path, form).StatusCode
				})
			}
			group.Wait()
			won := 0
			for _, status := range statuses {
				if status == row.won {
					won++
					continue
				}
				assert.Equal(t, 409, status)
			}
			require.Equal(t, 1, won)
		})
	}
}

// TestPageTextStaysText: markup in any field is shown, and is none.
func TestPageTextStaysText(t *testing.T) {
	f := newPageFixture(t)
	const evil = `</textarea></td>"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}&lt;&#0;`
	key := f.issue("evil-text-1", apikey.KeySpec{
		Name: evil, Description: evil, Subject: evil, Metadata: map[string]string{evil: evil, "x": evil},
		Permissions: []apikey.Permission{apikey.JobsView}, Logging: apikey.LogBoth,
	})
	require.Equal(t, 202, f.jobAt("evil-text-1", "/jobs/"+url.PathEscape("<script>")+"?x=%3Cscript%3E", evil))
	entry := f.waitForEntries("/jobs/", 1)[0]

	path := "/keys/" + key.ID
	form := url.Values{"version": {"1"}, "name": {evil}, "description": {evil}, "subject": {evil}, "metadata": {evil}, "expires": {evil}, "permission": {evil}}
	stale := url.Values{"version": {evil}, "name": {"mine"}, "overlap": {evil}, "to": {"disabled"}}
	for _, got := range []reply{
		f.ask("full", "", nil), f.ask("full", path, nil), f.ask("full", path+"/rotate", nil), f.ask("full", path+"/revoke", nil),
		f.ask("full", path+"/delete", nil), f.ask("full", "/?q="+url.QueryEscape(evil), nil), f.ask("full", "/?q="+url.QueryEscape(evil+"x"), nil),
		f.ask("full", "/logs", nil), f.ask("full", "/logs/"+entry.ID, nil), f.ask("full", "/logs?keyId="+key.ID, nil),
		f.ask("full", "/logs?status="+url.QueryEscape(evil)+"&path="+url.QueryEscape(evil), nil),
		f.ask("full", "/logs?path="+url.QueryEscape(evil), nil), f.ask("full", "/new", form), f.ask("full", path, form),
		f.ask("full", path, stale), f.ask("full", path+"/rotate", stale), f.ask("full", path+"/delete", stale),
	} {
		require.Len(t, got.page.all("script"), 1, "%s: the page's own", got.Request.URL)
		require.Empty(t, got.page.all("img"))
		require.NotContains(t, got.text, "<script>")
		require.NotContains(t, got.text, "<no value>")
		require.NotContains(t, got.text, "ZgotmplZ")
	}
	got := f.ask("full", path, nil)
	for _, name := range []string{"name", "description", "subject"} {
		require.Equal(t, evil, got.value(t, name))
	}
	bodies := f.ask("full", "/logs/"+entry.ID, nil).page.all("pre")
	require.Equal(t, evil, bodies[0].own.String())
}

// TestPagePermissions: the boxes are those of the catalog, in groups.
func TestPagePermissions(t *testing.T) {
	f := newPageFixture(t)
	got := f.ask("full", "/new", nil)
	var values []string
	for _, box := range got.page.all("input", "name", "permission") {
		values = append(values, box.attrs["value"])
	}
	var want []string
	for _, e := range apikey.OtterCatalog() {
		want = append(want, string(e.Permission))
	}
	require.Equal(t, want, values)
	var legends []string
	for _, group := range got.page.all("fieldset", "class", "group") {
		legends = append(legends, group.children[0].text())
	}
	require.Equal(t, []string{"Job orchestration", "Infrastructure management", "Variables management", "Configuration management"}, legends)

	id := f.issue("old", apikey.KeySpec{Permissions: []apikey.Permission{"jobs"}}).ID
	got = f.ask("full", "/keys/"+id, nil)
	require.Contains(t, got.page.text(), "Other permissions")
	require.Equal(t, []string{"jobs"}, got.checked("permission"))
	require.Equal(t, 303, f.ask("full", "/keys/"+id, url.Values{"version": {"1"}, "permission": {"jobs:view"}}).StatusCode)
	key, err := f.auth.Key(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []apikey.Permission{apikey.JobsView}, key.Permissions)
}
