package peers

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Parts returns as many parts as make a body of about that size.
func Parts(size int, part func(*rand.Rand) string) (parts []string) {
	r := rand.New(rand.NewPCG(1, 3)) //nolint:gosec // the same bodies in each run
	for size > 0 {
		next := part(r)
		parts = append(parts, next)
		size -= len(next) + 1
	}
	return parts
}

// Members returns as many members as make a JSON object of about that size.
func Members(size int) []string {
	n := 0
	return Parts(size, func(r *rand.Rand) string { n++; return member(r, n) })
}

// JSON returns an object of about that size.
func JSON(size int) string { return "{" + strings.Join(Members(size), ",") + "}" }

// member returns a member as APIs have them: numbers, short and long texts, nested
// values, some beyond ASCII, some escapes.
func member(r *rand.Rand, n int) string {
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf(`"count_%d": %d`, n, r.IntN(1e9))
	case 1:
		return fmt.Sprintf(`"ratio_%d": %g`, n, r.Float64())
	case 2:
		return fmt.Sprintf(`"host_%d": "server-%d.example.org"`, n, r.IntN(1000))
	case 3:
		return fmt.Sprintf(`"description_%d": %q`, n, strings.Repeat("some words of prose, ", 1+r.IntN(8)))
	case 4:
		return fmt.Sprintf(`"roles_%d": [{"name": "web\n%d", "active": true}, {"name": "Datenbänke", "active": null}]`, n, n)
	default:
		return fmt.Sprintf(`"flag_%d": %t`, n, n%2 == 0)
	}
}
