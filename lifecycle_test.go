package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// fieldsOf returns the fields that a joined error complains of, in order.
func fieldsOf(err error) []string {
	var fields []string
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) { //nolint:errorlint // it walks the tree itself
		case *apikey.FieldError:
			fields = append(fields, e.Field)
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		}
	}
	walk(err)
	return fields
}

func update(t testing.TB, auth *apikey.Authority, key *apikey.Key, edit func(*apikey.KeySpec)) *apikey.Key {
	t.Helper()
	spec := key.Spec()
	edit(&spec)
	updated, err := auth.Update(t.Context(), key.ID, key.Version, spec)
	require.NoError(t, err)
	return updated
}

func TestAnIssuedKeyIsWhatItsSpecSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newAuthority(t, nil)
		spec := apikey.KeySpec{
			Name: "nightly", Description: "The nightly build.\nAsk Ada.", Subject: "user:17",
			Permissions: []apikey.Permission{apikey.JobsTrigger, "jobs"}, Logging: apikey.LogBoth, Disabled: true,
			ExpiresAt: time.Now().Add(time.Hour + 1500*time.Nanosecond).In(time.FixedZone("", 3600)),
			Metadata:  map[string]string{"team": "build", "": "empty name"},
		}
		want := apikey.KeySpec{
			Name: spec.Name, Description: spec.Description, Subject: spec.Subject,
			Permissions: slices.Clone(spec.Permissions), Logging: spec.Logging, Disabled: true,
			ExpiresAt: time.Now().Add(time.Hour + time.Microsecond).UTC(), // as every store can keep it
			Metadata:  maps.Clone(spec.Metadata),
		}
		key, _ := issue(t, auth, spec)
		assert.Equal(t, want, key.Spec())
		assert.Equal(t, time.Now().UTC(), key.CreatedAt)
		assert.Equal(t, key.CreatedAt, key.UpdatedAt)
		assert.EqualValues(t, 1, key.Version)
		assert.Zero(t, key.LastUsedAt)
		assert.Zero(t, key.RevokedAt)
		assert.Len(t, key.Credentials, 1)

		spec.Permissions[0], spec.Metadata["team"] = apikey.Native, "intruders"
		stored, err := auth.Key(t.Context(), key.ID)
		require.NoError(t, err)
		assert.Equal(t, want, stored.Spec(), "what the caller does to its spec later is the caller's own affair")
		assert.Equal(t, key, stored, "what was returned is what was stored")
		key.Permissions[0], key.Metadata["team"] = apikey.Native, "intruders"
		key.Credentials[0] = apikey.Credential{}
		again, err := auth.Key(t.Context(), key.ID)
		require.NoError(t, err)
		assert.Equal(t, stored, again)
	})
}

func TestASpecsMistakesAreReportedAllAtOnce(t *testing.T) {
	auth := newAuthority(t, nil)
	bad := apikey.KeySpec{
		Name: "a\nb", Subject: strings.Repeat("s", 201), Description: strings.Repeat("d", 2001),
		Permissions: []apikey.Permission{"nonsense", apikey.JobsView, apikey.JobsView, "jobs:nonsense"},
		Logging:     4, ExpiresAt: time.Now().Add(-time.Hour), Metadata: map[string]string{"a": strings.Repeat("m", 4096)},
	}
	want := []string{"name", "subject", "description", "logging", "metadata", "expiresAt", "permissions", "permissions"}

	_, _, err := auth.Issue(t.Context(), bad)
	assert.Equal(t, want, fieldsOf(err))
	_, err = auth.IssueCustom(t.Context(), bad, "text")
	assert.Equal(t, want, fieldsOf(err))
	_, _, err = auth.Bootstrap(t.Context(), bad, "")
	assert.Equal(t, want, fieldsOf(err))
	keys, err := auth.Keys(t.Context(), apikey.Query{})
	require.NoError(t, err)
	require.Empty(t, keys)

	key := issueCustom(t, auth, "text")
	_, err = auth.Update(t.Context(), key.ID, key.Version, bad)
	assert.Equal(t, want, fieldsOf(err))
}

