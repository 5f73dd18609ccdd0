package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

// change returns the entry of the only change since the last call.
func (l *logged) change(t testing.TB) apikey.LogEntry {
	t.Helper()
	changes := l.changes(t)
	require.Len(t, changes, 1, "one entry for each change")
	l.sink.forgetAll()
	return changes[0]
}

func TestEveryChangeLeavesAnEntryThatSaysWhatChanged(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	ctx := t.Context()
	expiry := time.Date(2999, 1, 2, 3, 4, 5, 0, time.UTC)
	var key *apikey.Key
	edit := func(edit func(*apikey.KeySpec)) func() error {
		return func() (err error) {
			spec := key.Spec()
			edit(&spec)
			key, err = log.Update(ctx, key.ID, key.Version, spec)
			return err
		}
	}
	steps := []struct {
		name   string
		do     func() error
		action apikey.Action
		detail string
	}{
		{"issue", func() (err error) {
			key, _, err = log.Issue(ctx, apikey.KeySpec{Name: "ci", Permissions: perms{apikey.JobsView}})
			return err
		}, apikey.ActionCreate, `name "" became "ci"; permissions [] became [jobs:view]; key text`},
		{"rename", edit(func(s *apikey.KeySpec) { s.Name = "build" }), apikey.ActionUpdate, `name "ci" became "build"`},
		{"describe", edit(func(s *apikey.KeySpec) { s.Description = "what a description says is not repeated" }), apikey.ActionUpdate, "description"},
		{"another user", edit(func(s *apikey.KeySpec) { s.Subject = "user 7" }), apikey.ActionUpdate, `subject "" became "user 7"`},
		{"more permissions", edit(func(s *apikey.KeySpec) { s.Permissions = perms{apikey.JobsView, apikey.Variables} }), apikey.ActionUpdate, "permissions [jobs:view] became [jobs:view variables]"},
		{"no permissions", edit(func(s *apikey.KeySpec) { s.Permissions = nil }), apikey.ActionUpdate, "permissions [jobs:view variables] became []"},
		{"log bodies", edit(func(s *apikey.KeySpec) { s.Logging = apikey.LogBoth }), apikey.ActionUpdate, "logging none became both"},
		{"an end", edit(func(s *apikey.KeySpec) { s.ExpiresAt = expiry }), apikey.ActionUpdate, "expiry never became 2999-01-02T03:04:05Z"},
		{"metadata", edit(func(s *apikey.KeySpec) { s.Metadata = map[string]string{"team": "what metadata says is not repeated"} }), apikey.ActionUpdate, "metadata"},
		{"disable", edit(func(s *apikey.KeySpec) { s.Disabled = true }), apikey.ActionUpdate, "disabled false became true"},
		{"several at once", edit(func(s *apikey.KeySpec) { s.Name, s.Disabled, s.ExpiresAt = `"x"`, false, time.Time{} }), apikey.ActionUpdate, `name "build" became "\"x\""; disabled true became false; expiry 2999-01-02T03:04:05Z became never`},
		{"rotate", func() (err error) { key, _, err = log.Rotate(ctx, key.ID, time.Hour); return err }, apikey.ActionRotate, "key text"},
		{"rotate to a text", func() (err error) { key, err = log.RotateCustom(ctx, key.ID, 0, "a text of their own"); return err }, apikey.ActionRotate, "key text"},
		{"revoke", func() (err error) { key, err = log.Revoke(ctx, key.ID); return err }, apikey.ActionRevoke, "revoked"},
		{"delete", func() error { return log.Delete(ctx, key.ID) }, apikey.ActionDelete, `"\"x\"" was deleted; it held []`},
		{"issue a text", func() (err error) {
			key, err = log.IssueCustom(ctx, apikey.KeySpec{Permissions: perms{apikey.Native}}, "another text of their own")
			return err
		}, apikey.ActionCreate, "permissions [] became [native]; key text"},
		{"delete a key without a name", func() error { return log.Delete(ctx, key.ID) }, apikey.ActionDelete, "was deleted; it held [native]"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			before := time.Now()
			require.NoError(t, step.do())
			e := log.change(t)
			if step.action == apikey.ActionDelete {
				assert.Contains(t, e.Detail, step.detail)
			} else {
				assert.Equal(t, step.detail, e.Detail)
			}
			assert.WithinRange(t, e.Time, before.Add(-time.Microsecond), time.Now())
			assert.Equal(t, apikey.LogEntry{
				ID: e.ID, Time: e.Time, RequestID: e.ID, KeyID: key.ID, Detail: e.Detail,
				Outcome: apikey.OutcomeChange, Action: step.action, Actor: "code",
			}, e)
		})
	}
}

