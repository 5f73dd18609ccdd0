package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// The tests in this file are about servers that share a database, and what becomes
// of their keys when the way to it fails.

func startNode(t testing.TB, store apikey.Store, cache apikey.CacheOptions) *apikey.Authority {
	t.Helper()
	auth, err := apikey.New(t.Context(), store, &apikey.Options{
		Cache: cache, StoreTimeout: 500 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = auth.Shutdown(context.Background()) }) // it may have nowhere to write to
	return auth
}

func issue(t testing.TB, auth *apikey.Authority) (id, text string) {
	t.Helper()
	key, secret, err := auth.Issue(t.Context(), apikey.KeySpec{})
	require.NoError(t, err)
	return key.ID, secret.Reveal()
}

// opens returns why the text opens nothing, and nil where it opens its key.
func opens(t testing.TB, auth *apikey.Authority, text string) error {
	t.Helper()
	_, err := auth.Authenticate(t.Context(), text)
	return err
}

// A node that is cut off from the database, without being told so, serves the keys
// that it knows for as long as was said and calls none of them unknown. When the way
// is free again, all is as it should be.
func TestNodeWithoutItsDatabase(t *testing.T) {
	cache := apikey.CacheOptions{TTL: 400 * time.Millisecond, Stale: 600 * time.Millisecond}
	dsn := newDatabase(t)
	p := startProxy(t, addressOf(t, dsn))
	here := startNode(t, openStore(t, dsn), cache)
	there := startNode(t, openStore(t, through(t, dsn, p)), cache)
	id, text := issue(t, here)
	_, valid := issue(t, here)
	_, cold := issue(t, here)
	require.NoError(t, opens(t, there, text))
	require.NoError(t, opens(t, there, valid))

	p.silence(true)
	cut := time.Now()
	_, err := here.Revoke(t.Context(), id)
	require.NoError(t, err)
	require.ErrorIs(t, opens(t, there, cold), apikey.ErrStoreFailed, "asked for the first time")
	for {
		asked := time.Since(cut)
		if err = opens(t, there, text); err != nil {
			break
		}
		require.Less(t, asked, cache.TTL+cache.Stale, "served although its time was over")
		time.Sleep(time.Millisecond)
	}
	require.ErrorIs(t, err, apikey.ErrStoreFailed)
	require.ErrorIs(t, opens(t, there, valid), apikey.ErrStoreFailed, "as nobody can tell that it is valid still")

	p.silence(false)
	require.Eventually(t, func() bool {
		revoked, valid := opens(t, there, text), opens(t, there, valid)
		assert.Error(t, revoked)
		assert.NotErrorIs(t, valid, apikey.ErrUnknownKey)
		return errors.Is(revoked, apikey.ErrKeyRevoked) && valid == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, opens(t, there, cold))
}

// A revocation whose commit was made, and the answer to it lost, is reported as
// failed, and holds: also at once, on the node that made it.
func TestCommitWhoseAnswerWasLost(t *testing.T) {
	dsn := newDatabase(t)
	p := startProxy(t, addressOf(t, dsn))
	here := startNode(t, openStore(t, through(t, dsn, p)), apikey.CacheOptions{})
	there := startNode(t, openStore(t, dsn), apikey.CacheOptions{Off: true})
	id, text := issue(t, here)
	require.NoError(t, opens(t, here, text))
	p.cutAfterCommit()
	_, err := here.Revoke(t.Context(), id)
	require.Error(t, err)
	require.ErrorIs(t, opens(t, here, text), apikey.ErrKeyRevoked)
	require.ErrorIs(t, opens(t, there, text), apikey.ErrKeyRevoked)
	key, err := here.Revoke(t.Context(), id)
	require.NoError(t, err, "again, which finds nothing to do")
	require.EqualValues(t, 2, key.Version)
}

// Twenty administrators wait for a lock that nobody gives back, more than the store
// has connections. Requests find one all the same.
func TestManagementLeavesConnectionsToLookups(t *testing.T) {
	dsn := newDatabase(t)
	store := openStore(t, dsn)
	auth := startNode(t, store, apikey.CacheOptions{Off: true})
	_, text := issue(t, auth)
	tx, err := hostHandle(t, dsn).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), "UPDATE apikey_sequence SET seq = seq WHERE id = 1")
	require.NoError(t, err)
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() { assert.NoError(t, store.Create(t.Context(), newKey(fmt.Sprint("k", i)))) })
	}
	require.Eventually(t, func() bool { return store.owned.Stats().InUse >= maxConns/2-1 }, 10*time.Second, time.Millisecond)
	for range 20 {
		require.NoError(t, opens(t, auth, text))
	}
	require.NoError(t, tx.Rollback())
	waiting.Wait()
}
