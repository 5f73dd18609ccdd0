package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/seed-be062aaa/apikey"
)

// Marker implements [apikey.MarkerStore].
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	var marker []byte
	err := s.reads.QueryRowContext(ctx, s.text.marker).Scan(&marker)
	if err != nil && !missing(err) {
		return nil, fmt.Errorf("sqlstore: reading the marker: %w", err)
	}
	return marker, nil
}

// SwapMarker implements [apikey.MarkerStore]. A nil next removes the marker.
func (s *Store) SwapMarker(ctx context.Context, old, next []byte) error {
	return s.inTx(ctx, "swapping the marker", func(tx *sql.Tx) error {
		if old != nil {
			// Deleted and inserted anew, for an UPDATE to what is there already
			// may count as changing nothing.
			was, err := changed(tx.ExecContext(ctx, s.text.deleteMarkerWas, old))
			if err != nil {
				return err
			}
			if !was {
				return apikey.ErrConflict
			}
		}
		if next == nil {
			return nil
		}
		return s.insert(ctx, tx, apikey.ErrConflict, s.text.insertMarker, next)
	})
}
