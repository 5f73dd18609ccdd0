package apikey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errDown = errors.New("connection refused")

// A remote is a store that is asked over a network: it can be slow, fail, panic,
// and tell of changes.
type remote struct {
	*MemoryStore
	calls    atomic.Int64
	underWay atomic.Int64
	most     atomic.Int64 // calls under way at once
	delay    atomic.Int64
	down     atomic.Bool
	damaged  atomic.Bool // it cannot read the key
	panics   atomic.Bool
	asked    func() // called in each lookup after the answer is known

	mu      sync.Mutex
	watches []chan string
	cut     bool
}

func newRemote() *remote { return &remote{MemoryStore: NewMemoryStore()} }

func (s *remote) Lookup(ctx context.Context, d Digest) (*Key, error) {
	s.calls.Add(1)
	raiseTo(&s.most, s.underWay.Add(1))
	defer s.underWay.Add(-1)
	key, err := s.MemoryStore.Lookup(context.WithoutCancel(ctx), d)
	if s.asked != nil {
		s.asked()
	}
	if delay := time.Duration(s.delay.Load()); delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.panics.Load() {
		panic("lookup")
	}
	if s.down.Load() || s.damaged.Load() {
		return nil, errDown
	}
	return key, err
}

func raiseTo(v *atomic.Int64, n int64) {
	for was := v.Load(); was < n; was = v.Load() {
		v.CompareAndSwap(was, n)
	}
}

func (s *remote) Watch(ctx context.Context, changed func(string)) error {
	told := make(chan string, 1000)
	s.mu.Lock()
	if s.cut {
		s.mu.Unlock()
		return errDown
	}
	s.watches = append(s.watches, told)
	s.mu.Unlock()
	changed("")
	for {
		select {
		case id, ok := <-told:
			if !ok {
				return errDown
			}
			changed(id)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *remote) tell(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, told := range s.watches {
		told <- id
	}
}

// cutFeed breaks all watches, and lets none begin until mend is called.
func (s *remote) cutFeed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for _, told := range s.watches {
		close(told)
	}
	s.watches = nil
}

func (s *remote) mendFeed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = false
}

func (s *remote) Update(ctx context.Context, key *Key) error {
	err := s.MemoryStore.Update(ctx, key)
	if err == nil {
		s.tell(key.ID)
	}
	return err
}

func (s *remote) Create(ctx context.Context, key *Key) error {
	err := s.MemoryStore.Create(ctx, key)
	if err == nil {
		s.tell(key.ID)
	}
	return err
}

// withoutFeed hides a store's change feed.
type withoutFeed struct{ ManagedStore }

func node(t *testing.T, store Store, o CacheOptions) *Authority {
	t.Helper()
	auth, err := New(t.Context(), store, &Options{Cache: o, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, auth.Shutdown(context.WithoutCancel(t.Context()))) })
	return auth
}

// opens reports why the text opens nothing, and nil where it opens its key.
func opens(t *testing.T, auth *Authority, text string) error {
	t.Helper()
	_, err := auth.Authenticate(t.Context(), text)
	return err
}

func issue(t *testing.T, auth *Authority, text string) string {
	t.Helper()
	key, err := auth.IssueCustom(t.Context(), KeySpec{}, text)
	require.NoError(t, err)
	return key.ID
}

