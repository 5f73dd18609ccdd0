package apikey

import (
	"context"
	"time"
)

// What the tests of package apikey_test reach of the inside.

const (
	Base62    = base62
	MaxPrefix = maxPrefix
)

var (
	Checksum     = checksum
	IsKeyText    = isKeyText
	IsMistyped   = isMistyped
	IsWeak       = isWeak
	EstimateBits = estimateBits
)

// FlushUses writes the last uses that wait, as the timer does.
func (a *Authority) FlushUses(ctx context.Context) error { return a.uses.flush(ctx) }

// Stored returns the key as the store has it, digests included.
func (a *Authority) Stored(ctx context.Context, id string) (*Key, error) { return a.stored(ctx, id) }

// WaitingUses returns how many entries wait for the next batch.
func (a *Authority) WaitingUses() int {
	a.uses.mu.Lock()
	defer a.uses.mu.Unlock()
	return len(a.uses.marked) + len(a.uses.uses)
}

func NewID(now time.Time) string { return newID(now) }
