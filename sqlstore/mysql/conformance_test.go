package mysql

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/sqlstore/internal/sqltest"
)

// Each rule has a database of its own.
func TestStoreKeepsTheContract(t *testing.T) {
	connectServer(t)
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		return openStore(t, newDatabase(t))
	})
}

// Handles as hosts may have them, which count rows, spell statements and label
// texts in other ways than Open does.
func TestStoreOverHostHandleKeepsTheContract(t *testing.T) {
	for name, params := range hostParams(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database.TestStoreOver(t, database.Handle(t, newDatabase(t)+params))
		})
	}
}

// hostParams are those of a DSN.
func hostParams(t *testing.T) map[string]string {
	t.Helper()
	isolation := "transaction_isolation"
	if strings.Contains(serverVersion(t), "MariaDB") {
		isolation = "tx_isolation" // until 11.1
	}
	return map[string]string{
		"lenient":  "?sql_mode=''&clientFoundRows=true&parseTime=true&rejectReadOnly=true",
		"ANSI":     "?sql_mode='ANSI,NO_BACKSLASH_ESCAPES,TRADITIONAL'&interpolateParams=true&columnsWithAlias=true",
		"latin1":   "?charset=latin1&sql_safe_updates=1&multiStatements=true",
		"stricter": "?" + isolation + "='SERIALIZABLE'&charset=utf8mb4&collation=utf8mb4_unicode_ci",
	}
}

func TestLogKeepsTheContract(t *testing.T) {
	connectServer(t)
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return database.Log(t, newDatabase(t), &sqltest.KeepAll)
	})
}

func TestLogOverHostHandleKeepsTheContract(t *testing.T) {
	for _, name := range []string{"ANSI", "latin1"} { // in which a log could go wrong where keys do not
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database.TestLogOver(t, database.Handle(t, newDatabase(t)+hostParams(t)[name]))
		})
	}
}

func serverVersion(t testing.TB) (version string) {
	t.Helper()
	require.NoError(t, connectServer(t).QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
	return version
}
