// Command otter serves the API of Inedo Otter, as far as it is documented, over
// a small domain in memory, with every route behind the permission that Otter
// asks for. It shows how a server embeds apikey. Of a server's properties it
// leaves some out: package domain names them.
//
//	go run ./examples/otter
//
// The keys are kept in otter.db, so a second run finds them again.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/examples/otter/internal/domain"
)

const (
	bootstrapEnv = "OTTER_BOOTSTRAP_KEY"
	// drainTime is how long requests in flight, and then what is still to be
	// written, may take once the server is told to stop.
	drainTime = 10 * time.Second
	// readTimeout is how long a request may take to arrive. It leaves drainTime some
	// seconds, or who announces a body and sends none would make every stop fail.
	// With it net/http ends the handler's context: those here that take longer only
	// write, which needs none.
	readTimeout = drainTime - 3*time.Second
	// writeTimeout counts to the last byte of an answer, and that may be a large
	// package on a slow line.
	writeTimeout = 5 * time.Minute
)

type config struct {
	addr         string
	store        string
	errors       string
	bootstrapKey string
}

func main() {
	os.Exit(command(os.Args[1:]))
}

// command runs the command and returns its exit status.
func command(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	c, err := parse(args, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // parse has said why
	}
	if err := run(ctx, c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "otter:", err)
		return 1
	}
	return 0
}

func parse(args []string, output io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("otter", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8626", "`address` to listen on")
	flags.StringVar(&c.store, "store", "sqlite:otter.db", "`store` of the keys: "+legalStores)
	flags.StringVar(&c.errors, "errors", "otter", "`style` of refusals: otter or problem; "+
		"/api/api-keys and /administration keep their own")
	flags.StringVar(&c.bootstrapKey, "bootstrap-key", "",
		"`text` of the first key of an empty store; any user of this machine can see it, unlike that in "+bootstrapEnv)
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		name, _, _ := strings.Cut(flags.Arg(0), "=") // of a DSN without quotes this may be password=…
		err := fmt.Errorf("unexpected argument %q; all settings are flags, see -h", name)
		fmt.Fprintln(output, "otter:", err)
		return c, err
	}
	c.bootstrapKey = cmp.Or(c.bootstrapKey, os.Getenv(bootstrapEnv))
	return c, nil
}

// run serves until ctx is done, then finishes the requests in flight and writes
// what is still in memory.
func run(ctx context.Context, c config, output io.Writer) (err error) {
	style, ok := map[string]apikey.ErrorHandler{"otter": apikey.OtterErrors, "problem": apikey.ProblemErrors}[c.errors]
	if !ok {
		return fmt.Errorf("-errors %q: legal are otter and problem", c.errors)
	}
	store, closeStore, err := openStore(ctx, c.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	auth, err := apikey.New(ctx, store, &apikey.Options{Prefix: "otter", Log: logOptions(store)})
	if err != nil {
		return err
	}
	defer func() {
		flushCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err = errors.Join(err, auth.Shutdown(flushCtx))
	}()
	handler, err := newHandler(auth, style, domain.Seeded())
	if err != nil {
		return err
	}
	listener, err := listen(ctx, c.addr)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	if err := bootstrap(ctx, auth, c.bootstrapKey, base, output); err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintln(output, "listening on", base)
	return serve(ctx, listener, handler)
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	const legal = "legal is HOST:PORT, free on this machine"
	if strings.Trim(addr, ":") == "" { // to net it is any port, on all interfaces
		return nil, fmt.Errorf("-addr %q: %s", addr, legal)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-addr %q: %w; %s", addr, err, legal)
	}
	return listener, nil
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:      handler,
		ReadTimeout:  readTimeout,
		WriteTimeout: writeTimeout,
		IdleTimeout:  2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drainCtx); err != nil {
		err = fmt.Errorf("requests in flight did not end in %s: %w", drainTime, err)
		return errors.Join(err, server.Close()) // they are cut off before the store is closed under them
	}
	return nil
}

// firstKeyText is what is printed of a generated first key.
const firstKeyText = `made the first key, with full control; it is shown this once:

  %s

try it:

  curl -H 'X-ApiKey: %s' %s/api/json/Servers_GetServers

manage keys, as user api with that key as password:

  %s/administration/api-keys

`

// bootstrap makes the first key of an empty store, and tells how to use it.
func bootstrap(ctx context.Context, auth *apikey.Authority, text, base string, output io.Writer) error {
	_, secret, err := auth.Bootstrap(ctx, apikey.KeySpec{
		Name:        "first key",
		Description: "Made at the first start; full control",
		Permissions: []apikey.Permission{apikey.Native},
	}, text)
	switch {
	case errors.Is(err, apikey.ErrBootstrapped):
		return explainIgnored(ctx, auth, text, output)
	case err != nil && text != "":
		return fmt.Errorf("making the first key of the text in -bootstrap-key or %s: %w", bootstrapEnv, err)
	case err != nil:
		return fmt.Errorf("making the first key: %w", err)
	case text != "":
		fmt.Fprintln(output, "made the first key, with full control, of the text given")
	default:
		fmt.Fprintf(output, firstKeyText, secret.Reveal(), secret.Reveal(), base, base)
	}
	return nil
}

// explainIgnored says so where a bootstrap key was given in vain.
func explainIgnored(ctx context.Context, auth *apikey.Authority, text string, output io.Writer) error {
	if text == "" {
		return nil
	}
	_, err := auth.Authenticate(ctx, text)
	switch {
	case errors.Is(err, apikey.ErrStoreFailed):
		return err
	case err != nil:
		fmt.Fprintln(output, "ignored the bootstrap key: the store holds keys already, and this opens none of them")
	}
	return nil
}
