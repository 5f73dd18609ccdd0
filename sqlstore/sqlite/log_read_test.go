package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// A search that finds little ends soon, and goes on from there.
func TestLogSearchesAreBounded(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &keepAll)
	const n = 40_000
	entries := newEntries(0, n)
	for i := range entries { // each in a slot of its own
		entries[i].Time = recently.Add(time.Duration(i) * 5 * time.Second)
		entries[i].ID = entryID(entries[i].Time, i)
		entries[i].RequestID = entries[i].ID
		entries[i].KeyID, entries[i].Path = "k", "/api/infrastructure/servers/1"
	}
	entries[0].Path = "/api/infrastructure/servers/oldest"
	require.NoError(t, log.WriteLog(t.Context(), entries))
	q := apikey.LogQuery{KeyID: "k", Path: "/api/infrastructure/servers/o", Limit: 10}
	began := time.Now()
	page, next, err := log.ReadLog(t.Context(), q)
	require.NoError(t, err)
	assert.Empty(t, page)
	assert.NotEmpty(t, next, "after %v", time.Since(began))
	assert.Equal(t, entries[:1], readAll(t, log, q))
}
