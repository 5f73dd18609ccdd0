package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sample is what two passes print, in part.
const sample = `goos: linux
BenchmarkHeader/keys=1000/mode=serial/impl=kept-2     100  330 ns/op  2 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=floor-2    100  300 ns/op  2 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=handler-2  100   10 ns/op  0 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=huma-2     100  900 ns/op  6 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=huma-router-2  100  500 ns/op  3 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=kept-2     100  610 ns/op  2 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=floor-2    100  500 ns/op  2 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=handler-2  100   10 ns/op  0 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=huma-2     100  900 ns/op  6 allocs/op
BenchmarkHeader/keys=1000/mode=serial/impl=huma-router-2  100  400 ns/op  3 allocs/op
BenchmarkEndToEnd/get/bare	1	1000 req/s
BenchmarkEndToEnd/get/log-null	1	950 req/s	3 drops
PASS
`

func resultsOf(text string) results {
	r := results{}
	for line := range strings.Lines(text) {
		r.add(line)
	}
	return r
}

func TestAdd(t *testing.T) {
	r := resultsOf(sample)
	require.Len(t, r, 7)
	require.Equal(t, []float64{330, 610}, r["Header/keys=1000/mode=serial/impl=kept"]["ns/op"])
	require.Equal(t, map[string][]float64{"req/s": {950}, "drops": {3}}, r["EndToEnd/get/log-null"])
	for _, line := range []string{
		"", "PASS", "ok  	github.com/x/y	1.2s", "BenchmarkHeader/impl=kept-2", "Benchmarks are not results of any",
		"    header_test.go:1: BenchmarkX 1 2 ns/op",
	} {
		require.Empty(t, resultsOf(line), line)
	}
}

func TestRatio(t *testing.T) {
	none := math.NaN()
	for _, row := range []struct {
		name    string
		a, b    []float64
		ratio   float64
		less    []float64
		unequal bool
	}{
		{"pass by pass", []float64{2, 30, 9}, []float64{1, 10, 2}, 3, []float64{1, 20, 7}, false},
		{"an even number of passes", []float64{2, 4}, []float64{1, 1}, 3, []float64{1, 3}, false},
		{"the first not measured", nil, []float64{1}, none, nil, false},
		{"the second not measured", []float64{1}, nil, none, nil, false},
		{"more passes of one", []float64{1, 2}, []float64{1}, none, nil, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ratio(row.a, row.b)
			require.Equal(t, row.unequal, err != nil)
			require.Equal(t, math.IsNaN(row.ratio), math.IsNaN(got))
			if !math.IsNaN(row.ratio) {
				require.Equal(t, row.ratio, got)
			}
			difference, err := less(row.a, row.b)
			require.Equal(t, row.unequal, err != nil)
			require.Equal(t, row.less, difference)
		})
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.126: "0.13", 1.5: "1.50", 9.994: "9.99", 9.996: "10.0", 12.34: "12.3", 99.96: "100", 123.4: "123",
		999.4: "999", 999.6: "1,000", 1000: "1,000", 1234.5678: "1,235", 1234567: "1,234,567", -1.5: "-1.50", -2345: "-2,345",
		math.NaN(): "", math.Inf(1): "",
	} {
		require.Equal(t, want, number(v))
	}
}

// TestGoals: which are met, which are not, and that none is left out without a word.
func TestGoals(t *testing.T) {
	table, err := goalTable(resultsOf(sample))
	require.NoError(t, err)
	for _, line := range []string{
		"| kept against the floor, 1000 keys | ≤ 1.05 | 1.16 | **no** |  |",
		"| kept, 1000 keys, allocations | ≤ 2 | 2 | yes |  |",
		"| kept less the handler, against huma less its router, 1000 keys | ≤ 1 | 1 | yes |  |",
		"| end to end: log to a null sink, against bare | ≥ 0.90 | 0.95 | yes | 3 |",
	} {
		require.Contains(t, table, line+"\n")
	}
	require.Equal(t, 2+4, strings.Count(table, "\n"), table)

	table, err = goalTable(resultsOf("BenchmarkStore/keys=1000/impl=map 1 1 ns/op"))
	require.NoError(t, err)
	require.Empty(t, table)

	for _, lost := range []string{"kept", "floor", "handler", "huma", "huma-router"} {
		line := "BenchmarkHeader/keys=1000/mode=serial/impl=" + lost + "-2 "
		before, after, _ := strings.Cut(sample, line)
		_, err = goalTable(resultsOf(before + "lost " + after))
		require.ErrorContains(t, err, "cannot be compared", lost)
	}
}

// TestUpdate: a page's tables are replaced, and those that were not measured stay.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	file, measured := filepath.Join(dir, "page.md"), filepath.Join(dir, "bench.txt")
	require.NoError(t, os.WriteFile(measured, []byte(sample), 0o600))
	marked := func(query, endToEnd string) string {
		return "<!-- report query -->\n" + query + "<!-- end -->\n<!-- report endtoend -->\n" + endToEnd + "<!-- end -->\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(marked("| stays |\n", "| goes |\n")), 0o600))
	require.NoError(t, run([]string{measured}, file, ""))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, marked("| stays |\n", "| | req/s | drops | against bare |\n| --- | ---: | ---: | ---: |\n"+
		"| get, bare | 1,000 |  | 1 |\n| get, log-null | 950 | 3 | 0.95 |\n"), string(text))

	require.NoError(t, os.WriteFile(file, []byte("<!-- report goal -->\n<!-- end -->\n"), 0o600))
	require.ErrorContains(t, run([]string{measured}, file, ""), "markers of no table: goal")
}

// TestPage: the page has a place for each section.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../../docs/performance.md")
	require.NoError(t, err)
	for _, s := range sections() {
		require.Equal(t, 1, strings.Count(string(text), "<!-- report "+s.marker+" -->"), s.marker)
	}
}
