package apikeytest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-be062aaa/apikey"
)

func TestMapStoreKeepsTheContract(t *testing.T) {
	TestStore(t, func(*testing.T) apikey.Store { return newMapStore() })
}

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	TestStore(t, func(*testing.T) apikey.Store { return apikey.NewMemoryStore() })
}

func TestLookupOfPlainTable(t *testing.T) {
	table := plainTable{apikey.DigestOf("one"): "first", apikey.DigestOf("two"): "second"}
	TestLookup(t, table, apikey.DigestOf("one"), apikey.DigestOf("two"))
}

// A plainTable is a store of the least kind.
type plainTable map[apikey.Digest]string

func (p plainTable) Lookup(_ context.Context, d apikey.Digest) (*apikey.Key, error) {
	id, ok := p[d]
	if !ok {
		return nil, apikey.ErrNotFound
	}
	return &apikey.Key{ID: id, Credentials: []apikey.Credential{{Digest: d}}}, nil
}

func TestCapabilitiesAreOptional(t *testing.T) {
	TestStore(t, func(*testing.T) apikey.Store {
		return struct{ apikey.ManagedStore }{newMapStore()}
	})
}

func TestRulesQuoteTheContract(t *testing.T) {
	for _, r := range allRules() {
		assert.True(t, strings.HasSuffix(r.says, "."), "the rule %q quotes no full sentence: %q", r.name, r.says)
	}
}

type saying struct{ name, says string }

func allRules() []saying {
	return slices.Concat(sayings(lookupRules), sayings(managedRules()), sayings(useRules), sayings(markerRules), sayings(feedRules))
}

func sayings[S any](rules []rule[S]) (list []saying) {
	for _, r := range rules {
		list = append(list, saying{r.name, r.says})
	}
	return list
}
