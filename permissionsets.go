package apikey

import (
	"slices"
	"sync"
)

// maxPermissionSets bounds how many sets are kept; most hosts have a handful.
const maxPermissionSets = 1 << 10

// A permissionSets keeps one copy of the permissions that many keys hold, so that
// requests with one key after another all read the same few lines of memory.
type permissionSets struct {
	mu   sync.Mutex
	sets map[string]*[]Permission
}

// of returns the key's permissions, which nobody changes any more.
func (s *permissionSets) of(key *Key) *[]Permission {
	if len(key.Permissions) == 0 {
		return &key.Permissions
	}
	name := joinPermissions(key.Permissions, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	// Names are no proof: what a store holds may have spaces in it.
	if known := s.sets[name]; known != nil && slices.Equal(*known, key.Permissions) {
		return known
	}
	if s.sets == nil || len(s.sets) >= maxPermissionSets {
		s.sets = map[string]*[]Permission{}
	}
	permissions := slices.Clone(key.Permissions)
	s.sets[name] = &permissions
	return &permissions
}
