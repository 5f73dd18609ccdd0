package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// digest returns a digest that differs for each name.
func digest(name string) apikey.Digest { return apikey.DigestOf("apikeytest " + name) }

// epoch is when the suite's keys are made. Its microseconds show which stores
// keep no more than milliseconds.
var epoch = time.Date(2026, time.March, 29, 1, 30, 0, 123456000, time.UTC)

// newKey returns a key in which every field but RevokedAt and Disabled is set.
func newKey(id string, digests ...apikey.Digest) *apikey.Key {
	key := &apikey.Key{
		ID:          id,
		Name:        "name of " + id,
		Description: "description of " + id,
		Subject:     "subject of " + id,
		Permissions: []apikey.Permission{apikey.JobsView, apikey.Variables},
		Logging:     apikey.LogRequest,
		Metadata:    map[string]string{"team": "build", "of": id},
		CreatedAt:   epoch,
		UpdatedAt:   epoch.Add(time.Minute),
		ExpiresAt:   epoch.AddDate(30, 0, 0),
		LastUsedAt:  epoch.Add(time.Hour),
		Version:     1,
	}
	for i, d := range digests {
		key.Credentials = append(key.Credentials, apikey.Credential{
			Digest:    d,
			Hint:      fmt.Sprintf("%04d", i),
			Weak:      i%2 == 1,
			CreatedAt: epoch.Add(-time.Duration(i) * time.Hour),
			ExpiresAt: epoch.Add(time.Duration(i) * 24 * time.Hour),
		})
	}
	return key
}

// create stores a new key with one credential, whose digest goes by the key's
// ID, and returns what it stored.
func create(ctx context.Context, store apikey.ManagedStore, id string) (*apikey.Key, error) {
	key := newKey(id, digest(id))
	return key, createAll(ctx, store, key)
}

func createAll(ctx context.Context, store apikey.ManagedStore, keys ...*apikey.Key) error {
	for _, key := range keys {
		if err := store.Create(ctx, key.Clone()); err != nil {
			return fmt.Errorf("Create of key %q: %w", key.ID, err)
		}
	}
	return nil
}

// holds checks that the store has the key as it is in want, by its ID and by
// each of its digests.
func holds(ctx context.Context, store apikey.ManagedStore, want *apikey.Key) error {
	got, err := store.Get(ctx, want.ID)
	if err := same("Get", got, err, want); err != nil {
		return err
	}
	for _, c := range want.Credentials {
		got, err := store.Lookup(ctx, c.Digest)
		if err == nil && got != nil && !hasDigest(got, c.Digest) {
			return fmt.Errorf("Lookup of key %q returned a key without the credential asked for", want.ID)
		}
		if err := same("Lookup", got, err, want); err != nil {
			return err
		}
	}
	return nil
}

func hasDigest(key *apikey.Key, d apikey.Digest) bool {
	return slices.ContainsFunc(key.Credentials, func(c apikey.Credential) bool { return c.Digest == d })
}

// same checks what a call returned against the key that it should have.
func same(call string, got *apikey.Key, err error, want *apikey.Key) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s of key %q: %w", call, want.ID, err)
	case got == nil:
		return fmt.Errorf("%s of key %q returned a nil key and a nil error", call, want.ID)
	}
	if field, g, w := difference(got, want); field != "" {
		return fmt.Errorf("%s of key %q: %s is %+q, want %+q", call, want.ID, field, g, w)
	}
	return nil
}

