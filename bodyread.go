package apikey

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

var errBodyRead = errors.New("apikey: the body could not be read to its end")

// firstRead is what is set aside for a body before any of it is there, so that
// those who declare much and send nothing hold little.
const firstRead = 4 << 10

// readBody reads the body to its end, within the limits of size, time, and the
// bytes that all requests together may have waiting. What it read is returned
// with a failure too. The caller gives it back to the budget. Of a body that was
// read before, the declared length says nothing.
func (a *Authority) readBody(
	w http.ResponseWriter, r *http.Request, parsed bool,
) (data []byte, whole bool, f *failure) {
	if r.Body == nil {
		return nil, true, nil
	}
	if r.ContentLength > a.opts.MaxBody && !parsed {
		return nil, false, failBodyTooLong
	}
	defer func() {
		if !whole && f == nil { // the body panicked, and nobody else will give it back
			a.budget.give(len(data))
		}
	}()
	deadline := a.setDeadline(w, r)
	size := int64(firstRead)
	if r.ContentLength > 0 {
		size = min(size, r.ContentLength)
	}
	data = make([]byte, 0, size+1) // one more, to meet the end without growing
	for {
		n, err := r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		fits := a.budget.take(n)
		switch {
		case int64(len(data)) > a.opts.MaxBody:
			return data, false, failBodyTooLong
		case !fits:
			return data, false, failOverloaded
		case err == io.EOF:
			deadline.lift()
			return data, true, nil
		case err != nil:
			return data, false, readFailure(err)
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, a.moreRoom(len(data), r.ContentLength))
		}
	}
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

// A readDeadline bounds the reading of one body. Where the writer offers none,
// it is zero and does nothing.
type readDeadline struct{ control *http.ResponseController }

// setDeadline gives the body as long as the Authority allows, and no longer than
// the server would.
func (a *Authority) setDeadline(w http.ResponseWriter, r *http.Request) readDeadline {
	limit := a.opts.BodyTimeout
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		limit = min(limit, server.ReadTimeout)
	}
	if w == nil || limit <= 0 {
		return readDeadline{}
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(limit)) != nil {
		return readDeadline{}
	}
	return readDeadline{control}
}

// lift ends the deadline once the body is read. Where an outer handler had read it
// before, net/http is waiting already for the client to go away, and a deadline
// left in place would cancel the context of a handler that runs longer. After a
// failure it stays, for the server reads on to find the next request.
func (d readDeadline) lift() {
	if d.control != nil {
		_ = d.control.SetReadDeadline(time.Time{})
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
