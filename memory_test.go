package apikey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey/internal/race"
)

func TestReadsDoNotWaitForAWriter(t *testing.T) {
	store := NewMemoryStore()
	auth, err := New(t.Context(), store, nil)
	require.NoError(t, err)
	_, err = auth.IssueCustom(t.Context(), KeySpec{}, "text")
	require.NoError(t, err)

	store.mu.Lock() // a writer that does not come to its end
	defer store.mu.Unlock()
	_, err = store.Lookup(t.Context(), DigestOf("text"))
	require.NoError(t, err)
	_, err = store.Lookup(t.Context(), DigestOf("unknown"))
	require.ErrorIs(t, err, ErrNotFound)
	_, err = auth.Authenticate(t.Context(), "text")
	require.NoError(t, err)
}

// crowded returns a digest that has to share its place with many others.
func crowded(n int) Digest {
	var d Digest
	binary.LittleEndian.PutUint64(d[:], uint64(n%5)) // the hash
	binary.LittleEndian.PutUint64(d[24:], uint64(n))
	return d
}

func keyOf(found *heldKey) *Key {
	if found == nil {
		return nil
	}
	return found.key
}

func TestDigestTableIsAMap(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 3))
		table, want := newDigestTable(0), map[Digest]*Key{}
		digests := 1 << (2 + seed)
		for step := range 2000 {
			d := crowded(random.IntN(digests))
			if random.IntN(5) < 3 {
				key := &Key{ID: fmt.Sprint(step), Credentials: []Credential{{Digest: d}}}
				table = table.set(d, key, traitsOf(key))
				want[d] = key
			} else {
				table.remove(&d)
				delete(want, d)
			}
			probe := crowded(random.IntN(2 * digests)) // half of them never were there
			require.Same(t, want[probe], keyOf(table.find(&probe)), "seed %d, step %d", seed, step)
			require.Equal(t, len(want), table.live)
		}
		taken := 0
		for i := range table.slots {
			if table.slots[i].Load() != nil {
				taken++
			}
		}
		require.Equal(t, taken, table.taken)
		require.Less(t, taken, len(table.slots), "a table without an empty place is searched for ever")
		for n := range 2 * digests {
			d := crowded(n)
			require.Same(t, want[d], keyOf(table.find(&d)))
		}
	}
}

func TestComingAndGoingDoesNotGrowTheTable(t *testing.T) {
	store := NewMemoryStore()
	for n := range 20_000 {
		id := fmt.Sprintf("%08d", n)
		require.NoError(t, store.Create(t.Context(), &Key{ID: id, Credentials: []Credential{{Digest: DigestOf(id)}}}))
		if n >= 10 {
			require.NoError(t, store.Delete(t.Context(), fmt.Sprintf("%08d", n-10)))
		}
	}
	require.Len(t, store.keys, 10)
	require.Len(t, store.ids, 10)
	require.LessOrEqual(t, len(store.table.Load().slots), 128)
}

// Readers run beside one writer that creates, rotates and deletes keys whose
// digests share their places. Each is new, so that the table is always crowded,
// filling up and being replaced.
func TestReadersSeeNoKeyButTheOneTheyAskFor(t *testing.T) {
	const lasting, alive, rotated, never = 20, 50, 1 << 40, 1 << 50
	store, ctx := NewMemoryStore(), context.Background()
	key := func(n int) *Key {
		return &Key{ID: fmt.Sprintf("%010d", n), Version: 1, Credentials: []Credential{{Digest: crowded(n)}}}
	}
	for n := range lasting {
		require.NoError(t, store.Create(ctx, key(n)))
	}
	var newest atomic.Int64
	var done atomic.Bool
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(reader), 5))
			for !done.Load() && !t.Failed() {
				n := random.IntN(lasting)
				found, err := store.Lookup(ctx, crowded(n))
				if err != nil || found.ID != key(n).ID {
					t.Error("a key that stays is not found", err)
				}
				_, err = store.Lookup(ctx, crowded(never+random.IntN(1000)))
				if !errors.Is(err, ErrNotFound) {
					t.Error("a digest that never was there is found", err)
				}
				d := crowded(max(0, int(newest.Load())+2-random.IntN(alive)))
				if found := keyOf(store.find(&d)); found != nil && found.credential(d) == nil {
					t.Error("another digest's key is found")
				}
			}
		})
	}
	requireFound := func(found bool, n int) {
		if _, err := store.Lookup(ctx, crowded(n)); (err == nil) != found {
			require.Fail(t, "what was acknowledged is not visible", "key %d found: %v", n, !found)
		}
	}
	n := lasting
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); n++ {
		next := key(n)
		require.NoError(t, store.Create(ctx, next))
		newest.Store(int64(n))
		requireFound(true, n)
		if n%3 == 0 {
			next.Credentials[0].Digest = crowded(rotated + n)
			require.NoError(t, store.Update(ctx, next))
			requireFound(true, rotated+n)
			requireFound(false, n)
		}
		if old := n - alive; old >= lasting {
			require.NoError(t, store.Delete(ctx, key(old).ID))
			requireFound(false, old)
			requireFound(false, rotated+old)
		}
	}
	done.Store(true)
	wg.Wait()
	require.Len(t, store.keys, lasting+min(alive, n-lasting))
}

