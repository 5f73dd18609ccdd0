package apikey_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// states returns an authority and a text for each state that a key can be in.
func states(t *testing.T) (*apikey.Authority, map[apikey.Reason]string) {
	t.Helper()
	auth := newAuthority(t, nil)
	ctx := t.Context()
	texts := map[apikey.Reason]string{
		apikey.ErrUnknownKey:   "unknown",
		apikey.ErrMalformedKey: " malformed",
		apikey.ErrKeyDisabled:  "disabled",
		apikey.ErrKeyExpired:   "expired",
		apikey.ErrKeyRevoked:   "revoked",
		apikey.ErrForbidden:    "weaker",
		apikey.ErrNoKey:        "",
	}
	_, err := auth.IssueCustom(ctx, apikey.KeySpec{Disabled: true}, "disabled")
	require.NoError(t, err)
	_, err = auth.IssueCustom(ctx, apikey.KeySpec{ExpiresAt: time.Now().Add(time.Millisecond)}, "expired")
	require.NoError(t, err)
	time.Sleep(2 * time.Millisecond)
	_, err = auth.Revoke(ctx, issueCustom(t, auth, "revoked").ID)
	require.NoError(t, err)
	issueCustom(t, auth, "weaker", apikey.JobsView)
	return auth, texts
}

// TestErrorsOfHosts: an Error that a host has made says what its reason does, where the
// host has left that out.
func TestErrorsOfHosts(t *testing.T) {
	for _, row := range []struct {
		err    *apikey.Error
		status int
		detail string
	}{
		{apikey.NewError(apikey.ErrKeyRevoked), 401, "The API key is not valid."},
		{&apikey.Error{Reason: apikey.ErrForbidden}, 403, "The API key does not have the permission that this action needs."},
		{&apikey.Error{Reason: apikey.ErrForbidden, Detail: "Not on Sundays."}, 403, "Not on Sundays."},
		{&apikey.Error{Reason: apikey.ErrForbidden, Status: 404, Detail: "Not found."}, 404, "Not found."},
		{&apikey.Error{Reason: "a stranger's"}, 500, "The server is not set up for this request."},
		{&apikey.Error{}, 500, "The server is not set up for this request."},
	} {
		w, before := httptest.NewRecorder(), *row.err
		apikey.ProblemErrors(w, nil, row.err)
		require.Equal(t, row.status, w.Code)
		require.Contains(t, w.Body.String(), row.detail)
		require.Equal(t, before, *row.err, "it may be shared")

		w = httptest.NewRecorder()
		apikey.OtterErrors(w, nil, row.err)
		if row.status == 401 {
			row.status = 403 // which is how Otter answers
		}
		require.Equal(t, row.status, w.Code)
	}
	require.Equal(t, time.Second, apikey.NewError(apikey.ErrStoreFailed).RetryAfter)
}

// TestSharedErrors: who answers with the Error of Check, which other requests share, may
// change the headers that it has set.
func TestSharedErrors(t *testing.T) {
	auth := newAuthority(t, nil)
	for range 2 {
		_, err := auth.Check(nil, httptest.NewRequest("GET", "/", nil), apikey.AnyKey())
		refusal, ok := errors.AsType[*apikey.Error](err)
		require.True(t, ok)
		w := httptest.NewRecorder()
		apikey.ProblemErrors(w, nil, refusal)
		require.Equal(t, []string{`ApiKey realm="API"`}, w.Header()["Www-Authenticate"])
		w.Header()["Www-Authenticate"][0] = "changed"
	}
}

// TestOneAnswer: the host is told why, the client is not.
func TestOneAnswer(t *testing.T) {
	auth, texts := states(t)
	answers := map[string][]apikey.Reason{}
	for reason, text := range texts {
		var got *apikey.Error
		handler := auth.With(apikey.Overrides{Errors: func(w http.ResponseWriter, r *http.Request, err *apikey.Error) {
			got = err
			apikey.ProblemErrors(w, r, err)
		}}).Require(apikey.JobsTrigger)(http.NotFoundHandler())
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Apikey"] = []string{text}
		handler.ServeHTTP(w, r)
		require.Equal(t, reason, got.Reason)
		require.ErrorIs(t, got, reason)
		answers[w.Body.String()] = append(answers[w.Body.String()], reason)
	}
	require.Len(t, answers, 3, "one for no key, one for a valid key, one for all others")
	for _, reasons := range answers {
		if len(reasons) > 1 {
			require.Len(t, reasons, 5)
		}
	}
}

