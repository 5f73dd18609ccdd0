package postgres_test

import (
	"context"
	"fmt"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/postgres"
)

func ExampleOpen() {
	ctx := context.Background()
	store, err := postgres.Open(ctx, "postgres://app@db.example.org/app", nil)
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
