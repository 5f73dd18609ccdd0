package apikey

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// A logWriter notes what goes through a response writer. It offers no more than
// http.ResponseWriter itself; what the writer below offers beyond that, its
// wrapping in logWriterFor does too.
type logWriter struct {
	http.ResponseWriter
	length   int64 // of the body
	status   int32 // 0: nothing was sent yet
	bodyless bool  // HEAD: what is written is not sent
	http1    bool
	started  bool                    // the capture
	capture  atomic.Pointer[capture] // nil: the body is not to be kept, as far as is known
}

// Unwrap lets [http.ResponseController] reach the writer below.
func (w *logWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *logWriter) WriteHeader(status int) {
	informational := status >= 100 && status < 200 && status != http.StatusSwitchingProtocols
	if w.status == 0 && !informational {
		w.status = int32(status) // of three digits, or net/http panics
		if status == http.StatusRequestEntityTooLarge && w.http1 {
			// http.MaxBytesReader sees to that where it finds a writer of net/http
			// itself: what the client goes on sending is not worth reading.
			w.Header().Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *logWriter) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	sent(w, p[:n])
	return n, err
}

// begin notes that a body begins, and thereby its headers have ended.
func (w *logWriter) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.start()
}

// start starts the capture, where the body is to be kept and will be sent.
func (w *logWriter) start() {
	if w.started || w.bodyless || !hasBody(w.status) {
		return
	}
	if c := w.capture.Load(); c != nil {
		w.started = true
		c.start(w.Header(), true)
	}
}

// hasBody reports whether an answer of that status, or 0 if that is not known yet,
// has a body. See net/http.
func hasBody(status int32) bool {
	return status == 0 || status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified
}

// sent notes what has gone out of the body.
func sent[D []byte | string](w *logWriter, data D) {
	if w.bodyless {
		return
	}
	w.length += int64(len(data))
	if w.started {
		keep(w.capture.Load(), data)
	}
}

// The wrappers below are those parts of the response writers of net/http that
// others assert. Each calls what the writer below has.

type flushWriter struct{ w *logWriter }

// FlushError is what [http.ResponseController] prefers to Flush.
func (f flushWriter) FlushError() error {
	if f.w.status == 0 {
		f.w.status = http.StatusOK
	}
	if f.w.started {
		f.w.capture.Load().flushed()
	}
	if flusher, ok := f.w.ResponseWriter.(interface{ FlushError() error }); ok {
		return flusher.FlushError()
	}
	f.w.ResponseWriter.(http.Flusher).Flush()
	return nil
}

// Flush implements [http.Flusher].
func (f flushWriter) Flush() { _ = f.FlushError() }

type hijackWriter struct{ w *logWriter }

// Hijack implements [http.Hijacker].
func (h hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := h.w.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil && h.w.status == 0 {
		h.w.status = http.StatusSwitchingProtocols
	}
	return conn, buffer, err
}

type readFromWriter struct{ w *logWriter }

// ReadFrom hands on to the writer below what is not kept, so that the kernel can
// still send a file by itself.
func (r readFromWriter) ReadFrom(src io.Reader) (n int64, err error) {
	w := r.w
	w.start()
	if w.started {
		n, err = w.copyKept(src)
		if err == io.EOF { //nolint:errorlint // as io.Copy does: a wrapped one is a failure
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	rest, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	if w.status == 0 && rest > 0 {
		w.status = http.StatusOK
	}
	if !w.bodyless {
		w.length += rest
		if w.started {
			w.capture.Load().skip(rest)
		}
	}
	return n + rest, err
}

// copyKept writes the beginning of src, of which the body is kept, until it has
// had enough. The error is io.EOF at the end of src.
func (w *logWriter) copyKept(src io.Reader) (n int64, err error) {
	capture := w.capture.Load()
	piece := capture.pool.get(4 << 10)
	defer capture.pool.put(piece)
	buf := (*piece)[:cap(*piece)]
	clear(buf) // src may say that it wrote more than it did, and a body of another request was here
	for capture.wants() {
		read, readErr := src.Read(buf)
		if read > 0 {
			written, writeErr := w.Write(buf[:read])
			n += int64(written)
			if writeErr != nil {
				return n, writeErr
			}
		}
		if readErr != nil {
			return n, readErr
		}
	}
	return n, nil
}

type stringWriter struct{ w *logWriter }

// WriteString implements [io.StringWriter].
func (s stringWriter) WriteString(text string) (int, error) {
	s.w.begin()
	n, err := io.WriteString(s.w.ResponseWriter, text)
	sent(s.w, text[:n])
	return n, err
}

type pushWriter struct{ w *logWriter }

// Push implements [http.Pusher].
func (p pushWriter) Push(target string, opts *http.PushOptions) error {
	return p.w.ResponseWriter.(http.Pusher).Push(target, opts)
}

// closeNotifier is http.CloseNotifier, which is deprecated but still asserted by
// frameworks.
type closeNotifier interface{ CloseNotify() <-chan bool }

type closeNotifyWriter struct{ w *logWriter }

// CloseNotify implements closeNotifier.
func (c closeNotifyWriter) CloseNotify() <-chan bool {
	return c.w.ResponseWriter.(closeNotifier).CloseNotify()
}
