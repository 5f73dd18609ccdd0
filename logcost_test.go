package apikey_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/race"
)

// What a log adds to a request whose key logs no bodies: the visit, in which the
// identity is that there is anyway, the writer in it, and the list of what was
// needed.
func TestAllocationsOfARecord(t *testing.T) {
	if race.Enabled() {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	measure := func(auth *apikey.Authority, key string) float64 {
		guarded := auth.RequireKey()(served)
		w, r := &nullWriter{header: http.Header{}}, withKey("GET", "/api/jobs", key)
		return testing.AllocsPerRun(2000, func() { guarded.ServeHTTP(w, r) })
	}
	off := newAuthority(t, nil)
	issueCustom(t, off, goodKey)
	// The goroutine that writes is held up: what it does is no request's doing.
	on := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxEntries: 1 << 20, MaxBytes: 1 << 40}})
	release := make(chan struct{})
	on.sink.become(hanging(release))
	defer close(release)
	flood(on.RequireKey()(served), goodKey, 1)
	require.Eventually(t, func() bool { return len(on.sink.attempts()) > 0 }, 10*time.Second, time.Millisecond)
	for _, key := range []string{goodKey, "unknown"} {
		without, with := measure(off, key), measure(on.Authority, key)
		t.Logf("%q: %.0f allocations without a log, %.0f with one", key, without, with)
		assert.LessOrEqual(t, with-without, 2.0)
	}
}

// pattern is 10 MB of text, of which there are several kinds.
func pattern(kind int) []byte {
	line := []byte(fmt.Sprintf("%d: 0123456789 abcdefghijklmnopqrstuvwxyz\n", kind))
	all := make([]byte, 10_000_000)
	for i := range all {
		all[i] = line[(i+i/997)%len(line)]
	}
	return all
}

// Large bodies by the hundred, both ways and all at once: every byte is the same,
// and memory grows by what is kept of them and not by what they are.
func TestLargeTransfers(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves gigabytes")
	}
	clients := 200
	switch {
	case os.Getenv("APIKEY_LARGE") == "1":
		clients = 1000
	case race.Enabled():
		clients = 50
	}
	var bodies [4][]byte
	var sums [4][sha256.Size]byte
	for kind := range bodies {
		bodies[kind] = pattern(kind)
		sums[kind] = sha256.Sum256(bodies[kind])
	}
	peaks := map[apikey.Logging]int64{}
	for _, level := range []apikey.Logging{apikey.LogNone, apikey.LogBoth} {
		auth := newLogged(t, apikey.Options{})
		auth.withLevel(t, level, loggingKey)
		auth.sink.become(func(context.Context) error { auth.sink.forgetAll(); return nil })
		s := serveTransfers(t, auth, bodies[:], sums[:])
		start := time.Now()
		peaks[level] = peakHeap(func() { transfer(t, s, clients, bodies[:], sums[:]) })
		seconds := time.Since(start).Seconds()
		t.Logf("%d clients at once, logging %s: %.1f GB in %.1f s, the heap grew by %.1f MiB",
			clients, level, float64(clients)*0.02, seconds, float64(peaks[level])/(1<<20))
		for deadline := time.Now().Add(10 * time.Second); auth.LogStats().Accepted < int64(clients) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, auth.FlushLog(t.Context()))
		stats := auth.LogStats()
		assert.Equal(t, stats.Accepted, stats.Stored+stats.Dropped)
		if clients <= 600 { // more, if they end all at once, need more than LogOptions.MaxBytes
			assert.Zero(t, stats.Dropped)
		}
	}
	// Two buffers for each request, and again as much for the entries made of them;
	// and by how much the collector may be late.
	bound := int64(clients)*4*18<<10 + 16<<20
	t.Logf("logging bodies cost %.1f MiB; the bound is %.1f MiB", float64(peaks[apikey.LogBoth]-peaks[apikey.LogNone])/(1<<20), float64(bound)/(1<<20))
	assert.Less(t, peaks[apikey.LogBoth], peaks[apikey.LogNone]+bound)
}

// serveTransfers serves a site that checks what is uploaded and sends the body of
// that kind back. All uploads have begun before one is read to its end, and all
// downloads before one ends.
func serveTransfers(t *testing.T, auth *logged, bodies [][]byte, sums [][sha256.Size]byte) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := int(r.URL.Path[1] - '0')
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil || n != int64(len(bodies[kind])) || [sha256.Size]byte(sum.Sum(nil)) != sums[kind] {
			http.Error(w, fmt.Sprint("the upload is another one: ", n, err), 400)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		for rest := bodies[kind]; len(rest) > 0; {
			piece := rest[:min(len(rest), 32<<10)]
			if _, err := w.Write(piece); err != nil {
				return
			}
			rest = rest[len(piece):]
		}
	})))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// transfer has many clients upload and download at the same time.
func transfer(t *testing.T, server *httptest.Server, clients int, bodies [][]byte, sums [][sha256.Size]byte) {
	t.Helper()
	started := make(chan struct{})
	var waiting atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			kind := i % len(bodies)
			half := len(bodies[kind]) / 2
			// The second half is not sent before all clients have sent their first.
			body := io.MultiReader(
				&sliceReader{bodies[kind][:half]},
				&gate{started, func() {
					if waiting.Add(1) == int64(clients) {
						close(started)
					}
				}},
				&sliceReader{bodies[kind][half:]},
			)
			req, err := http.NewRequestWithContext(context.Background(), "POST", fmt.Sprintf("%s/%d", server.URL, kind), body)
			if err != nil {
				t.Error(err)
				return
			}
			req.ContentLength = int64(len(bodies[kind]))
			req.Header.Set("X-ApiKey", loggingKey)
			req.Header.Set("Content-Type", "text/plain")
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			sum := sha256.New()
			n, err := io.Copy(sum, resp.Body)
			if err != nil {
				t.Error(err)
			}
			assert.EqualValues(t, len(bodies[kind]), n)
			assert.Equal(t, 200, resp.StatusCode)
			assert.Equal(t, sums[kind], [sha256.Size]byte(sum.Sum(nil)), "every byte is as it was sent")
		})
	}
	all.Wait()
}

// sliceReader reads a slice that many share.
type sliceReader struct{ rest []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// gate is an empty reader that ends when it is opened.
type gate struct {
	open    <-chan struct{}
	arrived func()
}

func (g *gate) Read([]byte) (int, error) {
	g.arrived()
	<-g.open
	return 0, io.EOF
}

// peakHeap returns by how much the heap grows at most while do runs.
func peakHeap(do func()) int64 {
	before := heap()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	stop, done := make(chan struct{}), make(chan struct{})
	var peak int64
	go func() {
		defer close(done)
		for {
			metrics.Read(sample)
			peak = max(peak, int64(sample[0].Value.Uint64()))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	<-done
	return peak - before
}
