package apikeytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// full is a store with every capability, for faults to be built on.
type full interface {
	apikey.ManagedStore
	apikey.UseRecorder
	apikey.MarkerStore
}

// A fault changes what a correct store does; nil functions change nothing.
type fault struct {
	full
	lookup func(full, context.Context, apikey.Digest) (*apikey.Key, error)
	create func(full, context.Context, *apikey.Key) error
	get    func(full, context.Context, string) (*apikey.Key, error)
	list   func(full, context.Context, apikey.Query) ([]*apikey.Key, error)
	update func(full, context.Context, *apikey.Key) error
	delete func(full, context.Context, string) error
	record func(full, context.Context, []apikey.Use) error
	marker func(full, context.Context) ([]byte, error)
	swap   func(full, context.Context, []byte, []byte) error
}

func (f fault) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	if f.lookup == nil {
		return f.full.Lookup(ctx, d)
	}
	return f.lookup(f.full, ctx, d)
}

func (f fault) Create(ctx context.Context, key *apikey.Key) error {
	if f.create == nil {
		return f.full.Create(ctx, key)
	}
	return f.create(f.full, ctx, key)
}

func (f fault) Get(ctx context.Context, id string) (*apikey.Key, error) {
	if f.get == nil {
		return f.full.Get(ctx, id)
	}
	return f.get(f.full, ctx, id)
}

func (f fault) List(ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
	if f.list == nil {
		return f.full.List(ctx, q)
	}
	return f.list(f.full, ctx, q)
}

func (f fault) Update(ctx context.Context, key *apikey.Key) error {
	if f.update == nil {
		return f.full.Update(ctx, key)
	}
	return f.update(f.full, ctx, key)
}

func (f fault) Delete(ctx context.Context, id string) error {
	if f.delete == nil {
		return f.full.Delete(ctx, id)
	}
	return f.delete(f.full, ctx, id)
}

func (f fault) RecordUses(ctx context.Context, uses []apikey.Use) error {
	if f.record == nil {
		return f.full.RecordUses(ctx, uses)
	}
	return f.record(f.full, ctx, uses)
}

func (f fault) Marker(ctx context.Context) ([]byte, error) {
	if f.marker == nil {
		return f.full.Marker(ctx)
	}
	return f.marker(f.full, ctx)
}

func (f fault) SwapMarker(ctx context.Context, old, next []byte) error {
	if f.swap == nil {
		return f.full.SwapMarker(ctx, old, next)
	}
	return f.swap(f.full, ctx, old, next)
}

// broken returns the names of those rules among the wanted that the store
// breaks.
func broken(t *testing.T, wanted func(name string) bool, open func() full) []string {
	t.Helper()
	return slices.Concat(
		failing(t, lookupRules, wanted, func() lookup { return seeded(t, open()) }),
		failing(t, managedRules(), wanted, func() apikey.ManagedStore { return open() }),
		failing(t, useRules, wanted, func() recorder { return open() }),
		failing(t, markerRules, wanted, func() apikey.MarkerStore { return open() }),
	)
}

func failing[S any](t *testing.T, rules []rule[S], wanted func(string) bool, fresh func() S) (names []string) {
	t.Helper()
	for _, r := range rules {
		if !wanted(r.name) {
			continue
		}
		if err := r.check(t.Context(), fresh()); err != nil {
			names = append(names, r.name)
		}
	}
	return names
}

