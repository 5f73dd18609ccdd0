package apikeytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-be062aaa/apikey"
)

var lookupFaults = []faultRow{
	{"Lookup knows a key's newest text alone", []string{"finds each known digest"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			return firstOf(ctx, s, d, func(k *apikey.Key, d apikey.Digest) bool { return k.Credentials[0].Digest == d })
		}}
	}},
	{"Lookup leaves the credentials out", []string{"finds each known digest"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			key, err := s.Lookup(ctx, d)
			if err != nil {
				return nil, err
			}
			key.Credentials = nil
			return key, nil
		}}
	}},
	{"Lookup returns nil and nil", []string{"never returns nil and nil"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			key, err := s.Lookup(ctx, d)
			if errors.Is(err, apikey.ErrNotFound) {
				return nil, nil
			}
			return key, err
		}}
	}},
	{"Lookup shares its pointer", []string{"hands out copies"}, func() fault {
		return fault{lookup: shared(full.Lookup)}
	}},
	{"all lookups bind the parameter of one statement", []string{"looks up concurrently"}, func() fault {
		var parameter atomic.Pointer[apikey.Digest]
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			parameter.Store(&d)
			pause()
			return s.Lookup(ctx, *parameter.Load())
		}}
	}},
	{"Lookup has an error of its own for unknown digests", []string{"says ErrNotFound for an unknown digest"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			key, err := s.Lookup(ctx, d)
			if err != nil {
				return nil, errors.New("no rows in result set")
			}
			return key, nil
		}}
	}},
	{"what cannot be told is ErrNotFound", []string{"returns soon after its context is done"}, func() fault {
		return fault{
			lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if err != nil {
					return nil, apikey.ErrNotFound
				}
				return key, nil
			},
			get: func(s full, ctx context.Context, id string) (*apikey.Key, error) {
				if ctx.Err() != nil {
					return nil, apikey.ErrNotFound
				}
				return s.Get(ctx, id)
			},
		}
	}},
	{"Lookup compares all but the last byte", []string{"compares every bit", "tells like digests apart"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			return firstOf(ctx, s, d, func(k *apikey.Key, d apikey.Digest) bool {
				return slices.ContainsFunc(k.Credentials, func(c apikey.Credential) bool {
					return bytes.Equal(c.Digest[:31], d[:31])
				})
			})
		}}
	}},
	{"Lookup folds case", []string{"tells like digests apart"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			return firstOf(ctx, s, d, func(k *apikey.Key, d apikey.Digest) bool {
				return slices.ContainsFunc(k.Credentials, func(c apikey.Credential) bool {
					return foldASCII(string(c.Digest[:])) == foldASCII(string(d[:]))
				})
			})
		}}
	}},
	{"Lookup hides revoked keys", []string{"finds keys in any state"}, func() fault {
		return fault{lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
			key, err := s.Lookup(ctx, d)
			if err == nil && !key.RevokedAt.IsZero() {
				return nil, apikey.ErrNotFound
			}
			return key, err
		}}
	}},
	{"errors spell the digest", []string{"names no digest in errors"}, func() fault {
		return fault{
			lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				key, err := s.Lookup(ctx, d)
				if err != nil {
					return nil, fmt.Errorf("select … where digest = x'%x': %w", d[:], err)
				}
				return key, nil
			},
			create: func(s full, ctx context.Context, key *apikey.Key) error {
				err := s.Create(ctx, key)
				if err != nil {
					return fmt.Errorf("duplicate entry '%x': %w", key.Credentials[0].Digest[:], err)
				}
				return nil
			},
		}
	}},
}

// firstOf looks up by a comparison of its own.
func firstOf(ctx context.Context, s full, d apikey.Digest, match func(*apikey.Key, apikey.Digest) bool) (*apikey.Key, error) {
	keys, err := s.List(ctx, apikey.Query{Limit: 1000})
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if match(key, d) {
			return key, nil
		}
	}
	return nil, apikey.ErrNotFound
}

// shared reads a key once and hands out the same pointer ever after, as a store
// does that hands out its own memory.
func shared[K comparable](read func(full, context.Context, K) (*apikey.Key, error)) func(full, context.Context, K) (*apikey.Key, error) {
	var mu sync.Mutex
	kept := map[K]*apikey.Key{}
	return func(s full, ctx context.Context, by K) (*apikey.Key, error) {
		mu.Lock()
		defer mu.Unlock()
		if kept[by] == nil {
			key, err := read(s, ctx, by)
			if err != nil {
				return nil, err
			}
			kept[by] = key
		}
		return kept[by], nil
	}
}
