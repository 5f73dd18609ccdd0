package apikey_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
)

type perms = []apikey.Permission

// What an actor may do, tried on a key that already exists.
var deeds = map[apikey.Action]func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error{
	apikey.ActionUpdate: func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error {
		spec := key.Spec()
		spec.Description = "edited"
		_, err := auth.Update(ctx, key.ID, key.Version, spec)
		return err
	},
	apikey.ActionRotate: func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error {
		_, _, err := auth.Rotate(ctx, key.ID, 0)
		return err
	},
	"rotate to a custom text": func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error {
		_, err := auth.RotateCustom(ctx, key.ID, 0, "a text of the actor's choice")
		return err
	},
	apikey.ActionRevoke: func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error {
		_, err := auth.Revoke(ctx, key.ID)
		return err
	},
	apikey.ActionDelete: func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error {
		return auth.Delete(ctx, key.ID)
	},
}

// requireVerdict checks that an attempt was refused, and then changed nothing.
func requireVerdict(t *testing.T, auth *apikey.Authority, allowed bool, attempt func() error) {
	t.Helper()
	before, err := auth.Keys(t.Context(), apikey.Query{})
	require.NoError(t, err)
	err = attempt()
	if allowed {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, apikey.ErrNotDelegated)
	after, err := auth.Keys(t.Context(), apikey.Query{})
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestAnActorGrantsOnlyWhatItHolds(t *testing.T) {
	rows := []struct {
		name    string
		holds   perms
		grants  perms
		allowed bool
	}{
		{"nothing to a key that may do nothing", nil, nil, true},
		{"what it holds", perms{apikey.KeysManage, apikey.JobsView}, perms{apikey.JobsView}, true},
		{"all that it holds", perms{apikey.KeysManage, apikey.JobsView}, perms{apikey.JobsView, apikey.KeysManage}, true},
		{"one thing more", perms{apikey.KeysManage, apikey.JobsView}, perms{apikey.JobsView, apikey.JobsTrigger}, false},
		{"anything, holding nothing", nil, perms{apikey.JobsView}, false},
		{"an action of a category that it holds", perms{"jobs"}, perms{apikey.JobsTrigger}, true},
		{"a category that it holds", perms{"jobs"}, perms{"jobs"}, true},
		{"a category of which it holds one action", perms{apikey.JobsView}, perms{"jobs"}, false},
		{"a category all whose actions it holds, and those to come", perms{apikey.JobsView, apikey.JobsTrigger}, perms{"jobs"}, false},
		{"a category that contains its own by spelling", perms{"jobs"}, perms{apikey.Native}, false},
		{"full control, holding keys:manage", perms{apikey.KeysManage}, perms{apikey.Native}, false},
		{"full control, holding everything else", everythingBut(apikey.Native), perms{apikey.Native}, false},
		{"full control, holding it", perms{apikey.Native}, perms{apikey.Native}, true},
		{"anything, holding full control", perms{apikey.Native}, everythingBut(), true},
		{"what the catalog has lost, holding that alone", perms{"lost:one"}, perms{"lost:one"}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			auth := newAuthority(t, nil)
			ctx := apikey.WithActor(t.Context(), apikey.Actor{ID: "user:1", Permissions: row.holds})
			spec := apikey.KeySpec{Permissions: row.grants}
			if !slices.Contains(row.grants, "lost:one") { // which nobody can grant any more
				requireVerdict(t, auth, row.allowed, func() error { _, _, err := auth.Issue(ctx, spec); return err })
				requireVerdict(t, auth, row.allowed, func() error { _, err := auth.IssueCustom(ctx, spec, "custom"); return err })
				empty, _ := issue(t, auth, apikey.KeySpec{})
				requireVerdict(t, auth, row.allowed, func() error { _, err := auth.Update(ctx, empty.ID, empty.Version, spec); return err })
				_, _, err := newAuthority(t, nil).Bootstrap(ctx, spec, "")
				assert.Equal(t, row.allowed, err == nil, "Bootstrap")
			}
			for name, deed := range deeds {
				t.Run("and touches no key that holds more: "+string(name), func(t *testing.T) {
					store, stored := apikey.NewMemoryStore(), &apikey.Key{ID: "a", Version: 1, Permissions: row.grants}
					require.NoError(t, store.Create(t.Context(), stored))
					auth := nodeOver(t, store)
					requireVerdict(t, auth, row.allowed, func() error { return deed(ctx, auth, stored) })
				})
			}
		})
	}
}