func TestBootstrapLeavesAnEntryWhenItMakesTheKey(t *testing.T) {
	sink := &testSink{}
	l := &logged{sink: sink}
	var err error
	l.Authority, err = apikey.New(t.Context(), apikey.NewMemoryStore(), &apikey.Options{Log: apikey.LogOptions{Sink: sink}})
	require.NoError(t, err)
	t.Cleanup(func() { l.Shutdown(context.Background()) })
	key, _, err := l.Bootstrap(t.Context(), apikey.KeySpec{Permissions: perms{apikey.Native}}, "")
	require.NoError(t, err)
	e := l.change(t)
	assert.Equal(t, key.ID, e.KeyID)
	assert.Equal(t, apikey.ActionCreate, e.Action)
	_, _, err = l.Bootstrap(t.Context(), apikey.KeySpec{Permissions: perms{apikey.Native}}, "")
	require.ErrorIs(t, err, apikey.ErrBootstrapped)
	assert.Empty(t, l.changes(t))
}

// Who made a change is whom the host names, else the key of the request, else the
// host's own code; and the entry belongs to the request.
func TestAChangeNamesItsActorAndItsRequest(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	other := newLogged(t, apikey.Options{Sources: []apikey.Source{apikey.FromHeader("X-Other")}})
	manager := issueCustom(t, log.Authority, "a key that manages keys", apikey.KeysManage)
	log.change(t)
	admin := apikey.Actor{ID: "user:17", Name: "Ann", Permissions: perms{apikey.Native}}
	issuing := func(named bool) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if named {
				ctx = apikey.WithActor(ctx, admin)
			}
			_, _, err := log.Issue(ctx, apikey.KeySpec{})
			assert.NoError(t, err)
		})
	}
	rows := []struct {
		name    string
		handler http.Handler
		actor   string
		entry   *logged // that has the request's; nil: nobody
	}{
		{"the request's key", log.Require(apikey.KeysManage)(issuing(false)), "key:" + manager.ID, log},
		{"whom the host names", log.Require(apikey.KeysManage)(issuing(true)), "user:17", log},
		{"whom the host names, in no request of ours", issuing(true), "user:17", nil},
		{"the host's own code", issuing(false), "code", nil},
		{"a request that is recorded only", log.Record()(issuing(false)), "code", log},
		{"a request of another Authority", other.RequireKey()(issuing(false)), "code", other},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := withKey("POST", "/keys", "a key that manages keys")
			r.Header.Set("X-Other", goodKey)
			require.Equal(t, 200, ask(row.handler, r).Code)
			e := log.changes(t)[0]
			assert.Equal(t, row.actor, e.Actor)
			assert.NotEqual(t, manager.ID, e.KeyID, "it is about the key that was made")
			if row.entry == nil {
				assert.Equal(t, e.ID, e.RequestID)
			} else {
				assert.Equal(t, row.entry.request(t).RequestID, e.RequestID)
				assert.NotEqual(t, e.ID, e.RequestID)
			}
			log.sink.forgetAll()
			other.sink.forgetAll()
		})
	}
}

// What an actor is called may come from a client.
func TestAnActorsNameIsInert(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	ctx := apikey.WithActor(t.Context(), apikey.Actor{ID: "user:\x1b[31m\r\nAnn\xff", Permissions: perms{apikey.Native}})
	_, _, err := log.Issue(ctx, apikey.KeySpec{Subject: "\u202esubject"})
	require.NoError(t, err)
	e := log.change(t)
	assert.NotContains(t, e.Actor, "\x1b")
	assert.NotContains(t, e.Actor, "\n")
	assert.Contains(t, e.Actor, "Ann")
	assert.True(t, strings.HasPrefix(e.Actor, "user:"))
}

