package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

// notes returns what a page says of the keys and the log, a "!" before warnings.
func (r reply) notes() (texts []string) {
	for _, list := range r.page.all("ul", "class", "notes") {
		for _, item := range list.all("li") {
			text := item.text()
			if item.attrs["class"] == "warn" {
				text = "!" + text
			}
			texts = append(texts, text)
		}
	}
	return texts
}

// TestPosture: what the notes say, and where they lead.
func TestPosture(t *testing.T) {
	f := newPageFixture(t)
	f.issue("T3xt-Of-Many-Characters-That-Nobody-Guesses-Soon-42", apikey.KeySpec{
		Name: "good", ExpiresAt: time.Now().Add(time.Hour), Permissions: []apikey.Permission{apikey.JobsView}, Logging: apikey.LogBoth,
	})
	revoked := f.issue("weak too", apikey.KeySpec{Name: "gone"})
	_, err := f.auth.Revoke(t.Context(), revoked.ID)
	require.NoError(t, err)
	require.Equal(t, []string{
		"!Warning: 4 weak keys", "5 keys were never used", "4 keys never expire", "1 key logs bodies",
	}, f.ask("full", "", nil).notes(), "keys that open nothing do not count")

	got := f.ask("full", "/?show=bodies", nil)
	require.Empty(t, got.notes())
	require.Equal(t, "Keys that log bodies", got.page.one(t, "h1").text())
	rows := got.page.one(t, "tbody").all("tr")
	require.Len(t, rows, 1)
	require.Contains(t, rows[0].text(), "good")
	require.Len(t, f.ask("full", "/?show=weak", nil).page.one(t, "tbody").all("tr"), 4)
	require.Empty(t, f.ask("full", "/?q=good", nil).notes(), "they are about all keys, and stand above all of them")
}

// TestPostureWithoutFullControl: nobody is left who could do everything.
func TestPostureWithoutFullControl(t *testing.T) {
	const nobody = "!Warning: No active key has full control"
	f := newPageFixture(t)
	require.NotContains(t, f.ask("full", "", nil).notes(), nobody)
	keys, err := f.auth.Keys(t.Context(), apikey.Query{Limit: 100})
	require.NoError(t, err)
	for _, key := range keys {
		if key.Permissions[0] == apikey.Native {
			spec := key.Spec()
			spec.Disabled = true
			_, err := f.auth.Update(t.Context(), key.ID, key.Version, spec)
			require.NoError(t, err)
		}
	}
	require.Contains(t, f.ask("manager", "", nil).notes(), nobody)
	for i := range 1001 {
		require.NoError(t, f.store.Create(t.Context(), &apikey.Key{ID: fmt.Sprintf("zz%04d", i), Version: 1}))
	}
	require.NotContains(t, f.ask("manager", "", nil).notes(), nobody, "there may be one among the older keys")
}

// TestPostureFilterPages: a filter finds what it is about among any number of keys.
func TestPostureFilterPages(t *testing.T) {
	f := newPageFixture(t)
	for i := range 2500 {
		key := &apikey.Key{ID: fmt.Sprintf("zz%04d", i), Version: 1}
		if i%40 == 0 {
			key.Logging = apikey.LogRequest
		}
		require.NoError(t, f.store.Create(t.Context(), key))
	}
	found := map[string]bool{}
	path, pages := "/?show=bodies", 0
	for ; path != ""; pages++ {
		got := f.ask("full", path, nil)
		path = ""
		for _, a := range got.page.all("a", "rel", "next") {
			path = "/" + a.attrs["href"]
		}
		for _, body := range got.page.all("tbody") {
			for _, row := range body.all("tr") {
				name := row.one(t, "a", "class", "name nameless").text()
				require.False(t, found[name], "%s is there twice", name)
				found[name] = true
			}
		}
	}
	require.Len(t, found, 63)
	require.Equal(t, 3, pages)
}

// stuckLog takes nothing.
type stuckLog struct{ *apikey.MemoryLog }

func (stuckLog) WriteLog(context.Context, []apikey.LogEntry) error { return errors.New("disk full") }

// TestPostureOfTheLog: entries that are lost or wait are told of, above keys and log.
func TestPostureOfTheLog(t *testing.T) {
	f := newPageFixture(t)
	auth, err := apikey.New(t.Context(), f.store, &apikey.Options{
		Log: apikey.LogOptions{Sink: stuckLog{apikey.NewMemoryLog(1)}, MaxEntries: 4},
	})
	require.NoError(t, err)
	page, err := admin.NewPage(auth, admin.ByKey(auth), nil)
	require.NoError(t, err)
	server := httptest.NewServer(page)
	defer server.Close()
	f.base = server.URL
	for range 20 {
		f.ask("full", "", nil)
	}
	require.Eventually(t, func() bool { return auth.LogStats().Failing }, 5*time.Second, 10*time.Millisecond)
	for _, path := range []string{"", "/logs"} {
		notes := f.ask("full", path, nil).notes()
		require.GreaterOrEqual(t, len(notes), 2)
		require.Regexp(t, `^!Warning: The access log cannot be written; \d+ entr(y waits|ies wait)$`, notes[0])
		require.Regexp(t, `^!Warning: \d+ entries of the access log were lost since this server started$`, notes[1])
	}
}
