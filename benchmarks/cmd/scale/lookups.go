package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A demand is what a cache asks of the store, in calls a second, and how many of its
// requests wait for one.
type demand struct{ calls, waits float64 }

// demandOf returns the demand of one node's cache without a bound, whose requests
// come at random at that rate, while each of its entries is made void with the rate
// of voids by changes elsewhere.
//
// A key is loaded; the first half of its TTL passes, unless its entry is made void
// before; the next request loads it again. So a load comes once in E(min(U, TTL/2)) +
// 1/rate, with U the time until the entry is void. That request waits where the
// entry is void or older than TTL, and else the load is made beside it.
func demandOf(p popularity, all float64, ttl time.Duration, voids float64) demand {
	half := ttl.Seconds() / 2
	kept, life := math.Exp(-voids*half), half
	if voids > 0 {
		life = (1 - kept) / voids
	}
	var d demand
	d.calls = p.sum(all, func(rate float64) float64 { return 1 / (life + 1/rate) })
	d.waits = p.sum(all, func(rate float64) float64 {
		both := rate + voids
		beside := kept * rate / both * (1 - math.Exp(-both*half))
		return (1 - beside) / (life + 1/rate)
	})
	return d
}

// A workload is how requests are spread over the keys that are in use.
type workload struct {
	name     string
	inUse    int
	exponent float64
}

var workloads = []workload{
	{"Zipf 0.8", keys, 0.8},
	{"Zipf 1.0", keys, 1},
	{"Zipf 1.2", keys, 1.2},
	{"Zipf 1.0, 1M in use", keys / 100, 1},
}

func (w workload) popularity() popularity { return zipf(w.inUse, w.exponent) }

func lookupTable() string {
	head, rows := []string{"TTL"}, [][]string{{"no cache"}}
	for _, w := range workloads {
		head = append(head, w.name+": calls/s", "wait")
		rows[0] = append(rows[0], count(requests), percent(1))
	}
	for _, seconds := range []int{1, 5, 10, 30, 60, 300} {
		row := []string{fmt.Sprint(seconds, " s")}
		for _, w := range workloads {
			d := demandOf(w.popularity(), perNode, time.Duration(seconds)*time.Second, 0)
			row = append(row, count(nodes*d.calls), percent(d.waits/perNode))
		}
		rows = append(rows, row)
	}
	return markdown(head, rows)
}

// routingTable compares nodes that get any request with nodes that get all requests
// of a key, or share them with few others.
func routingTable() string {
	head := []string{"nodes that a key's requests go to"}
	for _, w := range workloads {
		head = append(head, w.name+": calls/s")
	}
	var rows [][]string
	for _, groups := range []int{1, 10, 100, nodes} {
		row := []string{count(float64(nodes / groups))}
		for _, w := range workloads {
			// A node sees the keys of its group only, each so much more often.
			d := demandOf(w.popularity(), float64(perNode*groups), ttl, 0)
			row = append(row, count(nodes/float64(groups)*d.calls))
		}
		rows = append(rows, row)
	}
	return markdown(head, rows)
}

// A cacheSim is one node's cache with a bound, request by request.
type cacheSim struct {
	loaded map[int]time.Duration
	order  []int // in the order of their loads, for what does not fit takes the oldest's place
	places int
	demand struct{ calls, waits int }
}

func (c *cacheSim) request(key int, now time.Duration) {
	at, found := c.loaded[key]
	age := now - at
	if found && age < ttl/2 {
		return
	}
	c.demand.calls++
	if !found || age >= ttl {
		c.demand.waits++
	}
	if !found {
		c.order = append(c.order, key)
		if len(c.loaded) == c.places {
			c.evict()
		}
	}
	c.loaded[key] = now
}

// evict forgets the entry loaded first, or nearly: one that was loaded again since it
// was queued is queued again.
func (c *cacheSim) evict() {
	for {
		oldest := c.order[0]
		c.order = c.order[1:]
		at := c.loaded[oldest]
		if len(c.order) > 0 && at > c.loaded[c.order[0]] {
			c.order = append(c.order, oldest)
			continue
		}
		delete(c.loaded, oldest)
		return
	}
}

// simulate returns the demand of one node over 20 seconds, after 20 in which
// its cache fills.
func simulate(p popularity, rate float64, places int) demand {
	const warm, measured = 20 * time.Second, 20 * time.Second
	random := rand.New(rand.NewPCG(1, uint64(places))) //nolint:gosec // a simulation
	c := &cacheSim{loaded: map[int]time.Duration{}, places: places}
	var now time.Duration
	for now < warm+measured {
		before := now
		now += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
		if before < warm && now >= warm {
			c.demand.calls, c.demand.waits = 0, 0
		}
		c.request(p.draw(random), now)
	}
	return demand{float64(c.demand.calls) / measured.Seconds(), float64(c.demand.waits) / measured.Seconds()}
}

func sizeTable() string {
	p := zipf(keys, 1)
	sizes := []int{1_000, 10_000, maxKeys}
	head := []string{"requests/s a node"}
	for _, size := range sizes {
		head = append(head, "wait, MaxKeys "+count(float64(size)))
	}
	head = append(head, "wait, no bound")
	var rows [][]string
	for _, rate := range []float64{perNode, 10_000, 20_000} {
		row := []string{count(rate)}
		for _, size := range sizes {
			row = append(row, percent(simulate(p, rate, size).waits/rate))
		}
		rows = append(rows, append(row, percent(demandOf(p, rate, ttl, 0).waits/rate)))
	}
	return markdown(head, rows)
}
