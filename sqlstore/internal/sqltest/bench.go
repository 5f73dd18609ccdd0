package sqltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

const benchmarkKeys = 100_000

// BenchmarkLookup looks up among 100,000 keys.
func (d *Database) BenchmarkLookup(b *testing.B) {
	storetest.BenchmarkLookup(b, d.filled(b, benchmarkKeys), benchmarkKeys)
}

// BenchmarkRecordUses records the uses of 5,000 keys at once.
func (d *Database) BenchmarkRecordUses(b *testing.B) {
	const n = 5000
	store := d.filled(b, n)
	uses := make([]apikey.Use, n)
	for b.Loop() {
		for i := range uses {
			uses[i] = apikey.Use{KeyID: storetest.KeyID(i), At: time.Now()}
		}
		require.NoError(b, store.RecordUses(b.Context(), uses))
	}
}

// BenchmarkList reads the first page of 100,000 keys.
func (d *Database) BenchmarkList(b *testing.B) {
	const limit = 50
	store := d.filled(b, benchmarkKeys)
	for b.Loop() {
		keys, err := store.List(b.Context(), apikey.Query{Limit: limit})
		require.NoError(b, err)
		require.Len(b, keys, limit)
	}
}

// BenchmarkSearch reads 100,000 keys in vain.
func (d *Database) BenchmarkSearch(b *testing.B) {
	store := d.filled(b, benchmarkKeys)
	for b.Loop() {
		keys, err := store.List(b.Context(), apikey.Query{Search: "Nowhere", Limit: 50})
		require.NoError(b, err)
		require.Empty(b, keys)
	}
}

// filled returns a store of n keys, of which every tenth is being rotated. It
// writes them past the store, in one transaction.
func (d *Database) filled(b *testing.B, n int) Store {
	b.Helper()
	dsn := d.Make(b)
	store := d.Store(b, dsn)
	db := d.Handle(b, dsn)
	tx, err := db.BeginTx(b.Context(), nil)
	require.NoError(b, err)
	defer tx.Rollback()
	now := time.Now().UnixMicro()
	key, err := tx.Prepare(d.spell(`INSERT INTO apikey_keys VALUES (?, ?, 'nightly build of the main branch', 'ci@example.org',
		'["jobs:trigger","jobs:view","variables"]', 1, '{"team":"build"}', FALSE, ?, ?, ?, NULL, ?, ?)`))
	require.NoError(b, err)
	defer key.Close()
	credential, err := tx.Prepare(d.spell(`INSERT INTO apikey_credentials VALUES (?, ?, ?, 'abcd', FALSE, ?, NULL)`))
	require.NoError(b, err)
	defer credential.Close()
	for i := range n {
		_, err := key.Exec(storetest.KeyID(i), fmt.Sprint("build ", i), now, now, now, now, i)
		require.NoError(b, err)
		for position := range 1 + min(1, i%10/9) {
			digest := storetest.DigestOf(i + position*n*10)
			_, err := credential.Exec(storetest.KeyID(i), position, digest[:], now)
			require.NoError(b, err)
		}
	}
	require.NoError(b, tx.Commit())
	if d.Analyze != "" {
		Execute(b, db, d.Analyze)
	}
	return store
}
