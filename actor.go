package apikey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// An Actor is who manages keys. It rides in the context, see [WithActor]. In the
// context of a request that the same Authority has let through, the key of that
// request acts, see [ActorOf]. Any other context belongs to the host's own code,
// which may do all.
//
// By default an actor who lacks full control
//   - grants only permissions that it holds,
//   - edits, rotates, revokes and deletes only keys that hold no more than it,
//   - sets Subject to its own or to nobody,
//   - neither rotates a key of another's Subject, which would hand it that
//     user's identity, nor changes that Subject, nor raises its Logging, nor
//     edits its Metadata.
//
// Lifetimes are not delegated: who holds a key that expires tomorrow may make one
// that does not. The zero Actor holds nothing.
type Actor struct {
	// ID identifies the actor for good, for example "user:17". A key that acts
	// has "key:" and its ID.
	ID string
	// Name is for display.
	Name string
	// Subject is the user that the actor is or acts for, in the terms of
	// [Key.Subject].
	Subject string
	// Permissions are what the actor holds and may hand on.
	Permissions []Permission
}

type actorKey struct{}

// WithActor returns a context in which actor manages keys.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorFromContext returns the actor that [WithActor] put into ctx. ok is false
// where there is none.
func ActorFromContext(ctx context.Context) (actor Actor, ok bool) {
	actor, ok = ctx.Value(actorKey{}).(Actor)
	return actor, ok
}

// ActorOf returns the Actor that a request with this key acts as.
func ActorOf(key Key) Actor {
	return Actor{ID: "key:" + key.ID, Name: key.DisplayName(), Subject: key.Subject, Permissions: key.Permissions}
}

// ErrNotDelegated says that the actor may not make this change.
var ErrNotDelegated = errors.New("apikey: not allowed to this actor")

// An Action is a change to a key.
type Action string

// The actions.
const (
	ActionCreate Action = "create"
	ActionUpdate Action = "update"
	ActionRotate Action = "rotate"
	ActionRevoke Action = "revoke"
	ActionDelete Action = "delete"
)

// A Delegation is a change that an actor asks for.
type Delegation struct {
	Actor  Actor
	Action Action
	Before *Key  // nil when created
	After  *Key  // nil when deleted
	Err    error // what the rules at [Actor] say: nil, or an error that wraps ErrNotDelegated
}

// A DelegationPolicy has the last word on a change: it returns d.Err to leave it
// to the rules, nil to allow it, or an error to forbid it. The error is shown to
// the actor, wrapped in [ErrNotDelegated] if it is not already. The policy is not
// asked about changes by the host's own code.
type DelegationPolicy func(ctx context.Context, d Delegation) error

// actor returns who manages keys in ctx. ok is false for the host's own code.
func (a *Authority) actor(ctx context.Context) (actor Actor, ok bool) {
	actor, ok = ActorFromContext(ctx)
	if id := identityOf(ctx, a.core); !ok && id != nil && id.key != nil {
		actor, ok = ActorOf(*id.key.Clone()), true
	}
	return actor, ok
}

// delegate decides whether the actor in ctx may turn before into after.
func (a *Authority) delegate(ctx context.Context, action Action, before, after *Key) error {
	actor, ok := a.actor(ctx)
	if !ok {
		return nil
	}
	err := a.judge(actor, action, before, after)
	if a.opts.Delegation == nil {
		return err
	}
	d := Delegation{Actor: actor, Action: action, Err: err}
	if before != nil {
		d.Before = before.withoutDigests()
	}
	if after != nil {
		d.After = after.withoutDigests()
	}
	if err = a.opts.Delegation(ctx, d); err != nil && !errors.Is(err, ErrNotDelegated) {
		err = fmt.Errorf("%w: %w", ErrNotDelegated, err)
	}
	return err
}

// judge applies the rules stated at Actor.
func (a *Authority) judge(actor Actor, action Action, before, after *Key) error {
	if lacks := a.lacks(actor, before); lacks != "" {
		return fmt.Errorf("%w: the key has permissions that the actor does not hold: %s", ErrNotDelegated, lacks)
	}
	if lacks := a.lacks(actor, after); lacks != "" {
		return fmt.Errorf("%w: permissions that the actor does not hold: %s", ErrNotDelegated, lacks)
	}
	if a.isFull(actor) {
		return nil
	}
	own := func(k *Key) bool { return k.Subject == "" || k.Subject == actor.Subject }
	if after != nil && !own(after) && (before == nil || after.Subject != before.Subject) {
		if actor.Subject == "" {
			return fmt.Errorf("%w: subject must be empty", ErrNotDelegated)
		}
		return fmt.Errorf("%w: subject must be %q or empty", ErrNotDelegated, actor.Subject)
	}
	if before == nil || own(before) {
		return nil
	}
	switch {
	case action == ActionUpdate && after.Subject != before.Subject:
		return fmt.Errorf("%w: subject may not be changed on a key that acts for another user", ErrNotDelegated)
	case action == ActionRotate:
		return fmt.Errorf("%w: the key acts for another user", ErrNotDelegated)
	case action == ActionUpdate && after.Logging&^before.Logging != 0:
		return fmt.Errorf("%w: logging may not be raised on a key that acts for another user", ErrNotDelegated)
	case action == ActionUpdate && !maps.Equal(after.Metadata, before.Metadata):
		return fmt.Errorf("%w: metadata may not be edited on a key that acts for another user", ErrNotDelegated)
	}
	return nil
}

// lacks names the key's permissions that the actor does not hold.
func (a *Authority) lacks(actor Actor, key *Key) string {
	if key == nil {
		return ""
	}
	catalog := a.opts.Catalog
	// What the catalog has dropped may come back, and then as anything.
	return joinPermissions(catalog.missing(catalog.known(actor.Permissions), key.Permissions), ", ")
}

func (a *Authority) isFull(actor Actor) bool {
	return slices.ContainsFunc(actor.Permissions, a.opts.Catalog.full)
}
