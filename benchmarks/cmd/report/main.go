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
	"regexp"
	"strings"
)

func main() {
	page := flag.String("update", "", "the page whose tables are to be replaced")
	plot := flag.String("svg", "", "the file to draw the plot into")
	flag.Parse()
	if err := run(flag.Args(), *page, *plot); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(files []string, page, plot string) error {
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
	if page != "" {
		return update(page, results)
	}
	for _, s := range sections() {
		if text := s.render(results); text != "" {
			fmt.Printf("## %s\n\n%s\n", s.title, text)
		}
	}
	return nil
}

// A section is a part of the report, which a page names by its marker.
type section struct {
	marker, title string
	render        func(results) string
}

func sections() []section {
	all := []section{{"goals", "Goals", goalTable}}
	for _, t := range tables {
		all = append(all, section{t.marker, t.title, t.render})
	}
	return append(all, section{"profile", "What the processor time goes into", profileTable})
}

var marked = regexp.MustCompile(`(?s)(<!-- report (\S+) -->\n).*?(<!-- end -->)`)

// update replaces what stands between the markers of the page. A section without
// results stays as it is.
func update(page string, r results) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var unknown []string
	updated := marked.ReplaceAllStringFunc(string(text), func(found string) string {
		parts := marked.FindStringSubmatch(found)
		for _, s := range sections() {
			if s.marker != parts[2] {
				continue
			}
			if table := s.render(r); table != "" {
				return parts[1] + table + parts[3]
			}
			return found
		}
		unknown = append(unknown, parts[2])
		return found
	})
	if len(unknown) > 0 {
		return fmt.Errorf("%s has markers of no section: %s", page, strings.Join(unknown, ", "))
	}
	return os.WriteFile(page, []byte(updated), 0o644) //nolint:gosec // a page of the documentation, for all to read
}