// difference names the first field in which two keys differ, and returns its
// values as texts.
func difference(got, want *apikey.Key) (field, gotText, wantText string) {
	for _, f := range []struct {
		name      string
		got, want any
		same      bool
	}{
		{"ID", got.ID, want.ID, got.ID == want.ID},
		{"Name", got.Name, want.Name, got.Name == want.Name},
		{"Description", got.Description, want.Description, got.Description == want.Description},
		{"Subject", got.Subject, want.Subject, got.Subject == want.Subject},
		{"Permissions", got.Permissions, want.Permissions, slices.Equal(got.Permissions, want.Permissions)},
		{"Logging", got.Logging, want.Logging, got.Logging == want.Logging},
		{"Metadata", got.Metadata, want.Metadata, maps.Equal(got.Metadata, want.Metadata)},
		{"Disabled", got.Disabled, want.Disabled, got.Disabled == want.Disabled},
		{"CreatedAt", got.CreatedAt, want.CreatedAt, sameTime(got.CreatedAt, want.CreatedAt)},
		{"UpdatedAt", got.UpdatedAt, want.UpdatedAt, sameTime(got.UpdatedAt, want.UpdatedAt)},
		{"ExpiresAt", got.ExpiresAt, want.ExpiresAt, sameTime(got.ExpiresAt, want.ExpiresAt)},
		{"RevokedAt", got.RevokedAt, want.RevokedAt, sameTime(got.RevokedAt, want.RevokedAt)},
		{"LastUsedAt", got.LastUsedAt, want.LastUsedAt, sameTime(got.LastUsedAt, want.LastUsedAt)},
		{"Version", got.Version, want.Version, got.Version == want.Version},
		{"Credentials", got.Credentials, want.Credentials, slices.EqualFunc(got.Credentials, want.Credentials, sameCredential)},
	} {
		if !f.same {
			return f.name, fmt.Sprint(f.got), fmt.Sprint(f.want)
		}
	}
	return "", "", ""
}

func sameCredential(a, b apikey.Credential) bool {
	return a.Digest == b.Digest && a.Hint == b.Hint && a.Weak == b.Weak &&
		sameTime(a.CreatedAt, b.CreatedAt) && sameTime(a.ExpiresAt, b.ExpiresAt)
}

// sameTime allows for what is below a microsecond, whichever way it was rounded.
func sameTime(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && a.Sub(b).Abs() < time.Microsecond
}

// sentinels are the errors by which stores refuse.
var sentinels = []error{apikey.ErrNotFound, apikey.ErrExists, apikey.ErrInUse, apikey.ErrConflict}

// refused checks that a call failed with an error that wraps want and no other
// sentinel, since callers choose their answer by it.
func refused(call string, err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s returned the error %v, want one that wraps %q", call, err, want)
	}
	for _, other := range sentinels {
		if other != want && errors.Is(err, other) { //nolint:errorlint // compares two sentinels
			return fmt.Errorf("%s returned an error that wraps %q beside %q", call, other, want)
		}
	}
	return nil
}

// absent checks that Lookup finds nothing under d, and says so.
func absent(ctx context.Context, store apikey.Store, what string, d apikey.Digest) error {
	key, err := store.Lookup(ctx, d)
	switch {
	case err == nil && key == nil:
		return fmt.Errorf("Lookup of %s returned a nil key and a nil error", what)
	case err == nil:
		return fmt.Errorf("Lookup of %s found the key %q, want none", what, key.ID)
	}
	return refused("Lookup of "+what, err, apikey.ErrNotFound)
}

// scribble overwrites everything that a key leads to.
func scribble(key *apikey.Key) {
	for i := range key.Permissions {
		key.Permissions[i] = "scribbled"
	}
	for name := range key.Metadata {
		key.Metadata[name] = "scribbled"
	}
	if key.Metadata != nil {
		key.Metadata["scribbled"] = "scribbled"
	}
	for i := range key.Credentials {
		key.Credentials[i] = apikey.Credential{Digest: digest("scribbled"), Hint: "scri"}
	}
	key.ID, key.Name, key.Description, key.Subject = "scribbled", "scribbled", "scribbled", "scribbled"
	key.Disabled, key.Version = !key.Disabled, key.Version+1000
	key.CreatedAt, key.RevokedAt, key.LastUsedAt = time.Time{}, epoch, time.Time{}
}
