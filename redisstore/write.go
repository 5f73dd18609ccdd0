package redisstore

import (
	"context"

	"github.com/seed-be062aaa/apikey"
)

// Create implements [apikey.ManagedStore].
func (s *Store) Create(ctx context.Context, key *apikey.Key) error {
	const doing = "creating a key"
	record, err := encode(key)
	if err != nil {
		return failed(doing, err)
	}
	return s.change(ctx, doing, createScript, s.channel, key.ID, record)
}

// Update implements [apikey.ManagedStore].
func (s *Store) Update(ctx context.Context, key *apikey.Key) error {
	const doing = "updating a key"
	next := *key
	next.Version++
	record, err := encode(&next)
	if err != nil {
		return failed(doing, err)
	}
	return s.change(ctx, doing, updateScript, s.channel, key.ID, record, version(key.Version))
}

// Delete implements [apikey.ManagedStore].
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.change(ctx, "deleting a key", deleteScript, s.channel, id)
}

// RecordUses implements [apikey.UseRecorder], in batches: where it fails, some
// uses may have been recorded, which does no harm when it is tried again.
func (s *Store) RecordUses(ctx context.Context, uses []apikey.Use) error {
	for len(uses) > 0 {
		n := min(batch, len(uses))
		args := append(make([]any, 0, 1+4*n), s.channel)
		for _, use := range uses[:n] {
			var from, to []byte
			if use.To != (apikey.Digest{}) {
				from, to = use.From[:], use.To[:]
			}
			args = append(args, use.KeyID, appendTime(nil, use.At), from, to)
		}
		if err := s.change(ctx, "recording uses", usesScript, args...); err != nil {
			return err
		}
		uses = uses[n:]
	}
	return nil
}
