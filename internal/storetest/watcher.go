package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// A Watcher runs one Watch.
type Watcher struct {
	Told  chan string
	Stop  context.CancelFunc
	ended chan error
}

// StartWatch returns once the watch has told that it is on.
func StartWatch(t testing.TB, store apikey.ChangeFeed) *Watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &Watcher{Told: make(chan string, 10_000), ended: make(chan error, 1), Stop: cancel}
	var over atomic.Bool
	go func() {
		err := store.Watch(ctx, func(id string) {
			if over.Load() {
				t.Errorf("Watch told of %q after it returned", id)
			}
			w.Told <- id
		})
		over.Store(true)
		w.ended <- err
	}()
	t.Cleanup(cancel)
	w.Expect(t, "")
	return w
}

// Expect waits until the watch has told of these IDs, in this order and of no
// others.
func (w *Watcher) Expect(t testing.TB, ids ...string) {
	t.Helper()
	for _, want := range ids {
		select {
		case id := <-w.Told:
			require.Equal(t, want, id)
		case err := <-w.ended:
			t.Fatalf("Watch ended before it told of %q: %v", want, err)
		case <-time.After(time.Second):
			t.Fatalf("Watch did not tell of %q within a second", want)
		}
	}
}

// ExpectNothing waits for a moment in which the watch tells of no change.
func (w *Watcher) ExpectNothing(t testing.TB) {
	t.Helper()
	select {
	case id := <-w.Told:
		t.Fatalf("Watch told of %q", id)
	case err := <-w.ended:
		t.Fatalf("Watch ended: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
}

// End waits until Watch returns, and returns its error.
func (w *Watcher) End(t testing.TB, limit time.Duration) error {
	t.Helper()
	began := time.Now()
	select {
	case err := <-w.ended:
		require.Error(t, err)
		t.Logf("Watch returned after %v: %v", time.Since(began).Round(time.Millisecond), err)
		return err
	case <-time.After(limit):
		t.Fatalf("Watch did not return within %v", limit)
		return nil
	}
}