// TestRevocationBounds is the table that the documentation publishes.
func TestRevocationBounds(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(*remote) // the revocation, at the other node
		at     time.Duration // after it
		want   error
	}{
		{"with the feed: within a moment", func(*remote) {}, time.Millisecond, ErrKeyRevoked},
		{"feed cut: perhaps still served before TTL", (*remote).cutFeed, 4 * time.Second, nil},
		{"feed cut: not after TTL", (*remote).cutFeed, 10 * time.Second, ErrKeyRevoked},
		{"out of reach: still served before TTL and Stale", partition, 39 * time.Second, nil},
		{"out of reach: not after TTL and Stale", partition, 40 * time.Second, ErrStoreFailed},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newRemote()
				here, there := node(t, store, CacheOptions{}), node(t, store, CacheOptions{})
				id := issue(t, here, "a key text")
				synctest.Wait()
				require.NoError(t, opens(t, here, "a key text"))
				require.NoError(t, opens(t, there, "a key text"))

				row.before(store)
				_, err := here.Revoke(t.Context(), id)
				require.NoError(t, err)
				if !store.down.Load() {
					require.ErrorIs(t, opens(t, here, "a key text"), ErrKeyRevoked, "at the node that did it, at once")
				}
				time.Sleep(row.at)
				if row.want == nil {
					require.NoError(t, opens(t, there, "a key text"))
				} else {
					require.ErrorIs(t, opens(t, there, "a key text"), row.want)
				}
			})
		})
	}
}

func partition(s *remote) { s.cutFeed(); s.down.Store(true) }

// TestRevocationBoundUnderLoad: a key that is asked for all the time, and so is
// refreshed before its time, is dead by TTL too.
func TestRevocationBoundUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRemote()
		here, there := node(t, store, CacheOptions{}), node(t, store, CacheOptions{})
		id := issue(t, here, "a key text")
		for range 70 {
			time.Sleep(100 * time.Millisecond)
			require.NoError(t, opens(t, there, "a key text"))
		}
		store.cutFeed()
		_, err := here.Revoke(t.Context(), id)
		require.NoError(t, err)
		revoked := time.Now()
		for opens(t, there, "a key text") == nil {
			time.Sleep(10 * time.Millisecond)
			require.Less(t, time.Since(revoked), 10*time.Second)
		}
	})
}

func TestCacheKeepsWhatItMay(t *testing.T) {
	for _, row := range []struct {
		name  string
		opts  CacheOptions
		text  string
		wait  time.Duration // between two requests
		calls int64
	}{
		{"a key within TTL", CacheOptions{}, "known", 4 * time.Second, 1},
		{"a key before TTL is loaded again beside", CacheOptions{}, "known", 6 * time.Second, 2},
		{"a key after TTL", CacheOptions{}, "known", 10 * time.Second, 2},
		{"an unknown text within NegativeTTL", CacheOptions{}, "unknown", time.Second, 1},
		{"an unknown text after NegativeTTL", CacheOptions{}, "unknown", 2 * time.Second, 2},
		{"an unknown text without NegativeTTL", CacheOptions{NegativeTTL: -1}, "unknown", 0, 2},
		{"off", CacheOptions{Off: true}, "known", 0, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newRemote()
				auth := node(t, store, row.opts)
				issue(t, auth, "known")
				synctest.Wait()
				store.calls.Store(0)
				first := opens(t, auth, row.text)
				time.Sleep(row.wait)
				require.Equal(t, first, opens(t, auth, row.text))
				synctest.Wait()
				require.Equal(t, row.calls, store.calls.Load())
			})
		})
	}
}

func TestCacheIsOnWhereAskedFor(t *testing.T) {
	for _, row := range []struct {
		name  string
		store func() ManagedStore
		opts  CacheOptions
		want  bool
	}{
		{"a store with a feed", func() ManagedStore { return newRemote() }, CacheOptions{}, true},
		{"a store with a feed, off", func() ManagedStore { return newRemote() }, CacheOptions{Off: true}, false},
		{"a store without", func() ManagedStore { return withoutFeed{NewMemoryStore()} }, CacheOptions{}, false},
		{"a store without, on", func() ManagedStore { return withoutFeed{NewMemoryStore()} }, CacheOptions{On: true}, true},
		{"a store in memory, on", func() ManagedStore { return NewMemoryStore() }, CacheOptions{On: true}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, node(t, row.store(), row.opts).cache != nil)
		})
	}
}

func TestCacheOptionsAreJudged(t *testing.T) {
	_, err := New(t.Context(), newRemote(), &Options{Cache: CacheOptions{
		On: true, Off: true, TTL: -1, NegativeTTL: -2, Stale: -time.Second, MaxKeys: -1,
	}})
	for _, field := range []string{"On", "TTL", "NegativeTTL", "Stale", "MaxKeys"} {
		require.ErrorContains(t, err, "Options.Cache."+field+" is")
	}
}

