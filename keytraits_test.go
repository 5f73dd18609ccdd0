package apikey

import (
	"fmt"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysThatAreAlikeShareTheirTraits(t *testing.T) {
	rows := []struct {
		name     string
		one, two []Permission
		share    bool
	}{
		{"the same", []Permission{JobsView, Variables}, []Permission{JobsView, Variables}, true},
		{"another order", []Permission{JobsView, Variables}, []Permission{Variables, JobsView}, false},
		{"one more", []Permission{JobsView}, []Permission{JobsView, Variables}, false},
		{"names that look alike when joined", []Permission{"a b"}, []Permission{"a", "b"}, false},
		{"none", nil, nil, true},
		{"none, and an empty list", nil, []Permission{}, true},
	}
	for _, row := range rows {
		var sets traitSets
		one, two := sets.of(&Key{Permissions: row.one}), sets.of(&Key{Permissions: row.two})
		assert.ElementsMatch(t, row.one, one.permissions, row.name)
		assert.ElementsMatch(t, row.two, two.permissions, row.name)
		assert.Equal(t, row.share, one == two, row.name)
		logged := sets.of(&Key{Permissions: row.one, Logging: LogBoth})
		assert.NotSame(t, one, logged, row.name)
		assert.Equal(t, LogBoth, logged.logging, row.name)
		assert.Equal(t, LogNone, one.logging, row.name)
	}
}

// What a store handed out may be changed by it, which must not change what others hold.
func TestSharedTraitsAreACopy(t *testing.T) {
	var sets traitSets
	key := &Key{Permissions: []Permission{JobsView}}
	shared := sets.of(key)
	key.Permissions[0] = Native
	assert.Equal(t, []Permission{JobsView}, shared.permissions)
	assert.Same(t, shared, sets.of(&Key{Permissions: []Permission{JobsView}}))
}

func TestTraitSetsAreBounded(t *testing.T) {
	var sets traitSets
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 2 * maxTraitSets {
				want := []Permission{Permission(fmt.Sprint("p", worker, "-", i))}
				if got := sets.of(&Key{Permissions: want}).permissions; got[0] != want[0] {
					t.Error(got, want)
				}
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, len(sets.sets), maxTraitSets)
}

// Keys in memory are told apart and judged by one line of a processor's cache each.
func TestWhatARequestReadsOfAKeyIsOneLine(t *testing.T) {
	assert.EqualValues(t, 64, unsafe.Sizeof(digestSlot{}))
}
