package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	pingEvery = time.Second
	// silence is how long nothing comes, answers to pings included, until a
	// connection counts as dead.
	silence = 4 * time.Second
)

var errSilent = errors.New("the connection is dead: nothing came for 4 seconds")

// Watch implements [apikey.ChangeFeed], by a subscription on a connection of its
// own. It returns within 5 seconds of the moment at which the connection died,
// also where nobody closed it.
//
// In a Cluster it listens to the node that the store is on. Redis passes messages
// on to all nodes of a Cluster, and to replicas.
func (s *Store) Watch(ctx context.Context, changed func(id string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	// A timer, for whatever else could look at a clock may be waiting for the lock
	// under which go-redis connects; cancelling ends that.
	deadline := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer deadline.Stop()
	sub := s.client.Subscribe(ctx, s.channel)
	guarded := make(chan struct{})
	go func() {
		defer close(guarded)
		cancel(ping(ctx, sub))
		_ = sub.Close() // which ends receive; there is nobody to tell of an error
	}()
	err := s.receive(ctx, sub, deadline, changed)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cancel(err)
	<-guarded
	return failed("watching for changes", err)
}

// receive tells of changes until the connection or ctx ends.
func (s *Store) receive(
	ctx context.Context, sub *redis.PubSub, deadline *time.Timer, changed func(id string),
) error {
	for {
		message, err := sub.Receive(ctx)
		if err != nil {
			return err // go-redis may be connected again already, but something may have been missed
		}
		deadline.Reset(silence)
		switch m := message.(type) {
		case *redis.Subscription:
			// The first one; or go-redis has replaced the connection by itself.
			if _, _, err := s.field(ctx, identityField); err != nil {
				return err
			}
			changed("")
		case *redis.Message:
			if m.Payload != "" {
				changed(m.Payload)
			}
		}
	}
}

// ping asks for a sign of life now and then. It returns why it cannot.
func ping(ctx context.Context, sub *redis.PubSub) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := sub.Ping(ctx); err != nil {
				return err
			}
		}
	}
}
