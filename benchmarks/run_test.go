package benchmarks

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// A caller makes a function that serves one request after another, beginning with
// the nth. Each goroutine has one of its own.
type caller func(n int) func()

// A subject is one implementation of what a benchmark measures.
type subject struct {
	impl string
	call caller
	// log is set where requests are recorded, and round then is how many may come
	// before the recorder is given time to catch up.
	log   peers.Recording
	round int
}

// inOrder runs the subjects in another order each time, so that what one leaves
// behind (garbage, a warm or throttled processor) is not always the same one's.
func inOrder(b *testing.B, workers int, subjects ...subject) {
	b.Helper()
	rand.Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })
	for _, s := range subjects {
		b.Run("impl="+s.impl, func(b *testing.B) { s.run(b, workers) })
	}
}

// inModes runs the subjects one request at a time, and on all processors.
func inModes(b *testing.B, subjects ...subject) {
	b.Helper()
	b.Run("mode=serial", func(b *testing.B) { inOrder(b, 1, subjects...) })
	b.Run("mode=parallel", func(b *testing.B) { inOrder(b, runtime.GOMAXPROCS(0), subjects...) })
}

// run serves b.N requests from that many goroutines. A queue that is full makes
// requests look faster than they are, so what is recorded is served in rounds that
// the queue can hold, and the clock stands still while it empties. The recorder
// works on in the meantime all the same, and takes its share of the processors.
func (s *subject) run(b *testing.B, workers int) {
	b.Helper()
	b.ReportAllocs()
	calls := make([]func(), workers)
	for i := range calls {
		calls[i] = s.call(rand.IntN(1 << 30)) // so that runs do not all serve the same few keys
	}
	round := b.N
	if s.log != nil {
		round = s.round
		dropped := s.log.LogStats().Dropped
		defer func() { b.ReportMetric(float64(s.log.LogStats().Dropped-dropped), "drops") }()
	}
	cpu := cpuTime()
	b.ResetTimer()
	for left := b.N; left > 0; left -= round {
		share(min(left, round), calls)
		if s.log != nil {
			b.StopTimer()
			settle(s.log)
			b.StartTimer()
		}
	}
	b.StopTimer()
	if s.log != nil {
		finish(s.log)
	}
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
}

// share makes n calls, each goroutine taking a few at a time.
func share(n int, calls []func()) {
	if len(calls) == 1 {
		for range n {
			calls[0]()
		}
		return
	}
	const few = 32
	var taken atomic.Int64
	var group sync.WaitGroup
	for _, call := range calls {
		group.Go(func() {
			for {
				from := taken.Add(few) - few
				if from >= int64(n) {
					return
				}
				for range min(few, int64(n)-from) {
					call()
				}
			}
		})
	}
	group.Wait()
}

// settle waits until the recorder has little left to write. It writes at once
// where 500 entries wait, so that waiting for the rest would take longer.
func settle(log peers.Recording) {
	for log.LogStats().Waiting >= 500 {
		time.Sleep(20 * time.Microsecond)
	}
}

// finish waits until the recorder has written all, so that all of it is counted. It
// gathers the last entries for a while, in which to look often would count too.
func finish(log peers.Recording) {
	for log.LogStats().Waiting > 0 {
		time.Sleep(20 * time.Millisecond)
	}
}

// recorded returns a subject that records, whose requests hold no bodies.
func recorded(impl string, log peers.Recording, call caller) subject {
	return subject{impl, call, log, 4096}
}

// discard is a ResponseWriter whose cost is that of its header map.
type discard struct {
	header  http.Header
	status  int
	refused bool // requests are to be refused
}

