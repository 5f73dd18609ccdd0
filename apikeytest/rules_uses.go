package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-be062aaa/apikey"
)

// A recorder is what RecordUses is checked on.
type recorder interface {
	apikey.ManagedStore
	apikey.UseRecorder
}

const (
	saysUses = "RecordUses sets LastUsedAt of each key that exists and is not revoked to At, unless it is later " +
		"already. It never creates a key, and changes neither Version nor UpdatedAt."
	saysMoves = "Where a Use has a To, the key's credential with the digest From gets the digest To instead, if From is " +
		"still there and To is in use nowhere."
	saysPasses = "A Use that does not apply is passed over and is no error."
)

var useRules = []rule[recorder]{
	{"RecordUses sets LastUsedAt", saysUses, usesSet},
	{"RecordUses never goes back", saysUses, usesNeverGoBack},
	{"RecordUses never creates a key", saysUses, usesNeverCreate},
	{"RecordUses leaves revoked keys alone", saysUses, usesLeaveRevoked},
	{"RecordUses and Update spare each other", saysUses, usesSpareUpdates},
	{"RecordUses takes large batches", saysUses, usesTakeLargeBatches},
	{"RecordUses moves a credential", saysMoves, usesMove},
	{"RecordUses moves only what is there", saysMoves, usesMoveOnlyOwn},
	{"RecordUses passes over what does not apply", saysPasses, usesPassOver},
}

func record(ctx context.Context, store recorder, uses ...apikey.Use) error {
	if err := store.RecordUses(ctx, uses); err != nil {
		return fmt.Errorf("RecordUses of %d uses: %w", len(uses), err)
	}
	return nil
}

func usesSet(ctx context.Context, store recorder) error {
	plain := newKey("plain", digest("plain"))
	fresh := newKey("fresh", digest("fresh, newer"), digest("fresh, older"))
	fresh.LastUsedAt = time.Time{}
	disabled := newKey("disabled", digest("disabled"))
	disabled.Disabled = true
	expired := newKey("expired", digest("expired"))
	expired.ExpiresAt = epoch
	unused := newKey("unused", digest("unused"))
	keys := []*apikey.Key{plain, fresh, disabled, expired}
	if err := errors.Join(createAll(ctx, store, unused), createAll(ctx, store, keys...)); err != nil {
		return err
	}
	var uses []apikey.Use
	for i, key := range keys {
		key.LastUsedAt = epoch.Add(24*time.Hour + time.Duration(i)*time.Microsecond)
		uses = append(uses, apikey.Use{KeyID: key.ID, At: key.LastUsedAt})
	}
	if err := record(ctx, store, uses...); err != nil {
		return err
	}
	for _, key := range append(keys, unused) {
		if err := holds(ctx, store, key); err != nil {
			return err
		}
	}
	return nil
}

func usesNeverGoBack(ctx context.Context, store recorder) error {
	key, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	latest := key.LastUsedAt.Add(time.Hour)
	key.LastUsedAt = latest
	for _, at := range []time.Time{latest, latest, latest.Add(-time.Microsecond), epoch, time.Unix(0, 0)} {
		err := record(ctx, store, apikey.Use{KeyID: "k", At: at})
		if err := errors.Join(err, holds(ctx, store, key)); err != nil {
			return err
		}
	}
	return nil
}

func usesNeverCreate(ctx context.Context, store recorder) error {
	key, err := create(ctx, store, "deleted")
	if err != nil {
		return err
	}
	if err := store.Delete(ctx, "deleted"); err != nil {
		return fmt.Errorf("Delete: %w", err)
	}
	at := key.LastUsedAt.Add(time.Hour)
	return errors.Join(
		record(ctx, store,
			apikey.Use{KeyID: "deleted", At: at},
			apikey.Use{KeyID: "never", At: at},
			apikey.Use{KeyID: "deleted", At: at, From: digest("deleted"), To: digest("moved")}),
		record(ctx, store),
		listed(ctx, store, apikey.Query{Limit: 10}, nil),
		absent(ctx, store, "a deleted key", digest("deleted")),
		absent(ctx, store, "a deleted key's moved credential", digest("moved")),
	)
}

func usesLeaveRevoked(ctx context.Context, store recorder) error {
	key := newKey("revoked", digest("revoked"))
	key.RevokedAt = epoch.Add(2 * time.Hour)
	at := epoch.Add(3 * time.Hour)
	return errors.Join(
		createAll(ctx, store, key),
		record(ctx, store,
			apikey.Use{KeyID: "revoked", At: at},
			apikey.Use{KeyID: "revoked", At: at, From: digest("revoked"), To: digest("moved")}),
		holds(ctx, store, key),
		absent(ctx, store, "a revoked key's moved credential", digest("moved")),
	)
}

