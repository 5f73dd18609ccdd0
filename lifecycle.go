package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	defaultPage = 50
	// maxOverlap is how long two texts may open a key after a rotation.
	maxOverlap = 30 * 24 * time.Hour
	// maxAttempts is how often a change that needs no version is tried while
	// others change the same key.
	maxAttempts = 10
)

// ErrBootstrapped says that the store holds keys already, so that
// [Authority.Bootstrap] made none.
var ErrBootstrapped = errors.New("apikey: the store holds keys already")

// Issue makes a key with a generated text, which the returned Secret shows and
// nobody can find out later. The error joins a [FieldError] for each mistake in
// spec, or wraps [ErrNotDelegated].
func (a *Authority) Issue(ctx context.Context, spec KeySpec) (*Key, Secret, error) {
	return a.create(ctx, newID(time.Now()), spec, a.generated())
}

// IssueCustom makes a key with a text of the caller's choice: 1 to 256 bytes of
// UTF-8 without control characters or white space at either end, not in use by
// another key, even a revoked one ([ErrInUse]), and of the form of a generated key only
// with the checksum that belongs to it. Nothing in it is trimmed, folded or normalised.
// Further errors are those of [Authority.Issue]; one about text names the field key.
func (a *Authority) IssueCustom(ctx context.Context, spec KeySpec, text string) (*Key, error) {
	key, _, err := a.create(ctx, newID(time.Now()), spec, newText{text: text})
	return key, err
}

// Bootstrap makes the first key of an empty store, of the given text or, where
// that is empty, a generated one, which the Secret then shows. Of many nodes that start at once on one store,
// one makes it; the others, and every later start, get [ErrBootstrapped].
func (a *Authority) Bootstrap(ctx context.Context, spec KeySpec, text string) (*Key, Secret, error) {
	if err := a.Managed(); err != nil {
		return nil, Secret{}, err
	}
	some, err := a.managed.List(ctx, Query{Limit: 1})
	if err != nil {
		return nil, Secret{}, err
	}
	if len(some) > 0 {
		return nil, Secret{}, ErrBootstrapped
	}
	made := newText{text: text}
	if text == "" {
		made = a.generated()
	}
	key, secret, err := a.create(ctx, bootstrapID, spec, made)
	if errors.Is(err, ErrExists) || errors.Is(err, ErrInUse) {
		err = ErrBootstrapped // another node was quicker
	}
	return key, secret, err
}

// A newText is the text that a key is to get.
type newText struct {
	text      string
	generated bool
}

func (a *Authority) generated() newText {
	return newText{text: generate(a.opts.Prefix), generated: true}
}

// validate says whether the text can be a key at all.
func (n newText) validate() error {
	switch {
	case n.generated:
		return nil
	case !isKeyText(n.text):
		return &FieldError{Field: "key", Problem: "is not legal: " + errKeyText.Error()}
	case isMistyped(n.text):
		return &FieldError{Field: "key", Problem: "is not legal: " + errMistyped.Error()}
	}
	return nil
}

// secret returns the text, if its owner does not know it.
func (n newText) secret() Secret {
	if !n.generated {
		return Secret{}
	}
	return NewSecret(n.text)
}

// credential returns the credential of a valid text, if the host's policy accepts
// it and it is not in use. It is asked for only on behalf of those who may make
// the change, since it tells who else has the text.
func (a *Authority) credential(ctx context.Context, n newText, now time.Time) (Credential, error) {
	c := Credential{Digest: a.digesters[0].digest(n.text), CreatedAt: storable(now)}
	if n.generated {
		c.Hint = n.text[len(n.text)-hintLen:]
		return c, nil
	}
	c.Weak = isWeak(n.text)
	if a.opts.CustomPolicy != nil {
		if err := a.opts.CustomPolicy(ctx, NewSecret(n.text), c.Weak); err != nil {
			return c, &FieldError{Field: "key", Problem: "is not accepted: " + err.Error(), cause: err}
		}
	}
	// The store would notice the newest digest only.
	for _, d := range a.digesters {
		switch _, err := a.managed.Lookup(ctx, d.digest(n.text)); {
		case err == nil:
			return c, ErrInUse
		case !errors.Is(err, ErrNotFound):
			return c, err
		}
	}
	return c, nil
}