func TestFaultsBreakTheirRules(t *testing.T) {
	every := func(string) bool { return true }
	require.Empty(t, broken(t, every, func() full { return fault{full: newMapStore()} }), "the store without a fault")

	// shared outlives one call, as a store's own memory does.
	shared := func() func(full, context.Context, apikey.Digest) (*apikey.Key, error) {
		var mu sync.Mutex
		kept := map[apikey.Digest]*apikey.Key{}
		return func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			mu.Lock()
			defer mu.Unlock()
			if kept[d] == nil {
				key, err := s.Lookup(ctx, d)
				if err != nil {
					return nil, err
				}
				kept[d] = key
			}
			return kept[d], nil
		}
	}
	edit := func(f func(*apikey.Key)) func(full, context.Context, *apikey.Key) error {
		return func(s full, ctx context.Context, key *apikey.Key) error {
			c := key.Clone()
			f(c)
			return s.Create(ctx, c)
		}
	}

	for _, row := range []struct {
		fault string
		rules []string // among those that break
		with  func() fault
	}{
		{"Lookup returns nil and nil", []string{"never returns nil and nil"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if errors.Is(err, apikey.ErrNotFound) {
					return nil, nil
				}
				return key, err
			}}
		}},
		{"Lookup shares its pointer", []string{"hands out copies"}, func() fault {
			return fault{lookup: shared()}
		}},
		{"Lookup has an error of its own for unknown digests", []string{"says ErrNotFound for an unknown digest"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if err != nil {
					return nil, errors.New("no rows in result set")
				}
				return key, nil
			}}
		}},
		{"Lookup says ErrNotFound when it cannot tell", []string{"returns soon after its context is done"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if err != nil {
					return nil, apikey.ErrNotFound
				}
				return key, nil
			}}
		}},
		{"Lookup compares all but the last byte", []string{"compares every bit", "tells like digests apart"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				return firstOf(ctx, s, d, func(k *apikey.Key, d apikey.Digest) bool {
					return slices.ContainsFunc(k.Credentials, func(c apikey.Credential) bool {
						return bytes.Equal(c.Digest[:31], d[:31])
					})
				})
			}}
		}},
		{"Lookup folds case", []string{"tells like digests apart"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				return firstOf(ctx, s, d, func(k *apikey.Key, d apikey.Digest) bool {
					return slices.ContainsFunc(k.Credentials, func(c apikey.Credential) bool {
						return foldASCII(string(c.Digest[:])) == foldASCII(string(d[:]))
					})
				})
			}}
		}},
		{"Lookup hides revoked keys", []string{"finds keys in any state"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if err == nil && !key.RevokedAt.IsZero() {
					return nil, apikey.ErrNotFound
				}
				return key, err
			}}
		}},
		{"an error spells the digest", []string{"names no digest in errors"}, func() fault {
			return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if err != nil {
					return nil, fmt.Errorf("select … where digest = x'%x': %w", d[:], err)
				}
				return key, nil
			}}
		}},
		{"times lose what is below a second", []string{"keeps times", "keeps each field"}, func() fault {
			return fault{create: edit(func(k *apikey.Key) { k.CreatedAt = k.CreatedAt.Truncate(time.Second) })}
		}},
		{"zero times become 1970", []string{"keeps times"}, func() fault {
			return fault{create: edit(func(k *apikey.Key) {
				if k.ExpiresAt.IsZero() {
					k.ExpiresAt = time.Unix(0, 0)
				}
			})}
		}},
		{"texts lose trailing spaces", []string{"keeps texts byte for byte"}, func() fault {
			return fault{create: edit(func(k *apikey.Key) { k.Subject = strings.TrimRight(k.Subject, " ") })}
		}},
		{"permissions are sorted", []string{"keeps permissions and metadata"}, func() fault {
			return fault{create: edit(func(k *apikey.Key) { slices.Sort(k.Permissions) })}
		}},
		{"hints are lost", []string{"keeps each field"}, func() fault {
			return fault{create: edit(func(k *apikey.Key) {
				for i := range k.Credentials {
					k.Credentials[i].Hint = ""
				}
			})}
		}},
		{"Create overwrites", []string{"Create refuses a taken ID"}, func() fault {
			return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
				err := s.Create(ctx, key)
				if errors.Is(err, apikey.ErrExists) {
					return errors.Join(s.Delete(ctx, key.ID), s.Create(ctx, key))
				}
				return err
			}}
		}},
		{"Create confuses its errors", []string{"Create refuses a digest in use", "Create stores all of a key or nothing"}, func() fault {
			return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
				err := s.Create(ctx, key)
				if errors.Is(err, apikey.ErrInUse) {
					return apikey.ErrExists
				}
				return err
			}}
		}},
		{"Create changes the key passed in", []string{"keeps nothing that is passed in"}, func() fault {
			return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
				defer func() { key.Version++ }()
				return s.Create(ctx, key)
			}}
		}},
		{"Get finds IDs in either case", []string{"tells IDs apart byte for byte"}, func() fault {
			return fault{get: func(s full, ctx context.Context, id string) (*apikey.Key, error) {
				key, err := s.Get(ctx, id)
				if err != nil {
					return s.Get(ctx, strings.ToLower(id))
				}
				return key, nil
			}}
		}},
		{"List is in ascending order", []string{"List sorts IDs by their bytes"}, func() fault {
			return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
				keys, err := s.List(ctx, q)
				slices.Reverse(keys)
				return keys, err
			}}
		}},
		{"List includes After", []string{"List turns pages"}, func() fault {
			return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
				if q.After != "" {
					q.After += "\x00"
				}
				return s.List(ctx, q)
			}}
		}},
		{"List takes % for a wildcard", []string{"List searches texts"}, func() fault {
			return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
				q.Search = strings.Trim(q.Search, "%")
				return s.List(ctx, q)
			}}
		}},
		{"List folds more than ASCII", []string{"List searches texts"}, func() fault {
			return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
				upper := q
				upper.Search = strings.ToUpper(q.Search)
				keys, err := s.List(ctx, upper)
				return keys, err
			}}
		}},
		{"List of nothing is ErrNotFound", []string{"List of nothing is empty"}, func() fault {
			return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
				keys, err := s.List(ctx, q)
				if len(keys) == 0 {
					return nil, apikey.ErrNotFound
				}
				return keys, err
			}}
		}},
		{"List filters after it cut the page", []string{"List searches page by page"}, func() fault {
			return fault{list: func(s full, ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
				matching, err := s.List(ctx, apikey.Query{Search: q.Search, Limit: 1000})
				if err != nil {
					return nil, err
				}
				page, err := s.List(ctx, apikey.Query{After: q.After, Limit: q.Limit})
				return slices.DeleteFunc(page, func(k *apikey.Key) bool {
					return !slices.Contains(idsOf(matching), k.ID)
				}), err
			}}
		}},
		{"Update ignores the Version", []string{"Update refuses another Version", "Update has one winner"}, func() fault {
			return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
				stored, err := s.Get(ctx, key.ID)
				if err != nil {
					return err
				}
				next := key.Clone()
				next.Version = stored.Version
				return s.Update(ctx, next)
			}}
		}},
		{"Update creates", []string{"Update refuses a missing key"}, func() fault {
			return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
				err := s.Update(ctx, key)
				if errors.Is(err, apikey.ErrNotFound) {
					return s.Create(ctx, key)
				}
				return err
			}}
		}},
		{"Update keeps the old credentials", []string{"Update replaces the credentials"}, func() fault {
			return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
				next := key.Clone()
				if stored, err := s.Get(ctx, key.ID); err == nil {
					next.Credentials = stored.Credentials
				}
				return s.Update(ctx, next)
			}}
		}},
		{"Update writes LastUsedAt", []string{"Update keeps CreatedAt and LastUsedAt"}, func() fault {
			return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
				if err := s.Update(ctx, key); err != nil {
					return err
				}
				next, err := s.Get(ctx, key.ID)
				if err != nil {
					return err
				}
				next.LastUsedAt = key.LastUsedAt
				return errors.Join(s.Delete(ctx, key.ID), s.Create(ctx, next))
			}}
		}},
		{"Delete of a missing key is ErrNotFound", []string{"Delete of a missing key is no error"}, func() fault {
			return fault{delete: func(s full, ctx context.Context, id string) error {
				if _, err := s.Get(ctx, id); err != nil {
					return err
				}
				return s.Delete(ctx, id)
			}}
		}},
		{"Delete only revokes", []string{"Delete removes the key", "Delete frees the digests"}, func() fault {
			return fault{delete: func(s full, ctx context.Context, id string) error {
				key, err := s.Get(ctx, id)
				if err != nil {
					return nil
				}
				key.RevokedAt = epoch
				return s.Update(ctx, key)
			}}
		}},
		{"RecordUses goes back", []string{"RecordUses never goes back"}, func() fault {
			return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
				return overwrite(ctx, s, uses)
			}}
		}},
		{"RecordUses creates keys", []string{"RecordUses never creates a key"}, func() fault {
			return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
				for _, u := range uses {
					_ = s.Create(ctx, newKey(u.KeyID))
				}
				return s.RecordUses(ctx, uses)
			}}
		}},
		{"RecordUses gives up at the first that does not apply", []string{"RecordUses passes over what does not apply"}, func() fault {
			return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
				for i, u := range uses {
					if _, err := s.Lookup(ctx, u.To); err == nil {
						return s.RecordUses(ctx, uses[:i])
					}
				}
				return s.RecordUses(ctx, uses)
			}}
		}},
		{"RecordUses takes 500 at most", []string{"RecordUses takes large batches"}, func() fault {
			return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
				return s.RecordUses(ctx, uses[:min(500, len(uses))])
			}}
		}},
		{"RecordUses moves nothing", []string{"RecordUses moves a credential"}, func() fault {
			return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
				for i := range uses {
					uses[i].To = apikey.Digest{}
				}
				return s.RecordUses(ctx, uses)
			}}
		}},
		{"Marker is empty where none was set", []string{"Marker is nil at first"}, func() fault {
			return fault{marker: func(s full, ctx context.Context) ([]byte, error) {
				marker, err := s.Marker(ctx)
				return append([]byte{}, marker...), err
			}}
		}},
		{"Marker loses its zeros", []string{"SwapMarker sets and replaces"}, func() fault {
			return fault{swap: func(s full, ctx context.Context, old, next []byte) error {
				return s.SwapMarker(ctx, old, []byte(strings.TrimRight(string(next), "\x00")))
			}}
		}},
		{"SwapMarker always swaps", []string{"SwapMarker refuses another marker", "SwapMarker has one winner"}, func() fault {
			return fault{swap: func(s full, ctx context.Context, _, next []byte) error {
				old, err := s.Marker(ctx)
				if err != nil {
					return err
				}
				return s.SwapMarker(ctx, old, next)
			}}
		}},
	} {
		t.Run(row.fault, func(t *testing.T) {
			expected := func(name string) bool { return slices.Contains(row.rules, name) }
			got := broken(t, expected, func() full {
				f := row.with()
				f.full = newMapStore()
				return f
			})
			for _, name := range row.rules {
				assert.Contains(t, got, name)
			}
		})
	}
}

// firstOf looks up by a comparison of its own.
func firstOf(ctx context.Context, s full, d apikey.Digest, match func(*apikey.Key, apikey.Digest) bool) (*apikey.Key, error) {
	keys, err := s.List(ctx, apikey.Query{Limit: 1000})
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if match(key, d) {
			return key, nil
		}
	}
	return nil, apikey.ErrNotFound
}

// overwrite records uses without looking at what is stored.
func overwrite(ctx context.Context, s full, uses []apikey.Use) error {
	for _, u := range uses {
		key, err := s.Get(ctx, u.KeyID)
		if err != nil {
			continue
		}
		key.LastUsedAt = u.At
		if err := errors.Join(s.Delete(ctx, key.ID), s.Create(ctx, key)); err != nil {
			return err
		}
	}
	return nil
}
