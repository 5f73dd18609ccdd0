package main

import (
	"math"
	"time"
)

// changeTable is what changes to keys cost, beyond lookups: by what they make void,
// and by being told to each node.
func changeTable() string {
	p := zipf(keys, 1)
	still := nodes * demandOf(p, perNode, ttl, 0).calls
	polls := nodes * float64(time.Second/poll)
	var rows [][]string
	for _, changes := range []float64{0, 1, 10, 100, 1000} {
		d := demandOf(p, perNode, ttl, changes/clockPlaces)
		rows = append(rows, []string{
			count(changes), count(nodes * changes), count(polls + notified(changes)), count(polls),
			count(nodes*d.calls - still), percent(d.waits / perNode),
		})
	}
	return markdown([]string{
		"changes/s", "Redis: messages/s", "PostgreSQL: reads/s", "MariaDB: reads/s", "more lookups/s", "wait",
	}, rows)
}

// notified is how often nodes read because they were notified. A node that reads
// takes all that is there, so it does not read more often than once in the time that
// a read takes, for which the page assumes 5 ms.
func notified(changes float64) float64 {
	const read = 0.005
	return nodes * changes / (1 + changes*read)
}

// useTable is how many rows a second the batches of last uses write: one for each
// key that a node was asked for in 30 seconds, on each node.
func useTable() string {
	each := useInterval.Seconds()
	used := func(rate float64) float64 { return 1 - math.Exp(-rate*each) }
	head, row := []string{""}, []string{"last uses written/s"}
	for _, w := range workloads {
		head = append(head, w.name)
		row = append(row, count(nodes*w.popularity().sum(perNode, used)/each))
	}
	return markdown(head, [][]string{row})
}

// What a key takes in each store, in bytes with its indexes: measured with 200,000
// keys of one credential, a name, a description and two permissions, freshly loaded.
const (
	postgresKeyBytes = 480
	mariadbKeyBytes  = 400
	redisKeyBytes    = 750
)

// limitTable sets what the case asks for beside what the servers allow as they come.
func limitTable() string {
	gigabytes := func(bytes float64) string { return count(bytes*keys/1e9) + " GB" }
	conns := count(nodes * poolSize)
	return markdown([]string{"", "PostgreSQL", "MariaDB", "Redis"}, [][]string{
		{"keys on disk, or in memory", gigabytes(postgresKeyBytes), gigabytes(mariadbKeyBytes), gigabytes(redisKeyBytes)},
		{"connections at most, pools as they come", conns, conns, count(nodes * (10*8 + 1))},
		{"connections allowed, servers as they come", "100", "151", "10,000"},
	})
}
