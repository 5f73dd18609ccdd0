package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// lively fills a site with keys of all kinds and some requests.
func lively(t *testing.T, s *site) (first *apikey.Key) {
	t.Helper()
	issue := func(spec apikey.KeySpec) *apikey.Key {
		key, _, err := s.auth.Issue(t.Context(), spec)
		require.NoError(t, err)
		return key
	}
	old := issue(apikey.KeySpec{Name: "Old build server", Permissions: []apikey.Permission{apikey.JobsTrigger}})
	_, err := s.auth.Revoke(t.Context(), old.ID)
	require.NoError(t, err)
	issue(apikey.KeySpec{Name: "Partner", Description: "Paused until the contract is signed", Permissions: []apikey.Permission{apikey.JobsView}, Disabled: true})
	issue(apikey.KeySpec{Description: "Reads servers and roles for the dashboard", Permissions: []apikey.Permission{apikey.InfrastructureView}})
	rotated := issue(apikey.KeySpec{Name: "Monitoring", Permissions: []apikey.Permission{apikey.Configuration, apikey.JobsView}, Logging: apikey.LogResponse})
	_, _, err = s.auth.Rotate(t.Context(), rotated.ID, 24*time.Hour)
	require.NoError(t, err)
	issue(apikey.KeySpec{
		Name: "Terraform", Subject: "terraform",
		Description: "Keeps servers, roles, environments and variables as they are in the repository, and asks before it deletes any",
		Permissions: []apikey.Permission{apikey.InfrastructureView, apikey.InfrastructureUpdate, apikey.Variables, apikey.Configuration, apikey.JobsView},
	})
	deployment, secret, err := s.auth.Issue(t.Context(), apikey.KeySpec{
		Name: "Deployment", Description: "Triggers the nightly deployment from the build server", Logging: apikey.LogBoth,
		Permissions: []apikey.Permission{apikey.JobsTrigger}, ExpiresAt: time.Now().AddDate(0, 6, 0), Metadata: map[string]string{"team": "release", "ticket": "OPS-417"},
	})
	require.NoError(t, err)
	for range 4 {
		require.Equal(t, 200, s.trigger(t, secret.Reveal()))
	}
	require.Equal(t, 401, s.trigger(t, "some-other-text"))
	s.waitForLog(t, deployment.ID, 200)
	return deployment
}

// unwieldy adds a key with the longest of names, and a request to a long path. Its
// page is the path that is returned.
func unwieldy(t *testing.T, s *site) string {
	t.Helper()
	key, secret, err := s.auth.Issue(t.Context(), apikey.KeySpec{
		Name: strings.Repeat("unbroken", 25), Description: strings.Repeat("words and words ", 60), Subject: strings.Repeat("subject", 20),
		Permissions: []apikey.Permission{apikey.Native},
		Metadata:    map[string]string{strings.Repeat("name", 20): strings.Repeat("value", 60)},
	})
	require.NoError(t, err)
	ask := with(secret.Reveal())
	require.Equal(t, 200, ask.do(t, s.base+"/api/jobs/trigger?"+strings.Repeat("variable", 40)+"=1").status)
	s.waitForLog(t, key.ID, 200)
	return "/keys/" + key.ID
}

// TestPageLooks: nothing is cut off or cannot be read, on screens of any width and
// in both schemes.
func TestPageLooks(t *testing.T) {
	s := newSite(t)
	key := lively(t, s)
	long := unwieldy(t, s)
	browser := newBrowser(t)
	entries, _, err := s.auth.AccessLog(t.Context(), apikey.LogQuery{KeyID: key.ID, Status: 200})
	require.NoError(t, err)
	pages := map[string]string{
		"keys": "", "new": "/new", "key": "/keys/" + key.ID, "rotate": "/keys/" + key.ID + "/rotate",
		"delete": "/keys/" + key.ID + "/delete", "logs": "/logs?to=2100-01-01T00:00:00Z", "entry": "/logs/" + entries[0].ID,
		"filtered": "?show=weak", "nothing": "?q=nothing", "missing": "/nowhere",
		"long key": long, "long key, rotate": long + "/rotate", "long key, revoke": long + "/revoke",
	}
	for _, width := range []int64{360, 768, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			w := browser.open(s.base, fullKey, look{width: width, height: 900, scheme: scheme})
			w.expect("status of 404")
			for name, path := range pages {
				at := fmt.Sprintf("%s %d %s", name, width, scheme)
				w.open(path)
				w.shoot(at)
				assert.Empty(t, eval[[]string](w, faint), at)
				assert.Empty(t, eval[[]string](w, wide), at)
				assert.Empty(t, eval[[]string](w, unlabelled), at)
			}
		}
	}
}

// faint lists the texts of a page whose contrast is below that of WCAG AA.
const faint = `(() => {
	const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
	const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
	const parse = text => {
		const n = text.match(/[\d.]+/g).map(Number);
		return text.startsWith("color(srgb") ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1];
	};
	const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
	const ground = e => {
		const own = parse(getComputedStyle(e).backgroundColor);
		return own[3] === 1 ? own : over(own, e.parentElement ? ground(e.parentElement) : [255, 255, 255, 1]);
	};
	const found = [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
		if (!text || !e.checkVisibility() || e.closest(".sr, .skip, option, datalist")) continue;
		const style = getComputedStyle(e), a = luminance(parse(style.color)), b = luminance(ground(e));
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) found.push(contrast.toFixed(2) + ": " + text.slice(0, 40));
	}
	return found;
})()`

// wide lists what sticks out of a page that scrolls sideways.
const wide = `document.documentElement.scrollWidth <= innerWidth ? [] : [...document.body.querySelectorAll("*")]
	.filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 100))`

// unlabelled lists the controls of a page that have no name, and the identifiers
// that are there twice or lead nowhere.
const unlabelled = `(() => {
	const found = [];
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
		if (!e.labels.length && !e.ariaLabel) found.push("no label: " + e.outerHTML.slice(0, 80));
	}
	for (const e of document.querySelectorAll("a, button")) {
		if (!e.textContent.trim()) found.push("no text: " + e.outerHTML.slice(0, 80));
	}
	const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push("twice: " + id);
	for (const attribute of ["for", "aria-describedby", "aria-labelledby", "list"]) {
		for (const e of document.querySelectorAll("[" + attribute + "]")) {
			for (const id of e.getAttribute(attribute).split(" ")) if (!ids.includes(id)) found.push(attribute + " leads nowhere: " + id);
		}
	}
	if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
	return found;
})()`
