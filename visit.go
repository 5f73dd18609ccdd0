package apikey

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A visit is one request on its way through a guard: its identity and the writer
// that sees its answer, in one allocation, and the record of it. The handler may hold
// on to the former for as long as it likes; the record is used again as soon as the
// entry is made. All methods but end may be called on nil, where nothing is recorded.
//
// What a handler gets leads to it, and everything that prints by reflection, as
// assertions do, follows pointers: so it leads to texts of keys by functions only.
type visit struct {
	core      func() *core
	outer     *visit // of another Authority, in whose handler this one's is; or nil
	start     time.Time
	requestID int64
	identity  identity
	writer    logWriter
	headers   cacheHeaders
	returned  bool // the handler did, and did not panic
	observed  bool // writer is in use

	ended   bool       // the entry is made, and nothing changes it any more
	refusal bool       // a guard has refused the request
	private bool       // the handler has said that no body is kept, see OmitBodies
	mu      sync.Mutex // the three above, and what is below; a handler may run into a time limit and go on
	next    *http.Request
	request *capture       // nil: the body of the request is not kept
	record  func() *record // nil: the entry is made
}

// records holds functions that each return a record of its own.
var records = sync.Pool{New: func() any {
	rec := new(record)
	return func() *record { return rec }
}}

func newVisit(c *core, r *http.Request) *visit {
	now := c.clock.now()
	own := records.Get().(func() *record)
	v := &visit{core: c.self, next: r, outer: visitOf(r.Context()), start: now, record: own}
	rec := own()
	rec.at = now.UnixNano()
	rec.id = later(rec.at)
	if v.requestID = rec.id; v.outer != nil {
		v.requestID = v.outer.requestID
	}
	rec.requestID = v.requestID
	rec.method, rec.path, rec.query = r.Method, r.URL.Path, r.URL.RawQuery
	rec.line = len(r.Method) + len(r.RequestURI)
	rec.requestSize = r.ContentLength
	if hook := c.opts.Log.Client; hook != nil {
		rec.client = strings.Clone(hook(r)) // it may be a part of a long header
	} else {
		rec.remote = r.RemoteAddr
	}
	rec.outcome = OutcomeAllowed
	return v
}

// moment returns the time at which the request is judged: when it came, unless that is
// some time ago, since its client had seconds to send a body, or a handler has asked.
// One reading of the clock serves all.
func (c *core) moment(v *visit, found *presented) time.Time {
	if v == nil || !v.fresh() || found.body != nil {
		return c.clock.now()
	}
	return v.start
}

// fresh reports whether nothing but the guard that began the visit has seen the request
// since.
func (v *visit) fresh() bool { return v.identity.core == nil }

// newIdentity returns room for the context of a request that is let through: part of
// the visit where that is new.
func (v *visit) newIdentity() *identity {
	if v == nil || !v.fresh() {
		return new(identity)
	}
	return &v.identity
}

// cacheHeaders returns room for them.
func (v *visit) cacheHeaders() *cacheHeaders {
	if v == nil {
		return new(cacheHeaders)
	}
	return &v.headers
}

// note changes the record, unless the entry is made.
func (v *visit) note(change func(rec *record)) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.ended {
		change(v.record())
	}
}

// judged notes what a guard asked for, and what it found where it had to look for a
// key: also for the entries of outer Authorities, which do not know where this one
// looks.
func (v *visit) judged(a *Authority, need *Need, found *presented) {
	v.note(func(rec *record) {
		rec.view = a
		rec.need(need.text)
		if found.text != "" {
			before := rec.presented // by an earlier guard, which looked elsewhere
			rec.presented = [2]string{found.text, found.other}
			rec.astray(before[:]...)
		}
		if found.held != nil {
			rec.key, rec.logging = found.held.key, found.held.traits.logging
		}
	})
	for v != nil && v.outer != nil && found.text != "" {
		v = v.outer
		v.note(func(rec *record) { rec.astray(found.text, found.other) })
	}
}

// refused notes why a guard has refused the request, of which no body is kept
// then.
func (v *visit) refused(e *Error) {
	v.note(func(rec *record) {
		v.refusal = true
		rec.refuse(e)
	})
}

// admitted reports whether the request can be recorded, if it has to be.
func (v *visit) admitted() bool {
	if v == nil || !v.core().opts.Log.Required {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.ended && v.core().recorder.reserve(v.record())
}

// observe returns a writer that sees how a refusal is answered.
func (v *visit) observe(w http.ResponseWriter, refusal *Error) http.ResponseWriter {
	if v == nil {
		return w
	}
	v.refused(refusal)
	return v.wrap(w)
}

// wrap returns a writer that notes what is answered, or w where an outer one does
// already.
func (v *visit) wrap(w http.ResponseWriter) http.ResponseWriter {
	if v.observed {
		return w
	}
	v.observed = true
	v.writer.ResponseWriter = w
	v.writer.bodyless = v.next.Method == http.MethodHead
	v.writer.http1 = v.next.ProtoMajor == 1
	return logWriterFor(&v.writer)
}

// capture returns what the handler gets: a writer that sees the answer, and a
// request whose body is kept if the key asks for that.
func (v *visit) capture(w http.ResponseWriter, next *http.Request) (http.ResponseWriter, *http.Request) {
	if v == nil {
		return w, next
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended {
		return w, next
	}
	pool, logging := &v.core().recorder.buffers, v.record().logging
	if logging&LogResponse != 0 {
		v.writer.capture.Store(&capture{pool: pool})
	}
	if logging&LogRequest != 0 && next.Body != nil && next.Body != http.NoBody {
		v.request = &capture{pool: pool}
		v.request.start(next.Header, false)
		next.Body = &capturedReader{next.Body, v.request}
	}
	v.next = next
	return v.wrap(w), next
}

// end makes the entry. It is deferred, and lets a panic pass.
func (v *visit) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	own := v.record
	rec := own()
	v.ended, v.record = true, nil
	rec.duration = time.Since(v.start)
	rec.route = routeOf(v.next)
	rec.status, rec.responseSize = int(v.writer.status), v.writer.length
	v.howEnded(rec)
	v.bodies(rec)
	v.core().recorder.offer(rec) // which copies it
	*rec = record{}
	records.Put(own)
}

// howEnded notes how the handler ended.
func (v *visit) howEnded(rec *record) {
	switch {
	case !v.returned:
		rec.outcome, rec.reason = OutcomeError, reasonPanic
	case rec.reason != "":
	case clientGone(v.next.Context()):
		rec.reason = reasonClientGone
	}
	if rec.status == 0 && v.returned && v.observed {
		rec.status = http.StatusOK // as net/http answers for a handler that wrote nothing
	}
}

const (
	reasonPanic      = "panic"
	reasonClientGone = "client_gone"
)

// bodies moves the bodies that were kept to the record, unless a guard refused
// the request after all.
func (v *visit) bodies(rec *record) {
	answer := v.writer.capture.Load()
	if v.request == nil && answer == nil {
		return
	}
	request, response := v.request.end(), answer.end()
	if v.refusal || v.private {
		buffers := &v.core().recorder.buffers
		buffers.put(request.buffer)
		buffers.put(response.buffer)
	}
	if v.refusal {
		return
	}
	if request.length > 0 {
		rec.requestSize = request.length
	}
	if v.private {
		request, response = request.private(), response.private()
	}
	if request != (recordedBody{}) || response != (recordedBody{}) {
		rec.bodies = &recordedBodies{request, response}
	}
}

// visitKey asks a context for the innermost visit, of whichever Authority.
type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}