// What was not changed is not told of.
func TestNoChangeLeavesNoEntry(t *testing.T) {
	refuse := errors.New("not today")
	log := newLogged(t, apikey.Options{
		Delegation: func(context.Context, apikey.Delegation) error { return refuse },
	})
	ctx := t.Context()
	acting := apikey.WithActor(ctx, apikey.Actor{ID: "user:1"})
	revoked := issueCustom(t, log.Authority, "a revoked key")
	_, err := log.Revoke(ctx, revoked.ID)
	require.NoError(t, err)
	require.Len(t, log.changes(t), 2)
	log.sink.forgetAll()
	named := log.key.Spec()
	named.Name = "another"
	rows := []struct {
		name  string
		do    func() error
		field string // of which something is illegal
		want  error  // nil: done, and nothing to do
	}{
		{"an illegal spec", func() error { _, _, err := log.Issue(ctx, apikey.KeySpec{Permissions: perms{"nope"}}); return err }, "permissions", nil},
		{"a text in use", func() error { _, err := log.IssueCustom(ctx, apikey.KeySpec{}, goodKey); return err }, "", apikey.ErrInUse},
		{"a text in use, by rotation", func() error { _, err := log.RotateCustom(ctx, log.key.ID, 0, "a revoked key"); return err }, "", apikey.ErrInUse},
		{"an illegal overlap", func() error { _, _, err := log.Rotate(ctx, log.key.ID, -1); return err }, "overlap", nil},
		{"another version", func() error { _, err := log.Update(ctx, log.key.ID, 99, named); return err }, "", apikey.ErrConflict},
		{"no such key", func() error { _, err := log.Update(ctx, "nobody", 1, named); return err }, "", apikey.ErrNotFound},
		{"a revoked key rotated", func() error { _, _, err := log.Rotate(ctx, revoked.ID, 0); return err }, "", apikey.ErrKeyRevoked},
		{"a revoked key revoked", func() error { _, err := log.Revoke(ctx, revoked.ID); return err }, "", nil},
		{"a key deleted that is not there", func() error { return log.Delete(ctx, "nobody") }, "", nil},
		{"an actor who may not issue", func() error { _, _, err := log.Issue(acting, apikey.KeySpec{}); return err }, "", refuse},
		{"an actor who may not update", func() error { _, err := log.Update(acting, log.key.ID, 1, named); return err }, "", refuse},
		{"an actor who may not rotate", func() error { _, _, err := log.Rotate(acting, log.key.ID, 0); return err }, "", refuse},
		{"an actor who may not revoke", func() error { _, err := log.Revoke(acting, log.key.ID); return err }, "", refuse},
		{"an actor who may not delete", func() error { return log.Delete(acting, log.key.ID) }, "", refuse},
		{"a key that is looked at", func() error { _, err := log.Key(ctx, log.key.ID); return err }, "", nil},
		{"a key that is used", func() error { _, err := log.Authenticate(ctx, goodKey); return err }, "", nil},
		{"a use that is written", func() error { return log.FlushUses(ctx) }, "", nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := row.do()
			if row.field != "" {
				requireFieldError(t, err, row.field)
			} else {
				require.ErrorIs(t, err, row.want)
			}
			require.Empty(t, log.changes(t))
		})
	}
}

// A store can fail after it has made the change, as when its answer is lost.
func TestAChangeThatMayHaveBeenMadeIsToldAsThat(t *testing.T) {
	store := &failingWrites{MemoryStore: apikey.NewMemoryStore()}
	log := newLoggedOver(t, store, apikey.Options{})
	spec := log.key.Spec()
	spec.Name = "another"
	store.fail = errSink
	for action, do := range map[apikey.Action]func() error{
		apikey.ActionCreate: func() error { _, _, err := log.Issue(t.Context(), spec); return err },
		apikey.ActionUpdate: func() error { _, err := log.Update(t.Context(), log.key.ID, 1, spec); return err },
		apikey.ActionRevoke: func() error { _, err := log.Revoke(t.Context(), log.key.ID); return err },
		apikey.ActionDelete: func() error { return log.Delete(t.Context(), log.key.ID) },
	} {
		require.ErrorIs(t, do(), errSink)
		e := log.change(t)
		assert.Equal(t, action, e.Action)
		assert.Equal(t, string(apikey.ErrStoreFailed), e.Reason)
		assert.Contains(t, e.Detail, "; the store failed, so that it may not have been made")
		log.sink.forgetAll()
	}
	for _, refusal := range []error{apikey.ErrNotFound, apikey.ErrConflict, apikey.ErrExists, apikey.ErrInUse} {
		store.fail = fmt.Errorf("the store: %w", refusal)
		_, _, err := log.Issue(t.Context(), spec)
		require.ErrorIs(t, err, refusal)
		require.Empty(t, log.changes(t), "the store says that it made none")
	}
}

