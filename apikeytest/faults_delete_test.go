package apikeytest

import (
	"context"
)

var deleteFaults = []faultRow{
	{"Delete of a missing key is ErrNotFound", []string{"Delete of a missing key is no error"}, func() fault {
		return fault{delete: func(s full, ctx context.Context, id string) error {
			if _, err := s.Get(ctx, id); err != nil {
				return err
			}
			return s.Delete(ctx, id)
		}}
	}},
	{"Delete only revokes", []string{"Delete removes the key", "Delete frees the digests"}, func() fault {
		return fault{delete: func(s full, ctx context.Context, id string) error {
			key, err := s.Get(ctx, id)
			if err != nil {
				return nil
			}
			key.RevokedAt = epoch
			return s.Update(ctx, key)
		}}
	}},
}
