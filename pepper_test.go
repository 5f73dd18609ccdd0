package apikey_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

const batchInterval = 30 * time.Second

var (
	oldPepper = apikey.NewPepper([]byte("the old pepper, 32 bytes of it.."))
	newPepper = apikey.NewPepper([]byte("the new pepper, 32 bytes of it.."))
)

// nodeOver returns an Authority over the store with these peppers.
func nodeOver(t testing.TB, store apikey.Store, peppers ...apikey.Pepper) *apikey.Authority {
	t.Helper()
	auth, err := apikey.New(t.Context(), store, &apikey.Options{Peppers: peppers})
	require.NoError(t, err)
	return auth
}

// unmarked is a store that keeps no marker, so that any peppers start.
type unmarked struct {
	apikey.ManagedStore
	apikey.UseRecorder
}

func withoutMarker() unmarked {
	store := apikey.NewMemoryStore()
	return unmarked{store, store}
}

// hookedStore runs hooks around its calls.
type hookedStore struct {
	*apikey.MemoryStore
	beforeLookup func(apikey.Digest)
	afterLookup  func()
}

func (s *hookedStore) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	if s.beforeLookup != nil {
		s.beforeLookup(d)
	}
	if s.afterLookup != nil {
		defer s.afterLookup()
	}
	return s.MemoryStore.Lookup(ctx, d)
}

func digestUnder(key, text string) apikey.Digest {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return apikey.Digest(mac.Sum(nil))
}

func requireOpens(t testing.TB, auth *apikey.Authority, text, id string) {
	t.Helper()
	key, err := auth.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, id, key.ID)
}

func requireRefused(t testing.TB, auth *apikey.Authority, text string, reason apikey.Reason) {
	t.Helper()
	_, err := auth.Authenticate(t.Context(), text)
	require.ErrorIs(t, err, reason)
}

func digestsOf(t testing.TB, auth *apikey.Authority, id string) []apikey.Digest {
	t.Helper()
	key, err := auth.Stored(t.Context(), id)
	require.NoError(t, err)
	var digests []apikey.Digest
	for _, c := range key.Credentials {
		digests = append(digests, c.Digest)
	}
	return digests
}

func TestAPepperedDigestIsTheHMACSHA256OfTheText(t *testing.T) {
	auth := nodeOver(t, apikey.NewMemoryStore(), oldPepper)
	for _, text := range []string{"a", "secure123", strings.Repeat("k", 256), "鍵"} {
		key := issueCustom(t, auth, text)
		digests := digestsOf(t, auth, key.ID)
		require.Equal(t, digestUnder("the old pepper, 32 bytes of it..", text), digests[0])
		require.NotEqual(t, apikey.DigestOf(text), digests[0])
		requireOpens(t, auth, text, key.ID)
		for _, stolen := range []string{hex.EncodeToString(digests[0][:]), base64.StdEncoding.EncodeToString(digests[0][:])} {
			requireRefused(t, auth, stolen, apikey.ErrUnknownKey)
		}
	}
}

// A host may overwrite the bytes once the pepper is made.
func TestAPepperKeepsACopyOfItsBytes(t *testing.T) {
	const secret = "the old pepper, 32 bytes of it.."
	buffer := []byte(secret)
	pepper := apikey.NewPepper(buffer)
	clear(buffer)
	auth := nodeOver(t, apikey.NewMemoryStore(), pepper)
	key := issueCustom(t, auth, "text")
	require.Equal(t, digestUnder(secret, "text"), digestsOf(t, auth, key.ID)[0])
}

func TestDigestsAreRightWhenManyAreMadeAtOnce(t *testing.T) {
	auth := nodeOver(t, apikey.NewMemoryStore(), newPepper, oldPepper)
	var wg sync.WaitGroup
	for w := range 8 {
		text := fmt.Sprintf("key %d-%s", w, strings.Repeat("x", 30*w))
		id := issueCustom(t, auth, text).ID
		wg.Go(func() {
			for range 500 {
				key, err := auth.Authenticate(t.Context(), text)
				if assert.NoError(t, err) {
					assert.Equal(t, id, key.ID)
				}
			}
		})
	}
	wg.Wait()
}

