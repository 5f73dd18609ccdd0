package apikey_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

func TestAnAllowedRequestLeavesOneEntryThatSaysEverything(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	base := serve(t, log.Require(apikey.JobsView)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "made")
	})))
	before := time.Now()
	do(t, newRequest(t, "POST", base+"/jobs/7?a=1&b=2", "hello", "X-ApiKey", goodKey, "Content-Type", "text/plain"))
	e := log.request(t)
	after := time.Now()

	assert.WithinRange(t, e.Time, before.Add(-time.Microsecond), after, "an entry's time is cut to microseconds")
	assert.Equal(t, time.UTC, e.Time.Location())
	assert.Positive(t, e.Duration)
	assert.Less(t, e.Duration, after.Sub(before))
	assert.Len(t, e.ID, len(log.key.ID))
	assert.Equal(t, apikey.LogEntry{
		ID: e.ID, Time: e.Time, RequestID: e.ID, Duration: e.Duration,
		KeyID: log.key.ID, Outcome: apikey.OutcomeAllowed,
		Method: "POST", Path: "/jobs/7", Query: "a=1&b=2", Permission: "jobs:view", Client: "127.0.0.1",
		Status: 201, RequestBytes: 5, ResponseBytes: 4,
	}, e, "and nothing else: this key logs no bodies")
}

// Entries sort by their IDs as their requests came, also where many come at once.
func TestEveryRequestHasAnEntryOfItsOwn(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	guarded := log.RequireKey()(says("ok"))
	for range 1000 {
		ask(guarded, withKey("GET", "/", goodKey))
	}
	entries := log.requests(t, 1000)
	for i, e := range entries[1:] {
		require.Less(t, entries[i].ID, e.ID)
		require.False(t, e.Time.Before(entries[i].Time))
	}
}

// What requests leave is written down in memory that is used again.
func TestAnEntryHoldsNothingOfEarlierRequests(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, "a key that logs both")
	full := log.Require(apikey.JobsView)(says("answered"))
	refused := log.Require(apikey.Native)(says("never"))
	empty := log.Record()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 50 { // a pool may give out something else now and then
		r := httptest.NewRequest("PUT", "/a/path?and=query", strings.NewReader("asked"))
		r.Header.Set("X-ApiKey", "a key that logs both")
		ask(full, r)
		ask(refused, withKey("PUT", "/a/path?and=query", "a key that logs both"))
		ask(refused, withKey("PUT", "/another/path?key=one+text", "and another text"))
		ask(empty, httptest.NewRequest("GET", "/", http.NoBody))
	}
	for i, e := range log.requests(t, 200) {
		if i%4 != 3 {
			continue
		}
		require.Equal(t, apikey.LogEntry{
			ID: e.ID, Time: e.Time, RequestID: e.ID, Duration: e.Duration, Client: e.Client,
			Outcome: apikey.OutcomeAllowed, Method: "GET", Path: "/", Status: 200,
		}, e)
	}
}

func TestTheDurationIsTheHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newLogged(t, apikey.Options{})
		ask(log.RequireKey()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			time.Sleep(3 * time.Second)
		})), withKey("GET", "/", goodKey))
		assert.Equal(t, 3*time.Second, log.request(t).Duration)
	})
}

// A refusing is a guarded handler, a request that it refuses, and why.
type refusing struct {
	name   string
	reason apikey.Reason
	status int
	keyed  bool // the entry names the key
	handle http.Handler
	req    func() *http.Request
}

