package e2e

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

// The tests of files page_*_test.go drive the administration page in a browser, as
// people do. They need Chromium: apt-get install chromium-headless-shell.

const (
	pagePath = "/administration/api-keys"
	fullKey  = "full-control-9F3kQ7"

	waitTime = 5 * time.Second
	tick     = 20 * time.Millisecond
	tabTime  = 2 * time.Minute // for a browser to start, and for all that is done in one tab
)

// findBrowser returns the path of a Chromium. Where there is none the test is
// skipped, or fails if APIKEY_REQUIRE names "browser".
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "headless_shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if slices.Contains(strings.Split(os.Getenv("APIKEY_REQUIRE"), ","), "browser") {
		t.Fatal("no Chromium is installed, and APIKEY_REQUIRE names browser")
	}
	t.Skip("no Chromium is installed")
	return ""
}

// newBrowser starts a browser that can reach this machine only. intranet.test is
// this machine too, by a name that browsers do not trust more than any other.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findBrowser(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP intranet.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
	)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	starting := time.AfterFunc(tabTime, cancel) // a deadline of the context would be the browser's for good
	defer starting.Stop()
	require.NoError(t, chromedp.Do(ctx))
	return &browser{t, ctx}
}

// A browser is Chromium without a window.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// A look is how somebody has set up their browser.
type look struct {
	width, height int64
	scheme        string // light or dark
	zone          string
	noScript      bool
}

// A tab is one page in a browser. The test fails on a request to anywhere but the
// server, on errors that the page does not expect, and on exceptions.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string // of the server

	mu       sync.Mutex
	expected []string // parts of messages that are no fault
	faults   []string
}

// open opens a tab with the page of that server, signed in with the key.
func (b *browser) open(base, key string, l look) *tab {
	t := b.t
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, tabTime)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	u, err := url.Parse(base)
	require.NoError(t, err)
	w := &tab{t: t, ctx: ctx, base: base}
	require.NoError(t, chromedp.Listen(ctx, w.watch))
	t.Cleanup(func() {
		if t.Failed() && ctx.Err() == nil {
			w.shoot("failed")
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		assert.Empty(t, w.faults)
	})
	w.dress(l)
	u.User = url.UserPassword("api", key)
	w.goTo(u.String() + pagePath)
	return w
}

// dress sets the tab up as somebody has.
func (w *tab) dress(l look) {
	w.t.Helper()
	if l.width == 0 {
		l.width, l.height = 1280, 900
	}
	require.NoError(w.t, chromedp.Do(w.ctx, chromedp.EmulateViewport(l.width, l.height)))
	scheme := emulation.MediaFeature{Name: "prefers-color-scheme", Value: cmp.Or(l.scheme, "light")}
	tell(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{&scheme}})
	tell(w, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: cmp.Or(l.zone, "UTC")})
	tell(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
}

// tell gives the browser a command, and returns its answer.
func tell[P, R any](w *tab, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	answer, err := chromedp.Call(w.ctx, command, params)
	require.NoError(w.t, err)
	return answer
}

// back goes back in the tab's history.
func (w *tab) back() {
	w.t.Helper()
	history := tell(w, page.GetNavigationHistory, cdp.Empty{})
	tell(w, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID})
}

// watch notes what should not be. It must not ask the browser anything.
func (w *tab) watch(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fault := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		// The browser's own icons in form fields are data; of the page's it would load none.
		if err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != w.base {
			fault = "a request to " + e.Request.URL
		}
	case *runtime.EventExceptionThrown:
		fault = "an exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		fault = "a message on the console"
	case *cdplog.EventEntryAdded:
		fault = "the browser says: " + e.Entry.Text + " " + e.Entry.URL
	}
	expected := func(text string) bool { return strings.Contains(fault, text) }
	if fault != "" && !slices.ContainsFunc(w.expected, expected) {
		w.faults = append(w.faults, fault)
	}
}

// expect says that the browser may complain of that. A status alone would also be
// part of ports and paths: it is "status of 404".
func (w *tab) expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = append(w.expected, text)
}

func (w *tab) goTo(address string) {
	w.t.Helper()
	require.NoError(w.t, chromedp.Do(w.ctx, chromedp.Navigate(address)))
}

// open goes to a page, from the prefix on.
func (w *tab) open(path string) {
	w.t.Helper()
	w.goTo(w.base + pagePath + path)
}

// loads does something that leads to another page, and waits for it.
func (w *tab) loads(do chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 4*waitTime)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.WaitEvent(page.LoadEventFired, nil, do))
	require.NoError(w.t, err)
}

