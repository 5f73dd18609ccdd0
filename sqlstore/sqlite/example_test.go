package sqlite_test

import (
	"context"
	"fmt"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/sqlstore/sqlite"
)

func ExampleOpen() {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, "keys.db")
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
