package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-be062aaa/apikey"
	"github.com/seed-be062aaa/apikey/benchmarks/internal/page"
)

// TestPage: the page shows what the program prints.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../../../docs/scale.md")
	require.NoError(t, err)
	for _, s := range sections {
		require.Equal(t, 1, strings.Count(string(text), "<!-- scale "+s.marker+" -->"), s.marker)
	}
	filled, err := page.Fill(string(text), "scale", table)
	require.NoError(t, err)
	require.Equal(t, filled, string(text), "run `make scale-docs`")
}

func TestPopularity(t *testing.T) {
	for _, exponent := range []float64{0, 0.8, 1, 1.2} {
		p, keys := zipf(1_000_000, exponent), 0
		for _, c := range p.classes {
			keys += c.keys
		}
		require.Equal(t, 1_000_000, keys)
		require.InDelta(t, 1, p.sum(1, func(rate float64) float64 { return rate }), 1e-9)
		first, hundredth := p.classes[0].share, p.classes[99].share
		require.InEpsilon(t, math.Pow(100, exponent), first/hundredth, 1e-9)
	}
}

// A countingStore holds a key for every digest, and counts what it is asked.
type countingStore struct {
	apikey.ManagedStore
	calls atomic.Int64
}

func (s *countingStore) Lookup(_ context.Context, d apikey.Digest) (*apikey.Key, error) {
	s.calls.Add(1)
	return &apikey.Key{
		ID: fmt.Sprint(binary.LittleEndian.Uint64(d[:])), Version: 1, Credentials: []apikey.Credential{{Digest: d}},
	}, nil
}

// TestModel: the library asks its store as often as the formula and the simulation
// say.
func TestModel(t *testing.T) {
	const rate, warm, measured = 500, 10 * time.Second, 30 * time.Second
	p := zipf(100_000, 1)
	want := demandOf(p, rate, ttl, 0).calls
	require.InEpsilon(t, want, simulate(p, rate, maxKeys).calls, 0.03, "the simulation")
	synctest.Test(t, func(t *testing.T) {
		store := &countingStore{}
		auth, err := apikey.New(t.Context(), store, &apikey.Options{
			Cache: apikey.CacheOptions{On: true}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		random := rand.New(rand.NewPCG(3, 0))
		for began := time.Now(); time.Since(began) < warm+measured; {
			if time.Since(began) < warm {
				store.calls.Store(0)
			}
			_, err := auth.Authenticate(t.Context(), fmt.Sprint("key ", p.draw(random)))
			require.NoError(t, err)
			time.Sleep(time.Duration(random.ExpFloat64() / rate * float64(time.Second)))
		}
		require.NoError(t, auth.Shutdown(t.Context()))
		require.InEpsilon(t, want, float64(store.calls.Load())/measured.Seconds(), 0.05, "the library")
	})
}
