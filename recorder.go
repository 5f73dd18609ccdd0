package apikey

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// logInterval is how long entries are gathered, and half of what AccessLog
	// promises: writing them takes time too.
	logInterval = 100 * time.Millisecond
	// logBatch is the most entries of one write, which a crash may lose.
	logBatch = 500
	// logTimeout is how long a sink may take over a write. With maxLogPause it
	// bounds how long a sink that works again goes unnoticed.
	logTimeout = 4 * time.Second
	// logPause is how long a failed write is not tried again; it doubles up to
	// maxLogPause.
	logPause    = 100 * time.Millisecond
	maxLogPause = time.Second
	// logHang is how long a write may take before a required log counts as
	// failing.
	logHang = time.Second
	// maxSpare is for how many entries room is kept that nothing fills.
	maxSpare = 4 * logBatch
)

// A recorder takes what requests leave for the access log, and writes it in a
// goroutine of its own: no request waits for a sink.
type recorder struct {
	opts    LogOptions
	masker  *masker
	buffers bufferPool
	finger  digester
	sources []Source // places of keys, also where a view has others
	alarm   *alarm

	wake chan struct{} // holds an element where there is something to write soon
	full chan struct{} // … and at once
	stop chan struct{}
	turn chan struct{} // holds an element while somebody writes
	once sync.Once     // closes stop

	mu        sync.Mutex
	pending   []record
	shares    [2]logShare // without a key, and with one
	lost      logGap
	stats     LogStats
	writeFrom time.Time // when the write under way began

	// Only whoever has the turn touches these.
	taken []record // was pending
	next  int      // the first of taken that is in no batch yet
	gap   logGap   // was lost
	batch logBatchState
}

// A logShare is what one kind of entries holds in memory, until it is written.
type logShare struct {
	entries, maxEntries int
	bytes, maxBytes     int64
}

func (s *logShare) fits(bytes int64) bool {
	return s.entries < s.maxEntries && s.bytes+bytes <= s.maxBytes
}

// filling reports whether it is better not to wait for more.
func (s *logShare) filling() bool {
	return s.entries > s.maxEntries/2 || s.bytes > s.maxBytes/2
}

// A logGap is what was lost since it was last told.
type logGap struct {
	entries  int64
	from, to time.Time
}

func (g *logGap) add(at time.Time) {
	if g.entries == 0 || at.Before(g.from) {
		g.from = at
	}
	if at.After(g.to) {
		g.to = at
	}
	g.entries++
}

func newRecorder(o LogOptions, sources []Source, alarm *alarm, finger digester) *recorder {
	if o.Sink == nil {
		return nil
	}
	r := &recorder{
		opts:    o,
		masker:  newMasker(o.Secrets),
		buffers: newBufferPool(o.MaxBody + bodySlack),
		finger:  finger,
		sources: sources,
		alarm:   alarm,
		wake:    make(chan struct{}, 1),
		full:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		turn:    make(chan struct{}, 1),
	}
	quarter := logShare{maxEntries: max(1, o.MaxEntries/4), maxBytes: max(1, o.MaxBytes/4)}
	r.shares = [2]logShare{quarter, {
		maxEntries: max(1, o.MaxEntries-quarter.maxEntries), maxBytes: max(1, o.MaxBytes-quarter.maxBytes),
	}}
	go r.run()
	return r
}

// shareOf returns the share that an entry counts to.
func (r *recorder) shareOf(keyed bool) *logShare {
	if keyed {
		return &r.shares[1]
	}
	return &r.shares[0]
}

// reserve sets an entry's place aside before its request is served, or reports
// that there is none. A place is set aside once.
func (r *recorder) reserve(rec *record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec.reserved {
		return true
	}
	share := r.shareOf(rec.keyed())
	if r.closed() || !r.ready() || !share.fits(rec.size()) {
		return false
	}
	rec.reserved = true
	share.entries++
	return true
}

// forgo gives back the place that was set aside for a change which was not made.
func (r *recorder) forgo() {
	if r == nil || !r.opts.Required {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shareOf(true).entries--
}

// ready reports whether what is queued now will be written soon, as far as can be
// told. The caller holds mu.
func (r *recorder) ready() bool {
	return !r.stats.Failing && (r.writeFrom.IsZero() || time.Since(r.writeFrom) < logHang)
}

// offer queues an entry, or counts it as lost where there is no room. It takes
// over the entry's buffers.
func (r *recorder) offer(rec *record) {
	size := rec.size()
	r.mu.Lock()
	r.stats.Accepted++
	share := r.shareOf(rec.keyed())
	if rec.reserved {
		share.entries-- // it becomes a real one
	}
	if r.closed() || !rec.reserved && !share.fits(size) {
		r.stats.Dropped++
		r.lost.add(rec.start)
		first := r.lost.entries == 1
		r.mu.Unlock()
		r.release(rec)
		if first {
			signal(r.wake) // a gap is told also where nothing comes after it
		}
		return
	}
	share.entries++
	share.bytes += size
	rec.charged = size
	r.pending = append(r.pending, *rec)
	waiting, soon := len(r.pending), share.filling()
	r.mu.Unlock()
	if waiting == 1 {
		signal(r.wake)
	}
	if waiting == logBatch || soon {
		signal(r.full)
	}
}

func (r *recorder) closed() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

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
	if cap(r.taken) > maxSpare {
		r.taken = nil
	}
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
	part := r.taken[r.next:min(len(r.taken), r.next+logBatch)]
	for i := range part {
		r.batch.add(r.entry(&part[i]), logCost{bytes: part[i].charged, keyed: part[i].keyed()})
		r.release(&part[i])
	}
	clear(part) // the texts of keys go as soon as they can
	r.next += len(part)
	if r.gap.entries > 0 && r.next == len(r.taken) && len(part) < logBatch {
		r.batch.add(gapEntry(r.gap), logCost{gap: true})
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

func (r *recorder) statistics() LogStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Waiting = s.Accepted - s.Stored - s.Dropped
	s.WaitingBytes = r.shares[0].bytes + r.shares[1].bytes
	return s
}

// release gives an entry's buffers back.
func (r *recorder) release(rec *record) {
	r.buffers.put(rec.request.buffer)
	r.buffers.put(rec.response.buffer)
	rec.request.buffer, rec.response.buffer = nil, nil
}
