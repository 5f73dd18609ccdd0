package apikey_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// closeNotifier is http.CloseNotifier, which is deprecated.
type closeNotifier interface{ CloseNotify() <-chan bool }

// ableWriter is a response writer that can do all that one can, and notes what it
// was asked to.
type ableWriter struct {
	nullWriter
	calls []string
	body  []byte
}

func (w *ableWriter) note(call string) { w.calls = append(w.calls, call) }

func (w *ableWriter) Write(p []byte) (int, error) {
	w.note("Write")
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *ableWriter) WriteHeader(int) { w.note("WriteHeader") }

func (w *ableWriter) Flush() { w.note("Flush") }

func (w *ableWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.note("Hijack")
	return nil, nil, nil
}

func (w *ableWriter) ReadFrom(src io.Reader) (int64, error) {
	w.note("ReadFrom")
	read, err := io.ReadAll(src)
	w.body = append(w.body, read...)
	return int64(len(read)), err
}

func (w *ableWriter) WriteString(s string) (int, error) {
	w.note("WriteString")
	w.body = append(w.body, s...)
	return len(s), nil
}

func (w *ableWriter) Push(string, *http.PushOptions) error {
	w.note("Push")
	return nil
}

func (w *ableWriter) CloseNotify() <-chan bool {
	w.note("CloseNotify")
	return nil
}

// The abilities of a response writer, as bits.
const (
	flushes = 1 << iota
	hijacks
	readsFrom
	writesStrings
	pushes
	notifiesOfClose
	allAbilities = 1<<iota - 1
)

// abilities returns what a writer can do.
func abilities(w http.ResponseWriter) (can int) {
	for bit, ok := range []func() bool{
		func() bool { _, ok := w.(http.Flusher); return ok },
		func() bool { _, ok := w.(http.Hijacker); return ok },
		func() bool { _, ok := w.(io.ReaderFrom); return ok },
		func() bool { _, ok := w.(io.StringWriter); return ok },
		func() bool { _, ok := w.(http.Pusher); return ok },
		func() bool { _, ok := w.(closeNotifier); return ok },
	} {
		if ok() {
			can |= 1 << bit
		}
	}
	return can
}