// refusals returns a way to be refused for each reason but ErrShutdown and
// ErrLogFull, and the log of all.
func refusals(t testing.TB) (*logged, []refusing) {
	t.Helper()
	store := &hookedStore{MemoryStore: apikey.NewMemoryStore(), beforeLookup: func(d apikey.Digest) {
		if d == apikey.DigestOf("the store fails here") {
			panic("down")
		}
	}}
	log := newLoggedOver(t, store, apikey.Options{MaxBody: 1000, BodyBudget: 600})
	_, err := log.IssueCustom(t.Context(), apikey.KeySpec{Disabled: true}, "a disabled key")
	require.NoError(t, err)
	_, err = log.IssueCustom(t.Context(), apikey.KeySpec{ExpiresAt: time.Now().Add(time.Millisecond)}, "an expired key")
	require.NoError(t, err)
	time.Sleep(2 * time.Millisecond)
	_, err = log.Revoke(t.Context(), issueCustom(t, log.Authority, "a revoked key").ID)
	require.NoError(t, err)

	guarded := log.Require(apikey.JobsView)(says("served"))
	bearer := log.With(apikey.Overrides{Sources: []apikey.Source{apikey.FromBearer()}})
	keyed := func(text string) func() *http.Request {
		return func() *http.Request { return withKey("GET", "/", text) }
	}
	posted := func(contentType string, body io.Reader) func() *http.Request {
		return func() *http.Request { return posting(contentType, body) }
	}
	return log, []refusing{
		{"no key", apikey.ErrNoKey, 401, false, guarded, keyed("")},
		{"a text that can be no key", apikey.ErrMalformedKey, 401, false, guarded, keyed(" spaced ")},
		{"an unknown key", apikey.ErrUnknownKey, 401, false, guarded, keyed("an unknown key")},
		{"a disabled key", apikey.ErrKeyDisabled, 401, false, guarded, keyed("a disabled key")},
		{"an expired key", apikey.ErrKeyExpired, 401, false, guarded, keyed("an expired key")},
		{"a revoked key", apikey.ErrKeyRevoked, 401, false, guarded, keyed("a revoked key")},
		{"a key from where the inner guard takes none", apikey.ErrSourceRefused, 401, true, log.RequireKey()(bearer.RequireKey()(says("served"))), keyed(goodKey)},
		{"a key that may not", apikey.ErrForbidden, 403, true, log.Require(apikey.Native)(says("served")), keyed(goodKey)},
		{"two keys", apikey.ErrConflictingKeys, 400, false, guarded, func() *http.Request { return withKey("GET", "/?key=another+key+than+that", goodKey) }},
		{"a body that is no JSON", apikey.ErrMalformedRequest, 400, false, guarded, posted(jsonT, strings.NewReader("{"))},
		{"a body that comes too slowly", apikey.ErrBodyTimeout, 408, false, guarded, posted(jsonT, lateReader{})},
		{"a body that is too long", apikey.ErrBodyTooLong, 413, false, guarded, posted(jsonT, strings.NewReader(strings.Repeat(" ", 1001)))},
		{"a body in UTF-16", apikey.ErrMediaType, 415, false, guarded, posted(jsonT+"; charset=utf-16", strings.NewReader("{}"))},
		{"a store that fails", apikey.ErrStoreFailed, 503, false, guarded, keyed("the store fails here")},
		{"too many bodies", apikey.ErrOverloaded, 503, false, guarded, posted(jsonT, strings.NewReader(strings.Repeat(" ", 700)))},
		{"a need that the catalog does not have", apikey.ErrUndeclared, 500, false, log.Record()(checking(log.Authority, apikey.AllOf("nope"))), keyed(goodKey)},
	}
}

// lateReader is a body of which nothing comes in time.
type lateReader struct{}

func (lateReader) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// checking is a handler that calls Check by itself.
func checking(auth *apikey.Authority, need apikey.Need) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next, err := auth.Check(w, r, need)
		if refusal, ok := errors.AsType[*apikey.Error](err); ok {
			apikey.ProblemErrors(w, next, refusal)
			return
		}
		_, _ = io.WriteString(w, "served")
	})
}

// The log says why; the client is told no more than that its key is not valid.
func TestARefusalLeavesOneEntryWithItsTrueReason(t *testing.T) {
	log, rows := refusals(t)
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			answer := ask(row.handle, row.req())
			require.Equal(t, row.status, answer.Code)
			e := log.requests(t, i+1)[i]
			outcome := apikey.OutcomeDenied
			if row.status >= 500 {
				outcome = apikey.OutcomeError
			}
			assert.Equal(t, outcome, e.Outcome)
			assert.Equal(t, string(row.reason), e.Reason)
			assert.Equal(t, row.status, e.Status)
			assert.Equal(t, int64(answer.Body.Len()), e.ResponseBytes)
			assert.Equal(t, row.keyed, e.KeyID != "")
			assert.Zero(t, e.Request, "no body of a refused request is kept")
			assert.Zero(t, e.Response)
			assert.Empty(t, e.Fingerprint, "there is no pepper to make one with")
		})
	}
}