func TestWhatASpecMayHold(t *testing.T) {
	manyBytes := func(n int) map[string]string { return map[string]string{"name": strings.Repeat("v", n-len("name"))} }
	rows := []struct {
		name string
		spec apikey.KeySpec
		bad  string // the field; empty: legal
	}{
		{"nothing", apikey.KeySpec{}, ""},
		{"a name of 200 characters", apikey.KeySpec{Name: strings.Repeat("é", 200)}, ""},
		{"a name of 201", apikey.KeySpec{Name: strings.Repeat("é", 201)}, "name"},
		{"a name with a line break", apikey.KeySpec{Name: "a\nb"}, "name"},
		{"a name with an escape", apikey.KeySpec{Name: "\x1b[31m"}, "name"},
		{"a name that is not UTF-8", apikey.KeySpec{Name: "\xff"}, "name"},
		{"a name with markup", apikey.KeySpec{Name: "<b>&\"'"}, ""},
		{"a subject of 200 characters", apikey.KeySpec{Subject: strings.Repeat("s", 200)}, ""},
		{"a subject with NUL", apikey.KeySpec{Subject: "a\x00"}, "subject"},
		{"a description of 2,000 characters", apikey.KeySpec{Description: strings.Repeat("鍵", 2000)}, ""},
		{"a description of 2,001", apikey.KeySpec{Description: strings.Repeat("鍵", 2001)}, "description"},
		{"a description of several lines", apikey.KeySpec{Description: "a\n\tb\r\n"}, ""},
		{"a description that is not UTF-8", apikey.KeySpec{Description: "\xc3"}, "description"},
		{"a description with NUL, which PostgreSQL cannot store", apikey.KeySpec{Description: "a\x00b"}, "description"},
		{"metadata of 4 KiB", apikey.KeySpec{Metadata: manyBytes(4096)}, ""},
		{"metadata of a byte more", apikey.KeySpec{Metadata: manyBytes(4097)}, "metadata"},
		{"metadata that is not UTF-8", apikey.KeySpec{Metadata: map[string]string{"\xff": ""}}, "metadata"},
		{"metadata with NUL, which PostgreSQL cannot store", apikey.KeySpec{Metadata: map[string]string{"a": "\x00"}}, "metadata"},
		{"every level of logging", apikey.KeySpec{Logging: apikey.LogBoth}, ""},
		{"a level of logging that is none", apikey.KeySpec{Logging: 7}, "logging"},
		{"a permission of the catalog", apikey.KeySpec{Permissions: []apikey.Permission{apikey.Variables}}, ""},
		{"a category", apikey.KeySpec{Permissions: []apikey.Permission{"infrastructure"}}, ""},
		{"an unknown permission", apikey.KeySpec{Permissions: []apikey.Permission{"infrastructure:delete"}}, "permissions"},
		{"a permission in another case", apikey.KeySpec{Permissions: []apikey.Permission{"Native"}}, "permissions"},
		{"an empty permission", apikey.KeySpec{Permissions: []apikey.Permission{""}}, "permissions"},
		{"a wildcard", apikey.KeySpec{Permissions: []apikey.Permission{"*"}}, "permissions"},
		{"a permission twice", apikey.KeySpec{Permissions: []apikey.Permission{apikey.Native, apikey.Native}}, "permissions"},
		{"an expiry in the future", apikey.KeySpec{ExpiresAt: time.Now().Add(time.Hour)}, ""},
		{"an expiry in the past", apikey.KeySpec{ExpiresAt: time.Now().Add(-time.Second)}, "expiresAt"},
		{"an expiry in 1970", apikey.KeySpec{ExpiresAt: time.Unix(0, 0)}, "expiresAt"},
		{"an expiry in the year 9999", apikey.KeySpec{ExpiresAt: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, ""},
		{"an expiry in the year 10000", apikey.KeySpec{ExpiresAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "expiresAt"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := newAuthority(t, nil).Issue(t.Context(), row.spec)
			if row.bad == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, []string{row.bad}, fieldsOf(err))
			}
		})
	}
}

func TestWhatAKeyHasAlreadyMayStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := apikey.NewMemoryStore()
		with := func(c apikey.Catalog) *apikey.Authority {
			auth, err := apikey.New(t.Context(), store, &apikey.Options{Catalog: c})
			require.NoError(t, err)
			return auth
		}
		entry := func(p apikey.Permission) apikey.Entry { return apikey.Entry{Permission: p} }
		key, err := with(apikey.Catalog{entry("orders:read"), entry("old:thing")}).
			IssueCustom(t.Context(), apikey.KeySpec{Permissions: []apikey.Permission{"orders:read", "old:thing"}, ExpiresAt: time.Now().Add(time.Hour)}, "text")
		require.NoError(t, err)
		time.Sleep(2 * time.Hour)

		auth := with(apikey.Catalog{entry("orders:read")})
		key = update(t, auth, key, func(s *apikey.KeySpec) { s.Name = "renamed" })
		assert.Equal(t, []apikey.Permission{"orders:read", "old:thing"}, key.Permissions, "a permission that the catalog has lost")
		requireRefused(t, auth, "text", apikey.ErrKeyExpired)
		key = update(t, auth, key, func(s *apikey.KeySpec) { s.Permissions, s.ExpiresAt = s.Permissions[:1], time.Time{} })
		_, err = auth.Update(t.Context(), key.ID, key.Version, apikey.KeySpec{Permissions: []apikey.Permission{"orders:read", "old:thing"}})
		assert.Equal(t, []string{"permissions"}, fieldsOf(err), "once gone, it does not come back")
		requireOpens(t, auth, "text", key.ID)
	})
}

func TestUpdateIsMadeToTheVersionThatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newAuthority(t, nil)
		first := issueCustom(t, auth, "text")
		time.Sleep(time.Minute)
		second := update(t, auth, first, func(s *apikey.KeySpec) { s.Name = "second" })
		assert.Equal(t, first.Version+1, second.Version)
		assert.Equal(t, first.CreatedAt, second.CreatedAt)
		assert.Equal(t, time.Now().UTC(), second.UpdatedAt)
		assert.Equal(t, first.Credentials, second.Credentials)

		for _, stale := range []int64{first.Version, second.Version + 1, 0, -1} {
			_, err := auth.Update(t.Context(), first.ID, stale, apikey.KeySpec{Name: "lost"})
			require.ErrorIs(t, err, apikey.ErrConflict)
		}
		stored, err := auth.Key(t.Context(), first.ID)
		require.NoError(t, err)
		assert.Equal(t, second, stored)
		_, err = auth.Update(t.Context(), "nobody", 1, apikey.KeySpec{})
		require.ErrorIs(t, err, apikey.ErrNotFound)
	})
}

func TestOfManyUpdatesOfOneVersionOneIsMade(t *testing.T) {
	auth := newAuthority(t, nil)
	key := issueCustom(t, auth, "text")
	for range 20 {
		errs := make(chan error, 8)
		for i := range cap(errs) {
			go func() {
				_, err := auth.Update(t.Context(), key.ID, key.Version, apikey.KeySpec{Name: fmt.Sprint(i)})
				errs <- err
			}()
		}
		made := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				made++
			} else {
				require.ErrorIs(t, err, apikey.ErrConflict)
			}
		}
		require.Equal(t, 1, made)
		key.Version++
	}
}

func TestDisablingLastsUntilTheKeyIsEnabled(t *testing.T) {
	auth := newAuthority(t, nil)
	key := disable(t, auth, issueCustom(t, auth, "text"))
	requireRefused(t, auth, "text", apikey.ErrKeyDisabled)
	update(t, auth, key, func(s *apikey.KeySpec) { s.Disabled = false })
	requireOpens(t, auth, "text", key.ID)
}

func TestAKeyIsRefusedFromTheMomentItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newAuthority(t, nil)
		key, text := issue(t, auth, apikey.KeySpec{ExpiresAt: time.Now().Add(time.Hour)})
		time.Sleep(time.Hour - time.Nanosecond)
		requireOpens(t, auth, text, key.ID)
		time.Sleep(time.Nanosecond)
		requireRefused(t, auth, text, apikey.ErrKeyExpired)
		key = update(t, auth, key, func(s *apikey.KeySpec) { s.ExpiresAt = time.Now().Add(time.Minute) })
		requireOpens(t, auth, text, key.ID)
		time.Sleep(time.Minute)
		requireRefused(t, auth, text, apikey.ErrKeyExpired)
	})
}

// A rotation is a test with a key whose text is first, in a synctest bubble.
type rotation struct {
	*testing.T
	auth *apikey.Authority
	key  *apikey.Key
}

func (r rotation) rotate(overlap time.Duration, text string) *apikey.Key {
	r.Helper()
	rotated, err := r.auth.RotateCustom(r.Context(), r.key.ID, overlap, text)
	require.NoError(r, err)
	return rotated
}

func (r rotation) opens(texts ...string) {
	r.Helper()
	for _, text := range texts {
		requireOpens(r, r.auth, text, r.key.ID)
	}
}

func (r rotation) refuses(text string, reason apikey.Reason) {
	r.Helper()
	requireRefused(r, r.auth, text, reason)
}

