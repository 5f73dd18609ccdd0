package apikeytest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
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
	apikey.ChangeFeed
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
	watch  func(full, context.Context, func(string)) error
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

func (f fault) Watch(ctx context.Context, changed func(string)) error {
	if f.watch == nil {
		return f.full.Watch(ctx, changed)
	}
	return f.watch(f.full, ctx, changed)
}

// A faultRow is one way to break the contract, and rules that notice.
type faultRow struct {
	fault string
	rules []string // among those that break; of two that share a name, both
	with  func() fault
}

func TestFaultsBreakTheirRules(t *testing.T) {
	var names []string
	for _, r := range allRules() {
		names = append(names, r.name)
	}
	sound := func() full { return fault{full: newMapStore()} }
	require.Empty(t, broken(t, names, sound), "the store without a fault")

	var guarded []string
	for _, row := range slices.Concat(
		lookupFaults, managedFaults, createFaults, listFaults, updateFaults, deleteFaults, useFaults, markerFaults,
		feedFaults,
	) {
		guarded = append(guarded, row.rules...)
		t.Run(row.fault, func(t *testing.T) {
			require.Subset(t, names, row.rules)
			synctest.Test(t, func(t *testing.T) {
				unsound := func() full {
					f := row.with()
					f.full = newMapStore()
					return f
				}
				want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(row.rules, name) })
				assert.Equal(t, want, broken(t, row.rules, unsound))
				time.Sleep(time.Hour) // some faults leave a goroutine behind for a while
			})
		})
	}
	assert.Subset(t, guarded, names, "a rule that no fault breaks may guard nothing")
}

// broken returns the names of those rules among the wanted that the store
// breaks.
func broken(t *testing.T, wanted []string, open func() full) []string {
	t.Helper()
	return slices.Concat(
		failing(t, lookupRules, wanted, func() lookup { return seeded(t, open()) }),
		failing(t, managedRules(), wanted, func() apikey.ManagedStore { return open() }),
		failing(t, useRules, wanted, func() recorder { return open() }),
		failing(t, markerRules, wanted, func() apikey.MarkerStore { return open() }),
		failing(t, feedRules, wanted, func() feed { return open() }),
	)
}

func failing[S any](t *testing.T, rules []rule[S], wanted []string, fresh func() S) (names []string) {
	t.Helper()
	for _, r := range rules {
		if slices.Contains(wanted, r.name) && r.check(t.Context(), fresh()) != nil {
			names = append(names, r.name)
		}
	}
	return names
}

// pause lets all others get as far as they can: between two steps that should be
// one, it makes certain what a busy machine makes possible. It takes no time, but
// for that of the bubble in which each fault is tried.
func pause() { time.Sleep(time.Millisecond) }
