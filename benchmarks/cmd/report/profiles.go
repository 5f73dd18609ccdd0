package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// profileTable shows what ../profile has found: a line for each kind of work, the
// largest first, and a column for each profile.
func profileTable(r results) (string, error) {
	var columns []string
	largest := map[string]float64{} // shares, by kind
	for _, name := range r.names("Profile") {
		of, kind, _ := strings.Cut(strings.TrimPrefix(name, "Profile/of="), "/")
		if !slices.Contains(columns, of) {
			columns = append(columns, of)
		}
		largest[kind] = max(largest[kind], r.median(name, "%"))
	}
	if len(columns) == 0 {
		return "", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n| --- |%s\n", strings.Join(columns, " | "), strings.Repeat(" ---: |", len(columns)))
	byShare := func(x, y string) int { return cmp.Or(cmp.Compare(largest[y], largest[x]), strings.Compare(x, y)) }
	for _, kind := range slices.SortedFunc(maps.Keys(largest), byShare) {
		fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(kind, "_", " "))
		for _, of := range columns {
			text := ""
			if share := r.median("Profile/of="+of+"/"+kind, "%"); !math.IsNaN(share) {
				text = fmt.Sprintf("%.0f %%", share)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}