func TestPeppersAreCheckedByNew(t *testing.T) {
	sixteen := []byte("sixteen bytes ok")
	rows := []struct {
		name    string
		peppers []apikey.Pepper
		want    string // in the error; empty: legal
	}{
		{"none given", nil, ""},
		{"sixteen bytes", []apikey.Pepper{apikey.NewPepper(sixteen)}, ""},
		{"the absence of a pepper, by name", []apikey.Pepper{apikey.NoPepper()}, ""},
		{"a new one and none before", []apikey.Pepper{apikey.NewPepper(sixteen), apikey.NoPepper()}, ""},
		{"fifteen bytes", []apikey.Pepper{apikey.NewPepper(sixteen[:15])}, "a pepper of 15 bytes; at least 16"},
		{"no bytes", []apikey.Pepper{apikey.NewPepper(nil)}, "a pepper of 0 bytes"},
		{"a zero Pepper", []apikey.Pepper{{}}, "a zero Pepper"},
		{"an empty list", []apikey.Pepper{}, "empty Peppers"},
		{"a mistake behind a good one", []apikey.Pepper{oldPepper, {}}, "a zero Pepper"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Peppers: row.peppers})
			if row.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.want)
			}
		})
	}
}

func TestAPepperIsACopyOfItsBytes(t *testing.T) {
	raw := []byte("the host wipes this after use...")
	auth := nodeOver(t, apikey.NewMemoryStore(), apikey.NewPepper(raw))
	digest := digestUnder(string(raw), "text")
	clear(raw)
	require.Equal(t, digest, digestsOf(t, auth, issueCustom(t, auth, "text").ID)[0])
}

func TestTheNewestPepperIsTriedFirst(t *testing.T) {
	var asked []apikey.Digest
	store := &hookedStore{MemoryStore: apikey.NewMemoryStore(), beforeLookup: func(d apikey.Digest) { asked = append(asked, d) }}
	byOld := nodeOver(t, store, oldPepper)
	issueCustom(t, byOld, "from before")
	auth := nodeOver(t, store, newPepper, oldPepper)
	issueCustom(t, auth, "fresh")
	under := func(key, text string) apikey.Digest { return digestUnder("the "+key+" pepper, 32 bytes of it..", text) }

	asked = nil
	_, err := auth.Authenticate(t.Context(), "fresh")
	require.NoError(t, err)
	require.Equal(t, []apikey.Digest{under("new", "fresh")}, asked, "one lookup is enough")

	asked = nil
	_, err = auth.Authenticate(t.Context(), "from before")
	require.NoError(t, err)
	require.Equal(t, []apikey.Digest{under("new", "from before"), under("old", "from before")}, asked)
}

func TestAKeyMovesToTheNewestPepperAsItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := apikey.NewMemoryStore()
		byOld := nodeOver(t, store, oldPepper)
		used, unused := issueCustom(t, byOld, "used"), issueCustom(t, byOld, "unused")
		auth := nodeOver(t, store, newPepper, oldPepper)

		requireOpens(t, auth, "used", used.ID)
		time.Sleep(batchInterval - time.Millisecond)
		synctest.Wait()
		require.Equal(t, digestUnder("the old pepper, 32 bytes of it..", "used"), digestsOf(t, auth, used.ID)[0], "not before the batch")
		time.Sleep(time.Millisecond)
		synctest.Wait()

		require.Equal(t, digestUnder("the new pepper, 32 bytes of it..", "used"), digestsOf(t, auth, used.ID)[0])
		require.Equal(t, digestUnder("the old pepper, 32 bytes of it..", "unused"), digestsOf(t, auth, unused.ID)[0])
		after, err := auth.Key(t.Context(), used.ID)
		require.NoError(t, err)
		assert.Equal(t, used.Version, after.Version)
		assert.Equal(t, used.UpdatedAt, after.UpdatedAt)
		assert.True(t, after.Weak(), "all else about the credential stays")

		requireOpens(t, auth, "used", used.ID)
		requireOpens(t, auth, "unused", unused.ID)
		byNewAlone := nodeOver(t, store, newPepper)
		requireOpens(t, byNewAlone, "used", used.ID)
		requireRefused(t, byNewAlone, "unused", apikey.ErrUnknownKey)
	})
}

