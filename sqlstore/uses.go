package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/seed-be062aaa/apikey"
)

// usesPerTx bounds how long a batch holds on to a key: whoever revokes it waits.
const usesPerTx = 100

// RecordUses implements [apikey.UseRecorder], in transactions of 100 uses each.
// After an error some of them are recorded.
func (s *Store) RecordUses(ctx context.Context, uses []apikey.Use) error {
	// In one order for all, so that batches of several processes wait for each
	// other's rows instead of deadlocking.
	uses = slices.SortedStableFunc(slices.Values(uses), func(a, b apikey.Use) int {
		return cmp.Compare(a.KeyID, b.KeyID)
	})
	for some := range slices.Chunk(uses, usesPerTx) {
		if err := s.inTx(ctx, "recording uses", func(tx *sql.Tx) error {
			return s.recordUses(ctx, tx, some)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) recordUses(ctx context.Context, tx *sql.Tx, uses []apikey.Use) error {
	use, err := s.dialect.prepare(ctx, tx, s.text.use)
	if err != nil {
		return err
	}
	defer func() { _ = use.close() }() // the transaction closes it too
	for _, u := range uses {
		if _, err := use.exec(ctx, instant(u.At), u.KeyID, instant(u.At)); err != nil {
			return err
		}
		if err := s.move(ctx, tx, u); err != nil {
			return err
		}
	}
	return nil
}

// move gives a credential its new digest where the use asks for it and the
// digest is free. Where another transaction takes it meanwhile, all is run again,
// to find it taken.
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
	return s.insert(ctx, tx, errOvertaken, s.text.move, u.To[:], u.KeyID, u.From[:])
}
