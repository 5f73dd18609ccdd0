package apikey

import (
	"slices"
	"sync"
)

// keyTraits are what many keys have in common. They are never changed.
type keyTraits struct {
	permissions []Permission
	logging     Logging
}

func traitsOf(key *Key) *keyTraits { return &keyTraits{key.Permissions, key.Logging} }

// maxTraitSets bounds how many are kept; most hosts have a handful.
const maxTraitSets = 1 << 10

// A traitSets keeps the traits of keys, those that are equal once, so that requests
// with one key after another all read the same few lines of memory.
type traitSets struct {
	mu   sync.Mutex
	sets map[traitsName]*keyTraits
}

type traitsName struct {
	permissions string
	logging     Logging
}

// of returns the key's traits.
func (s *traitSets) of(key *Key) *keyTraits {
	name := traitsName{joinPermissions(key.Permissions, " "), key.Logging}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Names are no proof: what a store holds may have spaces in it.
	if known := s.sets[name]; known != nil && slices.Equal(known.permissions, key.Permissions) {
		return known
	}
	if s.sets == nil || len(s.sets) >= maxTraitSets {
		s.sets = map[traitsName]*keyTraits{}
	}
	traits := &keyTraits{slices.Clone(key.Permissions), key.Logging}
	s.sets[name] = traits
	return traits
}
