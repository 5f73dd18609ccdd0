package apikey

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setBy returns what the clocks say at the moment t if the wall clock has been set
// forward by d, whole seconds, while the monotonic one went on. Package time has no
// way to make such a time, nor has a bubble of synctest.
func setBy(t time.Time, d time.Duration) time.Time {
	type clocks struct { // as in time.Time: seconds above 30 bits, and a flag on top
		wall uint64
		ext  int64
		loc  *time.Location
	}
	(*clocks)(unsafe.Pointer(&t)).wall += uint64(d/time.Second) << 30 // modulo 2^64, which subtracts too
	return t
}

var clockSteps = []time.Duration{24 * time.Hour, -24 * time.Hour, 5 * time.Second, -5 * time.Second}

// What the tests below rest on.
func TestAWallClockIsSetByItself(t *testing.T) {
	now := time.Now()
	for _, step := range clockSteps {
		set := setBy(now, step)
		assert.Equal(t, time.Duration(0), set.Sub(now), "the monotonic clock")
		assert.Equal(t, step, set.Round(0).Sub(now.Round(0)), "the wall clock")
		assert.Equal(t, now.UnixNano()+int64(step), set.UnixNano())
	}
}

func TestAClockTellsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		for _, after := range []time.Duration{0, 1, clockStep - 1, clockStep, time.Second, 24 * time.Hour, 1} {
			time.Sleep(after)
			now := c.now()
			assert.Equal(t, time.Now(), now, "after %s", after)
			assert.Zero(t, time.Since(now), "by the monotonic clock, after %s", after)
		}
	})
}

func TestAClockNoticesThatTheWallClockWasSet(t *testing.T) {
	for _, step := range clockSteps {
		var c clock
		read := setBy(time.Now().Add(-clockStep), step)
		c.read.Store(&read)
		assert.InDelta(t, 0, time.Since(c.now().Round(0)), float64(time.Second), "step %s", step)
	}
}

func BenchmarkClock(b *testing.B) {
	var c clock
	for name, now := range map[string]func() time.Time{"clock": c.now, "time.Now": time.Now} {
		b.Run("impl="+name, func(b *testing.B) {
			for b.Loop() {
				now()
			}
		})
	}
}

func TestExpiryFollowsTheWallClock(t *testing.T) {
	now := time.Now()
	rows := []struct {
		step, left time.Duration // by the clock before it was set
		want       *failure
	}{
		{24 * time.Hour, 23 * time.Hour, failKeyExpired},
		{24 * time.Hour, 25 * time.Hour, nil},
		{-24 * time.Hour, -23 * time.Hour, nil},
		{-24 * time.Hour, -25 * time.Hour, failKeyExpired},
		{5 * time.Second, 4 * time.Second, failKeyExpired},
		{5 * time.Second, 5 * time.Second, failKeyExpired},
		{5 * time.Second, 6 * time.Second, nil},
		{-5 * time.Second, -4 * time.Second, nil},
		{-5 * time.Second, -6 * time.Second, failKeyExpired},
	}
	for _, row := range rows {
		for name, at := range map[string]time.Time{"as stored": storable(now.Add(row.left)), "as time.Now has it": now.Add(row.left)} {
			set := setBy(now, row.step)
			assert.Same(t, row.want, refusalOf(&Key{ExpiresAt: at}, &Credential{}, set), "key, %v, %s", row, name)
			assert.Same(t, row.want, refusalOf(&Key{}, &Credential{ExpiresAt: at}, set), "credential, %v, %s", row, name)
		}
	}
}

// A cache that went by the wall clock would serve a revoked key for a day, or ask
// for each request.
func TestWhatIsCachedAgesByTheMonotonicClock(t *testing.T) {
	known, unknown := DigestOf("known"), DigestOf("unknown")
	for _, step := range clockSteps {
		asked := 0
		o := CacheOptions{TTL: 10 * time.Minute}
		o.setDefaults()
		o.NegativeTTL = 10 * time.Minute
		c := newCache(o, func(_ context.Context, d Digest) (*Key, error) {
			asked++
			if d == unknown {
				return nil, ErrNotFound
			}
			return &Key{ID: "1", Credentials: []Credential{{Digest: d}}}, nil
		})
		find := func(after time.Duration) int {
			before, now := asked, setBy(c.base.Add(after), step)
			_, err := c.find(t.Context(), &known, now, 0)
			require.NoError(t, err)
			_, err = c.find(t.Context(), &unknown, now, 0)
			require.ErrorIs(t, err, ErrNotFound)
			return asked - before
		}
		assert.Equal(t, 2, find(0), "step %s: both are asked for once", step)
		assert.Zero(t, find(4*time.Minute), "step %s: and kept", step)
		assert.Equal(t, 2, find(21*time.Minute), "step %s: until they are too old", step)
	}
}

