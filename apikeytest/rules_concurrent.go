package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-be062aaa/apikey"
)

// worksConcurrently has writers that each change a key of their own over and
// over, and readers that look all of them up meanwhile.
func worksConcurrently(ctx context.Context, store apikey.ManagedStore) error {
	const writers, readers, rounds = 8, 24, 4
	done := make(chan struct{})
	var reading sync.WaitGroup
	errs := make([]error, readers)
	for r := range readers {
		reading.Go(func() {
			for i := r; errs[r] == nil; i++ {
				select {
				case <-done:
					return
				default:
					errs[r] = observe(ctx, store, i%writers, i/writers%(2*rounds))
				}
			}
		})
	}
	err := together(writers, func(w int) error {
		for round := range rounds {
			if err := live(ctx, store, w, 2*round); err != nil {
				return err
			}
		}
		return nil
	})
	close(done)
	reading.Wait()
	return errors.Join(append(errs, err)...)
}

// writerKey returns what writer w stores in a step: a key whose every text says
// the same, so that one torn between two steps shows.
func writerKey(w, step int) *apikey.Key {
	id := fmt.Sprintf("writer%d", w)
	key := newKey(id, digest(fmt.Sprint(id, " step ", step)), digest(fmt.Sprint(id, " older ", step)))
	text := fmt.Sprint(id, " step ", step)
	key.Name, key.Description, key.Subject = text, text, text
	key.Metadata = map[string]string{"text": text}
	key.Credentials[0].Hint, key.Credentials[1].Hint = fmt.Sprint(step), fmt.Sprint(step)
	return key
}

// live takes a key through its life, and checks each step.
func live(ctx context.Context, store apikey.ManagedStore, w, step int) error {
	first, second := writerKey(w, step), writerKey(w, step+1)
	if err := errors.Join(createAll(ctx, store, first), holds(ctx, store, first)); err != nil {
		return err
	}
	if err := errors.Join(
		update(ctx, store, second),
		holds(ctx, store, second),
		absent(ctx, store, "a digest that Update took away", first.Credentials[0].Digest),
	); err != nil {
		return err
	}
	if err := store.Delete(ctx, second.ID); err != nil {
		return fmt.Errorf("Delete: %w", err)
	}
	return absent(ctx, store, "a deleted key", second.Credentials[0].Digest)
}

// observe looks up what writer w may have stored in a step.
func observe(ctx context.Context, store apikey.Store, w, step int) error {
	want := writerKey(w, step)
	for _, c := range want.Credentials {
		key, err := store.Lookup(ctx, c.Digest)
		if errors.Is(err, apikey.ErrNotFound) {
			continue
		}
		if err == nil && key != nil {
			want.Version = key.Version // 1 or 2, by whether the step is an Update
		}
		if err := same("Lookup, beside writers,", key, err, want); err != nil {
			return err
		}
	}
	return nil
}
