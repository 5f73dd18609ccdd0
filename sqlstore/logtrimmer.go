package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// A trimmer knows what a log keeps, and has the rest removed in the background.
type trimmer struct {
	maxAge   time.Duration
	maxBytes int64
	logger   *slog.Logger

	written atomic.Int64  // bytes, since the size of the log was last looked at
	look    chan struct{} // asks for that

	mu     sync.Mutex
	closed bool
	cancel context.CancelFunc // nil: not started
	ended  chan struct{}
}

var errLogClosed = errors.New("the log is closed")

// keepFrom returns the ID before which entries are too old at that time.
func (t *trimmer) keepFrom(now time.Time) logID {
	if t.maxAge < 0 {
		return logID{}
	}
	return firstLogID(now.Add(-t.maxAge))
}

// tooMuch reports whether entries that count for so much are more than is kept.
func (t *trimmer) tooMuch(bytes int64) bool { return t.maxBytes >= 0 && bytes > t.maxBytes }

// start begins to trim the log, unless that has begun.
func (t *trimmer) start(l *Log) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errLogClosed
	}
	if t.cancel == nil {
		var ctx context.Context
		ctx, t.cancel = context.WithCancel(context.Background())
		t.ended = make(chan struct{})
		go func() {
			defer close(t.ended)
			t.run(ctx, l)
		}()
	}
	return nil
}

// run trims the log every minute, and where much was written in between. It
// begins somewhere in the first minute, since many processes may start at once.
func (t *trimmer) run(ctx context.Context, l *Log) {
	const every = time.Minute
	next := time.NewTimer(rand.N(every)) //nolint:gosec // jitter
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-t.look:
		}
		if err := l.Trim(ctx); err != nil && ctx.Err() == nil {
			t.logger.Error("apikey: old entries of the access log could not be removed", "error", err)
		}
		next.Reset(every)
	}
}

// wrote is told of what was written. It has the size of the log looked at each
// time that a 64th of what is kept was.
func (t *trimmer) wrote(bytes int64) {
	if t.maxBytes < 0 || t.written.Add(bytes) < t.maxBytes/64 {
		return
	}
	t.written.Store(0)
	select {
	case t.look <- struct{}{}:
	default: // it was asked for already
	}
}

func (t *trimmer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.cancel != nil {
		t.cancel()
		<-t.ended
	}
}
