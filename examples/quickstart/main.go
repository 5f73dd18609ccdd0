// Command quickstart is a server with one guarded route, and the key to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

func main() {
	auth, err := apikey.New(context.Background(), apikey.NewMemoryStore(), nil)
	if err != nil {
		log.Fatal(err)
	}
	page, err := admin.NewPage(auth, admin.ByKey(auth), nil)
	if err != nil {
		log.Fatal(err)
	}
	r := chi.NewRouter()
	r.Mount("/keys", page) // for browsers: user api, the key as password
	r.With(auth.Require(apikey.JobsView)).Get("/jobs", func(w http.ResponseWriter, r *http.Request) {
		key, _ := apikey.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s\n", key.Name)
	})
	first := apikey.KeySpec{Name: "demo", Permissions: []apikey.Permission{apikey.Native}}
	if _, secret, err := auth.Bootstrap(context.Background(), first, ""); err == nil {
		fmt.Printf("try: curl -H 'X-ApiKey: %s' http://127.0.0.1:8080/jobs\n", secret.Reveal())
	} else if !errors.Is(err, apikey.ErrBootstrapped) { // a store that lasts has its key already
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", r))
}