func TestTheAnswerToAnInvalidKeyDoesNotSayWhatTheLogSays(t *testing.T) {
	_, rows := refusals(t)
	answers := map[string]bool{}
	for _, row := range rows {
		switch row.reason {
		case apikey.ErrMalformedKey, apikey.ErrUnknownKey, apikey.ErrKeyDisabled, apikey.ErrKeyExpired, apikey.ErrKeyRevoked:
			answer := ask(row.handle, row.req())
			var head strings.Builder
			require.NoError(t, answer.Result().Header.Write(&head))
			answers[head.String()+answer.Body.String()] = true
		}
	}
	require.Len(t, answers, 1)
}

// Unknown keys can be told apart, and are not spelt: where there is a pepper.
func TestAnUnknownKeyLeavesAFingerprintUnderAPepper(t *testing.T) {
	log := newLogged(t, apikey.Options{Peppers: []apikey.Pepper{apikey.NewPepper(make([]byte, 32))}})
	guarded := log.Require(apikey.Native)(says("served"))
	for _, text := range []string{"unknown one", "unknown two", "unknown one", "", goodKey} {
		ask(guarded, withKey("GET", "/", text))
	}
	e := log.requests(t, 5)
	assert.Regexp(t, "^[0-9a-f]{16}$", e[0].Fingerprint)
	assert.Equal(t, e[0].Fingerprint, e[2].Fingerprint)
	assert.NotEqual(t, e[0].Fingerprint, e[1].Fingerprint)
	assert.Empty(t, e[3].Fingerprint, "no key was given")
	assert.Empty(t, e[4].Fingerprint, "the key is known, and named")
	digest := digestUnder(string(make([]byte, 32)), "unknown one")
	assert.NotEqual(t, hex.EncodeToString(digest[:8]), e[0].Fingerprint, "it is no part of a digest")
}

// panicsHere panics, and must be found on the stack of whoever recovers.
func panicsHere(value any) { panic(value) }

// outcome runs a handler and returns what it panicked with, and with which stack.
func outcome(h http.Handler, r *http.Request) (value any, stack string) {
	defer func() {
		value, stack = recover(), string(debug.Stack())
	}()
	ask(h, r)
	return nil, ""
}

func TestAHandlerThatDoesNotReturnLeavesItsEntryAndGoesOnPanicking(t *testing.T) {
	thrown := &struct{ text string }{"thrown"}
	rows := []struct {
		name   string
		write  string // before it ends
		throw  any
		status int
	}{
		{"a panic before the answer", "", thrown, 0},
		{"a panic in the middle of it", "half", thrown, 200},
		{"http.ErrAbortHandler", "", http.ErrAbortHandler, 0},
		{"http.ErrAbortHandler in the middle", "half", http.ErrAbortHandler, 200},
		{"an error of the runtime", "", nil, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			value, stack := outcome(log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, row.write)
				if row.throw == nil {
					row.throw = w.(io.Closer) // which it is not
				}
				panicsHere(row.throw)
			})), withKey("GET", "/", goodKey))
			if row.throw == nil {
				assert.Implements(t, (*runtime.Error)(nil), value)
			} else {
				assert.Same(t, row.throw, value, "the value itself passes on")
				assert.Contains(t, stack, "panicsHere", "nobody has recovered in between")
			}
			e := log.request(t)
			assert.Equal(t, apikey.OutcomeError, e.Outcome)
			assert.Equal(t, "panic", e.Reason)
			assert.Equal(t, log.key.ID, e.KeyID)
			if row.write != "" {
				assert.Equal(t, row.status, e.Status)
			}
			assert.Equal(t, int64(len(row.write)), e.ResponseBytes)
		})
	}
}

func TestAHandlerThatLeavesItsGoroutineLeavesItsEntry(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ask(log.RequireKey()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })), withKey("GET", "/", goodKey))
	}()
	<-ended
	e := log.request(t)
	assert.Equal(t, apikey.OutcomeError, e.Outcome)
	assert.Equal(t, "panic", e.Reason)
	assert.Zero(t, e.Status)
}

