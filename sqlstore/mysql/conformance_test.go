package mysql

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/sqlstore"
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
// texts in other ways than Open does. Each rule has a prefix of its own, and
// beside it other stores in the same database.
func TestStoreOverHostHandleKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	for name, params := range hostParams(t) {
		t.Run(name, func(t *testing.T) {
			db := hostHandle(t, newDatabase(t)+params)
			testWithPrefixes(t, db)
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

func testWithPrefixes(t *testing.T, db *sql.DB) {
	t.Helper()
	other := newStore(t, db, nil)
	require.NoError(t, other.Create(t.Context(), newKey("other")))
	prefixes := 0
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		prefixes++
		return newStore(t, db, &sqlstore.Options{Prefix: fmt.Sprintf("host%d_keys_", prefixes)})
	})
}

func TestLogKeepsTheContract(t *testing.T) {
	connectServer(t)
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		return openLog(t, newDatabase(t), &keepAll)
	})
}

func TestLogOverHostHandleKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	for _, name := range []string{"ANSI", "latin1"} { // in which a log could go wrong where keys do not
		t.Run(name, func(t *testing.T) {
			testLogWithPrefixes(t, hostHandle(t, newDatabase(t)+hostParams(t)[name]))
		})
	}
}

func serverVersion(t testing.TB) (version string) {
	t.Helper()
	require.NoError(t, connectServer(t).QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
	return version
}
