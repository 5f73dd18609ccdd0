package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

// openStore opens the store that a -store flag names, and returns with it what
// closes it.
func openStore(ctx context.Context, name string) (apikey.Store, func() error, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch {
	case name == "memory:":
		return apikey.NewMemoryStore(), func() error { return nil }, nil
	case kind == "sqlite" && rest != "":
		store, err := sqlite.Open(ctx, rest)
		if err != nil {
			return nil, nil, fmt.Errorf("-store %q: %w; legal are memory: and sqlite:FILE", name, err)
		}
		return store, store.Close, nil
	}
	return nil, nil, fmt.Errorf("-store %q: legal are memory: and sqlite:FILE", name)
}
