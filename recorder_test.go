package apikey_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/race"
)

// recovery is how soon a log must be written again once its sink works.
const recovery = 5 * time.Second

// requireAccounted stops the log and checks that each entry was either kept once
// or is told of by a gap. It returns what has become of them.
func (l *logged) requireAccounted(t testing.TB) (stored, dropped int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, l.Shutdown(ctx))
	s := l.LogStats()
	assert.Equal(t, s.Accepted, s.Stored+s.Dropped)
	assert.Zero(t, s.Waiting)
	assert.Zero(t, s.WaitingBytes)
	told, gaps := l.gaps()
	assert.Equal(t, s.Dropped, told, "gaps say exactly how many entries were lost")
	assert.Equal(t, s.Stored, int64(len(l.sink.entries())-gaps)+l.kept, "what counts as stored is there, once")
	for _, ids := range l.sink.attempts() {
		require.LessOrEqual(t, len(ids), 500, "a batch, with the gap")
	}
	return s.Stored - l.kept, s.Dropped
}

// flood sends n requests with that key.
func flood(h http.Handler, key string, n int) {
	for range n {
		ask(h, withKey("GET", "/", key))
	}
}

func TestEntriesAreWrittenWithin200Milliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		guarded := log.RequireKey()(says("ok"))
		for i := range 300 { // one now and then, many, and none for a while
			flood(guarded, goodKey, i%7)
			before := log.LogStats().Accepted
			time.Sleep(time.Duration(i%11) * 10 * time.Millisecond)
			go func() {
				time.Sleep(200 * time.Millisecond)
				assert.GreaterOrEqual(t, log.LogStats().Stored, before)
			}()
		}
		wait(200 * time.Millisecond)
		assert.Equal(t, log.LogStats().Accepted, log.LogStats().Stored)
	})
}

// A crash may lose one batch.
func TestABatchIsWrittenAtOnceWhenItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		guarded := log.RequireKey()(says("ok"))
		wait(time.Second)
		flood(guarded, goodKey, 500)
		synctest.Wait()
		require.Len(t, log.sink.entries(), 500, "no time has passed")

		log.sink.become(slow(time.Second))
		flood(guarded, goodKey, 5000)
		log.requests(t, 5500)
		for _, ids := range log.sink.attempts() {
			require.LessOrEqual(t, len(ids), 500)
		}
	})
}

// A queue that is shorter than a batch does not overflow while the sink is idle.
func TestAShortQueueIsWrittenBeforeItIsFull(t *testing.T) {
	for name, opts := range map[string]apikey.LogOptions{
		"few entries": {MaxEntries: 40}, "few bytes": {MaxBytes: 40_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLogged(t, apikey.Options{Log: opts})
				before := time.Now()
				for range 100 { // half of each share
					flood(log.RequireKey()(says("ok")), goodKey, 15)
					flood(log.RequireKey()(says("ok")), "unknown", 5)
					synctest.Wait()
				}
				require.Equal(t, before, time.Now(), "no time has passed")
				require.Zero(t, log.LogStats().Dropped)
				log.requests(t, 2000)
			})
		})
	}
}

func TestNothingIsWrittenWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		wait(time.Hour)
		require.Empty(t, log.sink.attempts())
	})
}

