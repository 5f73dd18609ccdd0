package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results hold, for each benchmark and unit, one value for each pass.
type results map[string]map[string][]float64

// read reads the output of benchmarks, as the testing package prints it.
func read(files []string) (results, error) {
	r := results{}
	for _, name := range files {
		if err := r.readFile(name); err != nil {
			return nil, err
		}
	}
	if len(r) == 0 {
		return nil, fmt.Errorf("no results in %q", files)
	}
	return r, nil
}

func (r results) readFile(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		r.add(lines.Text())
	}
	return lines.Err()
}

// processors is what the testing package appends to a name.
var processors = regexp.MustCompile(`-\d+$`)

// add takes a line such as "BenchmarkX/a=1-2  100  12.5 ns/op  0 B/op"; others say
// nothing.
func (r results) add(line string) {
	fields := strings.Fields(line)
	if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
		return
	}
	if _, err := strconv.Atoi(fields[1]); err != nil {
		return
	}
	name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
	if r[name] == nil {
		r[name] = map[string][]float64{}
	}
	for i := 2; i+1 < len(fields); i += 2 {
		if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
			r[name][fields[i+1]] = append(r[name][fields[i+1]], value)
		}
	}
}

// median returns the median over all passes, and NaN where there was none.
func (r results) median(name, unit string) float64 { return median(r[name][unit]) }

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// ratio returns the median of the ratios within each pass: what slows down all of
// one pass cancels out. It is NaN where one of the two was not measured.
func ratio(a, b []float64) (float64, error) {
	ratios, err := paired(a, b, func(a, b float64) float64 { return a / b })
	return median(ratios), err
}

// less returns a-b, pass by pass.
func less(a, b []float64) ([]float64, error) {
	return paired(a, b, func(a, b float64) float64 { return a - b })
}

// paired returns what f makes of each pass, and nothing where one of the two was not
// measured. Where there are more passes of one, nobody knows which belong together.
func paired(a, b []float64, f func(a, b float64) float64) ([]float64, error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, nil
	}
	if len(a) != len(b) {
		return nil, fmt.Errorf("%d passes cannot be compared with %d", len(a), len(b))
	}
	c := make([]float64, len(a))
	for i := range a {
		c[i] = f(a[i], b[i])
	}
	return c, nil
}

// names returns the benchmarks below one, those with small numbers first.
func (r results) names(below string) []string {
	var names []string
	for name := range r {
		if strings.HasPrefix(name, below+"/") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, naturally)
	return names
}

// naturally compares texts, and numbers in them as numbers.
func naturally(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			if c := cmpNumbers(a[:na], b[:nb]); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

func cmpNumbers(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
