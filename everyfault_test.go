package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

var errFault = errors.New("the store failed")

// A faultStore is a MemoryStore of which one call fails.
type faultStore struct {
	memory *apikey.MemoryStore

	mu      sync.Mutex
	left    int  // calls until the one that fails; 0: none does
	applied bool // it is carried out all the same
	fired   bool
}

func (s *faultStore) fail(nth int, applied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.applied = nth, applied
}

func (s *faultStore) hasFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fired
}

// fault counts a call, and says whether and how it fails.
func (s *faultStore) fault() (fails, applied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return false, true
	}
	s.left--
	fails = s.left == 0
	s.fired = s.fired || fails
	return fails, !fails || s.applied
}

// calling makes a call, or fails to.
func calling[T any](s *faultStore, do func() (T, error)) (got T, err error) {
	fails, applied := s.fault()
	if applied {
		got, err = do()
	}
	if fails {
		var none T
		return none, errFault
	}
	return got, err
}

// changing is calling for what returns nothing but an error.
func changing(s *faultStore, do func() error) error {
	_, err := calling(s, func() (any, error) { return nil, do() })
	return err
}

func (s *faultStore) Lookup(ctx context.Context, d apikey.Digest) (*apikey.Key, error) {
	return calling(s, func() (*apikey.Key, error) { return s.memory.Lookup(ctx, d) })
}

func (s *faultStore) Create(ctx context.Context, key *apikey.Key) error {
	return changing(s, func() error { return s.memory.Create(ctx, key) })
}

func (s *faultStore) Get(ctx context.Context, id string) (*apikey.Key, error) {
	return calling(s, func() (*apikey.Key, error) { return s.memory.Get(ctx, id) })
}

func (s *faultStore) List(ctx context.Context, q apikey.Query) ([]*apikey.Key, error) {
	return calling(s, func() ([]*apikey.Key, error) { return s.memory.List(ctx, q) })
}

func (s *faultStore) Update(ctx context.Context, key *apikey.Key) error {
	return changing(s, func() error { return s.memory.Update(ctx, key) })
}

func (s *faultStore) Delete(ctx context.Context, id string) error {
	return changing(s, func() error { return s.memory.Delete(ctx, id) })
}

func (s *faultStore) RecordUses(ctx context.Context, uses []apikey.Use) error {
	return changing(s, func() error { return s.memory.RecordUses(ctx, uses) })
}

func (s *faultStore) Marker(ctx context.Context) ([]byte, error) {
	return calling(s, func() ([]byte, error) { return s.memory.Marker(ctx) })
}

func (s *faultStore) SwapMarker(ctx context.Context, old, next []byte) error {
	return changing(s, func() error { return s.memory.SwapMarker(ctx, old, next) })
}

// The texts of the keys that are there before an operation, by their names, and of
// those that it makes.
var cast = map[string]string{
	"live":     "Qa1vZ8-kT3wX-live",
	"used":     "Qb2vZ8-kT3wX-used",
	"revoked":  "Qc3vZ8-kT3wX-revoked",
	"disabled": "Qd4vZ8-kT3wX-disabled",
	"expired":  "Qe5vZ8-kT3wX-expired",
	"rotated":  "Qf6vZ8-kT3wX-rotated",
	"before":   "Qg7vZ8-kT3wX-rotated-before", // opens rotated too
	"long ago": "Qh8vZ8-kT3wX-rotated-long-ago",
	"new":      "Qi9vZ8-kT3wX-new",
}

// A scene is a store with keys in it, and a node under a newer pepper than theirs.
type scene struct {
	t     *testing.T
	store *faultStore
	node  *apikey.Authority
	sink  *testSink
	log   lockedBuffer
	keys  map[string]*apikey.Key
	texts map[string]string // cast, and what was generated
}

func newScene(t *testing.T, empty bool) *scene {
	t.Helper()
	store := &faultStore{memory: apikey.NewMemoryStore()}
	s := &scene{t: t, store: store, sink: &testSink{}, keys: map[string]*apikey.Key{}, texts: maps.Clone(cast)}
	if !empty {
		s.populate()
	}
	return s
}

