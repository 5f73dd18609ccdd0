package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// Nothing that a log does looks at all rows, or sorts them.
func TestLogStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	watched := &spy{}
	log := database.LogOver(t, configured(t, dsn, func(config *pgx.ConnConfig) { config.Tracer = watched }),
		&sqlstore.LogOptions{MaxBytes: 10_000})
	entries := sqltest.WithBodies(sqltest.NewEntries(0, 100), "a request", "a response")
	for i := range entries {
		entries[i].Status = 200 + i%2
	}
	for range 2 { // the second time, the IDs are there
		require.NoError(t, log.WriteLog(t.Context(), entries))
	}
	for _, q := range []apikey.LogQuery{
		{},
		{ID: entries[3].ID, Bodies: true},
		{KeyID: entries[3].KeyID},
		{Status: 201},
		{Path: "/api", From: sqltest.Recently},
		{KeyID: entries[3].KeyID, Status: 201, Path: entries[3].Path},
		{Method: "PURGE"},
		{Path: "/api/infrastructure/servers/nowhere"},
	} {
		q.Limit = 10
		_, _, err := log.ReadLog(t.Context(), q)
		require.NoError(t, err)
	}
	require.NoError(t, log.Trim(t.Context()))

	db := database.Handle(t, dsn+"?enable_seqscan=off&enable_bitmapscan=off") // else they are cheaper for a few rows
	explained := map[string]bool{}
	for _, statement := range watched.statements() {
		sql := statement.SQL
		if explained[sql] || !strings.Contains(sql, "apikey_log") || !strings.Contains(sql, "WHERE") && !strings.Contains(sql, "ORDER BY") {
			continue
		}
		explained[sql] = true
		plan := explain(t, db, statement)
		assert.NotContains(t, plan, "Seq Scan", sql)
		assert.NotContains(t, plan, "Sort", sql)
	}
	assert.Greater(t, len(explained), 10)
}
