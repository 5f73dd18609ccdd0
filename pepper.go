package apikey

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"
)

const (
	minPepper         = 16
	maxMarkerAttempts = 5
)

// A Pepper is a secret of the host's, kept apart from the store, under which
// digests are made: who steals the store alone can then not even guess at weak
// keys. Make one with [NewPepper]. It cannot be printed.
type Pepper struct {
	key  func() []byte // in a closure for the reason given at Secret
	none bool
}

// NewPepper returns a Pepper of the key's bytes, 16 or more of them, best 32
// random ones. It copies them.
func NewPepper(key []byte) Pepper {
	key = bytes.Clone(key)
	return Pepper{key: func() []byte { return key }}
}

// NoPepper stands for plain SHA-256 in [Options.Peppers]: list it last to go on
// accepting keys from before there was a pepper.
func NoPepper() Pepper { return Pepper{none: true} }

func (p Pepper) validate() error {
	switch {
	case p.none:
		return nil
	case p.key == nil:
		return errors.New("apikey: a zero Pepper; use NewPepper or NoPepper")
	case len(p.key()) < minPepper:
		return fmt.Errorf("apikey: a pepper of %d bytes; at least %d are needed", len(p.key()), minPepper)
	}
	return nil
}

// A digester makes digests under one pepper. The zero value makes plain ones.
type digester struct {
	macs *sync.Pool // of *mac; making an HMAC anew costs five times its use
}

// mac holds its buffers beside the hash, since what is passed through an
// interface is otherwise allocated at each call.
type mac struct {
	hash.Hash
	text [maxKeyBytes]byte
	sum  [sha256.Size]byte
}

func newDigester(p Pepper) digester {
	if p.none {
		return digester{}
	}
	return digester{&sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, p.key())} }}}
}

// digest returns the digest of text, of which it reads maxKeyBytes at most.
func (d digester) digest(text string) Digest {
	if d.macs == nil {
		return sha256.Sum256(asBytes(text[:min(len(text), maxKeyBytes)]))
	}
	m := d.macs.Get().(*mac)
	defer d.macs.Put(m)
	m.Reset()
	n := copy(m.text[:], text)
	m.Write(m.text[:n])
	return Digest(m.Sum(m.sum[:0]))
}

// marker is what a store keeps to tell its pepper from another. The text cannot
// be a key's, as it holds a control character.
func (d digester) marker() []byte {
	sum := d.digest("apikey pepper\n")
	return sum[:]
}

var errWrongPepper = errors.New("apikey: the store was written under a pepper that is not among Options.Peppers; " +
	"starting would refuse every key. Add the right one (or NoPepper(), if there was none) behind the new one")

// checkMarker refuses a store that was written under none of the peppers, and
// leaves the newest one's marker in it.
func checkMarker(ctx context.Context, store MarkerStore, digesters []digester) error {
	next := digesters[0].marker()
	for attempt := 1; ; attempt++ {
		stored, err := store.Marker(ctx)
		if err != nil {
			return fmt.Errorf("apikey: reading the store's marker: %w", err)
		}
		if bytes.Equal(stored, next) {
			return nil
		}
		accepted := func(d digester) bool { return bytes.Equal(stored, d.marker()) }
		if len(stored) > 0 && !slices.ContainsFunc(digesters, accepted) {
			return errWrongPepper
		}
		err = store.SwapMarker(ctx, stored, next)
		if err == nil {
			return nil
		}
		// Of ten nodes that start at once, nine find that another was quicker.
		if !errors.Is(err, ErrConflict) || attempt == maxMarkerAttempts {
			return fmt.Errorf("apikey: setting the store's marker: %w", err)
		}
	}
}