func TestRotation(t *testing.T) {
	run := func(name string, test func(r rotation)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				auth := newAuthority(t, nil)
				test(rotation{t, auth, issueCustom(t, auth, "first")})
			})
		})
	}
	run("keeps all but the text", func(r rotation) {
		r.key = update(r, r.auth, r.key, func(s *apikey.KeySpec) { s.Name, s.Permissions = "n", []apikey.Permission{apikey.JobsView} })
		rotated, secret, err := r.auth.Rotate(r.Context(), r.key.ID, 0)
		require.NoError(r, err)
		assert.Equal(r, r.key.Spec(), rotated.Spec())
		assert.Equal(r, r.key.ID, rotated.ID)
		assert.Equal(r, r.key.CreatedAt, rotated.CreatedAt)
		assert.Equal(r, r.key.Version+1, rotated.Version)
		assert.Equal(r, []string{secret.Reveal()[len(secret.Reveal())-4:]}, rotated.Hints())
		r.opens(secret.Reveal())
	})
	run("without overlap ends the old text at once", func(r rotation) {
		assert.Len(r, r.rotate(0, "second").Credentials, 1)
		r.refuses("first", apikey.ErrUnknownKey)
		r.opens("second")
	})
	run("with overlap leaves the old text for so long", func(r rotation) {
		rotated := r.rotate(24*time.Hour, "second")
		assert.Len(r, rotated.Credentials, 2)
		assert.Zero(r, rotated.Credentials[0].ExpiresAt)
		assert.Equal(r, time.Now().Add(24*time.Hour).UTC(), rotated.Credentials[1].ExpiresAt)
		time.Sleep(24*time.Hour - time.Nanosecond)
		r.opens("first")
		r.opens("second")
		time.Sleep(time.Nanosecond)
		r.refuses("first", apikey.ErrKeyExpired)
		r.opens("second")
	})
	run("during an overlap ends the older text at once", func(r rotation) {
		r.rotate(24*time.Hour, "second")
		rotated := r.rotate(time.Hour, "third")
		assert.Len(r, rotated.Credentials, 2)
		r.refuses("first", apikey.ErrUnknownKey)
		r.opens("second")
		r.opens("third")
		time.Sleep(time.Hour)
		r.refuses("second", apikey.ErrKeyExpired)
		r.opens("third")
	})
	run("during an overlap, without one of its own, ends both", func(r rotation) {
		r.rotate(24*time.Hour, "second")
		r.rotate(0, "third")
		r.refuses("first", apikey.ErrUnknownKey)
		r.refuses("second", apikey.ErrUnknownKey)
		r.opens("third")
	})
	run("never outlives the key", func(r rotation) {
		r.key = update(r, r.auth, r.key, func(s *apikey.KeySpec) { s.ExpiresAt = time.Now().Add(time.Hour) })
		r.rotate(24*time.Hour, "second")
		time.Sleep(time.Hour)
		r.refuses("first", apikey.ErrKeyExpired)
		r.refuses("second", apikey.ErrKeyExpired)
	})
	run("takes an overlap of 0 to 30 days", func(r rotation) {
		for _, overlap := range []time.Duration{-1, 30*24*time.Hour + 1, 1 << 62} {
			_, err := r.auth.RotateCustom(r.Context(), r.key.ID, overlap, "second")
			requireFieldError(r, err, "overlap")
			_, _, err = r.auth.Rotate(r.Context(), r.key.ID, overlap)
			requireFieldError(r, err, "overlap")
		}
		r.rotate(30*24*time.Hour, "second")
	})
	run("is refused to a revoked key", func(r rotation) {
		_, err := r.auth.Revoke(r.Context(), r.key.ID)
		require.NoError(r, err)
		_, secret, err := r.auth.Rotate(r.Context(), r.key.ID, 0)
		require.ErrorIs(r, err, apikey.ErrKeyRevoked)
		require.True(r, secret.IsZero())
		_, err = r.auth.RotateCustom(r.Context(), r.key.ID, 0, "second")
		require.ErrorIs(r, err, apikey.ErrKeyRevoked)
		r.refuses("first", apikey.ErrKeyRevoked)
		r.refuses("second", apikey.ErrUnknownKey)
	})
	run("of no key finds none", func(r rotation) {
		_, secret, err := r.auth.Rotate(r.Context(), "nobody", 0)
		require.ErrorIs(r, err, apikey.ErrNotFound)
		require.True(r, secret.IsZero())
	})
	run("gives a key that has no text its first one", func(r rotation) {
		store := apikey.NewMemoryStore() // such as an importer may have filled
		r.auth, r.key = nodeOver(r, store), &apikey.Key{ID: "imported", Version: 1}
		require.NoError(r, store.Create(r.Context(), r.key))
		assert.Len(r, r.rotate(time.Hour, "second").Credentials, 1, "there is nothing to overlap with")
		r.opens("second")
	})
	run("leaves a disabled key disabled", func(r rotation) {
		disable(r, r.auth, r.key)
		r.rotate(0, "second")
		r.refuses("second", apikey.ErrKeyDisabled)
	})
}

func TestRevocationIsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newAuthority(t, nil)
		key := issueCustom(t, auth, "text")
		_, err := auth.RotateCustom(t.Context(), key.ID, time.Hour, "second")
		require.NoError(t, err)
		revoked, err := auth.Revoke(t.Context(), key.ID)
		require.NoError(t, err)
		assert.Equal(t, time.Now().UTC(), revoked.RevokedAt)

		time.Sleep(time.Minute)
		again, err := auth.Revoke(t.Context(), key.ID)
		require.NoError(t, err)
		assert.Equal(t, revoked, again, "revoking twice changes nothing")
		edited := update(t, auth, revoked, func(s *apikey.KeySpec) { s.Name, s.Disabled = "renamed", false })
		assert.Equal(t, revoked.RevokedAt, edited.RevokedAt)
		requireRefused(t, auth, "text", apikey.ErrKeyRevoked)
		requireRefused(t, auth, "second", apikey.ErrKeyRevoked)

		keys, err := auth.Keys(t.Context(), apikey.Query{})
		require.NoError(t, err)
		require.Len(t, keys, 1, "it stays in the list")
		_, err = auth.Revoke(t.Context(), "nobody")
		require.ErrorIs(t, err, apikey.ErrNotFound)
	})
}

func TestARevocationWinsAgainstChangesAtTheSameTime(t *testing.T) {
	for range 50 {
		auth := newAuthority(t, nil)
		key := issueCustom(t, auth, "text")
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := auth.Revoke(t.Context(), key.ID)
			assert.NoError(t, err)
		})
		wg.Go(func() {
			_, err := auth.Update(t.Context(), key.ID, key.Version, apikey.KeySpec{Name: "renamed"})
			if err != nil {
				assert.ErrorIs(t, err, apikey.ErrConflict)
			}
		})
		wg.Go(func() {
			_, _, err := auth.Rotate(t.Context(), key.ID, time.Hour)
			if err != nil {
				assert.ErrorIs(t, err, apikey.ErrKeyRevoked)
			}
		})
		wg.Wait()
		after, err := auth.Key(t.Context(), key.ID)
		require.NoError(t, err)
		require.NotZero(t, after.RevokedAt)
		requireRefused(t, auth, "text", apikey.ErrKeyRevoked)
	}
}