func TestAnswers(t *testing.T) {
	auth, _ := states(t)
	feed := apikey.Overrides{Sources: []apikey.Source{apikey.FromHeader("X-ApiKey"), apikey.FromBasic("api")}}
	otter := apikey.Overrides{Errors: apikey.OtterErrors}
	otterFeed := apikey.Overrides{Sources: feed.Sources, Errors: apikey.OtterErrors}
	const sentence = "The specified API key does not have the proper permissions to perform this action.\n"
	const challenge, basic = `ApiKey realm="API"`, `Basic realm="API", charset="UTF-8"`

	rows := []struct {
		name      string
		view      apikey.Overrides
		key       string
		status    int
		challenge string
		body      string // plain text, or the problem's detail
	}{
		{"no key", apikey.Overrides{}, "", 401, challenge, "No API key was given. Pass it as header X-ApiKey, or query parameter key, or form value key, or JSON root property API_Key."},
		{"unknown key", apikey.Overrides{}, "unknown", 401, challenge, "The API key is not valid."},
		{"weaker key", apikey.Overrides{}, "weaker", 403, "", "The API key lacks what this action needs: jobs:trigger."},
		{"no key, feed", feed, "", 401, basic, "No API key was given. Pass it as header X-ApiKey, or HTTP Basic password of user api."},
		{"unknown key, feed", feed, "unknown", 401, basic, "The API key is not valid."},
		{"weaker key, feed", feed, "weaker", 403, "", "The API key lacks what this action needs: jobs:trigger."},
		{"no key, Otter", otter, "", 403, "", sentence},
		{"unknown key, Otter", otter, "unknown", 403, "", sentence},
		{"weaker key, Otter", otter, "weaker", 403, "", sentence},
		{"no key, Otter feed", otterFeed, "", 401, basic, sentence},
		{"unknown key, Otter feed", otterFeed, "unknown", 401, basic, sentence},
		{"weaker key, Otter feed", otterFeed, "weaker", 403, "", sentence},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			base := serve(t, auth.With(row.view).Require(apikey.JobsTrigger)(http.NotFoundHandler()))
			resp, body := do(t, newRequest(t, "GET", base, "", "X-ApiKey", row.key))
			assert.Equal(t, row.status, resp.StatusCode)
			assert.Equal(t, row.challenge, resp.Header.Get("WWW-Authenticate"))
			assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
			if resp.Header.Get("Content-Type") == "text/plain; charset=utf-8" {
				assert.Equal(t, row.body, body)
				return
			}
			require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
			var problem struct {
				Title, Detail string
				Status        int
				Missing       []apikey.Permission
			}
			require.NoError(t, json.Unmarshal([]byte(body), &problem))
			assert.Equal(t, row.body, problem.Detail)
			assert.Equal(t, row.status, problem.Status)
			assert.Equal(t, http.StatusText(row.status), problem.Title)
			if row.status == 403 {
				assert.Equal(t, []apikey.Permission{apikey.JobsTrigger}, problem.Missing)
			}
		})
	}
}

// TestOtterKeepsOtherStatuses: what is wrong with the request, not with the key.
func TestOtterKeepsOtherStatuses(t *testing.T) {
	auth := newAuthority(t, nil)
	otter := auth.With(apikey.Overrides{Errors: apikey.OtterErrors})
	base := serve(t, otter.RequireKey()(http.NotFoundHandler()))
	resp, body := do(t, newRequest(t, "GET", base+"?key=a&key=b", ""))
	require.Equal(t, 400, resp.StatusCode)
	require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "Two different API keys were given. Send one key, once.\n", body)

	require.NoError(t, auth.Shutdown(context.Background()))
	resp, _ = do(t, newRequest(t, "GET", base, "", "X-ApiKey", "a"))
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
}

func TestCacheHeaders(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good", apikey.JobsView)
	get := func(h http.Handler) http.Header {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-ApiKey", "good")
		h.ServeHTTP(w, r)
		require.Equal(t, 200, w.Code)
		return w.Header()
	}
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h := get(auth.RequireKey()(silent))
	require.Equal(t, []string{"private, no-store"}, h["Cache-Control"])
	require.Equal(t, []string{"X-Apikey"}, h["Vary"])

	h = get(auth.RequireKey()(auth.Require(apikey.JobsView)(silent)))
	require.Equal(t, []string{"X-Apikey"}, h["Vary"], "once, however deep the nesting")

	h = get(auth.RequireKey()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
	})))
	require.Equal(t, []string{"max-age=60"}, h["Cache-Control"], "the handler has the last word")

	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin")
		w.Header().Set("Cache-Control", "private")
		auth.RequireKey()(silent).ServeHTTP(w, r)
	})
	h = get(outer)
	require.Equal(t, []string{"Origin", "X-Apikey"}, h["Vary"])
	require.Equal(t, []string{"private, no-store"}, h["Cache-Control"], "what stood there before the key was known goes")

	plain, err := apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{NoCacheHeaders: true})
	require.NoError(t, err)
	issueCustom(t, plain, "good")
	require.Empty(t, get(plain.RequireKey()(silent)))
}

// TestErrorIsReachable: a host tells refusals apart by errors.As and errors.Is.
func TestErrorIsReachable(t *testing.T) {
	auth, texts := states(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-ApiKey", texts[apikey.ErrForbidden])
	_, err := auth.Check(nil, r, apikey.AnyOf(apikey.JobsTrigger, apikey.Variables))
	var refusal *apikey.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, http.StatusForbidden, refusal.Status)
	require.Equal(t, []apikey.Permission{apikey.JobsTrigger, apikey.Variables}, refusal.Missing)
	require.ErrorIs(t, err, apikey.ErrForbidden)
	require.NotErrorIs(t, err, apikey.ErrNoKey)
	require.EqualError(t, err, "apikey: the API key lacks a permission")

	_, err = auth.Check(nil, r, apikey.Need{})
	require.ErrorIs(t, err, apikey.ErrUndeclared, "a need nobody declared opens nothing")
	_, err = auth.Check(nil, r, apikey.AllOf())
	require.ErrorIs(t, err, apikey.ErrUndeclared)
	_, err = auth.Check(nil, r, apikey.AllOf("jobs:fly"))
	require.ErrorIs(t, err, apikey.ErrUndeclared)
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 500, refusal.Status)
}