func TestAPanicInAnErrorHandlerIsAPanicAndKeepsNoBodies(t *testing.T) {
	log := newLogged(t, apikey.Options{Errors: func(http.ResponseWriter, *http.Request, *apikey.Error) { panicsHere("thrown") }})
	log.withLevel(t, apikey.LogBoth, "a key that logs both")
	inner := log.Require(apikey.Native)(says("served"))
	outer := log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		inner.ServeHTTP(w, r)
	}))
	r := httptest.NewRequest("POST", "/", strings.NewReader("a body"))
	r.Header.Set("X-ApiKey", "a key that logs both")
	r.Header.Set("Content-Type", "text/plain")
	value, _ := outcome(outer, r)
	assert.Equal(t, "thrown", value)
	e := log.request(t)
	assert.Equal(t, apikey.OutcomeError, e.Outcome)
	assert.Equal(t, "panic", e.Reason)
	assert.Zero(t, e.Request, "the request was refused")
	assert.Zero(t, e.Response)
}

func TestAClientThatHasGoneIsSaidToHave(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	r := withKey("GET", "/", goodKey).WithContext(ctx)
	ask(log.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(202)
		cancel()
	})), r)
	e := log.request(t)
	assert.Equal(t, apikey.OutcomeAllowed, e.Outcome)
	assert.Equal(t, "client_gone", e.Reason)
	assert.Equal(t, 202, e.Status)
}

// Under EndWithKey each request has a context that ends with it.
func TestAClientHasNotGoneWhereARequestIsServedOrItsKeyEnds(t *testing.T) {
	for name, row := range map[string]struct {
		during func(log *logged, gone context.CancelFunc) // the request
		reason string
	}{
		"served":          {func(*logged, context.CancelFunc) {}, ""},
		"its key revoked": {func(log *logged, _ context.CancelFunc) { _, _ = log.Revoke(context.Background(), log.key.ID) }, ""},
		"its client gone": {func(_ *logged, gone context.CancelFunc) { gone() }, "client_gone"},
	} {
		t.Run(name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			ctx, gone := context.WithCancel(t.Context())
			defer gone()
			followed := log.With(apikey.Overrides{EndWithKey: true}).RequireKey()
			ask(followed(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				row.during(log, gone)
				if name != "served" {
					<-r.Context().Done()
				}
			})), withKey("GET", "/", goodKey).WithContext(ctx))
			require.NoError(t, log.Shutdown(t.Context()))
			for _, e := range log.sink.entries() {
				if e.Action == "" {
					assert.Equal(t, row.reason, e.Reason)
					assert.Equal(t, apikey.OutcomeAllowed, e.Outcome)
				}
			}
		})
	}
}

// The same over a connection, which the client closes while the handler runs.
func TestAClientThatHangsUpIsSaidToHaveGone(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	running := make(chan struct{})
	base := serve(t, log.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
	})))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	_, err := http.DefaultClient.Do(newRequest(t, "GET", base, "", "X-ApiKey", goodKey).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "client_gone", log.request(t).Reason)
}

