package apikey

import (
	"context"
	"fmt"
	"time"
)

const (
	// logInterval is how long entries are gathered, and half of what AccessLog
	// promises: writing them takes time too.
	logInterval = 100 * time.Millisecond
	// logBatch is the most entries of one write.
	logBatch = 500
	// logTimeout is how long a sink may take over a write. With maxLogPause it
	// bounds how long a sink that works again goes unnoticed.
	logTimeout = 4 * time.Second
	// logPause is how long a failed write is not tried again; it doubles up to
	// maxLogPause.
	logPause    = 100 * time.Millisecond
	maxLogPause = time.Second
)

// run writes now and then until the recorder is closed.
func (r *recorder) run() {
	pause := time.Duration(0)
	for {
		if pause == 0 {
			select {
			case <-r.wake:
			case <-r.stop:
				return
			}
			pause = logInterval
		}
		full := r.full
		if pause > logInterval {
			full = nil // a sink that has failed is given its time
		}
		select {
		case <-time.After(pause):
		case <-full:
		case <-r.stop:
			return
		}
		r.turn <- struct{}{}
		pause = r.again(pause)
		<-r.turn
	}
}

// again writes what there is, and returns how long to wait before the next time:
// not at all where everything is written.
func (r *recorder) again(pause time.Duration) time.Duration {
	if err := r.drain(context.Background()); err != nil {
		r.alarm.raise("the access log could not be written, and is tried again", "error", err)
		return min(max(logPause, 2*pause), maxLogPause)
	}
	return 0
}

// drain writes what waits, and what waited before that could not be written. The
// caller has the turn.
func (r *recorder) drain(ctx context.Context) error {
	if r.batch.empty() && r.next == len(r.taken) && r.gap.entries == 0 {
		r.take()
	}
	for {
		if r.batch.empty() {
			r.fill()
		}
		if r.batch.empty() {
			return nil
		}
		if err := r.write(ctx); err != nil {
			return err
		}
	}
}

// take takes over what waits.
func (r *recorder) take() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.full:
	default:
	}
	r.taken, r.pending, r.next = r.pending, r.taken[:0], 0
	r.gap, r.lost = r.lost, logGap{}
}

// fill makes the next batch of what was taken: the gap comes last.
func (r *recorder) fill() {
	if r.next < len(r.taken) {
		block := r.taken[r.next]
		r.taken[r.next] = nil
		r.next++
		for i := range block.n {
			rec := &block.records[i]
			r.entry(r.batch.add(logCost{bytes: rec.charged, keyed: rec.keyed()}), rec)
			r.release(rec)
		}
		block.free()
	}
	if r.gap.entries > 0 && r.next == len(r.taken) && len(r.batch.entries) < logBatch {
		*r.batch.add(logCost{gap: true}) = gapEntry(r.gap)
		r.alarm.raise("the access log has lost entries", "entries", r.gap.entries)
		r.gap = logGap{}
	}
}

// write gives the sink the batch.
func (r *recorder) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	r.mu.Lock()
	r.writeFrom = time.Now()
	r.mu.Unlock()
	err := r.sink(ctx, r.batch.entries)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeFrom = time.Time{}
	if r.stats.Failing = err != nil; err != nil {
		return fmt.Errorf("apikey: writing %d entries of the access log: %w", len(r.batch.entries), err)
	}
	r.written()
	return nil
}

// written gives back what the batch held. The caller holds mu.
func (r *recorder) written() {
	for _, cost := range r.batch.costs {
		if cost.gap {
			continue
		}
		share := r.shareOf(cost.keyed)
		share.entries--
		share.bytes -= cost.bytes
		r.stats.Stored++
	}
	r.batch.clear()
}

func (r *recorder) sink(ctx context.Context, part []LogEntry) (err error) {
	defer func() {
		if recover() != nil { // its value may hold anything
			err = errPanicked
		}
	}()
	return r.opts.Sink.WriteLog(ctx, part)
}

// close takes no more entries and writes those that wait. It returns in time also
// where the sink does not.
func (r *recorder) close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.once.Do(func() { close(r.stop) })
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("apikey: the access log is still being written: %w", ctx.Err())
	}
	drained := make(chan error, 1)
	go func() {
		err := r.finish(ctx)
		<-r.turn
		drained <- err
	}()
	select {
	case err := <-drained:
		return err
	case <-ctx.Done():
		return fmt.Errorf("apikey: writing the access log, of which %d entries wait: %w", r.statistics().Waiting, ctx.Err())
	}
}

// finish writes all that waits, and tries again until ctx has ended. What requests
// lose meanwhile, since the recorder is closed, does not keep it from ending.
func (r *recorder) finish(ctx context.Context) (err error) {
	for range 2 { // what an earlier attempt has left, and what came after it
		for err = r.drain(ctx); err != nil && ctx.Err() == nil; err = r.drain(ctx) {
			pauseFor(ctx, logPause)
		}
	}
	return err
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
