package apikeytest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/seed-be062aaa/apikey"
)

var feedFaults = []faultRow{
	{"Watch begins without a word", []string{"Watch says when it has begun"}, telling(func(_ full, id string) bool { return id != "" })},
	{"Watch does not tell of what is deleted", []string{"Watch tells of keys created, updated and deleted"}, telling(func(s full, id string) bool {
		_, err := s.Get(context.Background(), id)
		return id == "" || !errors.Is(err, apikey.ErrNotFound)
	})},
	{"Watch loses one change in a hundred", []string{"Watch tells of all that many change at once"}, func() fault {
		var told atomic.Int64
		return telling(func(full, string) bool { return told.Add(1)%100 != 0 })()
	}},
	{"Watch ends late", []string{"Watch ends with its context"}, func() fault {
		return fault{watch: func(s full, ctx context.Context, changed func(string)) error {
			err := s.Watch(ctx, changed)
			time.Sleep(time.Minute)
			return err
		}}
	}},
	{"Watch ends without a reason", []string{"Watch ends with its context"}, func() fault {
		return fault{watch: func(s full, ctx context.Context, changed func(string)) error {
			_ = s.Watch(ctx, changed)
			return nil
		}}
	}},
	{"Watch leaves somebody behind who tells on", []string{"Watch is quiet once it has ended"}, func() fault {
		return fault{watch: func(s full, ctx context.Context, changed func(string)) error {
			longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			go func() {
				defer cancel()
				_ = s.Watch(longer, func(id string) {
					pause()
					changed(id)
				})
			}()
			<-ctx.Done()
			return ctx.Err()
		}}
	}},
	{"Watch works once", []string{"Watch can be called again"}, func() fault {
		var calls atomic.Int64
		return fault{watch: func(s full, ctx context.Context, changed func(string)) error {
			if calls.Add(1) > 1 {
				return errors.New("map: already watched")
			}
			return s.Watch(ctx, changed)
		}}
	}},
}

// telling returns a store whose Watch keeps to itself what is not to be told.
func telling(is func(s full, id string) bool) func() fault {
	return func() fault {
		return fault{watch: func(s full, ctx context.Context, changed func(string)) error {
			return s.Watch(ctx, func(id string) {
				if is(s, id) {
					changed(id)
				}
			})
		}}
	}
}
