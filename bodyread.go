package apikey

import (
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

var errBodyRead = errors.New("apikey: the body could not be read to its end")

// firstRead is what is set aside for a body before any of it is there, so that
// those who declare much and send nothing hold little.
const firstRead = 4 << 10

// newBodyPool returns a pool for the bodies that are searched, the longest of which are
// one byte too long. Its sizes are close to each other, so that a body of declared
// length holds at most twice that.
func newBodyPool(maxBody int64) bufferPool {
	return newSteppedPool(2, int(min(maxBody, math.MaxInt-1))+1)
}

// readBody reads the request's body to its end, within the limits of size, time, and
// the bytes that all requests together may have waiting. What it read is in body after
// a failure too. The caller gives it back to the budget. Of a body that was read before,
// the declared length says nothing.
func (a *Authority) readBody(w http.ResponseWriter, r *http.Request, body *searchedBody) (f *failure) {
	if r.Body == nil {
		body.replay.whole = true
		return nil
	}
	if r.ContentLength > a.opts.MaxBody && !body.parsed {
		return failBodyTooLong
	}
	defer func() {
		if !body.replay.whole && f == nil { // the body panicked, and nobody else will give it back
			a.budget.give(len(body.data))
		}
	}()
	deadline := a.setDeadline(w, r)
	buffer := a.bodies.get(firstRoom(r.ContentLength))
	for {
		n, err := r.Body.Read((*buffer)[len(*buffer):cap(*buffer)])
		*buffer = (*buffer)[:len(*buffer)+n]
		body.data = *buffer
		fits := a.budget.take(n)
		switch {
		case int64(len(*buffer)) > a.opts.MaxBody:
			return failBodyTooLong
		case !fits:
			return failOverloaded
		case err == io.EOF:
			deadline.lift()
			// Only now: a body that failed may have left somebody who still writes to it.
			body.replay.whole, body.replay.buffer = true, buffer
			return nil
		case err != nil:
			return readFailure(err)
		}
		buffer = a.notFull(buffer, r.ContentLength)
	}
}

// firstRoom returns how much to set aside for a body of that declared length: one more
// where it is known, to meet the end without growing.
func firstRoom(declared int64) int {
	if declared > 0 {
		return int(min(firstRead, declared+1))
	}
	return firstRead
}

// notFull returns the buffer or, where it is full, a larger one in its place.
func (a *Authority) notFull(buffer *[]byte, declared int64) *[]byte {
	read := len(*buffer)
	if read < cap(*buffer) {
		return buffer
	}
	larger := a.bodies.get(read + a.moreRoom(read, declared))
	*larger = append(*larger, *buffer...)
	putCleared(&a.bodies, buffer)
	return larger
}

// moreRoom returns how much to set aside beside what is there of a body of that
// declared length, if it is known: three times as much, for what was read must bear
// what is held, and no more than can come.
func (a *Authority) moreRoom(read int, declared int64) int {
	most := max(a.opts.MaxBody, a.opts.MaxBody+1) // one more, if there is, says that it is too long
	if declared >= int64(read) {
		most = min(most, declared+1)
	}
	return int(max(1, min(3*int64(read), most-int64(read))))
}

func readFailure(err error) *failure {
	var tooLong *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failBodyTimeout
	case errors.As(err, &tooLong):
		return failBodyTooLong
	}
	return &failure{reason: ErrMalformedRequest, cause: errBodyRead, detail: "The request body ended early."}
}

// A readDeadline bounds the reading of one body. Where the writer offers none, it is
// zero and does nothing.
type readDeadline struct{ writer deadlineSetter }

type deadlineSetter interface{ SetReadDeadline(time.Time) error }

// setterOf returns who sets the deadline for reading, or nil. It looks as
// [http.ResponseController] does, whose every failure costs two errors.
func setterOf(w http.ResponseWriter) deadlineSetter {
	for {
		switch inner := w.(type) {
		case deadlineSetter:
			return inner
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return nil
		}
	}
}

// setDeadline gives the body as long as the Authority allows, and no longer than
// the server would.
func (a *Authority) setDeadline(w http.ResponseWriter, r *http.Request) readDeadline {
	limit := a.opts.BodyTimeout
	writer := setterOf(w)
	if writer == nil || limit <= 0 {
		return readDeadline{}
	}
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		limit = min(limit, server.ReadTimeout)
	}
	if writer.SetReadDeadline(time.Now().Add(limit)) != nil {
		return readDeadline{}
	}
	return readDeadline{writer}
}

// lift ends the deadline once the body is read. Where an outer handler had read it
// before, net/http is waiting already for the client to go away, and a deadline
// left in place would cancel the context of a handler that runs longer. After a
// failure it stays, for the server reads on to find the next request.
func (d readDeadline) lift() {
	if d.writer != nil {
		_ = d.writer.SetReadDeadline(time.Time{})
	}
}

// A byteBudget bounds the bytes that many requests hold together.
type byteBudget struct {
	limit int64 // 0: none
	used  atomic.Int64
}

// take notes n more bytes, also where they are too many.
func (b *byteBudget) take(n int) bool {
	return b.used.Add(int64(n)) <= b.limit || b.limit <= 0
}

func (b *byteBudget) give(n int) { b.used.Add(-int64(n)) }
