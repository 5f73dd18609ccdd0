package apikey

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	useInterval = 30 * time.Second
	useTimeout  = 10 * time.Second
)

// A useBatch gathers the last uses of keys and writes them now and then: a
// request that had to wait for a write would wait for the disk. There is one
// entry for each key used since the last batch, however often it was.
type useBatch struct {
	recorder UseRecorder // nil: nothing is gathered
	marks    bool        // keys are held from one request to the next, and so are their marks
	alarm    *alarm
	writing  chan struct{} // holds an element while a batch is written

	current atomic.Uint64 // counts the batches

	mu     sync.Mutex
	marked []*heldKey     // whose marks say when they were used
	uses   map[string]Use // moves of credentials, and what could not be written
	timer  *time.Timer    // runs while uses wait
	closed bool           // no timer is started any more
}

func (b *useBatch) start(recorder UseRecorder, alarm *alarm) {
	b.recorder, b.alarm = recorder, alarm
	b.uses, b.writing = map[string]Use{}, make(chan struct{}, 1)
	b.current.Add(1)
}

// A useMark is part of a key that is held: noting a use again, of a key that waits for
// the batch already, takes no lock. It lags behind by up to a millisecond: one that
// every request wrote to would wander from one processor to the next.
//
// It holds the batch that the key waits for, counted up to a million, which takes a
// year, and the milliseconds since 1970.
type useMark struct{ atomic.Uint64 }

const useMarkBits = 44 // of the time, until the year 2527

func newUseMark(batch uint64, at time.Time) uint64 {
	return batch<<useMarkBits | uint64(at.UnixMilli())&(1<<useMarkBits-1) // it is after 1970
}

func (m *useMark) time() time.Time {
	return time.UnixMilli(int64(m.Load() & (1<<useMarkBits - 1)))
}

// note notes that a held key was used by the credential with the digest from, which
// belongs under the digest newest. A request that notes it while the batch is taken
// may do so in vain: it is one that came within the batch anyway.
func (b *useBatch) note(held *heldKey, at time.Time, from, newest *Digest) {
	if b.recorder == nil {
		return
	}
	before, mark := held.used.Load(), newUseMark(b.current.Load(), at)
	if before>>useMarkBits == mark>>useMarkBits {
		if before < mark {
			held.used.Store(mark)
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	use := Use{KeyID: held.key.ID, At: at}
	if *from != *newest {
		use.From, use.To = *from, *newest
	}
	if b.marks {
		held.used.Store(newUseMark(b.current.Load(), at))
		b.marked = append(b.marked, held)
	}
	if !b.marks || use.To != (Digest{}) {
		merge(b.uses, use)
	}
	b.wait()
}

// add merges uses into those that wait.
func (b *useBatch) add(uses ...Use) {
	if len(uses) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, use := range uses {
		merge(b.uses, use)
	}
	b.wait()
}

// wait sees to it that what waits is written. The caller holds mu.
func (b *useBatch) wait() {
	if b.timer == nil && !b.closed {
		b.timer = time.AfterFunc(useInterval, b.flushInTime)
	}
}

// merge merges a use into others: the latest time counts, and a move of a credential
// that is due stays so.
func merge(uses map[string]Use, use Use) {
	if before, ok := uses[use.KeyID]; ok {
		if before.At.After(use.At) {
			use.At = before.At
		}
		if use.To == (Digest{}) {
			use.From, use.To = before.From, before.To
		}
	}
	uses[use.KeyID] = use
}

func (b *useBatch) flushInTime() {
	b.mu.Lock()
	b.timer = nil // it is spent, also where an earlier batch hangs and this one is not written
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), useTimeout)
	defer cancel()
	if err := b.flush(ctx); err != nil {
		b.alarm.raise("last uses could not be written and are kept for the next batch", "error", err)
	}
}

// close writes what waits, and ends the writing now and then.
func (b *useBatch) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return b.flush(ctx)
}

// flush writes what waits. What could not be written waits on. It returns in time
// also where the store does not.
func (b *useBatch) flush(ctx context.Context) error {
	if b.recorder == nil {
		return nil
	}
	select {
	case b.writing <- struct{}{}:
	case <-ctx.Done():
		// What is marked is held twice and more where the cache has asked anew since.
		b.add(b.take()...)
		return fmt.Errorf("apikey: recording last uses: an earlier batch is still being written: %w", ctx.Err())
	}
	written := make(chan error, 1)
	go func() {
		err := b.write(ctx)
		<-b.writing
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return fmt.Errorf("apikey: recording last uses: %w", ctx.Err())
	}
}

func (b *useBatch) write(ctx context.Context) (err error) {
	batch := b.take()
	if len(batch) == 0 {
		return nil
	}
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
		if err != nil {
			b.add(batch...)
		}
	}()
	if err := b.recorder.RecordUses(ctx, batch); err != nil {
		return fmt.Errorf("apikey: recording the last uses of %d keys: %w", len(batch), err)
	}
	return nil
}

func (b *useBatch) take() []Use {
	b.mu.Lock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	uses, marked := b.uses, b.marked
	b.uses, b.marked = map[string]Use{}, nil
	if b.current.Add(1)<<useMarkBits == 0 {
		b.current.Add(1) // 0 is that of keys which wait for none
	}
	b.mu.Unlock() // requests wait for it, and a million uses take their time
	for _, held := range marked {
		merge(uses, Use{KeyID: held.key.ID, At: held.used.time()})
	}
	batch, now := make([]Use, 0, len(uses)), time.Now()
	for _, use := range uses {
		// The clock may have been set back since. Stores keep the latest time, so
		// that one of tomorrow would hide all uses until then.
		use.At = notAhead(storable(use.At), now)
		batch = append(batch, use)
	}
	return batch
}
