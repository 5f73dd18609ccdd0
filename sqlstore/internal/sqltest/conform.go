package sqltest

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/apikeytest"
	"github.com/seed-be062aaa/apikey/internal/storetest"
	"github.com/seed-be062aaa/apikey/sqlstore"
)

// TestStoreOver holds stores over a host's handle to the contract. Each rule has a
// prefix of its own, and beside it other stores in the same database.
func (d *Database) TestStoreOver(t *testing.T, db *sql.DB) {
	t.Helper()
	storetest.SkipUnderRaceDetector(t)
	other := d.StoreOver(t, db, nil)
	require.NoError(t, other.Create(t.Context(), storetest.NewKey("other")))
	prefixes := 0
	apikeytest.TestStore(t, func(t *testing.T) apikey.Store {
		t.Helper()
		prefixes++
		return d.StoreOver(t, db, &sqlstore.Options{Prefix: fmt.Sprintf("host%d_keys_", prefixes)})
	})
}

// TestLogOver is [Database.TestStoreOver] for logs.
func (d *Database) TestLogOver(t *testing.T, db *sql.DB) {
	t.Helper()
	storetest.SkipUnderRaceDetector(t)
	other := d.LogOver(t, db, &KeepAll)
	require.NoError(t, other.WriteLog(t.Context(), NewEntries(0, 10)))
	prefixes := 0
	apikeytest.TestLog(t, func(t *testing.T) apikey.LogStore {
		t.Helper()
		prefixes++
		opts := KeepAll
		opts.Prefix = fmt.Sprintf("host%d_log_", prefixes)
		return d.LogOver(t, db, &opts)
	})
}
