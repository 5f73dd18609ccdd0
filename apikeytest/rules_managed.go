package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// Sentences that more than one rule guards.
const (
	saysExact = "Lookup returns the key that has a Credential with exactly the bytes of digest, whatever the key's " +
		"state."
	saysKept    = "Every field of a Key is kept, times at least to the microsecond. Texts come back byte for byte."
	saysCopies  = "Keys passed in are not kept and not changed; keys handed out belong to the caller."
	saysDurable = "What a method acknowledged is durable and visible to every later call. " +
		"What it refused has changed nothing."
)

// managedRules returns the rules of ManagedStore: first those of no one method.
func managedRules() []rule[apikey.ManagedStore] {
	return slices.Concat([]rule[apikey.ManagedStore]{
		{"finds keys in any state", saysExact, findsAnyState},
		{"tells like digests apart", saysExact, tellsDigestsApart},
		{"keeps each field", saysKept, keepsEachField},
		{"keeps texts byte for byte", saysKept, keepsTexts},
		{"keeps times", saysKept, keepsTimes},
		{"keeps permissions and metadata", saysKept, keepsCollections},
		{"keeps nothing that is passed in", saysCopies, keepsNothingPassedIn},
		{"hands out copies everywhere", saysCopies, handsOutCopiesEverywhere},
		{
			"tells IDs apart byte for byte",
			"Get returns the key with that ID. The error wraps ErrNotFound where there is none.",
			tellsIDsApart,
		},
		{
			"returns soon after its context is done",
			"It returns soon after ctx is done. What it refused has changed nothing.",
			managedHeedsContext,
		},
		{
			"names no digest in errors",
			"No error holds a digest or a key's text.",
			managedNamesNoDigest,
		},
		{
			"works concurrently",
			"It is safe for concurrent use. What a method acknowledged is visible to every later call.",
			worksConcurrently,
		},
	}, createRules, listRules, updateRules, deleteRules)
}

func findsAnyState(ctx context.Context, store apikey.ManagedStore) error {
	past := time.Now().Add(-24 * time.Hour).Truncate(time.Microsecond)
	disabled := newKey("disabled", digest("disabled"))
	disabled.Disabled = true
	expired := newKey("expired", digest("expired"))
	expired.ExpiresAt = past
	revoked := newKey("revoked", digest("revoked"))
	revoked.RevokedAt = past
	rotated := newKey("rotated", digest("rotated, newer"), digest("rotated, older"))
	rotated.Credentials[1].ExpiresAt = past
	for _, key := range []*apikey.Key{disabled, expired, revoked, rotated} {
		if err := errors.Join(createAll(ctx, store, key), holds(ctx, store, key)); err != nil {
			return err
		}
	}
	return nil
}

// tellsDigestsApart uses digests that text columns, C strings and padded columns
// take for each other.
func tellsDigestsApart(ctx context.Context, store apikey.ManagedStore) error {
	base := digest("alike")
	base[31] = 'x'
	alike := []apikey.Digest{base}
	for _, end := range []byte{'X', 'y', 0, ' ', 0x7f, 0x80, 0xff} {
		d := base
		d[31] = end
		alike = append(alike, d)
	}
	cut := base
	cut[1] = 0
	shifted := cut
	shifted[31] = 0
	high := base
	high[0] ^= 0x80
	alike = append(alike, cut, shifted, high, filled(' '), filled(0xff), filled('%'))

	keys := make([]*apikey.Key, len(alike))
	for i, d := range alike {
		keys[i] = newKey(fmt.Sprintf("key%02d", i), d)
	}
	if err := createAll(ctx, store, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if err := holds(ctx, store, key); err != nil {
			return err
		}
	}
	return absent(ctx, store, "the zero digest", apikey.Digest{})
}

func keepsEachField(ctx context.Context, store apikey.ManagedStore) error {
	full := newKey("full", digest("full, newer"), digest("full, older"))
	full.RevokedAt = epoch.AddDate(1, 0, 0)
	full.Disabled = true
	full.Version = 1 << 40
	bare := &apikey.Key{ID: "bare", Credentials: []apikey.Credential{{Digest: digest("bare")}}}
	keys := []*apikey.Key{full, bare}
	for level := apikey.LogNone; level <= apikey.LogBoth; level++ {
		key := newKey("logging-"+level.String(), digest(level.String()))
		key.Logging = level
		keys = append(keys, key)
	}
	for _, key := range keys {
		if err := errors.Join(createAll(ctx, store, key), holds(ctx, store, key)); err != nil {
			return err
		}
	}
	return listed(ctx, store, apikey.Query{Limit: 100}, keys)
}

