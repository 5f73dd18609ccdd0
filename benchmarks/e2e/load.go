package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

//go:embed wrk.lua
var script []byte

// measure runs wrk once and prints what it has seen. It waits until the server has
// written its log, so that the next case has the machine to itself.
func (o *options) measure(ctx context.Context, c *testCase, server *process) error {
	before, err := server.stats(ctx)
	if err != nil {
		return err
	}
	rate, err := o.load(ctx, c, server.url)
	if err != nil {
		return err
	}
	after, err := server.stats(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("BenchmarkEndToEnd/%s\t1\t%.0f req/s\t%d drops\t%d waiting\n",
		c.name, rate, after.Dropped-before.Dropped, after.Waiting)
	for after.Waiting > 0 {
		time.Sleep(50 * time.Millisecond)
		if after, err = server.stats(ctx); err != nil {
			return err
		}
	}
	return nil
}

var (
	rateLine    = regexp.MustCompile(`Requests/sec:\s*([\d.]+)`)
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
	//nolint:gosec // its arguments are this program's own
	wrk := exec.CommandContext(ctx, "wrk", "-t1", "-c", strconv.Itoa(o.connections), "-d", fmt.Sprintf("%ds", whole),
		"-s", file, url+peers.Path, "--", manner, c.key, strconv.Itoa(c.body))
	out, err := wrk.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	if found := errorLine.Find(out); found != nil {
		return 0, fmt.Errorf("wrk: %s", found)
	}
	if refused := refusedLine.Match(out); refused != c.refused {
		return 0, fmt.Errorf("requests refused: %t, expected: %t\n%s", refused, c.refused, out)
	}
	found := rateLine.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("no rate in what wrk says:\n%s", out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// stats asks the server how its log fares.
func (p *process) stats(ctx context.Context) (stats apikey.LogStats, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.statsURL, http.NoBody)
	if err != nil {
		return stats, err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return stats, err
	}
	defer answer.Body.Close()
	err = json.NewDecoder(answer.Body).Decode(&stats)
	return stats, err
}
