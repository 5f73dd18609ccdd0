package main

import "github.com/seed-be062aaa/apikey/benchmarks/internal/peers"

// A testCase is requests of one kind to one server.
type testCase struct {
	name    string
	server  string
	keys    []string // which requests have in turn
	varying bool     // requests are spelt anew each time, which costs wrk something
	body    string
	refused bool
}

// body is what requests have and, in answer to them, the servers send.
var body = peers.JSON(4 << 10)

// keyCount keys are in each store, and behind them inTurn whose bodies are logged. As
// many keys are used in turn, so that no log can make use of what it knows of the last
// one.
const (
	keyCount = 1000
	inTurn   = 100
)

// cases returns all cases. The part of a name before the slash is of those that are
// compared with each other.
func cases() []testCase {
	good, logged := peers.Texts(0, inTurn, peers.Text), peers.Texts(keyCount, inTurn, peers.Text)
	mistyped, unknown := peers.Texts(0, inTurn, peers.Mistyped), []string{peers.Text(1 << 30)}
	all := []testCase{
		{name: "get/bare", server: "bare", keys: good},
		{name: "get/floor", server: "floor", keys: good},
		{name: "get/floor-shipped", server: "floor-shipped", keys: good},
		{name: "get/authenticated", server: "authenticated", keys: good},
		{name: "get/log-null", server: "log-null", keys: good},
		{name: "get/log-sqlite", server: "log-sqlite", keys: good},

		{name: "post-4kB/bare", server: "bare", keys: good, body: body},
		{name: "post-4kB/authenticated", server: "authenticated", keys: good, body: body},
		{name: "post-4kB/log-null", server: "log-null", keys: logged, body: body},
		{name: "post-4kB/log-sqlite", server: "log-sqlite", keys: logged, body: body},

		{name: "refuse/served", server: "store-sqlite", keys: good},
		{name: "refuse/served-varying", server: "store-sqlite", keys: good, varying: true},
		{name: "refuse/checksum", server: "store-sqlite", keys: mistyped, refused: true},
		{name: "refuse/repeated", server: "store-sqlite", keys: unknown, refused: true},
		{name: "refuse/distinct", server: "store-sqlite", keys: []string{"unknown key #"}, varying: true, refused: true},
	}
	for _, peer := range []string{"echo5", "echo4", "fiber3"} {
		for _, shape := range []string{"bare", "authenticated", "log-null"} {
			all = append(all, testCase{name: peer + "/" + shape, server: peer + "-" + shape, keys: good})
		}
	}
	return all
}
