// Command report makes tables and a plot of what `go test -bench` has printed.
//
//	go run ./cmd/report [-update PAGE.md] [-svg PLOT.svg] FILE...
//
// It prints which goals are reached and then all figures, as Markdown. With
// -update it puts them into a page instead, each between its two markers:
//
//	<!-- report goals -->
//	<!-- end -->
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/seed-be062aaa/apikey/benchmarks/internal/page"
)

func main() {
	file := flag.String("update", "", "the page whose tables are to be replaced")
	plot := flag.String("svg", "", "the file to draw the plot into")
	flag.Parse()
	if err := run(flag.Args(), *file, *plot); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(files []string, file, plot string) error {
	results, err := read(files)
	if err != nil {
		return err
	}
	if plot != "" {
		//nolint:gosec // a page's picture, for all to read
		if err := os.WriteFile(plot, []byte(draw(results)), 0o644); err != nil {
			return err
		}
	}
	if file != "" {
		return page.Update(file, "report", results.table)
	}
	for _, s := range sections() {
		text, err := s.render(results)
		if err != nil {
			return err
		}
		if text != "" {
			fmt.Printf("## %s\n\n%s\n", s.title, text)
		}
	}
	return nil
}

// A section is a part of the report, which a page names by its marker.
type section struct {
	marker, title string
	render        func(results) (string, error)
}

func sections() []section {
	all := []section{{"goals", "Goals", goalTable}}
	for _, t := range tables {
		all = append(all, section{t.marker, t.title, t.render})
	}
	return append(all, section{"profile", "What the processor time goes into", profileTable})
}

// table returns the table of the section with that marker.
func (r results) table(marker string) (text string, ok bool, err error) {
	for _, s := range sections() {
		if s.marker == marker {
			text, err = s.render(r)
			return text, true, err
		}
	}
	return "", false, nil
}
