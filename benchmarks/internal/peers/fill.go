package peers

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// All keys have these, so that none takes memory for what they have in common.
var (
	needed = []apikey.Permission{Need}
	far    = time.Now().Add(1000 * time.Hour)
)

// NewKey returns the nth key, which Text(n) opens.
func NewKey(n int) *apikey.Key {
	return &apikey.Key{
		ID: fmt.Sprintf("%026d", n), Version: 1, Permissions: needed, ExpiresAt: far,
		Credentials: []apikey.Credential{{Digest: apikey.DigestOf(Text(n))}},
	}
}

// Fill stores so many keys, the first one the nth, whose bodies are logged like that.
func Fill(ctx context.Context, store apikey.ManagedStore, n, count int, logging apikey.Logging) error {
	for i := range count {
		key := NewKey(n + i)
		key.Logging = logging
		if err := store.Create(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// Add adds what servers have to know of one of the library's keys.
func (k Keys) Add(key *apikey.Key) {
	k[key.Credentials[0].Digest] = &Key{ID: key.ID, Permissions: key.Permissions, Expires: key.ExpiresAt}
}

// Texts returns so many texts, the first one the nth.
func Texts(n, count int, text func(n int) string) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = text(n + i)
	}
	return all
}

// A NullSink takes entries and keeps none.
type NullSink struct{}

// WriteLog implements [apikey.LogSink].
func (NullSink) WriteLog(context.Context, []apikey.LogEntry) error { return nil }
