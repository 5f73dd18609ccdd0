package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestPageLife is the life of a key through the page alone.
func TestPageLife(t *testing.T) {
	for name, l := range map[string]look{"with script": {zone: "Asia/Kolkata"}, "without": {noScript: true}} {
		t.Run(name, func(t *testing.T) { pageLife(t, l) })
	}
}

func pageLife(t *testing.T, l look) {
	t.Helper()
	s := newSite(t)
	w := newBrowser(t).open(s.base, fullKey, l)
	w.follow("a[href$='/new']")
	w.fill("#name", "Deployment")
	w.fill("#description", "Triggers the nightly <b>deployment</b>")
	w.click("input[value='jobs:trigger']")
	w.click("#log-request")
	w.fill("#metadata", "team=release")
	w.shoot("create")
	w.follow("form[method=post] .primary")

	secret := w.text("#secret")
	require.NotEmpty(t, secret)
	require.Contains(t, w.text("#try"), secret)
	require.Contains(t, w.text("#try"), s.base+"/api/jobs/trigger")
	if !l.noScript {
		w.click("[data-copy=secret]")
		eventually(t, func() bool { return w.text("#copied") != "" })
	}
	w.shoot("secret")
	require.Equal(t, 200, s.trigger(t, secret))
	keys, err := s.auth.Keys(t.Context(), apikey.Query{})
	require.NoError(t, err)
	key := keys[0]
	s.waitForLog(t, key.ID, 200)

	w.follow(".secret .actions a")
	require.NotContains(t, w.text("body"), secret)
	w.follow(".facts a[href*='logs']")
	w.shoot("log of key")
	require.Contains(t, w.text("table"), "/api/jobs/trigger?template=hdars")
	w.follow("tbody tr:first-child th a") // the newest is the one of this key's only request
	require.Contains(t, w.text("pre"), `"<b>nightly</b>"`)
	w.shoot("entry")

	w.open("/keys/" + key.ID)
	w.fill("#name", "Nightly deployment")
	w.follow("form[aria-label='Edit this key'] .primary")
	require.Equal(t, "Saved.", w.text(".notice"))
	require.Contains(t, w.text("h1"), "Nightly deployment")
	w.shoot("edited")

	w.follow("a[href$='/rotate']")
	w.follow("form .primary")
	rotated := w.text("#secret")
	require.NotEqual(t, secret, rotated)
	require.Equal(t, 200, s.trigger(t, secret), "both open the key for a while")
	require.Equal(t, 200, s.trigger(t, rotated))

	w.open("/keys/" + key.ID)
	w.follow("button[value=disabled]")
	require.Equal(t, 401, s.trigger(t, rotated))
	w.follow("button[value=enabled]")
	require.Equal(t, 200, s.trigger(t, rotated))

	w.follow("a[href$='/revoke']")
	w.shoot("revoke")
	w.follow("form .danger")
	require.Contains(t, w.text("h1"), "revoked")
	require.Equal(t, 401, s.trigger(t, rotated))

	w.follow("a[href$='/delete']")
	w.follow("form .danger")
	require.Equal(t, "The key is deleted.", w.text(".notice"))
	require.NotContains(t, w.text("table"), "Nightly")
	require.NotContains(t, eval[string](w, "location.href"), rotated)
}
