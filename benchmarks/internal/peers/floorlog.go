package peers

import (
	"encoding/base32"
	"encoding/binary"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A Recording is a log that says how it fares: an Authority's, or a FloorLog.
type Recording interface{ LogStats() apikey.LogStats }

// A FloorLog is what the library must cost as it comes: besides what Floor does, the
// handler does not see the key, its answer is not to be cached, and an entry of what
// was asked and answered is queued. A goroutine takes the entries in batches, makes
// texts of them, and gives them to nobody. It masks nothing, has no bound, knows one
// place for keys and one shape of a ResponseWriter, and survives no panic.
type FloorLog struct {
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex
	queued  []floorEntry
	waiting int64 // with those that are being written
}

type floorEntry struct {
	at                          time.Time
	duration                    time.Duration
	key                         *Key
	method, path, query, remote string
	status                      int
	length                      int64
}

// Entries are written when there are that many, and all of them after that long, which
// is what the library does.
const (
	floorBatch    = 500
	floorInterval = 100 * time.Millisecond
)

// NewFloorLog returns a log that works until Close.
func NewFloorLog() *FloorLog {
	l := &FloorLog{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.write()
	return l
}

// Close ends it.
func (l *FloorLog) Close() { close(l.done) }

// LogStats says how many entries wait.
func (l *FloorLog) LogStats() apikey.LogStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return apikey.LogStats{Waiting: l.waiting}
}

// Floor is Floor with that log.
func (l *FloorLog) Floor(keys Keys, need apikey.Permission, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		key, status := keys.judgeHeader(r, need)
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		v := &floorVisit{
			floorContext: floorContext{r.Context(), key}, ResponseWriter: w,
			values: [2]string{"private, no-store", "X-Apikey"},
		}
		h := w.Header()
		h["Cache-Control"], h["Vary"] = v.values[0:1:1], v.values[1:2:2]
		inner := r.WithContext(&v.floorContext)
		inner.Header = maps.Clone(r.Header)
		delete(inner.Header, "X-Apikey")
		next.ServeHTTP(v, inner)
		l.add(&floorEntry{
			at: at, duration: time.Since(at), key: key, method: r.Method, path: r.URL.Path, query: r.URL.RawQuery,
			remote: r.RemoteAddr, status: v.status, length: v.length,
		})
	})
}

// A floorVisit is the context and the writer of a request, and the values of the two
// headers, in one allocation.
type floorVisit struct {
	floorContext
	http.ResponseWriter
	values [2]string
	status int
	length int64
}

// WriteHeader implements [http.ResponseWriter].
func (v *floorVisit) WriteHeader(status int) {
	v.status = status
	v.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (v *floorVisit) Write(p []byte) (int, error) {
	n, err := v.ResponseWriter.Write(p)
	v.length += int64(n)
	return n, err
}

func (l *FloorLog) add(e *floorEntry) {
	l.mu.Lock()
	l.queued = append(l.queued, *e)
	l.waiting++
	full := len(l.queued) == floorBatch
	l.mu.Unlock()
	if full {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// write makes entries of what is queued until the log is closed.
func (l *FloorLog) write() {
	var taken []floorEntry
	var entries []apikey.LogEntry
	ticker := time.NewTicker(floorInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.wake:
		case <-ticker.C:
		case <-l.done:
			return
		}
		l.mu.Lock()
		taken, l.queued = l.queued, taken[:0]
		l.mu.Unlock()
		for batch := range slices.Chunk(taken, floorBatch) {
			clear(entries)
			entries = entries[:0]
			for i := range batch {
				entries = append(entries, batch[i].entry())
			}
		}
		l.mu.Lock()
		l.waiting -= int64(len(taken))
		l.mu.Unlock()
		clear(taken)
	}
}

var floorIDs = base32.HexEncoding.WithPadding(base32.NoPadding)

func (e *floorEntry) entry() apikey.LogEntry {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(e.at.UnixNano()))
	client, _, _ := net.SplitHostPort(e.remote)
	text := floorIDs.EncodeToString(id[:])
	return apikey.LogEntry{
		ID: text, RequestID: text, Time: e.at, Duration: e.duration, KeyID: e.key.ID, Outcome: apikey.OutcomeAllowed,
		Method: e.method, Path: e.path, Query: e.query, Client: client, Status: e.status, ResponseBytes: e.length,
	}
}
