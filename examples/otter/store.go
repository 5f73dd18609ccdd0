package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/redisstore"
	"github.com/seed-be062aaa/apikey/sqlstore/mysql"
	"github.com/seed-be062aaa/apikey/sqlstore/postgres"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

// legalStores is for messages.
const legalStores = "memory:, sqlite:FILE, postgres://… or host=…, mysql://… and redis://…"

// logInMemory is how many entries of the access log are kept where the store keeps
// none.
const logInMemory = 10_000

// A closable store is one that somebody has opened.
type closable interface {
	apikey.ManagedStore
	Close() error
}

// openStore opens the store that a -store flag names, and returns with it what
// closes it.
func openStore(ctx context.Context, name string) (apikey.Store, func() error, error) {
	kind, rest, _ := strings.Cut(name, ":")
	var (
		store closable
		err   error
	)
	switch {
	case name == "memory:":
		return apikey.NewMemoryStore(), func() error { return nil }, nil
	case kind == "sqlite" && rest != "":
		store, err = sqlite.Open(ctx, rest)
	case kind == "postgres", kind == "postgresql", strings.HasPrefix(name, "host="):
		store, err = postgres.Open(ctx, name, nil)
	case kind == "mysql":
		store, err = mysql.Open(ctx, name, nil)
	case kind == "redis", kind == "rediss":
		store, err = redisstore.Open(ctx, name, nil)
	default:
		return nil, nil, fmt.Errorf("-store%s: legal are %s", repeatable(name), legalStores)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("-store: %w; legal are %s", err, legalStores)
	}
	return store, store.Close, nil
}

var plainWord = regexp.MustCompile(`^[a-z]+$`)

// repeatable returns what a message may repeat of a -store that is not legal: its
// kind, if it has one. A password may stand anywhere else.
func repeatable(name string) string {
	kind, _, ok := strings.Cut(name, ":")
	if !ok || !plainWord.MatchString(kind) {
		return ""
	}
	return fmt.Sprintf(" %q", kind+":…")
}

// logOptions keeps the access log beside the keys, or in memory where the store
// cannot.
func logOptions(store apikey.Store) apikey.LogOptions {
	if _, ok := store.(apikey.LogStore); ok {
		return apikey.LogOptions{}
	}
	return apikey.LogOptions{Sink: apikey.NewMemoryLog(logInMemory)}
}
