package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-be062aaa/apikey"
)

const (
	saysUpdate = "Update replaces the stored key that has key's ID and key's Version, its credentials included, " +
		"and stores Version+1."
	saysUpdateKeeps   = "ID, CreatedAt and LastUsedAt stay as they are stored."
	saysUpdateRefuses = "The error wraps ErrNotFound where there is no such ID, ErrConflict where its Version differs, " +
		"and ErrInUse where another key has one of the digests. What it refused has changed nothing."
)

var updateRules = []rule[apikey.ManagedStore]{
	{"Update replaces the key", saysUpdate, updateReplaces},
	{"Update keeps CreatedAt and LastUsedAt", saysUpdateKeeps, updateKeeps},
	{"Update replaces the credentials", saysUpdate, updateReplacesCredentials},
	{"Update leaves other keys alone", saysUpdate, updateLeavesOthers},
	{"Update refuses another Version", saysUpdateRefuses, updateRefusesVersion},
	{"Update refuses a missing key", saysUpdateRefuses, updateRefusesMissing},
	{"Update refuses a digest in use", saysUpdateRefuses, updateRefusesDigest},
	{"Update has one winner", saysUpdate, updateHasOneWinner},
}

// update passes next to Update and makes it what the store should then hold.
func update(ctx context.Context, store apikey.ManagedStore, next *apikey.Key) error {
	if err := store.Update(ctx, next.Clone()); err != nil {
		return fmt.Errorf("Update of key %q: %w", next.ID, err)
	}
	next.Version++
	return nil
}

func updateReplaces(ctx context.Context, store apikey.ManagedStore) error {
	key := newKey("k", digest("newer"), digest("older"))
	key.Version = 7
	if err := createAll(ctx, store, key); err != nil {
		return err
	}
	key.Name, key.Description, key.Subject = "other name", "", "other subject"
	key.Permissions = []apikey.Permission{apikey.Native}
	key.Logging = apikey.LogBoth
	key.Metadata = nil
	key.Disabled = true
	key.UpdatedAt = epoch.AddDate(0, 1, 0)
	key.ExpiresAt = time.Time{}
	key.RevokedAt = epoch.AddDate(0, 2, 0)
	if err := errors.Join(update(ctx, store, key), holds(ctx, store, key)); err != nil {
		return err
	}
	key.Name, key.Disabled, key.ExpiresAt = "third name", false, epoch
	return errors.Join(
		update(ctx, store, key),
		holds(ctx, store, key),
		listed(ctx, store, apikey.Query{Limit: 10}, []*apikey.Key{key}),
	)
}

func updateKeeps(ctx context.Context, store apikey.ManagedStore) error {
	stored, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	for _, other := range []time.Time{{}, epoch.AddDate(1, 0, 0)} {
		next := stored.Clone()
		next.CreatedAt, next.LastUsedAt = other, other
		if err := update(ctx, store, next); err != nil {
			return err
		}
		stored.Version = next.Version
		if err := holds(ctx, store, stored); err != nil {
			return err
		}
	}
	return nil
}

func updateReplacesCredentials(ctx context.Context, store apikey.ManagedStore) error {
	key, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	first := key.Credentials[0]
	second := apikey.Credential{Digest: digest("second"), Hint: "abcd", Weak: true, CreatedAt: epoch}
	third := apikey.Credential{Digest: digest("third"), CreatedAt: epoch.Add(time.Hour)}
	ended := first
	ended.ExpiresAt = epoch.Add(time.Second)
	for _, credentials := range [][]apikey.Credential{{second, ended}, {ended, second}, {third, second}, {third}} {
		key.Credentials = credentials
		if err := errors.Join(update(ctx, store, key), holds(ctx, store, key)); err != nil {
			return err
		}
	}
	if err := errors.Join(
		absent(ctx, store, "a digest that Update took away", first.Digest),
		absent(ctx, store, "a digest that Update took away", second.Digest),
	); err != nil {
		return err
	}
	heir := newKey("heir", first.Digest)
	return errors.Join(createAll(ctx, store, heir), holds(ctx, store, heir), holds(ctx, store, key))
}

func updateLeavesOthers(ctx context.Context, store apikey.ManagedStore) error {
	a, errA := create(ctx, store, "a")
	b, errB := create(ctx, store, "b")
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	a.Name = "changed"
	a.Credentials[0].Digest = digest("changed")
	return errors.Join(update(ctx, store, a), holds(ctx, store, a), holds(ctx, store, b))
}

func updateRefusesVersion(ctx context.Context, store apikey.ManagedStore) error {
	stored := newKey("k", digest("k"))
	stored.Version = 5
	if err := createAll(ctx, store, stored); err != nil {
		return err
	}
	for _, version := range []int64{0, 4, 6, -5, 5 + 1<<32} {
		next := stored.Clone()
		next.Version, next.Name = version, "changed"
		next.Credentials[0].Digest = digest("changed")
		call := fmt.Sprintf("Update of Version %d where 5 is stored", version)
		if err := errors.Join(
			refused(call, store.Update(ctx, next), apikey.ErrConflict),
			holds(ctx, store, stored),
			absent(ctx, store, "what Update refused", digest("changed")),
		); err != nil {
			return err
		}
	}
	return nil
}

func updateRefusesMissing(ctx context.Context, store apikey.ManagedStore) error {
	err := store.Update(ctx, newKey("missing", digest("missing")))
	if err := refused("Update of a missing key", err, apikey.ErrNotFound); err != nil {
		return err
	}
	return errors.Join(
		absent(ctx, store, "what Update refused", digest("missing")),
		listed(ctx, store, apikey.Query{Limit: 10}, nil),
	)
}

func updateRefusesDigest(ctx context.Context, store apikey.ManagedStore) error {
	a, errA := create(ctx, store, "a")
	revoked := newKey("b", digest("b, newer"), digest("b, older"))
	revoked.RevokedAt = epoch
	if err := errors.Join(errA, createAll(ctx, store, revoked)); err != nil {
		return err
	}
	for _, taken := range []string{"b, newer", "b, older"} {
		next := a.Clone()
		next.Name = "changed"
		next.Credentials = newKey("a", digest("free"), digest(taken)).Credentials
		call := fmt.Sprintf("Update with the digest %q of another key", taken)
		if err := errors.Join(
			refused(call, store.Update(ctx, next), apikey.ErrInUse),
			holds(ctx, store, a),
			holds(ctx, store, revoked),
			absent(ctx, store, "the free digest of a refused Update", digest("free")),
		); err != nil {
			return err
		}
	}
	return nil
}

func updateHasOneWinner(ctx context.Context, store apikey.ManagedStore) error {
	key, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	const n, rounds = 16, 5
	for round := range rounds {
		errs := make([]error, n)
		if err := together(n, func(i int) error {
			next := key.Clone()
			next.Name = fmt.Sprint("writer ", i)
			next.Credentials[0].Digest = digest(fmt.Sprint("writer ", round, i))
			errs[i] = store.Update(ctx, next)
			return nil
		}); err != nil {
			return err
		}
		if err := oneWinner("Update of one Version", errs, apikey.ErrConflict); err != nil {
			return err
		}
		for i, err := range errs {
			if err == nil {
				key.Name = fmt.Sprint("writer ", i)
				key.Credentials[0].Digest = digest(fmt.Sprint("writer ", round, i))
				key.Version++
			}
		}
		if err := holds(ctx, store, key); err != nil {
			return err
		}
	}
	return nil
}
