package storetest

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

// StartNode returns an Authority over the store, as each of several servers has one.
func StartNode(t testing.TB, store apikey.Store, cache apikey.CacheOptions) *apikey.Authority {
	t.Helper()
	auth, err := apikey.New(t.Context(), store, &apikey.Options{
		Cache: cache, StoreTimeout: 500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = auth.Shutdown(ctx) // it may have nowhere to write to
	})
	return auth
}

// Issue returns the ID of a new key, and the text that opens it.
func Issue(t testing.TB, auth *apikey.Authority) (id, text string) {
	t.Helper()
	key, secret, err := auth.Issue(t.Context(), apikey.KeySpec{})
	require.NoError(t, err)
	return key.ID, secret.Reveal()
}

// Opens returns why the text opens nothing, and nil where it opens its key.
func Opens(t testing.TB, auth *apikey.Authority, text string) error {
	t.Helper()
	_, err := auth.Authenticate(t.Context(), text)
	return err
}

// TestCutOffNode cuts one of two nodes off from the store that they share, without
// telling it. It serves the keys that it knows for as long as was said and calls
// none of them unknown. When the way is free again, all is as it should be.
func TestCutOffNode(t *testing.T, store, behindProxy apikey.Store, p *Proxy) {
	t.Helper()
	cache := apikey.CacheOptions{TTL: 400 * time.Millisecond, Stale: 600 * time.Millisecond}
	here, there := StartNode(t, store, cache), StartNode(t, behindProxy, cache)
	id, text := Issue(t, here)
	_, valid := Issue(t, here)
	_, cold := Issue(t, here)
	require.NoError(t, Opens(t, there, text))
	require.NoError(t, Opens(t, there, valid))

	p.Silence(true)
	cut := time.Now()
	_, err := here.Revoke(t.Context(), id)
	require.NoError(t, err)
	require.ErrorIs(t, Opens(t, there, cold), apikey.ErrStoreFailed, "asked for the first time")
	for {
		asked := time.Since(cut)
		if err = Opens(t, there, text); err != nil {
			break
		}
		require.Less(t, asked, cache.TTL+cache.Stale, "served although its time was over")
		time.Sleep(time.Millisecond)
	}
	require.ErrorIs(t, err, apikey.ErrStoreFailed)
	require.ErrorIs(t, Opens(t, there, valid), apikey.ErrStoreFailed, "as nobody can tell that it is valid still")

	p.Silence(false)
	require.Eventually(t, func() bool {
		revoked, valid := Opens(t, there, text), Opens(t, there, valid)
		assert.Error(t, revoked)
		assert.NotErrorIs(t, valid, apikey.ErrUnknownKey)
		return errors.Is(revoked, apikey.ErrKeyRevoked) && valid == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, Opens(t, there, cold))
}
