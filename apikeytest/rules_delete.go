package apikeytest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
)

const saysDelete = "Delete removes the key and frees its digests. Deleting a key that is not there is no error."

var deleteRules = []rule[apikey.ManagedStore]{
	{"Delete removes the key", saysDelete, deleteRemoves},
	{"Delete frees the digests", saysDelete, deleteFrees},
	{"Delete of a missing key is no error", saysDelete, deleteIsIdempotent},
}

func deleteRemoves(ctx context.Context, store apikey.ManagedStore) error {
	gone := newKey("gone", digest("gone, newer"), digest("gone, older"))
	stays := newKey("gone2", digest("stays"))
	if err := createAll(ctx, store, gone, stays); err != nil {
		return err
	}
	if err := store.Delete(ctx, "gone"); err != nil {
		return fmt.Errorf("Delete: %w", err)
	}
	if key, err := store.Get(ctx, "gone"); !errors.Is(err, apikey.ErrNotFound) {
		return fmt.Errorf("Get after Delete returned %v and the error %v", key, err)
	}
	return errors.Join(
		absent(ctx, store, "a deleted key", digest("gone, newer")),
		absent(ctx, store, "a deleted key", digest("gone, older")),
		refused("Update of a deleted key", store.Update(ctx, gone), apikey.ErrNotFound),
		holds(ctx, store, stays),
		listed(ctx, store, apikey.Query{Limit: 10}, []*apikey.Key{stays}),
	)
}

func deleteFrees(ctx context.Context, store apikey.ManagedStore) error {
	key := newKey("k", digest("newer"), digest("older"))
	if err := createAll(ctx, store, key); err != nil {
		return err
	}
	if err := store.Delete(ctx, "k"); err != nil {
		return fmt.Errorf("Delete: %w", err)
	}
	again := newKey("k", digest("older"))
	other := newKey("other", digest("newer"))
	return errors.Join(
		createAll(ctx, store, again, other),
		holds(ctx, store, again),
		holds(ctx, store, other),
	)
}

func deleteIsIdempotent(ctx context.Context, store apikey.ManagedStore) error {
	if err := store.Delete(ctx, "never"); err != nil {
		return fmt.Errorf("Delete of a key that never was: %w", err)
	}
	if _, err := create(ctx, store, "k"); err != nil {
		return err
	}
	for range 2 {
		if err := store.Delete(ctx, "k"); err != nil {
			return fmt.Errorf("Delete: %w", err)
		}
	}
	return nil
}
