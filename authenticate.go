package apikey

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Authenticate returns the key that text opens now. It is for credentials that
// come by other ways than an HTTP request; for those there is [Authority.Check].
// It counts as a use of the key, and makes no entry in the access log; in that of the
// request that ctx belongs to, text is masked. The error is an [*Error].
//
// The returned key has no credentials. To change keys on its behalf use [WithActor] and
// [ActorOf]: without, ctx belongs to the host, which may do all.
func (a *Authority) Authenticate(ctx context.Context, text string) (*Key, error) {
	for v := visitOf(ctx); v != nil; v = v.outer {
		v.note(func(rec *record) { rec.astray(text) })
	}
	if a.closed.Load() {
		return nil, a.refuse(failShutdown)
	}
	f := implausible(text)
	var held *heldKey
	if f == nil {
		held, f = a.authenticate(ctx, text, a.clock.now())
	}
	if f != nil {
		return nil, a.refuse(f)
	}
	return held.key.withoutCredentials(), nil
}

// implausible says why no store is asked for text.
func implausible(text string) *failure {
	switch {
	case text == "":
		return failNoKey
	case isMistyped(text) || !isKeyText(text):
		return failMalformedKey
	}
	return nil
}

// authenticate returns the key that text, which is plausible, opens at that moment.
// It may be the store's own, which nobody changes.
func (c *core) authenticate(ctx context.Context, text string, now time.Time) (*heldKey, *failure) {
	newest := c.digesters[0].digest(text)
	var before time.Duration // when the store was asked for the digest before
	for i := range c.tries() {
		digest, since := newest, time.Duration(0)
		switch {
		case i == len(c.digesters):
			since = before
		case i > 0:
			digest = c.digesters[i].digest(text)
		}
		found, asked, err := c.find(ctx, digest, now, since)
		switch {
		case errors.Is(err, ErrNotFound):
			before = asked
			continue
		case err != nil:
			return nil, &failure{reason: ErrStoreFailed, cause: err}
		}
		if f := found.refusal(now); f != nil {
			return nil, f
		}
		c.uses.note(found, now, &digest, &newest)
		return found, nil
	}
	return nil, failUnknownKey
}

// tries returns how often a key is looked for: under each pepper, and where there
// are several under the newest again, to which another node may have moved the key
// since: an answer from before the one for the digest that it left would not do.
func (c *core) tries() int {
	if len(c.digesters) == 1 {
		return 1
	}
	return len(c.digesters) + 1
}

// A heldKey is one that was found by a digest, beside all that most requests have to
// know of it: to read that from the key and its credentials would touch as many lines
// of memory again, which takes longer than all else where there are many keys. With
// its digest it fills one.
type heldKey struct {
	key    *Key
	traits *keyTraits // the key's
	until  int64      // it opens before this moment, in nanoseconds since 1970
	used   useMark
}

// hold holds the key, which has a credential with that digest, and those traits.
func (h *heldKey) hold(key *Key, digest *Digest, traits *keyTraits) {
	h.key, h.traits, h.until = key, traits, math.MaxInt64
	if !key.RevokedAt.IsZero() || key.Disabled {
		h.until = math.MinInt64
	}
	for _, end := range []time.Time{key.ExpiresAt, key.credential(*digest).ExpiresAt} {
		switch {
		case end.IsZero() || end.After(time.Unix(0, math.MaxInt64)):
		case end.Before(time.Unix(0, 0)): // of times long past UnixNano says anything
			h.until = math.MinInt64
		default:
			h.until = min(h.until, end.UnixNano())
		}
	}
}

// refusal says why the key opens nothing now.
func (h *heldKey) refusal(now time.Time) *failure {
	switch {
	case now.UnixNano() < h.until:
		return nil
	case !h.key.RevokedAt.IsZero():
		return failKeyRevoked
	case h.key.Disabled:
		return failKeyDisabled
	}
	return failKeyExpired
}

var (
	errWrongKey = errors.New("apikey: the store returned a key without the credential asked for")
	errNoSlot   = errors.New("apikey: too many lookups are under way")
	errPanicked = errors.New("apikey: the store panicked")
	errTooLate  = errors.New("apikey: the store did not answer in time")
	errNilKey   = errors.New("apikey: the store returned neither a key nor an error")
	errNoID     = errors.New("apikey: the store returned a key without an ID")
)

// find returns the key with that digest. Where there is none, it says when the
// store was asked, which is not before since.
func (c *core) find(
	ctx context.Context, digest Digest, now time.Time, since time.Duration,
) (found *heldKey, asked time.Duration, err error) {
	switch {
	case c.memory != nil:
		if found = c.memory.find(&digest); found == nil {
			err = ErrNotFound
		}
		return found, 0, err
	case c.cache != nil:
		e, err := c.cache.find(ctx, &digest, now, since)
		if e == nil {
			return nil, 0, err
		}
		return &e.heldKey, e.at, err
	}
	key, err := c.load(ctx, digest)
	if err != nil {
		return nil, 0, err
	}
	found = &heldKey{}
	found.hold(key, &digest, traitsOf(key))
	return found, 0, nil
}

// load asks the store, and tells the operator where it fails.
func (c *core) load(ctx context.Context, digest Digest) (*Key, error) {
	key, err := c.checked(ctx, digest)
	if err != nil && !errors.Is(err, ErrNotFound) && ctx.Err() == nil { // else the client went away
		c.alarm.raise("the key store failed", "error", err)
	}
	return key, err
}

// checked asks the store, trusting it no further than it keeps its contract.
func (c *core) checked(ctx context.Context, digest Digest) (*Key, error) {
	key, err := c.lookup(ctx, digest)
	switch {
	case err != nil:
		return nil, err
	case key == nil:
		return nil, errNilKey
	case key.ID == "":
		return nil, errNoID
	case key.credential(digest) == nil:
		return nil, errWrongKey
	}
	return key, nil
}

// lookup asks the store. It returns in time also where the store does not, which
// then keeps its slot until it has.
func (c *core) lookup(ctx context.Context, digest Digest) (*Key, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.StoreTimeout)
	defer cancel()
	select {
	case c.lookups <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errNoSlot, ctx.Err())
	}
	type answer struct {
		key *Key
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		got := answer{err: errPanicked}
		defer func() {
			// The panic's value may hold anything, and is not passed on.
			_ = recover()
			<-c.lookups
			answers <- got
		}()
		key, err := c.store.Lookup(ctx, digest)
		got = answer{key, err}
	}()
	select {
	case got := <-answers:
		return got.key, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errTooLate, ctx.Err())
	}
}
