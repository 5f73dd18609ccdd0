package apikeytest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/seed-be062aaa/apikey"
)

var managedFaults = []faultRow{
	{"times lose what is below a second", []string{"keeps times", "keeps each field"}, func() fault {
		return fault{create: edit(func(k *apikey.Key) { k.CreatedAt = k.CreatedAt.Truncate(time.Second) })}
	}},
	{"zero times become 1970", []string{"keeps times"}, func() fault {
		return fault{create: edit(func(k *apikey.Key) {
			if k.ExpiresAt.IsZero() {
				k.ExpiresAt = time.Unix(0, 0)
			}
		})}
	}},
	{"texts lose trailing spaces", []string{"keeps texts byte for byte"}, func() fault {
		return fault{create: edit(func(k *apikey.Key) { k.Subject = strings.TrimRight(k.Subject, " ") })}
	}},
	{"permissions are sorted", []string{"keeps permissions and metadata"}, func() fault {
		return fault{create: edit(func(k *apikey.Key) { slices.Sort(k.Permissions) })}
	}},
	{"hints are lost", []string{"keeps each field"}, func() fault {
		return fault{create: edit(func(k *apikey.Key) {
			for i := range k.Credentials {
				k.Credentials[i].Hint = ""
			}
		})}
	}},
	{"Create changes the key passed in", []string{"keeps nothing that is passed in"}, func() fault {
		return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
			defer func() { key.Version++ }()
			return s.Create(ctx, key)
		}}
	}},
	{"Get shares its pointer", []string{"hands out copies everywhere"}, func() fault {
		return fault{get: shared(full.Get)}
	}},
	{"Get finds IDs in either case", []string{"tells IDs apart byte for byte"}, func() fault {
		return fault{get: func(s full, ctx context.Context, id string) (*apikey.Key, error) {
			key, err := s.Get(ctx, id)
			if err != nil {
				return s.Get(ctx, strings.ToLower(id))
			}
			return key, nil
		}}
	}},
	{"Create writes back the whole file that it has read", []string{"works concurrently"}, func() fault {
		return fault{
			create: func(s full, ctx context.Context, key *apikey.Key) error {
				read, err := s.List(ctx, apikey.Query{Limit: 1000})
				if err != nil {
					return err
				}
				pause()
				return writeBack(ctx, s, append(read, key))
			},
			lookup: func(s full, ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
				pause() // in the bubble, readers who never wait leave the others no time
				return s.Lookup(ctx, d)
			},
		}
	}},
}

// edit stores another key than the one passed in.
func edit(f func(*apikey.Key)) func(full, context.Context, *apikey.Key) error {
	return func(s full, ctx context.Context, key *apikey.Key) error {
		c := key.Clone()
		f(c)
		return s.Create(ctx, c)
	}
}

// writeBack makes the keys all that the store holds.
func writeBack(ctx context.Context, s full, keys []*apikey.Key) error {
	stored, err := s.List(ctx, apikey.Query{Limit: 1000})
	if err != nil {
		return err
	}
	for _, key := range stored {
		if err := s.Delete(ctx, key.ID); err != nil {
			return err
		}
	}
	return createAll(ctx, s, keys...)
}
