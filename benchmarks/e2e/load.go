package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

//go:embed wrk.lua
var script []byte

// measure runs wrk once and prints what it has seen.
func (o *options) measure(ctx context.Context, c *testCase, server *process) error {
	if err := server.probe(ctx, c); err != nil {
		return err
	}
	before, logs, err := server.stats(ctx)
	if err != nil {
		return err
	}
	rate, err := o.load(ctx, c, server.url)
	if err != nil {
		return err
	}
	after, _, err := server.stats(ctx)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("BenchmarkEndToEnd/%s\t1\t%.0f req/s", c.name, rate)
	if logs {
		line += fmt.Sprintf("\t%d drops\t%d waiting", after.Dropped-before.Dropped, after.Waiting)
	}
	fmt.Println(line)
	return server.settle(ctx)
}

var (
	rateLine    = regexp.MustCompile(`Requests/sec:\s*([\d.]+)`)
	countLine   = regexp.MustCompile(`(\d+) requests in `)
	refusedLine = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	errorLine   = regexp.MustCompile(`Socket errors: .*`)
)

// load returns how many requests were answered in a second.
func (o *options) load(ctx context.Context, c *testCase, url string) (float64, error) {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("apikey-e2e-%d.lua", os.Getpid()))
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(file) }()
	manner := "same"
	if c.varying {
		manner = "varying"
	}
	whole := max(1, int(o.duration.Seconds())) // wrk knows no fractions
	args := []string{
		"-t1", "-c", strconv.Itoa(o.connections), "-d", fmt.Sprintf("%ds", whole), "-s", file, url + peers.Path,
		"--", manner, c.body,
	}
	//nolint:gosec // its arguments are this program's own
	out, err := exec.CommandContext(ctx, "wrk", append(args, c.keys...)...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	return c.rate(out)
}

// rate finds it in what wrk says, if all requests were answered as they are to be.
func (c *testCase) rate(out []byte) (float64, error) {
	if found := errorLine.Find(out); found != nil {
		return 0, fmt.Errorf("wrk: %s", found)
	}
	requests, refused, want := countIn(out, countLine), countIn(out, refusedLine), 0
	if c.refused {
		want = requests
	}
	if requests == 0 || refused != want {
		return 0, fmt.Errorf("%d of %d requests were refused\n%s", refused, requests, out)
	}
	found := rateLine.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("no rate in what wrk says:\n%s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// countIn returns the number that the line has, and 0 where there is no such line.
func countIn(out []byte, line *regexp.Regexp) int {
	found := line.FindSubmatch(out)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(found[1])) // it has digits only
	return n
}
