package apikeytest

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

var updateFaults = []faultRow{
	{"Update leaves empty texts as they were", []string{"Update replaces the key"}, func() fault {
		return fault{update: amend(func(next, stored *apikey.Key) {
			next.Description = cmp.Or(next.Description, stored.Description)
		})}
	}},
	{"Update ignores the Version", []string{"Update refuses another Version", "Update has one winner"}, func() fault {
		return fault{update: amend(func(next, stored *apikey.Key) { next.Version = stored.Version })}
	}},
	{"Update keeps the old credentials", []string{"Update replaces the credentials"}, func() fault {
		return fault{update: amend(func(next, stored *apikey.Key) { next.Credentials = stored.Credentials })}
	}},
	{"Update creates", []string{"Update refuses a missing key"}, func() fault {
		return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
			err := s.Update(ctx, key)
			if errors.Is(err, apikey.ErrNotFound) {
				return s.Create(ctx, key)
			}
			return err
		}}
	}},
	{"Update writes LastUsedAt", []string{"Update keeps CreatedAt and LastUsedAt"}, func() fault {
		return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
			if err := s.Update(ctx, key); err != nil {
				return err
			}
			next, err := s.Get(ctx, key.ID)
			if err != nil {
				return err
			}
			next.LastUsedAt = key.LastUsedAt
			return errors.Join(s.Delete(ctx, key.ID), s.Create(ctx, next))
		}}
	}},
	{"Update has lost its WHERE", []string{"Update leaves other keys alone"}, func() fault {
		return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
			if err := s.Update(ctx, key); err != nil {
				return err
			}
			keys, err := s.List(ctx, apikey.Query{Limit: 1000})
			for _, other := range keys {
				if other.ID != key.ID {
					other.Name = key.Name
					err = errors.Join(err, s.Update(ctx, other))
				}
			}
			return err
		}}
	}},
	{"Update replaces whatever row has the digest", []string{"Update refuses a digest in use"}, func() fault {
		return fault{update: func(s full, ctx context.Context, key *apikey.Key) error {
			for _, c := range key.Credentials {
				holder, err := s.Lookup(ctx, c.Digest)
				if err != nil || holder.ID == key.ID {
					continue
				}
				holder.Credentials = slices.DeleteFunc(holder.Credentials, func(o apikey.Credential) bool { return o.Digest == c.Digest })
				if err := s.Update(ctx, holder); err != nil {
					return err
				}
			}
			return s.Update(ctx, key)
		}}
	}},
}

// amend stores something else than what was passed in, in view of what is stored.
func amend(f func(next, stored *apikey.Key)) func(full, context.Context, *apikey.Key) error {
	return func(s full, ctx context.Context, key *apikey.Key) error {
		stored, err := s.Get(ctx, key.ID)
		if err != nil {
			return err
		}
		next := key.Clone()
		f(next, stored)
		return s.Update(ctx, next)
	}
}