func everythingBut(but ...apikey.Permission) (all perms) {
	for _, e := range apikey.OtterCatalog() {
		if !slices.Contains(but, e.Permission) {
			all = append(all, e.Permission)
		}
	}
	return all
}

// Full control by whatever name cannot be had from less.
func TestNobodyReachesFullControlThroughItsCategory(t *testing.T) {
	auth := newAuthority(t, &apikey.Options{Catalog: apikey.Catalog{
		{Permission: "admin:all", Full: true}, {Permission: "admin:read"}, {Permission: "orders:read"},
	}})
	for _, holds := range []perms{{"admin"}, {"admin:read"}, {"orders"}} {
		ctx := apikey.WithActor(t.Context(), apikey.Actor{Permissions: holds})
		_, secret, err := auth.Issue(ctx, apikey.KeySpec{Permissions: perms{"admin:all"}})
		if err != nil {
			require.ErrorIs(t, err, apikey.ErrNotDelegated)
			continue
		}
		issueCustom(t, auth, "held by "+string(holds[0]), holds...)
		reachesOrders := func(text string) bool {
			key, err := auth.Authenticate(t.Context(), text)
			require.NoError(t, err)
			_, _, err = auth.Issue(apikey.WithActor(t.Context(), apikey.ActorOf(*key)), apikey.KeySpec{Permissions: perms{"orders:read"}})
			return err == nil
		}
		require.Equal(t, reachesOrders("held by "+string(holds[0])), reachesOrders(secret.Reveal()),
			"an actor with %q made a key that may do more than itself", holds)
	}
}

func TestAnActorActsForNobodyButItselfAndNobody(t *testing.T) {
	const ada, bob = "user:ada", "user:bob"
	rows := []struct {
		name    string
		actor   string // its Subject
		before  string // the key's; "new": it is created
		after   string
		allowed bool
	}{
		{"a new key for nobody", ada, "new", "", true},
		{"a new key for itself", ada, "new", ada, true},
		{"a new key for another", ada, "new", bob, false},
		{"a new key for another, itself being nobody", "", "new", bob, false},
		{"a new key for another in another case", ada, "new", "User:Ada", false},
		{"nobody's key made its own", ada, "", ada, true},
		{"nobody's key made another's", ada, "", bob, false},
		{"its own key made nobody's", ada, ada, "", true},
		{"its own key made another's", ada, ada, bob, false},
		{"another's key made its own", ada, bob, ada, false},
		{"another's key made nobody's", ada, bob, "", false},
		{"another's key left to the other", ada, bob, bob, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			auth := newAuthority(t, nil)
			ctx := apikey.WithActor(t.Context(), apikey.Actor{Subject: row.actor, Permissions: perms{apikey.KeysManage}})
			spec := apikey.KeySpec{Subject: row.after}
			if row.before == "new" {
				requireVerdict(t, auth, row.allowed, func() error { _, _, err := auth.Issue(ctx, spec); return err })
				return
			}
			key, _ := issue(t, auth, apikey.KeySpec{Subject: row.before})
			requireVerdict(t, auth, row.allowed, func() error { _, err := auth.Update(ctx, key.ID, key.Version, spec); return err })
		})
	}
}

