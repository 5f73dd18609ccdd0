package apikey

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// CacheOptions are the choices about the cache of lookups, which an [Authority]
// keeps where its store is a [ChangeFeed].
//
// They bound how long a key that was revoked, disabled or changed is still served.
// Where the change was made by the same Authority: not at all. By another node: a
// second, as long as the feed is up. With the feed cut: TTL. With the store out of
// reach too: TTL and Stale together.
type CacheOptions struct {
	// Off asks the store for every request.
	Off bool
	// On keeps a cache also where the store has no feed, so that another node's
	// changes take up to TTL. A [MemoryStore] never needs one.
	On bool
	// TTL is how long a key that was found is served without asking the store.
	// Default: 10 s.
	TTL time.Duration
	// NegativeTTL is how long a text that was not found is refused without asking
	// the store. Default: 2 s. -1: it is asked each time.
	NegativeTTL time.Duration
	// Stale is how long, after TTL, a key is still served while the store fails.
	// Default: 30 s. -1: not at all.
	Stale time.Duration
	// MaxKeys is how many keys are kept, of about 550 bytes each, and a quarter as
	// many texts that are none. Default: 100,000.
	MaxKeys int
}

func (o *CacheOptions) setDefaults() {
	setDefault(&o.TTL, 10*time.Second)
	setDefault(&o.NegativeTTL, 2*time.Second)
	setDefault(&o.Stale, 30*time.Second)
	setDefault(&o.MaxKeys, 100_000)
}

func (o *CacheOptions) validate() error {
	var errs []error
	legal := func(ok bool, name string, value any, legal string) {
		if !ok {
			errs = append(errs, fmt.Errorf("apikey: Options.Cache.%s is %v; legal is %s", name, value, legal))
		}
	}
	legal(!o.Off || !o.On, "On", o.On, "one of On and Off, or neither")
	legal(o.TTL > 0, "TTL", o.TTL, "a positive duration, or 0 for the default")
	legal(o.NegativeTTL >= -1, "NegativeTTL", o.NegativeTTL, "a positive duration, 0 for the default, or -1 for none")
	legal(o.Stale >= -1, "Stale", o.Stale, "a positive duration, 0 for the default, or -1 for none")
	legal(o.MaxKeys > 0, "MaxKeys", o.MaxKeys, "a positive number, or 0 for the default")
	return errors.Join(errs...)
}

// A cache keeps what lookups have found. It is read without a lock.
type cache struct {
	opts    CacheOptions
	load    func(ctx context.Context, digest Digest) (*Key, error)
	base    time.Time // ages are measured from here, by the monotonic clock
	known   cacheTable
	unknown cacheTable
	changes changeClock
	flights flights
	traits  traitSets
	failing atomic.Bool // the store failed, and has answered nothing since
}

func newCache(o CacheOptions, load func(context.Context, Digest) (*Key, error)) *cache {
	c := &cache{
		opts: o, load: load, base: time.Now(),
		known: newCacheTable(o.MaxKeys), unknown: newCacheTable(max(1, o.MaxKeys/4)),
	}
	c.changes.seed = maphash.MakeSeed()
	c.flights.byDigest = map[Digest]*flight{}
	return c
}

// find returns the entry of that digest, which nobody changes. Where there is no
// such key, the error wraps ErrNotFound, and the entry says when the store was
// asked: not before since.
func (c *cache) find(ctx context.Context, digest *Digest, now time.Time, since time.Duration) (*cacheEntry, error) {
	at := now.Sub(c.base)
	e := c.known.find(digest, &c.changes)
	if e != nil {
		switch age := at - e.at; {
		case age < c.opts.TTL/2:
			return e, nil
		case age < c.opts.TTL:
			c.refresh(digest) // so that a key in use is not waited for
			return e, nil
		case age < c.opts.TTL+c.opts.Stale && c.failing.Load():
			c.refresh(digest)
			return e, nil
		}
	} else if n := c.unknown.find(digest, &c.changes); n != nil && at-n.at < c.opts.NegativeTTL && n.at >= since {
		return n, ErrNotFound
	}
	answer, err := c.ask(ctx, digest, since)
	if err == nil || errors.Is(err, ErrNotFound) || e == nil || ctx.Err() != nil {
		return answer, err
	}
	// Judged anew: the load took its time, and meanwhile there may have been a
	// change.
	if time.Since(c.base)-e.at < c.opts.TTL+c.opts.Stale && c.changes.holds(e) {
		return e, nil
	}
	return nil, err
}