// Whatever the sink does, each entry is kept once, or counted as lost and told of.
func TestStoredAndDroppedAreAccepted(t *testing.T) {
	rows := []struct {
		name   string
		behave func() behaviour
		forget error
		drops  bool
	}{
		{"a good sink", func() behaviour { return nil }, nil, false},
		{"a slow sink", func() behaviour { return slow(300 * time.Millisecond) }, nil, true},
		{"a sink too slow to be waited for", func() behaviour { return slow(time.Minute) }, nil, true},
		{"a failing sink", func() behaviour { return failing }, nil, true},
		{"a panicking sink", func() behaviour { return panicking }, nil, true},
		{"a sink that lost its connection", func() behaviour { return lost }, nil, true},
		{"a sink that hangs", func() behaviour {
			until := make(chan struct{})
			time.AfterFunc(time.Minute, func() { close(until) })
			return hanging(until)
		}, nil, true},
		{"a sink that fails every other time", func() behaviour {
			var calls atomic.Int64
			return func(context.Context) error {
				if calls.Add(1)%2 == 0 {
					return errSink
				}
				return nil
			}
		}, nil, false},
		{"a sink that keeps all and says it failed", func() behaviour { return nil }, errSink, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := apikey.LogOptions{}
				if row.drops {
					opts.MaxEntries = 400
				}
				log := newLogged(t, apikey.Options{Log: opts})
				log.sink.become(row.behave())
				log.sink.mu.Lock()
				log.sink.forget = row.forget
				log.sink.mu.Unlock()
				guarded := log.RequireKey()(says("ok"))
				var senders sync.WaitGroup
				for i := range 16 {
					senders.Go(func() {
						for j := range 250 {
							ask(guarded, withKey("GET", "/", []string{goodKey, "unknown"}[i%2]))
							if j%10 == 0 {
								time.Sleep(50 * time.Millisecond)
							}
						}
					})
				}
				senders.Wait()
				time.Sleep(time.Minute)
				log.sink.become(nil)
				log.sink.mu.Lock()
				log.sink.forget = nil
				log.sink.mu.Unlock()
				stored, dropped := log.requireAccounted(t)
				assert.EqualValues(t, 4000, stored+dropped)
				assert.Equal(t, row.drops, dropped > 0, "%d dropped", dropped)
			})
		})
	}
}

// A request does not notice what the sink does, which in a bubble means that no
// time passes.
func TestNoRequestWaitsForTheSink(t *testing.T) {
	for name, behave := range map[string]func(until <-chan struct{}) behaviour{
		"blocked for ever": hanging,
		"slow":             func(<-chan struct{}) behaviour { return slow(time.Hour) },
		"failing":          func(<-chan struct{}) behaviour { return failing },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxEntries: 1000}})
				until := make(chan struct{})
				log.sink.become(behave(until))
				guarded := log.RequireKey()(says("ok"))
				for range 10 {
					before := time.Now()
					for range 300 {
						require.Equal(t, 200, ask(guarded, withKey("GET", "/", goodKey)).Code)
					}
					require.Equal(t, before, time.Now())
					time.Sleep(time.Second)
				}
				require.Positive(t, log.LogStats().Dropped)
				log.sink.become(nil)
				close(until)
			})
		})
	}
}

func TestALogIsWrittenAgainSoonAfterItsSinkWorks(t *testing.T) {
	rows := []struct {
		name   string
		behave behaviour
	}{
		{"that failed", failing},
		{"that panicked", panicking},
		{"that had lost its connection", lost},
		{"that was too slow", slow(time.Hour)},
		{"that hung", nil},
	}
	for _, row := range rows {
		t.Run("a sink "+row.name, func(t *testing.T) {
			for outage := time.Duration(0); outage < 20*time.Second; outage += 1700 * time.Millisecond {
				synctest.Test(t, func(t *testing.T) {
					log := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxEntries: 40}})
					guarded := log.RequireKey()(says("ok"))
					until := make(chan struct{})
					behave := row.behave
					if behave == nil {
						behave = hanging(until)
					}
					log.sink.become(behave)
					flood(guarded, goodKey, 30)
					wait(150 * time.Millisecond)
					flood(guarded, goodKey, 70)
					wait(outage)
					log.sink.become(nil)
					close(until)

					wait(recovery)
					require.Len(t, log.sink.entries(), 31, "all that there was room for, and the gap, though nothing came after")
					told, gaps := log.gaps()
					assert.EqualValues(t, 70, told)
					assert.Equal(t, 1, gaps)
					assert.False(t, log.LogStats().Failing)
				})
			}
		})
	}
}

func TestAGapSaysWhatWasLostAndWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxEntries: 4}})
		guarded := log.RequireKey()(says("ok"))
		log.sink.become(failing)
		flood(guarded, goodKey, 3)
		time.Sleep(time.Minute)
		from := time.Now()
		flood(guarded, goodKey, 1)
		time.Sleep(time.Hour)
		to := time.Now()
		flood(guarded, goodKey, 1)
		log.sink.become(nil)
		wait(recovery)
		entries := log.sink.entries()
		gap := entries[len(entries)-1]
		assert.Equal(t, apikey.LogEntry{
			ID: gap.ID, RequestID: gap.RequestID, Time: gap.Time, Outcome: apikey.OutcomeGap, Lost: 2,
			Detail: fmt.Sprintf("2 entries were lost, of what came from %s to %s: the log could not take them",
				from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano)),
		}, gap)
	})
}