func newDiscard(refused bool) *discard {
	return &discard{header: http.Header{}, refused: refused}
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// serve has the request answered, by 200 where the handler says nothing.
func (d *discard) serve(h http.Handler, r *http.Request) {
	clear(d.header)
	d.status = http.StatusOK
	h.ServeHTTP(d, r)
	mustAnswer(d.status, d.refused)
}

// mustAnswer panics where a request was refused that is to be served, or the reverse.
func mustAnswer(status int, refused bool) {
	if refused && status != http.StatusUnauthorized || !refused && status/100 != 2 {
		panic(fmt.Sprint("answered ", status))
	}
}

// newRequest returns a request with five headers, as browsers and command line
// clients send, beside which there is room for the key.
func newRequest(method string) *http.Request {
	r, err := http.NewRequest(method, "http://host"+peers.Path+"?token=1", http.NoBody)
	if err != nil {
		panic(err)
	}
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:40312"
	for _, name := range otherHeaders {
		r.Header.Set(name, "some value")
	}
	return r
}

var otherHeaders = []string{"Accept", "Accept-Encoding", "User-Agent", "X-Request-Id", "Traceparent"}

// byHeader serves requests with these texts in the header of that name, one after
// another.
func byHeader(h http.Handler, name string, probes []string, refused bool) caller {
	return func(n int) func() {
		return inHeader(h, newRequest(http.MethodGet), name, probes, n, refused)
	}
}

func inHeader(h http.Handler, r *http.Request, name string, probes []string, n int, refused bool) func() {
	w, next := newDiscard(refused), inTurn(r, name, probes, n)
	return func() {
		next()
		w.serve(h, r)
	}
}

// inTurn returns a function that puts one text after another into the header of that
// name, beginning with the nth.
func inTurn(r *http.Request, name string, probes []string, n int) func() {
	value := make([]string, 1)
	r.Header[http.CanonicalHeaderKey(name)] = value
	return func() {
		value[0] = probes[n%len(probes)]
		n++
	}
}

// byQuery serves requests with these texts in the query.
func byQuery(h http.Handler, probes []string) caller {
	queries := make([]string, len(probes))
	for i, text := range probes {
		queries[i] = "token=1&key=" + text
	}
	return func(n int) func() {
		r, w := newRequest(http.MethodGet), newDiscard(false)
		return func() {
			r.URL.RawQuery = queries[n%len(queries)]
			n++
			w.serve(h, r)
		}
	}
}

// byFast serves requests of fasthttp, whose context servers use again and again.
func byFast(h fasthttp.RequestHandler, place peers.Place, probes []string, refused bool) caller {
	values := fastValues(place, probes)
	return func(n int) func() {
		ctx := &fasthttp.RequestCtx{}
		ctx.Request.SetRequestURI("http://host" + peers.Path + "?token=1")
		for _, name := range otherHeaders {
			ctx.Request.Header.Set(name, "some value")
		}
		present := fastPresenter(ctx, place)
		return func() {
			present(values[n%len(values)])
			n++
			ctx.Response.Reset()
			ctx.ResetUserValues()
			h(ctx)
			mustAnswer(ctx.Response.StatusCode(), refused)
		}
	}
}

// fastValues returns what requests hold in that place.
func fastValues(place peers.Place, probes []string) [][]byte {
	values := make([][]byte, len(probes))
	for i, text := range probes {
		if place == peers.Query {
			text = "token=1&key=" + text
		}
		values[i] = []byte(text)
	}
	return values
}

// fastPresenter returns a function that puts a value into the request.
func fastPresenter(ctx *fasthttp.RequestCtx, place peers.Place) func(value []byte) {
	if place == peers.Query {
		return ctx.URI().SetQueryStringBytes
	}
	name := []byte("X-Apikey")
	return func(value []byte) { ctx.Request.Header.SetCanonical(name, value) }
}

// peerSubjects returns each peer with its check and, where alone is set, without.
func peerSubjects(keys peers.Keys, place peers.Place, probes []string, refused, alone bool) []subject {
	var all []subject
	add := func(impl string, h peers.Handler, token string, refused bool) {
		var call caller
		switch {
		case h.HTTP == nil:
			call = byFast(h.Fast, place, probes, refused)
		case token != "":
			call = byHeader(h.HTTP, "Authorization", []string{token}, refused)
		case place == peers.Query:
			call = byQuery(h.HTTP, probes)
		default:
			call = byHeader(h.HTTP, "X-ApiKey", probes, refused)
		}
		all = append(all, subject{impl: impl, call: call})
	}
	for _, s := range peers.Servers(keys, place, "") {
		if refused && s.Token != "" {
			s.Token = "Bearer " + probes[0] // no token at all, and so refused
		}
		add(s.Name, s.Keyed, s.Token, refused)
		if alone {
			add(s.Name+"-router", s.Router, s.Token, false)
		}
	}
	return all
}
