package postgres

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// A spy notes the statements that a handle sends.
type spy struct {
	mu   sync.Mutex // a log removes entries on the side
	sent []pgx.TraceQueryStartData
}

func (s *spy) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, data)
	return ctx
}

func (s *spy) statements() []pgx.TraceQueryStartData {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func (*spy) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestStatementsUseIndexes(t *testing.T) {
	dsn := newDatabase(t)
	watched := &spy{}
	db := configured(t, dsn, func(config *pgx.ConnConfig) { config.Tracer = watched })
	sqltest.UseStore(t, database.StoreOver(t, db, nil))

	db = database.Handle(t, dsn+"?enable_seqscan=off") // else it is cheaper for a few rows
	explained := 0
	for _, statement := range watched.statements() {
		if !strings.Contains(statement.SQL, "WHERE") {
			continue
		}
		explained++
		assert.NotContains(t, explain(t, db, statement), "Seq Scan", statement.SQL)
	}
	assert.Greater(t, explained, 10)
}

func explain(t testing.TB, db *sql.DB, statement pgx.TraceQueryStartData) string {
	t.Helper()
	args := statement.Args
	if len(args) > 0 {
		if _, ok := args[0].(pgx.QueryResultFormatsByOID); ok {
			args = args[1:]
		}
	}
	rows, err := db.QueryContext(t.Context(), "EXPLAIN "+statement.SQL, args...)
	require.NoError(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan = append(plan, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "\n")
}