// TestChangesAreSeenAtOnce: whatever the Authority itself has changed, its very
// next request knows.
func TestChangesAreSeenAtOnce(t *testing.T) {
	auth := node(t, withoutFeed{NewMemoryStore()}, CacheOptions{On: true})
	require.ErrorIs(t, opens(t, auth, "first text"), ErrUnknownKey)
	id := issue(t, auth, "first text")
	require.NoError(t, opens(t, auth, "first text"), "although it was unknown just now")

	require.ErrorIs(t, opens(t, auth, "second text"), ErrUnknownKey)
	_, err := auth.RotateCustom(t.Context(), id, 0, "second text")
	require.NoError(t, err)
	require.ErrorIs(t, opens(t, auth, "first text"), ErrUnknownKey)
	require.NoError(t, opens(t, auth, "second text"))

	key, err := auth.Key(t.Context(), id)
	require.NoError(t, err)
	spec := key.Spec()
	spec.Disabled = true
	_, err = auth.Update(t.Context(), id, key.Version, spec)
	require.NoError(t, err)
	require.ErrorIs(t, opens(t, auth, "second text"), ErrKeyDisabled)

	require.NoError(t, auth.Delete(t.Context(), id))
	require.ErrorIs(t, opens(t, auth, "second text"), ErrUnknownKey)
}

// TestLateAnswer: an answer that the store gave before a change, and that arrives
// after it, is not kept.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRemote()
		auth := node(t, store, CacheOptions{})
		id := issue(t, auth, "a key text")
		synctest.Wait()
		read, goOn := make(chan struct{}), make(chan struct{})
		store.asked = func() { read <- struct{}{}; <-goOn }
		early := make(chan error)
		go func() { early <- opens(t, auth, "a key text") }()
		<-read // the store has found it, unrevoked
		store.asked = nil
		_, err := auth.Revoke(t.Context(), id)
		require.NoError(t, err)
		close(goOn)
		require.NoError(t, <-early, "it came before the revocation")
		require.ErrorIs(t, opens(t, auth, "a key text"), ErrKeyRevoked)
	})
}

// TestNobodyJoinsALateAnswer: who asks after a change does not wait with those who
// asked before for an answer that the store gave before.
func TestNobodyJoinsALateAnswer(t *testing.T) {
	for _, row := range []struct {
		name          string
		before, after error // what the text opens before the change, and after
		prepare       func(*testing.T, *Authority) (change func() error)
	}{
		{"a key is revoked", nil, ErrKeyRevoked, func(t *testing.T, auth *Authority) func() error {
			t.Helper()
			id := issue(t, auth, "a key text")
			return func() error { _, err := auth.Revoke(t.Context(), id); return err }
		}},
		{"a key is made", ErrUnknownKey, nil, func(t *testing.T, auth *Authority) func() error {
			t.Helper()
			return func() error { _, err := auth.IssueCustom(t.Context(), KeySpec{}, "a key text"); return err }
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newRemote()
				auth := node(t, store, CacheOptions{})
				change := row.prepare(t, auth)
				synctest.Wait()
				store.delay.Store(int64(time.Second)) // after it has read
				early, late := make(chan error, 1), make(chan error, 1)
				go func() { early <- opens(t, auth, "a key text") }()
				synctest.Wait()
				store.delay.Store(0)
				require.NoError(t, change())
				go func() { late <- opens(t, auth, "a key text") }()
				require.ErrorIs(t, <-early, row.before)
				require.ErrorIs(t, <-late, row.after)
			})
		})
	}
}

