package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"

	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// Nothing that a log does looks at all rows, or sorts them.
func TestLogStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	watched := &spy{}
	log := database.LogOver(t, configured(t, dsn, func(config *pgx.ConnConfig) { config.Tracer = watched }),
		&sqlstore.LogOptions{MaxBytes: 10_000})
	sqltest.UseLog(t, log, 100)

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
