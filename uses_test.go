package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// recordingStore notes what it was asked to record, and may fail to.
type recordingStore struct {
	*apikey.MemoryStore
	mu      sync.Mutex
	batches [][]apikey.Use
	fail    func() error
	updates int
}

func newRecordingStore() *recordingStore {
	return &recordingStore{MemoryStore: apikey.NewMemoryStore()}
}

// newHangingStore returns one that records nothing before it is released.
func newHangingStore() (store *recordingStore, release func()) {
	until := make(chan struct{})
	store = newRecordingStore()
	store.failWith(func() error {
		<-until
		return nil
	})
	return store, func() { close(until) }
}

func (s *recordingStore) RecordUses(ctx context.Context, uses []apikey.Use) error {
	s.mu.Lock()
	s.batches = append(s.batches, uses)
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(); err != nil {
			return err
		}
	}
	return s.MemoryStore.RecordUses(ctx, uses)
}

func (s *recordingStore) Update(ctx context.Context, key *apikey.Key) error {
	s.mu.Lock()
	s.updates++
	s.mu.Unlock()
	return s.MemoryStore.Update(ctx, key)
}

func (s *recordingStore) failWith(fail func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *recordingStore) written() [][]apikey.Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches
}

func lastUse(t testing.TB, auth *apikey.Authority, id string) time.Time {
	t.Helper()
	key, err := auth.Key(t.Context(), id)
	require.NoError(t, err)
	return key.LastUsedAt
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestLastUsesAreWrittenInOneBatchEveryThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		a, b, unused := issueCustom(t, auth, "a"), issueCustom(t, auth, "b"), issueCustom(t, auth, "unused")
		var lastA, lastB time.Time
		for range 1000 {
			lastA = time.Now()
			requireOpens(t, auth, "a", a.ID)
			time.Sleep(10 * time.Millisecond)
			lastB = time.Now()
			requireOpens(t, auth, "b", b.ID)
		}
		require.Empty(t, store.written(), "a request writes nothing")
		require.Zero(t, lastUse(t, auth, a.ID))

		wait(batchInterval)
		require.Len(t, store.written(), 1)
		require.Len(t, store.written()[0], 2, "one use for each key, however often it was used")
		assert.True(t, lastUse(t, auth, a.ID).Equal(lastA), "the last of all uses")
		assert.True(t, lastUse(t, auth, b.ID).Equal(lastB))
		assert.Zero(t, lastUse(t, auth, unused.ID))
		for _, use := range store.written()[0] {
			assert.True(t, use.From == apikey.Digest{} && use.To == apikey.Digest{}, "no digest moves without peppers")
		}
	})
}

func TestNoTimerRunsWhileNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		wait(time.Hour)
		require.Empty(t, store.written(), "nothing was used, and nothing is written")
		requireOpens(t, auth, "text", key.ID)
		wait(time.Hour)
		require.Len(t, store.written(), 1)
		requireOpens(t, auth, "text", key.ID)
		wait(batchInterval - time.Nanosecond)
		require.Len(t, store.written(), 1)
		wait(time.Nanosecond)
		require.Len(t, store.written(), 2, "30 seconds from the first use that waits")
	})
}

// Where each request asks the store, each has a key of its own in its hands.
func TestUsesTakeNoMoreMemoryThanThereAreKeys(t *testing.T) {
	for name, store := range map[string]apikey.Store{
		"without a cache": struct {
			apikey.ManagedStore
			apikey.UseRecorder
		}{apikey.NewMemoryStore(), apikey.NewMemoryStore()},
		"in memory": newRecordingStore(),
	} {
		t.Run(name, func(t *testing.T) {
			auth, err := apikey.New(t.Context(), store, nil)
			require.NoError(t, err)
			issueCustom(t, auth, "a key text")
			for range 1000 {
				_, err := auth.Authenticate(t.Context(), "a key text")
				require.NoError(t, err)
			}
			require.Equal(t, 1, auth.WaitingUses())
		})
	}
}

// A cache that asks anew holds the key anew.
func TestUsesTakeNoMoreMemoryWhileABatchHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, release := newHangingStore()
		auth, err := apikey.New(t.Context(), struct {
			apikey.ManagedStore
			apikey.UseRecorder
		}{store, store}, &apikey.Options{Cache: apikey.CacheOptions{On: true}})
		require.NoError(t, err)
		issueCustom(t, auth, "a key text")
		most := 0
		for range 600 {
			_, err := auth.Authenticate(t.Context(), "a key text")
			require.NoError(t, err)
			time.Sleep(time.Second)
			most = max(most, auth.WaitingUses())
		}
		require.LessOrEqual(t, most, 12)
		release()
		synctest.Wait()
		require.NoError(t, auth.Shutdown(t.Context()))
	})
}

func TestARecordedUseIsNoChangeOfTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := nodeOver(t, newRecordingStore())
		before := issueCustom(t, auth, "text")
		time.Sleep(time.Minute)
		requireOpens(t, auth, "text", before.ID)
		wait(batchInterval)

		after, err := auth.Key(t.Context(), before.ID)
		require.NoError(t, err)
		require.NotZero(t, after.LastUsedAt)
		after.LastUsedAt = time.Time{}
		assert.Equal(t, before, after, "Version and UpdatedAt included")
		update(t, auth, before, func(s *apikey.KeySpec) { s.Name = "renamed" }) // no conflict
		assert.NotZero(t, lastUse(t, auth, before.ID), "and an edit keeps it")
	})
}

func TestALastUseIsStoredLikeEveryOtherTime(t *testing.T) {
	auth := nodeOver(t, newRecordingStore())
	key := issueCustom(t, auth, "text")
	requireOpens(t, auth, "text", key.ID)
	require.NoError(t, auth.Shutdown(t.Context()))
	at := lastUse(t, auth, key.ID)
	assert.Equal(t, at.UTC().Truncate(time.Microsecond), at, "UTC, microseconds, and no monotonic clock")
}

func TestRefusedTextsAreNoUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		disable(t, auth, issueCustom(t, auth, "disabled"))
		_, err := auth.Revoke(t.Context(), issueCustom(t, auth, "revoked").ID)
		require.NoError(t, err)
		for _, text := range []string{"disabled", "revoked", "unknown", ""} {
			_, err := auth.Authenticate(t.Context(), text)
			require.Error(t, err)
		}
		wait(time.Hour)
		require.Empty(t, store.written())
	})
}

func TestShutdownWritesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		requireOpens(t, auth, "text", key.ID)
		require.NoError(t, auth.Shutdown(t.Context()))
		require.True(t, lastUse(t, auth, key.ID).Equal(time.Now()))
		require.NoError(t, auth.Shutdown(t.Context()))
		wait(time.Hour)
		require.Len(t, store.written(), 1, "and nothing again later")
	})
}

func TestShutdownSaysWhatItCouldNotWriteAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		requireOpens(t, auth, "text", key.ID)
		used := time.Now()
		errFull := errors.New("the disk is full")
		store.failWith(func() error { return errFull })
		require.ErrorIs(t, auth.Shutdown(t.Context()), errFull)
		store.failWith(nil)
		time.Sleep(time.Second)
		require.NoError(t, auth.Shutdown(t.Context()))
		require.True(t, lastUse(t, auth, key.ID).Equal(used))
	})
}

// The store is closed once Shutdown has returned: who comes later finds no one.
func TestNothingIsWrittenAfterShutdown(t *testing.T) {
	t.Run("for a request that Shutdown overtook", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			memory := newRecordingStore()
			slow := make(chan struct{})
			store := &hookedRecorder{recordingStore: memory, beforeLookup: func() { <-slow }}
			auth := nodeOver(t, store)
			issueCustom(t, nodeOver(t, memory), "text")
			done := make(chan error)
			go func() {
				_, err := auth.Authenticate(t.Context(), "text")
				done <- err // served or not: Shutdown came in between
			}()
			synctest.Wait()
			require.NoError(t, auth.Shutdown(t.Context()))
			close(slow)
			require.NoError(t, <-done, "it is still served")
			wait(time.Hour)
			require.Empty(t, memory.written())
		})
	})
	t.Run("when Shutdown itself could not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newRecordingStore()
			auth := nodeOver(t, store)
			key := issueCustom(t, auth, "text")
			requireOpens(t, auth, "text", key.ID)
			store.failWith(func() error { return errors.New("closed") })
			require.Error(t, auth.Shutdown(t.Context()))
			wait(time.Hour)
			require.Len(t, store.written(), 1)
		})
	})
}

// hookedRecorder runs a hook before it looks up.
type hookedRecorder struct {
	*recordingStore
	beforeLookup func()
}

func (s *hookedRecorder) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	s.beforeLookup()
	return s.recordingStore.Lookup(ctx, d)
}