func TestBothTextsOfARotatedKeyMoveAsTheyAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := apikey.NewMemoryStore()
		byOld := nodeOver(t, store, oldPepper)
		key := issueCustom(t, byOld, "first")
		_, err := byOld.RotateCustom(t.Context(), key.ID, 24*time.Hour, "second")
		require.NoError(t, err)
		auth := nodeOver(t, store, newPepper, oldPepper)
		for range 2 { // one move for each key and batch
			for _, text := range []string{"first", "second"} {
				requireOpens(t, auth, text, key.ID)
				time.Sleep(batchInterval)
				synctest.Wait()
			}
		}
		byNewAlone := nodeOver(t, store, newPepper)
		requireOpens(t, byNewAlone, "first", key.ID)
		requireOpens(t, byNewAlone, "second", key.ID)
		time.Sleep(24 * time.Hour)
		requireRefused(t, byNewAlone, "first", apikey.ErrKeyExpired)
	})
}

func TestAMoveIsNotForgottenForAnotherTextOfTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := apikey.NewMemoryStore()
		key := issueCustom(t, nodeOver(t, store, oldPepper), "first")
		auth := nodeOver(t, store, newPepper, oldPepper)
		_, err := auth.RotateCustom(t.Context(), key.ID, 24*time.Hour, "second")
		require.NoError(t, err)
		requireOpens(t, auth, "first", key.ID)  // which has to move
		requireOpens(t, auth, "second", key.ID) // which has not
		wait(batchInterval)
		requireOpens(t, nodeOver(t, store, newPepper), "first", key.ID)
	})
}

func TestAMoveThatComesTooLateChangesNothing(t *testing.T) {
	rows := map[string]func(t *testing.T, auth *apikey.Authority, key *apikey.Key){
		"the key was rotated meanwhile": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			_, err := auth.RotateCustom(t.Context(), key.ID, 0, "another text")
			require.NoError(t, err)
		},
		"the key was revoked meanwhile": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			_, err := auth.Revoke(t.Context(), key.ID)
			require.NoError(t, err)
		},
		"the key was deleted meanwhile": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			require.NoError(t, auth.Delete(t.Context(), key.ID))
		},
		"another key took the text meanwhile": func(t *testing.T, auth *apikey.Authority, key *apikey.Key) {
			t.Helper()
			_, _, err := auth.Rotate(t.Context(), key.ID, 0)
			require.NoError(t, err)
			other := issueCustom(t, auth, "text")
			_, err = auth.Revoke(t.Context(), other.ID)
			require.NoError(t, err)
		},
	}
	for name, meanwhile := range rows {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := apikey.NewMemoryStore()
				key := issueCustom(t, nodeOver(t, store, oldPepper), "text")
				auth := nodeOver(t, store, newPepper, oldPepper)
				requireOpens(t, auth, "text", key.ID)
				meanwhile(t, auth, key)
				keys, err := auth.Keys(t.Context(), apikey.Query{})
				require.NoError(t, err)
				var before [][]apikey.Digest
				for _, key := range keys {
					before = append(before, digestsOf(t, auth, key.ID))
				}

				time.Sleep(batchInterval)
				synctest.Wait()
				after, err := auth.Keys(t.Context(), apikey.Query{})
				require.NoError(t, err)
				require.Len(t, after, len(keys))
				for i := range keys {
					require.Equal(t, before[i], digestsOf(t, auth, after[i].ID))
				}
				_, err = auth.Authenticate(t.Context(), "text")
				require.Error(t, err)
			})
		})
	}
}

// Between the lookup under the new pepper and the one under the old, the key may
// move from the one to the other. A valid key is not refused for that.
func TestAKeyThatMovesDuringALookupIsStillFound(t *testing.T) {
	memory := apikey.NewMemoryStore()
	key := issueCustom(t, nodeOver(t, memory, oldPepper), "text")
	lookups := 0
	store := &hookedStore{MemoryStore: memory, beforeLookup: func(apikey.Digest) {
		if lookups++; lookups == 2 { // another request's batch is written just now
			require.NoError(t, memory.RecordUses(t.Context(), []apikey.Use{{
				KeyID: key.ID, At: time.Now(),
				From: digestUnder("the old pepper, 32 bytes of it..", "text"), To: digestUnder("the new pepper, 32 bytes of it..", "text"),
			}}))
		}
	}}
	requireOpens(t, nodeOver(t, store, newPepper, oldPepper), "text", key.ID)
}

