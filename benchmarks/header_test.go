// Package benchmarks measures apikey beside the least code that could do its work,
// and beside other libraries.
package benchmarks

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// guarded returns the library in its two shapes: kept does what the floor does,
// shipped is the library as it comes, with an access log.
func guarded(b *testing.B, store apikey.Store, call func(h http.Handler) caller) []subject {
	b.Helper()
	plain, full := newAuthority(b, store, kept()), newAuthority(b, store, shipped())
	return []subject{
		{impl: "kept", call: call(plain.Require(peers.Need)(silent))},
		recorded("shipped", full, call(full.Require(peers.Need)(silent))),
	}
}

// BenchmarkHeader is a request that is let through on a key in its header.
func BenchmarkHeader(b *testing.B) {
	for _, n := range sizes() {
		b.Run(fmt.Sprint("keys=", n), func(b *testing.B) {
			set := keysOf(b, n)
			call := func(h http.Handler) caller { return byHeader(h, "X-ApiKey", set.probes, false) }
			log := peers.NewFloorLog()
			b.Cleanup(log.Close)
			one := newAuthority(b, set.store, onePlace())
			all := append(guarded(b, set.store, call),
				subject{impl: "one-place", call: call(one.Require(peers.Need)(silent))},
				recorded("floor-shipped", log, call(log.Floor(set.keys, peers.Need, silent))),
				subject{impl: "floor", call: call(peers.Floor(set.keys, peers.Need, silent))},
				subject{impl: "handler", call: call(silent)})
			all = append(all, peerSubjects(set.keys, peers.Header, set.probes, false, true)...)
			inModes(b, all...)
		})
	}
}

// BenchmarkQuery is a request that is let through on a key in its query.
func BenchmarkQuery(b *testing.B) {
	set := keysOf(b, 1_000)
	call := func(h http.Handler) caller { return byQuery(h, set.probes) }
	inOrder(b, 1, append(guarded(b, set.store, call),
		peerSubjects(set.keys, peers.Query, set.probes, false, true)...)...)
}

// BenchmarkRefusal is a request that is refused, answer and all: on a key that
// nobody has, or one with a wrong checksum. "hit" is one that is let through.
func BenchmarkRefusal(b *testing.B) {
	set := keysOf(b, 1_000)
	for _, row := range []struct {
		name    string
		probes  []string
		refused bool
	}{
		{"hit", set.probes, false},
		{"unknown", unknown(1_000), true},
		{"checksum", mistyped(1_000), true},
	} {
		b.Run("key="+row.name, func(b *testing.B) {
			call := func(h http.Handler) caller { return byHeader(h, "X-ApiKey", row.probes, row.refused) }
			all := append(guarded(b, set.store, call), peerSubjects(set.keys, peers.Header, row.probes, row.refused, false)...)
			inOrder(b, 1, append(all, subject{impl: "floor", call: call(peers.Floor(set.keys, peers.Need, silent))})...)
		})
	}
}

// BenchmarkCheck is the decision without the answer.
func BenchmarkCheck(b *testing.B) {
	set := keysOf(b, 1_000)
	auth := newAuthority(b, set.store, kept())
	need := apikey.AllOf(peers.Need)
	check := func(probes []string, want apikey.Reason) caller {
		return byHeader(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := auth.Check(nil, r, need); reasonOf(err) != want {
				panic(err)
			}
		}), "X-ApiKey", probes, false)
	}
	inOrder(b, 1,
		subject{impl: "hit", call: check(set.probes, "")},
		subject{impl: "unknown", call: check(unknown(1_000), apikey.ErrUnknownKey)},
		subject{impl: "checksum", call: check(mistyped(1_000), apikey.ErrMalformedKey)},
		subject{impl: "floor", call: byHeader(peers.Floor(set.keys, peers.Need, silent), "X-ApiKey", set.probes, false)},
	)
}

// reasonOf returns why a request was refused, and nothing where it was not. errors.Is
// would allocate, which the check does not.
func reasonOf(err error) apikey.Reason {
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*apikey.Error](err)
	if !ok {
		return "another error"
	}
	return refusal.Reason
}
