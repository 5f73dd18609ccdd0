package apikey

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A cacheEntry is what a store said of a digest. It is never changed, but for the mark
// of its use.
type cacheEntry struct {
	digest  Digest
	heldKey                // its key is nil where there is none
	at      time.Duration  // when the store was asked
	seq     uint64         // the change clock then
	latest  *atomic.Uint64 // when the key last changed, in the change clock
}

const cacheWays = 7

// A cacheTable holds entries in sets of seven. Each digest has two sets to be in, so
// that hardly any is pushed out before the table is full. It neither grows nor
// locks: what does not fit takes the place of the oldest in its first set.
type cacheTable struct {
	sets []cacheSet // a power of two of them
}

// A cacheSet is one line of a processor's cache. It keeps a byte of each digest beside
// the entries, so that hardly any entry of another digest needs to be touched. A tag
// may belong to an entry that was replaced just now: a reader then finds nothing.
type cacheSet struct {
	tags    atomic.Uint64 // a byte for each entry, and one that nobody uses
	entries [cacheWays]atomic.Pointer[cacheEntry]
}

// newCacheTable returns a table for n entries, of 1.25 to 2.5 times as many places,
// which is where hardly any entry finds both its sets full.
func newCacheTable(n int) cacheTable {
	sets := 1
	for sets*cacheWays < n+n/4 {
		sets *= 2
	}
	return cacheTable{make([]cacheSet, sets)}
}

// setsOf returns the two sets of the digest.
func (t *cacheTable) setsOf(d *Digest) (first, second *cacheSet) {
	mask := uint64(len(t.sets) - 1)
	at := binary.LittleEndian.Uint64(d[0:8])
	return &t.sets[at&mask], &t.sets[bits.RotateLeft64(at, 32)&mask]
}

// find returns the entry of the digest, if it still holds.
func (t *cacheTable) find(d *Digest, changes *changeClock) *cacheEntry {
	first, second := t.setsOf(d)
	if e := first.find(d); e != nil && changes.holds(e) {
		return e
	}
	if e := second.find(d); e != nil && changes.holds(e) {
		return e
	}
	return nil
}

const (
	eachTag = 0x00_01_01_01_01_01_01_01 // times a byte: that byte for each entry
	highBit = 0x00_80_80_80_80_80_80_80
)

// find looks at those entries whose tag is that of the digest, all tags being
// compared at once: of what is left of them, a byte of zero is one that was equal.
// Others may pass for equal, and are told apart by the digest.
func (s *cacheSet) find(d *Digest) *cacheEntry {
	e, _ := s.lookUp(d)
	return e
}

// lookUp returns the entry of the digest and its place, or nil and -1.
func (s *cacheSet) lookUp(d *Digest) (*cacheEntry, int) {
	left := s.tags.Load() ^ eachTag*uint64(d[8])
	for equal := (left - eachTag) &^ left & highBit; equal != 0; equal &= equal - 1 {
		place := bits.TrailingZeros64(equal) / 8
		if e := s.entries[place].Load(); e != nil && e.digest == *d {
			return e, place
		}
	}
	return nil, -1
}

// set puts an entry into a place.
func (s *cacheSet) set(place int, e *cacheEntry) {
	s.entries[place].Store(e)
	shift := 8 * place
	for {
		was := s.tags.Load()
		if s.tags.CompareAndSwap(was, was&^(0xff<<shift)|uint64(e.digest[8])<<shift) {
			return
		}
	}
}

// put keeps the entry, if it still holds.
func (t *cacheTable) put(e *cacheEntry, changes *changeClock) {
	if !changes.holds(e) {
		return
	}
	first, second := t.setsOf(&e.digest)
	set := first
	_, place := first.lookUp(&e.digest)
	if place < 0 {
		set = second
		_, place = second.lookUp(&e.digest)
	}
	if place < 0 {
		set, place = first, first.free(changes)
	}
	if place < 0 {
		set, place = second, second.free(changes)
	}
	if place < 0 {
		set, place = first, first.oldest()
	}
	set.set(place, e)
}

// free returns a place without an entry that holds, or -1.
func (s *cacheSet) free(changes *changeClock) int {
	for i := range s.entries {
		if e := s.entries[i].Load(); e == nil || !changes.holds(e) {
			return i
		}
	}
	return -1
}

func (s *cacheSet) oldest() int {
	place, oldest := 0, time.Duration(math.MaxInt64)
	for i := range s.entries {
		if e := s.entries[i].Load(); e != nil && e.at < oldest {
			place, oldest = i, e.at
		}
	}
	return place
}

// drop forgets the digest.
func (t *cacheTable) drop(d *Digest) {
	first, second := t.setsOf(d)
	for _, set := range [...]*cacheSet{first, second} {
		if _, i := set.lookUp(d); i >= 0 {
			set.entries[i].Store(nil)
		}
	}
}

// A changeClock counts changes to keys, and remembers when each key last changed,
// roughly: keys share a few thousand places, so that a change makes some others be
// asked for once more. An entry holds if its key has not changed since the store
// was asked. An answer that was under way during the change thus never counts.
type changeClock struct {
	seed  maphash.Seed
	count atomic.Uint64
	all   atomic.Uint64 // when all keys last may have changed
	any   atomic.Uint64 // when any key last changed
	keys  [4096]atomic.Uint64
}

func (c *changeClock) now() uint64 { return c.count.Load() }

// note notes a change that was made, of all keys where id is empty.
func (c *changeClock) note(id string) {
	at := c.count.Add(1)
	raise(&c.any, at)
	if id == "" {
		raise(&c.all, at)
		return
	}
	raise(c.place(id), at)
}

func (c *changeClock) place(id string) *atomic.Uint64 {
	return &c.keys[maphash.String(c.seed, id)%uint64(len(c.keys))]
}

// holds reports whether an entry is still what the store would say, as far as is
// known. A text that was no key may have become one by any change.
func (c *changeClock) holds(e *cacheEntry) bool {
	if e.seq >= c.any.Load() {
		return true // and e.latest, which is seldom in a processor's cache, is not read
	}
	return e.key != nil && e.seq >= c.all.Load() && e.seq >= e.latest.Load()
}

// raise makes v at least at.
func raise(v *atomic.Uint64, at uint64) {
	for was := v.Load(); was < at; was = v.Load() {
		if v.CompareAndSwap(was, at) {
			return
		}
	}
}