// ask returns what the store says now. A load that was under way already may have
// begun before a change that the caller knows of: then it is asked once more.
func (c *cache) ask(ctx context.Context, digest *Digest, since time.Duration) (*cacheEntry, error) {
	called := c.changes.now()
	for {
		e, err := c.fly(digest).wait(ctx)
		if e == nil || e.at >= since && (e.seq >= called || c.changes.holds(e)) {
			return e, err
		}
	}
}

// refresh starts a load, unless there is one, and does not wait for it.
func (c *cache) refresh(digest *Digest) {
	if c.failing.Load() && !c.flights.due(time.Since(c.base)) {
		return
	}
	c.fly(digest)
}

// fly returns the load of a digest that is under way, starting one where there is
// none: however many ask, the store is asked once.
func (c *cache) fly(digest *Digest) *flight {
	f, started := c.flights.of(*digest)
	if started {
		go func() {
			f.entry, f.err = c.fill(f.digest)
			c.flights.end(f)
		}()
	}
	return f
}

// fill asks the store and keeps what it says, returning no entry where it fails.
// It runs in a context of its own: the client that asked first may go away.
func (c *cache) fill(digest Digest) (*cacheEntry, error) {
	e := &cacheEntry{digest: digest, seq: c.changes.now(), at: time.Since(c.base)}
	key, err := c.load(context.Background(), digest)
	if err != nil && !errors.Is(err, ErrNotFound) {
		// A key that could be read just now speaks for the store. Of any other, the
		// record may be damaged, which must not make all others be served stale.
		if k := c.known.find(&digest, &c.changes); k != nil && e.at-k.at < c.opts.TTL+c.opts.Stale {
			c.failing.Store(true)
		}
		return nil, err
	}
	c.failing.Store(false)
	if err == nil {
		e.hold(key, &digest, c.traits.of(key))
		e.latest = c.changes.place(key.ID)
		c.known.put(e, &c.changes)
		return e, nil
	}
	c.known.drop(&digest)
	if c.opts.NegativeTTL > 0 {
		c.unknown.put(e, &c.changes)
	}
	return e, err
}

// changed forgets what was known of the key with that ID, or of all keys where id
// is empty, and which texts were none.
func (c *cache) changed(id string) {
	if c != nil {
		c.changes.note(id)
	}
}

// watch follows the feed until ctx is done.
func watch(ctx context.Context, feed ChangeFeed, changed func(id string), alarm *alarm) {
	const first, most = 50 * time.Millisecond, time.Second
	for pause := first; ctx.Err() == nil; pause = min(2*pause, most) {
		began := time.Now()
		err := watchOnce(ctx, feed, changed)
		if ctx.Err() != nil {
			return
		}
		alarm.raise("the change feed broke and is taken up again; until then other nodes' changes take up to the cache's TTL",
			"error", err)
		if time.Since(began) > most {
			pause = first
		}
		pauseFor(ctx, pause)
	}
}

func watchOnce(ctx context.Context, feed ChangeFeed, changed func(id string)) (err error) {
	defer func() {
		if recover() != nil { // its value may hold anything
			err = errPanicked
		}
	}()
	return feed.Watch(ctx, changed)
}

// A flight is one load that any number of requests wait for.
type flight struct {
	digest Digest
	done   chan struct{} // closed when what is below is set
	entry  *cacheEntry   // nil: the store failed
	err    error
}

type flights struct {
	mu       sync.Mutex
	byDigest map[Digest]*flight
	last     time.Duration // when a refresh was last let through while the store fails
}

func (f *flights) of(digest Digest) (fl *flight, started bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.byDigest[digest]; fl != nil {
		return fl, false
	}
	fl = &flight{digest: digest, done: make(chan struct{})}
	f.byDigest[digest] = fl
	return fl, true
}

func (f *flights) end(fl *flight) {
	f.mu.Lock()
	delete(f.byDigest, fl.digest)
	f.mu.Unlock()
	close(fl.done)
}

// wait returns what the flight brings, or the reason why ctx is done.
func (f *flight) wait(ctx context.Context) (*cacheEntry, error) {
	select {
	case <-f.done:
		return f.entry, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errTooLate, ctx.Err())
	}
}

// due lets one refresh in 100 milliseconds through: a store that fails is not to
// be asked once for each request, nor left alone.
func (f *flights) due(now time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now-f.last < 100*time.Millisecond {
		return false
	}
	f.last = now
	return true
}