// TestOneLoadForAll: a key that nobody has asked for, and then a thousand at once.
func TestOneLoadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRemote()
		store.delay.Store(int64(time.Second))
		auth := node(t, store, CacheOptions{})
		require.NoError(t, store.Create(t.Context(), &Key{
			ID: "one", Version: 1, Credentials: []Credential{{Digest: DigestOf("a key text")}},
		}))
		synctest.Wait()
		first, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := auth.Authenticate(first, "a key text")
			left <- err
		}()
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() { assert.NoError(t, opens(t, auth, "a key text")) })
		}
		synctest.Wait()
		cancel() // the first goes away, and takes nobody along
		require.ErrorIs(t, <-left, context.Canceled)
		group.Wait()
		require.Equal(t, int64(1), store.calls.Load())
	})
}

// TestErrorsAreNotKept: a store that failed for a moment is asked again.
func TestErrorsAreNotKept(t *testing.T) {
	for name, fault := range map[string]func(*remote) *atomic.Bool{
		"it fails":  func(s *remote) *atomic.Bool { return &s.down },
		"it panics": func(s *remote) *atomic.Bool { return &s.panics },
	} {
		t.Run(name, func(t *testing.T) {
			store := newRemote()
			auth := node(t, store, CacheOptions{})
			issue(t, auth, "a key text")
			fault(store).Store(true)
			require.ErrorIs(t, opens(t, auth, "a key text"), ErrStoreFailed)
			require.ErrorIs(t, opens(t, auth, "no key"), ErrStoreFailed, "and not unknown")
			fault(store).Store(false)
			require.NoError(t, opens(t, auth, "a key text"))
		})
	}
}

// TestStoreDown: keys in use are served without a pause, for as long as was said;
// no valid key is ever called unknown; and all is well as soon as the store is.
func TestStoreDown(t *testing.T) {
	for _, row := range []struct {
		name  string
		opts  CacheOptions
		hangs bool
		until time.Duration
	}{
		{"it refuses", CacheOptions{}, false, 40 * time.Second},
		{"it hangs", CacheOptions{}, true, 40 * time.Second},
		{"it refuses, and nothing may be stale", CacheOptions{Stale: -1}, false, 10 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newRemote()
				auth := node(t, store, row.opts)
				issue(t, auth, "in use")
				issue(t, auth, "not in use")
				synctest.Wait()
				require.NoError(t, opens(t, auth, "in use"))
				store.cutFeed()
				began := time.Now()
				if row.hangs {
					store.delay.Store(int64(time.Hour))
				} else {
					store.down.Store(true)
				}
				for time.Since(began) < row.until-200*time.Millisecond {
					asked := time.Now()
					require.NoError(t, opens(t, auth, "in use"), time.Since(began))
					require.Zero(t, time.Since(asked), "no request waits, %s after", time.Since(began))
					time.Sleep(100 * time.Millisecond)
				}
				asked := time.Now()
				require.ErrorIs(t, opens(t, auth, "not in use"), ErrStoreFailed)
				require.LessOrEqual(t, time.Since(asked), 2*time.Second)
				time.Sleep(time.Until(began.Add(row.until)))
				require.ErrorIs(t, opens(t, auth, "in use"), ErrStoreFailed)

				store.delay.Store(0)
				store.down.Store(false)
				store.mendFeed()
				require.NoError(t, opens(t, auth, "in use"))
				require.NoError(t, opens(t, auth, "not in use"))
			})
		})
	}
}

// TestOneDamagedKey: the store fails to read one key, and answers for all others.
// That makes nobody serve what is older than TTL.
func TestOneDamagedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRemote()
		here, there := node(t, store, CacheOptions{}), node(t, store, CacheOptions{})
		id := issue(t, here, "a key text")
		issue(t, here, "in use")
		synctest.Wait()
		require.NoError(t, opens(t, there, "a key text"))
		store.cutFeed()
		_, err := here.Revoke(t.Context(), id)
		require.NoError(t, err)
		for range 100 {
			store.damaged.Store(true)
			require.ErrorIs(t, opens(t, there, "damaged"), ErrStoreFailed)
			store.damaged.Store(false)
			require.NoError(t, opens(t, there, "in use"))
			require.ErrorIs(t, opens(t, there, "unknown"), ErrUnknownKey)
			time.Sleep(100 * time.Millisecond)
		}
		store.damaged.Store(true)
		require.ErrorIs(t, opens(t, there, "damaged"), ErrStoreFailed)
		store.damaged.Store(false)
		require.ErrorIs(t, opens(t, there, "a key text"), ErrKeyRevoked)
	})
}

