package sqltest

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// UseStore calls each of a store's methods, for their statements.
func UseStore(t *testing.T, store Store) {
	t.Helper()
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
}

// UseLog writes so many entries, reads some in every way, and removes what is too
// much, for the statements. It returns what it wrote.
func UseLog(t *testing.T, log Log, n int) []apikey.LogEntry {
	t.Helper()
	entries := WithBodies(NewEntries(0, n), "a request", "a response")
	for i := range entries {
		entries[i].Status = 200 + i%2
	}
	require.NoError(t, log.WriteLog(t.Context(), entries))
	require.NoError(t, log.WriteLog(t.Context(), entries[n-10:])) // whose IDs are there
	for _, q := range []apikey.LogQuery{
		{},
		{ID: entries[3].ID, Bodies: true},
		{KeyID: entries[3].KeyID},
		{Status: 201},
		{Path: "/api", From: Recently},
		{KeyID: entries[3].KeyID, Status: 201, Path: entries[3].Path},
		{Method: "PURGE"},
		{Path: "/api/infrastructure/servers/nowhere"},
	} {
		q.Limit = 10
		_, _, err := log.ReadLog(t.Context(), q)
		require.NoError(t, err)
	}
	require.NoError(t, log.Trim(t.Context()))
	require.NoError(t, log.Close()) // or it may send more
	return entries
}