func TestLogEntriesKeepTheirOrderWhenTheClockIsSetBack(t *testing.T) {
	ids := lastID.Load()
	t.Cleanup(func() { lastID.Store(ids) }) // else all later entries would be of five seconds on
	now, last := time.Now(), ""
	for _, step := range []time.Duration{0, -24 * time.Hour, -5 * time.Second, 0, 5 * time.Second, -5 * time.Second} {
		id, _ := newLogID(setBy(now, step))
		assert.Greater(t, id, last, "step %s", step)
		last = id
	}
}

func TestADurationIsNotWhatTheWallClockSays(t *testing.T) {
	for _, step := range clockSteps {
		log := NewMemoryLog(1)
		auth, err := New(t.Context(), NewMemoryStore(), &Options{Log: LogOptions{Sink: log}})
		require.NoError(t, err)
		began := time.Now()
		auth.Record()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			v := visitOf(r.Context())
			v.start = setBy(v.start, step)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		took := time.Since(began)
		require.NoError(t, auth.Shutdown(t.Context()))
		entries, _, err := log.ReadLog(t.Context(), LogQuery{Limit: 1})
		require.NoError(t, err)
		require.Len(t, entries, 1)
		assert.GreaterOrEqual(t, entries[0].Duration, time.Duration(0), "step %s", step)
		assert.LessOrEqual(t, entries[0].Duration, took, "step %s", step)
	}
}

// requireNotAhead says that a last use is the latest that a clock here can take it
// for, read between the moments before and now.
func requireNotAhead(t *testing.T, at, before time.Time) {
	t.Helper()
	require.False(t, at.Before(before.Add(5*time.Second).Truncate(time.Microsecond)), at)
	require.False(t, at.After(time.Now().Add(5*time.Second)), at)
}

func TestALastUseByAFastClockIsReadAsFiveSecondsAheadAtMost(t *testing.T) {
	store := NewMemoryStore()
	auth, err := New(t.Context(), store, nil)
	require.NoError(t, err)
	key, err := auth.IssueCustom(t.Context(), KeySpec{}, "text")
	require.NoError(t, err)
	reads := map[string]func() (*Key, error){
		"Key": func() (*Key, error) { return auth.Key(t.Context(), key.ID) },
		"Keys": func() (*Key, error) {
			keys, err := auth.Keys(t.Context(), Query{})
			return keys[0], err
		},
		"Update": func() (*Key, error) {
			key, err := auth.Key(t.Context(), key.ID)
			require.NoError(t, err)
			return auth.Update(t.Context(), key.ID, key.Version, key.Spec())
		},
		"Authenticate": func() (*Key, error) { return auth.Authenticate(t.Context(), "text") },
		"FromContext": func() (key *Key, err error) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-ApiKey", "text")
			auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				of, _ := FromContext(r.Context())
				key = &of
			})).ServeHTTP(httptest.NewRecorder(), r)
			return key, nil
		},
	}
	for _, ahead := range []time.Duration{4 * time.Second, time.Minute, 24 * time.Hour, 100 * 365 * 24 * time.Hour} {
		at := storable(time.Now().Add(ahead))
		require.NoError(t, store.RecordUses(t.Context(), []Use{{KeyID: key.ID, At: at}}))
		for name, read := range reads {
			before := time.Now()
			key, err := read()
			require.NoError(t, err, name)
			if ahead < 5*time.Second {
				require.Equal(t, at, key.LastUsedAt, name)
				continue
			}
			requireNotAhead(t, key.LastUsedAt, before)
		}
	}
}