// A batch that may have been kept is written again as it was.
func TestAFailedBatchIsTriedAgainWithTheSameIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		log.sink.forget = errSink // it keeps the entries, and says that it failed
		flood(log.RequireKey()(says("ok")), goodKey, 700)
		wait(10 * time.Second)
		attempts := log.sink.attempts()
		require.Greater(t, len(attempts), 5)
		for _, ids := range attempts {
			require.Equal(t, attempts[0], ids)
		}
		require.True(t, log.LogStats().Failing)
		log.sink.mu.Lock()
		log.sink.forget = nil
		log.sink.mu.Unlock()
		wait(recovery)
		require.Len(t, log.sink.entries(), 700, "each is kept once")
	})
}

// Refusals have a share of their own, and take no room from those with a key; nor
// the other way round.
func TestAFloodOfRefusalsEvictsNothing(t *testing.T) {
	rows := []struct {
		name, first, second string
		fits                int // of the second kind
	}{
		{"unknown keys come first", "unknown", goodKey, 300},
		{"a good key comes first", goodKey, "unknown", 100},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxEntries: 400}})
				guarded := log.RequireKey()(says("ok"))
				log.sink.become(failing)
				flood(guarded, row.first, 10_000)
				before := log.LogStats().Dropped
				flood(guarded, row.second, row.fits)
				require.Equal(t, before, log.LogStats().Dropped)
				flood(guarded, row.second, 1)
				require.Equal(t, before+1, log.LogStats().Dropped)
				log.sink.become(nil)
				log.requireAccounted(t)
			})
		})
	}
}

// heap returns how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// 50,000 entries at once stay within what LogOptions say, to within what the log's
// own tables cost, and what is lost is counted to the last one.
func TestABurstStaysWithinItsMemory(t *testing.T) {
	const mib = 1 << 20
	rows := []struct {
		name  string
		key   string
		level apikey.Logging
		line  func() string // the request line
		most  int64         // bytes, beyond the tables
		keeps int64         // 0: not known
		burst int           // requests
		slow  int           // with the race detector: still more than may wait, were whole lines kept
	}{
		{"with bodies of 16 KiB both ways", "a key that logs both", apikey.LogBoth, func() string { return "POST /" }, 24 * mib, 0, 50_000, 3_000},
		{"without bodies", goodKey, apikey.LogNone, func() string { return "GET /api/jobs/17?expand=all" }, 24 * mib, 12 << 10, 50_000, 16_666},
		{"of refusals", "unknown", apikey.LogNone, func() string { return "GET /" }, 8 * mib, 4 << 10, 50_000, 16_666},
		{"of refusals with long queries", "unknown", apikey.LogNone, func() string { return "GET /?" + strings.Repeat("q", 100_000) }, 8 * mib, 0, 2_000, 400},
		{"of refusals with long methods", "unknown", apikey.LogNone, func() string { return strings.Repeat("M", 100_000) + " /" }, 8 * mib, 0, 2_000, 400},
		{"of refusals with long hosts, of which nothing is kept", "unknown", apikey.LogNone, func() string { return "GET http://" + strings.Repeat("h", 100_000) + "/" }, 8 * mib, 0, 2_000, 400},
	}
	body := strings.Repeat("x", 20<<10)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			log.withLevel(t, apikey.LogBoth, "a key that logs both")
			require.NoError(t, log.FlushLog(t.Context()))
			log.sink.forgetAll()
			log.kept = log.LogStats().Stored
			release := make(chan struct{})
			log.sink.become(hanging(release))
			guarded := log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/plain")
				_, _ = io.WriteString(w, body)
			}))
			n := row.burst
			if race.Enabled() {
				n = row.slow
			}
			before := heap()
			for range n {
				// As a server parses it: what is kept of a line keeps all of it.
				text := row.line() + " HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nX-ApiKey: " + row.key + "\r\n"
				if row.level == apikey.LogNone {
					text += "\r\n"
				} else {
					text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
				}
				r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
				require.NoError(t, err)
				guarded.ServeHTTP(&nullWriter{header: http.Header{}}, r)
			}
			grown := heap() - before
			s := log.LogStats()
			t.Logf("%d requests: %d wait, counted as %.1f MiB, %d lost; the heap has grown by %.1f MiB",
				n, s.Waiting, float64(s.WaitingBytes)/mib, s.Dropped, float64(grown)/mib)
			assert.LessOrEqual(t, s.WaitingBytes, row.most)
			assert.LessOrEqual(t, grown, row.most+12*mib, "the tables of 16,384 entries grow by doubling")
			assert.EqualValues(t, n, s.Waiting+s.Dropped)
			if row.keeps > 0 {
				assert.Equal(t, row.keeps, s.Waiting)
			}
			log.sink.become(nil)
			close(release)
			stored, dropped := log.requireAccounted(t)
			assert.EqualValues(t, n, stored+dropped)
			log.sink.forgetAll()
			assert.Less(t, heap()-before, int64(4*mib), "what a burst needed is not held for ever")
		})
	}
}