func TestNestedGuardsLeaveOneEntry(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, "a key that logs both")
	reading := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			next.ServeHTTP(w, r)
		})
	}
	rows := []struct {
		name       string
		handler    http.Handler
		outcome    apikey.Outcome
		reason     apikey.Reason
		permission string
		bodies     bool
	}{
		{"all met", log.RequireKey()(log.Require(apikey.JobsView)(reading(log.RequireAny(apikey.Native, apikey.JobsView)(says("served"))))), apikey.OutcomeAllowed, "", "any key + jobs:view + native | jobs:view", true},
		{"the inner one not met", log.Require(apikey.JobsView)(reading(log.Require(apikey.JobsTrigger)(says("served")))), apikey.OutcomeDenied, apikey.ErrForbidden, "jobs:view + jobs:trigger", false},
		{"the outer one not met", log.Require(apikey.JobsTrigger)(reading(log.Require(apikey.JobsView)(says("served")))), apikey.OutcomeDenied, apikey.ErrForbidden, "jobs:trigger", false},
		{"Record around them", log.Record()(log.RequireKey()(log.Require(apikey.JobsView)(reading(says("served"))))), apikey.OutcomeAllowed, "", "any key + jobs:view", true},
		{"Record around one that is not met", log.Record()(reading(log.Require(apikey.JobsTrigger)(says("served")))), apikey.OutcomeDenied, apikey.ErrForbidden, "jobs:trigger", false},
		{"Record inside one", log.RequireKey()(log.Record()(reading(says("served")))), apikey.OutcomeAllowed, "", "any key", true},
		{"Record inside Record", log.Record()(log.Record()(log.RequireKey()(reading(says("served"))))), apikey.OutcomeAllowed, "", "any key", true},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader("asked"))
			r.Header.Set("X-ApiKey", "a key that logs both")
			r.Header.Set("Content-Type", "text/plain")
			ask(row.handler, r)
			e := log.requests(t, i+1)[i]
			assert.Equal(t, row.outcome, e.Outcome)
			assert.Equal(t, string(row.reason), e.Reason)
			assert.Equal(t, row.permission, e.Permission)
			assert.NotEmpty(t, e.KeyID)
			if !row.bodies {
				assert.Zero(t, e.Request)
				assert.Zero(t, e.Response)
				return
			}
			assert.Equal(t, apikey.LogBody{Text: "asked", Type: "text/plain"}, e.Request)
			assert.Equal(t, apikey.LogBody{Text: "served", Type: "text/plain"}, e.Response)
		})
	}
}

func TestNestedAuthoritiesLeaveAnEntryEachOfOneRequest(t *testing.T) {
	a := newLogged(t, apikey.Options{})
	b := newLogged(t, apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Other")}})
	unlogged := newAuthority(t, &apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Third")}})
	issueCustom(t, unlogged, goodKey)
	rows := []struct {
		name    string
		handler http.Handler
	}{
		{"one guard in the other", a.RequireKey()(b.RequireKey()(says("served")))},
		{"a guard in the other's Record", a.Record()(b.RequireKey()(says("served")))},
		{"Record in Record", a.Record()(b.Record()(says("served")))},
		{"one without a log in between", a.RequireKey()(unlogged.RequireKey()(b.RequireKey()(says("served"))))},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := withKey("GET", "/", goodKey)
			r.Header.Set("X-Other", goodKey)
			r.Header.Set("X-Third", goodKey)
			require.Equal(t, "served", ask(row.handler, r).Body.String())
			ours, theirs := a.requests(t, i+1)[i], b.requests(t, i+1)[i]
			assert.Equal(t, ours.RequestID, theirs.RequestID)
			assert.NotEqual(t, ours.ID, theirs.ID)
		})
	}
}

