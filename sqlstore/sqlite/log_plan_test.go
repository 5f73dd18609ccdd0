package sqlite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-be062aaa/apikey/sqlstore"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// Nothing that a log does looks at all rows, or sorts them.
func TestLogStatementsUseIndexes(t *testing.T) {
	db, watched := database.SpyOn(t, database.Make(t))
	log := database.LogOver(t, db, &sqlstore.LogOptions{MaxBytes: 1000})
	sqltest.UseLog(t, log, 50)

	plans := map[string]string{}
	for _, statement := range watched.Statements() {
		if !strings.Contains(statement, "apikey_log") || strings.Contains(statement, "CREATE") || strings.Contains(statement, "schema") {
			continue
		}
		plans[statement] = explain(t, db, statement)
		assert.NotContains(t, plans[statement], "TEMP B-TREE", statement)
		if !strings.Contains(statement, "apikey_log_size") && !strings.Contains(statement, "ORDER BY id LIMIT") {
			assert.NotContains(t, plans[statement], "SCAN apikey", statement)
			assert.NotContains(t, plans[statement], "SCAN l", statement)
		}
	}
	requirePlan := func(part, plan string) {
		t.Helper()
		for statement, got := range plans {
			if strings.Contains(statement, part) {
				assert.Contains(t, got, plan, statement)
				return
			}
		}
		t.Errorf("no statement has %q", part)
	}
	const entry, body = "SEARCH l USING PRIMARY KEY (id>? AND id<?)", "SEARCH b USING INDEX sqlite_autoindex_apikey_log_bodies_1 (id=?)"
	requirePlan("l.id < ? ORDER BY", entry+"; "+body)
	requirePlan("l.key_id = ?", entry+"; "+body)
	requirePlan("l.series IN", entry+"; "+body)
	requirePlan("substr", entry+"; "+body)
	requirePlan("OFFSET", "SEARCH apikey_log USING PRIMARY KEY (id>? AND id<?)")
	requirePlan("DISTINCT slot", "SEARCH apikey_log_slots USING COVERING INDEX apikey_log_slots_term (term=? AND slot>? AND slot<?)")
	requirePlan("SELECT 1 FROM apikey_log ", "SEARCH apikey_log USING PRIMARY KEY (id=?)")
	requirePlan("DELETE FROM apikey_log WHERE", "SEARCH apikey_log USING PRIMARY KEY (id<?)")
	requirePlan("DELETE FROM apikey_log_bodies", "(id<?)")
	requirePlan("DELETE FROM apikey_log_slots", "SEARCH apikey_log_slots USING PRIMARY KEY (slot<?)")
}
