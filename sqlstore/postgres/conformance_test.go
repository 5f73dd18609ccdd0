package postgres

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// Each rule has a schema of its own.
func TestStoreKeepsTheContract(t *testing.T) {
	dsn := newDatabase(t)
	db := database.Handle(t, dsn)
	schemas := 0
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		schemas++
		schema := fmt.Sprint("schema", schemas)
		sqltest.Execute(t, db, "CREATE SCHEMA "+schema)
		return database.Store(t, dsn+"?search_path="+schema)
	})
}

// A handle as a host may have it: transactions that are stricter than needed, no
// prepared statements, a prefix, and beside it other stores in the same database.
func TestStoreOverHostHandleKeepsTheContract(t *testing.T) {
	database.TestStoreOver(t, configured(t, newDatabase(t), stricter))
}

func stricter(config *pgx.ConnConfig) {
	config.RuntimeParams["default_transaction_isolation"] = "serializable"
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
}

func TestStoreOverPoolKeepsTheContract(t *testing.T) {
	db := stdlib.OpenDBFromPool(newPool(t, newDatabase(t), 4))
	storetest.CloseAfter(t, db)
	database.TestStoreOver(t, db)
}

func TestLogKeepsTheContract(t *testing.T) {
	dsn := newDatabase(t)
	db := database.Handle(t, dsn)
	schemas := 0
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		schemas++
		schema := fmt.Sprint("schema", schemas)
		sqltest.Execute(t, db, "CREATE SCHEMA "+schema)
		return database.Log(t, dsn+"?search_path="+schema, &sqltest.KeepAll)
	})
}

func TestLogOverHostHandleKeepsTheContract(t *testing.T) {
	database.TestLogOver(t, configured(t, newDatabase(t), stricter))
}

func newPool(t testing.TB, dsn string, size int32) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	config.MaxConns = size
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