// What an inner Authority refuses is masked in the outer one's entry, whose key logs
// bodies: only the inner one knows where it looks.
func TestAnOuterEntryMasksWhatAnInnerAuthorityRefuses(t *testing.T) {
	outer := newLogged(t, apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Outer")}})
	outer.withLevel(t, apikey.LogBoth, "a key that logs both")
	inner := newLogged(t, apikey.Options{
		Sources: []apikey.Source{apikey.FromQuery("k"), apikey.FromForm("k"), apikey.FromJSON("k")},
	})
	guarded := outer.RequireKey()(inner.RequireKey()(says("never")))
	for name, r := range map[string]*http.Request{
		"two in the query":                    httptest.NewRequest("GET", "/?k=first-secret&k=other-secret", http.NoBody),
		"an escape in the query that is none": httptest.NewRequest("GET", "/?k=first-secret%zz", http.NoBody),
		"two in a form":                       posting("application/x-www-form-urlencoded", strings.NewReader("k=first-secret&k=other-secret")),
		"two in JSON":                         posting(jsonT, strings.NewReader(`{"k":"first-secret","k":"other-secret"}`)),
		"JSON that is none":                   posting(jsonT, strings.NewReader(`{"k":"first-secret"`)),
	} {
		t.Run(name, func(t *testing.T) {
			r.Header.Set("X-Outer", "a key that logs both")
			require.Equal(t, 400, ask(guarded, r).Code)
			entries := outer.requests(t, 1)
			outer.sink.forgetAll()
			require.NotContains(t, fmt.Sprintf("%+v", entries), "secret")
		})
	}
}

func posting(contentType string, body io.Reader) *http.Request {
	r := httptest.NewRequest("POST", "/", body)
	r.Header.Set("Content-Type", contentType)
	return r
}

func TestRecordMakesAnEntryForHandlersThatCheckByThemselves(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	log.withLevel(t, apikey.LogBoth, "a key that logs both")
	rows := []struct {
		name    string
		handler http.Handler
		key     string
		status  int
		outcome apikey.Outcome
		reason  apikey.Reason
		keyed   bool
		need    string
	}{
		{"a key that may", checking(log.Authority, apikey.AllOf(apikey.JobsView)), "a key that logs both", 200, apikey.OutcomeAllowed, "", true, "jobs:view"},
		{"a key that may not", checking(log.Authority, apikey.AllOf(apikey.Native)), goodKey, 403, apikey.OutcomeDenied, apikey.ErrForbidden, true, "native"},
		{"an unknown key", checking(log.Authority, apikey.AnyKey()), "unknown key", 401, apikey.OutcomeDenied, apikey.ErrUnknownKey, false, "any key"},
		{"a handler that asks for no key", says("served"), goodKey, 200, apikey.OutcomeAllowed, "", false, ""},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader("asked"))
			r.Header.Set("X-ApiKey", row.key)
			answer := ask(log.Record()(row.handler), r)
			e := log.requests(t, i+1)[i]
			require.Equal(t, row.status, answer.Code)
			assert.Equal(t, row.status, e.Status)
			assert.Equal(t, row.outcome, e.Outcome)
			assert.Equal(t, string(row.reason), e.Reason)
			assert.Equal(t, row.keyed, e.KeyID != "")
			assert.Equal(t, row.need, e.Permission)
			assert.Equal(t, int64(answer.Body.Len()), e.ResponseBytes)
			assert.Zero(t, e.Request, "bodies are kept of what a Require lets through")
			assert.Zero(t, e.Response)
		})
	}
}

// A handler may ask long after its request came: what was true then does not count.
func TestAKeyIsJudgedWhenTheHandlerAsks(t *testing.T) {
	asking := func(log *logged, pause time.Duration) http.Handler {
		return log.Record()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(pause)
			checking(log.Authority, apikey.AnyKey()).ServeHTTP(w, r)
		}))
	}
	t.Run("and its key has expired", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := newLogged(t, apikey.Options{})
			spec := apikey.KeySpec{ExpiresAt: time.Now().Add(time.Minute)}
			_, err := log.IssueCustom(t.Context(), spec, "a key of one minute")
			require.NoError(t, err)
			require.Equal(t, 200, ask(asking(log, time.Minute-time.Second), withKey("GET", "/", "a key of one minute")).Code)
			require.Equal(t, 401, ask(asking(log, time.Minute), withKey("GET", "/", "a key of one minute")).Code)
			require.Equal(t, 401, ask(log.Record()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Minute)
				log.RequireKey()(says("ok")).ServeHTTP(w, r)
			})), withKey("GET", "/", "a key of one minute")).Code)
		})
	})
	t.Run("and another node has revoked it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := apikey.NewMemoryStore()
			log := newLoggedOver(t, struct{ apikey.ManagedStore }{store}, apikey.Options{Cache: apikey.CacheOptions{On: true}})
			key := issueCustom(t, log.Authority, "a key of both")
			require.Equal(t, 200, ask(asking(log, 0), withKey("GET", "/", "a key of both")).Code)
			elsewhere, err := apikey.New(t.Context(), store, nil)
			require.NoError(t, err)
			_, err = elsewhere.Revoke(t.Context(), key.ID)
			require.NoError(t, err)
			require.Equal(t, 401, ask(asking(log, 11*time.Second), withKey("GET", "/", "a key of both")).Code, "after TTL")
		})
	})
}

