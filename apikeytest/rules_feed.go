package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-be062aaa/apikey"
)

const (
	saysFeedBegins = `It calls changed with "" as soon as every change from then on will be told.`
	saysFeedTells  = "Watch calls changed with the ID of each key that was created, updated or deleted, within a " +
		"second of the moment the change was acknowledged."
	saysFeedEnds  = "It returns once ctx is done, with the reason."
	saysFeedQuiet = "changed is not called after Watch has returned."
	saysFeedAgain = "It is then called again: a Watch is one connection."
)

// feed is what the rules of a ChangeFeed need: the means to change something.
type feed interface {
	apikey.ManagedStore
	apikey.ChangeFeed
}

var feedRules = []rule[feed]{
	{"Watch says when it has begun", saysFeedBegins, feedBegins},
	{"Watch tells of keys created, updated and deleted", saysFeedTells, feedTellsOfEach},
	{"Watch tells of all that many change at once", saysFeedTells, feedTellsOfAll},
	{"Watch ends with its context", saysFeedEnds, feedEnds},
	{"Watch is quiet once it has ended", saysFeedQuiet, feedIsQuiet},
	{"Watch can be called again", saysFeedAgain, feedBeginsAgain},
}

// tellTime is how long the rules wait for a change to be told: the second that is
// promised, and another for machines that are busy.
const tellTime = 2 * time.Second

// A watch is one call of Watch.
type watch struct {
	stop  context.CancelFunc
	told  chan string
	ended chan error
	over  atomic.Bool
	late  atomic.Bool // it told of something after it had returned
}

// begin calls Watch, and returns once that has said that it has begun.
func begin(ctx context.Context, store feed) (*watch, error) {
	w := &watch{told: make(chan string, 10_000), ended: make(chan error, 1)}
	ctx, w.stop = context.WithCancel(ctx)
	go func() {
		err := store.Watch(ctx, func(id string) {
			if w.over.Load() {
				w.late.Store(true)
			}
			w.told <- id
		})
		w.over.Store(true)
		w.ended <- err
	}()
	if err := w.expect(""); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// expect waits until Watch has told of that key, or that it may have missed something,
// which is as good.
func (w *watch) expect(id string) error {
	timeout := time.After(tellTime)
	for {
		select {
		case got := <-w.told:
			if got == id || got == "" {
				return nil
			}
		case err := <-w.ended:
			return fmt.Errorf("Watch returned before it told of %q: %w", id, err)
		case <-timeout:
			return fmt.Errorf("Watch did not tell of %q within %s", id, tellTime)
		}
	}
}

// end ends Watch, which must say that this was why.
func (w *watch) end() error {
	w.stop()
	select {
	case err := <-w.ended:
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Watch returned %v after its context was canceled", err)
		}
		return nil
	case <-time.After(soon):
		return fmt.Errorf("Watch has not returned %s after its context was canceled", soon)
	}
}

func feedBegins(ctx context.Context, store feed) error {
	w, err := begin(ctx, store)
	if err != nil {
		return err
	}
	return w.end()
}

func feedTellsOfEach(ctx context.Context, store feed) error {
	before, err := create(ctx, store, "before")
	if err != nil {
		return err
	}
	w, err := begin(ctx, store)
	if err != nil {
		return err
	}
	defer w.stop()
	for _, step := range []struct {
		name, id string
		change   func() error
	}{
		{"Create", "new", func() error { _, err := create(ctx, store, "new"); return err }},
		{"Update", "before", func() error { return store.Update(ctx, before) }},
		{"Update of the new key", "new", func() error { return store.Update(ctx, newKey("new", digest("newer"))) }},
		{"Delete", "before", func() error { return store.Delete(ctx, "before") }},
	} {
		if err := step.change(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := w.expect(step.id); err != nil {
			return fmt.Errorf("after %s: %w", step.name, err)
		}
	}
	return w.end()
}

func feedTellsOfAll(ctx context.Context, store feed) error {
	const writers, each = 8, 25
	w, err := begin(ctx, store)
	if err != nil {
		return err
	}
	defer w.stop()
	id := func(writer, i int) string { return fmt.Sprintf("key-%d-%02d", writer, i) }
	waiting := map[string]bool{}
	for i := range writers * each {
		waiting[id(i%writers, i/writers)] = true
	}
	if err := together(writers, func(writer int) (err error) {
		for i := 0; i < each && err == nil; i++ {
			_, err = create(ctx, store, id(writer, i))
		}
		return err
	}); err != nil {
		return err
	}
	timeout := time.After(tellTime)
	for len(waiting) > 0 {
		select {
		case id := <-w.told:
			if delete(waiting, id); id == "" { // it may have missed all of them
				clear(waiting)
			}
		case err := <-w.ended:
			return fmt.Errorf("Watch returned before it told of all: %w", err)
		case <-timeout:
			return fmt.Errorf("of %d keys that %d have created at once, Watch did not tell of %d within %s of the last",
				writers*each, writers, len(waiting), tellTime)
		}
	}
	return w.end()
}

func feedEnds(ctx context.Context, store feed) error {
	w, err := begin(ctx, store)
	if err != nil {
		return err
	}
	if err := w.end(); err != nil {
		return err
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := store.Watch(done, func(string) {}); err == nil {
		return errors.New("Watch with a context that is done returned no error")
	}
	return nil
}

func feedIsQuiet(ctx context.Context, store feed) error {
	w, err := begin(ctx, store)
	if err != nil {
		return err
	}
	changes := make(chan error, 1)
	go func() { // beside which Watch returns
		var err error
		for i := 0; i < 50 && err == nil; i++ {
			_, err = create(ctx, store, fmt.Sprintf("key-%02d", i))
		}
		changes <- err
	}()
	if err := w.expect("key-00"); err != nil {
		return err
	}
	if err := w.end(); err != nil {
		return err
	}
	if err := <-changes; err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // in which it could tell
	if w.late.Load() {
		return errors.New("Watch called changed after it had returned")
	}
	return nil
}

func feedBeginsAgain(ctx context.Context, store feed) error {
	for i := range 3 {
		w, err := begin(ctx, store)
		if err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
		id := fmt.Sprintf("key-%d", i)
		if _, err := create(ctx, store, id); err != nil {
			return err
		}
		if err := errors.Join(w.expect(id), w.end()); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
	}
	return nil
}
