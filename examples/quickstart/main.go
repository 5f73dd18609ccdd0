// Command quickstart is a server with one guarded route, and the key to it.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
)

func main() {
	ctx := context.Background()
	auth, err := apikey.New(ctx, apikey.NewMemoryStore(), nil)
	if err != nil {
		log.Fatal(err)
	}
	_, secret, err := auth.Issue(ctx, apikey.KeySpec{Name: "demo", Permissions: []apikey.Permission{apikey.JobsView}})
	if err != nil {
		log.Fatal(err)
	}

	r := chi.NewRouter()
	r.With(auth.Require(apikey.JobsView)).Get("/jobs", func(w http.ResponseWriter, r *http.Request) {
		key, _ := apikey.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s\n", key.Name)
	})

	fmt.Printf("try: curl -H 'X-ApiKey: %s' http://127.0.0.1:8080/jobs\n", secret.Reveal())
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", r))
}