func (s *scene) populate() {
	s.t.Helper()
	auth, ctx := nodeOver(s.t, s.store.memory, oldPepper), s.t.Context()
	for _, name := range []string{"live", "used", "revoked", "disabled", "expired", "long ago"} {
		spec := apikey.KeySpec{Name: name, Permissions: perms{apikey.JobsView}, Disabled: name == "disabled"}
		if name == "expired" {
			spec.ExpiresAt = time.Now().Add(time.Second)
		}
		key, err := auth.IssueCustom(ctx, spec, cast[name])
		require.NoError(s.t, err)
		s.keys[name] = key
	}
	_, err := auth.Revoke(ctx, s.keys["revoked"].ID)
	require.NoError(s.t, err)
	for _, name := range []string{"before", "rotated"} {
		s.keys["rotated"], err = auth.RotateCustom(ctx, s.keys["long ago"].ID, time.Hour, cast[name])
		require.NoError(s.t, err)
	}
	require.NoError(s.t, auth.Shutdown(ctx))
	time.Sleep(time.Minute)
}

func (s *scene) start(cached bool) (err error) {
	s.node, err = apikey.New(s.t.Context(), s.store, &apikey.Options{
		Peppers: []apikey.Pepper{newPepper, oldPepper},
		Cache:   apikey.CacheOptions{On: cached, Off: !cached},
		Log:     apikey.LogOptions{Sink: s.sink},
		Logger:  slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	return err
}

// digests returns those that a text can be stored as.
func digests(text string) []apikey.Digest {
	return []apikey.Digest{
		digestUnder("the new pepper, 32 bytes of it..", text),
		digestUnder("the old pepper, 32 bytes of it..", text),
	}
}

// state spells out what the store holds, save what differs from run to run: IDs and
// the digests of generated texts.
func (s *scene) state() string {
	s.t.Helper()
	keys, err := s.store.memory.List(context.Background(), apikey.Query{Limit: 100})
	require.NoError(s.t, err)
	marker, err := s.store.memory.Marker(context.Background())
	require.NoError(s.t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "marker %x\n", marker)
	for _, key := range keys {
		key.ID = ""
		for i, c := range key.Credentials {
			isKnown := func(text string) bool { return slices.Contains(digests(text), c.Digest) }
			if !slices.ContainsFunc(slices.Collect(maps.Values(cast)), isKnown) {
				key.Credentials[i].Digest, key.Credentials[i].Hint = apikey.Digest{}, "…"
			}
			fmt.Fprintf(&b, "%x ", [32]byte(key.Credentials[i].Digest))
		}
		fmt.Fprintf(&b, "%+v\n", *key)
	}
	return b.String()
}

// live reports whether the store holds a key that the text opens now.
func (s *scene) live(text string) bool {
	for _, digest := range digests(text) {
		key, err := s.store.memory.Lookup(context.Background(), digest)
		if err != nil {
			continue
		}
		now := time.Now()
		reached := func(at time.Time) bool { return !at.IsZero() && !at.After(now) }
		at := slices.IndexFunc(key.Credentials, func(c apikey.Credential) bool { return c.Digest == digest })
		return key.RevokedAt.IsZero() && !key.Disabled && !reached(key.ExpiresAt) && !reached(key.Credentials[at].ExpiresAt)
	}
	return false
}

// request sends a request to a guarded handler, and makes an error of a refusal.
func (s *scene) request(text string) error {
	answer := ask(s.node.Require(apikey.JobsView)(says("served")), withKey("GET", "/", text))
	if answer.Code != 200 {
		return fmt.Errorf("status %d: %s", answer.Code, answer.Body)
	}
	return nil
}

// An operation is something that calls the store, some number of times.
type operation struct {
	name   string
	empty  bool // over an empty store
	before func(s *scene)
	do     func(s *scene) error
	reads  string // it authenticates the text of that name
}

func (s *scene) use(text string) {
	s.t.Helper()
	_, err := s.node.Authenticate(s.t.Context(), text)
	require.NoError(s.t, err)
}

// keep keeps the text that was generated, if one was.
func (s *scene) keep(secret apikey.Secret, err error) error {
	if err == nil {
		s.texts["generated"] = secret.Reveal()
	}
	return err
}

func operations() []operation {
	id := func(s *scene, name string) string { return s.keys[name].ID }
	spec := apikey.KeySpec{Name: "made", Permissions: perms{apikey.Native}}
	all := []operation{
		{name: "Bootstrap", empty: true, do: func(s *scene) error {
			_, secret, err := s.node.Bootstrap(s.t.Context(), spec, "")
			return s.keep(secret, err)
		}},
		{name: "Bootstrap of a text", empty: true, do: func(s *scene) error {
			_, _, err := s.node.Bootstrap(s.t.Context(), spec, cast["new"])
			return err
		}},
		{name: "Bootstrap of a store with keys", do: func(s *scene) error {
			_, _, err := s.node.Bootstrap(s.t.Context(), spec, cast["new"])
			return err
		}},
		{name: "Issue", do: func(s *scene) error {
			_, secret, err := s.node.Issue(s.t.Context(), spec)
			return s.keep(secret, err)
		}},
		{name: "IssueCustom", do: func(s *scene) error {
			_, err := s.node.IssueCustom(s.t.Context(), spec, cast["new"])
			return err
		}},
		{name: "IssueCustom of a text in use", do: func(s *scene) error {
			_, err := s.node.IssueCustom(s.t.Context(), spec, cast["revoked"])
			return err
		}},
		{name: "Key", do: func(s *scene) error { _, err := s.node.Key(s.t.Context(), id(s, "live")); return err }},
		{name: "Keys", do: func(s *scene) error { _, err := s.node.Keys(s.t.Context(), apikey.Query{}); return err }},
		{name: "Update that disables", do: func(s *scene) error {
			key := s.keys["live"]
			spec := key.Spec()
			spec.Name, spec.Disabled = "changed", true
			_, err := s.node.Update(s.t.Context(), key.ID, key.Version, spec)
			return err
		}},
		{name: "Update that enables", do: func(s *scene) error {
			key := s.keys["disabled"]
			spec := key.Spec()
			spec.Disabled = false
			_, err := s.node.Update(s.t.Context(), key.ID, key.Version, spec)
			return err
		}},
		{name: "Rotate", do: func(s *scene) error {
			_, secret, err := s.node.Rotate(s.t.Context(), id(s, "live"), 0)
			return s.keep(secret, err)
		}},
		{name: "Rotate with an overlap", do: func(s *scene) error {
			_, secret, err := s.node.Rotate(s.t.Context(), id(s, "rotated"), time.Hour)
			return s.keep(secret, err)
		}},
		{name: "RotateCustom", do: func(s *scene) error {
			_, err := s.node.RotateCustom(s.t.Context(), id(s, "live"), time.Hour, cast["new"])
			return err
		}},
		{name: "Rotate of a revoked key", do: func(s *scene) error {
			_, secret, err := s.node.Rotate(s.t.Context(), id(s, "revoked"), 0)
			return s.keep(secret, err)
		}},
		{name: "Revoke", do: func(s *scene) error { _, err := s.node.Revoke(s.t.Context(), id(s, "live")); return err }},
		{name: "Revoke of a revoked key", do: func(s *scene) error { _, err := s.node.Revoke(s.t.Context(), id(s, "revoked")); return err }},
		{name: "Delete", do: func(s *scene) error { return s.node.Delete(s.t.Context(), id(s, "live")) }},
		{name: "Delete of a key that is not there", do: func(s *scene) error { return s.node.Delete(s.t.Context(), "nobody") }},
		{name: "writing last uses", before: func(s *scene) { s.use(cast["used"]) }, do: func(s *scene) error { return s.node.FlushUses(s.t.Context()) }},
		{name: "Shutdown", before: func(s *scene) { s.use(cast["used"]) }, do: func(s *scene) error { return s.node.Shutdown(s.t.Context()) }},
		{name: "New", do: func(s *scene) error { return s.start(false) }},
	}
	for name, text := range cast {
		all = append(all,
			operation{name: "Authenticate, " + name, reads: name, do: func(s *scene) error {
				_, err := s.node.Authenticate(s.t.Context(), text)
				return err
			}},
			operation{name: "a request, " + name, reads: name, do: func(s *scene) error { return s.request(text) }},
		)
	}
	return all
}

// A result is what became of an operation.
type result struct {
	before, after string
	err           error
	fired         bool
}

// run does the operation while the nth call to the store fails, and checks what
// must hold whatever came of it.
func (op operation) run(t *testing.T, nth int, applied, cached bool) (r result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, op.empty)
		if op.name != "New" {
			require.NoError(t, s.start(cached))
			for _, text := range cast { // so that a cache knows them
				if op.before == nil {
					_, _ = s.node.Authenticate(t.Context(), text)
				}
			}
			if op.reads != "" {
				time.Sleep(15 * time.Second) // and has to ask again, before a last use is written
			}
		}
		if op.before != nil {
			op.before(s)
		}
		r.before = s.state()
		s.store.fail(nth, applied)
		r.err = op.do(s)
		s.store.fail(0, false)
		r.fired, r.after = s.store.hasFailed(), s.state()
		if s.node == nil {
			require.NoError(t, s.start(cached), "a start that failed can be repeated")
		}
		s.requireOnlyLiveKeysOpen(op.name == "Shutdown")
		s.requireAccounted()
		s.requireNoSecretTold(r.err)
	})
	return r
}