// listed checks that List returns want, in order of ID.
func listed(ctx context.Context, store apikey.ManagedStore, q apikey.Query, want []*apikey.Key) error {
	want = slices.SortedFunc(slices.Values(want), func(a, b *apikey.Key) int {
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	got, err := store.List(ctx, q)
	if err != nil {
		return fmt.Errorf("List of %+v: %w", q, err)
	}
	if ids, wanted := idsOf(got), idsOf(want); !slices.Equal(ids, wanted) {
		return fmt.Errorf("List of %+v returned the keys %q, want %q", q, ids, wanted)
	}
	for i := range got {
		if err := same("List", got[i], nil, want[i]); err != nil {
			return err
		}
	}
	return nil
}

func idsOf(keys []*apikey.Key) []string {
	ids := []string{}
	for _, key := range keys {
		if key == nil {
			ids = append(ids, "(nil)")
			continue
		}
		ids = append(ids, key.ID)
	}
	return ids
}

func keepsNothingPassedIn(ctx context.Context, store apikey.ManagedStore) error {
	want := newKey("k", digest("newer"), digest("older"))
	passed := want.Clone()
	if err := store.Create(ctx, passed); err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	if field, _, _ := difference(passed, want); field != "" {
		return fmt.Errorf("Create changed the %s of the key passed in", field)
	}
	scribble(passed)
	if err := holds(ctx, store, want); err != nil {
		return fmt.Errorf("after a change to the key passed to Create: %w", err)
	}
	want.Name = "changed"
	passed = want.Clone()
	if err := store.Update(ctx, passed); err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	if field, _, _ := difference(passed, want); field != "" {
		return fmt.Errorf("Update changed the %s of the key passed in", field)
	}
	scribble(passed)
	want.Version++
	if err := holds(ctx, store, want); err != nil {
		return fmt.Errorf("after a change to the key passed to Update: %w", err)
	}
	return nil
}

func handsOutCopiesEverywhere(ctx context.Context, store apikey.ManagedStore) error {
	want := newKey("k", digest("newer"), digest("older"))
	if err := createAll(ctx, store, want); err != nil {
		return err
	}
	got, err := store.Get(ctx, "k")
	if err := same("Get", got, err, want); err != nil {
		return err
	}
	scribble(got)
	if err := holds(ctx, store, want); err != nil {
		return fmt.Errorf("after a change to a key from Get: %w", err)
	}
	for range 2 { // a List may share its keys with itself only
		list, err := store.List(ctx, apikey.Query{Limit: 1})
		if err != nil || len(list) != 1 {
			return fmt.Errorf("List of the one key returned %d keys and the error %w", len(list), err)
		}
		if err := same("List", list[0], nil, want); err != nil {
			return fmt.Errorf("after a change to a key from Get or List: %w", err)
		}
		scribble(list[0])
		if err := holds(ctx, store, want); err != nil {
			return fmt.Errorf("after a change to a key from List: %w", err)
		}
	}
	return nil
}

func tellsIDsApart(ctx context.Context, store apikey.ManagedStore) error {
	ids := []string{"a", "A", "a ", " a", "a%", "a_", "aa", "0", "00"}
	keys := make([]*apikey.Key, len(ids))
	for i, id := range ids {
		keys[i] = newKey(id, digest(id))
	}
	if err := createAll(ctx, store, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		if err := holds(ctx, store, key); err != nil {
			return err
		}
	}
	for _, id := range []string{"", "AA", "a  ", "%", "_", "a'", "000"} {
		key, err := store.Get(ctx, id)
		if key == nil && err == nil {
			return fmt.Errorf("Get of the missing ID %q returned a nil key and a nil error", id)
		}
		if err := refused(fmt.Sprintf("Get of the missing ID %q", id), err, apikey.ErrNotFound); err != nil {
			return err
		}
	}
	return nil
}

func managedHeedsContext(ctx context.Context, store apikey.ManagedStore) error {
	key, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	start := time.Now()
	updated := key.Clone()
	updated.Name = "changed"
	added := newKey("added", digest("added"))
	_, getErr := store.Get(done, "k")
	_, listErr := store.List(done, apikey.Query{Limit: 1})
	createErr := store.Create(done, added.Clone())
	updateErr := store.Update(done, updated.Clone())
	if took := time.Since(start); took > soon {
		return fmt.Errorf("four calls took %v although their context was done", took)
	}
	for _, err := range []error{getErr, listErr, createErr, updateErr} {
		for _, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				return fmt.Errorf("a call with a context that is done failed with %w", err)
			}
		}
	}
	if updateErr == nil {
		key = updated
		key.Version++
	}
	if createErr == nil {
		return errors.Join(holds(ctx, store, key), holds(ctx, store, added))
	}
	return errors.Join(holds(ctx, store, key), absent(ctx, store, "what Create refused", digest("added")))
}

func managedNamesNoDigest(ctx context.Context, store apikey.ManagedStore) error {
	if _, err := create(ctx, store, "a"); err != nil {
		return err
	}
	b, err := create(ctx, store, "b")
	if err != nil {
		return err
	}
	taken := digest("a")
	exists := store.Create(ctx, newKey("a", digest("new")))
	inUse := store.Create(ctx, newKey("c", taken))
	b.Credentials[0].Digest = taken
	updateInUse := store.Update(ctx, b)
	b.Version = 99
	conflict := store.Update(ctx, b)
	for _, err := range []error{exists, inUse, updateInUse, conflict} {
		if err := discreet(err, taken, digest("b"), digest("new")); err != nil {
			return err
		}
	}
	return nil
}