func TestChangesThatNeedNoVersionAreAllMade(t *testing.T) {
	auth := newAuthority(t, nil)
	key := issueCustom(t, auth, "text")
	var wg sync.WaitGroup
	for range 4 { // each may meet the others
		wg.Go(func() {
			_, _, err := auth.Rotate(t.Context(), key.ID, 0)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	after, err := auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	assert.Equal(t, key.Version+4, after.Version)
	assert.Len(t, after.Credentials, 1)
}

func TestDeletingTwiceIsDeletingOnce(t *testing.T) {
	auth := newAuthority(t, nil)
	key := issueCustom(t, auth, "text")
	for range 2 {
		require.NoError(t, auth.Delete(t.Context(), key.ID))
		requireRefused(t, auth, "text", apikey.ErrUnknownKey)
	}
	require.NoError(t, auth.Delete(t.Context(), "nobody"))
	_, err := auth.Key(t.Context(), key.ID)
	require.ErrorIs(t, err, apikey.ErrNotFound)
	assert.NotEqual(t, key.ID, issueCustom(t, auth, "text").ID, "an ID is never used again")
}

func TestAListComesInPagesNewestFirst(t *testing.T) {
	auth := newAuthority(t, nil)
	var want []string
	for i := range 120 {
		key, _ := issue(t, auth, apikey.KeySpec{Name: fmt.Sprintf("Key %d", i), Description: map[bool]string{true: "Fünfte 100%_", false: ""}[i%5 == 0]})
		want = append(want, key.ID)
	}
	slices.Reverse(want)
	list := func(q apikey.Query) (ids []string) {
		keys, err := auth.Keys(t.Context(), q)
		require.NoError(t, err)
		for _, key := range keys {
			ids = append(ids, key.ID)
		}
		return ids
	}
	assert.Equal(t, want[:50], list(apikey.Query{}), "50 unless told")
	assert.Equal(t, want, list(apikey.Query{Limit: 1000}))
	var all []string
	for page := list(apikey.Query{Limit: 7}); len(page) > 0; page = list(apikey.Query{Limit: 7, After: page[len(page)-1]}) {
		all = append(all, page...)
		if len(all) == 28 { // a page's last key is deleted before the next page is read
			require.NoError(t, auth.Delete(t.Context(), page[len(page)-1]))
		}
	}
	assert.Equal(t, want, all)

	assert.Empty(t, list(apikey.Query{Search: "fÜNFTE"}), "only ASCII letters match in either case")
	assert.Len(t, list(apikey.Query{Search: "FüNFTE 100%_"}), 24)
	assert.Empty(t, list(apikey.Query{Search: "100__"}), "nothing is a wildcard")
	assert.Len(t, list(apikey.Query{Search: "key 11"}), 11)
	_, err := auth.Keys(t.Context(), apikey.Query{Limit: -1})
	requireFieldError(t, err, "limit")
}

// noText is a store that fails as PostgreSQL does, which has no text that is none.
type noText struct{ *apikey.MemoryStore }

var errNoText = errors.New("invalid byte sequence")

func isNoText(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }

func (s noText) Get(ctx context.Context, id string) (*apikey.Key, error) {
	if isNoText(id) {
		return nil, errNoText
	}
	return s.MemoryStore.Get(ctx, id)
}

func (s noText) List(ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
	if isNoText(q.Search + q.After) {
		return nil, errNoText
	}
	return s.MemoryStore.List(ctx, q)
}

func TestNoStoreIsAskedForWhatIsNoText(t *testing.T) {
	auth, err := apikey.New(t.Context(), noText{apikey.NewMemoryStore()}, nil)
	require.NoError(t, err)
	for _, odd := range []string{"\x00", "\xff", "a\x00b", "a\xff"} {
		_, err = auth.Key(t.Context(), odd)
		require.ErrorIs(t, err, apikey.ErrNotFound)
		_, err = auth.Update(t.Context(), odd, 1, apikey.KeySpec{})
		require.ErrorIs(t, err, apikey.ErrNotFound)
		_, err = auth.Revoke(t.Context(), odd)
		require.ErrorIs(t, err, apikey.ErrNotFound)
		require.NoError(t, auth.Delete(t.Context(), odd))
		keys, err := auth.Keys(t.Context(), apikey.Query{Search: odd})
		require.NoError(t, err)
		require.Empty(t, keys)
		_, err = auth.Keys(t.Context(), apikey.Query{After: odd})
		requireFieldError(t, err, "after")
	}
}

func TestAnEmptyStoreOpensNothing(t *testing.T) {
	auth := newAuthority(t, nil)
	for _, text := range []string{"", "key", "[redacted]", strings.Repeat("\x00", 32), "apikey pepper"} {
		_, err := auth.Authenticate(t.Context(), text)
		require.Error(t, err, "%q", text)
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("X-ApiKey", text)
		_, err = auth.Check(nil, req, apikey.AnyKey())
		var refusal *apikey.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, 401, refusal.Status)
	}
}

func TestBootstrapMakesTheFirstKeyAndNoOther(t *testing.T) {
	auth := newAuthority(t, nil)
	spec := apikey.KeySpec{Name: "first", Permissions: []apikey.Permission{apikey.Native}}
	key, secret, err := auth.Bootstrap(t.Context(), spec, "")
	require.NoError(t, err)
	requireOpens(t, auth, secret.Reveal(), key.ID)
	for _, text := range []string{"", "another", secret.Reveal()} {
		_, secret, err := auth.Bootstrap(t.Context(), spec, text)
		require.ErrorIs(t, err, apikey.ErrBootstrapped)
		require.True(t, secret.IsZero())
	}
	later, _ := issue(t, auth, spec)
	assert.Less(t, key.ID, later.ID, "it sorts as the oldest")

	_, err = auth.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	_, _, err = auth.Bootstrap(t.Context(), spec, "")
	require.ErrorIs(t, err, apikey.ErrBootstrapped, "a revoked key is a key")
}

func TestBootstrapWithATextOfTheHostsShowsNoSecret(t *testing.T) {
	auth := newAuthority(t, nil)
	key, secret, err := auth.Bootstrap(t.Context(), apikey.KeySpec{}, "from the environment")
	require.NoError(t, err)
	require.True(t, secret.IsZero())
	requireOpens(t, auth, "from the environment", key.ID)
}

func TestBootstrapLeavesAStoreWithKeysAlone(t *testing.T) {
	auth := newAuthority(t, nil)
	issueCustom(t, auth, "text")
	_, _, err := auth.Bootstrap(t.Context(), apikey.KeySpec{}, "")
	require.ErrorIs(t, err, apikey.ErrBootstrapped)
}

// togetherStore lets ten see that it is empty before one of them goes on.
type togetherStore struct {
	*apikey.MemoryStore
	listed sync.WaitGroup
}

func (s *togetherStore) List(ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
	keys, err := s.MemoryStore.List(ctx, q)
	if q.Limit == 1 {
		s.listed.Done()
		s.listed.Wait()
	}
	return keys, err
}

func TestTenAuthoritiesOnOneEmptyStoreMakeOneKey(t *testing.T) {
	for _, text := range []string{"", "the same text on all nodes"} {
		for range 20 {
			store := &togetherStore{MemoryStore: apikey.NewMemoryStore()}
			store.listed.Add(10)
			type result struct {
				key    *apikey.Key
				secret apikey.Secret
				err    error
			}
			results := make(chan result, 10)
			for range cap(results) {
				go func() {
					auth, err := apikey.New(t.Context(), store, nil)
					if err != nil {
						results <- result{err: err}
						return
					}
					key, secret, err := auth.Bootstrap(t.Context(), apikey.KeySpec{}, text)
					results <- result{key, secret, err}
				}()
			}
			auth, opens := nodeOver(t, store), text
			made := 0
			for range cap(results) {
				r := <-results
				if r.err != nil {
					require.ErrorIs(t, r.err, apikey.ErrBootstrapped)
					continue
				}
				if made++; text == "" {
					opens = r.secret.Reveal()
				}
			}
			require.Equal(t, 1, made)
			_, err := auth.Authenticate(t.Context(), opens)
			require.NoError(t, err)
			keys, err := auth.Keys(t.Context(), apikey.Query{})
			require.NoError(t, err)
			require.Len(t, keys, 1)
		}
	}
}

// lookupOnly is what a host's own table is: a function.
type lookupOnly func(ctx context.Context, d apikey.Digest) (*apikey.Key, error)

func (f lookupOnly) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	return f(ctx, d)
}

func TestAStoreThatOnlyLooksUpServesRequestsAndNoMore(t *testing.T) {
	auth, err := apikey.New(t.Context(), lookupOnly(func(_ context.Context, d apikey.Digest) (*apikey.Key, error) {
		if d != apikey.DigestOf("text") {
			return nil, fmt.Errorf("legacy table: %w", apikey.ErrNotFound)
		}
		return &apikey.Key{ID: "17", Credentials: []apikey.Credential{{Digest: d}}}, nil
	}), nil)
	require.NoError(t, err)
	requireOpens(t, auth, "text", "17")
	requireRefused(t, auth, "other", apikey.ErrUnknownKey)

	ctx := t.Context()
	calls := map[string]func() error{
		"Managed":      auth.Managed,
		"Issue":        func() error { _, _, err := auth.Issue(ctx, apikey.KeySpec{}); return err },
		"IssueCustom":  func() error { _, err := auth.IssueCustom(ctx, apikey.KeySpec{}, "new"); return err },
		"Bootstrap":    func() error { _, _, err := auth.Bootstrap(ctx, apikey.KeySpec{}, ""); return err },
		"Key":          func() error { _, err := auth.Key(ctx, "17"); return err },
		"Keys":         func() error { _, err := auth.Keys(ctx, apikey.Query{}); return err },
		"Update":       func() error { _, err := auth.Update(ctx, "17", 1, apikey.KeySpec{}); return err },
		"Rotate":       func() error { _, _, err := auth.Rotate(ctx, "17", 0); return err },
		"RotateCustom": func() error { _, err := auth.RotateCustom(ctx, "17", 0, "new"); return err },
		"Revoke":       func() error { _, err := auth.Revoke(ctx, "17"); return err },
		"Delete":       func() error { return auth.Delete(ctx, "17") },
	}
	for name, call := range calls {
		require.ErrorIs(t, call(), errors.ErrUnsupported, name)
	}
	require.NoError(t, auth.Shutdown(ctx))
}

// The model: what a store with its lifecycle is, in the simplest words.

type modelText struct {
	text    string
	expires time.Time
}

type modelKey struct {
	id                string
	version           int64
	disabled, revoked bool
	expires           time.Time
	texts             []modelText // the newest first
}

type model struct {
	keys []*modelKey
	ever []string // every text that ever opened a key, or was meant to
}

// says what Authenticate answers: the ID, or a reason.
func (m *model) says(text string, now time.Time) (string, apikey.Reason) {
	past := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	for _, key := range m.keys {
		for _, t := range key.texts {
			switch {
			case t.text != text:
			case key.revoked:
				return "", apikey.ErrKeyRevoked
			case key.disabled:
				return "", apikey.ErrKeyDisabled
			case past(key.expires), past(t.expires):
				return "", apikey.ErrKeyExpired
			default:
				return key.id, ""
			}
		}
	}
	return "", apikey.ErrUnknownKey
}

func (m *model) inUse(text string) bool {
	return slices.ContainsFunc(m.keys, func(k *modelKey) bool {
		return slices.ContainsFunc(k.texts, func(t modelText) bool { return t.text == text })
	})
}

// TestAFloodOfPermissionsIsOneMistake: what is wrong is told in few words.
func TestAFloodOfPermissionsIsOneMistake(t *testing.T) {
	flood := slices.Repeat([]apikey.Permission{"a"}, 1001)
	_, _, err := newAuthority(t, nil).Issue(t.Context(), apikey.KeySpec{Permissions: flood})
	require.EqualError(t, err, "apikey: permissions must list at most 1000")
}

// TestAnyLifecycle makes random changes through two nodes over one store, and
// asks after each one for every text that there ever was.
func TestAnyLifecycle(t *testing.T) {
	rows := map[string][2][]apikey.Pepper{
		"without a pepper":            {},
		"in the middle of a roll-out": {{newPepper, oldPepper}, {oldPepper, newPepper}},
	}
	for name, peppers := range rows {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { liveThrough(t, rand.New(rand.NewPCG(seed, 7)), peppers) })
			})
		}
	}
}

