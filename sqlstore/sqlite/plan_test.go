package sqlite

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

func TestStatementsUseIndexes(t *testing.T) {
	db, watched := database.SpyOn(t, database.Make(t))
	sqltest.UseStore(t, database.StoreOver(t, db, nil))

	lookups := 0
	for _, statement := range watched.Statements() {
		if !strings.Contains(statement, "WHERE") {
			continue
		}
		plan := explain(t, db, statement)
		assert.NotContains(t, plan, "SCAN apikey", statement)
		if strings.Contains(statement, "asked.digest") {
			lookups++
			assert.Equal(t, "SEARCH asked USING COVERING INDEX apikey_credentials_digest (digest=?); "+
				"SEARCH k USING PRIMARY KEY (id=?); "+
				"SEARCH c USING PRIMARY KEY (key_id=?)", plan)
		}
	}
	assert.Equal(t, 1, lookups)
}

// explain returns the steps of a statement's query plan.
func explain(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	args := make([]any, strings.Count(statement, "?"))
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement, args...)
	require.NoError(t, err)
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		steps = append(steps, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(steps, "; ")
}
