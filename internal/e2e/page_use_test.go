package e2e

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// tabTo presses Tab until the element has the focus, and fails where what has it on
// the way cannot be seen to.
func (w *tab) tabTo(css string) {
	w.t.Helper()
	const seen = `(() => { const e = document.activeElement, s = getComputedStyle(e);
		return e === document.body || s.outlineStyle !== "none" && s.outlineWidth !== "0px" })()`
	for range 100 {
		w.press(kb.Tab)
		require.True(w.t, eval[bool](w, seen), "the focus cannot be seen on %s", eval[string](w, "document.activeElement.outerHTML"))
		if eval[bool](w, fmt.Sprintf("document.activeElement.matches(%q)", css)) {
			return
		}
	}
	require.Fail(w.t, "the keyboard does not lead to "+css)
}

// enter presses Enter, which leads to another page.
func (w *tab) enter() {
	w.t.Helper()
	w.loads(chromedp.KeyEvent(kb.Enter))
}

// TestPageByKeyboard makes, changes and deletes a key without a mouse.
func TestPageByKeyboard(t *testing.T) {
	s := newSite(t)
	w := newBrowser(t).open(s.base, fullKey, look{})
	w.press(kb.Tab)
	require.Equal(t, "Skip to the content", eval[string](w, "document.activeElement.textContent"))
	w.press(kb.Enter)
	w.tabTo("a[href$='/new']")
	w.enter()
	w.tabTo("#name")
	w.press("By keyboard")
	w.tabTo("input[value='jobs:trigger']")
	w.press(" ")
	w.tabTo("form .primary")
	w.enter()
	secret := w.text("#secret")
	w.tabTo("[data-copy=secret]")
	w.press(kb.Enter)
	eventually(t, func() bool { return w.text("#copied") == "Copied." })
	require.Equal(t, 200, s.trigger(t, secret))

	w.tabTo(".secret .actions a")
	w.enter()
	w.tabTo("#description")
	w.press("No mouse")
	w.press(kb.Enter) // of a text area: no form is sent
	w.tabTo("#subject")
	w.enter()
	require.Equal(t, "Saved.", w.text(".notice"))
	w.tabTo("a[href$='/delete']")
	w.enter()
	w.tabTo("form .danger")
	w.enter()
	require.Equal(t, "The key is deleted.", w.text(".notice"))
	require.Equal(t, 401, s.trigger(t, secret))
}

// TestPageConflict: who saves second sees what they would overwrite, and loses
// nothing that they have typed.
func TestPageConflict(t *testing.T) {
	s := newSite(t)
	key := s.issue(t, apikey.KeySpec{Name: "contested", Permissions: []apikey.Permission{apikey.JobsView}}, "contested-1")
	w := newBrowser(t).open(s.base, fullKey, look{})
	w.expect("status of 409")
	w.expect("status of 422")
	w.open("/keys/" + key.ID)
	w.fill("#name", "mine")
	w.click("input[value='variables']")
	spec := key.Spec()
	spec.Name, spec.Description = "theirs", "Theirs, and of some length, so that it can be seen what they have written here"
	_, err := s.auth.Update(t.Context(), key.ID, key.Version, spec)
	require.NoError(t, err)

	const save = "form[aria-label='Edit this key'] .primary"
	w.follow(save)
	require.True(t, eval[bool](w, "document.activeElement.matches('[role=alert]')"))
	require.Equal(t, "mine", eval[string](w, "document.getElementById('name').value"))
	require.Contains(t, w.text(".stored"), "theirs")
	require.Empty(t, eval[[]string](w, faint))
	w.shoot("conflict")
	w.fill("#metadata", "no pair")
	w.follow(save)
	require.True(t, eval[bool](w, "document.activeElement.matches('#metadata')"), "it begins where something is wrong")
	require.Contains(t, w.text("#metadata-error"), "line 1")
	require.Empty(t, eval[[]string](w, faint))
	w.shoot("errors")
	w.fill("#metadata", "a=pair")
	w.follow(save)
	require.Equal(t, "Saved.", w.text(".notice"))
}

// TestPageCopies: what is copied is the key, and the command.
func TestPageCopies(t *testing.T) {
	s := newSite(t)
	w := newBrowser(t).open(s.base, fullKey, look{})
	for _, what := range []string{"secret", "try"} {
		w.open("/new")
		w.follow("form .primary")
		want := w.text("#" + what)
		w.click("[data-copy=" + what + "]")
		eventually(t, func() bool { return w.text("#copied") == "Copied." })
		w.open("")
		w.click("#q")
		w.press("v", func(p *input.DispatchKeyEventParams) {
			p.Modifiers, p.Commands = int64(chromedp.ModifierCtrl), []string{"paste"}
		})
		require.Equal(t, want, eval[string](w, "document.getElementById('q').value"))
	}
}

