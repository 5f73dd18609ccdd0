package apikey

import (
	"encoding/binary"
	"sync/atomic"
)

// A digestTable is an open-addressed hash table that is read without a lock
// while one writer changes it. Digests are evenly spread already, so their first
// bytes are the hash. A slot that was once taken stays so for its digest, without a
// key when that is removed, and vanishes when the table grows; hence a reader that
// meets an empty slot knows that the digest is not there. Who still reads a table
// that has grown began before whatever changed since.
type digestTable struct {
	slots []atomic.Pointer[digestSlot] // a power of two of them
	taken int                          // the writer's
	live  int                          // the writer's
}

// A digestSlot is replaced and never changed, but for the mark of its key's use. Its
// key is nil where it was removed.
type digestSlot struct {
	digest Digest
	heldKey
}

// newDigestTable returns a table in which live entries can double before it has
// to grow.
func newDigestTable(live int) *digestTable {
	size := 16
	for size < 3*live {
		size *= 2
	}
	return &digestTable{slots: make([]atomic.Pointer[digestSlot], size)}
}

// slot returns the place of the digest, and what was there: nil if the digest was
// never set. A reader uses only the latter, for by now a writer may have put
// another digest into an empty place.
func (t *digestTable) slot(d *Digest) (*atomic.Pointer[digestSlot], *digestSlot) {
	mask := uint64(len(t.slots) - 1)
	for i := binary.LittleEndian.Uint64(d[:]) & mask; ; i = (i + 1) & mask {
		if s := t.slots[i].Load(); s == nil || s.digest == *d {
			return &t.slots[i], s
		}
	}
}

func (t *digestTable) find(d *Digest) *heldKey {
	if _, s := t.slot(d); s != nil && s.key != nil {
		return &s.heldKey
	}
	return nil
}

// set stores the key and returns the table to use from now on.
func (t *digestTable) set(d Digest, key *Key, traits *keyTraits) *digestTable {
	if 4*(t.taken+1) > 3*len(t.slots) {
		t = t.grown()
	}
	at, before := t.slot(&d)
	if before == nil {
		t.taken++
	}
	if before == nil || before.key == nil {
		t.live++
	}
	next := &digestSlot{digest: d}
	next.hold(key, &d, traits)
	at.Store(next)
	return t
}

func (t *digestTable) remove(d *Digest) {
	if at, before := t.slot(d); before != nil && before.key != nil {
		at.Store(&digestSlot{digest: *d})
		t.live--
	}
}

// grown returns a larger table without the removed digests.
func (t *digestTable) grown() *digestTable {
	next := newDigestTable(t.live)
	for i := range t.slots {
		if s := t.slots[i].Load(); s != nil && s.key != nil {
			at, _ := next.slot(&s.digest)
			at.Store(s)
			next.taken++
			next.live++
		}
	}
	return next
}
