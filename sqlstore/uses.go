package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

// RecordUses implements [apikey.UseRecorder], in one transaction.
func (s *Store) RecordUses(ctx context.Context, uses []apikey.Use) error {
	if len(uses) == 0 {
		return nil
	}
	// In one order for all, so that batches of several processes wait for each
	// other's rows instead of deadlocking.
	uses = slices.SortedStableFunc(slices.Values(uses), func(a, b apikey.Use) int {
		return cmp.Compare(a.KeyID, b.KeyID)
	})
	return s.inTx(ctx, "recording uses", func(tx *sql.Tx) error {
		use, err := tx.PrepareContext(ctx, s.text.use)
		if err != nil {
			return err
		}
		defer func() { _ = use.Close() }() // the transaction closes it too
		for _, u := range uses {
			if _, err := use.ExecContext(ctx, instant(u.At), u.KeyID, instant(u.At)); err != nil {
				return err
			}
			if err := s.move(ctx, tx, u); err != nil {
				return err
			}
		}
		return nil
	})
}

// move gives a credential its new digest where the use asks for it and the
// digest is free.
func (s *Store) move(ctx context.Context, tx *sql.Tx, u apikey.Use) error {
	if u.To == (apikey.Digest{}) {
		return nil
	}
	var one int
	err := tx.QueryRowContext(ctx, s.text.movable, u.KeyID, u.To[:]).Scan(&one)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.insert(ctx, tx, apikey.ErrInUse, s.text.move, u.To[:], u.KeyID, u.From[:])
}
