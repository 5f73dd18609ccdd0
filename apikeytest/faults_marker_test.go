package apikeytest

import (
	"context"
	"strings"
	"sync/atomic"
)

var markerFaults = []faultRow{
	{"Marker is empty where none was set", []string{"Marker is nil at first"}, func() fault {
		return fault{marker: func(s full, ctx context.Context) ([]byte, error) {
			marker, err := s.Marker(ctx)
			return append([]byte{}, marker...), err
		}}
	}},
	{"Marker loses its zeros", []string{"SwapMarker sets and replaces"}, func() fault {
		return fault{swap: func(s full, ctx context.Context, old, next []byte) error {
			return s.SwapMarker(ctx, old, []byte(strings.TrimRight(string(next), "\x00")))
		}}
	}},
	{"SwapMarker always swaps", []string{"SwapMarker refuses another marker", "SwapMarker has one winner"}, func() fault {
		return fault{swap: func(s full, ctx context.Context, _, next []byte) error {
			old, err := s.Marker(ctx)
			if err != nil {
				return err
			}
			return s.SwapMarker(ctx, old, next)
		}}
	}},
	{"SwapMarker keeps the bytes passed in", []string{"Marker is a copy"}, func() fault {
		var kept atomic.Pointer[[]byte]
		return fault{
			swap: func(s full, ctx context.Context, old, next []byte) error {
				err := s.SwapMarker(ctx, old, next)
				if err == nil {
					kept.Store(&next)
				}
				return err
			},
			marker: func(s full, ctx context.Context) ([]byte, error) {
				if marker := kept.Load(); marker != nil {
					return *marker, nil
				}
				return s.Marker(ctx)
			},
		}
	}},
}
