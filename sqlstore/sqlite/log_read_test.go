package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// A search that finds little ends soon, and goes on from there.
func TestLogSearchesAreBounded(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &sqltest.KeepAll)
	const n = 12_000
	entries := sqltest.NewEntries(0, n)
	for i := range entries { // each in a slot of its own
		entries[i].Time = sqltest.Recently.Add(time.Duration(i) * 5 * time.Second)
		entries[i].ID = sqltest.EntryID(entries[i].Time, i)
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
	assert.Equal(t, entries[:1], sqltest.ReadAll(t, log, q))
}

// A large server has more series than are looked for one by one.
func TestLogOfManySeries(t *testing.T) {
	log := openLogFile(t, filepath.Join(t.TempDir(), "log.db"), &sqltest.KeepAll)
	const n = 4000
	entries := sqltest.NewEntries(0, n)
	status := map[int][]apikey.LogEntry{}
	for i := range entries {
		e := &entries[i]
		e.Time = sqltest.Recently.Add(time.Duration(i) * 250 * time.Millisecond)
		e.ID = sqltest.EntryID(e.Time, i)
		e.RequestID = e.ID
		e.Route = fmt.Sprintf("/api/%d/{name}", i%400)
		e.Path = fmt.Sprintf("/api/%d/%d", i%400, i)
		switch {
		case i%400 < 100 && i%3 == 0:
			e.Status = 404
		case i == 7:
			e.Status = 500
		}
		status[e.Status] = append(status[e.Status], *e)
	}
	require.NoError(t, log.WriteLog(t.Context(), entries))
	for code, want := range status { // of 400 series, 100 and 1
		assert.Equal(t, sqltest.Reversed(want), sqltest.ReadAll(t, log, apikey.LogQuery{Status: code}))
		of := sqltest.ReadAll(t, log, apikey.LogQuery{Status: code, KeyID: want[0].KeyID})
		assert.Equal(t, want[0], of[len(of)-1])
	}
	assert.Len(t, sqltest.ReadAll(t, log, apikey.LogQuery{Path: "/api/3"}), 111*n/400)
}
