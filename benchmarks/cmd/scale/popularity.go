package main

import (
	"math"
	"math/rand/v2"
	"sort"
)

// A class is a number of keys that are asked for equally often.
type class struct {
	first int // the rank of the first of them, from 1
	keys  int
	share float64 // of all requests, of each key
}

// A popularity says how often each key is asked for: the one of rank r in
// proportion to 1/r^exponent, as Zipf found for words and others for what is asked of
// servers. Exponent 0 is all keys alike. Ranks that differ by less than one in two
// hundred are one class.
type popularity struct {
	classes []class
	upTo    []float64 // the share of all requests of each class and those before it
}

func zipf(keys int, exponent float64) popularity {
	var p popularity
	total := 0.0
	for first := 1; first <= keys; {
		n := min(1+first/200, keys-first+1)
		weight := mass(float64(first)-0.5, float64(first+n)-0.5, exponent) / float64(n)
		if n == 1 {
			weight = math.Pow(float64(first), -exponent)
		}
		p.classes = append(p.classes, class{first, n, weight})
		total += weight * float64(n)
		first += n
	}
	sum := 0.0
	for i := range p.classes {
		c := &p.classes[i]
		c.share /= total
		sum += c.share * float64(c.keys)
		p.upTo = append(p.upTo, sum)
	}
	return p
}

// mass is the integral of 1/x^exponent.
func mass(from, to, exponent float64) float64 {
	if exponent == 1 {
		return math.Log(to / from)
	}
	return (math.Pow(to, 1-exponent) - math.Pow(from, 1-exponent)) / (1 - exponent)
}

// sum adds up what f says of a key that is asked for at that rate, over all keys,
// where all together are asked for at the rate of all.
func (p popularity) sum(all float64, f func(rate float64) float64) float64 {
	sum := 0.0
	for _, c := range p.classes {
		sum += float64(c.keys) * f(c.share*all)
	}
	return sum
}

// draw returns the rank of the key of one request.
func (p popularity) draw(r *rand.Rand) int {
	c := p.classes[min(sort.SearchFloat64s(p.upTo, r.Float64()), len(p.classes)-1)]
	return c.first + r.IntN(c.keys)
}
