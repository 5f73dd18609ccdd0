// Command scale works out what many nodes ask of one store, and prints the tables of
// docs/scale.md.
//
//	go run ./cmd/scale [-update ../docs/scale.md]
//
// The same program prints the same tables: what is random in it begins with the same
// seed. With -update it puts them into the page, each between its two markers:
//
//	<!-- scale lookups -->
//	<!-- end -->
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seed-be062aaa/apikey/benchmarks/internal/page"
)

// The case that the page is about.
const (
	keys     = 100_000_000
	nodes    = 1_000
	requests = 1_000_000 // a second, on all nodes together
	perNode  = requests / nodes
)

// The defaults of apikey.CacheOptions, and what else is fixed in the library.
const (
	ttl         = 10 * time.Second
	stale       = 30 * time.Second
	maxKeys     = 100_000
	clockPlaces = 4096 // keys share so many places to note their changes in
	poll        = 250 * time.Millisecond
	useInterval = 30 * time.Second
	poolSize    = 16
)

// A section is a table of the page, which names it by its marker.
type section struct {
	marker string
	table  func() string
}

var sections = []section{
	{"lookups", lookupTable},
	{"routing", routingTable},
	{"size", sizeTable},
	{"changes", changeTable},
	{"uses", useTable},
	{"lag", lagTable},
	{"limits", limitTable},
}

func main() {
	file := flag.String("update", "", "the page whose tables are to be replaced")
	flag.Parse()
	if err := run(*file); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	if file == "" {
		for _, s := range sections {
			fmt.Printf("## %s\n\n%s\n", s.marker, s.table())
		}
		return nil
	}
	return page.Update(file, "scale", table)
}

// table returns the table of that marker.
func table(marker string) (text string, ok bool, err error) {
	for _, s := range sections {
		if s.marker == marker {
			return s.table(), true, nil
		}
	}
	return "", false, nil
}

// markdown returns a table whose columns but the first are numbers.
func markdown(head []string, rows [][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n| --- |%s\n", strings.Join(head, " | "), strings.Repeat(" ---: |", len(head)-1))
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

// count returns a number of three digits that matter, with commas.
func count(n float64) string {
	unit := 1.0
	for n/unit >= 1000 {
		unit *= 10
	}
	text := fmt.Sprintf("%.0f", float64(int64(n/unit+0.5))*unit)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
