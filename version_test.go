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

// TestWithVersion: of those who act on the same version of a key, one does.
func TestWithVersion(t *testing.T) {
	auth, err := apikey.New(t.Context(), apikey.NewMemoryStore(), nil)
	require.NoError(t, err)
	key, _, err := auth.Issue(t.Context(), apikey.KeySpec{})
	require.NoError(t, err)
	seen := apikey.WithVersion(t.Context(), key.Version)
	var won atomic.Int32
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			_, _, err := auth.Rotate(seen, key.ID, time.Hour)
			if err == nil {
				won.Add(1)
				return
			}
			assert.ErrorIs(t, err, apikey.ErrConflict)
		})
	}
	group.Wait()
	require.Equal(t, int32(1), won.Load())

	_, err = auth.RotateCustom(seen, key.ID, 0, "chosen")
	require.ErrorIs(t, err, apikey.ErrConflict)
	_, err = auth.Revoke(seen, key.ID)
	require.ErrorIs(t, err, apikey.ErrConflict)
	require.ErrorIs(t, auth.Delete(seen, key.ID), apikey.ErrConflict)

	seen = apikey.WithVersion(t.Context(), key.Version+1)
	revoked, err := auth.Revoke(seen, key.ID)
	require.NoError(t, err)
	seen = apikey.WithVersion(t.Context(), revoked.Version)
	require.NoError(t, auth.Delete(seen, key.ID))
	require.NoError(t, auth.Delete(seen, key.ID), "what is gone has no version")
}