// nullWriter is a response writer that keeps nothing.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(int)             {}

func TestARequiredLogRefusesWhatItCannotTake(t *testing.T) {
	rows := []struct {
		name   string
		max    int
		behave func(until <-chan struct{}) behaviour
		before time.Duration // that a first request came before
		fits   int           // requests that are served nevertheless
	}{
		{"a sink that fails", 0, func(<-chan struct{}) behaviour { return failing }, time.Second, 0},
		{"a sink that panics", 0, func(<-chan struct{}) behaviour { return panicking }, time.Second, 0},
		{"a sink that hangs", 0, hanging, 2 * time.Second, 0},
		{"a sink that does not answer in time", 0, func(<-chan struct{}) behaviour { return lost }, 20 * time.Second, 0},
		{"a sink that has just begun to hang, while there is room", 0, hanging, 500 * time.Millisecond, 100},
		{"a full queue", 12, hanging, 500 * time.Millisecond, 8},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Required: true, MaxEntries: row.max}})
				ran := 0
				guarded := log.RequireKey()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran++ }))
				until := make(chan struct{})
				log.sink.become(row.behave(until))
				require.Equal(t, 200, ask(guarded, withKey("GET", "/", goodKey)).Code)
				wait(row.before)
				ran = 0
				before := time.Now()
				for i := range 100 {
					answer := ask(guarded, withKey("GET", "/", goodKey))
					if i < row.fits {
						require.Equal(t, 200, answer.Code)
						continue
					}
					requireUnavailable(t, answer)
				}
				require.Equal(t, row.fits, ran, "handlers that ran")
				require.Equal(t, before, time.Now(), "no request waits")

				log.sink.become(nil)
				close(until)
				wait(recovery)
				require.Equal(t, 200, ask(guarded, withKey("GET", "/", goodKey)).Code, "and it serves again")
				log.requireAccounted(t)
				served := 0
				for _, e := range log.sink.entries() {
					switch e.Outcome {
					case apikey.OutcomeAllowed:
						served++
					case apikey.OutcomeError:
						require.Equal(t, "log_full", e.Reason)
						require.Equal(t, 503, e.Status)
						require.Equal(t, log.key.ID, e.KeyID)
					}
				}
				require.Equal(t, row.fits+2, served, "of each request that was served there is an entry")
			})
		})
	}
}

// Of every handler that ran under a required log there is an entry, whatever the
// sink does meanwhile.
func TestARequiredLogMissesNoHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Required: true, MaxEntries: 64}})
		until := make(chan struct{})
		var ran atomic.Int64
		guarded := log.RequireKey()(log.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			n := ran.Add(1)
			time.Sleep(time.Duration(n%40) * time.Millisecond)
			if n%10 == 0 {
				panic(http.ErrAbortHandler)
			}
		})))
		var senders sync.WaitGroup
		for range 100 {
			senders.Go(func() {
				for i := range 100 {
					_, _ = outcome(guarded, withKey("GET", "/", []string{goodKey, goodKey, "unknown"}[i%3]))
					time.Sleep(3 * time.Millisecond)
				}
			})
		}
		for i, behave := range []behaviour{failing, nil, hanging(until), nil, panicking, nil, slow(300 * time.Millisecond), nil, lost, nil} {
			log.sink.become(behave)
			time.Sleep(700 * time.Millisecond)
			if i == 3 {
				close(until)
			}
		}
		senders.Wait()
		log.requireAccounted(t)
		var recorded int64
		for _, e := range log.sink.entries() {
			if e.Outcome == apikey.OutcomeAllowed || e.Reason == "panic" {
				recorded++
			}
		}
		require.Positive(t, ran.Load())
		require.Equal(t, ran.Load(), recorded)
	})
}

