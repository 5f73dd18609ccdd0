package apikey

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-be062aaa/apikey/internal/ascii"
)

// A MemoryStore is a [ManagedStore] that keeps its keys in memory and forgets
// them when the process ends: for tests, and for servers that make their keys
// anew at each start. It holds a million keys with ease. Lookups take no lock
// and never wait for a change in progress. [NewMemoryStore] makes one, which is safe for
// concurrent use.
type MemoryStore struct {
	table atomic.Pointer[digestTable] // replaced only with mu held

	traits traitSets

	mu     sync.RWMutex
	keys   map[string]*Key // what a pointer here leads to is never changed
	ids    []string        // the IDs in keys, sorted
	marker []byte
}

var (
	_ ManagedStore = (*MemoryStore)(nil)
	_ UseRecorder  = (*MemoryStore)(nil)
	_ MarkerStore  = (*MemoryStore)(nil)
)

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	s := &MemoryStore{keys: map[string]*Key{}}
	s.table.Store(newDigestTable(0))
	return s
}

// Lookup implements [Store].
func (s *MemoryStore) Lookup(ctx context.Context, digest Digest) (*Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found := s.find(&digest)
	if found == nil {
		return nil, ErrNotFound
	}
	return found.key.Clone(), nil
}

// find returns the store's own copy, which the caller must not change, or nil.
func (s *MemoryStore) find(digest *Digest) *heldKey {
	return s.table.Load().find(digest)
}

// Create implements [ManagedStore].
func (s *MemoryStore) Create(ctx context.Context, key *Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[key.ID] != nil {
		return ErrExists
	}
	if s.inUse(key) {
		return ErrInUse
	}
	at, _ := slices.BinarySearch(s.ids, key.ID)
	s.ids = slices.Insert(s.ids, at, key.ID)
	s.put(nil, key.Clone())
	return nil
}

// Get implements [ManagedStore].
func (s *MemoryStore) Get(ctx context.Context, id string) (*Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	key := s.keys[id]
	if key == nil {
		return nil, ErrNotFound
	}
	return key.Clone(), nil
}

// List implements [ManagedStore].
func (s *MemoryStore) List(ctx context.Context, q Query) ([]*Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	end := len(s.ids)
	if q.After != "" {
		end, _ = slices.BinarySearch(s.ids, q.After)
	}
	var page []*Key
	search := ascii.Lower(q.Search)
	for _, id := range slices.Backward(s.ids[:end]) {
		if len(page) >= q.Limit {
			break
		}
		if key := s.keys[id]; key.contains(search) {
			page = append(page, key.Clone())
		}
	}
	return page, nil
}

// contains reports whether a text of the key contains search, which is in lower
// case.
func (k *Key) contains(search string) bool {
	if search == "" {
		return true
	}
	for _, text := range [...]string{k.ID, k.Name, k.Description, k.Subject} {
		if strings.Contains(ascii.Lower(text), search) {
			return true
		}
	}
	return false
}

// Update implements [ManagedStore].
func (s *MemoryStore) Update(ctx context.Context, key *Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.keys[key.ID]
	switch {
	case stored == nil:
		return ErrNotFound
	case stored.Version != key.Version:
		return ErrConflict
	case s.inUse(key):
		return ErrInUse
	}
	next := key.Clone()
	next.Version++
	next.CreatedAt, next.LastUsedAt = stored.CreatedAt, stored.LastUsedAt
	s.put(stored, next)
	return nil
}

// Delete implements [ManagedStore].
func (s *MemoryStore) Delete(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored := s.keys[id]; stored != nil {
		at, _ := slices.BinarySearch(s.ids, id)
		s.ids = slices.Delete(s.ids, at, at+1)
		s.put(stored, nil)
	}
	return nil
}

// RecordUses implements [UseRecorder].
func (s *MemoryStore) RecordUses(ctx context.Context, uses []Use) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, use := range uses {
		stored := s.keys[use.KeyID]
		if stored == nil || !stored.RevokedAt.IsZero() {
			continue
		}
		next := stored.Clone()
		if use.At.After(next.LastUsedAt) {
			next.LastUsedAt = use.At
		}
		if c := next.credential(use.From); c != nil && use.To != (Digest{}) && s.find(&use.To) == nil {
			c.Digest = use.To
		}
		s.put(stored, next)
	}
	return nil
}

// Marker implements [MarkerStore].
func (s *MemoryStore) Marker(context.Context) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return bytes.Clone(s.marker), nil
}

// SwapMarker implements [MarkerStore].
func (s *MemoryStore) SwapMarker(_ context.Context, old, next []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Equal(s.marker, old) {
		return fmt.Errorf("%w: another marker is set", ErrConflict)
	}
	s.marker = bytes.Clone(next)
	return nil
}

// inUse reports whether a key other than this one has one of its digests. The
// caller holds mu.
func (s *MemoryStore) inUse(key *Key) bool {
	for i, c := range key.Credentials {
		if other := s.find(&c.Digest); other != nil && other.key.ID != key.ID {
			return true
		}
		if slices.ContainsFunc(key.Credentials[:i], func(o Credential) bool { return o.Digest == c.Digest }) {
			return true
		}
	}
	return false
}

// put replaces the stored key by next; either may be nil. New digests come in
// before old ones go, so that a credential that stays is never missed. The
// caller holds mu.
func (s *MemoryStore) put(stored, next *Key) {
	if next != nil {
		traits := s.traits.of(next)
		if len(next.Permissions) > 0 {
			next.Permissions = traits.permissions // one copy for all who hold the same
		}
		s.keys[next.ID] = next
		for _, c := range next.Credentials {
			s.table.Store(s.table.Load().set(c.Digest, next, traits))
		}
	} else {
		delete(s.keys, stored.ID)
	}
	if stored == nil {
		return
	}
	for _, c := range stored.Credentials {
		if next == nil || next.credential(c.Digest) == nil {
			s.table.Load().remove(&c.Digest)
		}
	}
}
