package redisstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/redisstore"
)

func ExampleOpen() {
	ctx := context.Background()
	store, err := redisstore.Open(ctx, "redis://localhost:6379/0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	auth, err := apikey.New(ctx, store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Serve, and at the end:
	fmt.Println(auth.Shutdown(ctx), store.Close())
}

// A client of the host's own: here of a Cluster, whose store was begun before, so
// that a process that restarts does not take lost data for a fresh start. It keeps a
// week of access log, or less where that would take more than 256 MiB.
func ExampleNew() {
	ctx := context.Background()
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:                 []string{"redis-1:6379", "redis-2:6379", "redis-3:6379"},
		ContextTimeoutEnabled: true,
	})
	store, err := redisstore.New(ctx, client, &redisstore.Options{
		Prefix: "orders", MustExist: true,
		Log: redisstore.LogOptions{MaxAge: 7 * 24 * time.Hour, MaxBytes: 256 << 20},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	auth, err := apikey.New(ctx, store, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Serve, and at the end:
	fmt.Println(auth.Shutdown(ctx), client.Close())
}
