package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRate: one request that is not answered as it is to be spoils the run.
func TestRate(t *testing.T) {
	const said = "  200 requests in 2.00s, 3.10MB read\n%sRequests/sec:    100.25\n"
	for _, row := range []struct {
		name    string
		said    string
		refused bool
		ok      bool
	}{
		{"all served", fmt.Sprintf(said, ""), false, true},
		{"all refused", fmt.Sprintf(said, "  Non-2xx or 3xx responses: 200\n"), true, true},
		{"one refused", fmt.Sprintf(said, "  Non-2xx or 3xx responses: 1\n"), false, false},
		{"one served", fmt.Sprintf(said, "  Non-2xx or 3xx responses: 199\n"), true, false},
		{"all served that were to be refused", fmt.Sprintf(said, ""), true, false},
		{"a broken connection", fmt.Sprintf(said, "  Socket errors: connect 0, read 1, write 0, timeout 0\n"), false, false},
		{"no requests at all", "  0 requests in 2.00s, 0B read\nRequests/sec:      0.00\n", true, false},
		{"no rate", "  200 requests in 2.00s, 3.10MB read\n", false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			rate, err := (&testCase{refused: row.refused}).rate([]byte(row.said))
			if !row.ok {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.InDelta(t, 100.25, rate, 0)
		})
	}
}
