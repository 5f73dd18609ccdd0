package apikey

import (
	"io"
	"net/http"
)

// What a response writer can do beyond http.ResponseWriter, as bits.
const (
	canFlush = 1 << iota
	canHijack
	canReadFrom
	canWriteString
	canPush
	canCloseNotify
)

func abilitiesOf(w http.ResponseWriter) int {
	can := 0
	add := func(ok bool, bit int) {
		if ok {
			can |= bit
		}
	}
	_, ok := w.(http.Flusher)
	add(ok, canFlush)
	_, ok = w.(http.Hijacker)
	add(ok, canHijack)
	_, ok = w.(io.ReaderFrom)
	add(ok, canReadFrom)
	_, ok = w.(io.StringWriter)
	add(ok, canWriteString)
	_, ok = w.(http.Pusher)
	add(ok, canPush)
	_, ok = w.(closeNotifier)
	add(ok, canCloseNotify)
	return can
}

// logWriterFor returns w as a writer with exactly the abilities of the one below:
// a type's methods are fixed when it is compiled, so that there is a type for each
// combination.
func logWriterFor(w *logWriter) http.ResponseWriter { //nolint:gocyclo,funlen // a table
	switch abilitiesOf(w.ResponseWriter) {
	default:
		return w
	case 1:
		return struct {
			*logWriter
			flushWriter
		}{w, flushWriter{w}}
	case 2:
		return struct {
			*logWriter
			hijackWriter
		}{w, hijackWriter{w}}
	case 3:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
		}{w, flushWriter{w}, hijackWriter{w}}
	case 4:
		return struct {
			*logWriter
			readFromWriter
		}{w, readFromWriter{w}}
	case 5:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
		}{w, flushWriter{w}, readFromWriter{w}}
	case 6:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
		}{w, hijackWriter{w}, readFromWriter{w}}
	case 7:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}}
	case 8:
		return struct {
			*logWriter
			stringWriter
		}{w, stringWriter{w}}
	case 9:
		return struct {
			*logWriter
			flushWriter
			stringWriter
		}{w, flushWriter{w}, stringWriter{w}}
	case 10:
		return struct {
			*logWriter
			hijackWriter
			stringWriter
		}{w, hijackWriter{w}, stringWriter{w}}
	case 11:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			stringWriter
		}{w, flushWriter{w}, hijackWriter{w}, stringWriter{w}}
	case 12:
		return struct {
			*logWriter
			readFromWriter
			stringWriter
		}{w, readFromWriter{w}, stringWriter{w}}
	case 13:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			stringWriter
		}{w, flushWriter{w}, readFromWriter{w}, stringWriter{w}}
	case 14:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			stringWriter
		}{w, hijackWriter{w}, readFromWriter{w}, stringWriter{w}}
	case 15:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			stringWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, stringWriter{w}}
	case 16:
		return struct {
			*logWriter
			pushWriter
		}{w, pushWriter{w}}
	case 17:
		return struct {
			*logWriter
			flushWriter
			pushWriter
		}{w, flushWriter{w}, pushWriter{w}}
	case 18:
		return struct {
			*logWriter
			hijackWriter
			pushWriter
		}{w, hijackWriter{w}, pushWriter{w}}
	case 19:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			pushWriter
		}{w, flushWriter{w}, hijackWriter{w}, pushWriter{w}}
	case 20:
		return struct {
			*logWriter
			readFromWriter
			pushWriter
		}{w, readFromWriter{w}, pushWriter{w}}
	case 21:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			pushWriter
		}{w, flushWriter{w}, readFromWriter{w}, pushWriter{w}}
	case 22:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			pushWriter
		}{w, hijackWriter{w}, readFromWriter{w}, pushWriter{w}}
	case 23:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			pushWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, pushWriter{w}}
	case 24:
		return struct {
			*logWriter
			stringWriter
			pushWriter
		}{w, stringWriter{w}, pushWriter{w}}
	case 25:
		return struct {
			*logWriter
			flushWriter
			stringWriter
			pushWriter
		}{w, flushWriter{w}, stringWriter{w}, pushWriter{w}}
	case 26:
		return struct {
			*logWriter
			hijackWriter
			stringWriter
			pushWriter
		}{w, hijackWriter{w}, stringWriter{w}, pushWriter{w}}
	case 27:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			stringWriter
			pushWriter
		}{w, flushWriter{w}, hijackWriter{w}, stringWriter{w}, pushWriter{w}}
	case 28:
		return struct {
			*logWriter
			readFromWriter
			stringWriter
			pushWriter
		}{w, readFromWriter{w}, stringWriter{w}, pushWriter{w}}
	case 29:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			stringWriter
			pushWriter
		}{w, flushWriter{w}, readFromWriter{w}, stringWriter{w}, pushWriter{w}}
	case 30:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			stringWriter
			pushWriter
		}{w, hijackWriter{w}, readFromWriter{w}, stringWriter{w}, pushWriter{w}}
	case 31:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			stringWriter
			pushWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, stringWriter{w}, pushWriter{w}}
	case 32:
		return struct {
			*logWriter
			closeNotifyWriter
		}{w, closeNotifyWriter{w}}
	case 33:
		return struct {
			*logWriter
			flushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, closeNotifyWriter{w}}
	case 34:
		return struct {
			*logWriter
			hijackWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, closeNotifyWriter{w}}
	case 35:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, closeNotifyWriter{w}}
	case 36:
		return struct {
			*logWriter
			readFromWriter
			closeNotifyWriter
		}{w, readFromWriter{w}, closeNotifyWriter{w}}
	case 37:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			closeNotifyWriter
		}{w, flushWriter{w}, readFromWriter{w}, closeNotifyWriter{w}}
	case 38:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, readFromWriter{w}, closeNotifyWriter{w}}
	case 39:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, closeNotifyWriter{w}}
	case 40:
		return struct {
			*logWriter
			stringWriter
			closeNotifyWriter
		}{w, stringWriter{w}, closeNotifyWriter{w}}
	case 41:
		return struct {
			*logWriter
			flushWriter
			stringWriter
			closeNotifyWriter
		}{w, flushWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 42:
		return struct {
			*logWriter
			hijackWriter
			stringWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 43:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			stringWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 44:
		return struct {
			*logWriter
			readFromWriter
			stringWriter
			closeNotifyWriter
		}{w, readFromWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 45:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			stringWriter
			closeNotifyWriter
		}{w, flushWriter{w}, readFromWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 46:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			stringWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, readFromWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 47:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			stringWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, stringWriter{w}, closeNotifyWriter{w}}
	case 48:
		return struct {
			*logWriter
			pushWriter
			closeNotifyWriter
		}{w, pushWriter{w}, closeNotifyWriter{w}}
	case 49:
		return struct {
			*logWriter
			flushWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 50:
		return struct {
			*logWriter
			hijackWriter
			pushWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 51:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 52:
		return struct {
			*logWriter
			readFromWriter
			pushWriter
			closeNotifyWriter
		}{w, readFromWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 53:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, readFromWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 54:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			pushWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, readFromWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 55:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 56:
		return struct {
			*logWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 57:
		return struct {
			*logWriter
			flushWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 58:
		return struct {
			*logWriter
			hijackWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 59:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 60:
		return struct {
			*logWriter
			readFromWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, readFromWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 61:
		return struct {
			*logWriter
			flushWriter
			readFromWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, readFromWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 62:
		return struct {
			*logWriter
			hijackWriter
			readFromWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, hijackWriter{w}, readFromWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	case 63:
		return struct {
			*logWriter
			flushWriter
			hijackWriter
			readFromWriter
			stringWriter
			pushWriter
			closeNotifyWriter
		}{w, flushWriter{w}, hijackWriter{w}, readFromWriter{w}, stringWriter{w}, pushWriter{w}, closeNotifyWriter{w}}
	}
}
