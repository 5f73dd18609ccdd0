package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/seed-be062aaa/apikey/benchmarks/internal/peers"
)

// probe makes the case's first request by itself: wrk tells no refusal from a server
// that fails.
func (p *process) probe(ctx context.Context, c *testCase) error {
	method, want := http.MethodGet, http.StatusOK
	if c.body != "" {
		method = http.MethodPost
	}
	if c.refused {
		want = http.StatusUnauthorized
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+peers.Path, strings.NewReader(c.body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-ApiKey", c.keys[0])
	answer, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != want {
		return fmt.Errorf("answered %s, expected %d: %s", answer.Status, want, text)
	}
	if c.body != "" && string(text) != c.body {
		return fmt.Errorf("answered %q and not the JSON", text)
	}
	return nil
}
