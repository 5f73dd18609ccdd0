package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// An Authority decides which requests are served: it finds the key that a
// request carries, looks it up in its store, and compares what the key may do
// with what the route needs.
//
// It also manages the keys of a [ManagedStore]. Its methods for that return an error
// that wraps [errors.ErrUnsupported] where the store is none. Those that change a key
// ask whether the [Actor] in their context may; a context without one may do all. They
// return errors that wrap [ErrNotFound], [ErrNotDelegated], [ErrConflict], [ErrInUse],
// [ErrLogFull] or [FieldError]. After any other, such as a time-out of the store, the
// change may have been made all the same: Issue may leave a key whose text nobody has,
// and Rotate one whose text nobody knows. Read the key again.
//
// It is safe for concurrent use. Several may share a process, and several
// processes a store.
type Authority struct {
	*core
	sources    []Source
	places     []place // the same
	errors     ErrorHandler
	realm      string
	challenges []string
	httpAuth   bool
	waysIn     string
	vary       string
	refusals   []*Error // one for each of plainFailures
	endWithKey bool
}

// core is what all views of one Authority share.
type core struct {
	self      func() *core // this one, for what a handler can print
	opts      Options
	store     Store
	memory    *MemoryStore // store, if it is one: it answers at once and cannot fail
	managed   ManagedStore // store, if it is one
	digesters []digester   // one for each pepper
	budget    byteBudget
	bodies    bufferPool    // for those that are searched
	lookups   chan struct{} // holds one element for each lookup under way
	uses      useBatch
	cache     *cache      // nil: each request asks the store
	follows   atomic.Bool // a view has endWithKey
	followers followers
	unwatch   func(ctx context.Context) error // ends the following of the store's feed
	recorder  *recorder                       // nil: there is no access log
	alarm     alarm
	clock     clock
	closed    atomic.Bool
	// declaredLast is the first permission of the need that Check last found declared.
	declaredLast atomic.Pointer[Permission]
}

// New returns an Authority over the store. A nil opts means the defaults; opts is
// copied. The error names every mistake in opts, or says that the store was
// written under another pepper, or could not be read. New looks at no key: an
// empty store opens nothing until a key is made, see [Authority.Bootstrap].
//
// ctx bounds New itself. Call [Authority.Shutdown] before the store is closed.
func New(ctx context.Context, store Store, opts *Options) (*Authority, error) {
	if store == nil {
		return nil, errors.New("apikey: New without a store; NewMemoryStore makes one to start with")
	}
	o := opts.withDefaults(store)
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &core{
		opts:    o,
		store:   store,
		lookups: make(chan struct{}, o.MaxLookups),
	}
	c.self = func() *core { return c }
	c.budget.limit = o.BodyBudget
	c.bodies = newBodyPool(o.MaxBody)
	c.alarm.logger, c.alarm.kinds = o.Logger, map[string]alarmKind{}
	c.memory, _ = store.(*MemoryStore)
	c.managed, _ = store.(ManagedStore)
	for _, p := range o.Peppers {
		c.digesters = append(c.digesters, newDigester(p))
	}
	if recorder, ok := store.(UseRecorder); ok {
		c.uses.start(recorder, &c.alarm)
	}
	if markers, ok := store.(MarkerStore); ok {
		if err := checkMarker(ctx, markers, c.digesters); err != nil {
			return nil, err
		}
	}
	c.startCache()
	c.uses.marks = c.memory != nil || c.cache != nil
	c.recorder = newRecorder(o.Log, o.Sources, &c.alarm, c.digesters[0])
	return c.view(o.Sources, o.Errors, o.Realm), nil
}

// startCache makes the cache, where there is to be one.
func (c *core) startCache() {
	c.unwatch = func(context.Context) error { return nil }
	feed, ok := c.store.(ChangeFeed)
	o := c.opts.Cache
	if c.memory != nil || o.Off || !ok && !o.On {
		return
	}
	c.cache = newCache(o, c.load)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watch(ctx, feed, c.changed, &c.alarm)
	}()
	c.unwatch = func(ctx context.Context) error {
		cancel()
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("apikey: the store still watches for changes: %w", ctx.Err())
		}
	}
}

// Catalog returns a copy of the permissions that the Authority knows.
func (a *Authority) Catalog() Catalog { return slices.Clone(a.opts.Catalog) }

// Managed returns an error that wraps [errors.ErrUnsupported] if the store
// cannot manage keys, so that all the methods that do would return it.
func (a *Authority) Managed() error {
	if a.managed == nil {
		return fmt.Errorf("apikey: this store can look keys up and no more: %w", errors.ErrUnsupported)
	}
	return nil
}

// Shutdown writes what is still in memory, within ctx, and makes [Authority.Check]
// and all that requires a key answer 503 from then on: call it after
// [http.Server.Shutdown]. Keys can still be changed, but nothing is added to the access
// log any more. It does not close the store. The error says what could not be written;
// calling it again tries again.
func (a *Authority) Shutdown(ctx context.Context) error {
	a.closed.Store(true)
	a.followers.tell("")
	var errs [3]error // at the same time: one that hangs must not take the others' time
	var closing sync.WaitGroup
	closing.Go(func() { errs[0] = a.uses.close(ctx) })
	closing.Go(func() { errs[1] = a.recorder.close(ctx) })
	closing.Go(func() { errs[2] = a.unwatch(ctx) })
	closing.Wait()
	return errors.Join(errs[:]...)
}
