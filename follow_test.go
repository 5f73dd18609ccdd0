package apikey

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A stream is a request whose handler waits for its context to end.
type stream struct {
	began time.Time
	ended chan error // the cause
	leave context.CancelFunc
}

func startStream(t *testing.T, auth *Authority, text string) *stream {
	t.Helper()
	s := &stream{began: time.Now(), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	s.leave = cancel
	handler := auth.With(Overrides{EndWithKey: true}).Require(JobsView)(http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			s.ended <- context.Cause(r.Context())
		}))
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", http.NoBody)
	r.Header.Set("X-ApiKey", text)
	go handler.ServeHTTP(httptest.NewRecorder(), r)
	synctest.Wait()
	return s
}

// TestEndWithKey: a request that lasts is ended when a new one would be refused.
func TestEndWithKey(t *testing.T) {
	revoke := func(t *testing.T, auth *Authority, id string) {
		t.Helper()
		_, err := auth.Revoke(t.Context(), id)
		require.NoError(t, err)
	}
	update := func(edit func(*KeySpec)) func(*testing.T, *Authority, string) {
		return func(t *testing.T, auth *Authority, id string) {
			t.Helper()
			key, err := auth.Key(t.Context(), id)
			require.NoError(t, err)
			spec := key.Spec()
			edit(&spec)
			_, err = auth.Update(t.Context(), id, key.Version, spec)
			require.NoError(t, err)
		}
	}
	rotate := func(overlap time.Duration) func(*testing.T, *Authority, string) {
		return func(t *testing.T, auth *Authority, id string) {
			t.Helper()
			_, err := auth.RotateCustom(t.Context(), id, overlap, "another text")
			require.NoError(t, err)
		}
	}
	for _, row := range []struct {
		name      string
		before    func(*remote) // the end; nil: nothing
		end       func(t *testing.T, auth *Authority, id string)
		elsewhere bool // at another node
		within    time.Duration
		want      error
	}{
		{"revoked", nil, revoke, false, 0, ErrKeyRevoked},
		{"disabled", nil, update(func(s *KeySpec) { s.Disabled = true }), false, 0, ErrKeyDisabled},
		{"without the permission", nil, update(func(s *KeySpec) { s.Permissions = nil }), false, 0, ErrForbidden},
		{"expired", nil, update(func(s *KeySpec) { s.ExpiresAt = time.Now().Add(time.Minute) }), false, time.Minute, ErrKeyExpired},
		{"of another text", nil, rotate(0), false, 0, ErrUnknownKey},
		{"of another text, and the overlap over", nil, rotate(time.Hour), false, time.Hour, ErrKeyExpired},
		{"deleted", nil, func(t *testing.T, auth *Authority, id string) {
			t.Helper()
			require.NoError(t, auth.Delete(t.Context(), id))
		}, false, 0, ErrUnknownKey},
		{"revoked elsewhere", nil, revoke, true, 0, ErrKeyRevoked},
		{"revoked elsewhere, feed cut", (*remote).cutFeed, revoke, true, 10 * time.Second, ErrKeyRevoked},
		{"revoked elsewhere, out of reach", partition, revoke, true, 42 * time.Second, ErrStoreFailed},
		{"shut down", nil, func(t *testing.T, auth *Authority, _ string) {
			t.Helper()
			require.NoError(t, auth.Shutdown(t.Context()))
		}, false, 0, ErrShutdown},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newRemote()
				here, there := node(t, store, CacheOptions{}), node(t, store, CacheOptions{})
				key, err := here.IssueCustom(t.Context(), KeySpec{Permissions: []Permission{JobsView}}, "a key text")
				require.NoError(t, err)
				synctest.Wait()
				s := startStream(t, there, "a key text")
				time.Sleep(30 * time.Second)
				require.Empty(t, s.ended, "it lasts")

				by := there
				if row.elsewhere {
					by = here
				}
				if row.before != nil {
					row.before(store)
				}
				ended := time.Now()
				row.end(t, by, key.ID)
				require.ErrorIs(t, <-s.ended, row.want)
				require.LessOrEqual(t, time.Since(ended), row.within)
			})
		})
	}
}

// TestEndWithKeyLeavesNothingBehind: neither a goroutine, which synctest would find,
// nor anybody to tell, once the client has gone.
func TestEndWithKeyLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := node(t, newRemote(), CacheOptions{})
		_, err := auth.IssueCustom(t.Context(), KeySpec{Permissions: []Permission{Native}}, "a key text")
		require.NoError(t, err)
		s := startStream(t, auth, "a key text")
		require.Len(t, auth.followers.byKey, 1)
		s.leave()
		require.ErrorIs(t, <-s.ended, context.Canceled)
		synctest.Wait()
		require.Empty(t, auth.followers.byKey)
	})
}

// TestKeysAreFollowedOnlyWhereAskedFor: elsewhere a request keeps no text.
func TestKeysAreFollowedOnlyWhereAskedFor(t *testing.T) {
	auth := node(t, NewMemoryStore(), CacheOptions{})
	issue(t, auth, "a key text")
	kept := func() any {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("X-ApiKey", "a key text")
		next, err := auth.Check(nil, r, AnyKey())
		require.NoError(t, err)
		return next.Context().Value(presentedKey{&auth.follows})
	}
	require.Nil(t, kept())
	auth.With(Overrides{EndWithKey: true})
	require.IsType(t, Secret{}, kept())
}