// requireOnlyLiveKeysOpen asks for each key by now that the store works again.
func (s *scene) requireOnlyLiveKeysOpen(closed bool) {
	s.t.Helper()
	for name, text := range s.texts {
		_, err := s.node.Authenticate(s.t.Context(), text)
		require.Equal(s.t, s.live(text) && !closed, err == nil, "%s: %v", name, err)
		require.Equal(s.t, err == nil, s.request(text) == nil, name)
	}
}

func (s *scene) requireAccounted() {
	s.t.Helper()
	require.NoError(s.t, s.node.Shutdown(s.t.Context()))
	stats := s.node.LogStats()
	require.Equal(s.t, stats.Accepted, stats.Stored+stats.Dropped)
	require.Len(s.t, slices.DeleteFunc(s.sink.entries(), func(e apikey.LogEntry) bool { return e.Outcome == apikey.OutcomeGap }), int(stats.Stored))
}

// traces are the forms in which a text of the cast, or its digest, would be told.
var traces = sync.OnceValue(func() []string {
	var forms []string
	for _, text := range cast {
		forms = append(forms, writtenAs(text)...)
		for _, digest := range digests(text) {
			forms = append(forms, writtenAs(string(digest[:]))...)
		}
	}
	return forms
})

func (s *scene) requireNoSecretTold(err error) {
	s.t.Helper()
	told := fmt.Sprintf("%v %+v %#v %s %v", err, err, err, s.log.String(), s.sink.entries())
	for _, form := range traces() {
		if strings.Contains(told, form) {
			s.t.Fatal("an error or a log tells a secret")
		}
	}
	if generated, ok := s.texts["generated"]; ok {
		requireNoTrace(s.t, told, generated)
	}
}

