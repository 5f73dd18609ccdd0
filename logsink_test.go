package apikey_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

var errSink = errors.New("the sink fails")

// A behaviour is what a sink does before it keeps anything, which it does only if
// that returns nil.
type behaviour func(ctx context.Context) error

func failing(context.Context) error   { return errSink }
func panicking(context.Context) error { panic("the sink panics") }

// lost is how a sink behaves whose connection is gone: it ends when it is told to.
func lost(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func slow(d time.Duration) behaviour {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hanging does not end before the channel is closed, whatever it is told.
func hanging(until <-chan struct{}) behaviour {
	return func(context.Context) error {
		<-until
		return nil
	}
}

// A testSink is a LogSink whose behaviour a test changes as it goes.
type testSink struct {
	mu     sync.Mutex
	behave behaviour // nil: it keeps all at once
	forget error     // returned though everything was kept
	writes [][]string
	kept   []apikey.LogEntry
	ids    map[string]bool
	inside int
	most   int // calls at one time
}

func (s *testSink) WriteLog(ctx context.Context, entries []apikey.LogEntry) error {
	s.mu.Lock()
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	s.writes = append(s.writes, ids)
	s.inside++
	s.most = max(s.most, s.inside)
	behave := s.behave
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inside--
		s.mu.Unlock()
	}()
	if behave != nil {
		if err := behave(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	for _, e := range entries {
		if !s.ids[e.ID] {
			s.ids[e.ID] = true
			s.kept = append(s.kept, e)
		}
	}
	return s.forget
}

func (s *testSink) become(b behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave = b
}

// entries returns what the sink has kept, the oldest first.
func (s *testSink) entries() []apikey.LogEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Clone(s.kept)
	slices.SortFunc(kept, func(a, b apikey.LogEntry) int { return strings.Compare(a.ID, b.ID) })
	return kept
}

// attempts returns the IDs of each write, also of those that failed.
func (s *testSink) attempts() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// idsWritten returns the IDs of all writes.
func (s *testSink) idsWritten() []string { return slices.Concat(s.attempts()...) }

// goodKey is the text of the key that a logged authority has from the start. It is
// long enough for bodies to be kept.
const goodKey = "good-key-of-these-tests"

// A logged is an Authority with an access log that tests look into.
type logged struct {
	*apikey.Authority
	sink *testSink
	key  *apikey.Key // opened by goodKey, it holds jobs:view
	kept int64       // entries that the sink was told to forget
}

// newLogged returns an Authority over an empty MemoryStore that logs into a
// testSink. It is shut down when the test ends.
func newLogged(t testing.TB, opts apikey.Options) *logged {
	t.Helper()
	return newLoggedOver(t, apikey.NewMemoryStore(), opts)
}

func newLoggedOver(t testing.TB, store apikey.Store, opts apikey.Options) *logged {
	t.Helper()
	l := &logged{sink: &testSink{}}
	opts.Log.Sink = l.sink
	var err error
	l.Authority, err = apikey.New(t.Context(), store, &opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		assert.NoError(t, l.Shutdown(ctx))
		assert.LessOrEqual(t, l.sink.most, 1, "a sink is called by one goroutine at a time")
	})
	l.key = issueCustom(t, l.Authority, goodKey, apikey.JobsView)
	require.NoError(t, l.FlushLog(t.Context()))
	l.sink.forgetAll() // of this change tests want to know nothing
	l.kept = l.LogStats().Stored
	return l
}

// forgetAll empties the sink.
func (s *testSink) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.writes = nil, nil
}

// withLevel makes a key whose bodies are logged at that level.
func (l *logged) withLevel(t testing.TB, level apikey.Logging, text string) *apikey.Key {
	t.Helper()
	spec := apikey.KeySpec{Permissions: perms{apikey.JobsView}, Logging: level}
	key, err := l.IssueCustom(t.Context(), spec, text)
	require.NoError(t, err)
	return key
}

// requests returns the entries of requests, once there are n of them. A handler's
// entry is made when it returns, and that may be later than its answer.
func (l *logged) requests(t testing.TB, n int) []apikey.LogEntry {
	t.Helper()
	var found []apikey.LogEntry
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		require.NoError(t, l.FlushLog(context.Background()))
		found = slices.DeleteFunc(l.sink.entries(), func(e apikey.LogEntry) bool {
			return e.Outcome == apikey.OutcomeChange || e.Outcome == apikey.OutcomeGap
		})
		if len(found) >= n || time.Now().After(deadline) {
			require.Len(t, found, n, "one entry for each request")
			return found
		}
	}
}

// request returns the entry of the only request.
func (l *logged) request(t testing.TB) apikey.LogEntry {
	t.Helper()
	return l.requests(t, 1)[0]
}

// changes returns the entries of changes to keys.
func (l *logged) changes(t testing.TB) []apikey.LogEntry {
	t.Helper()
	require.NoError(t, l.FlushLog(context.Background()))
	return slices.DeleteFunc(l.sink.entries(), func(e apikey.LogEntry) bool { return e.Outcome != apikey.OutcomeChange })
}

// gaps returns how many entries the gaps stand for, and how many gaps there are.
func (l *logged) gaps() (lost int64, gaps int) {
	for _, e := range l.sink.entries() {
		if e.Outcome == apikey.OutcomeGap {
			lost += e.Lost
			gaps++
		}
	}
	return lost, gaps
}

// withKey returns a request that carries a key in its header.
func withKey(method, target, key string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("X-ApiKey", key)
	return r
}

// ask has a handler answer a request.
func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// says is a handler that answers with a text.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
}
