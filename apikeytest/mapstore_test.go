package apikeytest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-be062aaa/apikey"
)

// A mapStore keeps the contract in the plainest way, so that a rule that it
// breaks is a wrong rule.
type mapStore struct {
	mu     sync.Mutex
	keys   map[string]*apikey.Key
	marker []byte
	feeds  []chan string
}

func newMapStore() *mapStore { return &mapStore{keys: map[string]*apikey.Key{}} }

// holder returns the key that has the digest, or nil.
func (s *mapStore) holder(d apikey.Digest) *apikey.Key {
	for _, key := range s.keys {
		if hasDigest(key, d) {
			return key
		}
	}
	return nil
}

func (s *mapStore) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := s.holder(d)
	if key == nil {
		return nil, fmt.Errorf("map: %w", apikey.ErrNotFound)
	}
	return key.Clone(), nil
}

func (s *mapStore) Create(_ context.Context, key *apikey.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[key.ID] != nil {
		return apikey.ErrExists
	}
	if s.taken(key) {
		return apikey.ErrInUse
	}
	s.keys[key.ID] = key.Clone()
	s.tell(key.ID)
	return nil
}

// Watch keeps what a rule may change meanwhile.
func (s *mapStore) Watch(ctx context.Context, changed func(id string)) error {
	ids := make(chan string, 1000)
	s.mu.Lock()
	s.feeds = append(s.feeds, ids)
	s.mu.Unlock()
	changed("")
	for {
		select {
		case id := <-ids:
			changed(id)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell tells of a change to whoever has ever watched. The caller holds mu.
func (s *mapStore) tell(id string) {
	for _, ids := range s.feeds {
		ids <- id
	}
}

func (s *mapStore) taken(key *apikey.Key) bool {
	seen := map[apikey.Digest]bool{}
	for _, c := range key.Credentials {
		holder := s.holder(c.Digest)
		if seen[c.Digest] || holder != nil && holder.ID != key.ID {
			return true
		}
		seen[c.Digest] = true
	}
	return false
}

func (s *mapStore) Get(_ context.Context, id string) (*apikey.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.keys[id]; key != nil {
		return key.Clone(), nil
	}
	return nil, apikey.ErrNotFound
}

func (s *mapStore) List(_ context.Context, q apikey.Query) ([]*apikey.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*apikey.Key
	for id, key := range s.keys {
		texts := key.ID + "\x00" + key.Name + "\x00" + key.Description + "\x00" + key.Subject
		if (q.After == "" || id < q.After) && strings.Contains(foldASCII(texts), foldASCII(q.Search)) {
			list = append(list, key.Clone())
		}
	}
	slices.SortFunc(list, func(a, b *apikey.Key) int { return strings.Compare(b.ID, a.ID) })
	return list[:min(len(list), q.Limit)], nil
}

func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func (s *mapStore) Update(_ context.Context, key *apikey.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.keys[key.ID]
	switch {
	case stored == nil:
		return apikey.ErrNotFound
	case stored.Version != key.Version:
		return apikey.ErrConflict
	case s.taken(key):
		return apikey.ErrInUse
	}
	next := key.Clone()
	next.Version++
	next.CreatedAt, next.LastUsedAt = stored.CreatedAt, stored.LastUsedAt
	s.keys[key.ID] = next
	s.tell(key.ID)
	return nil
}

func (s *mapStore) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
	s.tell(id)
	return nil
}

func (s *mapStore) RecordUses(_ context.Context, uses []apikey.Use) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range uses {
		key := s.keys[u.KeyID]
		if key == nil || !key.RevokedAt.IsZero() {
			continue
		}
		if u.At.After(key.LastUsedAt) {
			key.LastUsedAt = u.At
		}
		at := slices.IndexFunc(key.Credentials, func(c apikey.Credential) bool { return c.Digest == u.From })
		if at >= 0 && u.To != (apikey.Digest{}) && s.holder(u.To) == nil {
			key.Credentials[at].Digest = u.To
		}
	}
	return nil
}

func (s *mapStore) Marker(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.marker), nil
}

func (s *mapStore) SwapMarker(_ context.Context, old, next []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Equal(s.marker, old) {
		return apikey.ErrConflict
	}
	s.marker = bytes.Clone(next)
	return nil
}
