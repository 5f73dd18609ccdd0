package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A scenario is how the other nodes hear of a revocation.
type scenario struct {
	name string
	// told returns when a node hears of it, counted from the moment it was
	// acknowledged: node is its place in the row of all. Nil: never.
	told func(r *rand.Rand, node int) time.Duration
	// partitioned nodes cannot ask the store either.
	partitioned bool
	rate        float64 // requests a second with the key, on each node
}

const (
	trip        = 500 * time.Microsecond // from a node to the store, or back
	readCost    = 20 * time.Microsecond  // of the database, to answer one of many reads
	publishCost = 5 * time.Microsecond   // of Redis, to write to one subscriber
	silence     = 4 * time.Second        // until a connection on which nothing comes counts as dead
	never       = time.Hour
)

func notify(_ *rand.Rand, node int) time.Duration {
	return 3*trip + time.Duration(node)*readCost // notified, asked, answered
}

func polled(r *rand.Rand, node int) time.Duration {
	return time.Duration(r.Int64N(int64(poll))) + 2*trip + readCost
}

func published(_ *rand.Rand, node int) time.Duration { return trip + time.Duration(node)*publishCost }

// silent is a connection that has died without a word some time ago, and is made anew.
func silent(r *rand.Rand, _ int) time.Duration {
	return time.Duration(r.Int64N(int64(silence+poll))) + 50*time.Millisecond + 4*trip
}

var scenarios = []scenario{
	{"PostgreSQL, notified", notify, false, 10},
	{"PostgreSQL behind a pooler, and MariaDB: polled", polled, false, 10},
	{"Redis, published", published, false, 10},
	{"feed dead without a word, noticed in 4 s", silent, false, 10},
	{"feed cut; 10 requests/s a node", nil, false, 10},
	{"feed cut; 1 request/s a node", nil, false, 1},
	{"feed cut; 1 request/min a node", nil, false, 1.0 / 60},
	{"partitioned; 10 requests/s a node", nil, true, 10},
	{"partitioned; 1 request/min a node", nil, true, 1.0 / 60},
}

// lagTable is how long after a revocation was acknowledged a node last let its key
// through, on all nodes but the one that made it, in so many revocations.
func lagTable() string {
	const revocations = 5
	var rows [][]string
	for i, s := range scenarios {
		random := rand.New(rand.NewPCG(2, uint64(i))) //nolint:gosec // a simulation
		lags := make([]time.Duration, 0, revocations*nodes)
		for range revocations {
			for node := range nodes {
				lags = append(lags, s.lag(random, node))
			}
		}
		slices.Sort(lags)
		served, _ := slices.BinarySearch(lags, 1)
		at := func(share float64) string { return duration(lags[int(share*float64(len(lags)-1))]) }
		rows = append(rows, []string{
			s.name, percent(1 - float64(served)/float64(len(lags))), at(0.5), at(0.99), at(1),
		})
	}
	return markdown([]string{"the other nodes", "let it through at all", "p50", "p99", "max"}, rows)
}

// lag follows one node and one key from a while before the revocation, which is at 0.
func (s scenario) lag(r *rand.Rand, node int) (last time.Duration) {
	told := never
	if s.told != nil {
		told = s.told(r, node)
	}
	gap := func() time.Duration { return time.Duration(r.ExpFloat64() / s.rate * float64(time.Second)) }
	loaded, began := -never, -ttl-stale-time.Duration(r.Int64N(int64(ttl))) // each at another moment
	for now := began + gap(); now < ttl+stale; now += gap() {
		if s.refuses(loaded, now, told) {
			return last
		}
		last = max(last, now)
		// A load from after the revocation brings the end; it is made beside the
		// request that begins it, which is still let through, if its entry is not
		// older than TTL.
		if now-loaded >= ttl/2 && (now < 0 || !s.partitioned) {
			loaded = now
		}
	}
	return last
}

// refuses reports whether a request at that time is refused.
func (s scenario) refuses(loaded, now, told time.Duration) bool {
	age := now - loaded
	switch {
	case now < 0:
		return false
	case s.partitioned:
		return age >= ttl+stale
	}
	return loaded >= 0 || now >= told || age >= ttl
}