// TestRevokedElsewhere: who is told that the key is revoked already may rely on
// this node too, also before the feed has told it.
func TestRevokedElsewhere(t *testing.T) {
	store := newRemote()
	here, there := node(t, store, CacheOptions{}), node(t, withoutFeed{store}, CacheOptions{On: true})
	id := issue(t, here, "a key text")
	require.NoError(t, opens(t, there, "a key text"))
	for _, auth := range []*Authority{here, there} {
		_, err := auth.Revoke(t.Context(), id)
		require.NoError(t, err)
	}
	require.ErrorIs(t, opens(t, there, "a key text"), ErrKeyRevoked)
}

// TestKeyMovesBehindTheCache: a key that another node has moved to the newer pepper
// is found there, though it was looked for in vain just before it was moved.
func TestKeyMovesBehindTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		older, newer := NewPepper([]byte("the old pepper, 32 bytes of it..")), NewPepper([]byte("the new pepper, 32 bytes of it.."))
		store := newRemote()
		opts := &Options{Peppers: []Pepper{older}, Logger: slog.New(slog.DiscardHandler)}
		before, err := New(t.Context(), store, opts)
		require.NoError(t, err)
		id := issue(t, before, "a key text")
		require.NoError(t, before.Shutdown(t.Context()))
		opts.Peppers = []Pepper{newer, older}
		auth, err := New(t.Context(), store, opts)
		require.NoError(t, err)
		synctest.Wait()
		for i := range 20 {
			require.NoError(t, opens(t, auth, "a key text"), "after %d half seconds", i)
			if i == 9 { // at 4 s it was not under the newer, and at 5 s its entry under the older is refreshed
				require.NoError(t, store.RecordUses(t.Context(), []Use{{
					KeyID: id, At: time.Now(),
					From: newDigester(older).digest("a key text"), To: newDigester(newer).digest("a key text"),
				}}))
			}
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
		}
		store.calls.Store(0)
		for range 10 {
			require.ErrorIs(t, opens(t, auth, "unknown"), ErrUnknownKey)
		}
		require.LessOrEqual(t, store.calls.Load(), int64(3), "unknown texts are kept also where there are two peppers")
		require.NoError(t, auth.Shutdown(t.Context()))
	})
}

// TestFailureBehindTheCacheIsTold: the operator hears of it though every request is
// served.
func TestFailureBehindTheCacheIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		store := newRemote()
		auth, err := New(t.Context(), store, &Options{Logger: slog.New(slog.NewTextHandler(&told, nil))})
		require.NoError(t, err)
		issue(t, auth, "a key text")
		synctest.Wait()
		require.NoError(t, opens(t, auth, "a key text"))
		store.down.Store(true)
		for range 10 {
			require.NoError(t, opens(t, auth, "a key text"))
			time.Sleep(time.Second)
		}
		require.NoError(t, auth.Shutdown(t.Context()))
		synctest.Wait()
		require.Contains(t, told.String(), "the key store failed")
		require.Contains(t, told.String(), errDown.Error())
	})
}

// TestStaleIsNotChanged: a key that is known to have changed is not served stale.
func TestStaleIsNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRemote()
		auth := node(t, store, CacheOptions{})
		id := issue(t, auth, "a key text")
		synctest.Wait()
		require.NoError(t, opens(t, auth, "a key text"))
		store.down.Store(true)
		require.NoError(t, opens(t, auth, "a key text"))
		_, err := auth.Revoke(t.Context(), id)
		require.NoError(t, err)
		require.ErrorIs(t, opens(t, auth, "a key text"), ErrStoreFailed)
	})
}

