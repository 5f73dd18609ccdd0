package apikeytest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A lookup is a store and the digests that it is known to hold.
type lookup struct {
	store apikey.Store
	known []apikey.Digest
}

// seeded returns the store with a few keys in it.
func seeded(t *testing.T, store apikey.ManagedStore) lookup {
	t.Helper()
	l := lookup{store: store, known: []apikey.Digest{digest("a"), digest("b, newer"), digest("b, older")}}
	err := createAll(t.Context(), store, newKey("a", l.known[0]), newKey("b", l.known[1:]...))
	if err != nil {
		t.Fatalf("seeding the store: %v", err)
	}
	return l
}

var lookupRules = []rule[lookup]{
	{
		"finds each known digest",
		"Lookup returns the key that has a Credential with exactly the bytes of digest. " +
			"Its Credentials hold at least the one asked for.",
		findsKnown,
	},
	{
		"says ErrNotFound for an unknown digest",
		"Where there is none, the error wraps ErrNotFound.",
		refusesUnknown,
	},
	{
		"compares every bit",
		"Lookup returns the key that has a Credential with exactly the bytes of digest.",
		comparesEveryBit,
	},
	{
		"never returns nil and nil",
		"It never returns a nil Key with a nil error.",
		neverNilNil,
	},
	{
		"hands out copies",
		"The returned Key belongs to the caller: changing it changes nothing in the store.",
		handsOutCopies,
	},
	{
		"looks up concurrently",
		"It is safe for concurrent use.",
		looksUpConcurrently,
	},
	{
		"returns soon after its context is done",
		"It returns soon after ctx is done. An error that does not wrap ErrNotFound means that the store could not tell.",
		heedsContext,
	},
	{
		"names no digest in errors",
		"No error holds a digest or a key's text.",
		namesNoDigest,
	},
}

func findsKnown(ctx context.Context, l lookup) error {
	for i, d := range l.known {
		if err := l.finds(ctx, i, d); err != nil {
			return err
		}
	}
	return nil
}

func (l lookup) finds(ctx context.Context, i int, d apikey.Digest) error {
	key, err := l.store.Lookup(ctx, d)
	switch {
	case err != nil:
		return fmt.Errorf("Lookup of known digest %d: %w", i, err)
	case key == nil:
		return fmt.Errorf("Lookup of known digest %d returned a nil key and a nil error", i)
	case !hasDigest(key, d):
		return fmt.Errorf("Lookup of known digest %d returned the key %q, which has no credential with it", i, key.ID)
	}
	return nil
}

func refusesUnknown(ctx context.Context, l lookup) error {
	return errors.Join(
		absent(ctx, l.store, "an unknown digest", digest("unknown")),
		absent(ctx, l.store, "the zero digest", apikey.Digest{}),
		absent(ctx, l.store, "a digest of 0xff alone", filled(0xff)),
		absent(ctx, l.store, "a digest of '%' alone", filled('%')),
	)
}

func filled(b byte) (d apikey.Digest) {
	for i := range d {
		d[i] = b
	}
	return d
}

func comparesEveryBit(ctx context.Context, l lookup) error {
	for i, d := range l.known {
		for bit := range 8 * len(d) {
			flipped := d
			flipped[bit/8] ^= 1 << (bit % 8)
			what := fmt.Sprintf("known digest %d with bit %d flipped", i, bit)
			if err := absent(ctx, l.store, what, flipped); err != nil {
				return err
			}
		}
	}
	return nil
}

func neverNilNil(ctx context.Context, l lookup) error {
	for _, d := range append([]apikey.Digest{digest("unknown"), {}}, l.known...) {
		if key, err := l.store.Lookup(ctx, d); key == nil && err == nil {
			return errors.New("Lookup returned a nil key and a nil error")
		}
	}
	return nil
}

func handsOutCopies(ctx context.Context, l lookup) error {
	for i, d := range l.known {
		key, err := l.store.Lookup(ctx, d)
		if err != nil || key == nil {
			return l.finds(ctx, i, d)
		}
		before := key.Clone()
		scribble(key)
		key, err = l.store.Lookup(ctx, d)
		if err := same("Lookup, after a change to an earlier result,", key, err, before); err != nil {
			return err
		}
	}
	return nil
}

func looksUpConcurrently(ctx context.Context, l lookup) error {
	return together(32, func(n int) error {
		for i := range 50 {
			at := (n + i) % len(l.known)
			if err := l.finds(ctx, at, l.known[at]); err != nil {
				return err
			}
			if err := absent(ctx, l.store, "an unknown digest", digest(fmt.Sprint("unknown ", n, i))); err != nil {
				return err
			}
		}
		return nil
	})
}

// together runs n calls of f at once and returns what they returned.
func together(n int, f func(n int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errors.Join(errs...)
}

// soon is how long a call may take once its context is done.
const soon = 5 * time.Second

func heedsContext(ctx context.Context, l lookup) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for i, d := range l.known {
		start := time.Now()
		key, err := l.store.Lookup(ctx, d)
		if took := time.Since(start); took > soon {
			return fmt.Errorf("Lookup took %v although its context was done", took)
		}
		if errors.Is(err, apikey.ErrNotFound) {
			return fmt.Errorf("Lookup of known digest %d with a context that is done says ErrNotFound", i)
		}
		if err == nil && (key == nil || !hasDigest(key, d)) {
			return fmt.Errorf("Lookup of known digest %d with a context that is done found no key or another", i)
		}
	}
	return nil
}

func namesNoDigest(ctx context.Context, l lookup) error {
	unknown := digest("unknown")
	_, missing := l.store.Lookup(ctx, unknown)
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, canceled := l.store.Lookup(ctx, l.known[0])
	return errors.Join(
		discreet(missing, unknown, l.known[0]),
		discreet(canceled, unknown, l.known[0]),
	)
}

// discreet checks that an error's text holds none of the digests in a spelling
// that a store or its driver is likely to use.
func discreet(err error, digests ...apikey.Digest) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, d := range digests {
		for _, spelling := range []string{
			string(d[:]),
			hex.EncodeToString(d[:]),
			strings.ToUpper(hex.EncodeToString(d[:])),
			strings.TrimRight(base64.StdEncoding.EncodeToString(d[:]), "="),
			base64.RawURLEncoding.EncodeToString(d[:]),
			strings.Trim(fmt.Sprintf("%d", d[:]), "[]"),
			strings.Trim(fmt.Sprintf("%q", d[:]), `"`),
		} {
			if strings.Contains(text, spelling) {
				return errors.New("the text of an error holds a digest")
			}
		}
	}
	return nil
}