// A handler that asks the same again and again fills no entry with it.
func TestAnEntrySaysOnceWhatIsNeededAgainAndAgain(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	ask(log.Record()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for i := range 10_000 {
			_, _ = log.Check(nil, r, apikey.AllOf(apikey.JobsView))
			if i%100 == 0 {
				_, _ = log.Check(nil, r, apikey.AnyKey())
			}
		}
	})), withKey("GET", "/", goodKey))
	needs := log.request(t).Permission
	assert.True(t, strings.HasPrefix(needs, "jobs:view + any key + jobs:view + any key"), needs)
	assert.Less(t, len(needs), 1100)
}

// Outside a time limit chi routes the next request with what this one was routed by.
func TestARouteIsNotReadOnceItIsAnothers(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	router := chi.NewRouter()
	limited := func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Millisecond, "late") }
	router.With(limited, log.RequireKey()).Get("/slow/{id}", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Millisecond)
		says("late").ServeHTTP(w, r)
	})
	router.With(log.RequireKey()).Get("/quick/{id}", says("ok").ServeHTTP)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 25 {
				ask(router, withKey("GET", "/slow/1", goodKey))
				ask(router, withKey("GET", "/quick/1", goodKey))
			}
		})
	}
	clients.Wait()
	for _, e := range log.requests(t, 400) {
		require.Equal(t, e.Path, strings.Replace(e.Route, "{id}", "1", 1))
	}
}

func TestTheRouteIsThePatternWhereThatIsKnown(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	guard := log.RequireKey()
	router := func(fill func(chi.Router)) http.Handler {
		r := chi.NewRouter()
		fill(r)
		return r
	}
	mux := func(pattern string, h http.Handler) *http.ServeMux {
		m := http.NewServeMux()
		m.Handle(pattern, h)
		return m
	}
	served := says("served")
	rows := []struct {
		name    string
		handler http.Handler
		want    string
	}{
		{"no router", guard(served), ""},
		{"chi, With", router(func(r chi.Router) { r.With(guard).Get("/jobs/{id}", served.ServeHTTP) }), "/jobs/{id}"},
		{"chi, Use at the root", router(func(r chi.Router) { r.Use(guard); r.Get("/jobs/{id}", served.ServeHTTP) }), "/jobs/{id}"},
		{"chi, Use in Route", router(func(r chi.Router) {
			r.Route("/jobs", func(r chi.Router) { r.Use(guard); r.Get("/{id}", served.ServeHTTP) })
		}), "/jobs/{id}"},
		{"chi, With around Route", router(func(r chi.Router) {
			r.With(guard).Route("/jobs", func(r chi.Router) { r.Get("/{id}", served.ServeHTTP) })
		}), "/jobs/{id}"},
		{"chi, Use in Group", router(func(r chi.Router) {
			r.Group(func(r chi.Router) { r.Use(guard); r.Get("/jobs/{id}", served.ServeHTTP) })
		}), "/jobs/{id}"},
		{"chi, inside Mount", router(func(r chi.Router) {
			r.Mount("/jobs", router(func(r chi.Router) { r.With(guard).Get("/{id}", served.ServeHTTP) }))
		}), "/jobs/{id}"},
		{"chi, Mount of a guarded handler", router(func(r chi.Router) { r.Mount("/jobs", guard(served)) }), "/jobs/*"},
		{"chi, a wildcard", router(func(r chi.Router) { r.With(guard).Get("/jobs/*", served.ServeHTTP) }), "/jobs/*"},
		{"net/http, guard inside the mux", mux("GET /jobs/{id}", guard(served)), "/jobs/{id}"},
		{"net/http, a pattern without a method", mux("/jobs/", guard(served)), "/jobs/"},
		{"net/http, mux inside the guard", guard(mux("GET /jobs/{id}", served)), "/jobs/{id}"},
		{"net/http, one mux in another", mux("/jobs/", guard(http.StripPrefix("/jobs", mux("/{id}", served)))), "/jobs/"},
		{"chi inside net/http", mux("/jobs/", router(func(r chi.Router) { r.With(guard).Get("/jobs/{id}", served.ServeHTTP) })), "/jobs/{id}"},
		{"net/http inside chi", router(func(r chi.Router) { r.Mount("/jobs", mux("/jobs/{id}", guard(served))) }), "/jobs/*"},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, 200, ask(row.handler, withKey("GET", "/jobs/7", goodKey)).Code)
			e := log.requests(t, i+1)[i]
			assert.Equal(t, row.want, e.Route)
			assert.Equal(t, "/jobs/7", e.Path, "as it came, whatever prefix was stripped inside")
		})
	}
}