// usesSpareUpdates lets both write to one key at once: neither may write back
// what it read before the other wrote.
func usesSpareUpdates(ctx context.Context, store recorder) error {
	key, err := create(ctx, store, "k")
	if err != nil {
		return err
	}
	const rounds = 25
	last := key.LastUsedAt.Add(rounds * time.Second)
	if err := together(2, func(n int) error {
		for i := range rounds {
			var err error
			if n == 0 {
				err = record(ctx, store, apikey.Use{KeyID: "k", At: last.Add(time.Duration(i+1-rounds) * time.Second)})
			} else {
				key.Name = fmt.Sprint("round ", i)
				err = update(ctx, store, key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	key.LastUsedAt = last
	return holds(ctx, store, key)
}

func usesTakeLargeBatches(ctx context.Context, store recorder) error {
	const n = 5000
	uses := make([]apikey.Use, n)
	at := epoch.Add(48 * time.Hour)
	for i := range uses {
		uses[i] = apikey.Use{KeyID: fmt.Sprintf("k%04d", i), At: at}
	}
	var keys []*apikey.Key
	for _, i := range []int{0, 1, 499, 500, 1000, 2500, n - 2, n - 1} {
		key, err := create(ctx, store, uses[i].KeyID)
		if err != nil {
			return err
		}
		moved := digest(fmt.Sprint("moved ", i))
		uses[i].From, uses[i].To = key.Credentials[0].Digest, moved
		key.Credentials[0].Digest, key.LastUsedAt = moved, at
		keys = append(keys, key)
	}
	if err := record(ctx, store, uses...); err != nil {
		return err
	}
	for _, key := range keys {
		if err := holds(ctx, store, key); err != nil {
			return err
		}
	}
	return listed(ctx, store, apikey.Query{Limit: n}, keys)
}

func usesMove(ctx context.Context, store recorder) error {
	key := newKey("k", digest("newer"), digest("older"))
	if err := createAll(ctx, store, key); err != nil {
		return err
	}
	key.LastUsedAt = key.LastUsedAt.Add(time.Hour)
	key.Credentials[1].Digest = digest("moved")
	use := apikey.Use{KeyID: "k", At: key.LastUsedAt, From: digest("older"), To: digest("moved")}
	if err := errors.Join(
		record(ctx, store, use),
		holds(ctx, store, key),
		absent(ctx, store, "a digest that was moved away", digest("older")),
		record(ctx, store, use),
		holds(ctx, store, key),
	); err != nil {
		return err
	}
	heir := newKey("heir", digest("older"))
	return errors.Join(createAll(ctx, store, heir), holds(ctx, store, heir), holds(ctx, store, key))
}

func usesMoveOnlyOwn(ctx context.Context, store recorder) error {
	a, errA := create(ctx, store, "a")
	b, errB := create(ctx, store, "b")
	return errors.Join(
		errA, errB,
		record(ctx, store,
			apikey.Use{KeyID: "a", At: epoch, From: digest("nowhere"), To: digest("moved")},
			apikey.Use{KeyID: "a", At: epoch, From: digest("b"), To: digest("moved")},
			apikey.Use{KeyID: "missing", At: epoch, From: digest("b"), To: digest("moved")}),
		holds(ctx, store, a),
		holds(ctx, store, b),
		absent(ctx, store, "a digest that nothing should move to", digest("moved")),
	)
}

// usesPassOver leaves open whether a Use that moves nothing sets LastUsedAt.
func usesPassOver(ctx context.Context, store recorder) error {
	first, errFirst := create(ctx, store, "first")
	last, errLast := create(ctx, store, "last")
	a := newKey("a", digest("a, newer"), digest("a, older"))
	revoked := newKey("revoked", digest("revoked"))
	revoked.RevokedAt = epoch
	if err := errors.Join(errFirst, errLast, createAll(ctx, store, a, revoked)); err != nil {
		return err
	}
	at := first.LastUsedAt.Add(time.Hour)
	first.LastUsedAt, last.LastUsedAt = at, at
	last.Credentials[0].Digest = digest("moved")
	return errors.Join(
		record(ctx, store,
			apikey.Use{KeyID: "first", At: at},
			apikey.Use{KeyID: "a", At: a.LastUsedAt, From: digest("a, newer"), To: digest("revoked")},
			apikey.Use{KeyID: "a", At: a.LastUsedAt, From: digest("a, newer"), To: digest("first")},
			apikey.Use{KeyID: "a", At: a.LastUsedAt, From: digest("a, newer"), To: digest("a, older")},
			apikey.Use{KeyID: "missing", At: at, From: digest("a, newer"), To: digest("moved")},
			apikey.Use{KeyID: "last", At: at, From: digest("last"), To: digest("moved")}),
		holds(ctx, store, first),
		holds(ctx, store, a),
		holds(ctx, store, revoked),
		holds(ctx, store, last),
	)
}
