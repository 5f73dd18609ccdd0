package apikey

import (
	"sync"
	"time"
)

// logHang is how long a write may take before a required log counts as failing.
const logHang = time.Second

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
	pending   []*logBlock
	shares    [2]logShare // without a key, and with one
	lost      logGap
	stats     LogStats
	writeFrom time.Time // when the write under way began

	// Only whoever has the turn touches these.
	taken []*logBlock // was pending
	next  int         // the first of taken that is in no batch yet
	gap   logGap      // was lost
	batch logBatchState
	keys  []maskedKey // of the entry that is made
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
		r.lost.add(time.Unix(0, rec.at))
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
	first, full := r.queue(rec)
	full = full || share.filling()
	r.mu.Unlock()
	if first {
		signal(r.wake)
	}
	if full {
		signal(r.full)
	}
}

// queue adds an entry to those that wait, and reports whether it is the first of them,
// and whether it fills a block. The caller holds mu.
func (r *recorder) queue(rec *record) (first, full bool) {
	last := len(r.pending) - 1
	if last < 0 || r.pending[last].n == logBatch {
		r.pending = append(r.pending, newLogBlock())
		last++
	}
	block := r.pending[last]
	block.records[block.n] = *rec
	block.n++
	return last == 0 && block.n == 1, block.n == logBatch
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
	if b := rec.bodies; b != nil {
		r.buffers.put(b.request.buffer)
		r.buffers.put(b.response.buffer)
		rec.bodies = nil
	}
}
