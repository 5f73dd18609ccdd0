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
	alarm    *alarm
	writing  chan struct{} // holds an element while a batch is written

	current atomic.Uint64 // counts the batches

	mu     sync.Mutex
	uses   map[string]waitingUse
	timer  *time.Timer // runs while uses wait
	closed bool        // no timer is started any more
}

func (b *useBatch) start(recorder UseRecorder, alarm *alarm) {
	b.recorder, b.alarm = recorder, alarm
	b.uses, b.writing = map[string]waitingUse{}, make(chan struct{}, 1)
	b.current.Add(1)
}

// A useMark is part of a key that is held: noting a use again, of a key that waits for
// the batch already, takes no lock.
type useMark struct {
	batch atomic.Uint64 // which the key waits for
	at    atomic.Int64  // nanoseconds since 1970
}

// markPrecision is how far a mark may lag behind: one that every request wrote to
// would wander from one processor to the next.
const markPrecision = time.Millisecond

// A waitingUse is one that waits for the batch. The mark may say that it is later.
type waitingUse struct {
	Use
	mark *useMark // nil: there is none
}

// latest returns the use with its latest time.
func (w waitingUse) latest() Use {
	if w.mark != nil {
		if at := time.Unix(0, w.mark.at.Load()); at.After(w.At) {
			w.At = at
		}
	}
	return w.Use
}

// note notes that a held key was used by the credential with the digest from, which
// belongs under the digest newest. A request that notes it while the batch is taken
// may do so in vain: it is one that came within the batch anyway.
func (b *useBatch) note(held *heldKey, at time.Time, from, newest *Digest) {
	if b.recorder == nil {
		return
	}
	mark, nanos := &held.used, at.UnixNano()
	if mark.batch.Load() == b.current.Load() {
		if nanos-mark.at.Load() >= int64(markPrecision) {
			mark.at.Store(nanos)
		}
		return
	}
	use := Use{KeyID: held.key.ID, At: at}
	if *from != *newest {
		use.From, use.To = *from, *newest
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	mark.at.Store(nanos)
	mark.batch.Store(b.current.Load())
	b.merge(waitingUse{use, mark})
}

// add merges uses into those that wait.
func (b *useBatch) add(uses ...Use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, use := range uses {
		b.merge(waitingUse{Use: use})
	}
}

// merge merges a use into those that wait: the latest time counts, and a move of a
// credential that is due stays so. The caller holds mu.
func (b *useBatch) merge(use waitingUse) {
	if before, ok := b.uses[use.KeyID]; ok {
		if at := before.latest().At; at.After(use.At) {
			use.At = at
		}
		if use.To == (Digest{}) {
			use.From, use.To = before.From, before.To
		}
		switch {
		case use.mark == nil:
			use.mark = before.mark
		case before.mark != nil && before.mark != use.mark:
			before.mark.batch.Store(0) // which nobody reads any more: the next use by it is noted anew
		}
	}
	b.uses[use.KeyID] = use
	if b.timer == nil && !b.closed {
		b.timer = time.AfterFunc(useInterval, b.flushInTime)
	}
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
	uses := b.uses
	b.uses = map[string]waitingUse{}
	b.current.Add(1)
	b.mu.Unlock() // requests wait for it, and a million uses take their time
	batch, now := make([]Use, 0, len(uses)), time.Now()
	for _, use := range uses {
		use := use.latest()
		// The clock may have been set back since. Stores keep the latest time, so
		// that one of tomorrow would hide all uses until then.
		use.At = notAhead(storable(use.At), now)
		batch = append(batch, use)
	}
	return batch
}