func TestAWrongOrMissingPepperRefusesToStart(t *testing.T) {
	none := apikey.NoPepper()
	rows := []struct {
		name    string
		written []apikey.Pepper // nil: a fresh store
		started []apikey.Pepper
		ok      bool
	}{
		{"a fresh store with a pepper", nil, []apikey.Pepper{newPepper}, true},
		{"a fresh store without one", nil, nil, true},
		{"the same pepper", []apikey.Pepper{oldPepper}, []apikey.Pepper{oldPepper}, true},
		{"another pepper", []apikey.Pepper{oldPepper}, []apikey.Pepper{newPepper}, false},
		{"a missing pepper", []apikey.Pepper{oldPepper}, nil, false},
		{"no pepper, said so", []apikey.Pepper{oldPepper}, []apikey.Pepper{none}, false},
		{"the new one before the old", []apikey.Pepper{oldPepper}, []apikey.Pepper{newPepper, oldPepper}, true},
		{"the old one before the new", []apikey.Pepper{oldPepper}, []apikey.Pepper{oldPepper, newPepper}, true},
		{"a first pepper, NoPepper left out", []apikey.Pepper{none}, []apikey.Pepper{newPepper}, false},
		{"a first pepper and NoPepper", []apikey.Pepper{none}, []apikey.Pepper{newPepper, none}, true},
		{"a first pepper where defaults were before", []apikey.Pepper{}, []apikey.Pepper{newPepper}, false},
		{"back to none", []apikey.Pepper{oldPepper}, []apikey.Pepper{none, oldPepper}, true},
		{"only the old one after the new", []apikey.Pepper{newPepper, oldPepper}, []apikey.Pepper{oldPepper}, false},
		{"the old one dropped after the new", []apikey.Pepper{newPepper, oldPepper}, []apikey.Pepper{newPepper}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			store := apikey.NewMemoryStore()
			if row.written != nil {
				if len(row.written) == 0 {
					row.written = nil // the default
				}
				nodeOver(t, store, row.written...)
			}
			before, err := store.Marker(t.Context())
			require.NoError(t, err)
			_, err = apikey.New(t.Context(), store, &apikey.Options{Peppers: row.started})
			if row.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "pepper")
			after, err := store.Marker(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, after, "a refused start leaves the store as it was")
		})
	}
}

func TestAMarkerIsNoKeysDigest(t *testing.T) {
	store := apikey.NewMemoryStore()
	auth := nodeOver(t, store, oldPepper)
	marker, err := store.Marker(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, marker)
	require.LessOrEqual(t, len(marker), 64)
	requireRefused(t, auth, "apikey pepper\n", apikey.ErrMalformedKey)
	require.NotContains(t, string(marker), "the old pepper")
}

func TestAStoreThatCannotKeepAMarkerStartsWithAnyPepper(t *testing.T) {
	store := withoutMarker()
	key := issueCustom(t, nodeOver(t, store, oldPepper), "text")
	requireRefused(t, nodeOver(t, store, newPepper), "text", apikey.ErrUnknownKey)
	requireOpens(t, nodeOver(t, store, newPepper, oldPepper), "text", key.ID)
}

// A roll-out in two steps: first all nodes accept both, then all prefer the new.
func TestTwoNodesOfARollOutAcceptEachOthersKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := apikey.NewMemoryStore()
		first := nodeOver(t, store, oldPepper, newPepper)
		second := nodeOver(t, store, newPepper, oldPepper)
		byFirst, bySecond := issueCustom(t, first, "by the first"), issueCustom(t, second, "by the second")
		for range 5 {
			for _, auth := range []*apikey.Authority{first, second} {
				requireOpens(t, auth, "by the first", byFirst.ID)
				requireOpens(t, auth, "by the second", bySecond.ID)
			}
			time.Sleep(batchInterval)
			synctest.Wait()
		}
		nodeOver(t, store, oldPepper, newPepper)
		nodeOver(t, store, newPepper, oldPepper)
	})
}

func TestTenNodesStartOnOneFreshStore(t *testing.T) {
	rows := map[string][][]apikey.Pepper{
		"without a pepper": {nil},
		"with one":         {{newPepper}},
		"in mid roll-out":  {{newPepper, oldPepper}, {oldPepper, newPepper}},
	}
	for name, configurations := range rows {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				store := apikey.NewMemoryStore()
				errs := make(chan error, 10)
				for node := range cap(errs) {
					go func() {
						_, err := apikey.New(t.Context(), store, &apikey.Options{Peppers: configurations[node%len(configurations)]})
						errs <- err
					}()
				}
				for range cap(errs) {
					require.NoError(t, <-errs)
				}
			}
		})
	}
}

