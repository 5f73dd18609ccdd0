package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
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

// A node that is cut off from Redis, without being told so, serves the keys that it
// knows for as long as was said, and calls none of them unknown. When the way is free
// again, all is as it should be.
func TestNodeWithoutRedis(t *testing.T) {
	cache := apikey.CacheOptions{TTL: 400 * time.Millisecond, Stale: 600 * time.Millisecond}
	client := shared(t)
	prefix := newPrefix(t, client)
	p := startProxy(t, client.Options().Addr)
	here := authority(t, storeAt(t, client, prefix))
	there, err := apikey.New(t.Context(), storeAt(t, connect(t, p.addr), prefix), &apikey.Options{
		Cache: cache, StoreTimeout: 500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = there.Shutdown(context.Background()) })
	opens := func(text string) error {
		_, err := there.Authenticate(t.Context(), text)
		return err
	}
	key, secret, err := here.Issue(t.Context(), apikey.KeySpec{})
	require.NoError(t, err)
	text := secret.Reveal()
	_, secret, err = here.Issue(t.Context(), apikey.KeySpec{})
	require.NoError(t, err)
	cold := secret.Reveal()
	require.NoError(t, opens(text))

	p.silence(true)
	cut := time.Now()
	_, err = here.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	require.ErrorIs(t, opens(cold), apikey.ErrStoreFailed, "asked for the first time")
	for {
		asked := time.Since(cut)
		if err = opens(text); err != nil {
			break
		}
		require.Less(t, asked, cache.TTL+cache.Stale, "served although its time was over")
		time.Sleep(time.Millisecond)
	}
	require.ErrorIs(t, err, apikey.ErrStoreFailed)

	p.silence(false)
	require.Eventually(t, func() bool {
		revoked, valid := opens(text), opens(cold)
		assert.Error(t, revoked)
		assert.NotErrorIs(t, valid, apikey.ErrUnknownKey)
		return errors.Is(revoked, apikey.ErrKeyRevoked) && valid == nil
	}, 10*time.Second, 10*time.Millisecond)
}
