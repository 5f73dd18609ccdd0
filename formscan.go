package apikey

import (
	"errors"
	"net/url"
	"strings"
)

// Pairs of a query or of an urlencoded form, as the URL Standard's parser splits
// them: at "&" alone. Neither function builds a map or copies what it passes
// over, so that ten thousand foreign pairs cost no more than their bytes.

var errBadPair = errors.New("apikey: the value that holds the key has a bad escape or a raw semicolon")

// findPair returns the decoded value of the pairs whose decoded name is name.
// Several must agree; empty ones count as absent. Pairs of other names are not
// judged, however broken.
func findPair(text, name string) (string, *failure) {
	found := ""
	for start, end := range pairsNamed(text, name) {
		_, raw, _ := strings.Cut(text[start:end], "=")
		value, err := url.QueryUnescape(raw)
		if err != nil || strings.IndexByte(raw, ';') >= 0 {
			return "", &failure{
				reason: ErrMalformedRequest,
				cause:  errBadPair,
				detail: "The value of " + name + " has a bad escape or a raw semicolon.",
			}
		}
		if value != "" && found != "" && value != found {
			return "", failConflictingKeys
		}
		if value != "" {
			found = value
		}
	}
	return found, nil
}

// cutPairs returns text without the pairs whose decoded name is name, each with
// one "&" beside it. Every other byte stays.
func cutPairs(text, name string) string {
	var kept strings.Builder
	from := 0
	for start, end := range pairsNamed(text, name) {
		kept.WriteString(text[from:start])
		from = min(end+1, len(text))
	}
	if from == 0 {
		return text
	}
	kept.WriteString(text[from:])
	cut := kept.String()
	if last := strings.LastIndexByte(text, '&') + 1; isNamed(text[last:], name) {
		// The last pair has no "&" behind it, and takes the one before it along.
		cut = strings.TrimSuffix(cut, "&")
	}
	return cut
}

// pairsNamed yields the start and end of each pair whose decoded name is name.
func pairsNamed(text, name string) func(yield func(start, end int) bool) {
	return func(yield func(start, end int) bool) {
		for start := 0; start < len(text); {
			end := len(text)
			if n := strings.IndexByte(text[start:], '&'); n >= 0 {
				end = start + n
			}
			if isNamed(text[start:end], name) && !yield(start, end) {
				return
			}
			start = end + 1
		}
	}
}

// isNamed reports whether the decoded name of a pair is name, which itself holds
// nothing that need be escaped.
func isNamed(pair, name string) bool {
	at := 0 // in pair
	for i := range len(name) {
		if at == len(pair) {
			return false
		}
		c, width := pair[at], 1
		if c == '%' {
			if c, width = unescape(pair[at:]); width == 0 {
				return false
			}
		}
		if c != name[i] {
			return false
		}
		at += width
	}
	return at == len(pair) || pair[at] == '='
}

// unescape returns the byte that s begins with a percent-escape of, and the
// escape's width, which is zero where it is broken.
func unescape(s string) (c byte, width int) {
	if len(s) < 3 {
		return 0, 0
	}
	hi, ok1 := unhex(s[1])
	lo, ok2 := unhex(s[2])
	if !ok1 || !ok2 {
		return 0, 0
	}
	return hi<<4 | lo, 3
}

func unhex(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