func TestABatchThatFailedIsKeptAndMergedWithTheNext(t *testing.T) {
	rows := map[string]func() error{
		"the store fails":  func() error { return errors.New("the store is down") },
		"the store panics": func() error { panic("recorder") },
	}
	for name, fail := range rows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				store := newRecordingStore()
				auth, err := apikey.New(t.Context(), store, &apikey.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				require.NoError(t, err)
				early, late, both := issueCustom(t, auth, "early"), issueCustom(t, auth, "late"), issueCustom(t, auth, "both")
				store.failWith(fail)
				earlyUse := time.Now()
				requireOpens(t, auth, "early", early.ID)
				requireOpens(t, auth, "both", both.ID)
				wait(batchInterval)
				require.Len(t, store.written(), 1)
				require.Contains(t, log.String(), "last uses could not be written", "the operator is told")
				require.Zero(t, lastUse(t, auth, early.ID))

				lateUse := time.Now()
				requireOpens(t, auth, "late", late.ID)
				requireOpens(t, auth, "both", both.ID)
				store.failWith(nil)
				wait(batchInterval)
				require.Len(t, store.written(), 2)
				require.Len(t, store.written()[1], 3)
				assert.True(t, lastUse(t, auth, early.ID).Equal(earlyUse), "what failed is not forgotten")
				assert.True(t, lastUse(t, auth, late.ID).Equal(lateUse))
				assert.True(t, lastUse(t, auth, both.ID).Equal(lateUse), "and not written over what came later")
				wait(time.Hour)
				require.Len(t, store.written(), 2)
			})
		})
	}
}

func TestABatchThatFailsLateLeavesNewerUsesAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		release := make(chan struct{})
		store.failWith(func() error { <-release; return errors.New("down") })
		requireOpens(t, auth, "text", key.ID)
		wait(batchInterval + time.Second)
		requireOpens(t, auth, "text", key.ID) // while the batch is on its way
		used := time.Now()
		wait(time.Second)
		store.failWith(nil)
		close(release)
		wait(batchInterval)
		require.True(t, lastUse(t, auth, key.ID).Equal(used))
	})
}

func TestAFailedBatchIsTriedAgainWithoutAnotherRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		requireOpens(t, auth, "text", key.ID)
		store.failWith(func() error { return errors.New("down") })
		wait(10 * batchInterval)
		require.Len(t, store.written(), 10, "once in 30 seconds, no faster")
		store.failWith(nil)
		wait(batchInterval)
		require.NotZero(t, lastUse(t, auth, key.ID))
	})
}

func TestAFailedBatchKeepsTheMoveToTheNewPepper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		key := issueCustom(t, nodeOver(t, store, oldPepper), "text")
		auth := nodeOver(t, store, newPepper, oldPepper)
		store.failWith(func() error { return errors.New("down") })
		requireOpens(t, auth, "text", key.ID)
		wait(batchInterval)
		store.failWith(nil)
		wait(batchInterval)
		requireOpens(t, nodeOver(t, store, newPepper), "text", key.ID)
	})
}

func TestALateUseNeverGoesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		first, second := nodeOver(t, store), nodeOver(t, store)
		key := issueCustom(t, first, "text")
		requireOpens(t, first, "text", key.ID)
		time.Sleep(batchInterval / 2)
		requireOpens(t, second, "text", key.ID)
		used := time.Now()
		require.NoError(t, second.Shutdown(t.Context()))
		wait(batchInterval)
		require.Len(t, store.written(), 2)
		require.True(t, lastUse(t, first, key.ID).Equal(used))
	})
}

func TestALateUseNeverBringsBackWhatIsGone(t *testing.T) {
	for round := range 300 {
		store := apikey.NewMemoryStore()
		byOld := nodeOver(t, store, oldPepper)
		revoked, deleted := issueCustom(t, byOld, "revoked"), issueCustom(t, byOld, "deleted")
		auth := nodeOver(t, store, newPepper, oldPepper)
		requireOpens(t, auth, "revoked", revoked.ID)
		requireOpens(t, auth, "deleted", deleted.ID)

		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, auth.FlushUses(t.Context())) })
		wg.Go(func() {
			_, err := auth.Revoke(t.Context(), revoked.ID)
			assert.NoError(t, err)
		})
		wg.Go(func() { assert.NoError(t, auth.Delete(t.Context(), deleted.ID)) })
		wg.Wait()

		requireRefused(t, auth, "revoked", apikey.ErrKeyRevoked)
		requireRefused(t, auth, "deleted", apikey.ErrUnknownKey)
		keys, err := auth.Keys(t.Context(), apikey.Query{})
		require.NoError(t, err)
		require.Len(t, keys, 1, "round %d", round)
		require.NotZero(t, keys[0].RevokedAt)
	}
}

func TestUsesOfKeysThatAreGoneAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		deleted, revoked, kept := issueCustom(t, auth, "deleted"), issueCustom(t, auth, "revoked"), issueCustom(t, auth, "kept")
		for text, key := range map[string]*apikey.Key{"deleted": deleted, "revoked": revoked, "kept": kept} {
			requireOpens(t, auth, text, key.ID)
		}
		require.NoError(t, auth.Delete(t.Context(), deleted.ID))
		_, err := auth.Revoke(t.Context(), revoked.ID)
		require.NoError(t, err)
		wait(time.Hour)
		require.Len(t, store.written(), 1, "they hold up nothing")
		require.NotZero(t, lastUse(t, auth, kept.ID))
		require.Zero(t, lastUse(t, auth, revoked.ID))
	})
}

func TestRequestsDoNotWaitForABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		release := make(chan struct{})
		store.failWith(func() error { <-release; return nil })
		requireOpens(t, auth, "text", key.ID)
		wait(batchInterval)
		start := time.Now()
		for range 100 {
			requireOpens(t, auth, "text", key.ID)
		}
		require.Equal(t, start, time.Now())
		require.Len(t, store.written(), 1)
		close(release)
		wait(batchInterval)
		require.Len(t, store.written(), 2, "what came during the one batch goes into the next")
	})
}

// A recorder that ignores its context for minutes does not end the writing of last
// uses for good.
func TestAfterABatchThatHungTheNextIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRecordingStore()
		auth := nodeOver(t, store)
		key := issueCustom(t, auth, "text")
		release := make(chan struct{})
		store.failWith(func() error { <-release; return nil })
		requireOpens(t, auth, "text", key.ID)
		wait(batchInterval + time.Second)
		requireOpens(t, auth, "text", key.ID) // while the batch hangs
		wait(5 * time.Minute)
		store.failWith(nil)
		close(release)
		synctest.Wait()

		used := time.Now()
		requireOpens(t, auth, "text", key.ID)
		wait(2 * batchInterval)
		require.True(t, lastUse(t, auth, key.ID).Equal(used), "last used at %v, written %v", used, lastUse(t, auth, key.ID))
	})
}

// A recorder that ignores its context holds up nobody but itself.
func TestShutdownReturnsWhenItsContextEnds(t *testing.T) {
	rows := map[string]func(auth *apikey.Authority, entered chan struct{}){
		"although a batch is being written": func(auth *apikey.Authority, entered chan struct{}) {
			go func() { _ = auth.Shutdown(context.Background()) }()
			<-entered
		},
		"although its own batch does not end": func(*apikey.Authority, chan struct{}) {},
	}
	for name, prepare := range rows {
		t.Run(name, func(t *testing.T) {
			store := newRecordingStore()
			auth := nodeOver(t, store)
			key := issueCustom(t, auth, "text")
			entered, release := make(chan struct{}, 10), make(chan struct{})
			defer close(release)
			store.failWith(func() error { entered <- struct{}{}; <-release; return nil })
			requireOpens(t, auth, "text", key.ID)
			prepare(auth, entered)

			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- auth.Shutdown(ctx) }()
			select {
			case err := <-done:
				require.ErrorIs(t, err, context.DeadlineExceeded)
			case <-time.After(2 * time.Second):
				t.Error("Shutdown waits on after its context has ended")
			}
		})
	}
}

func TestManyRequestsNoteTheirUsesAtOnce(t *testing.T) {
	auth := nodeOver(t, newRecordingStore())
	const keys = 20
	var wg sync.WaitGroup
	for i := range keys {
		text := fmt.Sprint("key ", i)
		id := issueCustom(t, auth, text).ID
		wg.Go(func() {
			for range 200 {
				if found, err := auth.Authenticate(t.Context(), text); assert.NoError(t, err) {
					assert.Equal(t, id, found.ID)
				}
			}
		})
		wg.Go(func() { assert.NoError(t, auth.FlushUses(t.Context())) })
	}
	wg.Wait()
	require.NoError(t, auth.Shutdown(t.Context()))
	all, err := auth.Keys(t.Context(), apikey.Query{Limit: keys})
	require.NoError(t, err)
	for _, key := range all {
		require.NotZero(t, key.LastUsedAt)
	}
}
