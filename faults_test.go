package apikey_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// A canary is a key's text that must turn up nowhere; so must its digest.
const canary = "canary-7Hq2vX0mLk9RtZs4Wp8"

// goodRow is what a store that keeps its contract returns for the canary.
func goodRow() *apikey.Key {
	return &apikey.Key{ID: "1", Permissions: perms{apikey.Native}, Credentials: []apikey.Credential{{Digest: apikey.DigestOf(canary)}}}
}

func missingRow() *apikey.Key { return nil }

// faultyNode is a guarded handler over a store that only looks up, and the log.
type faultyNode struct {
	auth    *apikey.Authority
	handler http.Handler
	log     *lockedBuffer
}

// lockedBuffer is a buffer for many writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newFaultyNode(t testing.TB, lookup lookupOnly, opts apikey.Options) faultyNode {
	t.Helper()
	log := &lockedBuffer{}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	auth, err := apikey.New(t.Context(), lookup, &opts)
	require.NoError(t, err)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") })
	return faultyNode{auth, auth.Require(apikey.Native)(ok), log}
}

// ask sends a request with that key through the handler.
func (n faultyNode) ask(text string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("X-ApiKey", text)
	answer := httptest.NewRecorder()
	n.handler.ServeHTTP(answer, req)
	return answer
}

func requireUnavailable(t testing.TB, answer *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, 503, answer.Code, answer.Body)
	require.Equal(t, "1", answer.Header().Get("Retry-After"))
	require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
	require.Empty(t, answer.Header().Get("WWW-Authenticate"), "the client's key may be good")
	require.NotContains(t, answer.Body.String(), "served")
}

// What a store did wrong is answered with 503, never with 401, and is forgotten
// by the next request.
func TestAStoreThatFailsIsAnsweredWith503(t *testing.T) {
	digest := apikey.DigestOf(canary)
	rows := []struct {
		name string
		row  func() (*apikey.Key, error)
		log  string // what the operator is told
	}{
		{"an error", func() (*apikey.Key, error) { return nil, errors.New("connection refused") }, "connection refused"},
		{"an error beside a key", func() (*apikey.Key, error) { return goodRow(), errors.New("half a row") }, "half a row"},
		{"the driver's own not-found, not wrapped as the contract asks", func() (*apikey.Key, error) { return nil, sql.ErrNoRows }, "no rows"},
		{"a refusal where only a not-found is one", func() (*apikey.Key, error) { return nil, apikey.ErrUnknownKey }, "unknown API key"},
		{"neither key nor error", func() (*apikey.Key, error) { return nil, nil }, "neither a key nor an error"},
		{"a key without an ID", func() (*apikey.Key, error) { key := goodRow(); key.ID = ""; return key, nil }, "without an ID"},
		{"a key without credentials", func() (*apikey.Key, error) { key := goodRow(); key.Credentials = nil; return key, nil }, "without the credential"},
		{"another key", func() (*apikey.Key, error) {
			key := goodRow()
			key.Credentials[0].Digest = apikey.DigestOf("another")
			return key, nil
		}, "without the credential"},
		{"a key with an empty digest", func() (*apikey.Key, error) {
			key := goodRow()
			key.Credentials[0].Digest = apikey.Digest{}
			return key, nil
		}, "without the credential"},
		{"a key whose digest differs in the last bit", func() (*apikey.Key, error) {
			key := goodRow()
			key.Credentials[0].Digest[31] ^= 1
			return key, nil
		}, "without the credential"},
		{"a panic that tells the digest", func() (*apikey.Key, error) { panic(fmt.Sprintf("no row for %x", digest[:])) }, "panicked"},
		{"a nil dereference", func() (*apikey.Key, error) { return missingRow().Clone(), nil }, "panicked"},
		{"a goroutine that ends", func() (*apikey.Key, error) { runtime.Goexit(); return nil, nil }, "panicked"},
		{"a context error of its own", func() (*apikey.Key, error) { return nil, context.Canceled }, "canceled"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var healthy atomic.Bool
				node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) {
					if healthy.Load() {
						return goodRow(), nil
					}
					return row.row()
				}, apikey.Options{})
				start := time.Now()
				requireUnavailable(t, node.ask(canary))
				assert.Equal(t, start, time.Now(), "at once")
				assert.Contains(t, node.log.String(), row.log)

				_, err := node.auth.Authenticate(t.Context(), canary)
				require.ErrorIs(t, err, apikey.ErrStoreFailed)
				for _, output := range []string{node.log.String(), err.Error(), fmt.Sprintf("%+v %#v", err, err), node.ask(canary).Body.String()} {
					requireNoTrace(t, output, canary)
					requireNoTrace(t, output, string(digest[:]))
				}

				healthy.Store(true)
				require.Equal(t, 200, node.ask(canary).Code, "a failure is not remembered")
			})
		})
	}
}

