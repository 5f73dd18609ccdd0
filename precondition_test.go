package apikey_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// TestIfVersion: of those who act on the same version of a key, one does.
func TestIfVersion(t *testing.T) {
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(t, err)
	key, _, err := auth.Issue(t.Context(), apikey.KeySpec{})
	require.NoError(t, err)
	seen := apikey.IfVersion(key.Version)
	var won atomic.Int32
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			_, _, err := auth.Rotate(t.Context(), key.ID, time.Hour, seen)
			if err == nil {
				won.Add(1)
				return
			}
			assert.ErrorIs(t, err, apikey.ErrConflict)
		})
	}
	group.Wait()
	require.Equal(t, int32(1), won.Load())

	_, err = auth.RotateCustom(t.Context(), key.ID, 0, "chosen", seen)
	require.ErrorIs(t, err, apikey.ErrConflict)
	_, err = auth.Revoke(t.Context(), key.ID, seen)
	require.ErrorIs(t, err, apikey.ErrConflict)
	require.ErrorIs(t, auth.Delete(t.Context(), key.ID, seen), apikey.ErrConflict)

	seen = apikey.IfVersion(key.Version + 1)
	revoked, err := auth.Revoke(t.Context(), key.ID, seen)
	require.NoError(t, err)
	seen = apikey.IfVersion(revoked.Version)
	require.NoError(t, auth.Delete(t.Context(), key.ID, seen))
	require.NoError(t, auth.Delete(t.Context(), key.ID, seen), "what is gone has no version")
}