// TestPageSecretIsGone: whoever goes back in the browser's history finds no key.
func TestPageSecretIsGone(t *testing.T) {
	s := newSite(t)
	browser := newBrowser(t)
	for _, noScript := range []bool{false, true} {
		w := browser.open(s.base, fullKey, look{noScript: noScript})
		w.expect("ERR_CACHE_MISS")
		w.open("/new")
		w.follow("form .primary")
		secret := w.text("#secret")
		if !noScript {
			// As when the browser keeps the page as it is, to show it again.
			w.eval("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
			require.NotContains(t, eval[string](w, "document.documentElement.outerHTML"), secret)
		}
		w.follow(".secret .actions a")
		w.back()
		require.Eventually(t, func() bool {
			// It fails while one page takes the place of the other.
			at, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.readyState + location.href"))
			return err == nil && strings.HasPrefix(at, "complete") && !strings.Contains(at, "/keys/")
		}, waitTime, tick)
		require.NotContains(t, eval[string](w, "document.documentElement.outerHTML"), secret)
	}
}

// TestPageForeignForms: a form that somebody else's page sends changes nothing, though
// the browser is signed in, and whatever it tells of where the form comes from.
func TestPageForeignForms(t *testing.T) {
	s := newSite(t)
	foreign := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%s"><input name="name" value="foreign"><button>Win a prize</button></form>`,
			html.EscapeString(r.URL.Query().Get("to")))
	}))
	at := func(base, host string) string { return strings.Replace(base, "127.0.0.1", host, 1) }
	browser := newBrowser(t)
	for _, row := range []struct{ name, page, from string }{
		{"another site", "127.0.0.1", "localhost"},
		{"another port of this host", "127.0.0.1", "127.0.0.1"},
		{"another site, over plain HTTP", "intranet.test", "127.0.0.1"},
		{"another port of this host, over plain HTTP", "intranet.test", "intranet.test"},
	} {
		base, from := at(s.base, row.page), at(foreign, row.from)
		w := browser.open(base, fullKey, look{})
		w.expect("status of 403")
		w.expect("a request to " + from)
		w.goTo(from + "/?to=" + url.QueryEscape(base+pagePath+"/new"))
		w.follow("button")
		require.Contains(t, w.text("main"), "another site", row.name)
		w.open("?q=foreign")
		require.Contains(t, w.text("main"), "contains “foreign”", "%s: none was made, and the browser is signed in", row.name)
	}
}

// TestPageOverPlainHTTP: forms work also where browsers send no Sec-Fetch-Site.
func TestPageOverPlainHTTP(t *testing.T) {
	s := newSite(t)
	base := strings.Replace(s.base, "127.0.0.1", "intranet.test", 1)
	w := newBrowser(t).open(base, fullKey, look{})
	require.False(t, eval[bool](w, "isSecureContext"))
	w.open("/new")
	w.fill("#name", "made over plain HTTP")
	w.follow("form .primary")
	require.Contains(t, w.text("#try"), base)
	w.click("[data-copy=secret]")
	eventually(t, func() bool { return w.text("#copied") == "Copied." })
	w.open("")
	require.Contains(t, w.text("table"), "made over plain HTTP")
}

// TestPageTimes: they are the reader's own, and UTC on hover.
func TestPageTimes(t *testing.T) {
	s := newSite(t)
	expires := time.Date(2999, 1, 31, 20, 30, 0, 0, time.UTC)
	key := s.issue(t, apikey.KeySpec{Name: "timed", ExpiresAt: expires}, "timed-3F7hA0")
	w := newBrowser(t).open(s.base, fullKey, look{zone: "Asia/Kolkata"})
	require.Equal(t, "Feb 1, 2999, 2:00 AM", eval[string](w, "document.querySelector('[data-label=Expires] time').textContent.replace(/\\s/g, ' ')"))
	require.Equal(t, "2999-01-31 20:30:00 UTC", eval[string](w, "document.querySelector('[data-label=Expires] time').title"))
	w.open("/keys/" + key.ID)
	require.Equal(t, "2999-01-31T20:30", eval[string](w, "document.getElementById('expires').value"))
	require.Contains(t, w.text("#expires + .hint"), "Feb 1, 2999")

	w.click(".choices button:nth-child(2)")
	w.follow("form[aria-label='Edit this key'] .primary")
	saved, err := s.auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().AddDate(0, 0, 90), saved.ExpiresAt, 2*time.Minute)
}

// TestPageTextStaysText: nothing that anybody has typed or sent becomes part of a
// page. The tab fails on scripts that run, and on those that the policy stops.
func TestPageTextStaysText(t *testing.T) {
	s := newSite(t)
	const evil = `"'></td></textarea><script>throw 1</script><img src=x onerror="throw 2"><style>*{display:none}</style>`
	key, secret, err := s.auth.Issue(t.Context(), apikey.KeySpec{
		Name: evil, Description: evil, Subject: evil, Permissions: []apikey.Permission{apikey.JobsTrigger},
		Logging: apikey.LogBoth, Metadata: map[string]string{evil: evil},
	})
	require.NoError(t, err)
	ask := with(secret.Reveal())
	ask.kind, ask.body = "text/html", evil
	require.Equal(t, 200, ask.do(t, s.base+"/api/jobs/trigger?x=%3Cscript%3Ethrow%203%3C/script%3E").status)
	s.waitForLog(t, key.ID, 200)
	entries, _, err := s.auth.AccessLog(t.Context(), apikey.LogQuery{KeyID: key.ID, Status: 200})
	require.NoError(t, err)

	w := newBrowser(t).open(s.base, fullKey, look{})
	path := "/keys/" + key.ID
	for _, at := range []string{"", path, path + "/rotate", path + "/delete", "/logs", "/logs?keyId=" + key.ID, "/logs/" + entries[0].ID} {
		w.open(at)
		require.Contains(t, w.text("main"), "onerror=", at)
		require.Zero(t, eval[int](w, "document.querySelectorAll('main script, main img, style').length"), at)
	}
	w.open("/logs/" + entries[0].ID)
	require.Equal(t, evil, eval[string](w, "document.querySelector('pre').textContent"))
	w.open(path)
	require.Equal(t, evil, eval[string](w, "document.getElementById('name').value"))
	w.follow("form[aria-label='Edit this key'] .primary")
	saved, err := s.auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, key.Spec(), saved.Spec(), "saving what the form shows changes nothing")
}