// TestFeedIsTakenUpAgain: what was missed while it was cut is made good.
func TestFeedIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newRemote()
		here, there := node(t, store, CacheOptions{TTL: time.Hour}), node(t, store, CacheOptions{TTL: time.Hour})
		id := issue(t, here, "a key text")
		synctest.Wait()
		require.NoError(t, opens(t, there, "a key text"))
		store.cutFeed()
		_, err := here.Revoke(t.Context(), id)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, opens(t, there, "a key text"), "nobody has told it")
		store.mendFeed()
		time.Sleep(time.Second + 1)
		synctest.Wait()
		require.ErrorIs(t, opens(t, there, "a key text"), ErrKeyRevoked)
	})
}

// TestFlood: a hundred thousand texts that are no keys.
func TestFlood(t *testing.T) {
	store := newRemote()
	auth := node(t, store, CacheOptions{MaxKeys: 1000, TTL: time.Hour})
	require.Eventually(t, func() bool { return auth.cache.changes.all.Load() > 0 }, 5*time.Second, time.Millisecond,
		"the feed is up, and makes nothing be asked for again")
	require.NoError(t, store.MemoryStore.Create(t.Context(), &Key{
		ID: "one", Version: 1, Credentials: []Credential{{Digest: DigestOf("a key text")}},
	}))
	require.NoError(t, opens(t, auth, "a key text"))
	calls := store.calls.Load()
	for i := range 1000 {
		require.ErrorIs(t, opens(t, auth, fmt.Sprintf("apik_%049d", i)), ErrMalformedKey)
	}
	require.Equal(t, calls, store.calls.Load(), "wrong checksums ask nobody")

	before := heap()
	var group sync.WaitGroup
	for g := range 200 {
		group.Go(func() {
			for i := range 500 {
				assert.ErrorIs(t, opens(t, auth, fmt.Sprintf("%d-%d", g, i)), ErrUnknownKey)
			}
		})
	}
	group.Wait()
	grown := int64(heap()) - int64(before)
	t.Logf("100,000 unknown texts: at most %d lookups at once, %d bytes more", store.most.Load(), grown)
	require.LessOrEqual(t, store.most.Load(), int64(64))
	require.Less(t, grown, int64(1<<20))
	calls = store.calls.Load()
	require.NoError(t, opens(t, auth, "a key text"))
	require.Equal(t, calls, store.calls.Load(), "the flood has pushed no key out")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestCacheIsBounded: more keys than fit are all served, and no more than fit kept.
func TestCacheIsBounded(t *testing.T) {
	store := newRemote()
	auth := node(t, store, CacheOptions{MaxKeys: 100})
	for i := range 2000 {
		require.NoError(t, store.MemoryStore.Create(t.Context(), &Key{
			ID: fmt.Sprint(i), Version: 1, Credentials: []Credential{{Digest: DigestOf(fmt.Sprint("text ", i))}},
		}))
	}
	for range 2 {
		for i := range 2000 {
			require.NoError(t, opens(t, auth, fmt.Sprint("text ", i)))
		}
	}
	kept := 0
	for i := range auth.cache.known.sets {
		for j := range auth.cache.known.sets[i].entries {
			if auth.cache.known.sets[i].entries[j].Load() != nil {
				kept++
			}
		}
	}
	require.LessOrEqual(t, kept, cacheWays*len(auth.cache.known.sets))
	require.LessOrEqual(t, kept, 256)
	require.Greater(t, kept, 100)
}

// TestCrowdedSets: digests that share their sets and their tags are told apart, and
// what was put last is there.
func TestCrowdedSets(t *testing.T) {
	table, changes := newCacheTable(1000), &changeClock{}
	var all []*cacheEntry
	for i := range 3000 {
		e := &cacheEntry{at: time.Duration(i), latest: &atomic.Uint64{}, heldKey: heldKey{key: &Key{}}}
		e.digest[0], e.digest[8] = byte(i%4), byte(i%3*127) // 0, 127 and 254
		e.digest[30], e.digest[31] = byte(i>>8), byte(i)
		table.put(e, changes)
		require.Same(t, e, table.find(&e.digest, changes))
		all = append(all, e)
	}
	kept := 0
	for _, e := range all {
		if found := table.find(&e.digest, changes); found != nil {
			require.Same(t, e, found)
			kept++
			table.drop(&e.digest)
			require.Nil(t, table.find(&e.digest, changes))
		}
	}
	require.GreaterOrEqual(t, kept, 4*cacheWays)
}

// TestCachedKeysAreNobodys: what a request gets, it may change.
func TestCachedKeysAreNobodys(t *testing.T) {
	auth := node(t, newRemote(), CacheOptions{})
	key, err := auth.IssueCustom(t.Context(), KeySpec{Permissions: []Permission{JobsView}}, "a key text")
	require.NoError(t, err)
	for range 2 {
		got, err := auth.Authenticate(t.Context(), "a key text")
		require.NoError(t, err)
		require.Equal(t, key.Permissions, got.Permissions)
		got.Permissions[0] = Native
	}
}

// TestConcurrentRevocations: under load from all sides, no request that began after
// its key's revocation was acknowledged is let through.
func TestConcurrentRevocations(t *testing.T) {
	store := newRemote()
	auth := node(t, store, CacheOptions{})
	const keys = 200
	ids := make([]string, keys)
	for i := range keys {
		ids[i] = issue(t, auth, fmt.Sprint("text ", i))
	}
	var revoked [keys]atomic.Bool
	var served atomic.Int64
	done := make(chan struct{})
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := g; ; i = (i + 1) % keys {
				select {
				case <-done:
					return
				default:
				}
				dead := revoked[i].Load()
				err := opens(t, auth, fmt.Sprint("text ", i))
				if dead && err == nil {
					served.Add(1)
				}
			}
		})
	}
	for i, id := range ids {
		_, err := auth.Revoke(t.Context(), id)
		require.NoError(t, err)
		revoked[i].Store(true)
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(10 * time.Millisecond)
	close(done)
	group.Wait()
	require.Zero(t, served.Load())
}