func (a *Authority) create(ctx context.Context, id string, spec KeySpec, text newText) (*Key, Secret, error) {
	if err := a.Managed(); err != nil {
		return nil, Secret{}, err
	}
	now := time.Now()
	if err := errors.Join(text.validate(), spec.validate(a.opts.Catalog, nil, now)); err != nil {
		return nil, Secret{}, err
	}
	key := &Key{ID: id, Version: 1, CreatedAt: storable(now), UpdatedAt: storable(now)}
	spec.apply(key)
	if err := a.delegate(ctx, ActionCreate, nil, key); err != nil {
		return nil, Secret{}, err
	}
	credential, err := a.credential(ctx, text, now)
	if err != nil {
		return nil, Secret{}, err
	}
	key.Credentials = []Credential{credential}
	err = a.write(ctx, ActionCreate, nil, key, func() error { return a.managed.Create(ctx, key) })
	if err != nil {
		return nil, Secret{}, err
	}
	return key.withoutDigests(), text.secret(), nil
}

// Key returns the key with that ID. The error wraps [ErrNotFound] where there is
// none.
func (a *Authority) Key(ctx context.Context, id string) (*Key, error) {
	key, err := a.stored(ctx, id)
	if err != nil {
		return nil, err
	}
	return key.withoutDigests(), nil
}

// stored returns the key as the store has it.
func (a *Authority) stored(ctx context.Context, id string) (*Key, error) {
	if err := a.Managed(); err != nil {
		return nil, err
	}
	if !isText(id) { // which some databases answer with an error
		return nil, ErrNotFound
	}
	return a.managed.Get(ctx, id)
}

// Keys returns the keys that q selects, newest first. A zero Limit means 50; there is no
// maximum. The error
// is a [FieldError] for a negative one, or an After that is no ID.
func (a *Authority) Keys(ctx context.Context, q Query) ([]*Key, error) {
	if err := a.Managed(); err != nil {
		return nil, err
	}
	setDefault(&q.Limit, defaultPage)
	if q.Limit < 0 {
		return nil, &FieldError{Field: "limit", Problem: "must be at least 1, or 0 for the default"}
	}
	if !isText(q.After) {
		return nil, &FieldError{Field: "after", Problem: "must be the ID of a key"}
	}
	if !isText(q.Search) {
		return nil, nil // no key has it: see stored
	}
	keys, err := a.managed.List(ctx, q)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		keys[i] = key.withoutDigests()
	}
	return keys, nil
}

// Update changes the key to what spec says, if its Version is still version. The
// error wraps [ErrNotFound], [ErrConflict] where the version is another,
// [ErrNotDelegated], or joins a [FieldError] for each mistake in spec. A revoked
// key stays revoked.
func (a *Authority) Update(ctx context.Context, id string, version int64, spec KeySpec) (*Key, error) {
	return a.change(ctx, id, ActionUpdate, func(key *Key, now time.Time) error {
		if key.Version != version {
			return ErrConflict
		}
		if err := spec.validate(a.opts.Catalog, key, now); err != nil {
			return err
		}
		spec.apply(key)
		return nil
	})
}

// Rotate gives the key a new generated text. The one before it opens the key for
// the overlap, 0 to 30 days; one that an earlier rotation left opens it no more.
// The error wraps [ErrKeyRevoked] for a revoked key.
func (a *Authority) Rotate(
	ctx context.Context, id string, overlap time.Duration, only ...Precondition,
) (*Key, Secret, error) {
	return a.rotate(ctx, id, overlap, a.generated(), only)
}

// RotateCustom is [Authority.Rotate] to a text of the caller's choice, to which
// the rules of [Authority.IssueCustom] apply.
func (a *Authority) RotateCustom(
	ctx context.Context, id string, overlap time.Duration, text string, only ...Precondition,
) (*Key, error) {
	key, _, err := a.rotate(ctx, id, overlap, newText{text: text}, only)
	return key, err
}

