// Command nethttp is a server on net/http alone: routes, permissions, and the
// management API under a prefix of an http.ServeMux.
//
//	go run ./examples/nethttp
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/admin"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:8082")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(run(context.Background(), apikey.NewMemoryStore(), listener, os.Stdout))
}

func run(ctx context.Context, store apikey.Store, listener net.Listener, output io.Writer) error {
	auth, err := apikey.New(ctx, store, nil)
	if err != nil {
		return err
	}
	keys, err := admin.NewAPI(auth, admin.ByKey(auth), nil)
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("GET /variables/{name}", auth.Require(apikey.Variables)(http.HandlerFunc(variable)))
	mux.Handle("/keys", http.StripPrefix("/keys", keys))
	mux.Handle("/keys/", http.StripPrefix("/keys", keys))

	base := "http://" + listener.Addr().String()
	first := apikey.KeySpec{Name: "first", Permissions: []apikey.Permission{apikey.Native}}
	if _, secret, err := auth.Bootstrap(ctx, first, ""); err == nil {
		fmt.Fprintf(output, "try: curl -H 'X-ApiKey: %s' %s/variables/color\n", secret.Reveal(), base)
		fmt.Fprintf(output, "and: curl -H 'X-ApiKey: %s' %s/keys\n", secret.Reveal(), base)
	} else if !errors.Is(err, apikey.ErrBootstrapped) { // a store that lasts has its key already
		return err
	}
	return http.Serve(listener, mux)
}

func variable(w http.ResponseWriter, r *http.Request) {
	key, _ := apikey.FromContext(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8") // or a key's name could make it HTML
	fmt.Fprintf(w, "%s asks for %s\n", key.Name, r.PathValue("name"))
}
