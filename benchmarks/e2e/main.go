// Command e2e measures whole servers over loopback, with wrk as their client. Each
// round runs all cases in another order; what it prints is read by benchstat and by
// ../cmd/report.
//
//	go run ./e2e [-rounds 10] [-duration 2s] [-connections 64] [-heap 64] [-case REGEXP]
//
// Servers run in processes of their own: this program started again with -serve.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

type options struct {
	rounds, connections, heap int
	duration                  time.Duration
	cases                     *regexp.Regexp
}

func main() {
	var o options
	serveName := flag.String("serve", "", "be that server, with files in the directory given as argument")
	pattern := flag.String("case", ".", "the cases to run")
	flag.IntVar(&o.rounds, "rounds", 10, "how often each case is run")
	flag.IntVar(&o.connections, "connections", 64, "how many connections wrk keeps")
	flag.IntVar(&o.heap, "heap", peers.Held, "how many megabytes each server holds in memory, besides its keys")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "how long each run is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o.cases = regexp.MustCompile(*pattern)
	do := o.run
	if *serveName != "" {
		do = func(ctx context.Context) error { return serve(ctx, *serveName, flag.Arg(0), o.heap) }
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1) //nolint:gocritic // the signals need no restoring
	}
}

func (o *options) run(ctx context.Context) (err error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: skipped: wrk is not installed (apt-get install wrk)")
		return nil
	}
	dir, err := os.MkdirTemp("", "apikey-e2e-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var chosen []testCase
	for _, c := range cases() {
		if o.cases.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	fleet := fleet{dir: dir, heap: o.heap, servers: map[string]*process{}}
	defer func() { err = errors.Join(err, fleet.stop()) }()
	for range o.rounds {
		//nolint:gosec // an order, not a secret
		rand.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		for _, c := range chosen {
			server, err := fleet.server(ctx, c.server)
			if err != nil {
				return err
			}
			if err := o.measure(ctx, &c, server); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}