func liveThrough(t *testing.T, random *rand.Rand, peppers [2][]apikey.Pepper) {
	t.Helper()
	ctx, store := t.Context(), apikey.NewMemoryStore()
	nodes := []*apikey.Authority{nodeOver(t, store, peppers[0]...), nodeOver(t, store, peppers[1]...)}
	m := &model{}
	overlaps := []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour}

	for step := range 120 {
		auth, now := nodes[random.IntN(2)], time.Now()
		var key *modelKey
		if len(m.keys) > 0 {
			key = m.keys[random.IntN(len(m.keys))]
		}
		custom := fmt.Sprintf("custom %d", random.IntN(30))
		expires := time.Time{}
		if random.IntN(3) == 0 {
			expires = now.Add(time.Duration(1+random.IntN(48)) * time.Hour)
		}
		rotated := func(text string, overlap time.Duration) {
			key.version++
			before := key.texts[0]
			key.texts = []modelText{{text: text}}
			if overlap > 0 {
				key.texts = append(key.texts, modelText{before.text, now.Add(overlap)})
			}
			m.ever = append(m.ever, text)
		}

		switch op := random.IntN(12); {
		case op < 2 || key == nil:
			made, secret, err := auth.Issue(ctx, apikey.KeySpec{ExpiresAt: expires})
			require.NoError(t, err)
			m.keys = append(m.keys, &modelKey{id: made.ID, version: 1, expires: expires, texts: []modelText{{text: secret.Reveal()}}})
			m.ever = append(m.ever, secret.Reveal())
		case op == 2:
			made, err := auth.IssueCustom(ctx, apikey.KeySpec{}, custom)
			if m.inUse(custom) {
				require.ErrorIs(t, err, apikey.ErrInUse)
				break
			}
			require.NoError(t, err)
			m.keys = append(m.keys, &modelKey{id: made.ID, version: 1, texts: []modelText{{text: custom}}})
			m.ever = append(m.ever, custom)
		case op < 5:
			version := key.version - int64(random.IntN(2))
			disabled := random.IntN(2) == 0
			_, err := auth.Update(ctx, key.id, version, apikey.KeySpec{Disabled: disabled, ExpiresAt: expires})
			if version != key.version {
				require.ErrorIs(t, err, apikey.ErrConflict)
				break
			}
			require.NoError(t, err)
			key.disabled, key.expires = disabled, expires
			key.version++
		case op < 7:
			overlap := overlaps[random.IntN(len(overlaps))]
			_, secret, err := auth.Rotate(ctx, key.id, overlap)
			if key.revoked {
				require.ErrorIs(t, err, apikey.ErrKeyRevoked)
				break
			}
			require.NoError(t, err)
			rotated(secret.Reveal(), overlap)
		case op == 7:
			overlap := overlaps[random.IntN(len(overlaps))]
			_, err := auth.RotateCustom(ctx, key.id, overlap, custom)
			switch {
			case key.revoked:
				require.ErrorIs(t, err, apikey.ErrKeyRevoked)
			case m.inUse(custom):
				require.ErrorIs(t, err, apikey.ErrInUse)
			default:
				require.NoError(t, err)
				rotated(custom, overlap)
			}
		case op == 8:
			_, err := auth.Revoke(ctx, key.id)
			require.NoError(t, err)
			if !key.revoked {
				key.revoked = true
				key.version++
			}
		case op == 9 && random.IntN(2) == 0:
			require.NoError(t, auth.Delete(ctx, key.id))
			m.keys = slices.DeleteFunc(m.keys, func(k *modelKey) bool { return k == key })
		default:
			time.Sleep(time.Duration(random.IntN(600)) * time.Minute)
			synctest.Wait() // for a batch of last uses
		}

		for _, text := range m.ever {
			id, reason := m.says(text, time.Now())
			found, err := nodes[random.IntN(2)].Authenticate(ctx, text)
			if reason == "" {
				require.NoError(t, err, "step %d, %q", step, text)
				require.Equal(t, id, found.ID, "step %d", step)
			} else {
				require.ErrorIs(t, err, reason, "step %d, %q", step, text)
			}
		}
		keys, err := auth.Keys(ctx, apikey.Query{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, keys, len(m.keys))
		for i, key := range keys {
			want := m.keys[len(m.keys)-1-i]
			require.Equal(t, want.id, key.ID)
			require.Equal(t, want.version, key.Version, "step %d: uses and moves of digests count for nothing", step)
			require.Equal(t, want.revoked, !key.RevokedAt.IsZero())
		}
	}
}