// faultyMarkers fails to read or to swap its marker.
type faultyMarkers struct {
	*apikey.MemoryStore
	read, swap error
	swaps      int
	quicker    func() // what another node does first
}

func (s *faultyMarkers) Marker(ctx context.Context) ([]byte, error) {
	if s.read != nil {
		return nil, s.read
	}
	return s.MemoryStore.Marker(ctx)
}

func (s *faultyMarkers) SwapMarker(ctx context.Context, old, next []byte) error {
	if s.swaps++; s.swap != nil {
		return s.swap
	}
	if s.quicker != nil {
		s.quicker()
	}
	return s.MemoryStore.SwapMarker(ctx, old, next)
}

func TestAStoreWhoseMarkerCannotBeCheckedRefusesToStart(t *testing.T) {
	errDown := errors.New("the database is down")
	for name, store := range map[string]*faultyMarkers{
		"it cannot be read": {read: errDown},
		"it cannot be set":  {swap: errDown},
	} {
		t.Run(name, func(t *testing.T) {
			store.MemoryStore = apikey.NewMemoryStore()
			_, err := apikey.New(t.Context(), store, nil)
			require.ErrorIs(t, err, errDown)
		})
	}
	t.Run("but not where another node was quicker", func(t *testing.T) {
		store := &faultyMarkers{MemoryStore: apikey.NewMemoryStore()}
		nodeOver(t, store, oldPepper)
		before, err := store.Marker(t.Context())
		require.NoError(t, err)
		store.quicker = func() {
			store.quicker = nil
			nodeOver(t, store.MemoryStore, newPepper, oldPepper)
			after, err := store.Marker(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, before, after)
		}
		nodeOver(t, store, newPepper, oldPepper)
		require.Equal(t, 2, store.swaps)
	})
	t.Run("another node is quicker for ever", func(t *testing.T) {
		store := &faultyMarkers{MemoryStore: apikey.NewMemoryStore(), swap: apikey.ErrConflict}
		_, err := apikey.New(t.Context(), store, nil)
		require.ErrorIs(t, err, apikey.ErrConflict)
		require.Less(t, store.swaps, 100)
	})
}

func TestATextInUseUnderTheOlderPepperIsInUse(t *testing.T) {
	for _, revoked := range []bool{false, true} {
		store := apikey.NewMemoryStore()
		byOld := nodeOver(t, store, oldPepper)
		key := issueCustom(t, byOld, "taken")
		if revoked {
			_, err := byOld.Revoke(t.Context(), key.ID)
			require.NoError(t, err)
		}
		auth := nodeOver(t, store, newPepper, oldPepper)
		_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{}, "taken")
		require.ErrorIs(t, err, apikey.ErrInUse)
		other := issueCustom(t, auth, "other")
		_, err = auth.RotateCustom(t.Context(), other.ID, 0, "taken")
		require.ErrorIs(t, err, apikey.ErrInUse)
	}
}

func TestAKeyCanBeManagedWhileItMovesAndIsUsed(t *testing.T) {
	for range 30 {
		store := apikey.NewMemoryStore()
		key := issueCustom(t, nodeOver(t, store, oldPepper), "text")
		auth := nodeOver(t, store, newPepper, oldPepper)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 20 {
				_, err := auth.Authenticate(t.Context(), "text")
				if err != nil { // it may have been rotated away
					assert.ErrorIs(t, err, apikey.ErrUnknownKey)
				}
			}
		})
		wg.Go(func() { assert.NoError(t, auth.FlushUses(t.Context())) })
		wg.Go(func() {
			_, err := auth.RotateCustom(t.Context(), key.ID, 0, "next")
			assert.NoError(t, err)
		})
		wg.Wait()
		require.NoError(t, auth.Shutdown(t.Context()))
		fresh := nodeOver(t, store, newPepper, oldPepper)
		requireOpens(t, fresh, "next", key.ID)
		requireRefused(t, fresh, "text", apikey.ErrUnknownKey)
		require.Len(t, digestsOf(t, fresh, key.ID), 1)
	}
}