func TestWhatAnActorMayDoWithTheKeyOfAnother(t *testing.T) {
	edit := func(change func(*apikey.KeySpec)) func(context.Context, *apikey.Authority, *apikey.Key) error {
		return func(ctx context.Context, auth *apikey.Authority, key *apikey.Key) error {
			spec := key.Spec()
			change(&spec)
			_, err := auth.Update(ctx, key.ID, key.Version, spec)
			return err
		}
	}
	rows := []struct {
		name    string
		do      func(context.Context, *apikey.Authority, *apikey.Key) error
		allowed bool // on another's key; all are on its own and nobody's
	}{
		{"rotate it, and so become the other", deeds[apikey.ActionRotate], false},
		{"rotate it to a text of its choice", deeds["rotate to a custom text"], false},
		{"raise its logging, and read what it sends", edit(func(s *apikey.KeySpec) { s.Logging = apikey.LogBoth }), false},
		{"log its responses in place of its requests", edit(func(s *apikey.KeySpec) { s.Logging = apikey.LogResponse }), false},
		{"lower its logging", edit(func(s *apikey.KeySpec) { s.Logging = apikey.LogNone }), true},
		{"edit its metadata", edit(func(s *apikey.KeySpec) { s.Metadata = map[string]string{"team": "mine"} }), false},
		{"remove its metadata", edit(func(s *apikey.KeySpec) { s.Metadata = nil }), false},
		{"raise its logging while making it its own", edit(func(s *apikey.KeySpec) { s.Logging, s.Subject = apikey.LogBoth, "user:ada" }), false},
		{"rename it", edit(func(s *apikey.KeySpec) { s.Name = "renamed" }), true},
		{"disable it", edit(func(s *apikey.KeySpec) { s.Disabled = true }), true},
		{"let it expire", edit(func(s *apikey.KeySpec) { s.ExpiresAt = time.Now().Add(time.Hour) }), true},
		{"take permissions from it", edit(func(s *apikey.KeySpec) { s.Permissions = nil }), true},
		{"revoke it", deeds[apikey.ActionRevoke], true},
		{"delete it", deeds[apikey.ActionDelete], true},
	}
	for _, row := range rows {
		for subject, allowed := range map[string]bool{"user:bob": row.allowed, "user:ada": true, "": true} {
			t.Run(row.name+", its subject being "+subject, func(t *testing.T) {
				auth := newAuthority(t, nil)
				key, _ := issue(t, auth, apikey.KeySpec{
					Subject: subject, Permissions: perms{apikey.JobsView}, Logging: apikey.LogRequest, Metadata: map[string]string{"team": "theirs"},
				})
				actor := apikey.Actor{Subject: "user:ada", Permissions: perms{apikey.KeysManage, apikey.JobsView}}
				requireVerdict(t, auth, allowed, func() error { return row.do(apikey.WithActor(t.Context(), actor), auth, key) })
			})
			t.Run(row.name+", with full control", func(t *testing.T) {
				auth := newAuthority(t, nil)
				key, _ := issue(t, auth, apikey.KeySpec{Subject: subject, Logging: apikey.LogRequest, Metadata: map[string]string{"team": "theirs"}})
				actor := apikey.Actor{Subject: "user:ada", Permissions: perms{apikey.Native}}
				require.NoError(t, row.do(apikey.WithActor(t.Context(), actor), auth, key))
			})
		}
	}
}

func TestRevokingAgainAsksTheRulesAgain(t *testing.T) {
	auth := newAuthority(t, nil)
	key := issueCustom(t, auth, "text", apikey.Native)
	_, err := auth.Revoke(t.Context(), key.ID)
	require.NoError(t, err)
	_, err = auth.Revoke(apikey.WithActor(t.Context(), apikey.Actor{Permissions: perms{apikey.KeysManage}}), key.ID)
	require.ErrorIs(t, err, apikey.ErrNotDelegated, "what changes nothing is still not for everybody")
}

func TestTheZeroActorHoldsNothing(t *testing.T) {
	auth := newAuthority(t, nil)
	ctx := apikey.WithActor(t.Context(), apikey.Actor{})
	actor, ok := apikey.ActorFromContext(ctx)
	require.True(t, ok, "it is somebody, and not the host")
	require.Zero(t, actor)
	_, _, err := auth.Issue(ctx, apikey.KeySpec{Permissions: perms{apikey.JobsView}})
	require.ErrorIs(t, err, apikey.ErrNotDelegated)
	_, ok = apikey.ActorFromContext(t.Context())
	require.False(t, ok)
}

func TestAKeyThatManagesKeysActsAsItself(t *testing.T) {
	auth := newAuthority(t, nil)
	_, err := auth.IssueCustom(t.Context(), apikey.KeySpec{Name: "manager", Subject: "user:ada", Permissions: perms{apikey.KeysManage, apikey.JobsView}}, "manager's")
	require.NoError(t, err)
	key, err := auth.Authenticate(t.Context(), "manager's")
	require.NoError(t, err)
	actor := apikey.ActorOf(*key)
	assert.Equal(t, apikey.Actor{ID: "key:" + key.ID, Name: "manager", Subject: "user:ada", Permissions: perms{apikey.KeysManage, apikey.JobsView}}, actor)

	ctx := apikey.WithActor(t.Context(), actor)
	_, _, err = auth.Issue(ctx, apikey.KeySpec{Permissions: perms{apikey.JobsView}, Subject: "user:ada"})
	require.NoError(t, err)
	_, _, err = auth.Issue(ctx, apikey.KeySpec{Permissions: perms{apikey.JobsTrigger}})
	require.ErrorIs(t, err, apikey.ErrNotDelegated)
	require.ErrorContains(t, err, "jobs:trigger", "the actor is told what it lacks")
	spec := key.Spec()
	spec.Permissions = perms{apikey.Native}
	_, err = auth.Update(ctx, key.ID, key.Version, spec)
	require.ErrorIs(t, err, apikey.ErrNotDelegated, "not even for itself")
}

