package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A table shows all of one benchmark: a line for each implementation, and its
// ratio to one of them.
type table struct {
	marker, title string
	benchmark     string
	base          string // what others are compared with; empty: nothing
	units         []string
}

var (
	timed    = []string{"ns/op", "B/op", "allocs/op"}
	recorded = []string{"ns/op", "cpu-ns/op", "B/op", "allocs/op", "drops"}
)

var tables = []table{
	{"header", "Key in the header", "Header", "floor", recorded},
	{"query", "Key in the query", "Query", "kept", recorded},
	{"refusal", "Refusals, answer included", "Refusal", "floor", recorded},
	{"check", "The decision alone", "Check", "floor", timed},
	{"form", "Key in a form", "Form", "scan", timed},
	{"json", "Key in JSON", "JSON", "jsontext", timed},
	{"bodies", "Logged bodies", "Bodies", "httplog", recorded},
	{"cached", "Cached lookups", "Cached", "floor", timed},
	{"lookup", "The cache by itself", "CachedLookup", "map", timed},
	{"store", "Lookups that hand out a copy", "Store", "map", timed},
	{"memory", "Memory for each key", "Memory", "map", []string{"B/key", "ns/key"}},
	{"request", "Memory for each request in progress", "RequestMemory", "floor", []string{"B/request"}},
	{"headers", "Number of headers", "Headers", "", recorded},
	{"permissions", "Number of permissions", "Permissions", "", timed},
	{"concurrent", "Concurrent requests", "Concurrent", "floor", recorded},
	{"sqlite", "Rows written by the SQLite log", "SQLiteLog", "", []string{"rows/s", "allocs/op"}},
	{"endtoend", "End to end", "EndToEnd", "bare", []string{"req/s", "drops"}},
}

func (t *table) render(r results) (string, error) {
	names := r.names(t.benchmark)
	if len(names) == 0 {
		return "", nil
	}
	var b strings.Builder
	b.WriteString(t.head())
	for _, name := range names {
		fmt.Fprintf(&b, "| %s |", label(strings.TrimPrefix(name, t.benchmark+"/")))
		for _, unit := range t.units {
			fmt.Fprintf(&b, " %s |", number(r.median(name, unit)))
		}
		if t.base != "" {
			base, unit := sibling(name, t.base), t.units[0]
			against, err := ratio(r[name][unit], r[base][unit])
			if err != nil {
				return "", fmt.Errorf("%s against %s: %w", name, base, err)
			}
			fmt.Fprintf(&b, " %s |", number(against))
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

func (t *table) head() string {
	columns := t.units
	if t.base != "" {
		columns = append(slices.Clone(columns), "against "+t.base)
	}
	return "| | " + strings.Join(columns, " | ") + " |\n| --- |" + strings.Repeat(" ---: |", len(columns)) + "\n"
}

// label spells "keys=1000/mode=serial/impl=kept" for reading.
func label(name string) string {
	name = strings.ReplaceAll(name, "impl=", "")
	name = strings.ReplaceAll(name, "mode=", "")
	return strings.ReplaceAll(strings.ReplaceAll(name, "=", " "), "/", ", ")
}

// sibling returns the name of another implementation beside that one.
func sibling(name, impl string) string {
	group, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		group, last = name[:i+1], name[i+1:]
	}
	if strings.HasPrefix(last, "impl=") {
		impl = "impl=" + impl
	}
	return group + impl
}

// number writes three digits that count, and thousands apart.
func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	if v < 0 {
		return "-" + number(-v)
	}
	places := 2
	for bound := 10.0; places > 0 && rounded(v, places) >= bound; bound *= 10 {
		places--
	}
	if v == math.Trunc(v) {
		places = 0
	}
	text := strconv.FormatFloat(v, 'f', places, 64)
	if places == 0 {
		return grouped(text)
	}
	return text
}

// rounded is as it is read: 9.996 with two places is not less than 10.
func rounded(v float64, places int) float64 {
	shift := math.Pow10(places)
	return math.Round(v*shift) / shift
}

func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
