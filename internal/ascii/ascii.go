// Package ascii folds letters as every database can.
package ascii

// Lower returns s with its ASCII capitals made small, and every other byte as it
// is.
func Lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}