// Each call to the store that an operation makes fails once, and once more in such a
// way that it was carried out: a connection can break before the answer is there.
// After that an operation that says it has succeeded has, and one that says it has
// not has changed nothing, or all where nobody could tell; nothing is half done.
func TestWhicheverCallToTheStoreFails(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			for _, cached := range []bool{false, true} {
				whole := op.run(t, 0, false, cached)
				for _, applied := range []bool{false, true} {
					n := 1
					for ; ; n++ {
						got := op.run(t, n, applied, cached)
						if !got.fired {
							break
						}
						require.Equal(t, whole.before, got.before, "all runs begin alike")
						op.judge(t, whole, got, applied, cached, fmt.Sprintf("call %d, applied %t, cached %t", n, applied, cached))
					}
					t.Logf("cached %t, applied %t: calls 1 to %d", cached, applied, n-1)
					assert.Positive(t, n-1, "an operation that asks the store")
				}
			}
		})
	}
}

// judge compares a run with a fault with one without.
func (op operation) judge(t *testing.T, whole, got result, applied, cached bool, run string) {
	t.Helper()
	switch {
	case got.err == nil:
		require.NoError(t, whole.err, "%s: it succeeds only with a fault", run)
		require.Equal(t, whole.after, got.after, "%s: what has succeeded is there", run)
	case got.after != got.before:
		require.True(t, applied, "%s: it has failed, and yet changed something", run)
		require.ErrorIs(t, got.err, errFault, "%s: nothing says that the store failed", run)
		require.Equal(t, whole.after, got.after, "%s: half of it was done", run)
	case op.reads != "" && !errors.Is(got.err, apikey.ErrStoreFailed) && !strings.HasPrefix(got.err.Error(), "status 503"):
		// A store that fails says of no key that it is unknown. What is wrong with
		// one may be known from before.
		require.True(t, cached && slices.Contains([]string{"revoked", "disabled", "expired"}, op.reads), "%s: %v", run, got.err)
		require.EqualError(t, got.err, whole.err.Error())
	}
}