// follow clicks on what leads to another page.
func (w *tab) follow(css string) {
	w.t.Helper()
	w.loads(chromedp.Click(chromedp.CSS(css)))
}

func (w *tab) click(css string) {
	w.t.Helper()
	require.NoError(w.t, chromedp.Do(w.ctx, chromedp.Click(chromedp.CSS(css))))
}

// fill types a text in place of what is there.
func (w *tab) fill(css, text string) {
	w.t.Helper()
	require.NoError(w.t, chromedp.Do(w.ctx, chromedp.Focus(chromedp.CSS(css)),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(kb.Backspace),
		chromedp.KeyEvent(text)))
}

// press types keys to whatever has the focus.
func (w *tab) press(keys string, options ...chromedp.KeyOption) {
	w.t.Helper()
	require.NoError(w.t, chromedp.Do(w.ctx, chromedp.KeyEvent(keys, options...)))
}

func (w *tab) text(css string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, waitTime)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(css)))
	require.NoError(w.t, err, css)
	return strings.TrimSpace(text)
}

// eval runs a script in the tab.
func (w *tab) eval(script string) {
	w.t.Helper()
	_, err := chromedp.Run(w.ctx, chromedp.Evaluate[any](script))
	require.NoError(w.t, err, script)
}

// eval returns what an expression is in the tab.
func eval[T any](w *tab, expression string) T {
	w.t.Helper()
	value, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression))
	require.NoError(w.t, err, expression)
	return value
}

// shoot leaves a picture of the whole page among the test's artifacts.
func (w *tab) shoot(name string) []byte {
	w.t.Helper()
	picture, err := chromedp.Run(w.ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		answer, err := cdp.Call(ctx, target, page.CaptureScreenshot,
			page.CaptureScreenshotParams{CaptureBeyondViewport: new(true)})
		return answer.Data, err
	})
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(filepath.Join(w.t.ArtifactDir(), name+".png"), picture, 0o644))
	return picture
}

// A site is a server with the page, a route for keys, and a key with full control.
type site struct {
	auth *apikey.Authority
	base string
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOver(t, apikey.NewMemoryStore(), apikey.NewMemoryLog(1000))
}

func newSiteOver(t *testing.T, store apikey.Store, log apikey.LogStore) *site {
	t.Helper()
	auth, err := apikey.New(t.Context(), store, &apikey.Options{Log: apikey.LogOptions{Sink: log}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, auth.Shutdown(context.Background())) })
	s := &site{auth: auth}
	s.issue(t, apikey.KeySpec{Name: "first key", Description: "Made at the first start; full control", Permissions: []apikey.Permission{apikey.Native}}, fullKey)
	keys, err := admin.NewPage(auth, admin.ByKey(auth), &admin.Options{
		Try: "curl -H 'X-ApiKey: {key}' {origin}/api/jobs/trigger?template=hdars",
	})
	require.NoError(t, err)
	r := chi.NewRouter()
	r.Mount(pagePath, keys)
	r.With(auth.Require(apikey.JobsTrigger)).HandleFunc("/api/jobs/trigger", show)
	s.base = serving(t, r)
	return s
}

func (s *site) issue(t *testing.T, spec apikey.KeySpec, text string) *apikey.Key {
	t.Helper()
	key, err := s.auth.IssueCustom(t.Context(), spec, text)
	require.NoError(t, err)
	return key
}

// trigger asks for the guarded route, and returns the status.
func (s *site) trigger(t *testing.T, key string) int {
	t.Helper()
	ask := with(key)
	ask.kind, ask.body = jsonType, `{"reason":"<b>nightly</b>"}`
	return ask.do(t, s.base+"/api/jobs/trigger?template=hdars").status
}

// waitForLog waits until the log has an entry of the key with that status.
func (s *site) waitForLog(t *testing.T, keyID string, status int) {
	t.Helper()
	require.Eventually(t, func() bool {
		entries, _, err := s.auth.AccessLog(t.Context(), apikey.LogQuery{KeyID: keyID, Status: status, Path: "/api/"})
		return err == nil && len(entries) > 0
	}, waitTime, tick)
}

// eventually waits until a condition holds. It asks on the test's own goroutine, which
// require.Eventually does not: so a condition may itself fail the test, and end it at once.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(waitTime); !holds(); time.Sleep(tick) {
		require.True(t, time.Now().Before(end), "it did not come to that in time")
	}
}
