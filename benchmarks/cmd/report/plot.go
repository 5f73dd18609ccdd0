package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A panel shows how one cost grows, both axes logarithmic.
type panel struct {
	title, x, y string
	unit        string
	series      []series
}

// A series is of the benchmarks whose names match, by the number that the
// parenthesis finds.
type series struct {
	label string
	match *regexp.Regexp
}

func line(label, pattern string) series {
	return series{label, regexp.MustCompile("^" + pattern + "$")}
}

var panels = []panel{
	{"Header hit, by keys", "keys", "ns", "ns/op", []series{
		line("floor", `Header/keys=(\d+)/mode=serial/impl=floor`),
		line("kept", `Header/keys=(\d+)/mode=serial/impl=kept`),
		line("shipped", `Header/keys=(\d+)/mode=serial/impl=shipped`),
	}},
	{"Memory for each key, by keys", "keys", "bytes", "B/key", []series{
		line("map", `Memory/keys=(\d+)/impl=map`),
		line("MemoryStore", `Memory/keys=(\d+)/impl=memory`),
	}},
	{"Header hit, by headers", "headers", "ns", "ns/op", []series{
		line("kept", `Headers/headers=(\d+)/impl=kept`),
		line("shipped", `Headers/headers=(\d+)/impl=shipped`),
	}},
	{"Key last in a body, by bytes", "bytes", "ns", "ns/op", []series{
		line("JSON", `JSON/size=(\d+\w?B)/key=last/impl=kept`),
		line("form", `Form/size=(\d+\w?B)/key=last/impl=kept`),
		line("jsontext", `JSON/size=(\d+\w?B)/key=last/impl=jsontext`),
	}},
	{"Header hit, by the key's permissions", "permissions", "ns", "ns/op", []series{
		line("kept", `Permissions/permissions=(\d+)/impl=kept`),
	}},
	{"Header hit, by concurrent requests", "requests", "ns", "ns/op", []series{
		line("floor", `Concurrent/requests=(\d+)/impl=floor`),
		line("kept", `Concurrent/requests=(\d+)/impl=kept`),
		line("shipped", `Concurrent/requests=(\d+)/impl=shipped`),
	}},
}

type point struct{ x, y float64 }

// points returns what the series has, by x.
func (s *series) points(r results, unit string) (points []point) {
	benchmark, _, _ := strings.Cut(strings.TrimPrefix(s.match.String(), "^"), "/")
	for _, name := range r.names(benchmark) {
		found := s.match.FindStringSubmatch(name)
		if y := r.median(name, unit); found != nil && y > 0 {
			points = append(points, point{amount(found[1]), y})
		}
	}
	return points
}

var multiples = map[string]float64{"B": 1, "kB": 1e3, "MB": 1e6}

// amount reads "1000" or "10kB".
func amount(s string) float64 {
	n := digits(s)
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return math.NaN()
	}
	if multiple, ok := multiples[s[n:]]; ok {
		v *= multiple
	}
	return v
}

const (
	panelWidth, panelHeight = 360, 240
	left, right, top, down  = 62, 14, 34, 40 // margins of a panel
	columns                 = 2
)

// draw returns the plot as SVG. Its colours follow the reader's preference.
func draw(r results) string {
	var b strings.Builder
	rows := (len(panels) + columns - 1) / columns
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="How cost grows">
<style>
svg { font: 11px system-ui, sans-serif; --ink: #24292f; --faint: #d0d7de; }
svg { --s0: #6e7781; --s1: #0969da; --s2: #bc4c00; }
@media (prefers-color-scheme: dark) {
svg { --ink: #e6edf3; --faint: #30363d; --s0: #8b949e; --s1: #58a6ff; --s2: #f0883e; }
}
text { fill: var(--ink); }
.title { font-weight: 600; font-size: 12px; }
.grid { stroke: var(--faint); stroke-width: 1; }
polyline { stroke-width: 2; }
.s0 { stroke: var(--s0); fill: var(--s0); }
.s1 { stroke: var(--s1); fill: var(--s1); }
.s2 { stroke: var(--s2); fill: var(--s2); }
text.s0, text.s1, text.s2 { stroke: none; }
</style>
`, columns*panelWidth, rows*panelHeight)
	for i, p := range panels {
		fmt.Fprintf(&b, "<g transform=\"translate(%d %d)\">\n", i%columns*panelWidth, i/columns*panelHeight)
		p.draw(&b, r)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p *panel) draw(b *strings.Builder, r results) {
	fmt.Fprintf(b, "<text class=\"title\" x=\"%d\" y=\"16\">%s</text>\n", left, p.title)
	all := make([][]point, len(p.series))
	var x, y axis
	for i := range p.series {
		all[i] = p.series[i].points(r, p.unit)
		for _, at := range all[i] {
			x.include(at.x)
			y.include(at.y)
		}
	}
	if x.empty() {
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">not measured</text>\n", left, panelHeight/2)
		return
	}
	x.from, x.to = left, panelWidth-right
	y.from, y.to = panelHeight-down, top
	p.grid(b, &x, &y)
	for i, points := range all {
		class := fmt.Sprint("s", i)
		fmt.Fprintf(b, "<text class=\"%s\" x=\"%d\" y=\"28\">%s</text>\n", class, left+i*90, p.series[i].label)
		var path strings.Builder
		for _, at := range points {
			fmt.Fprintf(&path, "%.1f,%.1f ", x.place(at.x), y.place(at.y))
			fmt.Fprintf(b, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", class, x.place(at.x), y.place(at.y))
		}
		fmt.Fprintf(b, "<polyline class=\"%s\" fill-opacity=\"0\" points=\"%s\"/>\n", class, strings.TrimSpace(path.String()))
	}
}

// grid draws a line for each power of ten.
func (p *panel) grid(b *strings.Builder, x, y *axis) {
	for power := y.low; power <= y.high; power++ {
		at := y.place(math.Pow10(power))
		fmt.Fprintf(b, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n", left, panelWidth-right, at, at)
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left-6, at+4, short(power))
	}
	for power := x.low; power <= x.high; power++ {
		at := x.place(math.Pow10(power))
		fmt.Fprintf(b, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n", at, at, top, panelHeight-down)
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", at, panelHeight-down+15, short(power))
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", panelWidth-right, panelHeight-8, p.x)
	fmt.Fprintf(b, "<text x=\"8\" y=\"16\">%s</text>\n", p.y)
}

// short writes a power of ten.
func short(power int) string {
	const letters = " kMGT"
	text := "1" + strings.Repeat("0", power%3)
	if power >= 3 {
		text += string(letters[power/3])
	}
	return text
}

// An axis is logarithmic, between two powers of ten.
type axis struct {
	low, high int
	some      bool
	from, to  float64 // where they lie in the picture
}

func (a *axis) include(v float64) {
	low, high := int(math.Floor(math.Log10(v))), int(math.Ceil(math.Log10(v)))
	low = max(low, 0)
	if !a.some {
		a.low, a.high, a.some = low, high, true
	}
	a.low, a.high = min(a.low, low), max(a.high, high)
	if a.low == a.high {
		a.high++
	}
}

func (a *axis) empty() bool { return !a.some }

func (a *axis) place(v float64) float64 {
	return a.from + (math.Log10(v)-float64(a.low))/float64(a.high-a.low)*(a.to-a.from)
}
