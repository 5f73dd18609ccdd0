package apikeytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/seed-be062aaa/apikey"
)

const (
	saysMarker = "Marker returns the marker, or nil where none was ever set."
	saysSwap   = "SwapMarker sets the marker to next if it still is old, nil for none. The error wraps ErrConflict " +
		"where it is not."
)

var markerRules = []rule[apikey.MarkerStore]{
	{"Marker is nil at first", saysMarker, markerIsNilAtFirst},
	{"SwapMarker sets and replaces", saysSwap, swapSets},
	{"SwapMarker refuses another marker", saysSwap, swapRefuses},
	{"SwapMarker has one winner", saysSwap, swapHasOneWinner},
	{"Marker is a copy", saysMarker, markerIsCopy},
}

// markers are of the most bytes, and such as text columns spoil.
var markers = [][]byte{
	make([]byte, 64),
	append(bytes.Repeat([]byte{0xff}, 63), ' '),
	[]byte("short\x00"),
	[]byte("short"),
	[]byte("SHORT"),
}

func marked(ctx context.Context, store apikey.MarkerStore, want []byte) error {
	got, err := store.Marker(ctx)
	if err != nil {
		return fmt.Errorf("Marker: %w", err)
	}
	if !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		return fmt.Errorf("Marker returned %#v, want %#v", got, want)
	}
	return nil
}

func swap(ctx context.Context, store apikey.MarkerStore, old, next []byte) error {
	if err := store.SwapMarker(ctx, old, next); err != nil {
		return fmt.Errorf("SwapMarker from %q to %q: %w", old, next, err)
	}
	return marked(ctx, store, next)
}

func markerIsNilAtFirst(ctx context.Context, store apikey.MarkerStore) error {
	return marked(ctx, store, nil)
}

func swapSets(ctx context.Context, store apikey.MarkerStore) error {
	var old []byte
	for _, next := range markers {
		if err := swap(ctx, store, old, next); err != nil {
			return err
		}
		old = next
	}
	return swap(ctx, store, old, old)
}

func swapRefuses(ctx context.Context, store apikey.MarkerStore) error {
	next := []byte("next")
	err := store.SwapMarker(ctx, []byte("other"), next)
	if err := errors.Join(
		refused("SwapMarker where none is set", err, apikey.ErrConflict),
		marked(ctx, store, nil),
		swap(ctx, store, nil, []byte("short")),
	); err != nil {
		return err
	}
	for _, old := range [][]byte{nil, []byte("other"), []byte("short\x00"), []byte("short "), []byte("SHORT"), next} {
		err := store.SwapMarker(ctx, old, next)
		call := fmt.Sprintf("SwapMarker from %q where %q is set", old, "short")
		if err := errors.Join(refused(call, err, apikey.ErrConflict), marked(ctx, store, []byte("short"))); err != nil {
			return err
		}
	}
	return nil
}

func swapHasOneWinner(ctx context.Context, store apikey.MarkerStore) error {
	const n, rounds = 16, 3
	var old []byte
	for round := range rounds {
		errs := make([]error, n)
		marker := func(i int) []byte { return fmt.Appendf(nil, "round %d, node %d", round, i) }
		if err := together(n, func(i int) error {
			errs[i] = store.SwapMarker(ctx, old, marker(i))
			return nil
		}); err != nil {
			return err
		}
		if err := oneWinner("SwapMarker", errs, apikey.ErrConflict); err != nil {
			return err
		}
		for i, err := range errs {
			if err == nil {
				old = marker(i)
			}
		}
		if err := marked(ctx, store, old); err != nil {
			return err
		}
	}
	return nil
}

func markerIsCopy(ctx context.Context, store apikey.MarkerStore) error {
	passed := []byte("marker")
	if err := swap(ctx, store, nil, passed); err != nil {
		return err
	}
	clear(passed)
	got, err := store.Marker(ctx)
	if err != nil {
		return fmt.Errorf("Marker: %w", err)
	}
	clear(got)
	return marked(ctx, store, []byte("marker"))
}