// A place that was set aside is a place, though bodies have since filled the room.
func TestARequiredLogKeepsWhatItHasPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Required: true, MaxBytes: 64 << 10}})
		log.withLevel(t, apikey.LogBoth, loggingKey)
		require.NoError(t, log.FlushLog(t.Context()))
		log.kept = log.LogStats().Stored
		log.sink.forgetAll()
		guarded := log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, strings.Repeat("x", 32<<10))
		}))
		until := make(chan struct{})
		log.sink.become(hanging(until))
		var clients sync.WaitGroup
		for range 20 {
			clients.Go(func() { assert.Equal(t, 200, ask(guarded, withKey("GET", "/", loggingKey)).Code) })
		}
		clients.Wait()
		requireUnavailable(t, ask(guarded, withKey("GET", "/", loggingKey)))
		close(until)
		stored, dropped := log.requireAccounted(t)
		require.GreaterOrEqual(t, stored, int64(20))
		require.LessOrEqual(t, dropped, int64(1), "the one that was refused")
	})
}

// A place that was set aside is given back, whatever becomes of the request or the
// change.
func TestARequiredLogDoesNotLoseItsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Required: true, MaxEntries: 4}})
		guarded := log.RequireKey()
		twice := log.Record()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			guarded(says("a")).ServeHTTP(w, r)
			guarded(says("b")).ServeHTTP(w, r)
		}))
		for range 50 {
			require.Equal(t, 200, ask(guarded(says("ok")), withKey("GET", "/", goodKey)).Code)
			_, _ = outcome(guarded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), withKey("GET", "/", goodKey))
			ask(guarded(log.Require(apikey.Native)(says("ok"))), withKey("GET", "/", goodKey))
			require.NoError(t, log.FlushLog(t.Context()))
			require.Equal(t, "ab", ask(twice, withKey("GET", "/", goodKey)).Body.String())
			_, err := log.IssueCustom(t.Context(), apikey.KeySpec{}, goodKey)
			require.ErrorIs(t, err, apikey.ErrInUse)
			_, err = log.Update(t.Context(), log.key.ID, 17, log.key.Spec())
			require.ErrorIs(t, err, apikey.ErrConflict)
			require.NoError(t, log.FlushLog(t.Context()))
		}
		log.sink.become(failing)
		flood(guarded(says("ok")), goodKey, 3)
		log.sink.become(nil)
		log.requireAccounted(t)
	})
}

// No key is changed that the log could not tell of.
func TestARequiredLogRefusesChanges(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(map[bool]string{false: "while the sink fails", true: "after Shutdown"}[closed], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Required: true}})
				ctx := t.Context()
				if closed {
					require.NoError(t, log.Shutdown(ctx))
				} else {
					log.sink.become(failing)
					flood(log.RequireKey()(says("ok")), goodKey, 1)
					wait(time.Second)
				}
				before, err := log.Stored(ctx, log.key.ID)
				require.NoError(t, err)
				spec := before.Spec()
				spec.Name = "another name"
				changes := map[string]func() error{
					"Issue":        func() error { _, _, err := log.Issue(ctx, spec); return err },
					"IssueCustom":  func() error { _, err := log.IssueCustom(ctx, spec, "another text"); return err },
					"Update":       func() error { _, err := log.Update(ctx, log.key.ID, 1, spec); return err },
					"Rotate":       func() error { _, _, err := log.Rotate(ctx, log.key.ID, 0); return err },
					"RotateCustom": func() error { _, err := log.RotateCustom(ctx, log.key.ID, 0, "another text"); return err },
					"Revoke":       func() error { _, err := log.Revoke(ctx, log.key.ID); return err },
					"Delete":       func() error { return log.Delete(ctx, log.key.ID) },
				}
				for name, change := range changes {
					require.ErrorIs(t, change(), apikey.ErrLogFull, name)
				}
				after, err := log.Stored(ctx, log.key.ID)
				require.NoError(t, err)
				require.Equal(t, before, after)
				keys, err := log.Keys(ctx, apikey.Query{})
				require.NoError(t, err)
				require.Len(t, keys, 1)
				if !closed {
					log.sink.become(nil)
					wait(recovery)
					require.Empty(t, log.changes(t), "nothing was changed, and no entry says so")
					require.NoError(t, changes["Revoke"](), "and then it can be")
				}
			})
		})
	}
}

