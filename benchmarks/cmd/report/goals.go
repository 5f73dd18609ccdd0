package main

import (
	"fmt"
	"math"
	"strings"
)

// A goal is a bound on what is measured, most of them on a ratio.
type goal struct {
	path    string
	bound   float64
	atLeast bool                             // else at most
	reached func(r results) (float64, error) // NaN: not measured
	of      string                           // the benchmark whose drops are told
}

func (g *goal) met(reached float64) bool {
	if g.atLeast {
		return reached >= g.bound
	}
	return reached <= g.bound
}

func (g *goal) text() string {
	sign := "≤"
	if g.atLeast {
		sign = "≥"
	}
	return fmt.Sprintf("%s %s", sign, number(g.bound))
}

// of returns the goal that a takes no more than bound times what b does.
func of(path string, bound float64, unit, a, b string) goal {
	return goal{path: path, bound: bound, of: a, reached: func(r results) (float64, error) {
		return ratio(r[a][unit], r[b][unit])
	}}
}

// allocations returns the goal that there are no more.
func allocations(path string, most float64, name string) goal {
	return goal{path: path + ", allocations", bound: most, of: name, reached: func(r results) (float64, error) {
		return r.median(name, "allocs/op"), nil
	}}
}

// throughput returns the goal that a serves at least bound times as many requests
// as b.
func throughput(path string, bound float64, a, b string) goal {
	a, b = "EndToEnd/"+a, "EndToEnd/"+b
	return goal{path: path, bound: bound, atLeast: true, of: a, reached: func(r results) (float64, error) {
		return ratio(r[a]["req/s"], r[b]["req/s"])
	}}
}

func goals() []goal {
	var all []goal
	for _, keys := range []string{"1000", "100000", "1000000", "10000000"} {
		all = append(all, headerGoals(keys)...)
	}
	all = append(
		all,
		of("shipped against the floor, serial", 2.0, "ns/op",
			"Header/keys=1000/mode=serial/impl=shipped", "Header/keys=1000/mode=serial/impl=floor"),
		of("shipped against the floor, parallel", 2.3, "ns/op",
			"Header/keys=1000/mode=parallel/impl=shipped", "Header/keys=1000/mode=parallel/impl=floor"),
		of("wrong checksum in Check, against the floor", 0.15, "ns/op", "Check/impl=checksum", "Check/impl=floor"),
		allocations("wrong checksum in Check", 0, "Check/impl=checksum"),
		of("refusal of an unknown key, against a hit", 1.0, "ns/op",
			"Refusal/key=unknown/impl=shipped", "Refusal/key=hit/impl=shipped"),
		of("refusal of a wrong checksum, against a hit", 1.0, "ns/op",
			"Refusal/key=checksum/impl=shipped", "Refusal/key=hit/impl=shipped"),
	)
	all = append(all, bodyGoals()...)
	return append(all, endToEndGoals()...)
}

func headerGoals(keys string) []goal {
	in := "Header/keys=" + keys + "/mode=serial/impl="
	all := []goal{
		of("kept against the floor, "+keys+" keys", 1.05, "ns/op", in+"kept", in+"floor"),
		allocations("kept, "+keys+" keys", 2, in+"kept"),
	}
	for _, peer := range []string{"echo4", "fiber3", "huma"} {
		path := "kept less the handler, against " + peer + " less its router, " + keys + " keys"
		all = append(all, goal{path: path, bound: 1, of: in + "kept", reached: func(r results) (float64, error) {
			return checks(r, in+"kept", in+"handler", in+peer, in+peer+"-router")
		}})
	}
	if keys == "1000000" || keys == "10000000" {
		in := "Store/keys=" + keys + "/mode=serial/impl="
		all = append(all, of("MemoryStore against a map, "+keys+" keys", 1.0, "ns/op", in+"memory", in+"map"))
	}
	return all
}

// checks returns what the check in a costs against that in b, each less what is served
// without.
func checks(r results, a, withoutA, b, withoutB string) (float64, error) {
	costA, err := less(r[a]["ns/op"], r[withoutA]["ns/op"])
	if err != nil {
		return 0, err
	}
	costB, err := less(r[b]["ns/op"], r[withoutB]["ns/op"])
	if err != nil {
		return 0, err
	}
	return ratio(costA, costB)
}

func bodyGoals() []goal {
	var all []goal
	for _, size := range []string{"10kB", "1MB"} {
		in := "JSON/size=" + size + "/key=last/impl="
		all = append(
			all,
			of("JSON, key last, "+size+", against jsontext strict", 0.45, "ns/op", in+"kept", in+"jsontext"),
			of("JSON, key last, "+size+", against gjson Valid and Get", 0.75, "ns/op", in+"kept", in+"gjson"),
		)
		in = "Form/size=" + size + "/key=last/impl="
		all = append(all, of("form, key last, "+size+", against a hand-written scan", 1.0, "ns/op", in+"kept", in+"scan"))
	}
	bodies := func(size string, bound float64) goal {
		in := "Bodies/size=" + size + "/mode=serial/impl="
		return of("bodies of "+size+" both ways against httplog, processor time in all", bound, "cpu-ns/op",
			in+"bodies", in+"httplog")
	}
	return append(
		all, bodies("1MB", 0.05), bodies("4kB", 0.5),
		of("cached lookup against a map, in parallel", 1.5, "ns/op", "CachedLookup/impl=cache", "CachedLookup/impl=map"),
	)
}

func endToEndGoals() []goal {
	return []goal{
		throughput("end to end: authenticated, against bare", 0.90, "get/authenticated", "get/bare"),
		throughput("end to end: log to a null sink, against bare", 0.90, "get/log-null", "get/bare"),
		throughput("end to end: log to SQLite, against bare", 0.80, "get/log-sqlite", "get/bare"),
		throughput("end to end: 4 kB bodies both ways to a null sink, against bare", 0.80,
			"post-4kB/log-null", "post-4kB/bare"),
		throughput("end to end: refusing a wrong checksum, against serving", 1.0, "refuse/checksum", "refuse/served"),
		throughput("end to end: refusing one unknown key, against serving", 1.0, "refuse/repeated", "refuse/served"),
		throughput("end to end: refusing distinct unknown keys, against serving", 0.5,
			"refuse/distinct", "refuse/served-varying"),
	}
}

// goalTable says which goals were measured, and which are met.
func goalTable(r results) (string, error) {
	var b strings.Builder
	for _, g := range goals() {
		reached, err := g.reached(r)
		if err != nil {
			return "", fmt.Errorf("%s: %w", g.path, err)
		}
		if math.IsNaN(reached) {
			continue
		}
		met := "**no**"
		if g.met(reached) {
			met = "yes"
		}
		drops := number(r.median(g.of, "drops"))
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", g.path, g.text(), number(reached), met, drops)
	}
	if b.Len() == 0 {
		return "", nil
	}
	return "| path | goal | reached | met | drops |\n| --- | ---: | ---: | --- | ---: |\n" + b.String(), nil
}
