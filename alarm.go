package apikey

import (
	"log/slog"
	"sync"
	"time"
)

// An alarm tells the operator, of each kind of trouble once a second at most: what
// goes wrong for one request mostly does for thousands.
type alarm struct {
	logger *slog.Logger
	mu     sync.Mutex
	kinds  map[string]alarmKind
}

type alarmKind struct {
	last   time.Time
	silent int // times it was not told since
}

// raise tells of trouble. A logger that panics ends no goroutine, of which some are the
// Authority's own.
func (a *alarm) raise(msg string, args ...any) {
	defer func() { _ = recover() }()
	if silent, due := a.due(msg); due {
		a.logger.Error("apikey: "+msg, append(args, "suppressed", silent)...) //nolint:sloglint // callers pass constants
	}
}

// due reports whether it is time to tell of this kind again, and how often that
// was withheld.
func (a *alarm) due(kind string) (silent int, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, k := time.Now(), a.kinds[kind]
	if due = now.Sub(k.last) >= time.Second; due {
		silent, k = k.silent, alarmKind{last: now}
	} else {
		k.silent++
	}
	a.kinds[kind] = k
	return silent, due
}
