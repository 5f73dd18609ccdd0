package apikey

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
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

	writing sync.Mutex // held while a batch is written

	mu    sync.Mutex
	uses  map[string]Use
	timer *time.Timer // runs while uses wait
}

func (b *useBatch) start(recorder UseRecorder, alarm *alarm) {
	b.recorder, b.alarm, b.uses = recorder, alarm, map[string]Use{}
}

// note notes that a key was used by the credential with the digest from, which
// belongs under the digest newest.
func (b *useBatch) note(id string, at time.Time, from, newest Digest) {
	if b.recorder == nil {
		return
	}
	use := Use{KeyID: id, At: at}
	if from != newest {
		use.From, use.To = from, newest
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.merge(use)
	if b.timer == nil {
		b.timer = time.AfterFunc(useInterval, b.flushInTime)
	}
}

// merge keeps the latest time, and the move of a credential if one is due. The
// caller holds mu.
func (b *useBatch) merge(use Use) {
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

func (b *useBatch) flushInTime() {
	ctx, cancel := context.WithTimeout(context.Background(), useTimeout)
	defer cancel()
	if err := b.flush(ctx); err != nil {
		b.alarm.raise("last uses could not be written and are kept for the next batch", "error", err)
	}
}

// flush writes what waits. What could not be written waits on.
func (b *useBatch) flush(ctx context.Context) (err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	batch := b.take()
	if len(batch) == 0 {
		return nil
	}
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
		if err != nil {
			b.putBack(batch)
		}
	}()
	if err := b.recorder.RecordUses(ctx, batch); err != nil {
		return fmt.Errorf("apikey: recording the last uses of %d keys: %w", len(batch), err)
	}
	return nil
}

func (b *useBatch) take() []Use {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	batch := slices.Collect(maps.Values(b.uses))
	clear(b.uses)
	return batch
}

func (b *useBatch) putBack(batch []Use) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, use := range batch {
		b.merge(use)
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(useInterval, b.flushInTime)
	}
}
