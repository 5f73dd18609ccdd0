package apikey

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errServed is why the context of a request that was followed ends when it is served.
var errServed = errors.New("apikey: the request was served")

// presentedKey asks a context for the text that its request was let through by, as a
// Secret. It is there only where a view of the Authority has EndWithKey.
type presentedKey struct{ of *atomic.Bool } // the follows of a core, and no more of it: see visit

// follow returns r with a context that ends once a request with the same key would
// be refused: at once where this Authority has changed the key or the store's feed
// tells of it, and else when the cache learns of it. stop ends the following.
func (a *Authority) follow(r *http.Request, need *Need) (followed *http.Request, stop func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop = func() { cancel(errServed) }
	secret, ok := ctx.Value(presentedKey{&a.follows}).(Secret)
	if !ok {
		return r, stop // an inner guard of a request from before EndWithKey was asked for
	}
	id := identityOf(ctx, a.core)
	told := a.followers.add(id.key.ID)
	go func() {
		defer a.followers.remove(id.key.ID, told)
		for {
			key, f := a.again(ctx, secret.Reveal(), need)
			if f != nil {
				cancel(a.refuse(f).own()) // which is of no effect where ctx is done
				return
			}
			pause := time.NewTimer(a.untilFollowed(key, time.Now()))
			select {
			case <-told:
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return
			}
			pause.Stop()
		}
	}()
	return r.WithContext(ctx), stop
}

// clientGone reports whether the context of a request was cancelled from outside, and not
// by follow, since the request was served or its key had ended.
func clientGone(ctx context.Context) bool {
	if ctx.Err() != context.Canceled {
		return false
	}
	cause := context.Cause(ctx)
	_, refused := errors.AsType[*Error](cause)
	return !refused && !errors.Is(cause, errServed)
}

// again decides on a request with the same text.
func (a *Authority) again(ctx context.Context, text string, need *Need) (*Key, *failure) {
	if a.closed.Load() {
		return nil, failShutdown
	}
	held, f := a.authenticate(ctx, text, time.Now())
	if f == nil {
		f = a.authorize(held.key, held.traits.permissions, need)
	}
	if f != nil {
		return nil, f
	}
	return held.key, nil
}

// untilFollowed returns when to look again: when the key or a text of it expires,
// and so often that what the cache learns within TTL is known within TTL here too.
func (c *core) untilFollowed(key *Key, now time.Time) time.Duration {
	pause := c.opts.Cache.TTL / 4
	expires := []time.Time{key.ExpiresAt}
	for _, credential := range key.Credentials {
		expires = append(expires, credential.ExpiresAt)
	}
	for _, at := range expires {
		if left := at.Sub(now); left > 0 {
			pause = min(pause, left)
		}
	}
	return pause
}

// changed forgets what was known of the key with that ID, or of all keys where id is
// empty, and tells those who follow them.
func (c *core) changed(id string) {
	c.cache.changed(id)
	c.followers.tell(id)
}

// followers are told of changes to keys.
type followers struct {
	mu    sync.Mutex
	byKey map[string]map[chan struct{}]struct{}
}

func (f *followers) add(id string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byKey == nil {
		f.byKey = map[string]map[chan struct{}]struct{}{}
	}
	if f.byKey[id] == nil {
		f.byKey[id] = map[chan struct{}]struct{}{}
	}
	told := make(chan struct{}, 1)
	f.byKey[id][told] = struct{}{}
	return told
}

func (f *followers) remove(id string, told chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byKey[id], told)
	if len(f.byKey[id]) == 0 {
		delete(f.byKey, id)
	}
}

// tell tells who follows the key, or everybody where id is empty.
func (f *followers) tell(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id != "" {
		wake(f.byKey[id])
		return
	}
	for _, all := range f.byKey {
		wake(all)
	}
}

func wake(followers map[chan struct{}]struct{}) {
	for told := range followers {
		select {
		case told <- struct{}{}:
		default: // it is about to look anyway
		}
	}
}