// failingWrites is a store whose changes fail when told to.
type failingWrites struct {
	*apikey.MemoryStore
	fail error // nil: they do not
}

func (s *failingWrites) Create(ctx context.Context, key *apikey.Key) error {
	if s.fail != nil {
		return s.fail
	}
	return s.MemoryStore.Create(ctx, key)
}

func (s *failingWrites) Update(ctx context.Context, key *apikey.Key) error {
	if s.fail != nil {
		return s.fail
	}
	return s.MemoryStore.Update(ctx, key)
}

func (s *failingWrites) Delete(ctx context.Context, id string) error {
	if s.fail != nil {
		return s.fail
	}
	return s.MemoryStore.Delete(ctx, id)
}

// Neither the text of a key nor its digest or hint is in what the log keeps of its
// life, and neither is what its owner has noted about it.
func TestNoSecretIsInAnyChange(t *testing.T) {
	log := newLogged(t, apikey.Options{Peppers: []apikey.Pepper{apikey.NewPepper(make([]byte, 32))}})
	ctx := t.Context()
	const note = "a note that is the owner's own"
	spec := apikey.KeySpec{Name: "ci", Description: note, Metadata: map[string]string{note: note}, Permissions: perms{apikey.JobsView}}
	key, first, err := log.Issue(ctx, spec)
	require.NoError(t, err)
	key, second, err := log.Rotate(ctx, key.ID, time.Hour)
	require.NoError(t, err)
	key, err = log.RotateCustom(ctx, key.ID, time.Hour, "a text of their own, third")
	require.NoError(t, err)
	digests := digestsOf(t, log.Authority, key.ID)
	spec = key.Spec()
	spec.Description += "!"
	key, err = log.Update(ctx, key.ID, key.Version, spec)
	require.NoError(t, err)
	_, err = log.Revoke(ctx, key.ID)
	require.NoError(t, err)
	require.NoError(t, log.Delete(ctx, key.ID))
	changes := log.changes(t)
	require.Len(t, changes, 6)
	all := fmt.Sprintf("%+v", changes)
	for _, secret := range []string{first.Reveal(), second.Reveal(), "of their own", note} {
		assert.NotContains(t, all, secret)
	}
	for _, text := range []string{first.Reveal(), second.Reveal()} {
		assert.NotContains(t, all, text[len(text)-6:])
	}
	for _, digest := range digests {
		assert.NotContains(t, all, fmt.Sprintf("%x", digest[:4]))
	}
}

// Of many changes of one key at the same time there are as many entries as were
// made.
func TestChangesAtTheSameTimeLeaveAnEntryEach(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	var made atomic.Int64
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if _, _, err := log.Rotate(t.Context(), log.key.ID, 0); err == nil {
				made.Add(1)
			}
		})
	}
	all.Wait()
	changes := log.changes(t)
	require.Len(t, changes, int(made.Load()))
	ids := map[string]bool{}
	for _, e := range changes {
		ids[e.ID] = true
	}
	require.Len(t, ids, len(changes))
}

// A generated key that somebody has put into a name is in no entry.
func TestAKeyInANameIsMaskedInTheEntry(t *testing.T) {
	log := newLogged(t, apikey.Options{})
	shape := "otter_" + strings.Repeat("0", 49)
	_, _, err := log.Issue(t.Context(), apikey.KeySpec{Name: "it is " + shape})
	require.NoError(t, err)
	require.Contains(t, log.changes(t)[0].Detail, `became "it is [redacted]"`)
}