func TestAStoreThatDoesNotKnowAKeyIsAnsweredWith401(t *testing.T) {
	for _, notFound := range []error{apikey.ErrNotFound, fmt.Errorf("legacy: %w", apikey.ErrNotFound)} {
		node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { return nil, notFound }, apikey.Options{})
		require.Equal(t, 401, node.ask(canary).Code)
		require.Empty(t, node.log.String(), "which is nothing to alarm the operator about")
	}
}

// A client that goes away is no fault of the store's.
func TestAClientThatGoesAwayRaisesNoAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFaultyNode(t, func(ctx context.Context, _ apikey.Digest) (*apikey.Key, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, apikey.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Millisecond)
			cancel()
		}()
		_, err := node.auth.Authenticate(ctx, canary)
		require.ErrorIs(t, err, context.Canceled)
		var refusal *apikey.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 503, refusal.Status)
		require.Empty(t, node.log.String())
	})
}

// An answer that is there counts, whatever the clock says at that moment.
func TestAQuickStoreIsNeverTakenForASlowOne(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32)) // goroutines that are interrupted anywhere
	node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { return goodRow(), nil }, apikey.Options{})
	var late atomic.Int64
	var wg sync.WaitGroup
	const workers, each = 8, 10_000
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := node.auth.Authenticate(context.Background(), canary); err != nil {
					late.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, late.Load(), "of %d lookups that the store answered at once", workers*each)
}

func TestAStoreThatHangsIsGivenUpAfterTheStoreTimeout(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"two seconds unless told": 0, "as told": 150 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var hangs atomic.Bool
				hangs.Store(true)
				node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { // it does not look at its context
					if hangs.Load() {
						<-release
					}
					return goodRow(), nil
				}, apikey.Options{StoreTimeout: timeout})
				start := time.Now()
				requireUnavailable(t, node.ask(canary))
				want := timeout
				if want == 0 {
					want = 2 * time.Second
				}
				require.Equal(t, want, time.Since(start))
				hangs.Store(false)
				require.Equal(t, 200, node.ask(canary).Code)
				close(release)
			})
		})
	}
}

func TestTheStoreIsToldWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFaultyNode(t, func(ctx context.Context, _ apikey.Digest) (*apikey.Key, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("query canceled: %w", ctx.Err())
		}, apikey.Options{})
		start := time.Now()
		requireUnavailable(t, node.ask(canary))
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestAHangingStoreSeesNoMoreThanMaxLookupsAtOnce(t *testing.T) {
	for name, most := range map[string]int{"64 unless told": 0, "as told": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var inFlight, peak atomic.Int64
				node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) {
					peak.Store(max(peak.Load(), inFlight.Add(1)))
					defer inFlight.Add(-1)
					<-release
					return goodRow(), nil
				}, apikey.Options{MaxLookups: most})
				want := most
				if want == 0 {
					want = 64
				}
				start := time.Now()
				answers := make(chan *httptest.ResponseRecorder, 3*want)
				for range cap(answers) {
					go func() { answers <- node.ask(canary) }()
				}
				for range cap(answers) {
					requireUnavailable(t, <-answers)
				}
				require.Equal(t, 2*time.Second, time.Since(start), "those that waited for a turn included")
				require.EqualValues(t, want, peak.Load())
				require.EqualValues(t, want, inFlight.Load(), "a lookup that hangs keeps its place")

				requireUnavailable(t, node.ask(canary))
				close(release)
				synctest.Wait()
				require.Equal(t, 200, node.ask(canary).Code, "and all is well when the store is")
			})
		})
	}
}

func TestThoseWhoWaitForATurnAreServedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) {
			time.Sleep(100 * time.Millisecond)
			return goodRow(), nil
		}, apikey.Options{MaxLookups: 4})
		answers := make(chan int, 40)
		start := time.Now()
		for range cap(answers) {
			go func() { answers <- node.ask(canary).Code }()
		}
		for range cap(answers) {
			require.Equal(t, 200, <-answers)
		}
		require.Equal(t, time.Second, time.Since(start), "ten rounds of four")
	})
}

func TestAPanickingStoreDoesNotLoseItsPlaces(t *testing.T) {
	var calls atomic.Int64
	node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) {
		if calls.Add(1) <= 10 {
			panic("store")
		}
		return goodRow(), nil
	}, apikey.Options{MaxLookups: 1})
	for range 10 {
		requireUnavailable(t, node.ask(canary))
	}
	require.Equal(t, 200, node.ask(canary).Code)
}

func TestAFailingStoreIsReportedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { return nil, errors.New("down") }, apikey.Options{})
		for range 300 { // three seconds
			node.ask(canary)
			time.Sleep(10 * time.Millisecond)
		}
		lines := strings.Split(strings.TrimSpace(node.log.String()), "\n")
		require.Len(t, lines, 3)
		assert.Contains(t, lines[0], "suppressed=0")
		assert.Contains(t, lines[1], "suppressed=99")
	})
}

// One kind of trouble, which a single client can cause, does not hide another.
func TestAnAlarmOfOneKindDoesNotSilenceAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) {
			if down.Load() {
				return nil, errors.New("connection refused")
			}
			key := goodRow()
			key.Permissions = perms{"lost:permission"}
			return key, nil
		}, apikey.Options{})
		require.Equal(t, 403, node.ask(canary).Code)
		require.Contains(t, node.log.String(), "lost:permission")
		down.Store(true)
		requireUnavailable(t, node.ask(canary))
		require.Contains(t, node.log.String(), "connection refused")
	})
}

// slowHandler is a log handler whose disk hangs.
type slowHandler struct {
	slog.Handler
	entered, release chan struct{}
}

func (h slowHandler) Handle(context.Context, slog.Record) error {
	h.entered <- struct{}{}
	<-h.release
	return nil
}

func TestALogThatHangsHoldsUpOneRequestAndNotAll(t *testing.T) {
	handler := slowHandler{slog.DiscardHandler, make(chan struct{}, 1), make(chan struct{})}
	handler.Handler = slog.NewTextHandler(&lockedBuffer{}, nil)
	node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { return nil, errors.New("down") },
		apikey.Options{Logger: slog.New(handler)})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(handler.release)
	wg.Go(func() { node.ask(canary) })
	<-handler.entered

	answered := make(chan struct{})
	wg.Go(func() { node.ask(canary); close(answered) })
	select {
	case <-answered:
	case <-time.After(2 * time.Second):
		t.Error("a request waits for another's log line")
	}
}

func TestAfterShutdownEveryRequestIsAnsweredWith503(t *testing.T) {
	node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { return goodRow(), nil }, apikey.Options{})
	view := node.auth.With(apikey.Overrides{Realm: "another view"})
	require.Equal(t, 200, node.ask(canary).Code)
	require.NoError(t, node.auth.Shutdown(t.Context()))

	for _, text := range []string{canary, "unknown", ""} {
		requireUnavailable(t, node.ask(text))
	}
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("X-ApiKey", canary)
	_, err := view.Check(nil, req, apikey.AnyKey())
	require.ErrorIs(t, err, apikey.ErrShutdown, "all views of it")
	_, err = node.auth.Authenticate(t.Context(), canary)
	require.ErrorIs(t, err, apikey.ErrShutdown, "by whatever way a text comes in")
}

// TestNoGoroutineStaysBehind is synctest's own rule: a test in a bubble fails
// where one is left. This one asks for it by name, with every kind of fault.
func TestNoGoroutineStaysBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	var calls atomic.Int64
	node := newFaultyNode(t, func(ctx context.Context, _ apikey.Digest) (*apikey.Key, error) {
		switch calls.Add(1) % 4 {
		case 0:
			panic("store")
		case 1:
			<-ctx.Done()
			return nil, ctx.Err()
		case 2:
			return nil, errors.New("down")
		}
		return goodRow(), nil
	}, apikey.Options{StoreTimeout: 5 * time.Millisecond, MaxLookups: 4})
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { node.ask(canary) })
	}
	wg.Wait()
	require.NoError(t, node.auth.Shutdown(t.Context()))
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%d goroutines, and %d before", runtime.NumGoroutine(), before)
	}
}

