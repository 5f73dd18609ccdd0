package apikey

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

	recent [4096]atomic.Pointer[useMark] // by the digest's first bits

	mu     sync.Mutex
	uses   map[string]Use
	timer  *time.Timer // runs while uses wait
	closed bool        // no timer is started any more
}

func (b *useBatch) start(recorder UseRecorder, alarm *alarm) {
	b.recorder, b.alarm = recorder, alarm
	b.uses, b.writing = map[string]Use{}, make(chan struct{}, 1)
}

// A useMark stands for a key that waits for the batch already: noting it again
// takes no lock.
type useMark struct {
	from  Digest
	keyID string
	at    atomic.Int64 // nanoseconds since 1970
}

func (m *useMark) use() Use { return Use{KeyID: m.keyID, At: time.Unix(0, m.at.Load())} }

// markPrecision is how far a mark may lag behind: one that every request wrote to
// would wander from one processor to the next.
const markPrecision = time.Millisecond

// note notes that a key was used by the credential with the digest from, which
// belongs under the digest newest.
func (b *useBatch) note(id string, at time.Time, from, newest *Digest) {
	if b.recorder == nil {
		return
	}
	nanos, mark := at.UnixNano(), &b.recent[(int(from[0])<<8|int(from[1]))%len(b.recent)]
	if m := mark.Load(); m != nil && m.from == *from && m.keyID == id {
		if nanos-m.at.Load() >= int64(markPrecision) {
			m.at.Store(nanos)
		}
		return
	}
	use := Use{KeyID: id, At: at}
	if *from != *newest {
		use.From, use.To = *from, *newest
	}
	next := &useMark{from: *from, keyID: id}
	next.at.Store(nanos)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.merge(use)
	if before := mark.Swap(next); before != nil {
		b.merge(before.use())
	}
}

// add merges uses into those that wait: the latest time counts, and a move of a
// credential that is due stays so.
func (b *useBatch) add(uses ...Use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.merge(uses...)
}

// merge is add for a caller that holds mu.
func (b *useBatch) merge(uses ...Use) {
	for _, use := range uses {
		if waiting, ok := b.uses[use.KeyID]; ok {
			if waiting.At.After(use.At) {
				use.At = waiting.At
			}
			if use.To == (Digest{}) {
				use.From, use.To = waiting.From, waiting.To
			}
		}
		b.uses[use.KeyID] = use
	}
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

// takeMarks takes what the marks say. A request that has its mark in hand at this
// moment may note its use in vain: it is one that came within the batch anyway.
func (b *useBatch) takeMarks() []Use {
	var uses []Use
	for i := range b.recent {
		if mark := b.recent[i].Swap(nil); mark != nil {
			uses = append(uses, mark.use())
		}
	}
	return uses
}

func (b *useBatch) take() []Use {
	b.mu.Lock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	uses := b.uses
	b.uses = map[string]Use{}
	marks := b.takeMarks()
	b.mu.Unlock() // requests wait for it, and a million uses take their time
	for _, use := range marks {
		if waiting, ok := uses[use.KeyID]; ok && waiting.At.Before(use.At) {
			waiting.At = use.At
			uses[use.KeyID] = waiting
		}
	}
	batch, now := slices.Collect(maps.Values(uses)), time.Now()
	for i := range batch {
		// The clock may have been set back since. Stores keep the latest time, so
		// that one of tomorrow would hide all uses until then.
		batch[i].At = notAhead(storable(batch[i].At), now)
	}
	return batch
}
