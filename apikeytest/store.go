package apikeytest

import (
	"context"
	"testing"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// TestStore checks that a store keeps the contract of [apikey.ManagedStore] and,
// where it implements them, those of [apikey.UseRecorder], [apikey.MarkerStore] and
// [apikey.ChangeFeed], as far as one store can tell. What it does not implement is skipped.
//
// Each rule is a subtest with a store of its own, which open must return empty
// and may close in t.Cleanup. A failure quotes the rule. The keys that the suite
// creates are within the limits of an [apikey.Authority]: texts are valid UTF-8
// without NUL, names of at most 200 characters, descriptions of at most 2,000
// and metadata of at most 4 KiB; IDs are of at most 64 bytes of printable ASCII.
//
// Run it with the race detector: some rules are about concurrent use.
func TestStore(t *testing.T, open func(t *testing.T) apikey.Store) {
	t.Helper()
	store := open(t)
	if _, ok := store.(apikey.ManagedStore); !ok {
		t.Fatalf("%T has no Create to seed it by; check it with TestLookup", store)
	}
	t.Run("Store", func(t *testing.T) {
		run(t, lookupRules, func(t *testing.T) lookup {
			return seeded(t, managed(t, open))
		})
	})
	group(t, "ManagedStore", managedRules(), open)
	group(t, "UseRecorder", useRules, open)
	group(t, "MarkerStore", markerRules, open)
	group(t, "ChangeFeed", feedRules, open)
}

// TestLookup checks that a store keeps the contract of [apikey.Store] alone, for
// a store that only reads. It must hold keys with the digests in known, at least
// one, which do not change during the test; [apikey.DigestOf] gives the digest of
// a key's text. It may hold others.
func TestLookup(t *testing.T, store apikey.Store, known ...apikey.Digest) {
	t.Helper()
	if len(known) == 0 {
		t.Fatal("TestLookup needs the digest of at least one key that the store holds")
	}
	run(t, lookupRules, func(*testing.T) lookup { return lookup{store, known} })
}

// ruleTimeout is far above what a rule takes, so that a store that hangs is
// reported with the rule's name.
const ruleTimeout = 2 * time.Minute

// A rule is one promise of a contract, and the check that a store keeps it.
type rule[S any] struct {
	name string
	// says is the promise in the words of the contract.
	says string
	// check explores a store that no other rule has touched and returns an error
	// that says what it did wrong.
	check func(ctx context.Context, store S) error
}

func run[S any](t *testing.T, rules []rule[S], fresh func(t *testing.T) S) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			store := fresh(t)
			ctx, cancel := context.WithTimeout(t.Context(), ruleTimeout)
			defer cancel()
			if err := r.check(ctx, store); err != nil {
				t.Errorf("%v\nThe rule: %s", err, r.says)
			}
		})
	}
}

// group runs the rules of the capability S, or skips them where the store lacks
// it.
func group[S any](t *testing.T, name string, rules []rule[S], open func(t *testing.T) apikey.Store) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		if store := open(t); !is[S](store) {
			t.Skipf("%T does not implement apikey.%s", store, name)
		}
		run(t, rules, func(t *testing.T) S { return as[S](t, open(t)) })
	})
}

func is[S any](store apikey.Store) bool {
	_, ok := store.(S)
	return ok
}

func as[S any](t *testing.T, store apikey.Store) S {
	t.Helper()
	s, ok := store.(S)
	if !ok {
		t.Fatalf("open returned a %T, which lacks what the store before had", store)
	}
	return s
}

func managed(t *testing.T, open func(t *testing.T) apikey.Store) apikey.ManagedStore {
	t.Helper()
	return as[apikey.ManagedStore](t, open(t))
}