// Whatever becomes of a request, neither its key nor the digest is in an answer,
// a log line or an error. The key comes in by every way.
func TestTheCanaryIsSeenNowhere(t *testing.T) {
	digest := apikey.DigestOf(canary)
	outcomes := map[string]func() (*apikey.Key, error){
		"served":  func() (*apikey.Key, error) { return goodRow(), nil },
		"unknown": func() (*apikey.Key, error) { return nil, apikey.ErrNotFound },
		"forbidden": func() (*apikey.Key, error) {
			key := goodRow()
			key.Permissions = perms{"lost:permission"}
			return key, nil
		},
		"disabled":     func() (*apikey.Key, error) { key := goodRow(); key.Disabled = true; return key, nil },
		"revoked":      func() (*apikey.Key, error) { key := goodRow(); key.RevokedAt = time.Now(); return key, nil },
		"expired":      func() (*apikey.Key, error) { key := goodRow(); key.ExpiresAt = time.Now(); return key, nil },
		"store fails":  func() (*apikey.Key, error) { return nil, errors.New("down") },
		"store lies":   func() (*apikey.Key, error) { return &apikey.Key{ID: "2"}, nil },
		"store panics": func() (*apikey.Key, error) { panic(canary) },
	}
	ways := map[string]func() *http.Request{
		"header": func() *http.Request {
			req := httptest.NewRequest("GET", "/", nil)
			req.Header.Set("X-ApiKey", canary)
			return req
		},
		"query": func() *http.Request { return httptest.NewRequest("GET", "/?key="+canary, nil) },
		"form": func() *http.Request {
			req := httptest.NewRequest("POST", "/", strings.NewReader("key="+canary))
			req.Header.Set("Content-Type", form)
			return req
		},
		"JSON": func() *http.Request {
			req := httptest.NewRequest("POST", "/", strings.NewReader(`{"API_Key":"`+canary+`"}`))
			req.Header.Set("Content-Type", jsonT)
			return req
		},
		"JSON that is broken": func() *http.Request {
			req := httptest.NewRequest("POST", "/", strings.NewReader(`{"API_Key":"`+canary+`" oops`))
			req.Header.Set("Content-Type", jsonT)
			return req
		},
		"two that differ": func() *http.Request {
			req := httptest.NewRequest("GET", "/?key=another", nil)
			req.Header.Set("X-ApiKey", canary)
			return req
		},
		"mistyped": func() *http.Request { return httptest.NewRequest("GET", "/?key="+canary+"%00", nil) },
		"Basic": func() *http.Request {
			req := httptest.NewRequest("GET", "/", nil)
			req.SetBasicAuth("api", canary)
			return req
		},
		"Bearer": func() *http.Request {
			req := httptest.NewRequest("GET", "/", nil)
			req.Header.Set("Authorization", "Bearer "+canary)
			return req
		},
	}
	sources := append(apikey.OtterSources(), apikey.FromBasic("api"), apikey.FromBearer())
	for outcome, lookup := range outcomes {
		for way, request := range ways {
			for style, errors := range map[string]apikey.ErrorHandler{"problem": apikey.ProblemErrors, "Otter": apikey.OtterErrors} {
				t.Run(outcome+", "+way+", "+style, func(t *testing.T) {
					node := newFaultyNode(t, func(context.Context, apikey.Digest) (*apikey.Key, error) { return lookup() },
						apikey.Options{Sources: sources, Errors: errors})
					answer := httptest.NewRecorder()
					node.handler.ServeHTTP(answer, request())
					_, err := node.auth.Check(nil, request(), apikey.AllOf(apikey.Native))
					output := fmt.Sprint(answer.Header(), answer.Body, node.log, err) + fmt.Sprintf("%+v %#v", err, err)
					requireNoTrace(t, output, canary)
					requireNoTrace(t, output, string(digest[:]))
				})
			}
		}
	}
}
