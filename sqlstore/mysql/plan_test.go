package mysql

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

func TestStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	db, watched := database.SpyOn(t, dsn)
	sqltest.UseStore(t, database.StoreOver(t, db, nil))

	host := database.Handle(t, dsn)
	for i := range 200 { // for in tables that are small enough, reading all is the plan
		sqltest.Execute(t, host, "INSERT INTO apikey_keys VALUES (CONCAT('key', ?), '', '', '', '[]', 0, '{}', 0, 0, 0, 0, 0, 0, 1)", i)
		sqltest.Execute(t, host, "INSERT INTO apikey_credentials VALUES (CONCAT('key', ?), 0, UNHEX(SHA2(?, 256)), '', 0, 0, 0)", i, i)
	}
	sqltest.Execute(t, host, database.Analyze)
	explained := 0
	for _, statement := range watched.Statements() {
		if !strings.Contains(statement, "WHERE") || strings.HasPrefix(statement, "INSERT") {
			continue
		}
		explained++
		for _, access := range explain(t, host, statement) {
			assert.NotContains(t, []string{"ALL", "index"}, access, statement)
		}
	}
	assert.Greater(t, explained, 8)
}

// explain returns how a statement accesses each of the store's tables.
func explain(t testing.TB, db *sql.DB, statement string) (access []string) {
	t.Helper()
	// Values, for a plan depends on them: the ID of a key, its digest, a number.
	statement = regexp.MustCompile(`(digest = |digest\) = )\?`).ReplaceAllString(statement, "${1}UNHEX(SHA2('7', 256))")
	statement = regexp.MustCompile(`(id = |id < )\?`).ReplaceAllString(statement, "${1}'key7'")
	statement = strings.ReplaceAll(statement, "?", "7")
	rows, err := db.QueryContext(t.Context(), "EXPLAIN "+statement)
	require.NoError(t, err, statement)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		row := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		require.NoError(t, rows.Scan(targets...))
		var table, kind string
		for i, column := range columns {
			switch column {
			case "table":
				table = row[i].String
			case "type":
				kind = row[i].String
			}
		}
		if kind != "" && !strings.HasPrefix(table, "<") && table != "apikey_sequence" { // which has one row
			access = append(access, kind)
		}
	}
	require.NoError(t, rows.Err())
	return access
}
