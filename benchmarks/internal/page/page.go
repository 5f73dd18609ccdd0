// Package page keeps the tables of a page up to date, each of which stands between two
// markers that name the program which makes it, and the table:
//
//	<!-- report goals -->
//	<!-- end -->
package page

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Tables make the table of that marker, which is empty where there is nothing to show,
// and report whether there is such a table.
type Tables func(marker string) (table string, ok bool, err error)

// Update replaces the tables of that program in a file.
func Update(file, program string, tables Tables) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	filled, err := Fill(string(text), program, tables)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(filled), 0o644) //nolint:gosec // a page of the documentation, for all to read
}

// Fill returns a text with that program's tables replaced. Where there is nothing to
// show, what stands there stays. A marker of no table is an error.
func Fill(text, program string, tables Tables) (string, error) {
	marked := regexp.MustCompile(`(?s)(<!-- ` + program + ` (\S+) -->\n).*?(<!-- end -->)`)
	var unknown []string
	var failed error
	filled := marked.ReplaceAllStringFunc(text, func(found string) string {
		parts := marked.FindStringSubmatch(found)
		table, ok, err := tables(parts[2])
		switch {
		case err != nil:
			failed = err
		case !ok:
			unknown = append(unknown, parts[2])
		case table != "":
			return parts[1] + table + parts[3]
		}
		return found
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("markers of no table: %s", strings.Join(unknown, ", "))
	}
	return filled, failed
}