// A lookup that finds a key's new text beside its old one never misses both.
func TestAKeyThatMovesToAnotherDigestIsNeverGone(t *testing.T) {
	store, ctx := NewMemoryStore(), context.Background()
	require.NoError(t, store.Create(ctx, &Key{ID: "1", Version: 1, Credentials: []Credential{{Digest: crowded(1)}}}))
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer done.Store(true)
		for n := 1; n < 5000; n++ {
			err := store.RecordUses(ctx, []Use{{KeyID: "1", At: time.Unix(int64(n), 0), From: crowded(n), To: crowded(n + 1)}})
			_, under := store.Lookup(ctx, crowded(n+1))
			_, before := store.Lookup(ctx, crowded(n))
			if err != nil || under != nil || !errors.Is(before, ErrNotFound) {
				t.Error("a move is not visible once it is acknowledged", err, under, before)
				return
			}
		}
	})
	for !done.Load() {
		key, err := store.Get(ctx, "1")
		require.NoError(t, err)
		require.Len(t, key.Credentials, 1)
	}
	wg.Wait()
}

func TestAMemoryStoreStopsWhenItsContextHasEnded(t *testing.T) {
	store := NewMemoryStore()
	require.NoError(t, store.Create(t.Context(), &Key{ID: "1", Version: 1}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Lookup":     func() error { _, err := store.Lookup(ctx, Digest{}); return err },
		"Create":     func() error { return store.Create(ctx, &Key{ID: "2"}) },
		"Get":        func() error { _, err := store.Get(ctx, "1"); return err },
		"List":       func() error { _, err := store.List(ctx, Query{Limit: 1}); return err },
		"Update":     func() error { return store.Update(ctx, &Key{ID: "1", Version: 1, Name: "changed"}) },
		"Delete":     func() error { return store.Delete(ctx, "1") },
		"RecordUses": func() error { return store.RecordUses(ctx, []Use{{KeyID: "1", At: time.Now()}}) },
	} {
		require.ErrorIs(t, call(), context.Canceled, name)
	}
	key, err := store.Get(t.Context(), "1")
	require.NoError(t, err)
	require.Equal(t, &Key{ID: "1", Version: 1}, key, "nothing was done")
}

// TestAMillionKeys reports what they cost. It takes some seconds and half a
// gigabyte, so it is asked for: APIKEY_LARGE=1.
func TestAMillionKeys(t *testing.T) {
	if os.Getenv("APIKEY_LARGE") == "" {
		t.Skip("APIKEY_LARGE is not set")
	}
	const keys = 1_000_000
	store, ctx := NewMemoryStore(), t.Context()
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before, start := heap(), time.Now()
	auth, err := New(ctx, store, nil)
	require.NoError(t, err)
	var texts []string
	for range keys {
		_, secret, err := auth.Issue(ctx, KeySpec{Permissions: []Permission{JobsView}})
		require.NoError(t, err)
		if len(texts) < 1000 {
			texts = append(texts, secret.Reveal())
		}
	}
	made := time.Since(start)
	perKey := float64(heap()-before) / keys
	start = time.Now()
	for n := range keys {
		_, err := auth.Authenticate(ctx, texts[n%len(texts)])
		require.NoError(t, err)
	}
	t.Logf("%.0f bytes a key; issued in %v a key, found in %v", perKey, made/keys, time.Since(start)/keys)
	require.Less(t, perKey, 1500.0)
	runtime.KeepAlive(store)
}

// The price of a request whose key is in the header: the request handed on, its
// header map (two), and the identity in its context. A refusal costs its error,
// which a flood of wrong keys pays for.
func TestAllocationsOfADecision(t *testing.T) {
	for name, peppers := range map[string][]Pepper{"plain": nil, "peppered": {NewPepper(make([]byte, 32))}} {
		t.Run(name, func(t *testing.T) {
			if peppers != nil && race.Enabled() {
				t.Skip("the race detector makes sync.Pool forget at random")
			}
			auth, err := New(t.Context(), NewMemoryStore(), &Options{Peppers: peppers})
			require.NoError(t, err)
			_, secret, err := auth.Issue(t.Context(), KeySpec{Permissions: []Permission{Native}})
			require.NoError(t, err)
			text := secret.Reveal()
			rows := []struct {
				name  string
				key   string
				need  Need
				most  float64
				wants Reason // empty: served
			}{
				{"a key that may", text, AllOf(JobsView), 4, ""},
				{"an unknown key", "unknown", AllOf(JobsView), 4, ErrUnknownKey},
				{"a mistyped key", text[:len(text)-6] + "000000", AllOf(JobsView), 4, ErrMalformedKey},
				{"no key", "", AllOf(JobsView), 6, ErrNoKey}, // with the ways in which to pass one
			}
			for _, row := range rows {
				req := httptest.NewRequest("GET", "/api/jobs", nil)
				req.Header.Set("X-ApiKey", row.key)
				req.Header.Set("Accept", "*/*")
				req.Header.Set("User-Agent", "test")
				check := func() {
					if _, err := auth.check(nil, req, &row.need, nil, nil); (err == nil) != (row.wants == "") || err != nil && err.Reason != row.wants {
						t.Error(row.name, err)
					}
				}
				assert.LessOrEqual(t, testing.AllocsPerRun(500, check), row.most, row.name)
			}
		})
	}
}