// writerWith returns w as a writer with just these abilities.
func writerWith(w *ableWriter, can int) http.ResponseWriter {
	type (
		base interface{ http.ResponseWriter }
		F    interface{ http.Flusher }
		H    interface{ http.Hijacker }
		R    interface{ io.ReaderFrom }
		S    interface{ io.StringWriter }
		P    interface{ http.Pusher }
		C    interface{ closeNotifier }
	)
	switch can {
	case 0:
		return struct {
			base
		}{w}
	case 1:
		return struct {
			base
			F
		}{w, w}
	case 2:
		return struct {
			base
			H
		}{w, w}
	case 3:
		return struct {
			base
			F
			H
		}{w, w, w}
	case 4:
		return struct {
			base
			R
		}{w, w}
	case 5:
		return struct {
			base
			F
			R
		}{w, w, w}
	case 6:
		return struct {
			base
			H
			R
		}{w, w, w}
	case 7:
		return struct {
			base
			F
			H
			R
		}{w, w, w, w}
	case 8:
		return struct {
			base
			S
		}{w, w}
	case 9:
		return struct {
			base
			F
			S
		}{w, w, w}
	case 10:
		return struct {
			base
			H
			S
		}{w, w, w}
	case 11:
		return struct {
			base
			F
			H
			S
		}{w, w, w, w}
	case 12:
		return struct {
			base
			R
			S
		}{w, w, w}
	case 13:
		return struct {
			base
			F
			R
			S
		}{w, w, w, w}
	case 14:
		return struct {
			base
			H
			R
			S
		}{w, w, w, w}
	case 15:
		return struct {
			base
			F
			H
			R
			S
		}{w, w, w, w, w}
	case 16:
		return struct {
			base
			P
		}{w, w}
	case 17:
		return struct {
			base
			F
			P
		}{w, w, w}
	case 18:
		return struct {
			base
			H
			P
		}{w, w, w}
	case 19:
		return struct {
			base
			F
			H
			P
		}{w, w, w, w}
	case 20:
		return struct {
			base
			R
			P
		}{w, w, w}
	case 21:
		return struct {
			base
			F
			R
			P
		}{w, w, w, w}
	case 22:
		return struct {
			base
			H
			R
			P
		}{w, w, w, w}
	case 23:
		return struct {
			base
			F
			H
			R
			P
		}{w, w, w, w, w}
	case 24:
		return struct {
			base
			S
			P
		}{w, w, w}
	case 25:
		return struct {
			base
			F
			S
			P
		}{w, w, w, w}
	case 26:
		return struct {
			base
			H
			S
			P
		}{w, w, w, w}
	case 27:
		return struct {
			base
			F
			H
			S
			P
		}{w, w, w, w, w}
	case 28:
		return struct {
			base
			R
			S
			P
		}{w, w, w, w}
	case 29:
		return struct {
			base
			F
			R
			S
			P
		}{w, w, w, w, w}
	case 30:
		return struct {
			base
			H
			R
			S
			P
		}{w, w, w, w, w}
	case 31:
		return struct {
			base
			F
			H
			R
			S
			P
		}{w, w, w, w, w, w}
	case 32:
		return struct {
			base
			C
		}{w, w}
	case 33:
		return struct {
			base
			F
			C
		}{w, w, w}
	case 34:
		return struct {
			base
			H
			C
		}{w, w, w}
	case 35:
		return struct {
			base
			F
			H
			C
		}{w, w, w, w}
	case 36:
		return struct {
			base
			R
			C
		}{w, w, w}
	case 37:
		return struct {
			base
			F
			R
			C
		}{w, w, w, w}
	case 38:
		return struct {
			base
			H
			R
			C
		}{w, w, w, w}
	case 39:
		return struct {
			base
			F
			H
			R
			C
		}{w, w, w, w, w}
	case 40:
		return struct {
			base
			S
			C
		}{w, w, w}
	case 41:
		return struct {
			base
			F
			S
			C
		}{w, w, w, w}
	case 42:
		return struct {
			base
			H
			S
			C
		}{w, w, w, w}
	case 43:
		return struct {
			base
			F
			H
			S
			C
		}{w, w, w, w, w}
	case 44:
		return struct {
			base
			R
			S
			C
		}{w, w, w, w}
	case 45:
		return struct {
			base
			F
			R
			S
			C
		}{w, w, w, w, w}
	case 46:
		return struct {
			base
			H
			R
			S
			C
		}{w, w, w, w, w}
	case 47:
		return struct {
			base
			F
			H
			R
			S
			C
		}{w, w, w, w, w, w}
	case 48:
		return struct {
			base
			P
			C
		}{w, w, w}
	case 49:
		return struct {
			base
			F
			P
			C
		}{w, w, w, w}
	case 50:
		return struct {
			base
			H
			P
			C
		}{w, w, w, w}
	case 51:
		return struct {
			base
			F
			H
			P
			C
		}{w, w, w, w, w}
	case 52:
		return struct {
			base
			R
			P
			C
		}{w, w, w, w}
	case 53:
		return struct {
			base
			F
			R
			P
			C
		}{w, w, w, w, w}
	case 54:
		return struct {
			base
			H
			R
			P
			C
		}{w, w, w, w, w}
	case 55:
		return struct {
			base
			F
			H
			R
			P
			C
		}{w, w, w, w, w, w}
	case 56:
		return struct {
			base
			S
			P
			C
		}{w, w, w, w}
	case 57:
		return struct {
			base
			F
			S
			P
			C
		}{w, w, w, w, w}
	case 58:
		return struct {
			base
			H
			S
			P
			C
		}{w, w, w, w, w}
	case 59:
		return struct {
			base
			F
			H
			S
			P
			C
		}{w, w, w, w, w, w}
	case 60:
		return struct {
			base
			R
			S
			P
			C
		}{w, w, w, w, w}
	case 61:
		return struct {
			base
			F
			R
			S
			P
			C
		}{w, w, w, w, w, w}
	case 62:
		return struct {
			base
			H
			R
			S
			P
			C
		}{w, w, w, w, w, w}
	case 63:
		return struct {
			base
			F
			H
			R
			S
			P
			C
		}{w, w, w, w, w, w, w}
	}
	panic("no such abilities")
}