// A log that is not required is in nobody's way.
func TestChangesAreMadeThoughTheLogFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{Log: apikey.LogOptions{MaxEntries: 4}})
		log.sink.become(failing)
		for range 10 {
			_, _, err := log.Issue(t.Context(), apikey.KeySpec{})
			require.NoError(t, err)
		}
		log.sink.become(nil)
		stored, dropped := log.requireAccounted(t)
		assert.EqualValues(t, 3, stored)
		assert.EqualValues(t, 7, dropped)
	})
}

func TestShutdownWritesAllThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		log.sink.become(slow(10 * time.Millisecond))
		flood(log.RequireKey()(says("ok")), goodKey, 7777)
		require.NoError(t, log.Shutdown(t.Context()))
		require.Len(t, log.sink.entries(), 7777)
	})
}

// A backlog that takes its time is not given up half-way.
func TestALongBacklogOfASlowSinkIsWrittenToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		log.sink.become(slow(2 * time.Second))
		flood(log.RequireKey()(says("ok")), goodKey, 12_000)
		for range 70 {
			time.Sleep(time.Second)
			require.False(t, log.LogStats().Failing)
		}
		require.Len(t, log.sink.entries(), 12_000)
		require.Len(t, log.sink.idsWritten(), 12_000, "each is written once")
	})
}

func TestShutdownTriesAgainUntilItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		log.sink.become(failing)
		flood(log.RequireKey()(says("ok")), goodKey, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		before := time.Now()
		require.Error(t, log.Shutdown(ctx))
		require.Equal(t, 3*time.Second, time.Since(before))
		require.EqualValues(t, 10, log.LogStats().Waiting, "nothing is given up")

		go func() {
			time.Sleep(time.Second)
			log.sink.become(nil)
		}()
		require.NoError(t, log.Shutdown(context.Background()), "another call tries again")
		require.Len(t, log.sink.entries(), 10)
	})
}

func TestShutdownReturnsInTimeAlsoWhereTheSinkDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		until := make(chan struct{})
		log.sink.become(hanging(until))
		flood(log.RequireKey()(says("ok")), goodKey, 10)
		wait(time.Second) // the goroutine of the log is inside the sink
		for _, limit := range []time.Duration{0, time.Millisecond, 5 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			before := time.Now()
			err := log.Shutdown(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, limit, time.Since(before))
		}
		close(until)
		require.NoError(t, log.Shutdown(context.Background()))
		require.Len(t, log.sink.entries(), 10)
	})
}

func TestManyMayCallShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		log.sink.become(slow(time.Second))
		flood(log.RequireKey()(says("ok")), goodKey, 1000)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if err := log.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
				assert.Len(t, log.sink.entries(), 1000, "all is written when any call returns")
			})
		}
		calls.Wait()
		require.Len(t, log.sink.idsWritten(), 1000, "each is written once")
	})
}

// Requests that come while the Authority shuts down, or after, are refused; their
// entries are lost and counted, and do not keep it from ending.
func TestWhatComesAfterShutdownIsCountedAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		guarded := log.RequireKey()(says("ok"))
		log.sink.become(slow(time.Millisecond))
		flood(guarded, goodKey, 10)
		ctx, stop := context.WithCancel(t.Context())
		var sender sync.WaitGroup
		sender.Go(func() {
			for ctx.Err() == nil {
				ask(guarded, withKey("GET", "/", goodKey))
				time.Sleep(100 * time.Microsecond)
			}
		})
		time.Sleep(10 * time.Millisecond)
		before := time.Now()
		require.NoError(t, log.Shutdown(context.Background()))
		require.Less(t, time.Since(before), time.Second)
		time.Sleep(time.Second)
		stop()
		sender.Wait()
		synctest.Wait()
		s := log.LogStats()
		require.Greater(t, s.Dropped, int64(5000))
		require.Equal(t, s.Accepted, s.Stored+s.Dropped)

		require.NoError(t, log.Shutdown(context.Background()), "calling it again writes the gap")
		told, gaps := log.gaps()
		assert.Equal(t, s.Dropped, told)
		assert.LessOrEqual(t, gaps, 3)
	})
}

func TestShutdownWritesTheLogThoughTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, release := newHangingStore()
		sink := &testSink{behave: slow(900 * time.Millisecond)}
		auth, err := apikey.New(t.Context(), store, &apikey.Options{Log: apikey.LogOptions{Sink: sink}})
		require.NoError(t, err)
		issueCustom(t, auth, "a key text")
		ask(auth.RequireKey()(says("ok")), withKey("GET", "/", "a key text"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = auth.Shutdown(ctx)
		require.ErrorContains(t, err, "recording last uses")
		require.NotContains(t, err.Error(), "log")
		require.Len(t, sink.entries(), 2)
		release()
	})
}

func TestNothingOfALogStaysBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 50 {
		log := newLogged(t, apikey.Options{})
		log.sink.become([]behaviour{nil, slow(time.Millisecond), failing}[i%3])
		flood(log.RequireKey()(says("ok")), goodKey, i)
		log.sink.become(nil)
		require.NoError(t, log.Shutdown(t.Context()))
		require.NoError(t, log.Shutdown(t.Context()))
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%d goroutines, and %d before", runtime.NumGoroutine(), before)
	}
}

// An Authority that could not be made leaves nothing either.
func TestBadLogOptionsAreReportedAllAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	_, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Log: apikey.LogOptions{
		Required: true, MaxBody: -1, MaxEntries: -2, MaxBytes: -3, Secrets: []string{"fine", "-_."},
	}})
	for _, part := range []string{
		"Log.MaxBody is -1", "Log.MaxEntries is -2", "Log.MaxBytes is -3", `Log.Secrets names "-_."`, "Log.Required without a sink",
	} {
		require.ErrorContains(t, err, part)
	}
	_, err = apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Log: apikey.LogOptions{Required: true, Off: true, Sink: &testSink{}}})
	require.ErrorContains(t, err, "Log.Required without a sink")
	_, err = apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Log: apikey.LogOptions{MaxBody: math.MaxInt}})
	require.ErrorContains(t, err, "legal is up to 1073741824")
	require.Equal(t, before, runtime.NumGoroutine())
}

func TestRedactionThatFailsDropsTheTexts(t *testing.T) {
	const secret = "what the hook knows to be secret"
	rows := []struct {
		name   string
		redact func(*apikey.LogEntry) error
		drops  bool
	}{
		{"a hook that changes texts", func(e *apikey.LogEntry) error {
			e.Path, e.Request.Text, e.Response.Text, e.Query = "/changed", "changed", "changed", "changed"
			return nil
		}, false},
		{"a hook that fails", func(*apikey.LogEntry) error { return errors.New(secret) }, true},
		{"a hook that panics", func(*apikey.LogEntry) error { panic(secret) }, true},
		{"a hook that panics half-way", func(e *apikey.LogEntry) error {
			e.Request.Text = ""
			panic(secret)
		}, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			alarms := &lockedBuffer{}
			log := newLogged(t, apikey.Options{
				Log:    apikey.LogOptions{Redact: row.redact},
				Logger: slog.New(slog.NewTextHandler(alarms, nil)),
			})
			log.withLevel(t, apikey.LogBoth, "a key that logs both")
			r := httptest.NewRequest("POST", "/path?q=secret", strings.NewReader(secret))
			r.Header.Set("X-ApiKey", "a key that logs both")
			r.Header.Set("Content-Type", "text/plain")
			ask(log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })), r)
			e := log.request(t)
			assert.NotContains(t, fmt.Sprintf("%+v %s", e, alarms), secret)
			assert.Equal(t, 200, e.Status, "that there was a request stays")
			assert.NotEmpty(t, e.KeyID)
			assert.EqualValues(t, len(secret), e.RequestBytes)
			if !row.drops {
				assert.Equal(t, []string{"/changed", "changed", "changed", "changed"}, []string{e.Path, e.Query, e.Request.Text, e.Response.Text})
				return
			}
			assert.Empty(t, e.Query)
			assert.Equal(t, "redaction failed", e.Detail)
			assert.Equal(t, apikey.LogBody{Omitted: "redaction failed"}, e.Request)
			assert.Equal(t, apikey.LogBody{Omitted: "redaction failed"}, e.Response)
		})
	}
}

