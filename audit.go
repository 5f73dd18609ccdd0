package apikey

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// codeActor is the actor in entries about changes that the host's own code made.
const codeActor = "code"

// auditable refuses a change that a required log could not take.
func (a *Authority) auditable() error {
	if r := a.recorder; r != nil && r.opts.Required && !r.reserve(&record{change: &recordedChange{}}) {
		return fmt.Errorf("%w: nothing was changed", ErrLogFull)
	}
	return nil
}

// audit records a change to a key that was made, or may have been where the store
// failed. One of before and after may be nil.
func (a *Authority) audit(ctx context.Context, action Action, before, after *Key, failed bool) {
	if a.recorder == nil {
		return
	}
	change := recordedChange{action, codeActor, describe(before, after)}
	if actor, ok := a.actor(ctx); ok {
		change.actor = actor.ID
	}
	rec := record{
		at: time.Now().UnixNano(), outcome: OutcomeChange, change: &change, reserved: a.recorder.opts.Required,
	}
	if failed {
		rec.reason = string(ErrStoreFailed)
		change.detail += "; the store failed, so that it may not have been made"
	}
	rec.id = later(rec.at)
	rec.requestID = rec.id
	if v := visitOf(ctx); v != nil {
		rec.requestID = v.requestID
	}
	if id := keyIDOf(before, after); id != "" {
		rec.key = &Key{ID: id} // the others may be changed before the entry is made
		a.recorder.offer(&rec)
	}
}

func keyIDOf(keys ...*Key) string {
	for _, key := range keys {
		if key != nil {
			return key.ID
		}
	}
	return ""
}

// describe says what is different. Of texts that may hold anything it says only
// that they are.
func describe(before, after *Key) string {
	var changes []string
	if before == nil {
		before = &Key{}
	}
	if after == nil {
		return fmt.Sprintf("%q was deleted; it held %s", before.DisplayName(), permissionList(before.Permissions))
	}
	say := func(changed bool, format string, args ...any) {
		if changed {
			changes = append(changes, fmt.Sprintf(format, args...))
		}
	}
	say(before.Name != after.Name, "name %q became %q", before.Name, after.Name)
	say(before.Subject != after.Subject, "subject %q became %q", before.Subject, after.Subject)
	say(before.Description != after.Description, "description")
	say(!slices.Equal(before.Permissions, after.Permissions), "permissions %s became %s",
		permissionList(before.Permissions), permissionList(after.Permissions))
	say(before.Logging != after.Logging, "logging %s became %s", before.Logging, after.Logging)
	say(before.Disabled != after.Disabled, "disabled %t became %t", before.Disabled, after.Disabled)
	say(!before.ExpiresAt.Equal(after.ExpiresAt), "expiry %s became %s", dateOf(before.ExpiresAt), dateOf(after.ExpiresAt))
	say(before.RevokedAt.IsZero() && !after.RevokedAt.IsZero(), "revoked")
	say(!maps.Equal(before.Metadata, after.Metadata), "metadata")
	say(!slices.Equal(before.Credentials, after.Credentials), "key text")
	return strings.Join(changes, "; ")
}

func permissionList(perms []Permission) string {
	return "[" + joinPermissions(perms, " ") + "]"
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
