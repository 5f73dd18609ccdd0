package redisstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// A batch whose answer is lost is written again, by go-redis or by whoever gave it
// to WriteLog, and is there once.
func TestLogKeepsABatchOnceThoughSentTwice(t *testing.T) {
	p, store := storeThroughProxy(t)
	store.logs = keepAll
	entries := logEntries(0, 60, "body")
	require.NoError(t, store.WriteLog(t.Context(), entries[:20])) // which loads the script
	p.LoseAnswer(anyCommand)
	require.NoError(t, store.WriteLog(t.Context(), entries[20:40]))
	require.False(t, p.LosesAnswer())
	requireLog(t, store, entries[:40])

	once := redis.NewClient(&redis.Options{Addr: p.Addr, MaxRetries: -1})
	closeAfter(t, once)
	again := *store
	again.client = once
	require.NoError(t, again.WriteLog(t.Context(), entries[:1]))
	p.LoseAnswer(anyCommand)
	require.Error(t, again.WriteLog(t.Context(), entries[40:]))
	requireLog(t, store, entries)
	require.NoError(t, again.WriteLog(t.Context(), entries[40:]))
	requireLog(t, store, entries)
}

func TestLogCallsEndWithTheirContext(t *testing.T) {
	p, store := storeThroughProxy(t)
	require.NoError(t, store.WriteLog(t.Context(), logEntries(0, 10, "")))
	p.Silence(true)
	for name, call := range map[string]func(ctx context.Context) error{
		"WriteLog": func(ctx context.Context) error { return store.WriteLog(ctx, logEntries(10, 20, "")) },
		"ReadLog": func(ctx context.Context) error {
			_, _, err := store.ReadLog(ctx, apikey.LogQuery{Limit: 10})
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		require.Error(t, err, name)
		require.Less(t, time.Since(began), 2*time.Second, name)
	}
}

// The log does not wait for a lost store to be restored.
func TestLogGoesOnWhenTheStoreIsLost(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := logAt(t, client, "keys", keepAll)
	entries := logEntries(0, 20, "body")
	require.NoError(t, store.WriteLog(t.Context(), entries[:10]))
	require.NoError(t, client.FlushAll(t.Context()).Err())
	requireLog(t, store, nil)
	require.NoError(t, store.WriteLog(t.Context(), entries[10:]))
	requireLog(t, store, entries[10:])
	requireLost(t, store)
	requireLog(t, logAt(t, client, "keys", keepAll), entries[10:])
}

// Of a log that has lost one of its keys, nothing counts what the other takes.
func TestHalfALogBeginsAnew(t *testing.T) {
	client := shared(t)
	for name, half := range map[string]func(*Store) string{
		"the entries are gone": func(s *Store) string { return s.log },
		"the bodies are gone":  func(s *Store) string { return s.bodies },
	} {
		t.Run(name, func(t *testing.T) {
			store := newLog(t, client, keepAll)
			entries := logEntries(0, 20, "body")
			require.NoError(t, store.WriteLog(t.Context(), entries[:10]))
			require.NoError(t, client.Del(t.Context(), half(store)).Err())
			require.Empty(t, logOf(t, store))
			require.NoError(t, store.WriteLog(t.Context(), entries[10:]))
			requireLog(t, store, entries[10:])
		})
	}
}

func TestForeignDataInPlaceOfTheLogIsRefused(t *testing.T) {
	client := shared(t)
	for name, half := range map[string]func(*Store) string{
		"the entries": func(s *Store) string { return s.log },
		"the bodies":  func(s *Store) string { return s.bodies },
	} {
		t.Run(name, func(t *testing.T) {
			store := newLog(t, client, keepAll)
			require.NoError(t, client.Set(t.Context(), half(store), "text", 0).Err())
			require.ErrorContains(t, store.WriteLog(t.Context(), logEntries(0, 10, "body")), "WRONGTYPE")
			require.Equal(t, int64(1), client.Exists(t.Context(), store.log, store.bodies).Val(), "it was half done")
			require.NoError(t, store.Create(t.Context(), newKey("k")))
		})
	}
	t.Run("a format from the future", func(t *testing.T) {
		store := newLog(t, client, keepAll)
		require.NoError(t, client.ZAdd(t.Context(), store.log, redis.Z{Member: strings.Repeat("x", 100)}).Err())
		_, _, err := store.ReadLog(t.Context(), apikey.LogQuery{Limit: 1})
		require.ErrorIs(t, err, errDamaged)
	})
}

func TestFullMemoryAndTheLog(t *testing.T) {
	client := connect(t, startServer(t).addr)
	full := logAt(t, client, "full", LogOptions{MaxAge: -1, MaxBytes: 100_000})
	growing := logAt(t, client, "growing", keepAll)
	require.NoError(t, growing.Create(t.Context(), newKey("k")))
	entries := logEntries(0, 1000, "")
	require.NoError(t, growing.WriteLog(t.Context(), entries[:100]))
	require.NoError(t, full.WriteLog(t.Context(), entries[:600]))
	kept := len(logOf(t, full))
	require.Less(t, kept, 600)
	configSet(t, client, "maxmemory", "1")

	// One that would need more memory fails, and keeps nothing.
	for range 3 {
		require.ErrorContains(t, growing.WriteLog(t.Context(), entries[100:]), "OOM")
	}
	requireLog(t, growing, entries[:100])
	// One that makes room for what it adds goes on.
	require.NoError(t, full.WriteLog(t.Context(), entries[600:1000]))
	require.Equal(t, entries[1000-kept:], logOf(t, full))
	// And keys do.
	key, err := growing.Lookup(t.Context(), apikey.DigestOf("k"))
	require.NoError(t, err)
	key.RevokedAt = time.Now()
	require.NoError(t, growing.Update(t.Context(), key))

	configSet(t, client, "maxmemory", "0")
	require.NoError(t, growing.WriteLog(t.Context(), entries[100:]))
	requireLog(t, growing, entries)
}

// An Authority whose log cannot be written serves nevertheless, and writes what
// waits once that is possible.
func TestAuthorityOverFullMemory(t *testing.T) {
	client := connect(t, startServer(t).addr)
	store := logAt(t, client, "keys", keepAll)
	auth := authority(t, store)
	key, secret, err := auth.Issue(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{apikey.JobsView}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(logOf(t, store)) == 1 }, 10*time.Second, 10*time.Millisecond)
	configSet(t, client, "maxmemory", "1")
	_, err = auth.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return auth.LogStats().Failing }, 10*time.Second, 10*time.Millisecond)
	_, err = auth.Authenticate(t.Context(), secret.Reveal())
	require.ErrorIs(t, err, apikey.ErrKeyRevoked)
	configSet(t, client, "maxmemory", "0")
	require.Eventually(t, func() bool { return len(logOf(t, store)) == 2 }, 10*time.Second, 10*time.Millisecond)
	entries := logOf(t, store)
	require.Equal(t, []apikey.Action{apikey.ActionCreate, apikey.ActionRevoke},
		[]apikey.Action{entries[0].Action, entries[1].Action})
}
