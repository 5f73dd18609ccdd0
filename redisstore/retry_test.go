package redisstore

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/storetest"
)

// go-redis sends a command again when the connection breaks before the answer
// came, although Redis may have carried it out. A script that did its work then
// must not find it in its own way.
func TestChangeIsAppliedOnceThoughSentTwice(t *testing.T) {
	p, store := storeThroughProxy(t)
	ctx := t.Context()
	// Loads the scripts, of which otherwise the first answer is that they are not
	// known.
	warm := newKey("warm")
	require.NoError(t, store.Create(ctx, warm))
	require.NoError(t, store.Update(ctx, warm))
	require.NoError(t, store.Delete(ctx, "warm"))
	require.NoError(t, store.RecordUses(ctx, []apikey.Use{{KeyID: "warm"}}))
	require.NoError(t, store.SwapMarker(ctx, nil, []byte("warm")))

	key := newKey("k")
	lastUse := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		name string
		call func() error
	}{
		{"Create", func() error { return store.Create(ctx, key) }},
		{"Update", func() error { return store.Update(ctx, key) }},
		{"RecordUses", func() error {
			return store.RecordUses(ctx, []apikey.Use{
				{KeyID: "k", At: lastUse, From: apikey.DigestOf("k"), To: apikey.DigestOf("moved")},
			})
		}},
		{"SwapMarker", func() error { return store.SwapMarker(ctx, []byte("warm"), []byte("next")) }},
	} {
		p.LoseAnswer(anyCommand)
		require.NoError(t, row.call(), row.name)
		require.False(t, p.LosesAnswer(), row.name)
	}
	got, err := store.Lookup(ctx, apikey.DigestOf("moved"))
	require.NoError(t, err)
	require.Equal(t, int64(2), got.Version)
	require.Equal(t, lastUse, got.LastUsedAt)
	marker, err := store.Marker(ctx)
	require.NoError(t, err)
	require.Equal(t, "next", string(marker))

	p.LoseAnswer(anyCommand)
	require.NoError(t, store.Delete(ctx, "k"))
	require.False(t, p.LosesAnswer())
	_, err = store.Get(ctx, "k")
	require.ErrorIs(t, err, apikey.ErrNotFound)

	// Two calls with the same key are two calls.
	require.NoError(t, store.Create(ctx, key))
	require.ErrorIs(t, store.Create(ctx, key), apikey.ErrExists)
	require.NoError(t, store.Update(ctx, key))
	require.ErrorIs(t, store.Update(ctx, key), apikey.ErrConflict)
}

// Where nothing is sent again, the caller learns that nobody knows.
func TestLostAnswerIsAnError(t *testing.T) {
	p := storetest.StartProxy(t, shared(t).Options().Addr)
	client := redis.NewClient(&redis.Options{Addr: p.Addr, MaxRetries: -1})
	closeAfter(t, client)
	store := storeAt(t, client, newPrefix(t, shared(t)))
	require.NoError(t, store.Create(t.Context(), newKey("warm")))
	p.LoseAnswer(anyCommand)
	err := store.Create(t.Context(), newKey("k"))
	require.Error(t, err)
	require.NotErrorIs(t, err, apikey.ErrExists)
	p.LoseAnswer(anyCommand)
	_, err = store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.Error(t, err)
	require.NotErrorIs(t, err, apikey.ErrNotFound)
}

func TestCallsEndWithTheirContext(t *testing.T) {
	p, store := storeThroughProxy(t)
	require.NoError(t, store.Create(t.Context(), newKey("k")))
	p.Silence(true)
	for name, call := range map[string]func(ctx context.Context) error{
		"Lookup": func(ctx context.Context) error { _, err := store.Lookup(ctx, apikey.DigestOf("k")); return err },
		"List":   func(ctx context.Context) error { _, err := store.List(ctx, apikey.Query{Limit: 1}); return err },
		"Create": func(ctx context.Context) error { return store.Create(ctx, newKey("new")) },
		"New":    func(ctx context.Context) error { _, err := New(ctx, store.client, nil); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		require.Error(t, err, name)
		require.NotErrorIs(t, err, apikey.ErrNotFound, name)
		require.Less(t, time.Since(began), time.Second, name)
	}
	p.Silence(false)
	_, err := store.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
}