// BenchmarkCachedLookup is a hit, beside that of a map that nobody may change.
func BenchmarkCachedLookup(b *testing.B) {
	const n = 10_000
	entries := map[Digest]*Key{}
	table := newCache(CacheOptions{TTL: time.Hour, MaxKeys: n}, func(_ context.Context, d Digest) (*Key, error) {
		return entries[d], nil
	})
	digests := make([]Digest, n)
	for i := range digests {
		digests[i] = DigestOf(fmt.Sprint(i))
		entries[digests[i]] = &Key{ID: fmt.Sprintf("%026d", i), Credentials: []Credential{{Digest: digests[i]}}}
		_, _ = table.find(context.Background(), &digests[i], time.Now(), 0)
	}
	now := time.Now() // one a request serves all
	for name, find := range map[string]func(*Digest) *Key{
		"map":   func(d *Digest) *Key { return entries[*d] },
		"cache": func(d *Digest) *Key { e, _ := table.find(context.Background(), d, now, 0); return e.key },
	} {
		b.Run("impl="+name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if find(&digests[i*7919%n]) == nil {
						b.Error("not found")
					}
				}
			})
		})
	}
}

// BenchmarkCachedKeyMemory says what a key takes that is kept, itself included, in a
// cache that is full.
func BenchmarkCachedKeyMemory(b *testing.B) {
	const n = 100_000
	for range b.N {
		before := heap()
		c := newCache(CacheOptions{TTL: time.Hour, MaxKeys: n}, func(_ context.Context, d Digest) (*Key, error) {
			return &Key{
				ID: newID(time.Now()), Name: "nightly build", Description: "Triggers the nightly build", Version: 1,
				Permissions: []Permission{JobsTrigger, JobsView}, Credentials: []Credential{{Digest: d, Hint: "abcd"}},
			}, nil
		})
		for i := range n {
			digest := DigestOf(fmt.Sprint(i))
			_, err := c.find(context.Background(), &digest, time.Now(), 0)
			require.NoError(b, err)
		}
		b.ReportMetric(float64(heap()-before)/n, "B/key")
		runtime.KeepAlive(c)
	}
}
