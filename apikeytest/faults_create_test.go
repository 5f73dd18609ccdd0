package apikeytest

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

var createFaults = []faultRow{
	{"Create overwrites", []string{"Create refuses a taken ID"}, func() fault {
		return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
			err := s.Create(ctx, key)
			if errors.Is(err, apikey.ErrExists) {
				return errors.Join(s.Delete(ctx, key.ID), s.Create(ctx, key))
			}
			return err
		}}
	}},
	{"Create confuses its errors", []string{"Create refuses a digest in use", "Create stores all of a key or nothing"}, func() fault {
		return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
			err := s.Create(ctx, key)
			if errors.Is(err, apikey.ErrInUse) {
				return apikey.ErrExists
			}
			return err
		}}
	}},
	{"Create takes twins for one", []string{"Create refuses one digest twice"}, func() fault {
		return fault{create: edit(func(k *apikey.Key) {
			k.Credentials = slices.CompactFunc(k.Credentials, func(a, b apikey.Credential) bool { return a.Digest == b.Digest })
		})}
	}},
	{"Create looks first, and then inserts or does nothing", []string{"Create has one winner"}, func() fault {
		return fault{create: func(s full, ctx context.Context, key *apikey.Key) error {
			if _, err := s.Get(ctx, key.ID); err == nil {
				return apikey.ErrExists
			}
			if _, err := s.Lookup(ctx, key.Credentials[0].Digest); err == nil {
				return apikey.ErrInUse
			}
			pause()
			_ = s.Create(ctx, key)
			return nil
		}}
	}},
}
