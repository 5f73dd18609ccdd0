package postgres

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
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
	store := database.StoreOver(t, configured(t, dsn, func(config *pgx.ConnConfig) { config.Tracer = watched }), nil)
	key := storetest.NewKey("k")
	use := apikey.Use{KeyID: "k", At: time.Now(), From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")}
	require.NoError(t, store.Create(t.Context(), key))
	require.NoError(t, store.Update(t.Context(), key))
	require.NoError(t, store.RecordUses(t.Context(), []apikey.Use{use}))
	_, lookupErr := store.Lookup(t.Context(), use.To)
	_, getErr := store.Get(t.Context(), "k")
	_, listErr := store.List(t.Context(), apikey.Query{After: "z", Limit: 10})
	require.NoError(t, errors.Join(lookupErr, getErr, listErr))
	require.NoError(t, store.Delete(t.Context(), "k"))

	db := database.Handle(t, dsn+"?enable_seqscan=off") // else it is cheaper for a few rows
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