func (a *Authority) rotate(
	ctx context.Context, id string, overlap time.Duration, text newText, only []Precondition,
) (*Key, Secret, error) {
	problem := text.validate()
	if overlap < 0 || overlap > maxOverlap {
		problem = errors.Join(problem, &FieldError{Field: "overlap", Problem: "must be from 0 to 720 hours"})
	}
	if problem != nil {
		return nil, Secret{}, problem
	}
	rotatable := func(key *Key, _ time.Time) error {
		if err := checkAll(only, key); err != nil {
			return err
		}
		if !key.RevokedAt.IsZero() {
			return fmt.Errorf("%w: it cannot be rotated", ErrKeyRevoked)
		}
		return nil
	}
	replace := func(key *Key, now time.Time) error {
		credential, err := a.credential(ctx, text, now)
		if err != nil {
			return err
		}
		before := key.Credentials
		key.Credentials = []Credential{credential}
		if overlap > 0 && len(before) > 0 {
			last := before[0]
			last.ExpiresAt = storable(now.Add(overlap))
			key.Credentials = append(key.Credentials, last)
		}
		return nil
	}
	key, err := a.change(ctx, id, ActionRotate, rotatable, replace)
	if err != nil {
		return nil, Secret{}, err
	}
	return key, text.secret(), nil
}

// Revoke ends the key for good. Its text stays in use, and the key in the list.
// Revoking a revoked key changes nothing.
func (a *Authority) Revoke(ctx context.Context, id string, only ...Precondition) (*Key, error) {
	return a.change(ctx, id, ActionRevoke, func(key *Key, now time.Time) error {
		if err := checkAll(only, key); err != nil {
			return err
		}
		if !key.RevokedAt.IsZero() {
			return errUnchanged
		}
		key.RevokedAt = storable(now)
		return nil
	})
}

// Delete removes the key from the store, and frees its text. The access log keeps its
// entries, and gets one more. Deleting a key that is not there is no error.
func (a *Authority) Delete(ctx context.Context, id string, only ...Precondition) error {
	key, err := a.stored(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := checkAll(only, key); err != nil {
		return err
	}
	if err := a.delegate(ctx, ActionDelete, key, nil); err != nil {
		return err
	}
	return a.write(ctx, ActionDelete, key, nil, func() error { return a.managed.Delete(ctx, id) })
}

// write makes a change to a key in the store, if it can be recorded where it must be,
// and records it. One of before and after may be nil. An error of the store may have
// come after the change.
func (a *Authority) write(ctx context.Context, action Action, before, after *Key, do func() error) error {
	if err := a.auditable(); err != nil {
		return err
	}
	err := do()
	a.changed(keyIDOf(before, after))
	if isRefusal(err) {
		a.recorder.forgo()
		return err
	}
	a.audit(ctx, action, before, after, err != nil)
	return err
}

// isRefusal reports whether the store says by err that it changed nothing.
func isRefusal(err error) bool {
	is := func(refusal error) bool { return errors.Is(err, refusal) }
	return slices.ContainsFunc([]error{ErrNotFound, ErrConflict, ErrExists, ErrInUse}, is)
}

// errUnchanged is what an edit returns that finds nothing to do.
var errUnchanged = errors.New("apikey: nothing to change")

// An edit changes a key that was read, or says why not. It may run several times.
type edit func(key *Key, now time.Time) error

// change reads the key, lets do change it and writes it back, again where
// another change came in between. What is in then runs only on behalf of an
// actor who may make the change.
func (a *Authority) change(ctx context.Context, id string, action Action, do edit, then ...edit) (*Key, error) {
	for attempt := 1; ; attempt++ {
		before, err := a.stored(ctx, id)
		if err != nil {
			return nil, err
		}
		after, now := before.Clone(), time.Now()
		err = do(after, now)
		if err != nil && !errors.Is(err, errUnchanged) {
			return nil, err
		}
		if refused := a.delegate(ctx, action, before, after); refused != nil {
			return nil, refused
		}
		if errors.Is(err, errUnchanged) {
			a.changed(id) // another node made the change, of which the feed may not have told yet
			return before.withoutDigests(), nil
		}
		for _, edit := range then {
			if err := edit(after, now); err != nil {
				return nil, err
			}
		}
		after.UpdatedAt = storable(now)
		err = a.write(ctx, action, before, after, func() error { return a.managed.Update(ctx, after) })
		if err == nil {
			after.Version++
			return after.withoutDigests(), nil
		}
		if !errors.Is(err, ErrConflict) || attempt == maxAttempts {
			return nil, err
		}
	}
}
