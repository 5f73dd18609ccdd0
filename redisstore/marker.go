package redisstore

import (
	"context"
)

const markerField = "marker"

// Marker implements [apikey.MarkerStore].
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	const doing = "reading the marker"
	stored, found, err := s.field(ctx, markerField)
	switch {
	case err != nil:
		return nil, failed(doing, err)
	case !found:
		return nil, nil
	case len(stored) < nonceBytes:
		return nil, failed(doing, errDamaged)
	}
	return []byte(stored[nonceBytes:]), nil
}

// SwapMarker implements [apikey.MarkerStore].
func (s *Store) SwapMarker(ctx context.Context, old, next []byte) error {
	was := ""
	if old != nil {
		was = "+" + string(old)
	}
	return s.change(ctx, "swapping the marker", swapScript, was, next, newNonce())
}
