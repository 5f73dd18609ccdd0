package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// A key that one node revokes is refused by another, which has it in its cache,
// within a second.
func TestRevocationReachesOtherNodes(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	here, there := authority(t, storeAt(t, client, prefix)), authority(t, storeAt(t, client, prefix))
	var worst time.Duration
	for range 50 {
		key, secret, err := here.Issue(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsView}})
		require.NoError(t, err)
		_, err = there.Authenticate(t.Context(), secret.Reveal())
		require.NoError(t, err)
		_, err = here.Revoke(t.Context(), key.ID)
		require.NoError(t, err)
		revoked := time.Now()
		_, err = here.Authenticate(t.Context(), secret.Reveal())
		require.ErrorIs(t, err, apikey.ErrKeyRevoked)
		for {
			if _, err = there.Authenticate(t.Context(), secret.Reveal()); err != nil {
				break
			}
			require.Less(t, time.Since(revoked), time.Second)
		}
		require.ErrorIs(t, err, apikey.ErrKeyRevoked)
		worst = max(worst, time.Since(revoked))
	}
	t.Logf("at worst after %v", worst.Round(time.Microsecond))
}

func authority(t *testing.T, store apikey.Store) *apikey.Authority {
	t.Helper()
	auth, err := apikey.New(t.Context(), store, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = auth.Shutdown(ctx)
	})
	return auth
}

func TestNodeWithoutRedis(t *testing.T) {
	client := shared(t)
	prefix := newPrefix(t, client)
	p := storetest.StartProxy(t, client.Options().Addr)
	storetest.TestCutOffNode(t, storeAt(t, client, prefix), storeAt(t, connect(t, p.Addr), prefix), p)
}