func TestAHostsPolicyHasTheLastWord(t *testing.T) {
	var asked []apikey.Delegation
	verdict := func(d apikey.Delegation) error { return d.Err }
	auth := newAuthority(t, &apikey.Options{Delegation: func(_ context.Context, d apikey.Delegation) error {
		asked = append(asked, d)
		return verdict(d)
	}})
	key, _ := issue(t, auth, apikey.KeySpec{Name: "strong", Permissions: perms{apikey.Native}})
	require.Empty(t, asked, "it is not asked about what the host's own code does")

	weak := apikey.Actor{ID: "user:1", Permissions: perms{apikey.KeysManage}}
	ctx := apikey.WithActor(t.Context(), weak)
	try := func(action apikey.Action) error {
		asked = nil
		return deeds[action](ctx, auth, key)
	}

	require.ErrorIs(t, try(apikey.ActionRevoke), apikey.ErrNotDelegated, "left to the rules")
	require.Len(t, asked, 1)
	assert.Equal(t, weak, asked[0].Actor)
	assert.Equal(t, apikey.ActionRevoke, asked[0].Action)
	assert.Equal(t, key, asked[0].Before)
	assert.NotZero(t, asked[0].After.RevokedAt)
	require.ErrorIs(t, asked[0].Err, apikey.ErrNotDelegated, "it is told what the rules say")

	verdict = func(d apikey.Delegation) error { // an allowance, and an attempt at more
		maps.Copy(d.After.Metadata, map[string]string{"by": "the policy"})
		d.Before.Name, d.After.Name = "changed by the policy", "changed by the policy"
		return nil
	}
	key = update(t, auth, key, func(s *apikey.KeySpec) { s.Metadata = map[string]string{"by": "the host"} })
	require.NoError(t, try(apikey.ActionUpdate), "it may allow more")
	key, err := auth.Key(t.Context(), key.ID)
	require.NoError(t, err)
	assert.Equal(t, "strong", key.Name, "it judges changes and makes none")
	assert.Equal(t, "the host", key.Metadata["by"])

	errHours := errors.New("not outside office hours")
	verdict = func(apikey.Delegation) error { return errHours }
	ctx = apikey.WithActor(t.Context(), apikey.Actor{Permissions: perms{apikey.Native}})
	for action := range deeds {
		err := try(action)
		require.ErrorIs(t, err, apikey.ErrNotDelegated, "it may forbid what the rules allow")
		require.ErrorIs(t, err, errHours)
	}
	asked = nil
	_, _, err = auth.Issue(ctx, apikey.KeySpec{Name: "created"})
	require.ErrorIs(t, err, errHours)
	require.Len(t, asked, 1)
	assert.Equal(t, apikey.ActionCreate, asked[0].Action)
	assert.Nil(t, asked[0].Before)
	assert.Equal(t, "created", asked[0].After.Name)
	require.NoError(t, asked[0].Err)
	require.ErrorIs(t, try(apikey.ActionDelete), errHours)
	assert.Nil(t, asked[0].After)

	verdict = func(d apikey.Delegation) error { t.Error("asked about the host's own code"); return nil }
	require.NoError(t, auth.Delete(t.Context(), key.ID))
}

// Who may not make a change learns nothing from trying it.
func TestATextIsLookedUpOnlyForThoseWhoMayUseIt(t *testing.T) {
	policyAsked := false
	auth := newAuthority(t, &apikey.Options{CustomPolicy: func(context.Context, apikey.Secret, bool) error { policyAsked = true; return nil }})
	issueCustom(t, auth, "somebody's text")
	strong := issueCustom(t, auth, "strong", apikey.Native)
	policyAsked = false
	ctx := apikey.WithActor(t.Context(), apikey.Actor{Permissions: perms{apikey.KeysManage}})

	_, issued := auth.IssueCustom(ctx, apikey.KeySpec{Permissions: perms{apikey.Native}}, "somebody's text")
	_, rotated := auth.RotateCustom(ctx, strong.ID, 0, "somebody's text")
	for what, err := range map[string]error{"issued": issued, "rotated": rotated} {
		require.ErrorIs(t, err, apikey.ErrNotDelegated, what)
	}
	assert.False(t, policyAsked, "nor is the host's policy, which may cost a call to elsewhere")
}
