package sqlstore

import (
	"context"
	"database/sql"

	"github.com/seed-be062aaa/apikey"
)

// Create implements [apikey.ManagedStore].
func (s *Store) Create(ctx context.Context, key *apikey.Key) error {
	return s.inTx(ctx, "creating a key", func(tx *sql.Tx) error {
		args, err := state(key)
		if err != nil {
			return err
		}
		args = append(args, instant(key.CreatedAt), instant(key.LastUsedAt), key.ID, key.Version)
		if err := s.insert(ctx, tx, apikey.ErrExists, s.text.insertKey, args...); err != nil {
			return err
		}
		if err := s.insertCredentials(ctx, tx, key); err != nil {
			return err
		}
		return s.noteChange(ctx, tx, key.ID)
	})
}

// Update implements [apikey.ManagedStore].
func (s *Store) Update(ctx context.Context, key *apikey.Key) error {
	return s.inTx(ctx, "updating a key", func(tx *sql.Tx) error {
		args, err := state(key)
		if err != nil {
			return err
		}
		updated, err := changed(tx.ExecContext(ctx, s.text.updateKey, append(args, key.ID, key.Version)...))
		if err != nil {
			return err
		}
		if !updated {
			return s.whyNot(ctx, tx, key.ID)
		}
		if _, err := tx.ExecContext(ctx, s.text.deleteCredentials, key.ID); err != nil {
			return err
		}
		if err := s.insertCredentials(ctx, tx, key); err != nil {
			return err
		}
		return s.noteChange(ctx, tx, key.ID)
	})
}

// whyNot returns why no key has the ID and the version that were asked for.
func (s *Store) whyNot(ctx context.Context, tx *sql.Tx, id string) error {
	var one int
	err := tx.QueryRowContext(ctx, s.text.hasKey, id).Scan(&one)
	switch {
	case err == nil:
		return apikey.ErrConflict
	case missing(err):
		return apikey.ErrNotFound
	}
	return err
}

func (s *Store) insertCredentials(ctx context.Context, tx *sql.Tx, key *apikey.Key) error {
	for position, c := range key.Credentials {
		// The key's own credentials are not there yet or no longer, so it is the
		// digest that is taken, not the position.
		if err := s.insert(
			ctx, tx, apikey.ErrInUse, s.text.insertCredential,
			key.ID, position, c.Digest[:], c.Hint, c.Weak, instant(c.CreatedAt), instant(c.ExpiresAt),
		); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements [apikey.ManagedStore].
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.inTx(ctx, "deleting a key", func(tx *sql.Tx) error {
		deleted, err := changed(tx.ExecContext(ctx, s.text.deleteKey, id))
		if err != nil {
			return err
		}
		// The foreign key has done this already, unless the host's handle does not
		// enforce it. A credential left behind would occupy its digest.
		if _, err := tx.ExecContext(ctx, s.text.deleteCredentials, id); err != nil || !deleted {
			return err
		}
		return s.noteChange(ctx, tx, id)
	})
}