// No header says who the client is, unless the host believes it.
func TestTheClientIsWhoeverConnected(t *testing.T) {
	forwarded := func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
	rows := []struct {
		name, remote string
		hook         func(*http.Request) string
		want         string
	}{
		{"IPv4", "203.0.113.9:4711", nil, "203.0.113.9"},
		{"IPv6", "[2001:db8::1]:4711", nil, "2001:db8::1"},
		{"IPv6 with a zone", "[fe80::1%eth0]:4711", nil, "fe80::1%eth0"},
		{"a Unix socket", "@", nil, "@"},
		{"nothing", "", nil, ""},
		{"the hook's word", "203.0.113.9:4711", forwarded, "6.6.6.6"},
		{"the hook's word is not parsed", "203.0.113.9:4711", func(*http.Request) string { return "a:b" }, "a:b"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			log := newLogged(t, apikey.Options{Log: apikey.LogOptions{Client: row.hook}})
			r := withKey("GET", "/", goodKey)
			r.RemoteAddr = row.remote
			for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"} {
				r.Header.Set(name, "6.6.6.6")
			}
			ask(log.RequireKey()(says("served")), r)
			assert.Equal(t, row.want, log.request(t).Client)
		})
	}
}

// An address stays, whatever its client sends for a key; what only looks like one does not.
func TestNoKeyErasesAnAddress(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	for i, row := range []struct{ remote, key, want string }{
		{"203.0.113.9:4711", ".", "203.0.113.9"},
		{"203.0.113.9:4711", "3", "203.0.113.9"},
		{"[2001:db8::1]:4711", "2001:db8", "2001:db8::1"},
		{"[fe80::1%a-key-in-a-zone]:4711", "a-key-in-a-zone", "fe80::1%[redacted]"},
		{"a-key-in-a-name:4711", "a-key-in-a-name", "[redacted]"},
	} {
		r := withKey("GET", "/", row.key)
		r.RemoteAddr = row.remote
		ask(log.RequireKey()(says("served")), r)
		assert.Equal(t, row.want, log.requests(t, i+1)[i].Client)
	}
}

// ownBody is a body that can be told from others.
type ownBody struct{ io.Reader }

func (*ownBody) Close() error { return nil }

// What a handler gets is exactly what the server gave, where nothing is logged,
// and the body is the server's where none is kept.
func TestNothingIsWrappedThatNeedNotBe(t *testing.T) {
	rows := []struct {
		name   string
		log    apikey.LogOptions
		writer bool // is the server's own
	}{
		{"no sink", apikey.LogOptions{}, true},
		{"off, though there is a sink", apikey.LogOptions{Off: true, Sink: &testSink{}}, true},
		{"a key that logs no bodies", apikey.LogOptions{Sink: &testSink{}}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			auth := newAuthority(t, &apikey.Options{Log: row.log})
			t.Cleanup(func() { auth.Shutdown(context.Background()) })
			issueCustom(t, auth, goodKey, apikey.JobsView)
			body := &ownBody{strings.NewReader("asked")}
			r := httptest.NewRequest("POST", "/", body)
			r.Header.Set("X-ApiKey", goodKey)
			r.Body = body
			w := httptest.NewRecorder()
			handler := http.HandlerFunc(func(gotW http.ResponseWriter, gotR *http.Request) {
				assert.Equal(t, row.writer, gotW == http.ResponseWriter(w))
				assert.Same(t, body, gotR.Body)
			})
			auth.RequireKey()(handler).ServeHTTP(w, r)
			auth.Record()(handler).ServeHTTP(w, r)
			assert.Same(t, body, r.Body)
		})
	}
	off := newAuthority(t, nil)
	served := http.NewServeMux()
	assert.Same(t, served, off.Record()(served), "Record adds nothing")
	assert.Zero(t, off.LogStats())
	_, _, err := off.AccessLog(t.Context(), apikey.LogQuery{})
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}
