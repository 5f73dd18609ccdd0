package apikey

import (
	"io"
	"net/http"
	"sync"
)

// A replayedBody reads as what was read of a body, and then its rest.
//
// What was read lies in a buffer of a pool, which takes it back once the guarded
// handler has returned. A handler may leave somebody behind who reads on, as the
// transport of a proxy does: they are told what net/http's own bodies tell them then,
// and see nothing of the requests that the buffer serves next.
type replayedBody struct {
	rest  io.ReadCloser
	whole bool // there is no rest

	mu     sync.Mutex // never held while somebody else's code runs
	left   []byte     // what is still to be read of the buffer
	buffer *[]byte    // nil: it stays out of the pool
	ended  bool       // the handler has returned
}

// replayedFor returns the body that next got on its way from r, or nil where that is
// still r's own: an inner guard must not end what an outer one has made.
func replayedFor(r, next *http.Request) *replayedBody {
	b, ok := next.Body.(*replayedBody)
	if !ok || r.Body == io.ReadCloser(b) {
		return nil
	}
	return b
}

// Read implements [io.Reader].
func (b *replayedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	n, left, ended := copy(p, b.left), len(b.left), b.ended
	b.left = b.left[n:]
	b.mu.Unlock()
	switch {
	case ended:
		return 0, http.ErrBodyReadAfterClose
	case left > 0:
		return n, nil
	case b.whole:
		return 0, io.EOF
	}
	return b.rest.Read(p)
}

// WriteTo implements [io.WriterTo], which spares io.Copy a buffer. The writer gets
// the pool's, which therefore stays out of it from here on: one that kept what it was
// given, as it must not, would come to see what others send.
func (b *replayedBody) WriteTo(w io.Writer) (written int64, err error) {
	b.mu.Lock()
	left, ended := b.left, b.ended
	b.left, b.buffer = nil, nil
	b.mu.Unlock()
	if ended {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(left) > 0 {
		n, err := w.Write(left)
		if err == nil && n < len(left) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return int64(n), err
		}
	}
	if !b.whole {
		written, err = io.Copy(w, b.rest)
	}
	return int64(len(left)) + written, err
}

// Close implements [io.Closer]. What was read of the body can still be read.
func (b *replayedBody) Close() error { return b.rest.Close() }

// end ends the body, if there is one, and gives its buffer back to the pool.
func (b *replayedBody) end(pool *bufferPool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	buffer := b.buffer
	b.left, b.buffer, b.ended = nil, nil, true
	b.mu.Unlock()
	putCleared(pool, buffer)
}

// putCleared gives back a buffer that held a request's body, and nil for nothing. It
// is cleared to the last byte, whatever a reader may have left there beyond what it
// said: credentials and forms lie nowhere longer than they must, and if a body that is
// read into the buffer next says that it wrote more than it did, it shows nothing.
func putCleared(pool *bufferPool, buffer *[]byte) {
	if buffer == nil {
		return
	}
	clear((*buffer)[:cap(*buffer)])
	pool.put(buffer)
}
