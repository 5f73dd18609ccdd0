package main

import "github.com/seed-be062aaa/apikey/benchmarks/internal/peers"

// A testCase is requests of one kind to one server.
type testCase struct {
	name    string
	server  string
	key     string
	varying bool // requests are spelt anew each time, which costs wrk something
	body    int  // bytes, both ways
	refused bool
}

const bodyBytes = 4 << 10

// cases returns all cases. The part of a name before the slash is of those that are
// compared with each other.
func cases() []testCase {
	good := peers.Text(1)
	all := []testCase{
		{name: "get/bare", server: "bare", key: good},
		{name: "get/floor", server: "floor", key: good},
		{name: "get/floor-shipped", server: "floor-shipped", key: good},
		{name: "get/authenticated", server: "authenticated", key: good},
		{name: "get/log-null", server: "log-null", key: good},
		{name: "get/log-sqlite", server: "log-sqlite", key: good},

		{name: "post-4kB/bare", server: "bare", key: good, body: bodyBytes},
		{name: "post-4kB/authenticated", server: "authenticated", key: good, body: bodyBytes},
		{name: "post-4kB/log-null", server: "log-null", key: loggedKey, body: bodyBytes},
		{name: "post-4kB/log-sqlite", server: "log-sqlite", key: loggedKey, body: bodyBytes},

		{name: "refuse/served", server: "store-sqlite", key: good},
		{name: "refuse/served-varying", server: "store-sqlite", key: good, varying: true},
		{name: "refuse/checksum", server: "store-sqlite", key: peers.Mistyped(1), refused: true},
		{name: "refuse/repeated", server: "store-sqlite", key: peers.Text(1 << 30), refused: true},
		{name: "refuse/distinct", server: "store-sqlite", key: "unknown key #", varying: true, refused: true},
	}
	for _, peer := range []string{"echo5", "echo4", "fiber3"} {
		for _, shape := range []string{"bare", "authenticated", "log-null"} {
			all = append(all, testCase{name: peer + "/" + shape, server: peer + "-" + shape, key: good})
		}
	}
	return all
}
