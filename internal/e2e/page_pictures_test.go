package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestPagePictures makes the pictures of the page in the README, docs/images/keys.png
// and docs/images/logs.png, where APIKEY_PICTURES is 1:
//
//	cd internal/e2e && APIKEY_PICTURES=1 go test -run TestPagePictures .
func TestPagePictures(t *testing.T) {
	if os.Getenv("APIKEY_PICTURES") != "1" {
		t.Skip("APIKEY_PICTURES is not 1")
	}
	store, log := apikey.NewMemoryStore(), apikey.NewMemoryLog(1000)
	s := newSiteOver(t, store, log)
	first, err := s.auth.Authenticate(t.Context(), fullKey)
	require.NoError(t, err)
	first, err = store.Get(t.Context(), first.ID)
	require.NoError(t, err)
	first.Credentials[0].Weak = false
	require.NoError(t, store.Update(t.Context(), first))
	require.NoError(t, store.RecordUses(t.Context(), []apikey.Use{{KeyID: first.ID, At: pictured("11:59:12")}}))
	for i, key := range picturedKeys() {
		key.ID, key.Version = picturedID(9-i), 1
		require.NoError(t, store.Create(t.Context(), &key))
	}
	require.NoError(t, log.WriteLog(t.Context(), picturedEntries()))

	dir := filepath.Join("..", "..", "docs", "images")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	w := newBrowser(t).open(s.base, fullKey, look{width: 1120, height: 100})
	for name, path := range map[string]string{"keys": "", "logs": "/logs?to=2026-03-18T12:00"} {
		w.open(path)
		picture := lighter(t, w.shoot(name))
		require.Less(t, len(picture), 80_000)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
	}
}

// lighter returns a picture with the 256 colours that it has most of.
func lighter(t *testing.T, picture []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	counts := map[color.RGBA]int{}
	bounds := full.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			counts[at(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range most[:min(256, len(most))] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for c := range counts {
		index[c] = uint8(palette.Index(c))
	}
	few := image.NewPaletted(bounds, palette)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			few.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var light bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&light, few))
	return light.Bytes()
}

// picturedID is an ID that sorts as the newest.
func picturedID(n int) string { return fmt.Sprintf("z%025d", n) }

// pictured is a moment of the day that the pictures are of.
func pictured(clock string) time.Time {
	at, err := time.Parse(time.DateTime, "2026-03-18 "+clock)
	if err != nil {
		panic(err)
	}
	return at
}

// picturedKeys returns keys of all kinds, the newest first.
func picturedKeys() []apikey.Key {
	generated := func(hint string) []apikey.Credential {
		return []apikey.Credential{{Digest: apikey.DigestOf(hint), Hint: hint}}
	}
	return []apikey.Key{
		{
			Name: "Nightly deployment", Description: "Triggers it from the build server",
			Permissions: []apikey.Permission{apikey.JobsTrigger, apikey.JobsView}, Logging: apikey.LogBoth,
			LastUsedAt: pictured("02:00:07"), ExpiresAt: pictured("09:00:00").AddDate(2, 0, 0), Credentials: generated("dRk4"),
		},
		{
			Name: "Terraform", Description: "Keeps servers and roles as they are in the repository",
			Permissions: []apikey.Permission{apikey.InfrastructureView, apikey.InfrastructureUpdate, apikey.Variables},
			LastUsedAt:  pictured("11:48:02"), Credentials: generated("Zp0c"),
		},
		{
			Name: "Monitoring", Description: "Job states for the dashboard",
			Permissions: []apikey.Permission{apikey.JobsView}, LastUsedAt: pictured("11:57:30"), Credentials: generated("8vQm"),
		},
		{
			Name: "On-call phone", Permissions: []apikey.Permission{apikey.JobsTrigger}, Logging: apikey.LogRequest,
			LastUsedAt:  pictured("06:12:44"),
			Credentials: []apikey.Credential{{Digest: apikey.DigestOf("phone"), Weak: true}},
		},
		{
			Name: "Partner portal", Description: "Until the contract is renewed", Disabled: true,
			Permissions: []apikey.Permission{apikey.InfrastructureUsage}, Credentials: generated("xK2e"),
		},
		{
			Name: "Old build server", Permissions: []apikey.Permission{apikey.JobsTrigger},
			LastUsedAt: pictured("17:30:00").AddDate(0, -2, -3), RevokedAt: pictured("08:00:00"), Credentials: generated("L7uT"),
		},
	}
}

// picturedEntries returns what the log says of some minutes.
func picturedEntries() []apikey.LogEntry {
	const deployment, terraform, monitoring, partner = 9, 8, 7, 5
	entry := func(clock string, key int, method, path string, status int, took time.Duration, client string) apikey.LogEntry {
		e := apikey.LogEntry{
			Time: pictured(clock), Method: method, Path: path, Status: status, Duration: took, Client: client, Outcome: apikey.OutcomeAllowed,
		}
		if key > 0 {
			e.KeyID = picturedID(key)
		}
		if status == 401 || status == 403 {
			e.Outcome = apikey.OutcomeDenied
		}
		return e
	}
	entries := []apikey.LogEntry{
		entry("02:00:07", deployment, "POST", "/api/jobs/trigger", 200, 1840*time.Microsecond, "10.20.0.14"),
		entry("02:04:31", deployment, "GET", "/api/jobs/status", 200, 210*time.Microsecond, "10.20.0.14"),
		{Time: pictured("08:01:12"), KeyID: picturedID(partner), Outcome: apikey.OutcomeChange, Action: apikey.ActionUpdate, Actor: "user:mia", Detail: "disabled false became true"},
		entry("08:15:40", partner, "GET", "/api/infrastructure/servers/list", 401, 90*time.Microsecond, "198.51.100.7"),
		entry("11:47:58", terraform, "POST", "/api/infrastructure/servers/update/web-07", 200, 5200*time.Microsecond, "10.20.0.31"),
		entry("11:48:02", terraform, "POST", "/api/infrastructure/roles/delete/legacy", 403, 70*time.Microsecond, "10.20.0.31"),
		entry("11:56:03", 0, "GET", "/api/jobs/status", 401, 60*time.Microsecond, "203.0.113.80"),
		entry("11:57:30", monitoring, "GET", "/api/jobs/status", 200, 180*time.Microsecond, "10.20.0.9"),
	}
	entries[0].Query = "template=hdars&branch=main"
	entries[1].Query, entries[6].Query, entries[7].Query = "token=[redacted]", "token=[redacted]", "token=[redacted]"
	entries[3].Reason, entries[5].Reason, entries[6].Reason = "disabled", "forbidden", "unknown_key"
	for i := range entries {
		entries[i].ID = picturedID(i)
	}
	return entries
}
