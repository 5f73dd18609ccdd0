package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// Nothing that a log does looks at all rows, or sorts them.
func TestLogStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	db, watched := database.SpyOn(t, dsn)
	log := database.LogOver(t, db, &sqlstore.LogOptions{MaxBytes: 10_000_000})
	entries := sqltest.UseLog(t, log, 5000)
	trimming := database.LogOver(t, db, &sqlstore.LogOptions{MaxBytes: 1_000_000})
	require.NoError(t, trimming.Trim(t.Context()))

	host := database.Handle(t, dsn)
	sqltest.Execute(t, host, "ANALYZE TABLE apikey_log, apikey_log_bodies, apikey_log_slots, apikey_log_series")
	id := func(n int) string { return fmt.Sprintf("x'%x'", sqltest.IDBytes(t, entries[n].ID)) }
	values := strings.NewReplacer("log WHERE id = ?", "log WHERE id = "+id(4950), "id <= ?", "id <= "+id(0),
		"id >= ? AND id < ?", "id >= "+id(4000)+" AND id < "+id(4100),
		"l.id >= ? AND l.id < ?", "l.id >= "+id(4000)+" AND l.id < "+id(4100))
	explained := map[string]bool{}
	for _, statement := range watched.Statements() {
		if explained[statement] || strings.HasPrefix(statement, "INSERT") || !strings.Contains(statement, "apikey_log") ||
			!strings.Contains(statement, "WHERE") {
			continue
		}
		explained[statement] = true
		for _, access := range explain(t, host, values.Replace(statement)) {
			assert.NotContains(t, []string{"ALL", "index"}, access, statement)
		}
	}
	assert.Greater(t, len(explained), 10)
}
