package apikey

import (
	"errors"
	"net/url"
	"strings"
)

// Pairs of a query or of an urlencoded form, as the URL Standard's parser splits
// them: at "&" alone. Nothing here builds a map or copies what it passes over, so
// that ten thousand foreign pairs cost no more than their bytes.

var errBadPair = errors.New("apikey: the value that holds the key has a bad escape or a raw semicolon")

// findPair returns the decoded value of the pairs whose decoded name is name.
// Several must agree; empty ones count as absent. Pairs of other names are not
// judged, however broken.
func findPair(text, name string) (string, *failure) {
	value, _, f := locatePair(text, name)
	return value, f
}

// A stretch is a part of a text. The zero stretch is none.
type stretch struct{ start, end int }

// and returns the stretch from the first to the last of both.
func (s stretch) and(o stretch) stretch {
	switch {
	case s == stretch{}:
		return o
	case o == stretch{}:
		return s
	}
	return stretch{min(s.start, o.start), max(s.end, o.end)}
}

// locatePair is findPair, and says where all of the pairs are: between the start of
// the first one and the end of the last. That is of no use after a failure.
func locatePair(text, name string) (value string, at stretch, f *failure) {
	for start, end := range pairsNamed(text, name) {
		_, raw, _ := strings.Cut(text[start:end], "=")
		this, err := url.QueryUnescape(raw)
		if err != nil || strings.IndexByte(raw, ';') >= 0 {
			return "", at, &failure{
				reason: ErrMalformedRequest,
				cause:  errBadPair,
				detail: "The value of " + name + " has a bad escape or a raw semicolon.",
			}
		}
		if this != "" && value != "" && this != value {
			return "", at, failConflictingKeys
		}
		if this != "" {
			value = this
		}
		if at.end == 0 {
			at.start = start
		}
		at.end = end
	}
	return value, at, nil
}

// cutPairs returns text without the pairs whose decoded name is name, each with
// one "&" beside it. Every other byte stays.
func cutPairs(text, name string) string {
	for start := range pairsNamed(text, name) {
		kept := append(make([]byte, 0, len(text)), text[:start]...)
		return string(appendUncut(kept, text[start:], name))
	}
	return text
}

// appendUncut appends to dst what cutPairs leaves of text. The two may be parts of
// one body, text after dst: what is written stays behind what is still to be read.
func appendUncut(dst []byte, text, name string) []byte {
	from, last := 0, false
	for start, end := range pairsNamed(text, name) {
		dst = append(dst, text[from:start]...)
		from, last = min(end+1, len(text)), end == len(text)
	}
	dst = append(dst, text[from:]...)
	if last && len(dst) > 0 {
		// The last pair has no "&" behind it, and takes the one before it along.
		dst = dst[:len(dst)-1]
	}
	return dst
}

// pairsNamed yields the start and end of each pair whose decoded name is name. Nearly
// all others are told by their first byte.
func pairsNamed(text, name string) func(yield func(start, end int) bool) {
	return func(yield func(start, end int) bool) {
		for start := 0; start < len(text); {
			end := len(text)
			if n := strings.IndexByte(text[start:], '&'); n >= 0 {
				end = start + n
			}
			c := text[start]
			if (c == name[0] || c == '%') && isNamed(text[start:end], name) && !yield(start, end) {
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