// To mask a key of a few letters would spell it.
func TestAShortKeyLeavesNoBodies(t *testing.T) {
	for key, kept := range map[string]bool{"1234567": false, "12345678": true} {
		log := newLogged(t, apikey.Options{})
		log.withLevel(t, apikey.LogBoth, key)
		r := httptest.NewRequest("POST", "/", strings.NewReader("asked"))
		r.Header.Set("X-ApiKey", key)
		r.Header.Set("Content-Type", "text/plain")
		ask(log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })), r)
		e := log.request(t)
		want := apikey.LogBody{Type: "text/plain", Omitted: "the key is too short to be masked"}
		if kept {
			want = apikey.LogBody{Type: "text/plain", Text: "asked"}
		}
		assert.Equal(t, want, e.Request)
		assert.Equal(t, want, e.Response)
		assert.EqualValues(t, 5, e.RequestBytes)
		assert.EqualValues(t, 5, e.ResponseBytes)
	}
}

// The operator is told of a log that fails, once a second, and of what it lost.
func TestAFailingLogRaisesAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alarms := &lockedBuffer{}
		log := newLogged(t, apikey.Options{
			Log: apikey.LogOptions{MaxEntries: 4}, Logger: slog.New(slog.NewTextHandler(alarms, nil)),
		})
		log.sink.become(failing)
		flood(log.RequireKey()(says("ok")), goodKey, 10)
		wait(10 * time.Second)
		told := strings.Count(alarms.String(), "the access log could not be written")
		assert.Greater(t, told, 4)
		assert.LessOrEqual(t, told, 11)
		assert.Contains(t, alarms.String(), errSink.Error())
		log.sink.become(nil)
		wait(recovery)
		assert.Contains(t, alarms.String(), "the access log has lost entries")
	})
}

// An entry in memory is read where the sink can be read, with the limits of a page.
func TestAccessLogReadsWhatTheSinkKeeps(t *testing.T) {
	memory := apikey.NewMemoryLog(100)
	auth := newAuthority(t, &apikey.Options{Log: apikey.LogOptions{Sink: memory}})
	t.Cleanup(func() { auth.Shutdown(context.Background()) })
	issueCustom(t, auth, goodKey)
	flood(auth.RequireKey()(says("ok")), goodKey, 70)
	require.NoError(t, auth.FlushLog(t.Context()))
	page, next, err := auth.AccessLog(t.Context(), apikey.LogQuery{Outcome: apikey.OutcomeAllowed})
	require.NoError(t, err)
	require.Len(t, page, 50)
	page, next, err = auth.AccessLog(t.Context(), apikey.LogQuery{Outcome: apikey.OutcomeAllowed, Cursor: next})
	require.NoError(t, err)
	require.Len(t, page, 20)
	require.Empty(t, next)
	require.True(t, slices.IsSortedFunc(page, func(a, b apikey.LogEntry) int { return strings.Compare(b.ID, a.ID) }))
	for _, q := range []apikey.LogQuery{{Limit: -1}, {Limit: 1001}, {Outcome: "allow"}, {Cursor: "x"}} {
		_, _, err = auth.AccessLog(t.Context(), q)
		var field *apikey.FieldError
		require.ErrorAs(t, err, &field, "%+v", q)
	}
	writeOnly := newLogged(t, apikey.Options{})
	_, _, err = writeOnly.AccessLog(t.Context(), apikey.LogQuery{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// panickyHandler is a slog.Handler that panics.
type panickyHandler struct{ slog.Handler }

func (panickyHandler) Enabled(context.Context, slog.Level) bool { return true }

func (panickyHandler) Handle(context.Context, slog.Record) error { panic("a logger that is broken") }

// A logger that panics ends neither the process nor the log.
func TestALoggerThatPanicsEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{Logger: slog.New(panickyHandler{slog.DiscardHandler})})
		log.sink.become(failing)
		ask(log.RequireKey()(says("served")), withKey("GET", "/", goodKey))
		wait(time.Second)
		log.sink.become(nil)
		wait(recovery)
		assert.Equal(t, 200, log.request(t).Status)
	})
}
