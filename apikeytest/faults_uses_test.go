package apikeytest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-be062aaa/apikey"
)

var useFaults = []faultRow{
	{"RecordUses loses what is below a millisecond", []string{"RecordUses sets LastUsedAt"}, func() fault {
		return fault{record: reword(func(_ context.Context, _ full, u *apikey.Use) { u.At = u.At.Truncate(time.Millisecond) })}
	}},
	{"RecordUses goes back", []string{"RecordUses never goes back"}, func() fault {
		return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
			return overwrite(ctx, s, uses)
		}}
	}},
	{"RecordUses creates keys", []string{"RecordUses never creates a key"}, func() fault {
		return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
			for _, u := range uses {
				_ = s.Create(ctx, newKey(u.KeyID))
			}
			return s.RecordUses(ctx, uses)
		}}
	}},
	{"RecordUses does not look at RevokedAt", []string{"RecordUses leaves revoked keys alone"}, func() fault {
		return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
			ofRevoked := slices.DeleteFunc(slices.Clone(uses), func(u apikey.Use) bool {
				key, err := s.Get(ctx, u.KeyID)
				return err != nil || key.RevokedAt.IsZero()
			})
			return errors.Join(s.RecordUses(ctx, uses), overwrite(ctx, s, ofRevoked))
		}}
	}},
	{"RecordUses writes back the whole key that it has read", []string{"RecordUses and Update spare each other"}, func() fault {
		return fault{
			record: func(s full, ctx context.Context, uses []apikey.Use) error {
				return overwrite(ctx, s, uses)
			},
			update: func(s full, ctx context.Context, key *apikey.Key) error {
				pause() // so that neither is done before the other has begun
				return s.Update(ctx, key)
			},
		}
	}},
	{"RecordUses gives up at the first that does not apply", []string{"RecordUses passes over what does not apply"}, func() fault {
		return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
			for i, u := range uses {
				if _, err := s.Lookup(ctx, u.To); err == nil {
					return s.RecordUses(ctx, uses[:i])
				}
			}
			return s.RecordUses(ctx, uses)
		}}
	}},
	{"RecordUses takes 500 at most", []string{"RecordUses takes large batches"}, func() fault {
		return fault{record: func(s full, ctx context.Context, uses []apikey.Use) error {
			return s.RecordUses(ctx, uses[:min(500, len(uses))])
		}}
	}},
	{"RecordUses moves nothing", []string{"RecordUses moves a credential"}, func() fault {
		return fault{record: reword(func(_ context.Context, _ full, u *apikey.Use) { u.To = apikey.Digest{} })}
	}},
	{"RecordUses moves a digest from whatever key has it", []string{"RecordUses moves only what is there"}, func() fault {
		return fault{record: reword(func(ctx context.Context, s full, u *apikey.Use) {
			if holder, err := s.Lookup(ctx, u.From); err == nil {
				u.KeyID = holder.ID
			}
		})}
	}},
}

// reword records other uses than those passed in.
func reword(f func(context.Context, full, *apikey.Use)) func(full, context.Context, []apikey.Use) error {
	return func(s full, ctx context.Context, uses []apikey.Use) error {
		uses = slices.Clone(uses)
		for i := range uses {
			f(ctx, s, &uses[i])
		}
		return s.RecordUses(ctx, uses)
	}
}

// overwrite records uses by reading keys and writing them back, whatever they are
// like and whoever has changed them meanwhile.
func overwrite(ctx context.Context, s full, uses []apikey.Use) error {
	for _, u := range uses {
		key, err := s.Get(ctx, u.KeyID)
		if err != nil {
			continue
		}
		pause()
		key.LastUsedAt = u.At
		if err := errors.Join(s.Delete(ctx, key.ID), s.Create(ctx, key)); err != nil {
			return err
		}
	}
	return nil
}
