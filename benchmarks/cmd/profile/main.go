// Command profile says what processor time went into, as `go test -cpuprofile` has
// recorded it, a line for each kind of work:
//
//	go run ./cmd/profile NAME.prof...
//
// Its lines are in the format of benchmarks, so that ../report makes tables of them.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/pprof/profile"
)

func main() {
	for _, file := range os.Args[1:] {
		name := strings.TrimSuffix(filepath.Base(file), ".prof")
		if err := report(os.Stdout, name, file); err != nil {
			fmt.Fprintf(os.Stderr, "profile: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
}

func report(w io.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	p, err := profile.Parse(f)
	if err != nil {
		return err
	}
	shares, total := map[string]int64{}, int64(0)
	for _, s := range p.Sample {
		value := s.Value[len(s.Value)-1] // nanoseconds
		shares[kindOf(s)] += value
		total += value
	}
	for _, kind := range kinds {
		if share := 100 * float64(shares[kind.name]) / float64(total); share >= 0.5 {
			of := name + "/" + strings.ReplaceAll(kind.name, " ", "_")
			if _, err := fmt.Fprintf(w, "BenchmarkProfile/of=%s\t1\t%.1f %%\n", of, share); err != nil {
				return err
			}
		}
	}
	return nil
}
