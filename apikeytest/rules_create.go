package apikeytest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
)

const saysCreate = "Create stores a new key, and its Version as given. The error wraps ErrExists where the ID is " +
	"taken and ErrInUse where a credential's digest is, by whatever key and in whatever state."

var createRules = []rule[apikey.ManagedStore]{
	{"Create refuses a taken ID", saysCreate, createRefusesID},
	{"Create refuses a digest in use", saysCreate, createRefusesDigest},
	{"Create refuses one digest twice", "Digest is unique among all credentials of a store.", createRefusesTwins},
	{"Create stores all of a key or nothing", saysDurable, createIsAtomic},
	{"Create has one winner", saysCreate, createHasOneWinner},
}

func createRefusesID(ctx context.Context, store apikey.ManagedStore) error {
	stored, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	other := newKey("k", digest("other"))
	other.Name = "other"
	return errors.Join(
		refused("Create of an ID that is taken", store.Create(ctx, other), apikey.ErrExists),
		// Bootstrapping nodes with one configured key collide in both.
		existsAtLeast(store.Create(ctx, stored.Clone())),
		holds(ctx, store, stored),
		absent(ctx, store, "what Create refused", digest("other")),
	)
}

func existsAtLeast(err error) error {
	if !errors.Is(err, apikey.ErrExists) {
		return fmt.Errorf("Create of a key that is there, ID and digest, returned the error %v, want one that wraps %q",
			err, apikey.ErrExists)
	}
	return nil
}

func createRefusesDigest(ctx context.Context, store apikey.ManagedStore) error {
	live := newKey("live", digest("live, newer"), digest("live, older"))
	revoked := newKey("revoked", digest("revoked"))
	revoked.RevokedAt = epoch
	disabled := newKey("disabled", digest("disabled"))
	disabled.Disabled = true
	if err := createAll(ctx, store, live, revoked, disabled); err != nil {
		return err
	}
	for _, taken := range []string{"live, newer", "live, older", "revoked", "disabled"} {
		call := fmt.Sprintf("Create with the digest %q, which is in use,", taken)
		if err := errors.Join(
			refused(call, store.Create(ctx, newKey("new", digest(taken))), apikey.ErrInUse),
			refused(call, store.Create(ctx, newKey("new", digest("free"), digest(taken))), apikey.ErrInUse),
		); err != nil {
			return err
		}
	}
	return errors.Join(holds(ctx, store, live), holds(ctx, store, revoked), holds(ctx, store, disabled))
}

func createRefusesTwins(ctx context.Context, store apikey.ManagedStore) error {
	if err := store.Create(ctx, newKey("twins", digest("twin"), digest("twin"))); err == nil {
		return errors.New("Create stored a key that has one digest twice")
	}
	return absent(ctx, store, "what Create refused", digest("twin"))
}

func createIsAtomic(ctx context.Context, store apikey.ManagedStore) error {
	stored, err := create(ctx, store, "stored")
	if err != nil {
		return err
	}
	half := newKey("half", digest("free"), digest("stored"))
	if err := refused("Create with a digest in use", store.Create(ctx, half), apikey.ErrInUse); err != nil {
		return err
	}
	if key, err := store.Get(ctx, "half"); !errors.Is(err, apikey.ErrNotFound) {
		return fmt.Errorf("Get after a refused Create returned %v and the error %v", key, err)
	}
	if err := errors.Join(
		absent(ctx, store, "the free digest of a refused Create", digest("free")),
		holds(ctx, store, stored),
		listed(ctx, store, apikey.Query{Limit: 10}, []*apikey.Key{stored}),
	); err != nil {
		return err
	}
	// The ID and the free digest are as free as they were.
	again := newKey("half", digest("free"))
	return errors.Join(createAll(ctx, store, again), holds(ctx, store, again))
}

func createHasOneWinner(ctx context.Context, store apikey.ManagedStore) error {
	const n = 16
	byID, byDigest := make([]error, n), make([]error, n)
	if err := together(n, func(i int) error {
		byID[i] = store.Create(ctx, newKey("one ID", digest(fmt.Sprint("racer ", i))))
		byDigest[i] = store.Create(ctx, newKey(fmt.Sprintf("racer%02d", i), digest("one digest")))
		return nil
	}); err != nil {
		return err
	}
	return errors.Join(
		oneWinner("Create of one ID", byID, apikey.ErrExists),
		oneWinner("Create with one digest", byDigest, apikey.ErrInUse),
	)
}

// oneWinner checks that of calls made at once one succeeded and the others were
// refused with want.
func oneWinner(call string, errs []error, want error) error {
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
		} else if err := refused(call, err, want); err != nil {
			return err
		}
	}
	if winners != 1 {
		return fmt.Errorf("%s, %d times at once: %d succeeded, want 1", call, len(errs), winners)
	}
	return nil
}
