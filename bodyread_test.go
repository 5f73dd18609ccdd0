package apikey_test

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/internal/race"
)

// TestBodiesOfEverySize: at each edge of a buffer.
func TestBodiesOfEverySize(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{MaxBody: 40_000})
	issueCustom(t, auth, "good")
	const head = "key=good&a="
	for size := 512; size <= 64<<10; size *= 2 {
		for _, length := range []int{size - 2, size - 1, size, size + 1, size + 2, 39_999, 40_000, 40_001} {
			for _, declared := range []bool{false, true} {
				body := head + strings.Repeat("x", length-len(head))
				r := letter{kind: form, sent: body}.request()
				if !declared {
					r.ContentLength = -1
				}
				next, err := auth.Check(nil, r, apikey.AnyKey())
				if length > 40_000 {
					require.ErrorIs(t, err, apikey.ErrBodyTooLong)
					continue
				}
				require.NoError(t, err)
				rest, err := io.ReadAll(next.Body)
				require.NoError(t, err)
				require.Len(t, rest, len(body)-len("key=good&"))
			}
		}
	}
}

// TestMaxBodyOfAnySize: the largest number is one too.
func TestMaxBodyOfAnySize(t *testing.T) {
	for _, most := range []int64{1, 8, 1 << 10, 1<<10 - 1, math.MaxInt64} {
		auth := newAuthority(t, &apikey.Options{MaxBody: most})
		issueCustom(t, auth, "good")
		_, err := auth.Check(nil, letter{kind: form, sent: "key=good"}.request(), apikey.AnyKey())
		if most < 8 {
			require.ErrorIs(t, err, apikey.ErrBodyTooLong)
		} else {
			require.NoError(t, err)
		}
	}
}

// TestDeadlinesBehindWrappers: the writer that can set one is found as
// http.ResponseController finds it.
func TestDeadlinesBehindWrappers(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "good")
	inner := &deadlineWriter{ResponseWriter: httptest.NewRecorder()}
	for name, row := range map[string]struct {
		w   http.ResponseWriter
		set int
	}{
		"wrapped":                {unwrapper{unwrapper{inner}}, 2},
		"wrapped by a mute":      {struct{ http.ResponseWriter }{inner}, 0},
		"nothing inside":         {unwrapper{nil}, 0},
		"one that cannot, above": {unwrapper{httptest.NewRecorder()}, 0},
	} {
		inner.set = nil
		_, err := auth.Check(row.w, letter{kind: form, sent: "key=good"}.request(), apikey.AnyKey())
		require.NoError(t, err, name)
		require.Len(t, inner.set, row.set, name)
	}
}

// TestAllocationsOfASearchedBody: what was read with the body that is handed on, the
// key's text, the request, and the identity in its context, however long the body is;
// where the key is cut, a header map (two) with the new length in it.
func TestAllocationsOfASearchedBody(t *testing.T) {
	if race.Enabled() {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	for most, keep := range map[float64]bool{4: true, 8: false} {
		auth := newAuthority(t, &apikey.Options{KeepCredential: keep, NoCacheHeaders: true, Log: apikey.LogOptions{Off: true}})
		issueCustom(t, auth, goodKey)
		p := make([]byte, 10)
		guarded := auth.RequireKey()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = r.Body.Read(p) }))
		for _, kind := range []string{form, jsonT} {
			for _, size := range []int{100, 5_000, 500_000} {
				l, w, body := letterOf("<own>", kind, goodKey, size), &nullWriter{header: http.Header{}}, &strings.Reader{}
				r := l.request()
				r.Body = io.NopCloser(body)
				r.Header.Set("Content-Length", strconv.Itoa(len(l.sent)))
				got := testing.AllocsPerRun(200, func() {
					body.Reset(l.sent)
					guarded.ServeHTTP(w, r)
				})
				assert.LessOrEqual(t, got, most, "%s of %d bytes", kind, len(l.sent))
			}
		}
	}
}
