package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-be062aaa/apikey"
)

// batch is how many keys one script works on, so that Redis, which does nothing
// else meanwhile, answers lookups again within a few milliseconds.
const batch = 250

var errOtherNumber = errors.New("HMGET returned another number of values than was asked for")

// Lookup implements [apikey.Store].
func (s *Store) Lookup(ctx context.Context, digest apikey.Digest) (*apikey.Key, error) {
	return s.read(ctx, "looking a key up", "d:"+string(digest[:]))
}

// Get implements [apikey.ManagedStore].
func (s *Store) Get(ctx context.Context, id string) (*apikey.Key, error) {
	return s.read(ctx, "getting a key", "k:"+id)
}

func (s *Store) read(ctx context.Context, doing, name string) (*apikey.Key, error) {
	record, found, err := s.field(ctx, name)
	if err != nil {
		return nil, failed(doing, err)
	}
	if !found {
		return nil, apikey.ErrNotFound
	}
	key, err := decode(record)
	if err != nil {
		return nil, failed(doing, err)
	}
	return key, nil
}

// field reads a field of the store, together with its identity: a command rather
// than a script, for it costs Redis a quarter as much.
func (s *Store) field(ctx context.Context, name string) (value string, found bool, err error) {
	values, err := s.client.HMGet(ctx, s.keys, identityField, name).Result()
	switch {
	case err != nil:
		return "", false, err
	case len(values) != 2:
		return "", false, errOtherNumber
	case values[0] != s.identity:
		return "", false, lost(values[0])
	case values[1] == nil:
		return "", false, nil
	}
	value, found = values[1].(string)
	return value, found, nil
}

// List implements [apikey.ManagedStore]. It reads keys in batches until the page
// is full, and searches in this process, not in Redis.
func (s *Store) List(ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
	var page []*apikey.Key
	search := lower(q.Search)
	for after := q.After; len(page) < q.Limit; {
		size := batch
		if search == "" {
			size = min(batch, q.Limit-len(page))
		}
		keys, err := s.listBatch(ctx, after, size)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if len(page) < q.Limit && contains(key, search) {
				page = append(page, key)
			}
		}
		if len(keys) < size {
			break
		}
		after = keys[size-1].ID
	}
	return page, nil
}

func (s *Store) listBatch(ctx context.Context, after string, size int) ([]*apikey.Key, error) {
	const doing = "listing keys"
	first := "+"
	if after != "" {
		first = "(" + after
	}
	answer, err := s.run(ctx, doing, listScript, first, size)
	if err != nil {
		return nil, err
	}
	records, _ := answer.([]any)
	keys := make([]*apikey.Key, len(records))
	for i := range records {
		record, _ := records[i].(string)
		if keys[i], err = decode(record); err != nil {
			return nil, fmt.Errorf("redisstore: %s: %w", doing, err)
		}
	}
	return keys, nil
}

// contains reports whether a text of the key contains search, which is in lower
// case.
func contains(key *apikey.Key, search string) bool {
	for _, text := range [...]string{key.ID, key.Name, key.Description, key.Subject} {
		if strings.Contains(lower(text), search) {
			return true
		}
	}
	return false
}

// lower returns text with its ASCII capitals made small, and no other letters.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}