// What a node noted before its clock was set back is written after that, and stores
// keep the latest time: a use of tomorrow would hide all those until then.
func TestALastUseFromBeforeTheClockWasSetBackIsWrittenAsOfNow(t *testing.T) {
	store := NewMemoryStore()
	auth, err := New(t.Context(), store, nil)
	require.NoError(t, err)
	for _, step := range clockSteps {
		key, err := auth.IssueCustom(t.Context(), KeySpec{}, step.String())
		require.NoError(t, err)
		digest := DigestOf(step.String())
		began := time.Now()
		held := &heldKey{key: key}
		auth.uses.note(held, setBy(began, 2*step), &digest, &digest)
		auth.uses.note(held, setBy(began, 2*step).Add(time.Second), &digest, &digest) // by its mark
		require.NoError(t, auth.FlushUses(t.Context()))
		stored, err := store.Get(t.Context(), key.ID)
		require.NoError(t, err)
		if step < 0 {
			require.Equal(t, storable(setBy(began, 2*step).Add(time.Second)).Truncate(time.Millisecond), stored.LastUsedAt)
			continue
		}
		requireNotAhead(t, stored.LastUsedAt, began)
	}
}

// During an overlap a key has two texts, and each a mark of its use.
func TestTheLastUseByEitherTextCounts(t *testing.T) {
	store := NewMemoryStore()
	auth, err := New(t.Context(), store, nil)
	require.NoError(t, err)
	key, err := auth.IssueCustom(t.Context(), KeySpec{}, "a text")
	require.NoError(t, err)
	digest, one, other := DigestOf("a text"), &heldKey{key: key}, &heldKey{key: key}
	began := time.Now().Add(-time.Minute)
	for i, held := range []*heldKey{one, other, one, one, other, other, one, one} {
		auth.uses.note(held, began.Add(time.Duration(i)*time.Second), &digest, &digest)
	}
	require.NoError(t, auth.FlushUses(t.Context()))
	stored, err := store.Get(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, storable(began.Add(7*time.Second)).Truncate(time.Millisecond), stored.LastUsedAt)
}

// A host's store may hold any time at all, also one that no 64 bits of nanoseconds do.
func TestExpiryIsOfAnyYear(t *testing.T) {
	for year, want := range map[int]*failure{
		-5: failKeyExpired, 0: failKeyExpired, 2: failKeyExpired, 1000: failKeyExpired, 1400: failKeyExpired, 1677: failKeyExpired,
		1960: failKeyExpired, 1971: failKeyExpired, 2020: failKeyExpired, 2200: nil, 2263: nil, 2600: nil, 9999: nil, 20000: nil,
	} {
		at := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		assert.Same(t, want, refusalOf(&Key{ExpiresAt: at}, &Credential{}, time.Now()), "key, year %d", year)
		assert.Same(t, want, refusalOf(&Key{}, &Credential{ExpiresAt: at}, time.Now()), "credential, year %d", year)
	}
}

// refusalOf says why the key, found by that credential, opens nothing at a moment.
func refusalOf(key *Key, credential *Credential, now time.Time) *failure {
	found, held := key.Clone(), heldKey{}
	found.Credentials = []Credential{*credential}
	held.hold(found, &credential.Digest, traitsOf(found))
	return held.refusal(now)
}

// Whatever the clock of the node that judges, the new text opens the key, and the
// one before it does until its overlap has passed by that clock.
func TestAnOverlapIsNotInvertedByClocksThatDiffer(t *testing.T) {
	store := NewMemoryStore()
	auth, err := New(t.Context(), store, nil)
	require.NoError(t, err)
	skews := append([]time.Duration{0, time.Minute, -time.Minute}, clockSteps...)
	for _, overlap := range []time.Duration{time.Nanosecond, 30 * time.Second, 2 * time.Minute, maxOverlap} {
		key, _, err := auth.Issue(t.Context(), KeySpec{})
		require.NoError(t, err)
		for range 2 { // the second rotation shortens what the first has left to nothing
			before := time.Now()
			_, _, err = auth.Rotate(t.Context(), key.ID, overlap)
			require.NoError(t, err)
			after := time.Now()
			rotated, err := store.Get(t.Context(), key.ID)
			require.NoError(t, err)
			require.Len(t, rotated.Credentials, 2)
			for _, skew := range skews {
				require.Nil(t, refusalOf(rotated, &rotated.Credentials[0], before.Add(skew)), "overlap %s, skew %s", overlap, skew)
				if skew < overlap-time.Second {
					require.Nil(t, refusalOf(rotated, &rotated.Credentials[1], before.Add(skew)), "overlap %s, skew %s", overlap, skew)
				}
				if skew >= overlap {
					require.Same(t, failKeyExpired, refusalOf(rotated, &rotated.Credentials[1], after.Add(skew)), "overlap %s, skew %s", overlap, skew)
				}
			}
		}
	}
}
